"""How well distances tell one person from others: area under the curve with its interval, equal-error rate, ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_Z95 = 1.959963984540054  # 97.5th percentile of the normal distribution


@dataclass(frozen=True, eq=False)
class Verification:
    """Distances of probes to their own person (genuine) and to others (impostor); a smaller one is more alike."""

    genuine: F64  # (G,)
    impostor: F64  # (I,)

    def __post_init__(self) -> None:
        if not len(self.genuine) or not len(self.impostor):
            raise ValueError(
                f"{len(self.genuine)} genuine and {len(self.impostor)} impostor distances; give some of both"
            )

    @property
    def auc(self) -> float:
        """Chance that a genuine distance is smaller than an impostor's; equal ones count half."""
        ranks = rankdata(np.concatenate([self.genuine, self.impostor]))
        g, i = len(self.genuine), len(self.impostor)
        return float(1 - (ranks[:g].sum() - g * (g + 1) / 2) / (g * i))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the area after Hanley and McNeil (1982); too narrow where probes share takes or people."""
        area, g, i = self.auc, len(self.genuine), len(self.impostor)
        both, other = area / (2 - area), 2 * area**2 / (1 + area)
        spread = area * (1 - area) + (g - 1) * (both - area**2) + (i - 1) * (other - area**2)
        half = _Z95 * math.sqrt(max(spread, 0.0) / (g * i))
        return max(0.0, area - half), min(1.0, area + half)

    @property
    def curve(self) -> tuple[F64, F64, F64]:
        """Thresholds, share of impostors accepted and share of genuine ones refused at each (distance <= threshold)."""
        thresholds = np.unique(np.concatenate([self.genuine, self.impostor]))
        thresholds = np.concatenate([[thresholds[0] - 1.0], thresholds])
        accepted = np.searchsorted(np.sort(self.impostor), thresholds, side="right") / len(self.impostor)
        refused = 1 - np.searchsorted(np.sort(self.genuine), thresholds, side="right") / len(self.genuine)
        return thresholds, accepted, refused

    @property
    def equal_error(self) -> tuple[float, float]:
        """The rate at which as many genuine ones are refused as impostors accepted, and the threshold of it."""
        thresholds, accepted, refused = self.curve
        best = int(np.argmin(np.abs(accepted - refused)))
        if accepted[best] == 0 and refused[best] == 0:
            # The two do not overlap: the middle of the gap is as far from one error as from the other.
            return 0.0, float((self.genuine.max() + self.impostor.min()) / 2)
        return float((accepted[best] + refused[best]) / 2), float(thresholds[best])


def pairs(distances: F64, people: Sequence[str]) -> Verification:
    """Every pair of takes once: distances (N, N), NaN for a pair left out, and the person of each take.

    ValueError where a kind of pairs is missing.
    """
    first, second = np.triu_indices(len(people), k=1)
    return _of_pairs(distances, np.array(people), first, second)


def _of_pairs(distances: F64, names: NDArray[np.str_], first: I64, second: I64) -> Verification:
    between = distances[first, second]
    counts = ~np.isnan(between)
    same = (names[first] == names[second])[counts]
    return Verification(between[counts][same], between[counts][~same])


def resampled_interval(
    distances: F64, people: Sequence[str], *, seed: int = 0, rounds: int = 1000
) -> tuple[float, float]:
    """95 % interval of the pairs' area with whole takes drawn anew, since the pairs of one take are not independent.

    A round that draws no pair of one kind is left out. Raises ValueError where no round has both kinds.
    """
    rng, names, areas = np.random.default_rng(seed), np.array(people), []
    for _ in range(rounds):
        drawn = rng.integers(len(names), size=len(names))
        first, second = (drawn[k] for k in np.triu_indices(len(names), k=1))
        # A take against itself is no pair; the upper half may hold all there is.
        apart = first != second
        low, high = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
        try:
            areas.append(_of_pairs(distances, names, low, high).auc)
        except ValueError:
            continue
    if not areas:
        raise ValueError(f"takes of {len(set(people))} people give no pairs of both kinds; give two people, one twice")
    return float(np.percentile(areas, 2.5)), float(np.percentile(areas, 97.5))


def rank_of(distances: Sequence[float], own: int) -> int:
    """Place of the own distance among all, 1 for the nearest; ties go against her."""
    mine = distances[own]
    return 1 + sum(value <= mine for k, value in enumerate(distances) if k != own)
