"""Cameras aligned by what moved when: the offsets that explain the motion of all pairs of cameras best at once.

Each pair gives, for each lag and each feature, the gain in log-likelihood of "one signal" over "two signals":
-n/2 log(1 - r^2), with n the number of samples that count as independent (Bartlett 1946). The sum over all pairs
is maximised over all offsets together, so a pair whose own best lag is wrong is outvoted by the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from capture.sync.lags import Lag

Floats: TypeAlias = NDArray[np.float64]
Curves: TypeAlias = "dict[tuple[int, int], Floats]"  # (first, second) -> (2 * reach + 1,) gain at each lag

_LEAST = 8  # samples that two clips must share
_SHARE = 2 / 3  # of the shorter clip that must overlap
_SPIKE = 3.0  # robust standard deviations at which a value is cut: a repeated frame is no motion
_R_MOST = 0.995  # correlation that drawn, noiseless pictures reach; beyond, the logarithm runs away
_REPEATS = 0.6  # height of an autocorrelation's second peak from which a motion counts as repeating
_LIKE_BEST = 0.9  # of the highest peak: an earlier one of that height repeats as well
_BY_CHANCE = 0.1  # probability up to which a camera may still belong to the others
_TEMPER = 2.0  # pairs of one camera share that camera's noise and are not independent evidence


@dataclass(frozen=True)
class Alignment:
    """What the motion tells of one clip."""

    lags: tuple[Lag, ...]  # of all pairs, near the joint solution
    confidence: Mapping[str, float]  # 0 to 1: not by chance, and at this lag and no other
    repeats_s: float  # her motion repeats after this time, and lags are only known up to it; 0: it does not


def align(signals: Mapping[str, Floats], *, step_s: float, reach_s: float) -> Alignment:
    """Joint alignment of cameras by their features, each (features, n) on one grid of `step_s` seconds.

    `reach_s` is the largest lag that is searched; it shrinks to half the time after which the motion repeats. Raises
    ValueError for fewer than two cameras or unequal features.
    """
    names = list(signals)
    if len(names) < 2 or len({s.shape[0] for s in signals.values()}) != 1:
        raise ValueError(f"signals of {len(names)} cameras cannot be aligned; give two or more with the same features")
    shortest = min(s.shape[1] for s in signals.values())
    reach = min(round(reach_s / step_s), int(shortest * (1 - _SHARE)), shortest - _LEAST)
    if reach < 1:
        return Alignment((), dict.fromkeys(names, 0.0), 0.0)
    repeats = _period([signals[n] for n in names], reach)
    if repeats:
        reach = max(1, min(reach, repeats // 2))
    white = _whitened([signals[n] for n in names])
    pairs = {(i, j): _pair(white[i], white[j], reach) for i, j in combinations(range(len(names)), 2)}
    curves = {pair: gain.sum(axis=0) for pair, (_, gain) in pairs.items()}
    offsets = _joint(curves, len(names), reach)
    linked = _linked(curves, offsets, reach)
    curves = {pair: curve for pair, curve in curves.items() if linked.issuperset(pair)}
    confidence = dict.fromkeys(names, 0.0)
    for k in linked:
        profile = _profile(curves, offsets, k, reach)
        by_chance = _chance(float(profile[offsets[k] + reach]) / (len(linked) - 1), len(profile))
        confidence[names[k]] = (1 - by_chance) * _share(profile, int(offsets[k]) + reach)
    lags = []
    for (i, j), (r, gain) in pairs.items():
        if not linked.issuperset((i, j)):
            continue
        for row, gained in zip(r, gain, strict=True):
            fine = _refined(row, gained, int(offsets[j] - offsets[i]))
            if fine is not None:
                lags.append(Lag(names[i], names[j], fine[0] * step_s, fine[1] * step_s))
    return Alignment(tuple(lags), confidence, repeats * step_s)


def _whitened(signals: Sequence[Floats]) -> list[Floats]:
    """Each feature without what its last value foretells: neighbouring samples say the same thing only once.

    The filter is one for all cameras, so it shifts none against another.
    """
    cut = [np.stack([_cut(row) for row in signal]) for signal in signals]
    white = []
    for rows in zip(*cut, strict=True):
        memory = float(np.mean([row[1:] @ row[:-1] / len(row) for row in rows]))
        white.append([_cut(row[1:] - memory * row[:-1]) for row in rows])
    return [np.stack(own) for own in zip(*white, strict=True)]


def _cut(signal: Floats) -> Floats:
    """Standardised, with spikes cut off at `_SPIKE` robust standard deviations; zeros for a signal at rest."""
    middle = np.median(signal)
    spread = 1.4826 * float(np.median(np.abs(signal - middle)))
    return _standard(np.clip(signal, middle - _SPIKE * spread, middle + _SPIKE * spread))


def _standard(signal: Floats) -> Floats:
    spread = signal.std()
    return (signal - signal.mean()) / spread if spread > 1e-9 else np.zeros_like(signal)


def _correlation(first: Floats, second: Floats, reach: int) -> tuple[Floats, Floats]:
    """Correlation of first[t + lag] with second[t], and the number of samples, at each lag of -reach .. reach."""
    r, n = np.zeros(2 * reach + 1), np.zeros(2 * reach + 1)
    for k, lag in enumerate(range(-reach, reach + 1)):
        length = min(len(first) - max(lag, 0), len(second) - max(-lag, 0))
        if length < _LEAST:
            continue
        one = _standard(first[max(lag, 0) :][:length])
        two = _standard(second[max(-lag, 0) :][:length])
        r[k], n[k] = float(one @ two) / length, length
    return r, n


def _pair(first: Floats, second: Floats, reach: int) -> tuple[Floats, Floats]:
    """Correlation and gain (features, 2 * reach + 1) of one pair."""
    found, gained = [], []
    for one, two in zip(first, second, strict=True):
        r, n = _correlation(one, two, reach)
        r = np.clip(r, 0, _R_MOST)
        found.append(r)
        gained.append(-0.5 * n / _dependence(one, two) * np.log1p(-(r**2)))
    return np.array(found), np.array(gained)


def _dependence(one: Floats, two: Floats) -> float:
    """How many neighbouring samples count as one (Bartlett): 1 for white noise."""
    most = min(len(one), len(two)) // 4
    own = [_correlation(s, s, most)[0][most + 1 :] for s in (one, two)]
    return float(max(1.0, 1 + 2 * (own[0] * own[1]).sum()))


def _period(signals: Sequence[Floats], reach: int) -> int:
    """Samples after which the motion repeats, by the mean autocorrelation over cameras and features; 0: never."""
    most = min(2 * reach, min(s.shape[1] for s in signals) // 2)
    mean = np.mean([_correlation(row, row, most)[0][most:] for s in signals for row in s], axis=0)
    below = np.flatnonzero(mean < 0.5 * _REPEATS)
    if not len(below):
        return 0
    first = int(below[0])
    high = max(_REPEATS, _LIKE_BEST * float(mean[first:].max()))
    # A walk repeats with every stride, and seen from afar with every step: the shortest of such times is meant.
    peaks = [
        k
        for k in range(first, len(mean))
        if mean[k] >= high and mean[k] >= mean[k - 1] and (k + 1 == len(mean) or mean[k] >= mean[k + 1])
    ]
    return peaks[0] if peaks else 0


def _profile(curves: Curves, offsets: NDArray[np.int64], camera: int, reach: int) -> Floats:
    """Gain over all pairs of one camera as a function of its offset, the others held; index 0 is -reach."""
    total = np.zeros(2 * reach + 1)
    for (i, j), curve in curves.items():
        if camera in (i, j):
            own = curve if j == camera else curve[::-1]  # over the lag of this camera against the other
            shift = int(offsets[i] if j == camera else offsets[j])
            low, high = max(0, shift), min(len(own), len(own) + shift)
            if low < high:
                total[low:high] += own[low - shift : high - shift]
    return total


def _joint(curves: Curves, count: int, reach: int) -> NDArray[np.int64]:
    """Whole samples: coordinate ascent from each camera's own view of the others, and from no offset at all."""
    starts = [np.zeros(count, dtype=np.int64)]
    for anchor in range(count):
        start = np.zeros(count, dtype=np.int64)
        for (i, j), curve in curves.items():
            if anchor in (i, j):
                lag = int(np.argmax(curve)) - reach
                start[j if i == anchor else i] = lag if i == anchor else -lag
        starts.append(start)
    best, most = starts[0], -1.0
    for start in starts:
        offsets = start - int(np.median(start))
        for _ in range(count + 2):
            before = offsets.copy()
            for camera in range(count):
                offsets[camera] = int(np.argmax(_profile(curves, offsets, camera, reach))) - reach
            if np.array_equal(before, offsets):
                break
        total = sum(curve[d + reach] for (i, j), curve in curves.items() if abs(d := offsets[j] - offsets[i]) <= reach)
        if total > most:
            best, most = offsets, float(total)
    return best


def _linked(curves: Curves, offsets: NDArray[np.int64], reach: int) -> set[int]:
    """Cameras that share their motion with the group around the pair that shares most; empty without such a pair."""
    at = {pair: int(offsets[pair[1]] - offsets[pair[0]]) + reach for pair in curves}
    gain = {pair: float(curve[at[pair]]) if 0 <= at[pair] < len(curve) else 0.0 for pair, curve in curves.items()}
    first = max(gain, key=lambda pair: gain[pair])
    if _chance(gain[first], 2 * reach + 1) > _BY_CHANCE:
        return set()
    group = set(first)
    while True:
        mean = {
            k: float(np.mean([gain[min(k, m), max(k, m)] for m in group]))
            for k in range(len(offsets))
            if k not in group
        }
        best = max(mean, key=lambda k: mean[k], default=-1)
        if best < 0 or _chance(mean[best], 2 * reach + 1) > _BY_CHANCE:
            return group
        group.add(best)


def _chance(gain: float, lags: int) -> float:
    """Probability that the best of so many lags gains this much between two signals that share nothing.

    The gain of one feature is half a squared normal variable, and nothing for the negative half of the correlations;
    that of two adds up to a tail near exp(-gain) (1 + gain) / 4.
    """
    return min(1.0, lags * float(np.exp(-gain)) * (1 + gain) / 4)


def _share(profile: Floats, peak: int) -> float:
    """Share of the likelihood in the found peak, down to the valleys at its sides."""
    low, high = peak, peak
    while low > 0 and profile[low - 1] <= profile[low]:
        low -= 1
    while high < len(profile) - 1 and profile[high + 1] <= profile[high]:
        high += 1
    share = np.exp((profile - profile[peak]) / _TEMPER)
    return float(share[low : high + 1].sum() / share.sum())


def _refined(r: Floats, gain: Floats, lag: int) -> tuple[float, float] | None:
    """The lag between samples by a parabola through a feature's correlation, and its sigma, both in samples.

    None when the feature has no peak within a sample of where all pairs together put it. The sigma is that of the
    likelihood: its curvature is n r r'' / (1 - r^2).
    """
    reach = len(r) // 2
    near = [k for k in range(lag + reach - 1, lag + reach + 2) if 1 <= k < len(r) - 1]
    if not near:
        return None
    at = max(near, key=lambda k: float(r[k]))
    left, middle, right = (float(v) for v in r[at - 1 : at + 2])
    bend = left + right - 2 * middle
    if middle <= max(left, right) * (1 - 1e-9) or bend >= 0 or not gain[at]:
        return None
    samples = -2 * float(gain[at]) / np.log1p(-(middle**2))
    information = samples * middle * -bend / (1 - middle**2)
    return at - reach + 0.5 * (left - right) / bend, max(1 / float(np.sqrt(information)), 0.02)
