"""Normal equations of a bundle adjustment, the Schur complement that eliminates the board, and the step.

Each view gives one small matrix (lens, pose, warp and residual against themselves). What that pose depends on (the
camera, up to four placements of the board, time, the part) is multiplied in afterwards, view by view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from calibration.bundle.motion import Placements, placements
from calibration.bundle.problem import BOARD, CAMERA, LENS, OFFSET, POSE, WARP, Bools, Ints, Problem, State
from calibration.bundle.rows import BEND, PLACE, view_residuals, view_rows
from calibration.pose import Floats, cross_matrix

_COLUMNS, _COLUMNS_WARPED = LENS + 6, LENS + 6 + WARP
_CHUNK = 256  # views at a time: what is in use then fits the cache


@dataclass(frozen=True, eq=False)
class Blocks:
    """The normal equations view by view. W = 16 parameters of the camera and then those shared by all."""

    camera: Ints  # (V,)
    knots: Ints  # (V, N) placements of the board
    own: Floats  # (V, W, W)
    own_gradient: Floats  # (V, W)
    mixed: Floats  # (V, W, N * 6)
    board: Floats  # (V, N * 6, N * 6)
    board_gradient: Floats  # (V, N * 6)

    def of_views(self, views: Ints) -> Blocks:
        """Some of the views."""
        return Blocks(
            self.camera[views],
            self.knots[views],
            self.own[views],
            self.own_gradient[views],
            self.mixed[views],
            self.board[views],
            self.board_gradient[views],
        )


@dataclass(frozen=True, eq=False)
class System:
    """The same, added up. Parameters (C * 16 + shared), placements of the board (B)."""

    cameras: Floats  # (F, F)
    gradient: Floats  # (F,)
    mixed: Floats  # (F, B * 6)
    boards: Floats  # (B, 6, 6) where every view has one placement, else (B * 6, B * 6)
    board_gradient: Floats  # (B * 6,)


def view_blocks(problem: Problem, state: State, huber_px: float, *, warp: bool) -> Blocks:
    """All views. Huber's cost enters as weights of the corners."""
    placed = placements(problem, state)
    grams = []
    for start in range(0, len(problem.camera), _CHUNK):
        some = slice(start, start + _CHUNK)
        rows = view_rows(problem.of_views(some), state, of_views(placed, some), warp=warp)
        if np.isfinite(huber_px):
            length = np.hypot(rows[:, -1, 0], rows[:, -1, 1])
            rows *= np.sqrt(np.minimum(1.0, huber_px / np.maximum(length, 1e-12)))[:, None, None]
        flat = rows.reshape(len(rows), rows.shape[1], -1)
        grams.append(flat @ flat.transpose(0, 2, 1))
    width = (_COLUMNS_WARPED if warp else _COLUMNS) + 1
    gram = np.concatenate(grams) if grams else np.zeros((0, width, width))
    return _multiply_in(gram, problem, state, placed)


def of_views(placed: Placements, views: slice | Bools) -> Placements:
    """Some of the views."""
    return Placements(
        placed.rotation[views],
        placed.translation[views],
        placed.knots[views],
        placed.by_knots[views],
        placed.by_offset[views],
        placed.by_part[views],
    )


def parameter_map(problem: Problem, state: State, placed: Placements, *, warp: bool) -> Floats:
    """How the columns of `view_rows` follow from camera and shared parameters: (V, 15 or 18, 16 + shared)."""
    views = len(problem.camera)
    columns = _COLUMNS_WARPED if warp else _COLUMNS
    by = np.zeros((views, columns, CAMERA + state.shared))
    by[:, :LENS, :LENS] = np.eye(LENS)
    # turning a camera about its own axes turns the board the other way round: about the world, in these axes
    back = np.swapaxes(state.camera_rotation[problem.camera], 1, 2)
    pose = by[:, PLACE, POSE]
    pose[:, :3, :3] = pose[:, 3:, 3:] = back
    pose[:, 3:, :3] = -cross_matrix(placed.translation) @ back
    by[:, PLACE, OFFSET] = placed.by_offset
    if warp:
        by[:, BEND, CAMERA : CAMERA + WARP] = np.eye(WARP)
    for part in range(1, len(state.part_rotation)):
        own = np.flatnonzero(problem.part == part)
        start = CAMERA + WARP + BOARD * (part - 1)
        by[own, PLACE, start : start + BOARD] = placed.by_part[own]
    return by


def add_up(blocks: Blocks, cameras: int, boards: int) -> System:
    """The whole system of so many cameras and placements, of the views in `blocks`."""
    width, knots = blocks.own.shape[1], blocks.knots.shape[1]
    shared = width - CAMERA
    own, gradient = np.zeros((cameras, width, width)), np.zeros((cameras, width))
    np.add.at(own, blocks.camera, blocks.own)
    np.add.at(gradient, blocks.camera, blocks.own_gradient)
    mixed, board_gradient = np.zeros((cameras, boards, width, BOARD)), np.zeros((boards, BOARD))
    by_knot = blocks.mixed.reshape(-1, width, knots, BOARD)
    for n in range(knots):
        np.add.at(mixed, (blocks.camera, blocks.knots[:, n]), by_knot[:, :, n])
        np.add.at(board_gradient, blocks.knots[:, n], blocks.board_gradient.reshape(-1, knots, BOARD)[:, n])
    size = cameras * CAMERA + shared
    full, vector = np.zeros((size, size)), np.zeros(size)
    each = np.arange(cameras * CAMERA).reshape(cameras, CAMERA)
    full[each[:, :, None], each[:, None, :]] = own[:, :CAMERA, :CAMERA]
    border = own[:, :CAMERA, CAMERA:].reshape(-1, shared)
    full[: size - shared, size - shared :], full[size - shared :, : size - shared] = border, border.T
    full[size - shared :, size - shared :] = own[:, CAMERA:, CAMERA:].sum(axis=0)
    vector[: size - shared] = gradient[:, :CAMERA].ravel()
    vector[size - shared :] = gradient[:, CAMERA:].sum(axis=0)
    rows = np.concatenate(
        [
            mixed[:, :, :CAMERA].transpose(0, 2, 1, 3).reshape(cameras * CAMERA, -1),
            mixed[:, :, CAMERA:].sum(axis=0).transpose(1, 0, 2).reshape(shared, -1),
        ]
    )
    return System(full, vector, rows, _add_boards(blocks, boards), board_gradient.ravel())


def reduce(system: System, free: Bools, damping: float) -> tuple[Floats, Floats, Floats]:
    """Without the boards: the matrix (F, F) and gradient (F,) of the free parameters, and what gives the boards back.

    Raises LinAlgError where the damped matrix of the boards is singular.
    """
    index = np.flatnonzero(free)
    mixed = system.mixed[index]
    right = np.concatenate([mixed, system.board_gradient[None]])  # (F + 1, B * 6)
    if system.boards.ndim == 3:
        inverse = np.linalg.inv(_damped(system.boards, damping))
        columns = right.reshape(len(right), len(inverse), BOARD)
        solved = np.matmul(columns.transpose(1, 0, 2), inverse).transpose(1, 0, 2).reshape(len(right), -1)
    else:
        factor = cho_factor(_damped(system.boards[None], damping)[0], lower=True)
        solved = cho_solve(factor, right.T).T
    matrix = _damped(system.cameras[None], damping)[0][np.ix_(index, index)] - solved[:-1] @ mixed.T
    return matrix, system.gradient[index] - mixed @ solved[-1], solved


def solve(system: System, free: Bools, damping: float) -> tuple[Floats, Floats] | None:
    """Steps of all parameters (F,) and of the boards (B, 6), or None where the matrix is not positive definite."""
    step = np.zeros(len(free))
    try:
        matrix, gradient, solved = reduce(system, free, damping)
        if free.any():
            scale = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
            factor = cho_factor(matrix * scale[:, None] * scale, lower=True, overwrite_a=True)
            step[free] = cho_solve(factor, -gradient * scale) * scale
    except np.linalg.LinAlgError:
        return None
    boards = -solved[-1] - step[free] @ solved[:-1]
    return step, boards.reshape(-1, BOARD)


def residuals(problem: Problem, state: State) -> Floats:
    """Projected minus observed, (V, P, 2) pixels, zero where a corner was not seen."""
    placed = placements(problem, state)
    result = np.empty((*problem.seen.shape, 2))
    for start in range(0, len(result), _CHUNK):
        some = slice(start, start + _CHUNK)
        found = view_residuals(problem.of_views(some), state, of_views(placed, some))
        result[some] = np.moveaxis(found, 1, 2)
    return result


def _multiply_in(gram: Floats, problem: Problem, state: State, placed: Placements) -> Blocks:
    by = parameter_map(problem, state, placed, warp=gram.shape[1] - 1 == _COLUMNS_WARPED)
    over = gram[:, :-1, :-1] @ by
    mixed, board = over.transpose(0, 2, 1)[:, :, PLACE], gram[:, PLACE, PLACE]
    board_gradient = gram[:, PLACE, -1]
    if problem.moving or len(problem.points) > 1:
        to_knots = placed.by_knots.transpose(0, 2, 1)
        mixed, board = mixed @ placed.by_knots, to_knots @ board @ placed.by_knots
        board_gradient = np.einsum("vij,vj->vi", to_knots, board_gradient)
    return Blocks(
        problem.camera,
        placed.knots,
        by.transpose(0, 2, 1) @ over,
        np.einsum("vij,vi->vj", by, gram[:, :-1, -1]),
        mixed,
        board,
        board_gradient,
    )


def _add_boards(blocks: Blocks, boards: int) -> Floats:
    knots = blocks.knots.shape[1]
    if knots == 1:
        single = np.zeros((boards, BOARD, BOARD))
        np.add.at(single, blocks.knots[:, 0], blocks.board)
        return single
    dense = np.zeros((boards, boards, BOARD, BOARD))
    pairs = blocks.board.reshape(-1, knots, BOARD, knots, BOARD)
    for n in range(knots):
        for m in range(knots):
            np.add.at(dense, (blocks.knots[:, n], blocks.knots[:, m]), pairs[:, n, :, m])
    return dense.transpose(0, 2, 1, 3).reshape(boards * BOARD, -1)


def _damped(blocks: Floats, damping: float) -> Floats:
    damped = blocks.copy()
    each = np.arange(blocks.shape[-1])
    diagonal = damped[:, each, each] * (1 + damping)
    damped[:, each, each] = np.where(diagonal > 0, diagonal, 1.0)  # unseen blocks stay
    return damped
