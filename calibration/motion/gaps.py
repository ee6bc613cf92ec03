"""Short gaps of a track filled between what was seen before and after; long ones stay open and are named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator
from scipy.signal import butter, sosfiltfilt

from capture.motion.clip import JointTrack

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

LONGEST_S = 0.2  # a swing of the arm or leg lasts 0.4: what is longer would be invented
CUTOFF_HZ = 6.0  # of walking; Winter, "Biomechanics and Motor Control of Human Movement"
_ORDER = 2
MOST_SHARE = 0.4  # of the frame rate
_AROUND = 9  # frames on each side that tell the speed; of fewer the noise would, over more it changes
_LEAST_S = 0.25  # shorter runs are left as they are


@dataclass(frozen=True)
class Gap:
    """Frames in which a joint is not known."""

    joint: str
    first: int
    frames: int


def fill_gaps(track: JointTrack, *, longest_s: float = LONGEST_S) -> tuple[JointTrack, tuple[Gap, ...]]:
    """The track with its short gaps filled, and the gaps that are left: longer ones, and those at either end.

    Filled by a cubic that leaves and reaches the gap with the speed that the frames around it have; where fewer than
    three frames stand on a side, by a monotone cubic (PCHIP). Raises ValueError for a negative limit.
    """
    if longest_s < 0:
        raise ValueError(f"longest gap to fill is {longest_s} s; give 0 for none")
    longest = int(longest_s * track.fps + 1e-6)
    places, left = track.places.copy(), []
    known = known_of(places)
    places[~known] = np.nan
    for j, name in enumerate(track.names):
        for first, end in runs(~known[:, j]):
            inside = first > 0 and end < len(track)
            if inside and end - first <= longest:
                places[first:end, j] = _bridge(track.places[:, j], known[:, j], (first, end))
            else:
                left.append(Gap(name, first, end - first))
    return JointTrack(track.names, places, track.fps), tuple(left)


def _bridge(place: F64, known: Bool, gap: tuple[int, int]) -> F64:
    """(G, 3) places inside a gap."""
    before, after = gap[0] - 1, gap[1]
    inside = np.arange(gap[0], gap[1])
    speeds = (
        _speed(place, known, range(before, before - _AROUND, -1)),
        _speed(place, known, range(after, after + _AROUND)),
    )
    if speeds[0] is None or speeds[1] is None:
        seen = np.flatnonzero(known)
        return np.asarray(PchipInterpolator(seen, place[seen], axis=0)(inside))
    ends, slopes = place[[before, after]], np.stack([speeds[0], speeds[1]])
    return np.asarray(CubicHermiteSpline([before, after], ends, slopes, axis=0)(inside))


def _speed(place: F64, known: Bool, frames: range) -> F64 | None:
    """(3,) metres a frame at the first of some frames, by a parabola through the known run; None below three."""
    run = [t for t in takewhile(lambda t: 0 <= t < len(known) and bool(known[t]), frames)]
    if len(run) < 3:
        return None
    return np.asarray(np.polyfit(np.array(run) - run[0], place[run], 2)[1])


def smooth(track: JointTrack, *, cutoff_hz: float = CUTOFF_HZ) -> JointTrack:
    """The track without what is faster than the cut-off: a Butterworth filter of order 2 run forwards and backwards.

    Each run between gaps is filtered by itself, with its odd extension at both ends; gaps stay gaps, and runs shorter
    than a quarter of a second are left as they are. The two passes together have their -3 dB at the cut-off (Winter's
    correction). Raises ValueError for a cut-off that the frame rate cannot have.
    """
    if not 0 < cutoff_hz < MOST_SHARE * track.fps:
        raise ValueError(f"cut-off of {cutoff_hz} Hz does not go with {track.fps:g} frames a second; give a lower one")
    # Two passes are -6 dB at the cut-off of one; on the filter's own scale of frequencies, which is a tangent.
    warped = np.tan(np.pi * cutoff_hz / track.fps) / (2**0.5 - 1) ** (1 / (2 * _ORDER))
    corrected = float(np.arctan(warped)) * track.fps / np.pi
    sections = butter(_ORDER, corrected, fs=track.fps, output="sos")
    least = max(8, int(_LEAST_S * track.fps))
    places = track.places.copy()
    for j in range(len(track.names)):
        for first, end in runs(known_of(places[:, j])):
            if end - first >= least:
                pad = min(end - first - 1, int(track.fps / corrected) + 6)
                places[first:end, j] = sosfiltfilt(sections, places[first:end, j], axis=0, padlen=pad)
    return JointTrack(track.names, places, track.fps)


def known_of(places: F64) -> Bool:
    """Where all coordinates (..., D) are known: (...)."""
    return np.asarray(np.isfinite(places).all(axis=-1))


def runs(flags: Bool) -> Iterator[tuple[int, int]]:
    """First frame and the frame behind the last, of every run of True in (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from ((int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True))
