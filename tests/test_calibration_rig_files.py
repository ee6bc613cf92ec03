"""The step on disk: what `calibrate` writes, when it does nothing, and what is left when the rig is too poor."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.camera import Camera
from calibration.detect import Corners, detect_session
from calibration.formats.caliscope import from_toml
from calibration.formats.nerfstudio import from_transforms
from calibration.pose import Pose
from calibration.rig import RigCalibration, calibrate, load_calibration, times_of, transforms_of
from calibration.solve import Task, solve_rig
from calibration.target import target_of
from capture import store
from capture.errors import CalibrationTooPoor, IncompleteInput
from capture.images import read_image, write_png
from capture.issues import Report
from capture.session import Board, Session, Shot, ShotKind
from capture.validate import Original, ValidatedSession
from capture.vault import Vault

SIZE = (480, 360)
PX = 40  # of a square of the print
BOARD = {
    "kind": "charuco",
    "columns": 6,
    "rows": 5,
    "square_m": 0.06,
    "marker_m": 0.045,
    "dictionary": "DICT_4X4_50",
    "origin": "floor",
}


def session_of(cameras: int) -> Session:
    return Session.model_validate(
        {
            "session": {"id": "s1", "person": "p1", "consent": "c1", "date": dt.date(2026, 1, 31)},
            "camera": [{"id": f"cam{i}", "width": SIZE[0], "height": SIZE[1]} for i in range(cameras)],
            "light": [{"id": "key", "azimuth_deg": 0.0, "elevation_deg": 30.0}],
            "calibration": {"board": BOARD},
        }
    )


def cameras_of(count: int) -> list[Camera]:
    """Cameras on an arc, one and a half metres up, looking down at the place over the origin."""
    placed = []
    for i in range(count):
        angle = np.radians(-30.0 + 30.0 * i)
        position = np.array([1.1 * np.cos(angle), 1.1 * np.sin(angle), 1.3])
        z = np.array([0.1, 0.0, 0.35]) - position
        z /= np.linalg.norm(z)
        x = np.cross(z, (0.0, 0.0, 1.0))
        x /= np.linalg.norm(x)
        pose = Pose(np.stack([x, np.cross(z, x), z], axis=1), position)
        placed.append(Camera(f"cam{i}", *SIZE, 520.0, 520.0, 240.0, 180.0, np.zeros(5), pose))
    return placed


def board_poses() -> dict[str, Pose]:
    face_up = Pose(np.diag([1.0, -1.0, -1.0]), np.zeros(3))
    rng = np.random.default_rng(4)
    poses = {"floor": face_up}
    for k in range(11):
        tilt = Pose.from_rotvec(
            rng.normal(0, 0.35, 3) + (0.0, 0.4, 0.0), rng.uniform((-0.2, -0.2, 0.2), (0.1, 0.3, 0.6))
        )
        poses[f"{k:02d}"] = tilt @ face_up
    return poses


def picture(camera: Camera, board: Pose) -> np.ndarray:
    """The print warped into a camera without distortion, four times too large, then averaged."""
    target = target_of(session_of(1).calibration.board)  # type: ignore[arg-type]
    b = target.board
    pool = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    made = cv2.aruco.CharucoBoard((b.columns, b.rows), b.square_m, b.marker_m, pool)
    face = np.asarray(made.generateImage((b.columns * PX, b.rows * PX), marginSize=0))
    face = np.asarray(cv2.copyMakeBorder(face, 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=255))
    pose = camera.world_from_camera.inverse() @ board
    print_m = np.array(
        [[b.square_m / PX, 0, -19.5 * b.square_m / PX], [0, b.square_m / PX, -19.5 * b.square_m / PX], [0, 0, 1]]
    )
    fine = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1]])
    plane = np.column_stack([pose.rotation[:, :2], pose.translation])
    whole = fine @ camera.K @ plane @ print_m
    large = cv2.warpPerspective(face, whole, (SIZE[0] * 4, SIZE[1] * 4), borderValue=120)
    return np.asarray(cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA))


def shoot(root: Path, cameras: int = 3, *, turn_away: str = "") -> ValidatedSession:
    """A vault with a session of board shots; the camera named saw only a grey wall."""
    folder = Vault(root).session("p1", "s1")
    originals = []
    for shot, board in board_poses().items():
        for camera in cameras_of(cameras):
            path = folder.originals / f"calibration/board/{shot}/{camera.id}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = np.full(SIZE[::-1], 120, np.uint8) if camera.id == turn_away else picture(camera, board)
            write_png(path, np.repeat(grey[..., None], 3, axis=2).astype(np.uint8))
            size, digest = path.stat().st_size, store.sha256_file(path)
            place = Shot(ShotKind.BOARD, camera.id, shot)
            originals.append(Original(place, path, path.name, size, digest, *SIZE, 1, 0.0))
    return ValidatedSession(session_of(cameras), folder, tuple(originals), Report("ingest"), "0" * 64)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[ValidatedSession, RigCalibration, Report]:
    validated = shoot(tmp_path_factory.mktemp("vault"))
    return (validated, *calibrate(validated))


def test_the_rig_is_in_the_world_of_the_board_on_the_floor(
    done: tuple[ValidatedSession, RigCalibration, Report],
) -> None:
    _, rig, report = done
    assert report.ok
    assert rig.rig_rms_px < 0.3
    for camera, truth in zip(rig.cameras, cameras_of(3), strict=True):
        assert np.linalg.norm(camera.centre - truth.centre) < 0.03
    assert rig.boards["floor"].matrix == pytest.approx(np.diag([1.0, -1.0, -1.0, 1.0]), abs=1e-9)


def test_every_export_projects_like_the_rig(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    validated, rig, _ = done
    folder = validated.folder.derived("calibration")
    points = np.random.default_rng(0).uniform((-0.2, -0.2, 0), (0.2, 0.2, 0.5), (100, 3))
    exports = (
        load_calibration(validated.folder).cameras,
        from_toml((folder / "rig.toml").read_text()),
        from_transforms(json.loads((folder / "transforms.json").read_text())),
    )
    for cameras in exports:
        for ours, theirs in zip(rig.cameras, cameras, strict=True):
            assert ours.id == theirs.id
            assert np.nanmax(np.abs(ours.project(points)[0] - theirs.project(points)[0])) < 1e-6


def test_transforms_name_pictures_that_are_there(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    folder = done[0].folder.derived("calibration")
    for frame in json.loads((folder / "transforms.json").read_text())["frames"]:
        assert (folder / frame["file_path"]).is_file()


def test_a_second_call_does_nothing_and_says_so(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    validated, rig, report = done
    manifest = validated.folder.derived("calibration") / "calibration.json"
    before = manifest.stat().st_mtime_ns
    again, told = calibrate(validated)
    assert manifest.stat().st_mtime_ns == before
    assert told.facts["skipped"] is True
    assert "skipped" not in report.facts
    assert again.to_json() == rig.to_json()


def test_force_gives_the_same_rig(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    validated, rig, _ = done
    again, told = calibrate(validated, force=True)
    assert "skipped" not in told.facts
    assert again.to_json() == rig.to_json()


def test_the_page_needs_no_other_file(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    page = (done[0].folder.derived("calibration") / "report.html").read_text()
    assert "The rig can be used" in page
    assert all(f"<b>cam{i}</b>" in page for i in range(3))
    assert "http" not in page
    assert "src=" not in page
    assert '<div id="stills"' in page  # what is seen where no script runs


def test_a_blind_camera_stops_the_rig_and_leaves_a_report(tmp_path: Path) -> None:
    validated = shoot(tmp_path, turn_away="cam1")
    folder = validated.folder.derived("calibration")
    folder.mkdir(parents=True)
    (folder / "rig.json").write_text("{}")  # of an earlier run
    with pytest.raises(CalibrationTooPoor, match="camera cam1: The calibration board was found in too few") as err:
        calibrate(validated)
    assert [i.code for i in err.value.report.errors] == ["BOARD_NOT_FOUND"]
    assert Report.from_json((folder / "report.json").read_text()).issues == err.value.report.issues
    page = (folder / "report.html").read_text()
    assert page.index("BOARD_NOT_FOUND") < page.index("not usable") < page.index(">good<")
    assert not (folder / "rig.json").exists()
    with pytest.raises(IncompleteInput, match="calibration is not there or not finished"):
        load_calibration(validated.folder)


def test_a_camera_with_mirrored_pictures_is_told_from_a_blind_one(tmp_path: Path) -> None:
    validated = shoot(tmp_path)
    for original in validated.of_kind(ShotKind.BOARD):
        if original.shot.camera == "cam2":
            write_png(original.path, np.ascontiguousarray(read_image(original.path)[:, ::-1]))
    with pytest.raises(CalibrationTooPoor, match="camera cam2: A camera shows the board mirrored") as err:
        calibrate(validated)
    assert [(i.code, i.where) for i in err.value.report.errors] == [("BOARD_MIRRORED", "camera cam2")]
    assert "once they are mirrored, and in none as they are" in str(err.value)
    assert "\n" not in str(err.value)  # one line: which camera, and what to do


def test_board_pictures_of_another_size_than_declared_are_an_error(tmp_path: Path) -> None:
    validated = shoot(tmp_path)
    odd = tuple(replace(o, width=240, height=180) if o.shot.camera == "cam1" else o for o in validated.originals)
    with pytest.raises(CalibrationTooPoor, match="240 x 180 px in 12 of 12 board files, 0.5 times as large"):
        calibrate(replace(validated, originals=odd))


def test_an_imported_rig_is_replaced_only_by_force(tmp_path: Path) -> None:
    validated = shoot(tmp_path)
    folder = validated.folder.derived("calibration")
    store.reopen(folder, "calibration")
    store.finish(folder, "calibration", consent="c1", inputs={}, settings={"source": "imported"}, result={})
    with pytest.raises(ValueError, match="a rig imported from another program; add --force"):
        calibrate(validated)
    assert (folder / "calibration.json").is_file()
    rig, _ = calibrate(validated, force=True)
    assert len(rig.cameras) == 3


def test_a_camera_without_a_picture_costs_only_the_export_that_needs_one(
    done: tuple[ValidatedSession, RigCalibration, Report], tmp_path: Path
) -> None:
    validated, rig, report = done
    assert report.facts["notes"] == []
    solution, _ = solve_rig(
        Task(
            detect_session(validated, target_of(Board(**BOARD))),
            dict.fromkeys(("cam0", "cam1", "cam2"), SIZE),
            target_of(Board(**BOARD)),
        )
    )
    film = tuple(replace(o, frames=2) if o.shot.camera == "cam2" else o for o in validated.originals)
    content, notes = transforms_of(replace(validated, originals=film), solution)
    assert content is None
    assert notes == [
        "transforms.json for nerfstudio was not written: transforms.json needs a picture for camera cam2; "
        "add it to images"
    ]
    assert transforms_of(validated, solution)[0] is not None


def test_a_rule_of_the_shoot_can_accept_an_odd_rig(tmp_path: Path) -> None:
    validated = shoot(tmp_path, turn_away="cam1")
    rule = {"code": "BOARD_NOT_FOUND", "where": "*", "reason": "cam1 films the door"}
    session = Session.model_validate({**validated.session.model_dump(), "ignore": [rule]})
    rig, report = calibrate(replace(validated, session=session))
    assert [c.id for c in rig.cameras] == ["cam0", "cam2"]
    assert [i.code for i in report.ignored] == ["BOARD_NOT_FOUND"]


def test_cameras_on_one_trigger_are_declared_in_the_session(tmp_path: Path) -> None:
    validated = shoot(tmp_path)
    data = validated.session.model_dump()
    data["calibration"]["synchronous"] = ["cam0", "cam1"]
    calibrate(replace(validated, session=Session.model_validate(data)))
    made = store.read(validated.folder.derived("calibration"), "calibration")
    assert made.settings["synchronous"] == ["cam0", "cam1"]
    data["calibration"]["synchronous"] = ["cam9"]
    with pytest.raises(ValueError, match="camera 'cam9' is used but not declared"):
        Session.model_validate(data)


def test_a_rig_that_nobody_measured_is_null_in_its_file(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    content = replace(done[1], rig_rms_px=math.nan).to_json()
    assert content["rig_rms_px"] is None
    assert math.isnan(RigCalibration.from_json(json.loads(json.dumps(content, allow_nan=False))).rig_rms_px)
    older = {**content, "rig_rms_px": "nan"}
    assert math.isnan(RigCalibration.from_json(older).rig_rms_px)


def test_a_session_without_a_board_is_too_poor(tmp_path: Path) -> None:
    validated = shoot(tmp_path, cameras=1)
    bare = validated.session.model_copy(update={"calibration": type(validated.session.calibration)()})
    without = ValidatedSession(bare, validated.folder, validated.originals, validated.report, validated.digest)
    with pytest.raises(CalibrationTooPoor, match=r"has no \[calibration.board\]"):
        calibrate(without)


def test_the_rig_names_a_camera_it_does_not_have(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    assert done[1].camera("cam2").id == "cam2"
    with pytest.raises(ValueError, match="camera 'cam9' is not in the rig"):
        done[1].camera("cam9")


def test_sigmas_are_kept_with_the_rig_and_an_older_rig_is_still_read(
    done: tuple[ValidatedSession, RigCalibration, Report],
) -> None:
    _, rig, report = done
    assert rig.offset_s == {}  # stills: nothing moved
    assert report.facts["clock"] is None
    for name in ("cam0", "cam1", "cam2"):
        assert {"fx", "cx", "k1", "position_mm", "subject_px", "subject_mm"} <= rig.sigma[name].keys()
        assert 0 < rig.sigma[name]["subject_mm"] < 5
    old = {k: v for k, v in rig.to_json().items() if k not in ("offset_s", "sigma")} | {"schema": 1}
    assert RigCalibration.from_json(old).cameras[1].to_json() == rig.cameras[1].to_json()
    with pytest.raises(ValueError, match="rig.json has schema 3, this code reads 1 to 2; calibrate again"):
        RigCalibration.from_json({**old, "schema": 3})


def test_time_offsets_survive_the_file(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    late = replace(done[1], offset_s={"cam1": -0.1327})
    assert RigCalibration.from_json(json.loads(json.dumps(late.to_json()))).offset_s == {"cam1": -0.1327}


def test_only_frames_of_board_videos_have_a_time(done: tuple[ValidatedSession, RigCalibration, Report]) -> None:
    still = done[0].of_kind(ShotKind.BOARD)[0]
    film = replace(still, shot=Shot(ShotKind.BOARD, "cam1"), frames=40, fps=20.0)
    corners = Corners(np.arange(6), np.zeros((6, 2)))
    detections = {still.shot.camera: {still.shot.group: corners}, "cam1": {"3": corners, "30": corners}}
    assert times_of([still, film], detections) == {"3": 0.15, "30": 1.5}
    assert times_of([still], detections) == {}
