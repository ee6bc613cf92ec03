"""Video in and out through FFmpeg's libraries: the only video decoder of the house."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from capture.decode.picture import Grey8, Picture

EXTENSIONS = (".mp4", ".mov", ".m4v", ".avi", ".mkv")


SMALL_PX = 160  # least width of the grey pictures in which frames are compared
_JUMP = 1.5  # usual intervals between two time stamps; more is room for a frame that is not there


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself; width and height are of the upright picture."""

    width: int
    height: int
    frames: int
    fps: float
    codec: str  # `h264`, `hevc`, ...
    seconds: float  # from the first frame to the end of the last
    timecode: str  # of the first frame, where the camera wrote one
    gaps: tuple[tuple[int, int], ...]  # (frame before which the time stamps jump, frames missing there)
    tags: Mapping[str, str]  # what the camera wrote beside: maker, model, place ...


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame; its pixels are converted only when they are asked for."""

    index: int
    _frame: av.VideoFrame

    @property
    def turns(self) -> int:
        """Quarter turns counter-clockwise that set it upright."""
        return _quarter_turns(self._frame.rotation)

    def picture(self) -> Picture:
        """(H, W, 3) uint8 BGR, upright."""
        pixels = cast(Picture, self._frame.to_ndarray(format="bgr24"))
        return np.ascontiguousarray(np.rot90(pixels, self.turns)) if self.turns else pixels

    def small(self) -> Grey8:
        """(h, w) uint8 luma as the camera held it, w from 160 to 319, for comparison with the frame before."""
        frame = self._frame
        if frame.format.name not in _PLANAR_8:
            height = max(1, round(frame.height * SMALL_PX / frame.width))
            return cast(Grey8, frame.reformat(SMALL_PX, height, "gray", interpolation="AREA").to_ndarray())
        plane = frame.planes[0]  # the luma itself is at hand: no conversion
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        block = max(1, frame.width // SMALL_PX)
        # Whole blocks: OpenCV takes seven times as long where the sizes do not divide.
        width, height = frame.width // block, max(1, frame.height // block)
        whole = luma[: height * block, : width * block]
        return cast(Grey8, cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))


_PLANAR_8 = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", "nv12")


class VideoError(Exception):
    """A file that is no usable video: `code` is of the issue catalogue, `detail` says what was found."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def probe(path: Path) -> VideoInfo:
    """Size, number of frames, rate and time stamps; all are read from the packets, not taken from the header."""
    with _open(path) as container:
        stream = container.streams.video[0]
        stamps: list[int | None] = []
        try:
            for packet in container.demux(stream):
                if packet.size:
                    stamps.append(packet.pts)
            container.seek(0)
            first = next(iter(container.decode(stream)), None)
        except (av.error.FFmpegError, ValueError) as err:
            raise VideoError("FILE_DAMAGED", f"video: {_said(err)}") from None
        if not stamps or first is None:
            raise VideoError("FILE_TRUNCATED", "video without a frame")
        if len(stamps) < stream.frames:
            raise VideoError("FILE_TRUNCATED", f"video of {stream.frames} frames ends after {len(stamps)}")
        turned = _quarter_turns(first.rotation) % 2 == 1
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        seconds, gaps = _times(stamps, float(stream.time_base or 0), _rate(stream))
        codec = stream.codec_context.name
        tags = {key: value[:200] for key, value in {**stream.metadata, **container.metadata}.items()}
        timecode = _timecode(container)
        return VideoInfo(width, height, len(stamps), _rate(stream), codec, seconds, timecode, gaps, tags)


def read_frames(path: Path, *, every: int = 1) -> Iterator[tuple[int, Picture]]:
    """Decode every frame strictly and yield (index, (H, W, 3) uint8 BGR upright) of each `every`-th one.

    Raises VideoError at the first damaged frame, and after the last one when the file ends early.
    """
    if every < 1:
        raise ValueError(f"every is {every}; give 1 for all frames, 2 for each second one, ...")
    for frame in decode_frames(path):
        if frame.index % every == 0:
            yield frame.index, frame.picture()


def decode_frames(path: Path, *, threads: int = 0) -> Iterator[Frame]:
    """Decode every frame strictly and yield it; raises VideoError as `read_frames` does.

    `threads` of the decoder, 0 for as many as the machine has cores.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.thread_count = threads
        packets, count = 0, 0
        try:
            for packet in container.demux(stream):
                packets += bool(packet.size)
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise VideoError("FILE_DAMAGED", f"video: frame {count} is damaged")
                    yield Frame(count, frame)
                    count += 1
        except (av.error.FFmpegError, ValueError) as err:
            raise VideoError("FILE_DAMAGED", f"video: frame {count}: {_said(err)}") from None
        if packets < stream.frames or count == 0:
            raise VideoError("FILE_TRUNCATED", f"video of {stream.frames} frames ends after {packets}")


def write_video(
    path: Path, frames: Iterable[Picture], fps: float, *, crf: int = 14, tags: Mapping[str, str] | None = None
) -> int:
    """Write H.264 in MP4 atomically and return the number of frames. Width and height must be even.

    `crf` is x264's constant quality: 14 keeps a mark of a few pixels, 23 is its default. `tags` go into the file, as
    far as MP4 knows them: title, comment, description, artist, copyright.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with av.open(str(part), "w", format="mp4") as container:
            container.metadata.update(tags or {})
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": str(crf), "preset": "fast"}
            for image in frames:
                height, width = image.shape[:2]
                if height % 2 or width % 2:
                    raise ValueError(f"video frame is {width} x {height}; both must be even")
                if count == 0:
                    stream.width, stream.height = width, height
                elif (stream.width, stream.height) != (width, height):
                    first = f"{stream.width} x {stream.height}"
                    raise ValueError(f"video frame {count} is {width} x {height}, the first was {first}")
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24")))
                count += 1
            if not count:
                raise ValueError(f"video {path.name} got no frames; give at least one")
            container.mux(stream.encode(None))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _open(path: Path) -> InputContainer:
    if not path.is_file():
        raise VideoError("FILE_MISSING", "no such file")
    if path.stat().st_size == 0:
        raise VideoError("FILE_EMPTY", "0 bytes")
    _check_boxes(path)
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, ValueError) as err:
        raise VideoError("FILE_UNREADABLE", f"not readable as a video: {_said(err)}") from None
    if not container.streams.video:
        container.close()
        raise VideoError("FILE_UNREADABLE", "file without a video stream")
    return container


def _check_boxes(path: Path) -> None:
    """MP4 and MOV are rows of boxes that name their length; FFmpeg reads many files whose last one is cut."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as stream:
        while at < size:
            stream.seek(at)
            head = stream.read(16)
            if at == 0 and head[4:8] != b"ftyp":
                return  # another container
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length == 0:
                return  # a last box that runs to the end of the file
            if length < 8 or at + length > size:
                raise VideoError("FILE_TRUNCATED", f"video of {size} bytes is cut off at its box {head[4:8]!r}")
            at += length


def _rate(stream: VideoStream) -> float:
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else 0.0


def _quarter_turns(rotation: int) -> int:
    return round(rotation / 90) % 4


def _times(stamps: list[int | None], unit: float, rate: float) -> tuple[float, tuple[tuple[int, int], ...]]:
    """Seconds from the first frame to the end of the last, and the gaps; without stamps the rate has to do."""
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or len(known) < 3 or not unit:
        return (round(len(stamps) / rate, 6) if rate else 0.0), ()
    steps = np.diff(np.sort(np.array(known)))
    usual = float(np.median(steps))
    if usual <= 0:
        return round(len(stamps) / rate, 6) if rate else 0.0, ()
    at = np.flatnonzero(steps > _JUMP * usual)
    gaps = tuple((int(k) + 1, round(float(steps[k]) / usual) - 1) for k in at)
    return round((float(steps.sum()) + usual) * unit, 6), gaps


def _timecode(container: InputContainer) -> str:
    """From the file, the video stream or a timecode track, whichever has one."""
    for metadata in (container.metadata, *(stream.metadata for stream in container.streams)):
        if "timecode" in metadata:
            return metadata["timecode"][:32]
    return ""


def _said(err: Exception) -> str:
    """The reason alone; FFmpeg's own text repeats the path."""
    return err.strerror if isinstance(err, av.error.FFmpegError) and err.strerror else str(err)
