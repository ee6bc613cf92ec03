"""Cameras all round her before a painted canvas, where most matches are wrong: a rig that holds names nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_calibration_drift_stage import in_vault, said

from calibration.camera import Camera
from calibration.drift.constraints import turned
from calibration.drift.effects import Kind
from calibration.drift.explain import explain
from calibration.drift.footage import Recording, read_recordings
from calibration.drift.step import check_drift, noise_px
from calibration.drift.verdicts import steady
from calibration.pose import Pose
from calibration.rig import RigCalibration
from capture.stage.shoot import ShootPlan

SIGMA_M = 0.0005  # of a solved camera of this size, which turns to where the board was: 0.02 px there
PLAN = ShootPlan(
    person_seed=12, seed=2, cameras=8, lights=3, takes=1, image_size=640, board_shots=0, chart=False, ball=False,
    backdrop="canvas",
)  # fmt: skip


def solved(rig: RigCalibration) -> RigCalibration:
    """The true rig as a solve would leave it."""
    rng = np.random.default_rng(7)
    subject = Pose(np.eye(3), np.array([0.0, 0.0, 1.4]))

    def off(camera: Camera) -> Camera:
        about = Pose.from_rotvec(rng.normal(0, SIGMA_M / 2.6, 3), np.zeros(3))
        return camera.placed(subject @ about @ subject.inverse() @ camera.world_from_camera)

    return RigCalibration(tuple(map(off, rig.cameras)), {}, rig.rig_rms_px, {}, rig.world)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, RigCalibration, list[tuple[str, str]]]:
    """A clean shoot: its stills, the rig, and what was said of it."""
    _, validated, rig = in_vault(tmp_path_factory.mktemp("wide"), PLAN, None)
    rig = solved(rig)
    _, report = check_drift(validated, rig)
    (stills,) = read_recordings(validated, rig)
    assert isinstance(stills, Recording)
    return stills, rig, said(report)


def test_a_rig_that_holds_names_nobody(clean: tuple[Recording, RigCalibration, list[tuple[str, str]]]) -> None:
    stills, rig, issues = clean
    assert issues == []
    assert len(steady(stills)) == len(rig.cameras)
    alone = explain(stills.moments, rig.cameras, noise_px=noise_px(rig))  # without the word of the plates
    assert alone.changes == ()
    for shift in alone.shift_px.values():  # what is drawn on the page
        assert not (np.hypot(*shift.T) > 1.0).any()


def test_points_alone_name_a_camera_that_turned_by_a_degree(
    clean: tuple[Recording, RigCalibration, list[tuple[str, str]]],
) -> None:
    stills, rig, _ = clean
    cameras = list(rig.cameras)
    cameras[0] = rig.cameras[0].placed(turned(rig.cameras[0].world_from_camera, np.radians([-0.8, -0.6, 0.0])))
    found = explain(stills.moments, cameras, noise_px=noise_px(rig)).changes
    assert [(c.camera, c.kind) for c in found] == [(cameras[0].id, Kind.TURN)]
    assert np.degrees(found[0].size)[:2] == pytest.approx((0.8, 0.6), abs=0.2)


def test_its_own_plate_denies_a_turn(clean: tuple[Recording, RigCalibration, list[tuple[str, str]]]) -> None:
    stills, rig, _ = clean
    cameras = list(rig.cameras)
    cameras[0] = rig.cameras[0].placed(turned(rig.cameras[0].world_from_camera, np.radians([-0.8, -0.6, 0.0])))
    found = explain(stills.moments, cameras, noise_px=noise_px(rig), steady=steady(stills))
    assert found.changes == ()
    assert cameras[0].id in [c.camera for c in found.contradicted]


@pytest.mark.slow
def test_a_camera_that_was_pushed_between_takes_is_named(tmp_path: Path) -> None:
    plan = ShootPlan(
        person_seed=11, seed=1, cameras=8, lights=3, takes=2, image_size=640, board_shots=0, chart=False, ball=False,
        backdrop="canvas",
    )  # fmt: skip
    truth, validated, rig = in_vault(tmp_path, plan, "moved-camera")
    _, report = check_drift(validated, solved(rig))
    assert said(report) == [("CAMERA_DRIFTED", f"camera {truth.fault.camera}")]
    assert "take2 of stills" in report.issues[0].found
