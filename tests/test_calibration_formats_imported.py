"""A rig of another program as the session's own, measured on its board; and `twin rig` on the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_calibration_rig_files import cameras_of, shoot

from calibration.camera import Camera
from calibration.formats.registry import read_rig, write_rig
from calibration.formats.rig_file import RigToWrite
from calibration.imported import RigSource, import_rig
from calibration.pictures import pictures_of
from calibration.pose import Pose
from calibration.rig import load_calibration
from capture import store
from capture.errors import CalibrationTooPoor, IncompleteInput
from capture.validate import ValidatedSession
from scripts.cli import main


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> ValidatedSession:
    """Board shots of three cameras whose places are known."""
    return shoot(tmp_path_factory.mktemp("vault"))


@pytest.fixture
def session(shot: ValidatedSession) -> ValidatedSession:
    """The session without a calibration; only the corners stay, which take longest."""
    folder = shot.folder.derived("calibration")
    for file in folder.glob("*") if folder.is_dir() else ():
        if file.name != "detections.json":
            file.unlink()
    return shot


def source(folder: Path, cameras: list[Camera], **more: object) -> RigSource:
    write_rig(RigToWrite(tuple(cameras)), "anipose", folder)
    return replace(RigSource(folder / "calibration.toml", "anipose"), **more)  # type: ignore[arg-type]


def test_an_imported_rig_is_the_sessions_and_is_measured_on_its_board(
    session: ValidatedSession, tmp_path: Path
) -> None:
    truth = cameras_of(3)
    rig, report = import_rig(session, source(tmp_path, truth))
    assert report.ok
    assert report.issues == ()
    loaded = load_calibration(session.folder)
    assert [c.to_json() for c in loaded.cameras] == [c.to_json() for c in rig.cameras]
    assert loaded.world == "imported from anipose file calibration.toml"
    assert 0 < loaded.rig_rms_px < 0.3  # the pictures were rendered with these cameras
    assert set(loaded.boards) == {"floor", *(f"{k:02d}" for k in range(11))}
    for ours, theirs in zip(loaded.cameras, truth, strict=True):
        assert ours.centre == pytest.approx(theirs.centre, abs=1e-12)
    artefact = store.read(session.folder.derived("calibration"), "calibration")
    assert artefact.result["source"] == artefact.settings["source"] == "imported"
    assert json.loads((artefact.folder / "rig.json").read_text())["source"] == "imported"
    assert "The rig can be used" in (artefact.folder / "report.html").read_text()


def test_a_second_import_does_nothing_and_another_file_does(session: ValidatedSession, tmp_path: Path) -> None:
    import_rig(session, source(tmp_path, cameras_of(3)))
    assert import_rig(session, source(tmp_path, cameras_of(3)))[1].facts["skipped"] is True
    assert "skipped" not in import_rig(session, source(tmp_path, cameras_of(3)), force=True)[1].facts
    near = [c.placed(Pose(c.world_from_camera.rotation, c.centre + (0.001, 0, 0))) for c in cameras_of(3)]
    assert "skipped" not in import_rig(session, source(tmp_path, near))[1].facts


def test_names_and_units_of_the_file_are_translated(session: ValidatedSession, tmp_path: Path) -> None:
    theirs = [
        replace(c.placed(Pose(c.world_from_camera.rotation, c.centre * 1000)), id=f"GX{i}")
        for i, c in enumerate(cameras_of(3))
    ]
    names = {f"GX{i}": f"cam{i}" for i in range(3)}
    rig, report = import_rig(session, source(tmp_path, theirs, unit_m=1e-3, names=names))
    assert report.ok
    assert [c.id for c in rig.cameras] == ["cam0", "cam1", "cam2"]
    assert rig.cameras[0].centre == pytest.approx(cameras_of(3)[0].centre)


def spoilt(kind: str) -> list[Camera]:
    first, second, third = cameras_of(3)
    return {
        "missing": [first, second],
        "unknown": [first, second, third, replace(third, id="cam9", world_from_camera=Pose.identity())],
        "size": [first, second, Camera("cam2", 960, 720, 1040, 1040, 480, 360, np.zeros(5), third.world_from_camera)],
        "twice": [first, second, third.placed(second.world_from_camera)],
        "half": [first, second, replace(third, fx=260, fy=260, cx=119.5, cy=89.5)],
        "inches": [c.placed(Pose(c.world_from_camera.rotation, 39.37 * c.centre)) for c in (first, second, third)],
        "exchanged": [first, replace(third, id="cam1"), replace(second, id="cam2")],
        "moved": [first, second, third.placed(third.world_from_camera @ Pose.from_rotvec((0, 0.02, 0), (0, 0, 0)))],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "codes", "where"),
    [
        ("missing", ["RIG_CAMERA_MISSING"], {"camera cam2"}),
        ("size", ["RIG_SIZE_DIFFERS"], {"camera cam2"}),
        ("twice", ["RIG_POSES_ALIKE"], {"camera cam2"}),
        ("half", ["LENS_SIZE_DIFFERS"], {"camera cam2"}),
        ("inches", ["RIG_SCALE_WRONG", "REPROJECTION_HIGH"], {"the whole rig"}),
        ("exchanged", ["CAMERAS_EXCHANGED", "REPROJECTION_HIGH"], {"cameras cam1 and cam2"}),
        ("moved", ["REPROJECTION_HIGH"], {"camera cam2"}),
    ],
)
def test_a_rig_that_does_not_fit_is_refused_and_leaves_nothing(
    kind: str, codes: list[str], where: set[str], session: ValidatedSession, tmp_path: Path
) -> None:
    with pytest.raises(CalibrationTooPoor, match="imported rig cannot be used") as err:
        import_rig(session, source(tmp_path, spoilt(kind)))
    found = err.value.report.errors
    assert set(codes) == {i.code for i in found}
    assert where <= {i.where for i in found}
    with pytest.raises(IncompleteInput):
        load_calibration(session.folder)


def test_a_camera_too_many_is_left_out_by_name(session: ValidatedSession, tmp_path: Path) -> None:
    rig, report = import_rig(session, source(tmp_path, spoilt("unknown")))
    assert [(i.code, i.where) for i in report.issues] == [("RIG_CAMERA_UNKNOWN", "camera cam9")]
    assert [c.id for c in rig.cameras] == ["cam0", "cam1", "cam2"]


def test_a_calibration_of_the_sessions_own_is_replaced_only_by_force(session: ValidatedSession, tmp_path: Path) -> None:
    folder = session.folder.derived("calibration")
    store.reopen(folder, "calibration")
    (folder / "transforms.json").write_text("{}")
    store.finish(folder, "calibration", consent="c1", inputs={}, settings={}, result={"rig_rms_px": 0.1})
    rig = source(tmp_path, cameras_of(3))
    with pytest.raises(ValueError, match="has a calibration of its own, made from its board; add --force"):
        import_rig(session, rig)
    assert import_rig(session, rig, force=True)[1].ok
    assert not (folder / "transforms.json").exists()


def test_a_session_without_a_board_says_that_nobody_measured(session: ValidatedSession, tmp_path: Path) -> None:
    bare = replace(session, originals=())
    rig, report = import_rig(bare, source(tmp_path, cameras_of(3)))
    assert [i.code for i in report.issues] == ["RIG_NOT_MEASURED"]
    assert report.ok
    assert math.isnan(load_calibration(session.folder).rig_rms_px)
    assert json.loads((session.folder.derived("calibration") / "rig.json").read_text())["rig_rms_px"] is None
    assert rig.rms_px == {}


def test_sizes_that_a_file_lacks_are_the_sessions(session: ValidatedSession, tmp_path: Path) -> None:
    write_rig(RigToWrite(tuple(cameras_of(3))), "easymocap", tmp_path)
    file = tmp_path / "intri.yml"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if line[:2] not in ("H_", "W_")))
    rig, report = import_rig(session, RigSource(tmp_path, "easymocap"))
    assert (rig.cameras[0].width, rig.cameras[0].height) == (480, 360)
    assert "sizes of cam0, cam1, cam2 are not in the file" in str(report.facts["notes"])


def test_pictures_are_named_from_where_the_export_lies(session: ValidatedSession, tmp_path: Path) -> None:
    named = pictures_of(session, tmp_path / "a" / "b")
    assert set(named) == {"cam0", "cam1", "cam2"}
    assert all((tmp_path / "a" / "b" / path).resolve().is_file() for path in named.values())


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def three_small_cameras() -> tuple[Camera, ...]:
    """For the small shoot of conftest: 64 x 64 pixels."""
    poses = [Pose.from_rotvec((0, 0.3 * i, 0), (0.5 * i, 0, -2)) for i in range(3)]
    return tuple(Camera(f"cam{i + 1}", 64, 64, 80, 80, 31, 32, np.zeros(5), pose) for i, pose in enumerate(poses))


def test_the_command_takes_a_rig_in_and_out(
    small_session: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = ("--vault", str(tmp_path / "vault"))
    run("ingest", str(small_session()), *vault)
    capsys.readouterr()
    write_rig(RigToWrite(three_small_cameras()), "colmap", tmp_path / "theirs")
    assert run("rig", "import", str(tmp_path / "theirs"), "s001", "--format", "colmap", *vault) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "rig import: 3 cameras of theirs" in said
    assert "warning RIG_NOT_MEASURED" in said
    assert "note: COLMAP names no unit of length" in said
    for name in ("nerfstudio", "usd", "easymocap"):
        out = tmp_path / "out" / name
        assert run("rig", "export", "s001", "--format", name, "--out", str(out), *vault) == 0
        assert "rig export: 3 cameras written as" in capsys.readouterr().out
        back = read_rig(out, name).cameras
        assert [c.id for c in back] == ["cam1", "cam2", "cam3"]
        assert back[1].centre == pytest.approx(three_small_cameras()[1].centre, abs=1e-9)
    frame = json.loads((tmp_path / "out" / "nerfstudio" / "transforms.json").read_text())["frames"][0]
    assert (tmp_path / "out" / "nerfstudio" / frame["file_path"]).is_file()


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p1" / "sessions" / "s1").mkdir(parents=True)
    assert (
        run("rig", "export", "s1", "--format", "usd", "--out", str(tmp_path / "o"), "--vault", str(tmp_path / "n")) == 2
    )
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_lists_what_each_format_cannot_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rig", "formats", "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {t["name"] for t in told if not t["writes"]} == {"qualisys"}
    assert all(t["reads"] for t in told)
    assert next(t for t in told if t["name"] == "usd")["refuses"] == "fisheye lenses"
