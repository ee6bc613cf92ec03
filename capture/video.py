"""Video in and out through FFmpeg's libraries: the only video decoder of the house."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from capture.images import Picture

EXTENSIONS = (".mp4", ".mov", ".m4v", ".avi", ".mkv")


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself; width and height are of the upright picture."""

    width: int
    height: int
    frames: int
    fps: float


class VideoError(Exception):
    """A file that is no usable video: `code` is of the issue catalogue, `detail` says what was found."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def probe(path: Path) -> VideoInfo:
    """Size, number of frames and rate; the frames are counted in the file, not taken from its header."""
    with _open(path) as container:
        stream = container.streams.video[0]
        declared, frames, turns = stream.frames, 0, 0
        try:
            for packet in container.demux(stream):
                frames += bool(packet.size)
            container.seek(0)
            first = next(iter(container.decode(stream)), None)
        except (av.error.FFmpegError, ValueError) as err:
            raise VideoError("FILE_DAMAGED", f"video: {_said(err)}") from None
        if frames == 0 or first is None:
            raise VideoError("FILE_TRUNCATED", "video without a frame")
        if frames < declared:
            raise VideoError("FILE_TRUNCATED", f"video of {declared} frames ends after {frames}")
        turns = _quarter_turns(first.rotation)
        width, height = (first.width, first.height) if turns % 2 == 0 else (first.height, first.width)
        return VideoInfo(width, height, frames, _rate(stream))


def read_frames(path: Path, *, every: int = 1) -> Iterator[tuple[int, Picture]]:
    """Decode every frame strictly and yield (index, (H, W, 3) uint8 BGR upright) of each `every`-th one.

    Raises VideoError at the first damaged frame, and after the last one when the file ends early.
    """
    if every < 1:
        raise ValueError(f"every is {every}; give 1 for all frames, 2 for each second one, ...")
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        packets, count = 0, 0
        try:
            for packet in container.demux(stream):
                packets += bool(packet.size)
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise VideoError("FILE_DAMAGED", f"video: frame {count} is damaged")
                    if count % every == 0:
                        yield count, _pixels(frame)
                    count += 1
        except (av.error.FFmpegError, ValueError) as err:
            raise VideoError("FILE_DAMAGED", f"video: frame {count}: {_said(err)}") from None
        if packets < stream.frames or count == 0:
            raise VideoError("FILE_TRUNCATED", f"video of {stream.frames} frames ends after {packets}")


def write_video(path: Path, frames: Iterable[Picture], fps: float, *, crf: int = 14) -> int:
    """Write H.264 in MP4 atomically and return the number of frames. Width and height must be even.

    `crf` is x264's constant quality: 14 keeps a mark of a few pixels, 23 is its default.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with av.open(str(part), "w", format="mp4") as container:
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


def _pixels(frame: av.VideoFrame) -> Picture:
    pixels = cast(Picture, frame.to_ndarray(format="bgr24"))
    turns = _quarter_turns(frame.rotation)
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _said(err: Exception) -> str:
    """The reason alone; FFmpeg's own text repeats the path."""
    return err.strerror if isinstance(err, av.error.FFmpegError) and err.strerror else str(err)
