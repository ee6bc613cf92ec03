"""A dome of long lenses around a board: how near the solve comes, and whether it knows how near. `-s` prints it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from test_calibration_bundle import errors_after_alignment, flat, look_at

from calibration.bundle import (
    CAMERA,
    Bools,
    Problem,
    State,
    adjust,
    adjust_robustly,
    gauge_free,
    plain_problem,
    plain_state,
    residuals,
)
from calibration.bundle.covariance import Covariance, covariance
from calibration.pose import Floats, rotation_of, rotvec_of
from calibration.uncertainty import CameraSigma, camera_sigmas, groups_of

NOISE_PX = 0.2  # per axis
WIDTH, HEIGHT = 4096, 3072
GRID = np.concatenate([np.mgrid[0:8, 0:5].T.reshape(-1, 2) * 0.06, np.zeros((40, 1))], axis=1)
GRID -= GRID.mean(axis=0)


def dome(cameras: int, boards: int, seed: int = 0) -> tuple[State, Problem]:
    """12 MP cameras on a dome of 3 m in four rings, a board in a volume of 1 m; the corners exact, 5 % missing."""
    rng = np.random.default_rng(seed)
    ring, place = np.arange(cameras) % 4, np.arange(cameras) // 4
    around = 2 * np.pi * place / -(-cameras // 4) + 0.2 * ring
    up = np.radians(np.array([0, 20, 40, 60]))[ring]
    spots = 3 * np.stack([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)], axis=1)
    poses = [look_at(p + (0, 0, 1.1), np.array([0.0, 0.0, 1.1])).inverse() for p in spots]
    lens = np.tile([6000.0, 6000, 2047.5, 1535.5, -0.1, 0.05, 0.0005, -0.0005, 0.0], (cameras, 1))
    lens[:, :2] *= 1 + 0.01 * rng.standard_normal((cameras, 1))
    lens[:, 2:4] += rng.normal(0, 15, (cameras, 2))
    around, up = rng.uniform(0, 2 * np.pi, boards), np.radians(rng.uniform(-10, 70, boards))
    away = -np.stack([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)], axis=1)
    across = np.cross((0.0, 0.0, 1.0), away)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    spin = rotation_of(np.stack([np.zeros(boards), np.zeros(boards), rng.uniform(-np.pi, np.pi, boards)], axis=1))
    turned = np.stack([across, np.cross(away, across), away], axis=2) @ spin
    where = rng.uniform((-0.5, -0.5, 0.6), (0.5, 0.5, 1.6), (boards, 3))
    placed = (np.stack([p.rotation for p in poses]), np.stack([p.translation for p in poses]))
    truth = plain_state(lens, placed, (turned, where))
    camera, board = (a.ravel() for a in np.mgrid[0:cameras, 0:boards])
    shape = (len(camera), len(GRID))
    uv = residuals(plain_problem(GRID, camera, board, np.zeros((*shape, 2)), np.ones(shape, dtype=bool)), truth)
    facing = np.einsum("vi,vi->v", truth.camera_rotation[camera][:, 2], turned[board][:, :, 2]) > 0.6
    seen = ((uv > 0) & (uv < (WIDTH, HEIGHT))).all(axis=-1) & facing[:, None] & (rng.random(shape) > 0.05)
    rows = seen.sum(axis=1) >= 6
    return truth, plain_problem(GRID, camera[rows], board[rows], uv[rows], seen[rows])


def noisy(exact: Problem, seed: int = 1) -> Problem:
    return replace(exact, uv=exact.uv + np.random.default_rng(seed).normal(0, NOISE_PX, exact.uv.shape))


def poor_start(truth: State) -> State:
    """f off by 1 %, no distortion, cameras off by 1 degree and 20 mm, boards by 2 degrees and 10 mm."""
    rng = np.random.default_rng(2)
    cameras, boards = len(truth.lens), len(truth.board_rotation)
    step = np.zeros((cameras, CAMERA))
    step[:, :2] = truth.lens[:, :2] * 0.01 * rng.standard_normal((cameras, 1))
    step[:, 4:9] = -truth.lens[:, 4:9]
    step[1:, 9:12] = rng.normal(0, np.radians(1) / 3**0.5, (cameras - 1, 3))
    step[1:, 12:15] = rng.normal(0, 0.02 / 3**0.5, (cameras - 1, 3))
    turn = rng.normal(0, np.radians(2) / 3**0.5, (boards, 3))
    shift = rng.normal(0, 0.01 / 3**0.5, (boards, 3))
    return truth.stepped(flat(truth, step), np.concatenate([turn, shift], axis=1))


def with_outliers(problem: Problem, share: float) -> Problem:
    rng = np.random.default_rng(9)
    wrong = problem.seen & (rng.random(problem.seen.shape) < share)
    return replace(problem, uv=problem.uv + np.where(wrong[..., None], rng.normal(0, 15, problem.uv.shape), 0))


def shifts(found: State, truth: State) -> Floats:
    """Errors (C * 16,) in the parameters of the cameras."""
    pairs = zip(found.camera_rotation, truth.camera_rotation, strict=True)
    turn = np.array([rotvec_of(a @ b.T) for a, b in pairs])
    move = found.camera_translation - truth.camera_translation
    return np.concatenate([found.lens - truth.lens, turn, move, (found.offset - truth.offset)[:, None]], axis=1).ravel()


def all_known(sigmas: Sequence[CameraSigma | None]) -> list[CameraSigma]:
    known = [sigma for sigma in sigmas if sigma is not None]
    assert len(known) == len(sigmas)
    return known


def solved(problem: Problem, start: State) -> tuple[State, Covariance]:
    free = gauge_free(problem, start)
    fit = adjust(problem, start, free=free)
    return fit.state, covariance(problem, fit.state, free=free, groups=groups_of(problem, fit.state))


def test_a_dome_is_found_from_a_poor_start_and_outliers_do_not_matter() -> None:
    truth, exact = dome(16, 80)
    problem = noisy(exact)
    free = gauge_free(problem, truth)
    clean = adjust_robustly(problem, poor_start(truth), free=free, huber_px=1.0)
    position, rotation = errors_after_alignment(clean.state, truth)
    dirty = adjust_robustly(with_outliers(problem, 0.05), poor_start(truth), free=free, huber_px=1.0)
    moved, _ = errors_after_alignment(dirty.state, truth)
    print(f"\n16 x 80: {position.mean():.3f} mm, {rotation.mean():.4f} deg; with 5 % outliers {moved.mean():.3f} mm")
    assert clean.converged
    assert clean.kept.sum() > 0.999 * problem.seen.sum()
    assert position.mean() < 0.5
    assert moved.mean() < 1.3 * position.mean()
    assert 0.94 < dirty.kept.sum() / problem.seen.sum() < 0.96
    plain = adjust(with_outliers(problem, 0.05), poor_start(truth), free=free)
    assert errors_after_alignment(plain.state, truth)[0].mean() > 3 * moved.mean()  # negative control


def test_one_missing_corner_changes_nothing() -> None:
    truth, exact = dome(8, 60)
    full = noisy(exact)
    seen = full.seen.copy()
    seen[7, np.flatnonzero(seen[7])[3]] = False
    state, found = solved(full, poor_start(truth))
    other, _ = solved(replace(full, seen=seen), poor_start(truth))
    sigma = np.sqrt(np.diag(found.noise))[: 8 * CAMERA]
    moved = np.abs(shifts(other, state))
    free = sigma > 0
    print(f"\nlargest change by one corner: {float((moved[free] / sigma[free]).max()):.3f} sigma")
    assert moved.max() > 0
    assert (moved[free] < 0.5 * sigma[free]).all()


def test_a_rig_that_contradicts_itself_says_so() -> None:
    """Corners of one view that are wrong together are what noise alone cannot show."""
    truth, exact = dome(12, 80)
    rng = np.random.default_rng(4)
    fine = noisy(exact)
    together = replace(fine, uv=fine.uv + rng.normal(0, 0.6, (len(fine.camera), 1, 2)))
    factors = {}
    for name, problem in (("independent", fine), ("together", together)):
        state, found = solved(problem, truth)
        sigmas = all_known(camera_sigmas(problem, state, found, groups_of(problem, state)))
        factors[name] = float(np.mean([s.inflation for s in sigmas]))
        assert all(0 < s.subject_px < 1 and 0 < s.subject_mm < 1 for s in sigmas)
    print(f"\ninflation: {factors}")
    assert factors["independent"] < 1.3
    assert factors["together"] > 1.5


def coverage(seeds: int) -> tuple[float, float, dict[str, float]]:
    """Share of errors inside the 95 % interval: of noise alone, and inflated; error over sigma by kind."""
    truth, exact = dome(8, 60)
    inside: list[Bools] = []
    inflated: list[Bools] = []
    ratios: list[Floats] = []
    for seed in range(seeds):
        problem = noisy(exact, 1000 + seed)
        state, found = solved(problem, truth)
        sigma = np.sqrt(np.diag(found.noise))[: 8 * CAMERA]
        free = sigma > 0
        off = np.abs(shifts(state, truth))
        sigmas = all_known(camera_sigmas(problem, state, found, groups_of(problem, state)))
        factor = np.repeat([s.inflation for s in sigmas], 16)
        inside.append(off[free] < 1.96 * sigma[free])
        inflated.append(off[free] < found.reach * (sigma * factor)[free])
        ratios.append(np.where(free, off / np.maximum(sigma, 1e-300), np.nan).reshape(8, CAMERA))
    square = np.nanmean(np.array(ratios) ** 2, axis=(0, 1))
    kinds = {"f": slice(0, 2), "c": slice(2, 4), "k": slice(4, 9), "turn": slice(9, 12), "shift": slice(12, 15)}
    return (
        float(np.mean(inside)),
        float(np.mean(inflated)),
        {name: float(np.sqrt(square[k].mean())) for name, k in kinds.items()},
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # nothing lags here
def test_intervals_of_95_percent_hold_the_truth() -> None:
    alone, inflated, ratios = coverage(40)
    print(f"\n8 x 60, 40 seeds: {alone:.1%} inside by noise alone, {inflated:.1%} inflated; error / sigma {ratios}")
    assert 0.90 <= alone <= 0.97
    assert 0.90 <= inflated <= 0.97
    assert all(0.85 <= ratio <= 1.15 for ratio in ratios.values())


@pytest.mark.slow
def test_sixty_cameras_and_two_hundred_boards() -> None:
    truth, exact = dome(60, 200)
    problem = noisy(exact)
    free = gauge_free(problem, truth)
    started, used = time.monotonic(), time.process_time()
    fit = adjust_robustly(problem, poor_start(truth), free=free, huber_px=1.0)
    wall, cpu = time.monotonic() - started, time.process_time() - used
    position, rotation = errors_after_alignment(fit.state, truth)
    print(f"\n60 x 200: {len(problem.camera)} views, {int(problem.seen.sum())} corners, {fit.iterations} iterations")
    print(f"{wall:.1f} s, {cpu:.1f} CPU s; {position.mean():.3f} mm, worst {position.max():.3f} mm")
    print(f"turns {rotation.mean():.4f} deg")
    started, used = time.monotonic(), time.process_time()
    groups = groups_of(problem, fit.state)
    found = covariance(problem, fit.state, free=free, groups=groups)
    sigmas = all_known(camera_sigmas(problem, fit.state, found, groups))
    print(f"covariance {time.monotonic() - started:.1f} s, {time.process_time() - used:.1f} CPU s")
    print(f"sigma of a position {np.mean([s.position_mm for s in sigmas]):.3f} mm, noise {found.noise_px:.3f} px")
    dirty = adjust_robustly(with_outliers(problem, 0.05), poor_start(truth), free=free, huber_px=1.0)
    moved, _ = errors_after_alignment(dirty.state, truth)
    print(f"5 % outliers: {moved.mean():.3f} mm, kept {dirty.kept.sum() / problem.seen.sum():.2%}")
    assert position.mean() < 0.16
    assert moved.mean() < 1.1 * position.mean()
    assert found.noise_px == pytest.approx(NOISE_PX, rel=0.02)
