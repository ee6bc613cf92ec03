"""When her feet stand: low and slow, with hysteresis, so that a foot does not flicker between standing and swinging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.motion.gaps import runs
from capture.motion.canonical import SIDES
from capture.motion.clip import JointTrack

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_PARTS = ("ankle", "toe")


@dataclass(frozen=True)
class Limits:
    """A foot comes to stand below the first pair, and leaves above the second."""

    down_m: float = 0.035  # above where this joint stands on the floor
    up_m: float = 0.06
    slow_m_s: float = 0.35
    fast_m_s: float = 0.7
    least_s: float = 0.08  # a shorter contact or swing is none


@dataclass(frozen=True, eq=False)
class Contacts:
    """Which foot stands in which frame."""

    left: Bool  # (T,)
    right: Bool
    floor_m: float  # height at which the soles stand, world z of the lowest foot joint


def find_contacts(track: JointTrack, limits: Limits | None = None) -> Contacts:
    """Contacts of both feet from their ankles and toes, or of the ankles where toes are not tracked.

    A foot stands while one of its joints does; each joint's own height on the floor is its fifth percentile over the
    clip. Frames in which a joint is unknown are no contact. Raises ValueError for a track without ankles.
    """
    limits = limits or Limits()
    for side in SIDES:
        track.of(f"ankle_{side}")
    found, lowest = {}, []
    for side in SIDES:
        stands = np.zeros(len(track), dtype=bool)
        for part in _PARTS:
            name = f"{part}_{side}"
            if name not in track.names or not np.isfinite(track.of(name)).any():
                continue
            place = track.of(name)
            floor = float(np.nanpercentile(place[:, 2], 5))
            lowest.append(floor)
            stands |= _hysteresis(place[:, 2] - floor, _speed(place, track.fps), limits)
        found[side] = _steady(stands, max(1, round(limits.least_s * track.fps)))
    return Contacts(found["left"], found["right"], min(lowest, default=0.0))


def _speed(place: F64, fps: float) -> F64:
    """(T,) metres a second over the floor, from the frame before to the frame after."""
    if len(place) < 2:
        return np.zeros(len(place))
    return np.asarray(np.linalg.norm(np.gradient(place[:, :2], axis=0), axis=1) * fps)


def _hysteresis(height: F64, speed: F64, limits: Limits) -> Bool:
    with np.errstate(invalid="ignore"):
        enters = (height < limits.down_m) & (speed < limits.slow_m_s)
        stays = (height < limits.up_m) & (speed < limits.fast_m_s)
    out = np.zeros(len(height), dtype=bool)
    for first, end in runs(stays):
        if enters[first:end].any():
            out[first + int(enters[first:end].argmax()) : end] = True
    return out


def _steady(stands: Bool, least: int) -> Bool:
    """Without swings, then without contacts, that are shorter than so many frames."""
    out = stands.copy()
    for first, end in list(runs(~out)):
        if end - first < least and first > 0 and end < len(out):
            out[first:end] = True
    for first, end in list(runs(out)):
        if end - first < least:
            out[first:end] = False
    return out
