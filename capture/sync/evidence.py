"""What every way of telling the time between cameras takes and gives: streams in, lags between pairs out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from capture.sync.lags import Lag
from capture.sync.motion import Step


class Method(StrEnum):
    """In the order of trust."""

    TIMECODE = "timecode"
    STAMPS = "timestamps"
    FLASH = "flash"
    AUDIO = "audio"
    MOTION = "motion"


@dataclass(frozen=True)
class Stream:
    """One camera's file of a clip. `steps` may be empty; they are then measured when they are needed."""

    camera: str
    path: Path
    frames: int
    fps: float
    name_on_card: str = ""
    timecode: str = ""  # of the first frame
    steps: tuple[Step, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it lasts by its frame rate; 0 where the file names none."""
        return self.frames / self.fps if self.fps else 0.0


@dataclass(frozen=True)
class Evidence:
    """What one method tells of a clip; cameras that it says nothing about are in none of the fields."""

    method: Method
    lags: tuple[Lag, ...] = ()
    confidence: Mapping[str, float] = field(default_factory=dict)  # 0 to 1, per camera
    drift_ppm: Mapping[str, float] = field(default_factory=dict)  # against the mean of the cameras, where long enough
    repeats_s: float = 0.0  # offsets are known up to a multiple of this; 0: uniquely
