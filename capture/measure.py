"""What is measured in every picture while it is decoded: brightness, clipping, focus, noise and, in clips, motion.

The numbers are only compared within a session (same camera, same light), so they need no absolute scale. Everything
is computed at half resolution or less, which keeps it below two thirds of what the decoding itself costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import cv2
import numpy as np
import xxhash
from numpy.typing import NDArray

from capture import images, video
from capture.decode import raw
from capture.decode.picture import Grey8, Picture, turned
from capture.exif import Exif, parse_exif, video_exif
from capture.measured import Numbers
from capture.smear import Row, SmearMeter
from capture.sync.motion import MotionMeter, Step

FRAMES_MEASURED = 24  # of a video, spread evenly; all frames are decoded
_SMEAR_EVERY = 2  # of those frames; a dozen hold thousands of edges
THUMBNAIL_PX = 240  # longer side
_TILES = 16  # rows and columns
_BAND = 128  # rows that are worked on at a time
_DETAILED = 0.15  # share of the tiles in which focus is measured
_NO_DETAIL = 0.5  # grey levels squared; less is noise and compression
_CLIPPED_FROM = 253  # grey level; half resolution blurs a clipped edge by a level or two
_FLAT = 0.2  # share of the tiles, the flattest ones, in which noise is measured
_TONES = (12, 243)  # grey levels between which a tile can show noise on both sides
# Mean grey levels between two frames at 160 px. One picture encoded again and again differs by at most 0.02 but for
# single frames (H.264, VP9, MPEG-4), real recordings by 0.14 or more (ten cameras, the stillest frames of each).
FROZEN_BELOW = 0.04


Grey: TypeAlias = NDArray[np.float32]  # (H, W)
Pixels = TypeVar("Pixels", Picture, Grey)


def _srgb_to_linear() -> NDArray[np.float64]:
    level = np.arange(256) / 255.0
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


_LINEAR = _srgb_to_linear()  # (256,) linear light of each level


@dataclass(frozen=True)
class Decoded:
    """What a whole decode of one file tells."""

    width: int  # pixels, upright
    height: int
    frames: int
    fps: float
    pixels: str  # xxh3_128 of the first frame at half size, upright
    numbers: tuple[Numbers, ...]
    thumbnail: bytes  # JPEG of the first frame for the report
    codec: str
    exif: Exif
    seconds: float = 0.0
    timecode: str = ""
    gaps: tuple[tuple[int, int], ...] = ()
    frozen: tuple[tuple[int, int], ...] = ()
    motion: tuple[Step, ...] = ()  # of a video, from each frame to the next
    smear: tuple[Row, ...] = ()  # of a video: how sharp its edges are, by how fast they move


def decode(path: Path, *, threads: int = 0) -> Decoded:
    """Decode every frame of a picture or video strictly. Raises ImageError or VideoError.

    `threads` are those of a video's decoder, 0 for as many as the machine has cores.
    """
    if path.suffix.lower() in video.EXTENSIONS:
        return _decode_video(path, threads)
    data = images.read_bytes(path)
    exif = parse_exif(data)
    if path.suffix.lower() in raw.EXTENSIONS:
        half, (width, height) = raw.decode_half(data)
        digest, thumbnail, codec = _digest(half), _thumbnail(half, half), path.suffix.lower()[1:]
    else:
        image, orientation = images.decode_stored(data)
        codec = images.kind_of(data)
        del data  # of a large picture the file and the pixels need not be held at once
        height, width = image.shape[1::-1] if orientation >= 5 else image.shape[:2]
        half = turned(_halved(image), orientation)  # a quarter of the work of turning the whole
        digest, thumbnail = _digest(half), _thumbnail(image, half, orientation)
        del image
    return Decoded(width, height, 1, 0.0, digest, (_measure_half(half),), thumbnail, codec, exif)


def _decode_video(path: Path, threads: int) -> Decoded:
    info = video.probe(path)
    every = max(1, info.frames // FRAMES_MEASURED)
    pixels, thumbnail = "", b""
    numbers: list[Numbers] = []
    still, motion, smear = _Stillness(), MotionMeter(), SmearMeter()
    before: Grey8 | None = None
    steady = True  # frames of two sizes in one file cannot be compared, and tell no motion
    for frame in video.decode_frames(path, threads=threads):
        small = frame.small()
        change = still.add(small)
        steady = steady and (before is None or small.shape == before.shape)
        if steady:
            motion.add(small)
        if frame.index % every == 0:
            image = frame.picture()
            half = _halved(image)
            if frame.index == 0:
                pixels, thumbnail = _digest(half), _thumbnail(image, half)
            numbers.append(_measure_half(half, frame.index, change=change))
            if before is not None and len(numbers) % _SMEAR_EVERY:
                smear.add(_grey(half), _turned(small, frame.turns), _turned(before, frame.turns))
        before = small
    return Decoded(
        info.width, info.height, info.frames, round(info.fps, 4), pixels, tuple(numbers), thumbnail,
        codec=info.codec, exif=video_exif(info.tags), seconds=info.seconds, timecode=info.timecode, gaps=info.gaps,
        frozen=tuple(still.runs()), motion=motion.steps() if steady else (),
        smear=smear.rows(),
    )  # fmt: skip


class _Stillness:
    """Runs of frames that repeat the one before, found while they pass; holds one small picture."""

    def __init__(self) -> None:
        self._last: Grey8 | None = None
        self._count = 0
        self._runs: list[tuple[int, int]] = []

    def add(self, small: Grey8) -> float:
        """Mean change of grey levels to the frame before; -1 for the first."""
        change = -1.0
        if self._last is not None and self._last.shape == small.shape:
            change = cv2.norm(self._last, small, cv2.NORM_L1) / small.size
            if change < FROZEN_BELOW:
                first = self._runs.pop()[0] if self._runs and self._runs[-1][1] == self._count - 1 else self._count - 1
                self._runs.append((first, self._count))
        self._last = small
        self._count += 1
        return round(change, 4)

    def runs(self) -> Iterator[tuple[int, int]]:
        """(first, last) frame of each run of the same picture."""
        yield from self._runs


def measure(image: Picture, frame: int = 0) -> Numbers:
    """Numbers of one picture (H, W, 3) BGR, computed at half resolution."""
    return _measure_half(_halved(image), frame)


def _measure_half(half: Picture, frame: int = 0, *, change: float = -1.0) -> Numbers:
    levels = _grey(half)
    every = 2 if min(levels.shape) >= _BAND else 1  # of a large picture half of the rows say the same
    histogram = cv2.calcHist([levels[::every]], [0], None, [256], [0, 256]).ravel()
    count = float(histogram.sum())
    below = (_CLIPPED_FROM - 1,) * 3
    unclipped = sum(cv2.countNonZero(cv2.inRange(rows, (0, 0, 0), below)) for rows in _bands(half[::every]))
    return Numbers(
        frame=frame,
        luma=round(float(histogram @ _LINEAR) / count, 6),
        clipped=round(1 - unclipped / count, 6),
        focus=round(_focus(levels), 6),
        noise=round(_noise(levels), 4),
        change=change,
    )


def _focus(levels: Grey8) -> float:
    """Fine over coarse detail where she shows most detail; 0 for a picture without any.

    Of 16 x 16 tiles the 15 % with the highest mean squared Laplacian at quarter resolution count; in each the energy
    at half resolution is divided by that at an eighth, and the median is taken. It hardly moves with light, contrast,
    pose and outfit (see checks/focus.py for figures), unlike the energy itself.
    """
    quarter = np.concatenate([_halved(rows.astype(np.float32)) for rows in _bands(levels)])
    middle = _energy(quarter)
    detailed = middle >= np.quantile(middle, 1 - _DETAILED)
    if float(middle[detailed].mean()) < _NO_DETAIL:
        return 0.0
    coarse = _energy(_halved(quarter))[detailed]
    fine = (
        _energy_in(levels, np.argwhere(detailed)) if _divides(levels) else _energy(levels.astype(np.float32))[detailed]
    )
    return float(np.median(fine / (coarse + _NO_DETAIL)))


def _energy(grey: Grey) -> Grey:
    """Mean squared Laplacian in each of 16 x 16 tiles."""
    return _tiled(grey, _squared_laplacian)


def _energy_in(levels: Grey8, tiles: NDArray[np.intp]) -> Grey:
    """The same in the tiles (N, 2) that are named by row and column, and in no other: (N,)."""
    height, width = (side // _TILES for side in levels.shape)
    found = np.empty(len(tiles), np.float32)
    for number, (row, column) in enumerate(tiles):
        top, left = row * height, column * width
        above, before = min(top, 1), min(left, 1)
        piece = levels[top - above : top + height + 1, left - before : left + width + 1].astype(np.float32)
        found[number] = cv2.mean(_squared_laplacian(piece)[above : above + height, before : before + width])[0]
    return found


def _squared_laplacian(grey: Grey) -> Grey:
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    return cast(Grey, cv2.multiply(laplacian, laplacian, dst=laplacian))


def _noise(levels: Grey8) -> float:
    """Standard deviation of the grain in grey levels, where the picture is flat and neither black nor blown out.

    Immerkaer, "Fast noise variance estimation", CVIU 64 (1996), in every second row of 16 x 16 tiles; the median of
    the flattest fifth, as texture only adds. 0 where no tile qualifies.
    """
    second = np.array([1.0, -2.0, 1.0])

    def grain_of(rows: Grey) -> Grey:
        filtered = cv2.sepFilter2D(rows, cv2.CV_32F, second, second)
        return cast(Grey, np.abs(filtered, out=filtered))

    grain = _tiled(levels, grain_of, every=2)
    tone = cv2.resize(levels[:: levels.shape[0] // 256 or 1], (_TILES, _TILES), interpolation=cv2.INTER_AREA)
    usable = grain[::2][((tone > _TONES[0]) & (tone < _TONES[1]))[::2]]
    if usable.size == 0:
        return 0.0
    flat = np.sort(usable)[: max(1, round(_FLAT * usable.size))]
    return float(np.median(flat)) * math.sqrt(math.pi / 2) / 6


def _tiled(grey: Grey | Grey8, work: Callable[[Grey], Grey], *, every: int = 1) -> Grey:
    """Means (16, 16) of what `work` makes of a picture; it may look one row up and down.

    With `every` 2 only the first, third ... row of tiles is worked on, and the others are 0.

    Row by row of tiles: the intermediate pictures then fit into the processor's cache, and no fresh memory is asked
    for, which would cost more than the arithmetic. Of a large picture the up to 15 rows and columns at its end are
    left out, because OpenCV takes five times as long where the sizes do not divide.
    """
    height, width = (side // _TILES * _TILES if side >= _TILES**2 else side for side in grey.shape)
    if not _divides(grey):
        whole = work(grey.astype(np.float32))[:, :width]
        return cast(Grey, cv2.resize(whole, (_TILES, _TILES), interpolation=cv2.INTER_AREA))
    result, step = np.zeros((_TILES, _TILES), np.float32), height // _TILES
    for number in range(0, _TILES, every):
        first, last = max(0, number * step - 1), min(grey.shape[0], (number + 1) * step + 1)
        done = work(grey[first:last].astype(np.float32))
        rows = done[number * step - first :][:step, :width]
        result[number] = cv2.resize(rows, (_TILES, 1), interpolation=cv2.INTER_AREA)
    return result


def _divides(grey: Grey | Grey8) -> bool:
    """True when the tiles are whole pixels, or so large that those left over do not matter."""
    return all(side >= _TILES**2 for side in grey.shape)


def _bands(values: Pixels) -> Iterator[Pixels]:
    """A picture in pieces of whole rows, an even number of them."""
    for first in range(0, values.shape[0] // 2 * 2 or 1, _BAND):
        yield values[first : first + _BAND]


def _halved(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    even = image[: max(height // 2 * 2, 1), : max(width // 2 * 2, 1)]
    return cast(Pixels, cv2.resize(even, (max(width // 2, 1), max(height // 2, 1)), interpolation=cv2.INTER_AREA))


def _grey(image: Picture) -> Grey8:
    return cast(Grey8, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def _turned(grey: Grey8, turns: int) -> Grey8:
    return cast(Grey8, np.ascontiguousarray(np.rot90(grey, turns)))


def _digest(image: Picture) -> str:
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(image).data)


def _thumbnail(image: Picture, half: Picture, orientation: int = 1) -> bytes:
    """A JPEG of at most 240 px. Halving is the fastest way down, so most of it is done so."""
    small = half if max(half.shape[:2]) >= 2 * THUMBNAIL_PX else turned(image, orientation)
    while max(small.shape[:2]) >= 4 * THUMBNAIL_PX:
        small = _halved(small)
    height, width = small.shape[:2]
    scale = min(1.0, THUMBNAIL_PX / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return images.encode_jpeg(cast(Picture, cv2.resize(small, size, interpolation=cv2.INTER_AREA)), 80)
