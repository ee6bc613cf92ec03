"""What is measured in every picture while it is decoded: brightness, clipping and focus.

The numbers are only compared within a session (same camera, same light), so they need no absolute scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import cv2
import numpy as np
import xxhash
from numpy.typing import NDArray

from capture import images, video
from capture.images import Picture
from capture.validate import Numbers

FRAMES_MEASURED = 24  # of a video, spread evenly; all frames are decoded
THUMBNAIL_PX = 240  # longer side
_TILES = (16, 16)
_DETAILED = 0.15  # share of the tiles in which focus is measured
_NO_DETAIL = 0.5  # grey levels squared; less is noise and compression
_CLIPPED_FROM = 253  # grey level; half resolution blurs a clipped edge by a level or two


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
    pixels: str  # xxh3_128 of the first frame
    numbers: tuple[Numbers, ...]
    thumbnail: bytes  # JPEG of the first frame for the report


def measure(image: Picture, frame: int = 0) -> Numbers:
    """Numbers of one picture (H, W, 3) BGR, computed at half resolution."""
    half = _halved(image)
    grey = cv2.cvtColor(half, cv2.COLOR_BGR2GRAY)
    histogram = np.bincount(grey.ravel(), minlength=256)
    brightest = cv2.max(cv2.max(half[..., 0], half[..., 1]), half[..., 2])
    return Numbers(
        frame=frame,
        luma=round(float(histogram @ _LINEAR) / grey.size, 6),
        clipped=round(float(np.count_nonzero(brightest >= _CLIPPED_FROM)) / grey.size, 6),
        focus=round(_focus(grey.astype(np.float32)), 6),
    )


def _focus(grey: Grey) -> float:
    """Fine over coarse detail where she shows most detail; 0 for a picture without any.

    Of 16 x 16 tiles the 15 % with the highest mean squared Laplacian at quarter resolution count; in each the energy
    at half resolution is divided by that at an eighth, and the median is taken. It hardly moves with light, contrast,
    pose and outfit (see checks/focus.py for figures), unlike the energy itself.
    """
    quarter = _halved(grey)
    middle = _energy(quarter)
    detailed = middle >= np.quantile(middle, 1 - _DETAILED)
    if float(middle[detailed].mean()) < _NO_DETAIL:
        return 0.0
    coarse = _energy(_halved(quarter))[detailed]
    return float(np.median(_energy(grey)[detailed] / (coarse + _NO_DETAIL)))


def _energy(grey: Grey) -> Grey:
    """Mean squared Laplacian in each of 16 x 16 tiles."""
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    return cast(Grey, cv2.resize(laplacian * laplacian, _TILES, interpolation=cv2.INTER_AREA))


def _halved(image: Pixels) -> Pixels:
    size = (max(image.shape[1] // 2, 1), max(image.shape[0] // 2, 1))
    return cast(Pixels, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def decode(path: Path) -> Decoded:
    """Decode every frame of a picture or video strictly. Raises ImageError or VideoError."""
    if path.suffix.lower() in images.EXTENSIONS:
        image = images.read_image(path)
        height, width = image.shape[:2]
        return Decoded(width, height, 1, 0.0, _digest(image), (measure(image),), _thumbnail(image))
    info = video.probe(path)
    every = max(1, info.frames // FRAMES_MEASURED)
    pixels, thumbnail, numbers = "", b"", []
    for index, image in video.read_frames(path, every=every):
        if index == 0:
            pixels, thumbnail = _digest(image), _thumbnail(image)
        numbers.append(measure(image, index))
    return Decoded(info.width, info.height, info.frames, round(info.fps, 4), pixels, tuple(numbers), thumbnail)


def _digest(image: Picture) -> str:
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(image).data)


def _thumbnail(image: Picture) -> bytes:
    scale = min(1.0, THUMBNAIL_PX / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return images.encode_jpeg(cast(Picture, cv2.resize(image, size, interpolation=cv2.INTER_AREA)), 80)
