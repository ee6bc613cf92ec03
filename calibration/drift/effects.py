"""Which camera turned, or runs late, and since when: the fewest changes that explain what tracks leave unexplained.

Each camera is tried with a turn (three angles) and with a lag (one number), from each moment on. The fit is robust by
graduated non-convexity with the loss of Geman and McClure (Yang and others 2020, IEEE RA-L 5:1127), as most tracks may
be wrong matches; the change that explains most is taken out, and the search goes on in the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from calibration.drift.constraints import Block, Ints
from calibration.pose import Floats

Bools = NDArray[np.bool_]

_WIDE = 16.0  # noises at which a fit begins
_CELL_PX = 32.0  # points of one camera within such a square count as one witness, in however many frames
_STARTS = 6
_LEAST_TRACKS = 12
_LEAST_WITNESSES = 4
# Witnesses by which a change must explain more than it has unknowns, as a fit explains as many by chance, and wrong
# matches are many where cameras stand wide. Over 266 fits of clean stills of 5 to 12 cameras it reached 2.4; where a
# camera with at least fifty witnesses is turned by a degree, 9 to 16.
_SPARE = 4.0
_CHANCE = 0.15  # of wrong matches one in seven agrees with anything
_LOOSE = 2.0  # noises by which points may leave the middle of the picture open; else a moment tells nothing of it
_LEAST_Z = 5.0
# Of all rows that bear on a camera. Clean clips of the stage reach 0.03; of a true change half the rows are mismatched.
_LEAST_SHARE = 0.12
_RIVAL = 0.7  # of the best gain; beside a camera that really changed the others reach 0.25, two cameras alone 1
_LEAST_MOMENTS = 5  # of a clip; of a few takes, a quarter of them


class Kind(StrEnum):
    """What can have happened to a camera."""

    TURN = "turn"  # radians about its own x, y and z
    LAG = "lag"  # frames by which it shows later moments than calibration says


@dataclass(frozen=True, eq=False)
class Effect:
    """One change of one camera."""

    kind: Kind
    camera: int
    since: int  # moment
    size: Floats  # (k,): 3 of a turn, 1 of a lag
    covariance: Floats  # (k, k), witnesses counted once
    gain: float  # rows of tracks that it explains
    share: float  # of the rows that bear on it from then on
    tracks: int  # that bear on it
    backing: float  # witnesses that it explains; each of them counts once, however many tracks it has
    rivals: tuple[int, ...] = ()  # cameras of which the same kind of change explains nearly as much

    @property
    def z(self) -> float:
        """How many of its sigmas it is from nothing."""
        square = float(self.size @ np.linalg.solve(self.covariance, self.size))
        return math.sqrt(max(square, 0.0))


@dataclass(frozen=True, eq=False)
class Rows:
    """The tracks of one camera, rows padded with zeros. T tracks, R rows, k unknowns."""

    moment: Ints  # (T,)
    rest: Floats  # (T, R)
    design: Floats  # (T, R, k)
    count: Floats  # (T,) true rows
    witness: Ints  # (T,) number of the place in the picture


def rows_of(blocks: Sequence[Block], camera: int, kind: Kind) -> Rows:
    """Everything that bears on a camera; tracks that tell no speed in it are left out for both kinds."""
    if not blocks:
        none, size = np.zeros(0, np.int64), 3 if kind is Kind.TURN else 1
        return Rows(none, np.zeros((0, 1)), np.zeros((0, 1, size)), np.zeros(0), none)
    most = max(b.rest.shape[1] for b in blocks)
    parts: list[tuple[Ints, Floats, Floats, Floats, Floats]] = []
    for block in blocks:
        row, place = np.nonzero((block.cameras == camera) & np.isfinite(block.lag).all(axis=2))
        design = _design(block, kind)[row, place]
        pad = most - block.rest.shape[1]
        count = np.full(len(row), float(block.rest.shape[1]))
        parts.append(
            (
                block.moment[row],
                np.pad(block.rest[row], ((0, 0), (0, pad))),
                np.pad(design, ((0, 0), (0, pad), (0, 0))),
                count,
                block.uv[row, place],
            )
        )
    moment, rest, design, count, uv = (np.concatenate(p) for p in zip(*parts, strict=True))
    cells = np.floor(uv / _CELL_PX).astype(np.int64)
    witness = np.unique(cells, axis=0, return_inverse=True)[1].ravel() if len(cells) else np.zeros(0, np.int64)
    return Rows(moment, rest, design, count, witness)


def _design(block: Block, kind: Kind) -> Floats:
    """(T, S, R, k)."""
    return block.turn if kind is Kind.TURN else block.lag[..., None]


def strongest(blocks: Sequence[Block], asked: Iterable[tuple[int, Kind]], *, noise_px: float) -> Effect | None:
    """The change that explains most, of these kinds of these cameras, or None where none does."""
    tried = (best_effect(blocks, camera, kind, noise_px=noise_px) for camera, kind in asked)
    found = [e for e in tried if e is not None]
    if not found:
        return None
    best = max(found, key=lambda e: e.gain)
    rivals = tuple(
        e.camera for e in found if e.kind is best.kind and e is not best and e.gain > _RIVAL * best.gain
    )  # fmt: skip
    return replace(best, rivals=rivals)


def best_effect(blocks: Sequence[Block], camera: int, kind: Kind, *, noise_px: float) -> Effect | None:
    """The best change of one kind of one camera, whenever it began; None where nothing significant is seen."""
    rows = rows_of(blocks, camera, kind)
    if len(rows.moment) < _LEAST_TRACKS or not np.any(rows.design):
        return None
    moments = np.unique(rows.moment)
    best: Effect | None = None
    for start in np.unique(moments[np.arange(_STARTS) * len(moments) // _STARTS]):
        effect = _since(rows, int(start), (camera, kind), noise_px)
        if effect is not None and (best is None or effect.gain > best.gain):
            best = effect
    return best


def _since(rows: Rows, start: int, what: tuple[int, Kind], noise_px: float) -> Effect | None:
    """Fit from a moment on, move the beginning to where it explains most, and fit again."""
    since = start
    for _ in range(3):
        chosen = rows.moment >= since
        if chosen.sum() < _LEAST_TRACKS:
            return None
        won = _gains(rows, _fit(_only(rows, chosen), noise_px), noise_px)
        moments = np.unique(rows.moment)
        each = np.array([won[rows.moment == m].sum() for m in moments])
        moved = int(moments[np.cumsum(each[::-1])[::-1].argmax()])
        if moved == since:
            break
        since = moved
    effect = fit_since(rows, since, what, noise_px=noise_px)
    if effect is None:
        return None
    lasting = len(np.unique(rows.moment[rows.moment >= since]))
    long = lasting >= min(_LEAST_MOMENTS, (len(np.unique(rows.moment)) + 3) // 4)
    backed = effect.backing >= len(effect.size) + _SPARE
    return effect if long and backed and effect.share > _LEAST_SHARE and effect.z > _LEAST_Z else None


def fit_since(rows: Rows, since: int, what: tuple[int, Kind], *, noise_px: float) -> Effect | None:
    """The change (camera and kind) that explains most from a moment on; None where too few tracks bear on it."""
    part = _only(rows, rows.moment >= since)
    if len(part.moment) < _LEAST_TRACKS:
        return None
    size = _fit(part, noise_px)
    covariance, witnesses = _covariance(part, size, noise_px)
    if witnesses < _LEAST_WITNESSES:
        return None
    gains = _gains(part, size, noise_px)
    share = float(gains.sum() / part.count.sum())
    found = (covariance, float(gains.sum()), share, len(part.moment), _backing(part, size, noise_px))
    return Effect(what[1], what[0], since, size, *found)


def profile(rows: Rows, moments: int, *, noise_px: float) -> Floats:
    """(M, k) the change that each moment by itself, with its two neighbours, asks for; NaN where too few agree."""
    out = np.full((moments, rows.design.shape[2]), np.nan)
    for moment in range(moments):
        part = _only(rows, np.abs(rows.moment - moment) <= 1)
        if len(part.moment) >= _LEAST_TRACKS and np.any(part.design):
            size = _fit(part, noise_px)
            # as much is explained by chance: then what lies at the calibration, if anything does
            if _backing(part, size, noise_px) < len(size) + _SPARE:
                size = _fit(part, noise_px, wide=1.0)
                if _spread_px(part, size, noise_px) > _LOOSE * noise_px:
                    continue
            if _votes(part, _agreement(part, size, noise_px) - _CHANCE) >= len(size):
                out[moment] = size
    return out


def told(rows: Rows, *, noise_px: float) -> bool:
    """Whether what bears on a camera agrees with its calibration by more than chance."""
    nothing = np.zeros(rows.design.shape[2])
    return len(rows.moment) >= _LEAST_TRACKS and bool(_agreement(rows, nothing, noise_px).mean() > _CHANCE)


def stands(rows: Rows, *, noise_px: float) -> bool:
    """Whether as many witnesses agree with a camera's calibration as a change would need."""
    nothing = np.zeros(rows.design.shape[2])
    return _votes(rows, _agreement(rows, nothing, noise_px) - _CHANCE) >= len(nothing) + _SPARE


def _spread_px(rows: Rows, size: Floats, noise_px: float) -> float:
    """How well an effect is known, in pixels: points in one corner leave a turn open that keeps them in place."""
    matrix, _ = _normal(rows, 1 / (1 + _squares(rows, size, noise_px)) ** 2)
    variance = noise_px**2 * np.diag(np.linalg.inv(matrix))[:2].sum()
    by = np.sqrt((rows.design[:, :, :2] ** 2).sum(axis=(1, 2)) / min(2, len(size)))
    return float(np.median(by) * math.sqrt(max(float(variance), 0.0)))


def _only(rows: Rows, chosen: Bools) -> Rows:
    return Rows(rows.moment[chosen], rows.rest[chosen], rows.design[chosen], rows.count[chosen], rows.witness[chosen])


def _squares(rows: Rows, size: Floats, noise_px: float) -> Floats:
    """(T,) mean square of each track's rows after an effect, in noises."""
    left = rows.rest - rows.design @ size
    return np.asarray((left**2).sum(axis=1) / rows.count / noise_px**2)


def _gains(rows: Rows, size: Floats, noise_px: float) -> Floats:
    """(T,) rows of each track that an effect explains: 1 a row where it was far off and is now right."""
    before, after = (_squares(rows, s, noise_px) for s in (np.zeros_like(size), size))
    return np.asarray(rows.count * (before / (1 + before) - after / (1 + after)))


def _backing(rows: Rows, size: Floats, noise_px: float) -> float:
    """Witnesses that an effect explains."""
    return _votes(rows, _gains(rows, size, noise_px) / rows.count)


def _agreement(rows: Rows, size: Floats, noise_px: float) -> Floats:
    """(T,) how well each track agrees with an effect, 0 to 1."""
    return np.asarray(1 / (1 + _squares(rows, size, noise_px)))


def _votes(rows: Rows, values: Floats) -> float:
    """Witnesses for the effect less those against it, of the values (T,) of their tracks, -1 to 1.

    None counts more than once; tracks that tell nothing, however many, add up no faster than by their root.
    """
    count = np.bincount(rows.witness)
    total = np.bincount(rows.witness, weights=values)[count > 0]
    return float(np.clip(total / np.sqrt(count[count > 0]), -1, 1).sum())


def _fit(rows: Rows, noise_px: float, *, wide: float = _WIDE**2) -> Floats:
    """(k,) by least squares with weights that begin even, or so many square noises wide, and end at the loss's own."""
    size: Floats = np.zeros(rows.design.shape[2])
    while True:
        for _ in range(2 if wide > 1 else 4):
            weight = (wide / (wide + _squares(rows, size, noise_px))) ** 2
            size = np.asarray(np.linalg.solve(*_normal(rows, weight)), dtype=np.float64)
        if wide <= 1:
            return size
        wide = max(wide / 4, 1.0)


def _normal(rows: Rows, weight: Floats) -> tuple[Floats, Floats]:
    flat = rows.design.reshape(-1, rows.design.shape[2])
    weighted = (weight[:, None, None] * rows.design).reshape(flat.shape).T
    matrix, right = weighted @ flat, weighted @ rows.rest.ravel()
    # What no track tells, such as a turn about the line of sight of one point, stays 0.
    return matrix + 1e-9 * (np.trace(matrix) + 1e-12) * np.eye(len(right)), right


def _covariance(rows: Rows, size: Floats, noise_px: float) -> tuple[Floats, int]:
    """(k, k) with the errors of one witness taken as one (Liang and Zeger 1986), and how many witnesses speak."""
    weight = 1 / (1 + _squares(rows, size, noise_px)) ** 2
    matrix, _ = _normal(rows, weight)
    left = rows.rest - rows.design @ size
    scores = weight[:, None] * (rows.design * left[..., None]).sum(axis=1)
    groups = int(rows.witness.max()) + 1
    sums = np.zeros((groups, len(size)))
    np.add.at(sums, rows.witness, scores)
    inverse = np.linalg.inv(matrix)
    speaking = len(np.unique(rows.witness[weight > 0.25]))
    small = speaking / max(speaking - 1, 1)
    return small * inverse @ (sums.T @ sums) @ inverse, speaking
