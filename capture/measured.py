"""The numbers of one frame: what `measure` finds, what the manifest keeps and what the checks compare."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was measured in one frame."""

    frame: int  # index in the file, 0 for a picture
    luma: float  # mean linear light, 0 to 1
    clipped: float  # share of pixels in which a channel is at its end
    focus: float  # fine over coarse detail (energy at half resolution over that at an eighth); 0: no detail
    noise: float = 0.0  # standard deviation of the grain in grey levels, at half resolution
    change: float = -1.0  # mean grey levels to the frame decoded before, at 160 px; -1 where there is none
