"""Time offsets by flashes: a step of the light that the whole picture of every camera shows at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from capture.sync.evidence import Evidence, Method, Stream
from capture.sync.lags import Lag
from capture.sync.motion import Step

_STEP = 0.06  # natural logarithm; a lamp in the room changes every camera by more, auto exposure creeps in less a frame
_OVER_NOISE = 8.0  # robust standard deviations of the camera's own light
_AGREE_FRAMES = 1.0
_SIGMA_FRAMES = 0.41  # the difference of two times that are each known to the frame: 1 / sqrt(6)


@dataclass(frozen=True)
class Flash:
    """A moment at which the light jumps."""

    seconds: float  # in the camera's own time, between the two frames
    up: bool


def find_flashes(steps: Sequence[Step], fps: float) -> tuple[Flash, ...]:
    """The jumps of the light in one camera."""
    light = np.array([step[2] for step in steps])
    if not len(light) or fps <= 0:
        return ()
    noise = 1.4826 * float(np.median(np.abs(light - np.median(light))))
    at = np.flatnonzero(np.abs(light) > max(_STEP, _OVER_NOISE * noise))
    return tuple(Flash((float(k) + 1) / fps, bool(light[k] > 0)) for k in at)


def by_flash(streams: Sequence[Stream], steps: Mapping[str, Sequence[Step]]) -> Evidence:
    """Offsets of the cameras in which the same flashes are found.

    Two cameras agree on the lag under which the most jumps of one direction fall on each other, at least two of three.
    Evenly repeated flashes, which fit under several lags alike, say nothing.
    """
    rate = {stream.camera: stream.fps for stream in streams}
    found = {name: find_flashes(rows, rate[name]) for name, rows in steps.items()}
    lags = []
    for one, two in combinations([name for name in found if found[name]], 2):
        frame = 1 / min(rate[one], rate[two])
        seconds = _common(found[one], found[two], _AGREE_FRAMES * frame)
        if seconds is not None:
            lags.append(Lag(one, two, seconds, _SIGMA_FRAMES * frame))
    named = {name for lag in lags for name in (lag.first, lag.second)}
    return Evidence(Method.FLASH, tuple(lags), dict.fromkeys(named, 0.95))


def _common(first: Sequence[Flash], second: Sequence[Flash], near: float) -> float | None:
    """The lag (second's offset minus first's) on which the flashes agree, or None."""
    apart = np.array([a.seconds - b.seconds for a in first for b in second if a.up == b.up])
    if not len(apart):
        return None
    votes = np.array([int(np.count_nonzero(np.abs(apart - own) < near)) for own in apart])
    most = int(votes.max())
    best = float(np.median(apart[np.abs(apart - apart[int(np.argmax(votes))]) < near]))
    rivals = votes[np.abs(apart - best) > 2 * near]
    clear = not len(rivals) or 2 * most >= 3 * int(rivals.max())
    return best if clear and 3 * most >= 2 * max(len(first), len(second)) else None
