"""Bundle adjustment: derivatives against finite differences, recovery of a known rig, and robustness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.bundle import (
    CAMERA,
    Problem,
    State,
    adjust,
    adjust_robustly,
    gauge_free,
    nothing_free,
    plain_problem,
    plain_state,
    residuals,
)
from calibration.bundle.covariance import covariance
from calibration.pose import Floats, Pose, fit_rigid, rotation_of

NOISE_PX = 0.05  # per axis, what the corner detector reaches on a sharp picture
GRID = np.concatenate([np.mgrid[0:8, 0:5].T.reshape(-1, 2) * 0.07, np.zeros((40, 1))], axis=1)


def look_at(position: Floats, target: Floats) -> Pose:
    """world_from_camera of a camera held upright."""
    z = (target - position) / np.linalg.norm(target - position)
    x = np.cross(z, (0.0, 0.0, 1.0))
    x /= np.linalg.norm(x)
    return Pose(np.stack([x, np.cross(z, x), z], axis=1), position)


def make_truth(cameras: int, boards: int, seed: int = 0) -> State:
    rng = np.random.default_rng(seed)
    angle = np.linspace(-1.9, 1.9, cameras)
    positions = np.stack([3 * np.cos(angle), 3 * np.sin(angle), 1.2 + 0.5 * (np.arange(cameras) % 2)], axis=1)
    poses = [look_at(p, np.array([0.0, 0.0, 1.1])).inverse() for p in positions]
    lens = np.tile([1500.0, 1510, 511, 683, -0.1, 0.05, 0.001, -0.001, 0.01], (cameras, 1))
    lens[:, :2] *= 1 + 0.03 * rng.standard_normal((cameras, 1))
    board_turn = rotation_of(rng.normal(0, 0.5, (boards, 3)))
    facing = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])  # print towards world +x
    turn = rotation_of(np.stack([np.zeros(boards), np.zeros(boards), rng.uniform(-2, 2, boards)], axis=1))
    where = rng.uniform((-0.3, -0.3, 0.7), (0.3, 0.3, 1.6), (boards, 3))
    placed = (np.stack([p.rotation for p in poses]), np.stack([p.translation for p in poses]))
    return plain_state(lens, placed, (turn @ board_turn @ facing, where))


def observe(truth: State, noise: float = NOISE_PX, seed: int = 1, missing: float = 0.05) -> Problem:
    rng = np.random.default_rng(seed)
    cameras, boards = len(truth.lens), len(truth.board_rotation)
    camera, board = (a.ravel() for a in np.mgrid[0:cameras, 0:boards])
    shape = (len(camera), len(GRID))
    blank = plain_problem(GRID, camera, board, np.zeros((*shape, 2)), np.ones(shape, dtype=bool))
    uv = residuals(blank, truth)
    front = np.einsum("vij,vj->vi", truth.camera_rotation[camera], truth.board_rotation[board][:, :, 2])[:, 2] > 0.3
    inside = ((uv > 0) & (uv < (1024, 1366))).all(axis=-1)
    seen = inside & front[:, None] & (rng.random(shape) > missing)
    rows = seen.sum(axis=1) >= 6
    noisy = uv + rng.normal(0, noise, uv.shape) if noise else uv
    return plain_problem(GRID, camera[rows], board[rows], noisy[rows], seen[rows])


def disturbed(truth: State, seed: int = 2) -> State:
    """A start as poor as a pose graph gives: f off 1 %, no distortion, 1 deg / 20 mm, boards 2 deg / 10 mm."""
    rng = np.random.default_rng(seed)
    cameras, boards = len(truth.lens), len(truth.board_rotation)
    step = np.zeros((cameras, CAMERA))
    step[:, :2] = truth.lens[:, :2] * 0.01 * rng.standard_normal((cameras, 1))
    step[:, 4:9] = -truth.lens[:, 4:9]
    step[1:, 9:12], step[1:, 12:15] = (
        rng.normal(0, 0.0175, (cameras - 1, 3)),
        rng.normal(0, 0.02, (cameras - 1, 3)),
    )
    board = np.concatenate([rng.normal(0, 0.035, (boards, 3)), rng.normal(0, 0.01, (boards, 3))], axis=1)
    return truth.stepped(flat(truth, step), board)


def flat(state: State, cameras: Floats) -> Floats:
    """Steps (C, 16) of the cameras with none of the board."""
    return np.concatenate([cameras.ravel(), np.zeros(state.shared)])


def errors_after_alignment(found: State, truth: State) -> tuple[Floats, Floats]:
    """Camera position errors (C,) mm and rotation errors (C,) degrees, after a rigid fit of the centres."""
    ours, theirs = poses_of(found), poses_of(truth)
    move = fit_rigid([p.translation for p in ours], [p.translation for p in theirs])
    moved = [move @ p for p in ours]
    gaps = [a.inverse() @ b for a, b in zip(moved, theirs, strict=True)]
    return np.array([np.linalg.norm(g.translation) * 1000 for g in gaps]), np.array([g.angle_deg for g in gaps])


def poses_of(state: State) -> list[Pose]:
    return [Pose(r, t).inverse() for r, t in zip(state.camera_rotation, state.camera_translation, strict=True)]


def test_a_perfect_rig_is_found_again_from_a_poor_start() -> None:
    truth = make_truth(5, 20)
    problem = observe(truth, noise=0.0)
    fit = adjust(problem, disturbed(truth), free=gauge_free(problem, truth))
    position, rotation = errors_after_alignment(fit.state, truth)
    assert fit.converged
    assert np.abs(residuals(problem, fit.state)).max() < 1e-4
    assert position.max() < 1e-3
    assert rotation.max() < 1e-4


def test_a_noisy_rig_is_found_within_its_own_sigmas() -> None:
    truth = make_truth(6, 30)
    problem = observe(truth)
    fit = adjust(problem, disturbed(truth), free=gauge_free(problem, truth))
    used = residuals(problem, fit.state)[problem.seen]
    assert np.sqrt((used**2).mean()) == pytest.approx(NOISE_PX, rel=0.1)
    groups = np.arange(30)
    found = covariance(problem, fit.state, free=gauge_free(problem, truth), groups=groups)
    sigma = np.sqrt(np.diag(found.noise))[: 6 * CAMERA].reshape(6, CAMERA)[:, :9]
    off = (fit.state.lens - truth.lens) / sigma
    assert 0.6 < np.sqrt((off**2).mean()) < 1.5
    position, rotation = errors_after_alignment(fit.state, truth)
    assert position.max() < 2.0
    assert rotation.max() < 0.1


def test_outliers_are_dropped_and_do_not_move_the_rig() -> None:
    truth = make_truth(5, 25)
    clean = observe(truth)
    rng = np.random.default_rng(5)
    wrong = clean.seen & (rng.random(clean.seen.shape) < 0.03)
    uv = clean.uv + np.where(wrong[..., None], rng.normal(0, 15, clean.uv.shape), 0)
    problem = replace(clean, uv=uv)
    robust = adjust_robustly(problem, disturbed(truth), free=gauge_free(problem, truth), huber_px=1.0)
    plain = adjust(problem, disturbed(truth), free=gauge_free(problem, truth))
    dropped = problem.seen & ~robust.kept
    assert (dropped & wrong).sum() > 0.95 * wrong.sum()
    assert (dropped & ~wrong).sum() < 0.01 * problem.seen.sum()
    best, _ = errors_after_alignment(adjust(clean, disturbed(truth), free=gauge_free(problem, truth)).state, truth)
    good, _ = errors_after_alignment(robust.state, truth)
    bad, _ = errors_after_alignment(plain.state, truth)
    assert good.max() < 1.5 * best.max()
    assert bad.mean() > 3 * good.mean()  # negative control: least squares alone is moved


def test_boards_alone_leave_the_cameras_in_place() -> None:
    truth = make_truth(4, 10)
    problem = observe(truth, noise=0.0)
    start = truth.stepped(flat(truth, np.zeros((4, CAMERA))), np.full((10, 6), 0.01))
    fit = adjust(problem, start, free=nothing_free(truth))
    assert np.array_equal(fit.state.lens, truth.lens)
    assert np.array_equal(fit.state.camera_rotation, truth.camera_rotation)
    seen = np.unique(problem.board)
    assert np.abs(fit.state.board_translation - truth.board_translation)[seen].max() < 1e-6


def test_the_gauge_holds_camera_0() -> None:
    truth = make_truth(3, 12)
    start = disturbed(truth)
    problem = observe(truth)
    fit = adjust(problem, start, free=gauge_free(problem, truth))
    assert np.array_equal(fit.state.camera_rotation[0], start.camera_rotation[0])
    assert np.array_equal(fit.state.camera_translation[0], start.camera_translation[0])
    assert not np.array_equal(fit.state.lens[0], start.lens[0])


def test_the_same_data_give_the_same_bits() -> None:
    truth = make_truth(3, 12)
    problem = observe(truth)
    fits = [adjust(problem, disturbed(truth), free=gauge_free(problem, truth)) for _ in range(2)]
    assert np.array_equal(fits[0].state.lens, fits[1].state.lens)
