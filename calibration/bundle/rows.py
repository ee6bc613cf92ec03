"""Residuals of a view and their derivatives, written column by column so that each array operation runs over corners.

A view depends on its lens, on the pose of the board in the camera, and on the warp of the board. How that pose follows
from the camera, from the placements of the board and from time is the same for all corners of a view, so it is not
part of these rows: `calibration.bundle.normal` multiplies it in once per view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.bundle.motion import Placements
from calibration.bundle.problem import LENS, WARP, Problem, State
from calibration.pose import Floats

PLACE = slice(LENS, LENS + 6)  # step of the part in the world: turn, then shift
BEND = slice(LENS + 6, LENS + 6 + WARP)
COLUMNS = LENS + 6 + WARP  # and behind them the residual
_MIN_DEPTH = 1e-6  # metres; a trial step may put a board behind a camera, and must then cost a lot


@dataclass(frozen=True, eq=False)
class _Bent:
    """Where a lens puts points, with the symmetric derivative by the point and that by the coefficients."""

    x: Floats  # (V, P)
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    by_lens: Floats  # (V, 5, 2, P)


def view_residuals(problem: Problem, state: State, placed: Placements) -> Floats:
    """Projected minus observed (V, 2, P) pixels, zero where a corner was not seen."""
    x, y, _, _, _ = _normalised(problem, state, placed)
    bent_x, bent_y = _bend_only(problem, state, x, y)
    lens = state.lens[problem.camera]
    u = bent_x * lens[:, 0, None] + lens[:, 2, None] - problem.uv[..., 0]
    v = bent_y * lens[:, 1, None] + lens[:, 3, None] - problem.uv[..., 1]
    return np.where(problem.seen[:, None], np.stack([u, v], axis=1), 0.0)


def view_rows(problem: Problem, state: State, placed: Placements, *, warp: bool) -> Floats:
    """Derivatives and, last, the residual: (V, 19 or without warp 16, 2, P), zero where a corner was not seen."""
    x, y, depth, arm, bases = _normalised(problem, state, placed)
    bent = _bend(problem, state, x, y)
    lens = state.lens[problem.camera]
    fx, fy = lens[:, 0, None], lens[:, 1, None]
    rows = np.zeros((len(x), COLUMNS + 1 if warp else LENS + 7, 2, x.shape[1]))
    rows[:, 0, 0], rows[:, 1, 1] = bent.x, bent.y
    rows[:, 2, 0] = rows[:, 3, 1] = 1.0
    np.multiply(bent.by_lens[:, :, 0], fx[:, None], out=rows[:, 4:LENS, 0])
    np.multiply(bent.by_lens[:, :, 1], fy[:, None], out=rows[:, 4:LENS, 1])
    turn = state.camera_rotation[problem.camera]
    for axis, (scale, to_x, to_y) in enumerate(((fx / depth, bent.xx, bent.xy), (fy / depth, bent.xy, bent.yy))):
        a, b = scale * to_x, scale * to_y
        c = -(a * x + b * y)  # by the depth of the point
        w = [a * turn[:, 0, k, None] + b * turn[:, 1, k, None] + c * turn[:, 2, k, None] for k in range(3)]
        rows[:, LENS, axis] = arm[1] * w[2] - arm[2] * w[1]
        rows[:, LENS + 1, axis] = arm[2] * w[0] - arm[0] * w[2]
        rows[:, LENS + 2, axis] = arm[0] * w[1] - arm[1] * w[0]
        for k in range(3):
            rows[:, LENS + 3 + k, axis] = w[k]
        if warp:
            out = sum(w[k] * placed.rotation[:, k, 2, None] for k in range(3))  # along the normal of the print
            for k in range(WARP):
                rows[:, LENS + 6 + k, axis] = out * bases[k]
    rows[:, -1, 0] = bent.x * fx + lens[:, 2, None] - problem.uv[..., 0]
    rows[:, -1, 1] = bent.y * fy + lens[:, 3, None] - problem.uv[..., 1]
    rows *= problem.seen[:, None, None]
    return rows


def warp_basis(points: Floats) -> Floats:
    """How far each unit of warp lifts the corners: (3, Q, P) for parts (Q, P, 3), each 1 m at the edge.

    Bowls along x and y without their mean and the twist; what is left out, shift and tilt, is the pose of the board.
    """
    middle = (points.max(axis=1) + points.min(axis=1)) / 2
    half = np.maximum((points.max(axis=1) - points.min(axis=1)) / 2, 1e-12)
    x, y = np.moveaxis((points - middle[:, None]) / half[:, None], -1, 0)[:2]
    return np.stack([x**2 - 1 / 3, y**2 - 1 / 3, x * y])


def _normalised(
    problem: Problem, state: State, placed: Placements
) -> tuple[Floats, Floats, Floats, tuple[Floats, Floats, Floats], Floats]:
    """x / z, y / z and z (V, P) of the corners in the camera, their arms (V, P) from the part, the warp's basis."""
    bases = warp_basis(problem.points)
    points = problem.points
    if state.warp.any():
        points = points.copy()
        points[..., 2] += np.tensordot(state.warp, bases, 1)
    one = len(points) == 1
    local = points if one else points[problem.part]  # (1 or V, P, 3)
    bases = bases if one else bases[:, problem.part]
    px, py, pz = local[..., 0], local[..., 1], local[..., 2]
    r = placed.rotation[..., None]
    arm = tuple(r[:, i, 0] * px + r[:, i, 1] * py + r[:, i, 2] * pz for i in range(3))
    turn = state.camera_rotation[problem.camera]
    shift = state.camera_translation[problem.camera] + np.einsum("vij,vj->vi", turn, placed.translation)
    t = turn[..., None]
    seen = [t[:, i, 0] * arm[0] + t[:, i, 1] * arm[1] + t[:, i, 2] * arm[2] + shift[:, i, None] for i in range(3)]
    depth = np.maximum(seen[2], _MIN_DEPTH)
    return seen[0] / depth, seen[1] / depth, depth, (arm[0], arm[1], arm[2]), bases


def _bend_only(problem: Problem, state: State, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    fisheye = problem.fisheye[problem.camera]
    k = state.lens[problem.camera, 4:, None]
    if fisheye.all() or not fisheye.any():
        return _place_fisheye(x, y, k) if fisheye.any() else _place_brown(x, y, k)
    bent_x, bent_y = np.empty_like(x), np.empty_like(y)
    for place, own in ((_place_brown, ~fisheye), (_place_fisheye, fisheye)):
        bent_x[own], bent_y[own] = place(x[own], y[own], k[own])
    return bent_x, bent_y


def _bend(problem: Problem, state: State, x: Floats, y: Floats) -> _Bent:
    fisheye = problem.fisheye[problem.camera]
    k = state.lens[problem.camera, 4:, None]  # (V, 5, 1)
    if fisheye.all() or not fisheye.any():
        return _fisheye(x, y, k) if fisheye.any() else _brown(x, y, k)
    a, b, c, d, e = (np.empty_like(x) for _ in range(5))
    whole = _Bent(a, b, c, d, e, np.empty((len(x), LENS - 4, 2, x.shape[1])))
    for lens, own in ((_brown, ~fisheye), (_fisheye, fisheye)):
        part = lens(x[own], y[own], k[own])
        whole.x[own], whole.y[own], whole.by_lens[own] = part.x, part.y, part.by_lens
        whole.xx[own], whole.xy[own], whole.yy[own] = part.xx, part.xy, part.yy
    return whole


def _place_brown(x: Floats, y: Floats, k: Floats) -> tuple[Floats, Floats]:
    r2 = x * x + y * y
    radial = 1 + r2 * (k[:, 0] + r2 * (k[:, 1] + r2 * k[:, 4]))
    xy2 = 2 * x * y
    bent_x = x * radial + k[:, 2] * xy2 + k[:, 3] * (r2 + 2 * x * x)
    return bent_x, y * radial + k[:, 2] * (r2 + 2 * y * y) + k[:, 3] * xy2


def _brown(x: Floats, y: Floats, k: Floats) -> _Bent:
    xx, yy, xy2 = x * x, y * y, 2 * x * y
    r2 = xx + yy
    r4 = r2 * r2
    radial = 1 + r2 * (k[:, 0] + r2 * (k[:, 1] + r2 * k[:, 4]))
    slope = 2 * (k[:, 0] + r2 * (2 * k[:, 1] + r2 * (3 * k[:, 4])))  # d radial / d r2, doubled: d r2 / dx = 2 x
    by = np.empty((len(x), 5, 2, x.shape[1]))
    for axis, along in enumerate((x, y)):
        np.multiply(along, r2, out=by[:, 0, axis])
        np.multiply(along, r4, out=by[:, 1, axis])
        np.multiply(along * r2, r4, out=by[:, 4, axis])
    by[:, 2, 0] = by[:, 3, 1] = xy2
    by[:, 2, 1], by[:, 3, 0] = r2 + 2 * yy, r2 + 2 * xx
    bent_x = x * radial + k[:, 2] * by[:, 2, 0] + k[:, 3] * by[:, 3, 0]
    bent_y = y * radial + k[:, 2] * by[:, 2, 1] + k[:, 3] * by[:, 3, 1]
    across = 0.5 * xy2 * slope + 2 * (k[:, 2] * x + k[:, 3] * y)
    return _Bent(
        bent_x,
        bent_y,
        radial + xx * slope + 2 * k[:, 2] * y + 6 * k[:, 3] * x,
        across,
        radial + yy * slope + 6 * k[:, 2] * y + 2 * k[:, 3] * x,
        by,
    )


def _place_fisheye(x: Floats, y: Floats, k: Floats) -> tuple[Floats, Floats]:
    radius = np.maximum(np.hypot(x, y), 1e-9)
    theta = np.arctan(radius)
    t2 = theta * theta
    scale = theta / radius * (1 + t2 * (k[:, 0] + t2 * (k[:, 1] + t2 * (k[:, 2] + t2 * k[:, 3]))))
    return x * scale, y * scale


def _fisheye(x: Floats, y: Floats, k: Floats) -> _Bent:
    radius = np.maximum(np.hypot(x, y), 1e-9)
    theta = np.arctan(radius)
    t2 = theta * theta
    value = theta * (1 + t2 * (k[:, 0] + t2 * (k[:, 1] + t2 * (k[:, 2] + t2 * k[:, 3]))))
    slope = 1 + t2 * (3 * k[:, 0] + t2 * (5 * k[:, 1] + t2 * (7 * k[:, 2] + t2 * 9 * k[:, 3])))
    scale = value / radius
    by_radius = (slope / (1 + radius * radius) - scale) / (radius * radius)
    by = np.zeros((len(x), 5, 2, x.shape[1]))
    power = theta / radius
    for order in range(4):
        power = power * t2
        by[:, order, 0], by[:, order, 1] = x * power, y * power
    xx, xy, yy = (scale * one + a * b * by_radius for one, a, b in ((1, x, x), (0, x, y), (1, y, y)))
    return _Bent(x * scale, y * scale, xx, xy, yy, by)
