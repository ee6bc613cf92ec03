"""A rig judged on board shots that it was not fitted to: the figure, the gate, and the camera that is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_calibration_drift import ring
from test_calibration_rig_files import shoot

from calibration.camera import Camera
from calibration.detect import Corners
from calibration.drift.constraints import turned
from calibration.pose import Pose
from calibration.rig import RigCalibration, calibrate
from calibration.target import Target, target_of
from calibration.verification import held_out_of, verify_rig, verify_session
from capture.images import read_image
from capture.session import Board, Clip, Shot, ShotKind
from capture.stage.board import StageBoard
from capture.video import write_video

NOISE_PX = 0.1
HELD_OUT = {f"cam{k}": 0.2 for k in range(4)}


def target() -> Target:
    stage = StageBoard()
    return target_of(
        Board(
            kind="charuco", columns=stage.columns, rows=stage.rows, square_m=stage.square_m,
            marker_m=stage.marker_m, dictionary=stage.dictionary,
        )
    )  # fmt: skip


def views(cameras: Sequence[Camera], shots: int = 6) -> dict[str, dict[str, Corners]]:
    """A short take: the board before the cameras, tilted anew in each shot."""
    rng = np.random.default_rng(2)
    points = target().points
    found: dict[str, dict[str, Corners]] = {c.id: {} for c in cameras}
    toward = np.mean([c.world_from_camera.rotation for c in cameras], axis=0)
    u, _, vt = np.linalg.svd(toward)
    for shot in range(shots):
        tilt = Pose.from_rotvec(rng.normal(0, 0.25, 3), np.zeros(3))
        at = Pose(u @ vt, np.array([0, 0, 1.4]) + rng.normal(0, 0.03, 3)) @ tilt
        middle = Pose(np.eye(3), -points.mean(axis=0))
        for camera in cameras:
            uv, _ = camera.project((at @ middle).apply(points))
            uv += rng.normal(0, NOISE_PX, uv.shape)
            inside = ((uv > 0) & (uv < 511)).all(axis=1)
            if inside.sum() >= 6:
                found[camera.id][f"v{shot}"] = Corners(np.flatnonzero(inside), uv[inside])
    return found


def rig_of(cameras: Sequence[Camera]) -> RigCalibration:
    return RigCalibration(tuple(cameras), {c.id: 0.15 for c in cameras}, 0.15, {}, "the truth")


def test_a_rig_that_holds_has_the_figure_of_its_noise() -> None:
    cameras = ring(4)
    found, report = verify_rig(rig_of(cameras), views(cameras), target(), held_out_px=HELD_OUT)
    assert found.ok
    assert report.issues == ()
    assert found.rig_rms_px == pytest.approx(NOISE_PX * np.sqrt(2), rel=0.15)
    assert found.distance_rmse_mm < 1
    assert found.shots == 6
    assert found.limit_px["cam1"] == pytest.approx(0.3)


@pytest.mark.parametrize("which", [0, 2])
def test_the_camera_that_moved_is_named_and_no_other(which: int) -> None:
    cameras = ring(4)
    seen = views(cameras)
    pose = cameras[which].world_from_camera
    stale = [*cameras]
    stale[which] = cameras[which].placed(turned(pose, np.radians([0.05, 0.1, 0.0])))
    found, report = verify_rig(rig_of(stale), seen, target(), held_out_px=HELD_OUT)
    assert found.failed == (f"cam{which}",)
    assert [(i.code, i.where) for i in report.issues] == [("VERIFICATION_FAILED", f"camera cam{which}")]
    assert report.issues[0].expected == "at most 0.30 px on shots that were not in the fit"
    assert report.facts["ok"] is False


def test_the_gate_is_the_held_out_figure_where_there_is_one() -> None:
    cameras = ring(4)
    rough, _ = verify_rig(rig_of(cameras), views(cameras), target(), held_out_px={"cam0": 2.0})
    assert rough.limit_px["cam0"] == pytest.approx(3.0)
    assert rough.limit_px["cam1"] == pytest.approx(0.3)


def test_shots_of_single_cameras_verify_nothing() -> None:
    cameras = ring(4)
    alone = {"cam0": views(cameras)["cam0"]}
    with pytest.raises(ValueError, match="judge found no shot that two of"):
        verify_rig(rig_of(cameras), alone, target())


def test_shots_kept_for_it_stay_out_of_the_fit(tmp_path: Path) -> None:
    whole = shoot(tmp_path / "a")
    listed = sorted({o.shot.group for o in whole.originals})
    wanted = tuple(s for s in listed if s != "floor")[:2]
    calibration = whole.session.calibration.model_copy(update={"verify": wanted})
    kept = replace(whole, session=whole.session.model_copy(update={"calibration": calibration}))
    rig, _ = calibrate(kept)
    assert not set(wanted) & set(rig.boards)
    assert held_out_of(kept)
    board = kept.session.calibration.board
    assert board is not None
    verified = verify_session(kept, rig, target_of(board))
    assert verified is not None
    assert verified[0].shots == 2
    assert verified[0].ok
    assert verify_session(whole, rig, target_of(board)) is None


def test_a_clip_with_the_board_judges_the_rig_by_itself(tmp_path: Path) -> None:
    whole = shoot(tmp_path / "a")
    rig, _ = calibrate(whole)
    boards = sorted(whole.originals, key=lambda o: o.shot.group)
    clips = []
    for camera in ("cam0", "cam1", "cam2"):
        own = [o for o in boards if o.shot.camera == camera][1:5]
        path = tmp_path / f"{camera}.mp4"
        write_video(path, [read_image(o.path) for o in own], 10)
        shot = Shot(ShotKind.CLIP, camera, "later")
        clips.append(replace(own[0], shot=shot, path=path, frames=len(own), fps=10.0))
    clip = Clip(id="later", light="key", board=True)
    session = whole.session.model_copy(update={"clip": (clip,)})
    filmed = replace(whole, session=session, originals=(*whole.originals, *clips))
    board = session.calibration.board
    assert board is not None
    verified = verify_session(filmed, rig, target_of(board))
    assert verified is not None
    assert verified[0].shots == 4
    assert verified[0].ok
