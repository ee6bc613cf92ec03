"""Levenberg-Marquardt on all lenses, all cameras and all board placements at once, plain or robust.

Every board placement is eliminated by a dense Schur complement, which for a rig of tens of cameras is faster than any
sparse solver. Rotations are stepped in their tangent space, R <- exp(step) R, so there is no angle at which the
parameters break down. Method: Triggs et al., "Bundle adjustment: a modern synthesis", 2000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.bundle.normal import add_up, residuals, solve, view_blocks
from calibration.bundle.problem import CAMERA, WARP, Bools, Problem, State
from calibration.pose import Floats

_MAX_ITERATIONS = 50
_MAX_TRIES = 8
_DONE = 1e-8  # relative decrease of the cost
_TRIM = 4 * 1.4826  # 1.4826 makes the median absolute deviation a standard deviation for normal noise
_WORSE = 6.0
_LEAST_CORNERS = 4  # of a view; three no longer fix a board


@dataclass(frozen=True, eq=False)
class Fit:
    """How a solve ended."""

    state: State
    iterations: int
    converged: bool


@dataclass(frozen=True, eq=False)
class RobustFit:
    """A solve that left out what does not belong to a rigid board."""

    state: State
    kept: Bools  # (V, P) corners that the last solve used
    limit_px: float  # residuals above it were left out
    iterations: int
    converged: bool


def adjust(problem: Problem, state: State, *, free: Bools, huber_px: float = np.inf) -> Fit:
    """Minimise the squared residuals, or Huber's cost of their lengths, from a start near enough.

    `free` (C * 16 + shared,) says which parameters move (see `gauge_free`); the placements of the board always do.
    """
    start = len(state.lens) * CAMERA
    warp = bool(free[start : start + WARP].any())
    damping, iteration, converged = 1e-4, 0, False
    cost = _cost(residuals(problem, state), huber_px)
    while iteration < _MAX_ITERATIONS and not converged:
        iteration += 1
        blocks = view_blocks(problem, state, huber_px, warp=warp)
        system = add_up(blocks, len(state.lens), len(state.board_rotation))
        for _ in range(_MAX_TRIES):
            step = solve(system, free, damping)
            if step is not None:
                trial = state.stepped(*step)
                trial_cost = _cost(residuals(problem, trial), huber_px)
                if trial_cost <= cost:
                    break
            damping *= 10
        else:
            converged = True  # no step of any length helps: this is a minimum to rounding
            break
        converged = cost - trial_cost <= _DONE * cost
        state, cost, damping = trial, trial_cost, max(damping / 10, 1e-12)
    return Fit(state, iteration, converged)


def adjust_robustly(problem: Problem, state: State, *, free: Bools, huber_px: float) -> RobustFit:
    """Huber first, then drop what lies beyond four robust standard deviations, then plain least squares.

    With `huber_px` infinite nothing is dropped: least squares of all corners.
    """
    first = adjust(problem, state, free=free, huber_px=huber_px)
    if np.isinf(huber_px):
        return RobustFit(first.state, problem.seen, np.inf, first.iterations, first.converged)
    length = np.linalg.norm(residuals(problem, first.state), axis=-1)
    limit = _TRIM * float(np.median(length[problem.seen]))
    kept = problem.seen & (length <= limit)
    kept &= (kept.sum(axis=1) >= _LEAST_CORNERS)[:, None]
    last = adjust(problem.only(kept), first.state, free=free)
    return RobustFit(last.state, kept, limit, first.iterations + last.iterations, last.converged)


def _cost(residual: Floats, huber_px: float) -> float:
    square = residual[..., 0] ** 2 + residual[..., 1] ** 2
    if np.isinf(huber_px):
        return float(square.sum())
    length = np.sqrt(square)
    return float(np.where(length <= huber_px, square, 2 * huber_px * length - huber_px**2).sum())
