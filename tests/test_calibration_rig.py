"""Rigs of the simulated studio are found again, and every way in which a rig can be poor is named."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from calibration.detect import Corners
from calibration.judge import judge
from calibration.pose import Pose, fit_rigid
from calibration.solve import Solution, Task, solve_rig
from calibration.start import intrinsics_of
from calibration.target import target_of
from capture.issues import Report
from capture.session import Board
from capture.stage import board as stage_board
from capture.stage.lens import StageCamera
from capture.stage.rig import make_rig

NOISE_PX = 0.05  # per axis
SHOTS = 32
BOARD = Board(
    kind="charuco",
    columns=14,
    rows=10,
    square_m=0.08,
    marker_m=0.06,
    dictionary="DICT_4X4_100",
    origin=stage_board.ORIGIN_SHOT,
)
TARGET = target_of(BOARD)
RIG = make_rig(8, seed=1, image_size=1024)


def seen_by(rig: tuple[StageCamera, ...], seed: int = 1) -> dict[str, dict[str, Corners]]:
    """Exact corners of every board shot in every camera, with noise."""
    stage, rng = stage_board.StageBoard(), np.random.default_rng(seed)
    shots = stage_board.board_poses(stage, SHOTS, seed=seed)
    found: dict[str, dict[str, Corners]] = {camera.id: {} for camera in rig}
    for shot in shots:
        for camera in rig:
            if stage_board.board_visible(stage, shot, camera):
                ids, uv = stage_board.corner_pixels(stage, shot, camera)
                noisy = uv + rng.normal(0, NOISE_PX, uv.shape)
                found[camera.id][shot.id] = Corners(ids.astype(np.int64), noisy)
    return found


def task_of(detections: dict[str, dict[str, Corners]]) -> Task:
    return Task(detections, dict.fromkeys(detections, (1024, 1024)), TARGET, BOARD.origin)


def poses_of(rig: tuple[StageCamera, ...]) -> list[Pose]:
    return [Pose.from_matrix(np.array(camera.world_from_camera)) for camera in rig]


@pytest.fixture(scope="module")
def solved() -> tuple[Solution, Report]:
    solution, report = solve_rig(task_of(seen_by(RIG)))
    assert solution is not None
    return solution, report


def test_the_studio_is_found_again(solved: tuple[Solution, Report]) -> None:
    solution, report = solved
    truth = poses_of(RIG)
    move = fit_rigid([c.centre for c in solution.cameras], [t.translation for t in truth])
    for name, frame in (("origin board", Pose.identity()), ("aligned", move)):
        gaps = [t.inverse() @ frame @ c.world_from_camera for t, c in zip(truth, solution.cameras, strict=True)]
        position = [float(np.linalg.norm(g.translation)) * 1000 for g in gaps]
        print(f"{name}: centres {np.round(position, 2)} mm, rotations {[round(g.angle_deg, 3) for g in gaps]} deg")
        # the aligned figure is the rig's own error; the other adds that of one board on the floor
        assert max(position) < (4.0 if name == "origin board" else 2.0)
    assert report.ok
    assert report.facts["world"] == "board in shot 000"
    assert solution.verdict.rig_rms_px == pytest.approx(NOISE_PX * np.sqrt(2), rel=0.1)
    assert solution.verdict.distance_rmse_mm < 0.2


def test_points_near_her_land_within_a_quarter_of_a_pixel(solved: tuple[Solution, Report]) -> None:
    """Principal point and rotation trade with a long lens; what must be right is where a point on her lands."""
    cameras = solved[0].cameras
    rng = np.random.default_rng(0)
    points = np.array([0.0, 0.0, 1.42]) + rng.uniform(-0.2, 0.2, (200, 3))
    truth = poses_of(RIG)
    move = fit_rigid([c.centre for c in cameras], [t.translation for t in truth]).inverse()
    for camera, stage, pose in zip(cameras, RIG, truth, strict=True):
        lens = replace(camera, fx=stage.fx, fy=stage.fy, cx=stage.cx, cy=stage.cy)
        real = replace(lens, distortion=np.array(stage.distortion), world_from_camera=pose)
        off = camera.project(move.apply(points))[0] - real.project(points)[0]
        assert np.sqrt((off**2).sum(axis=1).mean()) < 0.25, camera.id


def test_held_out_shots_are_a_block_and_nearly_as_good(solved: tuple[Solution, Report]) -> None:
    facts = solved[1].facts
    held = facts["held_out_shots"]
    assert isinstance(held, list)
    both = sorted(s for s in solved[0].boards if sum(s in v for v in seen_by(RIG).values()) >= 2)
    assert held == both[-len(held) :]  # the last ones that two cameras saw
    assert len(held) == len(both) // 4
    assert isinstance(facts["held_out_rms_px"], float)
    assert facts["held_out_rms_px"] < 2 * NOISE_PX * np.sqrt(2)


def test_the_same_corners_give_the_same_rig(solved: tuple[Solution, Report]) -> None:
    again, _ = solve_rig(task_of(seen_by(RIG)))
    assert again is not None
    assert [c.to_json() for c in again.cameras] == [c.to_json() for c in solved[0].cameras]


def test_cameras_keep_the_order_of_the_session(solved: tuple[Solution, Report]) -> None:
    assert [c.id for c in solved[0].cameras] == [c.id for c in RIG]


def test_a_camera_that_saw_no_board_is_named() -> None:
    detections = seen_by(RIG[:4])
    detections["cam02"] = dict(list(detections["cam02"].items())[:2])
    _, report = solve_rig(task_of(detections))
    found = [i for i in report.errors if i.code == "BOARD_NOT_FOUND"]
    assert [i.where for i in found] == ["camera cam02"]
    assert found[0].found == "2"


def test_a_camera_that_shares_no_shot_is_named() -> None:
    detections = seen_by(RIG)
    detections["cam03"] = {f"x{shot}": corners for shot, corners in detections["cam03"].items()}
    solution, report = solve_rig(task_of(detections))
    assert [(i.code, i.where) for i in report.errors] == [("CAMERA_NOT_LINKED", "camera cam03")]
    assert "0 of its" in report.errors[0].found
    assert solution is not None  # the others are still solved and shown
    assert "cam03" not in [c.id for c in solution.cameras]


def test_one_camera_alone_is_no_rig() -> None:
    solution, report = solve_rig(task_of(seen_by(RIG[:1])))
    assert solution is None
    assert "cameras" not in report.facts


def test_a_camera_that_was_moved_in_between_is_named() -> None:
    detections = seen_by(RIG)
    later = list(detections["cam05"])[len(detections["cam05"]) // 2 :]
    for shot in later:
        corners = detections["cam05"][shot]
        detections["cam05"][shot] = Corners(corners.ids, corners.uv + (14.0, 6.0))
    _, report = solve_rig(task_of(detections))
    errors = [i for i in report.errors if i.code == "REPROJECTION_HIGH"]
    assert "camera cam05" in [i.where for i in errors]
    rms = {n: f["rms_px"] for n, f in cast("dict[str, dict[str, float]]", report.facts["cameras"]).items()}
    assert max(rms, key=lambda n: rms[n]) == "cam05"  # its neighbours are pulled along, it is the worst


def test_wrong_corners_are_left_out_named_and_still_counted(solved: tuple[Solution, Report]) -> None:
    detections = seen_by(RIG)
    shots = list(detections["cam04"])[3:6]
    for shot in shots:
        corners = detections["cam04"][shot]
        wrong = corners.uv.copy()
        wrong[:12] += 9.0
        detections["cam04"][shot] = Corners(corners.ids, wrong)
    solution, report = solve_rig(task_of(detections))
    assert solution is not None
    (dropped,) = (i for i in report.warnings if i.code == "OBSERVATIONS_DROPPED")
    assert dropped.where == "camera cam04"
    assert all(f"{shot} (" in dropped.found for shot in shots)
    clean = solved[0].verdict.rms_px["cam04"]
    assert solution.verdict.rms_px["cam04"] > 5 * clean  # the judge counts what the fit left out
    shift = [np.linalg.norm(a.centre - b.centre) for a, b in zip(solution.cameras, solved[0].cameras, strict=True)]
    assert max(shift) < 0.001


def test_without_an_origin_shot_the_cameras_give_the_world(solved: tuple[Solution, Report]) -> None:
    detections = {n: {s: c for s, c in v.items() if s != BOARD.origin} for n, v in seen_by(RIG).items()}
    solution, report = solve_rig(task_of(detections))
    assert solution is not None
    assert [i.code for i in report.warnings if i.code == "ORIGIN_NOT_SEEN"] == ["ORIGIN_NOT_SEEN"]
    assert "ORIGIN_NOT_SEEN" not in [i.code for i in solved[1].issues]  # negative control
    tilt = [float(c.world_from_camera.rotation[2, 1]) for c in solution.cameras]
    assert max(tilt) < -0.5  # every camera's y points down
    centres = np.array([p.apply(TARGET.centre) for p in solution.boards.values()])
    assert np.abs(centres.mean(axis=0)).max() < 1e-9


def test_few_views_in_one_corner_of_the_picture_are_a_warning() -> None:
    detections = seen_by(RIG)
    detections["cam01"] = dict(list(detections["cam01"].items())[:5])
    _, report = solve_rig(task_of(detections))
    assert "camera cam01" in [i.where for i in report.warnings if i.code == "POSES_TOO_FEW"]


def test_the_judge_sees_a_camera_that_is_wrong_by_a_tenth_of_a_degree(solved: tuple[Solution, Report]) -> None:
    solution, _ = solved
    turned = [
        c.placed(c.world_from_camera @ Pose.from_rotvec((0, np.radians(0.1), 0), (0, 0, 0))) if c.id == "cam02" else c
        for c in solution.cameras
    ]
    verdict = judge(turned, seen_by(RIG), TARGET)
    assert verdict.rms_px["cam02"] > 10 * solution.verdict.rms_px["cam02"]


def test_two_cameras_at_one_place_cannot_pass_the_judge(solved: tuple[Solution, Report]) -> None:
    """A published calibration once held the same camera twice; 55 px came out."""
    first, second, *rest = solved[0].cameras
    doubled = [first, intrinsics_of(first).at(second.id, first.world_from_camera), *rest]
    assert judge(doubled, seen_by(RIG), TARGET).rig_rms_px > 20


def test_a_judge_without_shared_shots_refuses(solved: tuple[Solution, Report]) -> None:
    with pytest.raises(ValueError, match="no shot that two of"):
        judge(solved[0].cameras[:1], seen_by(RIG), TARGET)
