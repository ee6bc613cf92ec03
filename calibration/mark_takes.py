"""The same mark in different takes: candidates matched through the turn and step she made between the takes.

Between takes she turns about the vertical and shifts a little, and may move head and arms. A turn with a
translation is found by RANSAC over the constellation of candidates; what it leaves over is matched only where
the look decides alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.mark_points import Candidate

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

TOLERANCE_M = 0.018  # breathing and standing anew
_LOOSE_M = 0.12  # head and arms move; beyond this a match would be a guess
_MAX_TURN_ERROR_DEG = 40.0  # how far `facing_deg` of session.toml may be off
_MAX_STEP_M, _MAX_LIFT_M = 0.6, 0.08
_MIN_BASE_M = 0.05  # two candidates this close to one vertical say nothing about the turn
_MAX_TRIALS = 4000


@dataclass(frozen=True, eq=False)
class Turn:
    """A turn about the vertical and a translation: takes points of one take to another."""

    yaw_deg: float
    shift: F64  # (3,) metres

    def apply(self, points: F64) -> F64:
        """Points (N, 3) moved."""
        return points @ yaw_matrix(self.yaw_deg).T + self.shift


def yaw_matrix(degrees: float) -> F64:
    """(3, 3) rotation about z, counter-clockwise seen from above."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def link(takes: Mapping[str, Sequence[Candidate]], facing_deg: Mapping[str, float]) -> list[dict[str, Candidate]]:
    """Marks over takes, each a candidate per take in which it was found, strongest first.

    The take with the most candidates is the reference; a candidate that no other take confirms stays alone.
    """
    order = sorted(takes, key=lambda t: (-len(takes[t]), t))
    marks: list[dict[str, Candidate]] = []
    for take in order:
        matched: dict[int, int] = {}
        for base in order[: order.index(take)]:
            known = {n: mark[base] for n, mark in enumerate(marks) if base in mark and take not in mark}
            free = [k for k in range(len(takes[take])) if k not in matched]
            if not known or not free:
                continue
            places, rest = list(known), [takes[take][k] for k in free]
            pairs = match(list(known.values()), rest, facing_deg[take] - facing_deg[base])
            for a, b in pairs:
                marks[places[a]][take] = rest[b]
                matched[free[b]] = places[a]
        marks += [{take: c} for k, c in enumerate(takes[take]) if k not in matched]
    return sorted(marks, key=lambda m: -sum(c.strength for c in m.values()))


def match(source: Sequence[Candidate], target: Sequence[Candidate], turn_deg: float) -> list[tuple[int, int]]:
    """Pairs (index in source, index in target) of the same mark; `turn_deg` is how far she says she
    turned.
    """
    if not source or not target:
        return []
    a, b = (np.stack([c.position for c in group]) for group in (source, target))
    alike = _alike(source, target)
    turn = find_turn(a, b, alike, turn_deg)
    if turn is None:
        return []
    away = np.linalg.norm(turn.apply(a)[:, None] - b[None], axis=-1)
    normal = np.stack([c.normal for c in source]) @ yaw_matrix(turn.yaw_deg).T
    same_side = normal @ np.stack([c.normal for c in target]).T > 0.5
    pairs = mutual(away, alike & (away < TOLERANCE_M))
    taken_a, taken_b = {i for i, _ in pairs}, {j for _, j in pairs}
    loose = alike & same_side & (away < _LOOSE_M)
    loose[sorted(taken_a)] = False
    loose[:, sorted(taken_b)] = False
    # One possible partner on either side, or nobody can say which it is.
    alone = loose & (loose.sum(axis=1, keepdims=True) == 1) & (loose.sum(axis=0, keepdims=True) == 1)
    return pairs + [(int(i), int(j)) for i, j in np.argwhere(alone)]


def find_turn(a: F64, b: F64, alike: Bool, turn_deg: float) -> Turn | None:
    """The turn that takes most points a (N, 3) onto points b (M, 3) that look alike; None when none explains
    two.
    """
    rotated = a @ yaw_matrix(turn_deg).T
    step = b[None] - rotated[:, None]
    near = alike & (np.linalg.norm(step[..., :2], axis=-1) < _MAX_STEP_M) & (np.abs(step[..., 2]) < _MAX_LIFT_M)
    pairs = np.argwhere(near)
    best, best_score = None, (1.5, -np.inf)
    for first, second in _trials(pairs, rotated, b):
        turn = _from_two(a, b, pairs[[first, second]])
        error = (turn.yaw_deg - turn_deg + 180) % 360 - 180
        if abs(error) > _MAX_TURN_ERROR_DEG:
            continue
        score = _score(turn, a, b, alike)
        if score > best_score:
            best, best_score = turn, score
    return _refined(best, a, b, alike) if best is not None else None


def best_turn(a: F64, b: F64, alike: Bool) -> tuple[int, Turn | None]:
    """How many points a (N, 3) and b (M, 3) agree under the best turn of all, and that turn: no facing is known."""
    best, most = None, 0
    for guess in range(0, 360, 60):  # `find_turn` looks 40 degrees to both sides
        turn = find_turn(a, b, alike, float(guess))
        if turn is not None and (count := int(_score(turn, a, b, alike)[0])) > most:
            best, most = turn, count
    return most, best


def _alike(source: Sequence[Candidate], target: Sequence[Candidate]) -> Bool:
    size = np.log([c.diameter_mm for c in source])[:, None] - np.log([c.diameter_mm for c in target])[None]
    colour = np.stack([c.colour for c in source])[:, None] - np.stack([c.colour for c in target])[None]
    strength = np.maximum([c.contrast for c in source], 1.0)[:, None]
    return np.asarray((np.abs(size) < np.log(1.6)) & (np.linalg.norm(colour, axis=-1) < 5.0 + 0.4 * strength))


def _trials(pairs: NDArray[np.int_], a: F64, b: F64) -> list[tuple[int, int]]:
    """Pairs of correspondences whose distances agree, at most _MAX_TRIALS of them."""
    if len(pairs) < 2:
        return []
    i, j = np.triu_indices(len(pairs), k=1)
    pa, pb = a[pairs[i, 0]] - a[pairs[j, 0]], b[pairs[i, 1]] - b[pairs[j, 1]]
    good = (pairs[i, 0] != pairs[j, 0]) & (pairs[i, 1] != pairs[j, 1])
    flat_a, flat_b = np.linalg.norm(pa[:, :2], axis=1), np.linalg.norm(pb[:, :2], axis=1)
    good &= (flat_a > _MIN_BASE_M) & (np.abs(flat_a - flat_b) < TOLERANCE_M)
    good &= np.abs(pa[:, 2] - pb[:, 2]) < TOLERANCE_M
    found = np.column_stack([i[good], j[good]])
    if len(found) > _MAX_TRIALS:
        found = found[np.random.default_rng(0).choice(len(found), _MAX_TRIALS, replace=False)]
    return [(int(x), int(y)) for x, y in found]


def _from_two(a: F64, b: F64, pairs: NDArray[np.int_]) -> Turn:
    return _fit(a[pairs[:, 0]], b[pairs[:, 1]])


def _fit(a: F64, b: F64) -> Turn:
    """Least-squares turn about z and shift for paired points (N, 3)."""
    ca, cb = a.mean(axis=0), b.mean(axis=0)
    x, y = (a - ca)[:, :2], (b - cb)[:, :2]
    yaw = np.degrees(np.arctan2((x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum(), (x * y).sum()))
    return Turn(float(yaw), cb - yaw_matrix(float(yaw)) @ ca)


def _score(turn: Turn, a: F64, b: F64, alike: Bool) -> tuple[float, float]:
    away = np.where(alike, np.linalg.norm(turn.apply(a)[:, None] - b[None], axis=-1), np.inf)
    pairs = mutual(away, away < TOLERANCE_M)
    return float(len(pairs)), -float(sum(away[i, j] for i, j in pairs))


def _refined(turn: Turn, a: F64, b: F64, alike: Bool) -> Turn:
    for _ in range(3):
        away = np.linalg.norm(turn.apply(a)[:, None] - b[None], axis=-1)
        pairs = np.array(mutual(away, alike & (away < TOLERANCE_M)))
        if len(pairs) < 2:
            return turn
        turn = _fit(a[pairs[:, 0]], b[pairs[:, 1]])
    return turn


def mutual(away: F64, allowed: Bool) -> list[tuple[int, int]]:
    """Pairs that are each other's nearest allowed partner."""
    masked = np.where(allowed, away, np.inf)
    nearest_b, nearest_a = masked.argmin(axis=1), masked.argmin(axis=0)
    return [(i, int(j)) for i, j in enumerate(nearest_b) if np.isfinite(masked[i, j]) and nearest_a[j] == i]
