"""What the simulated studio is held to: every camera within 2 mm and 0.05 degrees of where it really is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from calibration.detect import Corners
from calibration.pose import Pose, fit_rigid
from calibration.rig import calibrate
from calibration.solve import Solution, Task, solve_rig
from calibration.target import Target, target_of
from capture.ingest import ingest
from capture.session import Board
from capture.stage.board import ORIGIN_SHOT, StageBoard, board_poses, board_visible, corner_pixels
from capture.stage.lens import StageCamera
from capture.stage.rig import make_rig
from capture.stage.shoot import ShootPlan, write_shoot
from capture.vault import Vault

CENTRE_MM, TURN_DEG = 2.0, 0.05
NOISE_PX = 0.05  # per axis; what is left of drawn and found corners at 768 and 1024 px
CAMERAS, SHOTS, SIZE = 12, 40, 1024
STAGE = StageBoard()
Views = dict[str, dict[str, Corners]]


def target() -> Target:
    return target_of(
        Board(
            kind="charuco",
            columns=STAGE.columns,
            rows=STAGE.rows,
            square_m=STAGE.square_m,
            marker_m=STAGE.marker_m,
            dictionary=STAGE.dictionary,
            origin=ORIGIN_SHOT,
        )
    )


def corners_of(rig: Sequence[StageCamera]) -> Views:
    """Noisy corners of every board shot in every camera that sees the board."""
    rng = np.random.default_rng(0)
    found: Views = {camera.id: {} for camera in rig}
    for shot in board_poses(STAGE, SHOTS, seed=0):
        for camera in rig:
            if board_visible(STAGE, shot, camera):
                ids, uv = corner_pixels(STAGE, shot, camera)
                noisy = uv + rng.normal(0, NOISE_PX, uv.shape)
                found[camera.id][shot.id] = Corners(ids.astype(np.int64), noisy)
    return found


def solve(views: Views) -> Solution:
    solution, report = solve_rig(Task(views, dict.fromkeys(views, (SIZE, SIZE)), target(), ORIGIN_SHOT))
    assert solution is not None
    assert report.ok
    return solution


def gaps(found: Sequence[Pose], truth: Sequence[Pose]) -> tuple[list[float], list[float]]:
    """Gaps of the centres, mm, and rotations, degrees, after one rigid move that fits centres and axes at a metre."""

    def marks(poses: Sequence[Pose]) -> np.ndarray:
        return np.concatenate([pose.apply(np.vstack([np.zeros(3), np.eye(3)])) for pose in poses])

    move = fit_rigid(marks(found), marks(truth))
    off = [t.inverse() @ move @ f for f, t in zip(found, truth, strict=True)]
    return [float(np.linalg.norm(g.translation)) * 1000 for g in off], [g.angle_deg for g in off]


def poses_of(cameras: Sequence[StageCamera]) -> list[Pose]:
    return [Pose.from_matrix(camera.pose) for camera in cameras]


@pytest.fixture(scope="module")
def rig() -> tuple[StageCamera, ...]:
    return make_rig(CAMERAS, seed=0, image_size=SIZE)


@pytest.fixture(scope="module")
def views(rig: tuple[StageCamera, ...]) -> Views:
    return corners_of(rig)


@pytest.fixture(scope="module")
def solved(views: Views) -> Solution:
    return solve(views)


def test_every_camera_is_where_it_is(rig: tuple[StageCamera, ...], views: Views, solved: Solution) -> None:
    centres, turns = gaps([c.world_from_camera for c in solved.cameras], poses_of(rig))
    print(
        f"\n{sum(map(len, views.values()))} pictures: centres up to {max(centres):.2f} mm, turns {max(turns):.3f} deg"
    )
    assert sum(map(len, views.values())) <= 160  # what a shoot can afford to take and to search
    assert max(centres) < CENTRE_MM
    assert max(turns) < TURN_DEG


def test_a_camera_moved_after_the_board_shots_breaks_the_bound(rig: tuple[StageCamera, ...], solved: Solution) -> None:
    """The rig is then that of the board shots, and the stills were taken 5 mm away from it."""
    truth = poses_of(rig)
    truth[3] = Pose(truth[3].rotation, truth[3].translation + (0.0, 0.005, 0.0))
    centres, _ = gaps([c.world_from_camera for c in solved.cameras], truth)
    assert max(centres) > CENTRE_MM
    assert int(np.argmax(centres)) == 3


def test_a_camera_bumped_between_board_shots_has_the_largest_rms(
    rig: tuple[StageCamera, ...], views: Views, solved: Solution
) -> None:
    """Half of its views lie one pixel to the side: no single pose of the camera explains both halves."""
    shots = list(views["cam04"].items())
    bumped = {s: Corners(c.ids, c.uv + (1.0, 0.0)) if k % 2 else c for k, (s, c) in enumerate(shots)}
    verdict = solve({**views, "cam04": bumped}).verdict
    assert max(verdict.rms_px, key=lambda name: verdict.rms_px[name]) == "cam04"
    assert verdict.rms_px["cam04"] > 2 * solved.verdict.rms_px["cam04"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [768, 1024])
def test_a_drawn_shoot_calibrates_within_the_bounds(tmp_path: Path, size: int) -> None:
    plan = ShootPlan(
        person_seed=7, cameras=CAMERAS, lights=1, takes=1, image_size=size, board_shots=SHOTS, chart=False, ball=False
    )
    shoot = write_shoot(tmp_path / "card", plan)
    validated, report = ingest(shoot.folder, Vault(tmp_path / "vault"))
    assert report.ok
    calibration, _ = calibrate(validated)
    found = [c.world_from_camera for c in calibration.cameras]
    centres, turns = gaps(found, poses_of(shoot.cameras))
    origin = [t.inverse() @ f for f, t in zip(found, poses_of(shoot.cameras), strict=True)]
    world = [float(np.linalg.norm(g.translation)) * 1000 for g in origin]
    print(f"\n{size} px: centres up to {max(centres):.2f} mm, turns {max(turns):.3f} deg; world {max(world):.2f} mm")
    assert max(centres) < CENTRE_MM
    assert max(turns) < TURN_DEG
