"""Where the board is when a camera that lags looks at it: a cubic through its placements, and the derivatives.

The placements of one stretch of a video are the knots of a cubic Hermite curve whose slopes are those of the parabola
through three neighbours (Catmull and Rom, 1974, for uneven knots). Translations are blended as they are, rotations in
the tangent space at one of the knots. A camera with offset 0 sees exactly the knots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.bundle.problem import Ints, Problem, State
from calibration.pose import Floats, cross_matrix, rotation_of

MAX_GAP_S = 0.6  # a hand moves otherwise in between: over a longer gap nothing is interpolated
_KNOTS = 4
_BASE = 1  # the knot before the moment, in whose tangent space rotations are blended


@dataclass(frozen=True, eq=False)
class Placements:
    """The pose of the part in every view, and how it follows from the unknowns. Steps turn first, then shift."""

    rotation: Floats  # (V, 3, 3) world from part
    translation: Floats  # (V, 3)
    knots: Ints  # (V, N) board placements that it depends on
    by_knots: Floats  # (V, 6, N * 6)
    by_offset: Floats  # (V, 6) per second
    by_part: Floats  # (V, 6, 6)


@dataclass(frozen=True, eq=False)
class _Blend:
    knots: Ints  # (V, 4)
    weight: Floats  # (V, 4), sum 1
    rate: Floats  # (V, 4) per second, sum 0


def placements(problem: Problem, state: State) -> Placements:
    """The part of the board in every view, at the moment when its camera saw it."""
    views = len(problem.camera)
    if problem.moving:
        blend = _blend(problem, state)
        rotation, translation, by_knots, by_offset = _interpolate(blend, state)
        knots = blend.knots
    else:
        knots = problem.board[:, None]
        rotation, translation = state.board_rotation[problem.board], state.board_translation[problem.board]
        by_knots, by_offset = np.broadcast_to(np.eye(6), (views, 6, 6)), np.zeros((views, 6))
    if len(problem.points) == 1:
        return Placements(rotation, translation, knots, by_knots, by_offset, np.zeros((views, 6, 6)))
    arm = np.einsum("vij,vj->vi", rotation, state.part_translation[problem.part])
    lever = np.tile(np.eye(6), (views, 1, 1))
    lever[:, 3:, :3] = -cross_matrix(arm)  # a board that turns takes its parts along
    by_part = np.zeros((views, 6, 6))
    by_part[:, :3, :3] = by_part[:, 3:, 3:] = rotation
    return Placements(
        rotation @ state.part_rotation[problem.part],
        translation + arm,
        knots,
        lever @ by_knots,
        np.einsum("vij,vj->vi", lever, by_offset),
        by_part,
    )


def stretches(time: Floats) -> tuple[Ints, Ints]:
    """The moving placements in the order of time, and for each the number of its stretch without a gap."""
    order = np.argsort(np.where(np.isfinite(time), time, np.inf), kind="stable")[: int(np.isfinite(time).sum())]
    gaps = np.diff(time[order]) > MAX_GAP_S
    return order, np.concatenate([[0], np.cumsum(gaps)])[: len(order)].astype(np.int64)


def _blend(problem: Problem, state: State) -> _Blend:
    """Weights of the knots around the moment of every view, and their slopes by time."""
    order, stretch = stretches(problem.time)
    sorted_time = problem.time[order]
    place = np.zeros(len(problem.time), dtype=np.int64)
    place[order] = np.arange(len(order))
    first = np.searchsorted(stretch, stretch)
    last = np.searchsorted(stretch, stretch, side="right") - 1
    moves = np.isfinite(problem.time[problem.board])
    own = place[problem.board]
    moment = np.where(moves, problem.time[problem.board] + state.offset[problem.camera], 0.0)
    low, high = first[own], last[own]
    moves &= high > low
    at = np.clip(np.searchsorted(sorted_time, moment, side="right") - 1, low, np.maximum(low, high - 1))
    columns = np.stack([np.maximum(at - 1, low), at, np.minimum(at + 1, high), np.minimum(at + 2, high)], axis=1)
    weight, rate = _hermite(sorted_time[columns], moment)
    weight[~moves], rate[~moves] = np.eye(_KNOTS)[_BASE], 0.0
    return _Blend(np.where(moves[:, None], order[columns], problem.board[:, None]), weight, rate)


def _hermite(knots: Floats, moment: Floats) -> tuple[Floats, Floats]:
    """Weights (V, 4) and their slopes for knots (V, 4) in seconds; a knot that is missing repeats its neighbour.

    Past the ends the curve goes on straight.
    """
    before, step, after = np.diff(knots, axis=1).T
    step = np.where(step > 0, step, 1.0)
    lines = np.zeros((2, len(knots), _KNOTS))  # slopes at the two inner knots, as weights
    lines[:, :, 1], lines[:, :, 2] = -1 / step, 1 / step
    for line, other, columns in ((lines[0], before, (0, 1, 2)), (lines[1], after, (3, 2, 1))):
        both = other > 0
        d, h = other[both], step[both]
        sign = 1.0 if columns[0] == 0 else -1.0
        line[both, columns[0]] = sign * -h / (d * (d + h))
        line[both, columns[1]] = sign * (h - d) / (d * h)
        line[both, columns[2]] = sign * d / (h * (d + h))
    s = (moment - knots[:, 1]) / step
    inside = np.clip(s, 0.0, 1.0)
    outside = ((s - inside) * step)[:, None]
    inside, step = inside[:, None], step[:, None]
    start, end = np.eye(_KNOTS)[1], np.eye(_KNOTS)[2]
    rise = 3 * inside**2 - 2 * inside**3
    weight = (1 - rise) * start + rise * end
    weight += step * ((inside**3 - 2 * inside**2 + inside) * lines[0] + (inside**3 - inside**2) * lines[1])
    rate = 6 * (inside - inside**2) / step * (end - start)
    rate += (3 * inside**2 - 4 * inside + 1) * lines[0] + (3 * inside**2 - 2 * inside) * lines[1]
    return weight + outside * rate, rate


def _interpolate(blend: _Blend, state: State) -> tuple[Floats, Floats, Floats, Floats]:
    """Rotation, translation, and their derivatives by the knots (V, 6, 24) and by time (V, 6)."""
    rotations = state.board_rotation[blend.knots]  # (V, 4, 3, 3)
    base = rotations[:, _BASE]
    turns = _log(rotations @ np.swapaxes(base, 1, 2)[:, None])  # (V, 4, 3)
    turn = np.einsum("vk,vki->vi", blend.weight, turns)
    swing = rotation_of(turn)
    spread = left_jacobian(turn)
    shifts = state.board_translation[blend.knots]
    by_knots = np.zeros((len(turn), 6, _KNOTS, 6))
    weight = blend.weight[..., None, None]
    by_turns = spread[:, None] @ (weight * inverse_left_jacobian(turns))
    by_base = spread @ (weight * inverse_left_jacobian(-turns)).sum(axis=1)
    by_knots[:, :3, :, :3] = by_turns.transpose(0, 2, 1, 3)
    # the base turns the whole curve along, and every other knot away from it
    by_knots[:, :3, _BASE, :3] += swing - by_base
    by_knots[:, 3:, :, 3:] = (weight * np.eye(3)).transpose(0, 2, 1, 3)
    by_offset = np.concatenate(
        [
            np.einsum("vij,vk,vkj->vi", spread, blend.rate, turns, optimize=True),
            np.einsum("vk,vki->vi", blend.rate, shifts),
        ],
        axis=1,
    )
    translation = np.einsum("vk,vki->vi", blend.weight, shifts)
    return swing @ base, translation, by_knots.reshape(len(turn), 6, -1), by_offset


def left_jacobian(turn: Floats) -> Floats:
    """Matrices (..., 3, 3): the rotation that a change of the rotation vector (..., 3) adds, on the left."""
    angle = np.linalg.norm(turn, axis=-1)[..., None, None]
    safe = np.where(angle < 1e-4, 1.0, angle)
    first = np.where(angle < 1e-4, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    second = np.where(angle < 1e-4, 1 / 6 - angle**2 / 120, (safe - np.sin(safe)) / safe**3)
    cross = cross_matrix(turn)
    return np.asarray(np.eye(3) + first * cross + second * (cross @ cross))


def inverse_left_jacobian(turn: Floats) -> Floats:
    """The inverse (..., 3, 3) of `left_jacobian`, for angles below pi."""
    angle = np.linalg.norm(turn, axis=-1)[..., None, None]
    safe = np.where(angle < 1e-3, 1.0, angle)
    half = safe / 2
    second = np.where(angle < 1e-3, 1 / 12 + angle**2 / 720, (1 - half / np.tan(half)) / safe**2)
    cross = cross_matrix(turn)
    return np.asarray(np.eye(3) - 0.5 * cross + second * (cross @ cross))


def _log(rotation: Floats) -> Floats:
    """Rotation vectors (..., 3) of rotations (..., 3, 3) by less than pi."""
    twice = np.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        axis=-1,
    )
    sine = np.linalg.norm(twice, axis=-1)
    angle = np.arctan2(sine, np.trace(rotation, axis1=-2, axis2=-1) - 1)
    scale = np.where(sine < 1e-9, 0.5, angle / np.maximum(sine, 1e-9))
    return np.asarray(twice * scale[..., None])
