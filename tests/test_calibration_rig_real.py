"""Four webcams and a man with a board: our rig against the one that was shipped with the footage, one judge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from calibration.detect import Corners, detect_frames
from calibration.formats.caliscope import from_toml
from calibration.judge import judge
from calibration.pose import Pose
from calibration.solve import Solution, Task, solve_rig
from calibration.target import target_of
from capture.issues import Report
from capture.session import Board
from capture.video import read_frames

BOARD = Board(
    kind="charuco",
    columns=4,
    rows=5,
    square_m=0.054,
    marker_m=0.75 * 0.054,
    dictionary="DICT_4X4_1000",
    inverted=True,
)
TARGET = target_of(BOARD)
SHIPPED_ERROR = {"cam_0": 0.541, "cam_1": 0.401, "cam_2": 0.366, "cam_3": 0.329}  # px, as camera_array.toml states
Real = tuple[dict[str, dict[str, Corners]], Solution, Report]


@pytest.fixture(scope="module")
def real(data_dir: Path) -> Real:
    folder = data_dir / "caliscope-4cam" / "calibration" / "extrinsic"
    if not folder.is_dir():
        pytest.skip(f"no webcam footage at {folder}")
    detections = {name: detect_frames(read_frames(folder / f"{name}.mp4"), TARGET) for name in SHIPPED_ERROR}
    task = Task(detections, dict.fromkeys(SHIPPED_ERROR, (1280, 720)), TARGET, huber_px=2.0)
    solution, report = solve_rig(task)
    assert solution is not None
    return detections, solution, report


def facts_of(report: Report) -> Mapping[str, Mapping[str, float]]:
    cameras = report.facts["cameras"]
    assert isinstance(cameras, dict)
    return cameras  # type: ignore[return-value]  # JSON values, numbers by construction


def test_every_camera_beats_the_shipped_rig(real: Real, data_dir: Path) -> None:
    detections, solution, report = real
    shipped = from_toml((data_dir / "caliscope-4cam" / "camera_array.toml").read_text())
    theirs, ours = judge(shipped, detections, TARGET), solution.verdict
    facts = facts_of(report)
    print("\ncamera  shipped rms  our rms  held out  shipped intrinsic  our intrinsic")
    for name, error in SHIPPED_ERROR.items():
        own = facts[name]
        print(
            f"{name:7} {theirs.rms_px[name]:8.3f} {ours.rms_px[name]:10.3f} {own['held_out_rms_px']:9.3f}"
            f" {error:14.3f} {own['intrinsic_rms_px']:17.3f}"
        )
        assert ours.rms_px[name] <= theirs.rms_px[name]
        assert own["intrinsic_rms_px"] <= error
    print(f"rig     {theirs.rig_rms_px:8.3f} {ours.rig_rms_px:10.3f} {report.facts['held_out_rms_px']:9.3f}")
    print(f"distance RMSE mm: shipped {theirs.distance_rmse_mm:.3f}, ours {ours.distance_rmse_mm:.3f}")
    assert theirs.rig_rms_px == pytest.approx(1.600, abs=0.01)  # the judge reads what was shipped as others did
    assert ours.rig_rms_px <= 1.34
    assert ours.distance_rmse_mm <= 0.80
    assert report.ok


def test_the_baselines_agree_with_the_shipped_ones(real: Real, data_dir: Path) -> None:
    """Distances between cameras do not depend on the world, so they can be compared between two tools.

    cam_1 is printed and not asserted: it lags the others by about 0.1 s, and that pulls its focal length away.
    """
    _, solution, _ = real
    shipped = {c.id: c for c in from_toml((data_dir / "caliscope-4cam" / "camera_array.toml").read_text())}
    first = next(c for c in solution.cameras if c.id == "cam_0")
    for other in (c for c in solution.cameras if c.id != "cam_0"):
        ours = (first.world_from_camera.inverse() @ other.world_from_camera).translation
        theirs = (shipped["cam_0"].world_from_camera.inverse() @ shipped[other.id].world_from_camera).translation
        ratio = float((ours @ ours) ** 0.5 / (theirs @ theirs) ** 0.5)
        print(f"baseline cam_0 {other.id}: ratio {ratio:.4f}, f {other.fx:.1f} against {shipped[other.id].fx:.1f} px")
        if other.id != "cam_1":
            assert ratio == pytest.approx(1.0, abs=0.02)


def test_a_rig_with_one_camera_turned_by_a_degree_loses(real: Real) -> None:
    detections, solution, _ = real
    turned = [
        c.placed(c.world_from_camera @ Pose.from_rotvec((0.0, 0.0175, 0.0), (0.0, 0.0, 0.0))) if c.id == "cam_3" else c
        for c in solution.cameras
    ]
    assert judge(turned, detections, TARGET).rms_px["cam_3"] > 2 * solution.verdict.rms_px["cam_3"]


def test_the_narrow_coverage_of_the_footage_is_said(real: Real) -> None:
    _, _, report = real
    assert {i.where for i in report.warnings if i.code == "POSES_TOO_FEW"} == {f"camera {n}" for n in SHIPPED_ERROR}
