"""Shares with their intervals; a share is never shown without its count."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054  # 97.5th percentile of the normal distribution


@dataclass(frozen=True)
class Share:
    """A count out of a count, with the Wilson 95 % interval."""

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """The share, or None when there was nothing to count."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound of the Wilson 95 % interval; (0, 1) when there was nothing to count."""
        return wilson(self.count, self.total)

    def __str__(self) -> str:
        if not self.total:
            return "none of 0"
        low, high = self.interval
        return (
            f"{100 * self.count / self.total:.0f} % ({self.count} of {self.total}, {100 * low:.0f}-{100 * high:.0f} %)"
        )


def wilson(count: int, total: int) -> tuple[float, float]:
    """Wilson's score interval at 95 % (Wilson 1927). Raises ValueError for a count outside 0..total."""
    if not 0 <= count <= total:
        raise ValueError(f"count is {count} of {total}; give 0 <= count <= total")
    if total == 0:
        return 0.0, 1.0
    share, z2 = count / total, _Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)
