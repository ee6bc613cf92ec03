"""Derivatives of every kind of parameter against differences, and lag, bent prints and mixed lenses found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_calibration_bundle import disturbed, make_truth, observe

from calibration.bundle import CAMERA, Problem, State, adjust, gauge_free, residuals
from calibration.bundle.covariance import covariance
from calibration.bundle.motion import MAX_GAP_S, placements, stretches
from calibration.bundle.normal import parameter_map
from calibration.bundle.problem import BOARD, OFFSET
from calibration.bundle.rows import PLACE, view_rows
from calibration.pose import Floats, rotation_of

FPS = 30.0
OFFSETS = np.array([0.0, -0.042, 0.013, 0.009])  # seconds
FISHEYE = np.array([0.03, -0.02, 0.01, -0.004, 0.0])


def everything_at_once() -> tuple[Problem, State]:
    """Three cameras, one a fisheye, that lag behind each other; two bent boards on one stick; a path with gaps."""
    rng = np.random.default_rng(3)
    truth = make_truth(3, 8)
    problem, state = observe(truth, missing=0.3), disturbed(truth)
    points = np.concatenate([problem.points, problem.points + rng.normal(0, 0.01, problem.points.shape) * (1, 1, 0)])
    time = np.array([0, 0.1, 0.25, 0.3, np.nan, 2.0, 2.1, 5.0])
    part = rng.integers(0, 2, len(problem.camera))
    problem = replace(problem, points=points, part=part, time=time, fisheye=np.array([False, True, False]))
    lens = state.lens.copy()
    lens[1, 4:] = FISHEYE
    turns = rotation_of(np.cumsum(rng.normal(0, 0.15, (8, 3)), axis=0)) @ state.board_rotation[0]
    return problem, replace(
        state,
        lens=lens,
        board_rotation=turns,
        offset=np.array([0, -0.13, 0.04]),
        warp=np.array([0.003, -0.002, 0.004]),
        part_rotation=np.stack([np.eye(3), rotation_of(np.array([0.1, 0.2, -0.3]))]),
        part_translation=np.array([[0, 0, 0], [0.05, 0.02, 0.1]]),
    )


def analytic(problem: Problem, state: State) -> tuple[Floats, Floats]:
    """Derivatives (V, P, 2, F) by cameras and board, and (V, P, 2, B * 6) by the placements."""
    placed = placements(problem, state)
    rows = view_rows(problem, state, placed, warp=True)
    own = np.einsum("vcxp,vcw->vpxw", rows[:, :-1], parameter_map(problem, state, placed, warp=True))
    knots = np.einsum("vcxp,vck->vpxk", rows[:, PLACE], placed.by_knots)
    cameras = len(state.lens)
    by_camera = np.zeros((*own.shape[:3], cameras * CAMERA + state.shared))
    by_board = np.zeros((*own.shape[:3], len(problem.time) * BOARD))
    for v, c in enumerate(problem.camera):
        by_camera[v, ..., c * CAMERA : (c + 1) * CAMERA] = own[v, ..., :CAMERA]
        by_camera[v, ..., cameras * CAMERA :] = own[v, ..., CAMERA:]
        for n, k in enumerate(placed.knots[v]):
            by_board[v, ..., k * BOARD : (k + 1) * BOARD] += knots[v, ..., n * BOARD : (n + 1) * BOARD]
    return by_camera, by_board


def numeric(problem: Problem, state: State, parameter: int, board: bool) -> Floats:
    """Central difference (V, P, 2) of the residuals by one parameter."""
    h = 1e-6
    found = []
    for sign in (h, -h):
        cameras, boards = np.zeros(len(state.lens) * CAMERA + state.shared), np.zeros(len(problem.time) * BOARD)
        (boards if board else cameras)[parameter] = sign
        found.append(residuals(problem, state.stepped(cameras, boards.reshape(-1, BOARD))))
    return np.asarray((found[0] - found[1]) / (2 * h))


@pytest.mark.parametrize("board", [False, True], ids=["cameras and print", "placements"])
def test_every_block_is_the_derivative(board: bool) -> None:
    problem, state = everything_at_once()
    by = analytic(problem, state)[int(board)]
    for k in range(by.shape[-1]):
        expected = numeric(problem, state, k, board)
        assert np.abs(by[..., k] - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max()), k


def filmed(noise: float = 0.05, offsets: Floats = OFFSETS) -> tuple[Problem, State, State]:
    """A board waved for two seconds before four cameras that do not see at the same time; a start without lag."""
    frames = 60
    rng = np.random.default_rng(0)
    truth = make_truth(4, frames)
    time = np.arange(frames) / FPS
    wave = np.stack([0.25 * np.sin(2.1 * time), 0.25 * np.sin(1.7 * time + 1), 1.1 + 0.3 * np.sin(1.3 * time)], axis=1)
    turn = np.stack([0.5 * np.sin(1.9 * time), 0.4 * np.sin(2.3 * time + 2), 1.9 * np.sin(3.1 * time)], axis=1)
    facing = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])
    moved = replace(truth, board_rotation=rotation_of(turn) @ facing, board_translation=wave)
    still = observe(moved, noise=0.0, missing=0.05)
    problem = replace(still, time=time)
    late = replace(moved, offset=offsets)
    seen_at = residuals(replace(problem, uv=np.zeros_like(problem.uv)), late)
    problem = replace(problem, uv=seen_at + rng.normal(0, noise, seen_at.shape))
    return problem, late, disturbed(moved)


def test_lag_of_each_camera_is_found_within_its_sigma() -> None:
    problem, truth, start = filmed()
    free = gauge_free(problem, start, lagging=np.ones(4, dtype=bool))
    fit = adjust(problem, start, free=free)
    groups = np.arange(60) // 5
    sigma = np.sqrt(np.diag(covariance(problem, fit.state, free=free, groups=groups).noise))
    lag = sigma[: 4 * CAMERA].reshape(4, CAMERA)[1:, OFFSET]
    assert fit.converged
    assert (lag < 2e-4).all()
    assert (np.abs(fit.state.offset - truth.offset)[1:] < 4 * lag).all()
    assert fit.state.offset[0] == 0.0
    left = residuals(problem, fit.state)[problem.seen]
    assert np.sqrt((left**2).mean()) == pytest.approx(0.05, rel=0.1)


def test_without_offsets_the_same_film_does_not_fit() -> None:
    problem, _, start = filmed()
    fit = adjust(problem, start, free=gauge_free(problem, start))
    assert np.sqrt((residuals(problem, fit.state)[problem.seen] ** 2).mean()) > 10 * 0.05


def test_cameras_that_see_together_get_no_lag() -> None:
    problem, _, start = filmed(offsets=np.zeros(4))
    fit = adjust(problem, start, free=gauge_free(problem, start, lagging=np.ones(4, dtype=bool)))
    assert np.abs(fit.state.offset).max() < 5e-4


def test_offset_zero_sees_the_placements_themselves() -> None:
    problem, state = everything_at_once()
    placed = placements(replace(problem, part=np.zeros_like(problem.part)), replace(state, offset=np.zeros(3)))
    assert np.abs(placed.rotation - state.board_rotation[problem.board]).max() < 1e-12
    assert np.abs(placed.translation - state.board_translation[problem.board]).max() < 1e-12


def test_nothing_is_interpolated_across_a_gap() -> None:
    order, stretch = stretches(np.array([0.0, np.nan, 0.2, 0.3 + MAX_GAP_S, 0.1]))
    assert order.tolist() == [0, 4, 2, 3]
    assert stretch.tolist() == [0, 0, 0, 1]


def test_a_bent_print_is_found_and_a_flat_one_stays_flat() -> None:
    truth = make_truth(4, 20)
    bent = replace(truth, warp=np.array([0.004, -0.002, 0.003]))
    for real in (bent, truth):
        problem = observe(real)
        free = gauge_free(problem, truth, warp=True)
        fit = adjust(problem, disturbed(truth), free=free)
        sigma = np.sqrt(np.diag(covariance(problem, fit.state, free=free, groups=np.arange(20)).noise))[-3:]
        assert (sigma < 2e-4).all()
        assert (np.abs(fit.state.warp - real.warp) < 4 * sigma).all()
    stiff = adjust(observe(bent), disturbed(truth), free=gauge_free(problem, truth))
    assert np.sqrt((residuals(observe(bent), stiff.state) ** 2).mean()) > 3 * 0.05  # negative control


def test_a_fisheye_and_browns_lens_share_a_rig() -> None:
    truth = make_truth(4, 25)
    lens = truth.lens.copy()
    lens[2, :4], lens[2, 4:] = (900.0, 905.0, 515.0, 680.0), FISHEYE
    truth = replace(truth, lens=lens)
    fisheye = np.array([False, False, True, False])
    blank = observe(truth, noise=0.0)
    mixed = replace(blank, fisheye=fisheye)
    rng = np.random.default_rng(1)
    exact = residuals(replace(mixed, uv=np.zeros_like(mixed.uv)), truth)
    problem = replace(mixed, uv=exact + rng.normal(0, 0.05, exact.shape))
    free = gauge_free(problem, truth)
    fit = adjust(problem, disturbed(truth), free=free)
    assert np.sqrt((residuals(problem, fit.state)[problem.seen] ** 2).mean()) == pytest.approx(0.05, rel=0.1)
    sigma = np.sqrt(np.diag(covariance(problem, fit.state, free=free, groups=np.arange(25)).noise))
    off = np.abs(fit.state.lens - truth.lens)[2, :8] / sigma[: 4 * CAMERA].reshape(4, CAMERA)[2, :8]
    assert (off < 4.5).all()
    assert fit.state.lens[2, 8] == 0.0


def test_two_boards_on_one_stick_find_their_places() -> None:
    truth = make_truth(4, 25)
    apart = replace(
        truth,
        part_rotation=np.stack([np.eye(3), rotation_of(np.array([0.0, 0.3, 0.1]))]),
        part_translation=np.array([[0.0, 0, 0], [0.1, 0.4, 0.05]]),
    )
    one = observe(truth, noise=0.0)
    part = np.random.default_rng(0).integers(0, 2, len(one.camera))
    problem = replace(one, points=np.concatenate([one.points, one.points]), part=part)
    problem = replace(problem, uv=residuals(replace(problem, uv=np.zeros_like(problem.uv)), apart))
    step = np.zeros(4 * CAMERA + apart.shared)
    step[-6:] = (0.02, -0.03, 0.01, 0.01, -0.02, 0.01)
    fit = adjust(problem, disturbed(apart).stepped(step, np.zeros((25, 6))), free=gauge_free(problem, apart))
    assert np.abs(fit.state.part_translation - apart.part_translation).max() < 1e-6
    assert np.abs(fit.state.part_rotation - apart.part_rotation).max() < 1e-6
