"""Another solver finds the same rig to four digits."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from test_calibration_bundle import disturbed, make_truth, observe, poses_of
from test_calibration_stage import corners_of, target

from calibration.bundle import CAMERA, Problem, State, adjust, gauge_free, residuals
from calibration.cross_check import CrossCheck, adjust_with_colmap, cross_check, cross_issues
from calibration.solve import Task, solve_rig
from capture.stage.rig import make_rig
from scripts.cli import main

needs_colmap = pytest.mark.skipif(find_spec("pycolmap") is None, reason="the cross-check needs pycolmap")


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


@needs_colmap
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


@needs_colmap
def test_what_colmap_cannot_model_is_refused() -> None:
    problem, start = a_rig()
    with pytest.raises(ValueError, match="knows no k3, time offset, warp or second board"):
        adjust_with_colmap(problem, replace(start, offset=np.full(4, 0.01)), [(1024, 1366)] * 4)


@needs_colmap
def test_a_solved_rig_is_checked_and_the_line_says_so() -> None:
    rig = make_rig(5, seed=0, image_size=1024)
    views = corners_of(rig)
    solution, _ = solve_rig(Task(views, dict.fromkeys(views, (1024, 1024)), target()))
    assert solution is not None
    assert solution.fitted is not None
    found = cross_check(solution.fitted)
    assert isinstance(found, CrossCheck)
    print(f"\n{found.line}")
    assert found.agrees
    assert found.position_mm < 0.05
    assert found.rotation_deg < 0.002
    assert found.focal_percent < 0.005
    assert found.rms_px[0] == pytest.approx(found.rms_px[1], rel=1e-3)
    assert found.line.startswith("COLMAP finds the same rig: ")
    assert cross_issues(found) == ()
    late = cross_check(replace(solution.fitted, lagging=("cam02",)))
    assert late == "cameras cam02 have time offsets, which COLMAP does not know"
    (warning,) = cross_issues(late)
    assert warning.code == "CROSS_CHECK_DIFFERS"


def test_another_rig_is_a_warning() -> None:
    found = CrossCheck(2.3, 0.01, 0.01, (0.1, 0.4), "cam03")
    (warning,) = cross_issues(found)
    assert warning.where == "camera cam03"
    assert "COLMAP finds another rig: 2.300 mm" in warning.found


def test_without_pycolmap_it_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("calibration.cross_check.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", "card", "--vault", str(tmp_path), "--cross-check"])
    assert stop.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "cross-check needs pycolmap, which is not installed; install likeness[colmap]" in said
