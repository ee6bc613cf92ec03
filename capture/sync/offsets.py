"""The time offset of each camera of a clip, by the most trusted method that tells it, consistent over all cameras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from capture.issues import JsonObject
from capture.sync.audio import by_audio
from capture.sync.by_motion import by_motion
from capture.sync.evidence import Evidence, Method, Stream
from capture.sync.flash import by_flash
from capture.sync.lags import Lag, solve
from capture.sync.motion import Step, motion_of
from capture.sync.stamps import by_stamps, read_stamps
from capture.sync.timecode import by_timecode

CONFIDENT = 0.9
REACH_S = 2.0  # pictures are searched this far: cameras of one clip are started together
SOUND_REACH_S = 30.0  # sound seldom repeats itself
TOGETHER_FRAMES = 0.5


@dataclass(frozen=True)
class CameraOffset:
    """When one camera began: its frame at `t` seconds shows what the others show at `t + seconds`."""

    camera: str
    seconds: float  # above 0: it began late, and what it shows first is later
    frames: float  # the same in frames of this camera
    method: Method
    residual_s: float  # root mean square of what its lags to the others leave
    confidence: float  # 0 to 1
    drift_ppm: float | None  # growth of the offset, where the clip is long enough to tell

    def to_json(self) -> JsonObject:
        """As the report's facts have it."""
        return {
            "offset_s": round(self.seconds, 6),
            "offset_frames": round(self.frames, 3),
            "method": self.method.value,
            "residual_s": round(self.residual_s, 6),
            "confidence": round(self.confidence, 3),
            "drift_ppm": None if self.drift_ppm is None else round(self.drift_ppm, 1),
        }


@dataclass(frozen=True)
class ClipOffsets:
    """All cameras of one clip. Zero is the mean of the largest group of cameras that agree within half a frame."""

    cameras: tuple[CameraOffset, ...]
    unresolved: tuple[str, ...]  # cameras that no method places with confidence
    residual_s: float  # root mean square over all lags: how well the loops close
    repeats_s: float = 0.0  # the motion repeats, and offsets are known up to a multiple of this; 0: uniquely
    remarks: tuple[str, ...] = ()  # what was wrong with a side file

    def find(self, camera: str) -> CameraOffset | None:
        """The offset of a camera, or None where it is unresolved."""
        return next((c for c in self.cameras if c.camera == camera), None)

    def to_json(self) -> JsonObject:
        """As the report's facts have it."""
        return {
            "cameras": {c.camera: c.to_json() for c in self.cameras},
            "unresolved": list(self.unresolved),
            "residual_s": round(self.residual_s, 6),
            "repeats_s": round(self.repeats_s, 4),
            "remarks": list(self.remarks),
        }


@dataclass(frozen=True)
class Clip:
    """The streams of one clip, and the table of times beside them if there is one; measures motion once, on demand."""

    streams: tuple[Stream, ...]
    stamps: Path | None = None

    @cached_property
    def steps(self) -> Mapping[str, Sequence[Step]]:
        """Motion of each camera; a second decode of those that were not measured at ingest. Raises VideoError."""
        return {s.camera: s.steps or motion_of(s.path) for s in self.streams}


def time_offsets(
    streams: Sequence[Stream], *, stamps: Path | None = None, methods: Sequence[Method] = tuple(Method)
) -> ClipOffsets:
    """Offsets of two or more cameras of one clip.

    `stamps` is the table of frame times beside the clip, `methods` those that may be used; they are asked in the order
    of trust of `Method`, each for the cameras that the ones before did not place. Fewer than two streams, or cameras
    named twice, are a ValueError; a file that does not decode raises VideoError.
    """
    names = [stream.camera for stream in streams]
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError(f"clip of cameras {names} has no offsets; give two or more cameras, each once")
    clip, remarks = Clip(tuple(streams), stamps), []
    placed: dict[str, Evidence] = {}
    lags: list[Lag] = []
    for method in Method:
        if len(placed) == len(names):
            break
        if method not in methods:
            continue
        try:
            evidence = _METHODS[method](clip)
        except (ValueError, OSError) as err:
            remarks.append(f"{method.value}: {err}")
            continue
        sure = {name for name, share in evidence.confidence.items() if share >= CONFIDENT}
        new = sure - set(placed)
        # A method that is asked later links its cameras to those placed before, and does not move the latter.
        useful = [g for g in evidence.lags if {g.first, g.second} <= sure and new & {g.first, g.second}]
        reached = linked(useful, set(placed))
        lags += [lag for lag in useful if lag.first in reached or lag.second in reached]
        placed |= {name: evidence for name in names if name in reached & new}
    return _offsets(streams, placed, lags, tuple(remarks))


def linked(lags: Sequence[Lag], placed: set[str]) -> set[str]:
    """Cameras that lags link to those already placed, or, while there are none, the largest linked group."""
    groups: list[set[str]] = [set(placed)] if placed else []
    for lag in lags:
        touched = [g for g in groups if lag.first in g or lag.second in g]
        groups = [g for g in groups if g not in touched] + [set().union(*touched, {lag.first, lag.second})]
    if placed:
        return next(g for g in groups if placed <= g)
    return max(groups, key=len, default=set())


def _offsets(
    streams: Sequence[Stream], placed: Mapping[str, Evidence], lags: Sequence[Lag], remarks: tuple[str, ...]
) -> ClipOffsets:
    names = [stream.camera for stream in streams]
    if not lags:
        return ClipOffsets((), tuple(names), 0.0, remarks=remarks)
    frame = 1 / max(stream.fps for stream in streams if stream.camera in placed)
    solution = solve(lags, together=TOGETHER_FRAMES * frame)
    found = []
    for stream in streams:
        evidence = placed.get(stream.camera)
        if evidence is None:
            continue
        seconds = solution.offsets[stream.camera]
        found.append(
            CameraOffset(
                camera=stream.camera,
                seconds=seconds,
                frames=seconds * stream.fps,
                method=evidence.method,
                residual_s=solution.residuals[stream.camera],
                confidence=evidence.confidence[stream.camera],
                drift_ppm=evidence.drift_ppm.get(stream.camera),
            )
        )
    unresolved = tuple(name for name in names if name not in placed)
    repeats = max(evidence.repeats_s for evidence in placed.values())
    return ClipOffsets(tuple(found), unresolved, solution.residual, repeats, remarks)


def _stamps(clip: Clip) -> Evidence:
    return by_stamps(clip.streams, read_stamps(clip.stamps)) if clip.stamps is not None else Evidence(Method.STAMPS)


_METHODS: dict[Method, Callable[[Clip], Evidence]] = {
    Method.TIMECODE: lambda clip: by_timecode(clip.streams),
    Method.STAMPS: _stamps,
    Method.FLASH: lambda clip: by_flash(clip.streams, clip.steps),
    Method.AUDIO: lambda clip: by_audio(clip.streams, reach_s=SOUND_REACH_S),
    Method.MOTION: lambda clip: by_motion(clip.streams, clip.steps, reach_s=REACH_S),
}
