"""From lags between pairs of cameras to one offset for each camera, with the residual that closing the loops leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 20
_HUBER = 1.5  # standard deviations
_LEFT_OUT = 4.0  # standard deviations beyond which a lag is said to contradict the others


@dataclass(frozen=True)
class Lag:
    """How much later the second camera's clock reads: offset of `second` minus offset of `first`."""

    first: str
    second: str
    seconds: float
    sigma: float  # seconds, one standard deviation, above 0


@dataclass(frozen=True)
class Solution:
    """Offsets against the cameras that agree; see `solve`."""

    offsets: Mapping[str, float]  # seconds
    residuals: Mapping[str, float]  # seconds; RMS over a camera's lags of what the offsets leave of them
    residual: float  # seconds; RMS over all lags
    contradicting: tuple[Lag, ...]


def solve(lags: Sequence[Lag], *, together: float) -> Solution:
    """Offsets by least squares over all lags, each weighted by its sigma, outliers by Huber's weights.

    Zero is the mean of the largest group of cameras that lie within `together` seconds of one another, so that one late
    camera is late and the others are not early. Raises ValueError when the lags do not link all cameras they name.
    """
    cameras = sorted({name for lag in lags for name in (lag.first, lag.second)})
    rows = np.zeros((len(lags), len(cameras)))
    for row, lag in zip(rows, lags, strict=True):
        row[cameras.index(lag.first)] -= 1
        row[cameras.index(lag.second)] += 1
    sigma = np.array([lag.sigma for lag in lags])
    seconds = np.array([lag.seconds for lag in lags])
    if not cameras or np.linalg.matrix_rank(rows) < len(cameras) - 1:
        raise ValueError(f"lags link not all of the cameras {cameras}; give a chain of pairs through all of them")
    weight = 1 / sigma
    offsets = np.zeros(len(cameras))
    for _ in range(_ROUNDS):
        offsets = np.asarray(np.linalg.lstsq(rows * weight[:, None], seconds * weight, rcond=None)[0], dtype=np.float64)
        off = np.abs(rows @ offsets - seconds) / sigma
        weight = np.sqrt(np.minimum(1, _HUBER / np.maximum(off, 1e-9))) / sigma
    left = rows @ offsets - seconds
    kept = np.abs(left) <= _LEFT_OUT * sigma
    of_camera = {
        name: float(np.sqrt(np.mean(left[rows[:, k] != 0] ** 2))) for k, name in enumerate(cameras)
    }  # fmt: skip
    offsets -= middle(offsets, together)
    return Solution(
        offsets=dict(zip(cameras, map(float, offsets), strict=True)),
        residuals=of_camera,
        residual=float(np.sqrt(np.mean(left**2))),
        contradicting=tuple(lag for lag, good in zip(lags, kept, strict=True) if not good),
    )


def middle(offsets: NDArray[np.float64], together: float) -> float:
    """Mean of the largest group; of groups of one size that of the first camera's, then the earlier camera's."""
    groups = [np.abs(offsets - own) <= together for own in offsets]
    largest = max(groups, key=lambda group: (int(group.sum()), -int(np.argmax(group))))
    return float(offsets[largest].mean())
