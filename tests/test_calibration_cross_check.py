"""Another solver finds the same rig to four digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_calibration_bundle import disturbed, make_truth, observe, poses_of

from calibration.bundle import CAMERA, Problem, State, adjust, gauge_free, residuals
from calibration.cross_check import adjust_with_colmap

pytest.importorskip("pycolmap", reason="the cross-check needs pycolmap")


def a_rig() -> tuple[Problem, State]:
    """Four cameras without k3, one of them a fisheye, with noise; and a poor start."""
    truth = make_truth(4, 25)
    lens = truth.lens.copy()
    lens[:, 8] = 0.0
    lens[2, :4], lens[2, 4:8] = (900.0, 905.0, 515.0, 680.0), (0.03, -0.02, 0.01, -0.004)
    truth = replace(truth, lens=lens)
    problem = replace(observe(truth), fisheye=np.array([False, False, True, False]))
    exact = residuals(replace(problem, uv=np.zeros_like(problem.uv)), truth)
    noise = np.random.default_rng(0).normal(0, 0.05, exact.shape)
    start = disturbed(truth)
    lens = start.lens.copy()
    lens[:, 8] = 0.0
    return replace(problem, uv=exact + noise), replace(start, lens=lens)


def test_colmap_finds_the_same_rig() -> None:
    problem, start = a_rig()
    free = gauge_free(problem, start)
    free[: 4 * CAMERA].reshape(4, CAMERA)[:, 8] = False
    ours = adjust(problem, start, free=free).state
    theirs = adjust_with_colmap(problem, start, [(1024, 1366)] * 4)
    rms = [float(np.sqrt((residuals(problem, s) ** 2).sum() / problem.seen.sum())) for s in (ours, theirs)]
    print(f"\nours {rms[0]:.6f} px, COLMAP {rms[1]:.6f} px")
    assert rms[0] == pytest.approx(rms[1], rel=1e-4)
    assert np.abs(ours.lens[:, :4] / theirs.lens[:, :4] - 1).max() < 1e-4
    gaps = [a.inverse() @ b for a, b in zip(poses_of(ours), poses_of(theirs), strict=True)]
    assert max(float(np.linalg.norm(g.translation)) for g in gaps) < 3e-4  # of 3 m
    assert max(g.angle_deg for g in gaps) < 5e-3
    moved = np.linalg.norm(theirs.camera_translation - start.camera_translation, axis=1)
    assert moved[1:].min() > 1e-3  # negative control: it did solve


def test_what_colmap_cannot_model_is_refused() -> None:
    problem, start = a_rig()
    with pytest.raises(ValueError, match="knows no k3, time offset, warp or second board"):
        adjust_with_colmap(problem, replace(start, offset=np.full(4, 0.01)), [(1024, 1366)] * 4)
