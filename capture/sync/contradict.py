"""Whether what the cameras saw bears out the times that were written down or flashed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from capture.sync.by_motion import by_motion
from capture.sync.evidence import Method, Stream
from capture.sync.lags import middle, solve
from capture.sync.offsets import CONFIDENT, REACH_S, TOGETHER_FRAMES, ClipOffsets, linked

TOLD = (Method.TIMECODE, Method.STAMPS, Method.FLASH)  # methods that see nothing of her
# One motion peaks in one camera up to 0.4 frames before it does in another, without any fault of theirs.
_FRAMES = 0.75
_OVER_RESIDUALS = 2.0  # as for late cameras: few lags disagree by no less than they err


@dataclass(frozen=True)
class Contradiction:
    """A camera whose motion lies elsewhere than its time."""

    camera: str
    method: Method  # that told the time
    told_s: float  # offset by that method
    seen_s: float  # offset by motion, against the cameras whose motion is where their time says
    told_residual_s: float
    seen_residual_s: float


def contradictions(streams: Sequence[Stream], told: ClipOffsets) -> tuple[Contradiction, ...]:
    """Cameras that timecode, a table of times or flashes place elsewhere than their motion, beyond both residuals.

    Only streams whose `steps` were measured are looked at. Each begins where the method says that all had begun, so
    that what the motion still finds between them is the contradiction itself, and a walk that repeats finds its own
    step and not the next. Where two cameras differ the second is named: nothing tells which of the two is wrong.
    """
    placed = {c.camera: c for c in told.cameras if c.method in TOLD}
    both = [s for s in streams if s.camera in placed and s.fps > 0 and s.steps]
    if len(both) < 2:
        return ()
    last = max(placed[s.camera].seconds for s in both)
    # Whole frames are cut off; what that leaves of a frame is taken off again below.
    skipped = {s.camera: round((last - placed[s.camera].seconds) * s.fps) for s in both}
    rest = {s.camera: placed[s.camera].seconds + skipped[s.camera] / s.fps - last for s in both}
    cut = [replace(s, steps=s.steps[skipped[s.camera] :], frames=s.frames - skipped[s.camera]) for s in both]
    motion = by_motion(cut, {s.camera: s.steps for s in cut}, reach_s=REACH_S)
    sure = {name for name, share in motion.confidence.items() if share >= CONFIDENT}
    group = linked([lag for lag in motion.lags if {lag.first, lag.second} <= sure], set())
    lags = [lag for lag in motion.lags if {lag.first, lag.second} <= group]
    if not lags:
        return ()
    rate = {s.camera: s.fps for s in cut}
    solution = solve(lags, together=TOGETHER_FRAMES / max(rate.values()))
    names = [s.camera for s in cut if s.camera in solution.offsets]
    apart = np.array([solution.offsets[name] - rest[name] for name in names])
    apart -= middle(apart, TOGETHER_FRAMES / max(rate.values()))
    found = []
    for name, off in zip(names, apart.tolist(), strict=True):
        own, seen = placed[name], solution.residuals[name]
        if abs(off) * rate[name] >= _FRAMES and abs(off) >= _OVER_RESIDUALS * (own.residual_s + seen):
            found.append(Contradiction(name, own.method, own.seconds, own.seconds + off, own.residual_s, seen))
    return tuple(found)
