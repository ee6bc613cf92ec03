"""Walks laid over each other stride by stride: mean and band of a channel over the cycle, and one loop to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.movement.body import low_passed
from training.movement.gait import CHANNELS, Gait

F64 = NDArray[np.float64]

SAMPLES = 101  # 0 to 100 % of a stride
_SEARCH = 0.2  # of a stride to each side of where the clock has the left ankle farthest ahead


@dataclass(frozen=True, eq=False)
class Cycle:
    """The channels of some strides over the cycle, which begins when the left ankle is farthest ahead."""

    strides: F64  # (S, 101, 29)

    def mean(self, channel: str) -> F64:
        """(101,) mean over strides. ValueError for a name that is none."""
        return np.asarray(self._of(channel).mean(axis=0))

    def spread(self, channel: str) -> F64:
        """(101,) standard deviation from stride to stride."""
        return np.asarray(self._of(channel).std(axis=0))

    def _of(self, channel: str) -> F64:
        if channel not in CHANNELS:
            raise ValueError(f"channel {channel!r} is none; there are {', '.join(CHANNELS)}")
        return self.strides[..., CHANNELS.index(channel)]


def cycle_of(walks: Sequence[Gait]) -> Cycle:
    """All whole strides of the walks. ValueError without a walk; every walk that was read holds one whole stride."""
    if not walks:
        raise ValueError("no walks given; a cycle is the mean of one walk or more")
    found = []
    for walk in walks:
        starts = stride_starts(walk)
        for first, last in zip(starts[:-1], starts[1:], strict=True):
            at = np.linspace(first, last, SAMPLES)
            frames = np.arange(len(walk.channels))
            found.append(np.stack([np.interp(at, frames, column) for column in walk.channels.T], axis=1))
    return Cycle(np.stack(found))


def stride_starts(walk: Gait) -> list[int]:
    """Frames at which the left ankle is farthest ahead, one for each stride."""
    separation = walk.motion.bone("ankle_right", "ankle_left")[:, 0]
    smooth = low_passed(separation, min(3 * walk.clock.hz, 0.45 * walk.motion.rate), walk.motion.rate)
    period = walk.motion.rate / walk.clock.hz
    first = (-walk.clock.phase / (2 * np.pi)) % 1 * period
    starts = []
    for expected in np.arange(first, len(smooth), period):
        low, high = max(0, int(expected - _SEARCH * period)), int(expected + _SEARCH * period) + 1
        starts.append(low + int(np.argmax(smooth[low:high])))
    return starts


def loop_of(walk: Gait) -> F64:
    """(T, 18, 3) forward, right, up in leg lengths over whole strides, the pelvis standing over one point."""
    starts = stride_starts(walk)
    motion = walk.motion
    places = motion.places - motion.of("pelvis")[:, None] * np.array([1.0, 1.0, 0.0])
    forward = np.einsum("tji,ti->tj", places, motion.forward)
    right = np.einsum("tji,ti->tj", places, motion.right)
    return np.stack([forward, right, places[..., 2]], axis=2)[starts[0] : starts[-1]]
