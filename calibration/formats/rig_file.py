"""What goes through a format: the rig to write with what belongs to it, the rig that was read, and what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from calibration.camera import Camera

UpAxis: TypeAlias = Literal["z", "y", "-y"]


@dataclass(frozen=True)
class Hints:
    """What an outside file may not say about itself."""

    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # camera -> width, height in pixels
    unit_m: float = 1.0  # metres per unit of length, for formats that fix none
    up: UpAxis = "z"  # axis of the file's world that points up, for formats that fix none


@dataclass(frozen=True, eq=False)
class RigFile:
    """What a reader found."""

    cameras: tuple[Camera, ...]
    notes: tuple[str, ...] = ()  # one sentence per thing that was assumed, left out or changed


@dataclass(frozen=True, eq=False)
class RigToWrite:
    """What a writer is given. Cameras in metres, z up."""

    cameras: tuple[Camera, ...]
    pictures: Mapping[str, str] = field(default_factory=dict)  # camera -> picture, relative to the folder written to
    rms_px: Mapping[str, float] = field(default_factory=dict)
    offsets_s: Mapping[str, float] = field(default_factory=dict)  # camera -> time against the first
