"""Bundle adjustment of a rig: all lenses, all cameras and all board placements at once.

Levenberg-Marquardt on analytic derivatives. Every board placement is eliminated by a dense Schur complement,
which for a rig of tens of cameras is faster than any sparse solver. Rotations are stepped in their tangent
space, R <- exp(step) R, so there is no angle at which the parameters break down. Method: Triggs et al., "Bundle
adjustment: a modern synthesis", 2000.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.camera import distort, distortion_jacobian
from calibration.pose import Floats, cross_matrix, rotation_of

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LENS = 9  # fx fy cx cy k1 k2 p1 p2 k3
CAMERA = LENS + 6  # and the step of rotation and translation, camera from world
BOARD = 6
_MAX_ITERATIONS = 50
_MAX_TRIES = 8
_DONE = 1e-8  # relative decrease of the cost
_MIN_DEPTH = 1e-6  # metres; a trial step may put a board behind a camera, and must then cost a lot


@dataclass(frozen=True, eq=False)
class Problem:
    """What was seen: one row per view (a board placement in a camera), padded to all corners of the board."""

    points: Floats  # (P, 3) metres, board frame
    camera: Ints  # (V,) which camera
    board: Ints  # (V,) which board placement; a pair (camera, board) occurs once
    uv: Floats  # (V, P, 2) pixels, anything where not seen
    seen: Bools  # (V, P)

    def only(self, seen: Bools) -> Problem:
        """The same problem with fewer corners."""
        return replace(self, seen=self.seen & seen)

    def of_boards(self, boards: Ints) -> Problem:
        """The views of some board placements; their numbers stay."""
        rows = np.isin(self.board, boards)
        return Problem(self.points, self.camera[rows], self.board[rows], self.uv[rows], self.seen[rows])


@dataclass(frozen=True, eq=False)
class State:
    """The unknowns."""

    lens: Floats  # (C, 9) fx fy cx cy k1 k2 p1 p2 k3
    camera_rotation: Floats  # (C, 3, 3) camera from world
    camera_translation: Floats  # (C, 3) metres
    board_rotation: Floats  # (B, 3, 3) world from board
    board_translation: Floats  # (B, 3) metres

    def stepped(self, cameras: Floats, boards: Floats) -> State:
        """The state after steps (C, 15) of the cameras and (B, 6) of the boards."""
        return State(
            self.lens + cameras[:, :LENS],
            rotation_of(cameras[:, LENS : LENS + 3]) @ self.camera_rotation,
            self.camera_translation + cameras[:, LENS + 3 :],
            rotation_of(boards[:, :3]) @ self.board_rotation,
            self.board_translation + boards[:, 3:],
        )


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
    iterations: int
    converged: bool


def gauge_free(cameras: int) -> Bools:
    """Which of the (C, 15) camera parameters may move: all but the pose of camera 0, the world."""
    free = np.ones((cameras, CAMERA), dtype=bool)
    free[0, LENS:] = False
    return free


def residuals(problem: Problem, state: State) -> Floats:
    """Projected minus observed, (V, P, 2) pixels, zero where a corner was not seen."""
    _, _, _, xy = _to_image(problem, state)
    return _residuals(problem, state, xy)


def residuals_with_jacobian(problem: Problem, state: State) -> tuple[Floats, Floats, Floats]:
    """Residuals (V, P, 2), their derivatives by the camera (V, P, 2, 15) and by the board (V, P, 2, 6)."""
    turned_board, turned, depth, xy = _to_image(problem, state)
    lens = state.lens[problem.camera][:, None, :]  # (V, 1, 9)
    focal = lens[..., :2]
    bent = distort(xy, lens[..., 4:])
    by_camera = np.zeros((*xy.shape, CAMERA))
    by_camera[..., 0, 0], by_camera[..., 1, 1] = bent[..., 0], bent[..., 1]
    by_camera[..., 0, 2] = by_camera[..., 1, 3] = 1.0
    by_camera[..., 4:9] = _by_distortion(xy) * focal[..., None]
    image = np.zeros((*xy.shape, 3))  # d xy / d Xc
    image[..., 0, 0] = image[..., 1, 1] = 1 / depth
    image[..., :, 2] = -xy / depth[..., None]
    by_point = focal[..., None] * (distortion_jacobian(xy, lens[..., 4:]) @ image)
    by_camera[..., 9:12] = -by_point @ cross_matrix(turned)
    by_camera[..., 12:15] = by_point
    by_world = by_point @ state.camera_rotation[problem.camera][:, None]
    by_board = np.concatenate([-by_world @ cross_matrix(turned_board), by_world], axis=-1)
    unseen = ~problem.seen
    by_camera[unseen] = 0.0
    by_board[unseen] = 0.0
    return _residuals(problem, state, xy), by_camera, by_board


def adjust(problem: Problem, state: State, *, free: Bools, huber_px: float = np.inf) -> Fit:
    """Minimise the squared residuals, or Huber's cost of their lengths, from a start near enough.

    `free` (C, 15) says which camera parameters move; boards always do, with none of them alone.
    """
    damping, iteration, converged = 1e-4, 0, False
    cost = _cost(residuals(problem, state), huber_px)
    while iteration < _MAX_ITERATIONS and not converged:
        iteration += 1
        system = _normal_equations(problem, state, huber_px)
        for _ in range(_MAX_TRIES):
            step = _solve(system, free, damping)
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
    """Huber first, then drop what lies beyond four robust standard deviations, then plain least squares."""
    first = adjust(problem, state, free=free, huber_px=huber_px)
    length = np.linalg.norm(residuals(problem, first.state), axis=-1)
    # 1.4826 makes the median absolute deviation a standard deviation for normal noise
    limit = 4 * 1.4826 * float(np.median(length[problem.seen]))
    kept = problem.seen & (length <= limit)
    kept &= (kept.sum(axis=1) >= 4)[:, None]  # three corners no longer fix a board
    last = adjust(problem.only(kept), first.state, free=free)
    return RobustFit(last.state, kept, first.iterations + last.iterations, last.converged)


def sigmas(problem: Problem, state: State, *, free: Bools) -> Floats:
    """Standard deviations (C, 15) of the camera parameters at a solution, zero where not free.

    From the inverse of the reduced normal matrix, scaled by the residuals: noise alone. A lens model that does
    not fit, or few poses, make the true error several times larger.
    """
    system = _normal_equations(problem, state, np.inf)
    reduced, _, _ = _reduce(system, free, 0.0)
    scale = 1 / np.sqrt(np.diag(reduced))
    inverse = np.linalg.inv(reduced * scale[:, None] * scale) * scale[:, None] * scale
    boards = len(np.unique(problem.board))
    freedom = 2 * int(problem.seen.sum()) - int(free.sum()) - BOARD * boards
    variance = float((residuals(problem, state) ** 2).sum()) / max(freedom, 1)
    result = np.zeros(free.shape)
    result[free] = np.sqrt(variance * np.maximum(np.diag(inverse), 0))
    return result


@dataclass(frozen=True, eq=False)
class _System:
    cameras: Floats  # (C, 15, 15)
    boards: Floats  # (B, 6, 6)
    mixed: Floats  # (C, 15, B, 6)
    camera_gradient: Floats  # (C, 15)
    board_gradient: Floats  # (B, 6)


def _to_image(problem: Problem, state: State) -> tuple[Floats, Floats, Floats, Floats]:
    """R_b X (V, P, 3), R_c Xw (V, P, 3), depth (V, P) and the undistorted normalised points (V, P, 2)."""
    turned_board = problem.points @ np.swapaxes(state.board_rotation[problem.board], 1, 2)
    world = turned_board + state.board_translation[problem.board][:, None]
    turned = world @ np.swapaxes(state.camera_rotation[problem.camera], 1, 2)
    point = turned + state.camera_translation[problem.camera][:, None]
    depth = np.maximum(point[..., 2], _MIN_DEPTH)
    return turned_board, turned, depth, point[..., :2] / depth[..., None]


def _residuals(problem: Problem, state: State, xy: Floats) -> Floats:
    lens = state.lens[problem.camera][:, None, :]
    projected = distort(xy, lens[..., 4:]) * lens[..., :2] + lens[..., 2:4]
    return np.where(problem.seen[..., None], projected - problem.uv, 0.0)


def _by_distortion(xy: Floats) -> Floats:
    """Derivative (V, P, 2, 5) of the distorted point by k1 k2 p1 p2 k3."""
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    by = np.empty((*xy.shape, 5))
    by[..., 0] = xy * r2[..., None]
    by[..., 1] = by[..., 0] * r2[..., None]
    by[..., 4] = by[..., 1] * r2[..., None]
    by[..., 0, 2] = by[..., 1, 3] = 2 * x * y
    by[..., 1, 2], by[..., 0, 3] = r2 + 2 * y * y, r2 + 2 * x * x
    return by


def _cost(residual: Floats, huber_px: float) -> float:
    square = (residual**2).sum(axis=-1)
    if np.isinf(huber_px):
        return float(square.sum())
    length = np.sqrt(square)
    return float(np.where(length <= huber_px, square, 2 * huber_px * length - huber_px**2).sum())


def _normal_equations(problem: Problem, state: State, huber_px: float) -> _System:
    residual, by_camera, by_board = residuals_with_jacobian(problem, state)
    views, corners, _ = residual.shape
    rows = np.concatenate([by_camera, by_board, residual[..., None]], axis=-1)  # (V, P, 2, 22)
    if np.isfinite(huber_px):
        length = np.linalg.norm(residual, axis=-1)
        rows *= np.sqrt(np.minimum(1.0, huber_px / np.maximum(length, 1e-12)))[..., None, None]
    rows = rows.reshape(views, corners * 2, CAMERA + BOARD + 1)
    product = np.swapaxes(rows, 1, 2) @ rows  # (V, 22, 22): every block and both gradients at once
    n_cameras, n_boards = len(state.lens), len(state.board_rotation)
    cameras, boards = np.zeros((n_cameras, CAMERA, CAMERA + 1)), np.zeros((n_boards, BOARD, BOARD + 1))
    mixed = np.zeros((n_cameras, CAMERA, n_boards, BOARD))
    camera_columns = np.r_[0:CAMERA, CAMERA + BOARD]
    np.add.at(cameras, problem.camera, product[:, :CAMERA][:, :, camera_columns])
    np.add.at(boards, problem.board, product[:, CAMERA : CAMERA + BOARD, CAMERA:])
    mixed[problem.camera, :, problem.board] = product[:, :CAMERA, CAMERA : CAMERA + BOARD]
    return _System(cameras[..., :-1], boards[..., :-1], mixed, cameras[..., -1], boards[..., -1])


def _reduce(system: _System, free: Bools, damping: float) -> tuple[Floats, Floats, Floats]:
    """The Schur complement (F, F) of the free camera parameters, the inverted boards, the mixed block."""
    n_cameras, n_boards = len(system.cameras), len(system.boards)
    inverse = np.linalg.inv(_damped(system.boards, damping))  # (B, 6, 6)
    index = np.flatnonzero(free)
    mixed = system.mixed.reshape(n_cameras * CAMERA, n_boards, BOARD)[index]  # (F, B, 6)
    solved = np.matmul(mixed.transpose(1, 0, 2), inverse).transpose(1, 0, 2)
    full = np.zeros((n_cameras, CAMERA, n_cameras, CAMERA))
    each = np.arange(n_cameras)
    full[each, :, each] = _damped(system.cameras, damping)
    reduced = full.reshape(n_cameras * CAMERA, -1)[np.ix_(index, index)]
    width = n_boards * BOARD
    reduced = reduced - solved.reshape(len(index), width) @ mixed.reshape(len(index), width).T
    return np.asarray(reduced), np.asarray(inverse), mixed


def _damped(blocks: Floats, damping: float) -> Floats:
    damped = blocks.copy()
    each = np.arange(blocks.shape[-1])
    diagonal = damped[:, each, each] * (1 + damping)
    damped[:, each, each] = np.where(diagonal > 0, diagonal, 1.0)  # unseen blocks stay
    return damped


def _solve(system: _System, free: Bools, damping: float) -> tuple[Floats, Floats] | None:
    """Steps (C, 15) and (B, 6), or None when the damped matrix is not positive definite."""
    try:
        reduced, inverse, mixed = _reduce(system, free, damping)
        board_part = np.einsum("bij,bj->bi", inverse, system.board_gradient)
        gradient = system.camera_gradient[free] - np.einsum("fbi,bi->f", mixed, board_part)
        scale = 1 / np.sqrt(np.maximum(np.diag(reduced), 1e-300))
        factor = np.linalg.cholesky(reduced * scale[:, None] * scale)
        solved = np.linalg.solve(factor.T, np.linalg.solve(factor, -gradient * scale)) * scale
    except np.linalg.LinAlgError:
        return None
    cameras = np.zeros(free.shape)
    cameras[free] = solved
    pull = system.board_gradient + np.einsum("fbi,f->bi", mixed, solved)
    return cameras, -np.einsum("bij,bj->bi", inverse, pull)
