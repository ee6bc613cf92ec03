"""What the covariance of a rig means: pixels and millimetres on the subject, and the sigma of every number of a lens.

Only what does not depend on where the world stands is uncertain, so the rig is first laid on itself by the rigid move
after which all its cameras agree best, in pixels, about where the subject is (an S-transformation; Baarda,
"S-transformations and criterion matrices", 1973). The sigmas are those of noise times one factor per camera, by which
the placements of the board contradict each other more than noise can explain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.bundle.covariance import Covariance
from calibration.bundle.motion import placements, stretches
from calibration.bundle.normal import add_up, parameter_map, reduce, residuals, view_blocks
from calibration.bundle.problem import BOARD, CAMERA, LENS, OFFSET, POSE, WARP, Bools, Ints, Problem, State
from calibration.bundle.rows import view_rows
from calibration.intrinsics import is_distinct
from calibration.one_lens import inflation_of
from calibration.pose import Floats, Pose, cross_matrix

BLOCK_S = 1.0  # frames of a video within a second are one placement of the board
_SUBJECT_POINTS = 60
_LOOSE = 0.1  # of a focal length; a lens that is known no better is not known
_CORNER_PX = 0.1  # no real corner is found better
_ROUNDING = 1e-14  # of the strongest direction: what is weaker is zero to rounding


@dataclass(frozen=True, eq=False)
class CameraSigma:
    """One standard deviation of everything about one camera, inflated; divide by `inflation` for noise alone."""

    lens: Floats  # (9,) as in State.lens; 0 where it was not solved for
    offset_s: float
    position_mm: float  # length, in three directions together
    rotation_deg: float
    subject_px: float  # where a point of the subject lands in the picture, length
    subject_mm: float  # the same, at the distance of that point
    inflation: float
    groups: int  # placements of the board that this camera saw
    reach: float  # standard deviations to which a 95 % interval goes


def groups_of(problem: Problem, state: State) -> Ints:
    """Which placements (B,) count as one: those within 5 mm and 2 degrees, and frames of a video within a second."""
    groups = np.full(len(state.board_rotation), -1, dtype=np.int64)
    order, stretch = stretches(problem.time)
    count, began, last = 0, -np.inf, -1
    for board, run in zip(order, stretch, strict=True):
        if problem.time[board] - began >= BLOCK_S or run != last:
            count, began, last = count + 1, float(problem.time[board]), int(run)
        groups[board] = count - 1
    kept: list[tuple[Pose, int]] = []
    for board in np.flatnonzero(groups < 0):
        pose = Pose(state.board_rotation[board], state.board_translation[board])
        same = next((number for known, number in kept if not is_distinct(known, pose)), -1)
        if same < 0:
            same, count = count, count + 1
            kept.append((pose, same))
        groups[board] = same
    return groups


def determined(problem: Problem, state: State, free: Bools) -> tuple[Problem, Bools]:
    """The views of the cameras that they determine, and what of `free` belongs to these.

    A camera that could as well have a lens a tenth longer, and see the same, would make every sigma large, because only
    a whole rig has a covariance. Such cameras are taken out one after the other, the loosest first. When the first
    camera goes, the next one is the world.
    """
    free = free.copy()
    while True:
        index = np.flatnonzero(free)
        if not len(index):
            return problem, free
        warp = bool(free[len(state.lens) * CAMERA :][:WARP].any())
        blocks = view_blocks(problem, state, np.inf, warp=warp)
        matrix, _, _ = reduce(add_up(blocks, len(state.lens), len(state.board_rotation)), free, 0.0)
        diagonal = np.diag(matrix)
        scale = np.where(diagonal > 0, 1 / np.sqrt(np.maximum(diagonal, 1e-300)), 1.0)
        values, vectors = np.linalg.eigh(matrix * scale[:, None] * scale)
        variance = np.zeros(len(free))
        variance[index] = (vectors**2 / np.maximum(values, _ROUNDING * values[-1])).sum(axis=1) * scale**2
        noise = (residuals(problem, state) ** 2).sum(axis=-1)[problem.seen].mean() / 2
        deviation = np.sqrt(variance * max(noise, _CORNER_PX**2))[: len(state.lens) * CAMERA].reshape(-1, CAMERA)
        by_camera = (deviation[:, :2] / state.lens[:, :2]).max(axis=1)
        worst = int(by_camera.argmax())
        if by_camera[worst] < _LOOSE:
            return problem, free
        first = int(problem.camera.min())
        free[worst * CAMERA : (worst + 1) * CAMERA] = False
        problem = problem.of_views(problem.camera != worst)
        if worst == first and len(problem.camera):
            world = int(problem.camera.min()) * CAMERA
            free[world + LENS : world + CAMERA] = False


def camera_sigmas(problem: Problem, state: State, found: Covariance, groups: Ints) -> tuple[CameraSigma | None, ...]:
    """Sigmas of every camera (C) of the solved problem, from its covariance and the groups that it was made with.

    None for a camera without a view in it.
    """
    subject = [_subject(problem, state, camera) for camera in range(len(state.lens))]
    steps = [_step_of_move(problem, state, camera) for camera in range(len(state.lens))]
    noise, shown = (_laid_on_itself(full, subject, steps) for full in (found.noise, found.shown))
    result: list[CameraSigma | None] = []
    for camera, (by_camera, mm_per_px) in enumerate(subject):
        if not len(by_camera):
            result.append(None)
            continue
        inflation = inflation_of(np.diag(noise[camera]), np.diag(shown[camera]))
        own = noise[camera] * inflation**2
        variance = np.einsum("vki,ij,vkj->v", by_camera, own, by_camera)
        deviation = np.sqrt(np.maximum(np.diag(own), 0.0))
        # the centre is -R't, so its step is R'(t x turn - shift) with the sign of both turned round
        turn = state.camera_rotation[camera]
        to_centre = np.concatenate([turn.T @ cross_matrix(state.camera_translation[camera]), turn.T], axis=1)
        position = to_centre @ own[POSE, POSE] @ to_centre.T
        result.append(
            CameraSigma(
                deviation[:LENS],
                float(deviation[OFFSET]),
                float(1000 * np.sqrt(np.trace(position))),
                float(np.degrees(np.linalg.norm(deviation[LENS : LENS + 3]))),
                float(np.sqrt(variance.mean())),
                float(np.sqrt((variance * mm_per_px**2).mean())),
                inflation,
                len(np.unique(groups[problem.board[problem.camera == camera]])),
                found.reach,
            )
        )
    return tuple(result)


def _laid_on_itself(full: Floats, subject: list[tuple[Floats, Floats]], steps: list[Floats]) -> Floats:
    """Covariance (C, 16, 16) of each camera after the best rigid move, from that of all parameters (F, F)."""
    by_camera = [by.reshape(-1, CAMERA) for by, _ in subject]
    moves = np.concatenate([by @ step for by, step in zip(by_camera, steps, strict=True)])
    solve = np.linalg.pinv(moves)  # the move that explains given shifts of the pixels best
    fit, row = np.zeros((BOARD, len(full))), 0
    for camera, by in enumerate(by_camera):
        fit[:, camera * CAMERA : (camera + 1) * CAMERA] = solve[:, row : row + len(by)] @ by
        row += len(by)
    moved = fit @ full
    spread = moved @ fit.T
    result = np.zeros((len(steps), CAMERA, CAMERA))
    for camera, step in enumerate(steps):
        own = slice(camera * CAMERA, (camera + 1) * CAMERA)
        cross = step @ moved[:, own]
        result[camera] = full[own, own] - cross - cross.T + step @ spread @ step.T
    return result


def _step_of_move(problem: Problem, state: State, camera: int) -> Floats:
    """What a small turn and shift of the world about the middle of the boards does to a camera: (16, 6)."""
    middle = state.board_translation[np.unique(problem.board)].mean(axis=0)
    turn = state.camera_rotation[camera]
    step = np.zeros((CAMERA, BOARD))
    step[LENS : LENS + 3, :3] = -turn
    step[LENS + 3 : OFFSET, :3] = -turn @ cross_matrix(middle)
    step[LENS + 3 : OFFSET, 3:] = -turn
    return step


def _subject(problem: Problem, state: State, camera: int) -> tuple[Floats, Floats]:
    """How the pixels of points on the subject follow from the camera (N, 2, 16), and millimetres per pixel there (N,).

    The subject is where the board was in the views of this camera.
    """
    seen = np.unique(problem.board[problem.camera == camera])
    if not len(seen):
        return np.zeros((0, 2, CAMERA)), np.zeros(0)
    seen = seen[np.linspace(0, len(seen) - 1, min(len(seen), _SUBJECT_POINTS)).astype(int)]
    count = len(seen)
    points = Problem(
        np.zeros((1, 1, 3)),
        np.full(count, camera),
        seen,
        np.zeros((count, 1, 2)),
        np.ones((count, 1), dtype=bool),
        np.zeros(count, dtype=np.int64),
        problem.fisheye,
        np.full(len(problem.time), np.nan),
    )
    placed = placements(points, state)
    rows = view_rows(points, state, placed, warp=False)[:, :-1, :, 0]
    by = np.einsum("vck,vcw->vkw", rows, parameter_map(points, state, placed, warp=False))[..., :CAMERA]
    inside = state.board_translation[seen] @ state.camera_rotation[camera].T + state.camera_translation[camera]
    return by, 1000 * inside[:, 2] / state.lens[camera, :2].mean()
