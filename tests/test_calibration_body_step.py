"""The step and its verb on a small simulated shoot: what lies on disk, what is skipped, and why there is no body."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("open3d", reason="the body room needs the extra `body`")

from calibration.body.build import Settings
from calibration.body.step import load_body, reconstruct_body
from calibration.body.surface import BodySurface, Mesh
from calibration.body.take_views import look_of, take_views
from calibration.camera import Camera
from calibration.pose import Pose
from calibration.rig import RigCalibration
from capture import store
from capture.errors import IncompleteInput, InvalidSession
from capture.ingest import ingest
from capture.stage.shoot import ShootPlan, ShootTruth, write_shoot
from capture.validate import ValidatedSession
from capture.vault import Vault
from scripts.cli import main

CHOSEN = Settings(voxel_m=0.01)


@pytest.fixture(scope="module")
def shoot(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShootTruth, ValidatedSession, RigCalibration]:
    """A session of nine cameras with its true rig as the calibration."""
    root = tmp_path_factory.mktemp("shoot")
    plan = ShootPlan(cameras=9, lights=1, takes=1, image_size=256, board_shots=0, chart=False, ball=False)
    truth = write_shoot(root / "card", plan)
    validated, _ = ingest(root / "card", Vault(root / "vault"))
    cameras = tuple(
        Camera(c.id, c.width, c.height, c.fx, c.fy, c.cx, c.cy, np.array(c.distortion), Pose.from_matrix(c.pose))
        for c in truth.cameras
    )
    rig = RigCalibration(cameras, {}, 0.0, {}, "board in shot origin")
    folder = validated.folder.derived("calibration")
    store.write_json(folder / "rig.json", rig.to_json())
    store.finish(folder, "calibration", consent="consent-1", inputs={}, settings={}, result={})
    return truth, validated, rig


@pytest.fixture(scope="module")
def said(shoot: tuple[ShootTruth, ValidatedSession, RigCalibration]) -> str:
    """What the verb wrote on disk: it was run once, with a scan that is none."""
    _, validated, _ = shoot
    scan = validated.folder.vault.root.parent / "few.xyz"
    scan.write_text("1 2 3\n4 5 6\n")
    name, vault = validated.folder.root.name, str(validated.folder.vault.root)
    with pytest.raises(SystemExit) as stop:
        main(["--json", "body", name, "--vault", vault, "--voxel-mm", "10", "--scan", str(scan)])
    assert stop.value.code == InvalidSession.exit_code  # the scan is refused, the body stands
    return str(scan)


def test_the_step_leaves_a_body(shoot: tuple[ShootTruth, ValidatedSession, RigCalibration], said: str) -> None:
    truth, validated, rig = shoot
    folder = validated.folder.derived("body")
    assert {p.name for p in folder.iterdir()} == {
        "body.json", "mesh.ply", "mesh.obj", "mesh.mtl", "mesh.png", "report.json", "report.html", "colours.jpg",
        "clay.jpg",
    }  # fmt: skip
    facts = json.loads((folder / "report.json").read_text())["facts"]
    assert abs(facts["height_m"] - truth.person.height_m) < 0.03
    assert facts["height_down_to"] == "floor"  # the rings frame the upper body
    assert facts["scans"] == []
    assert set(facts["cameras"]) == {c.id for c in truth.cameras}
    page = (folder / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "SCAN_UNREADABLE" in page or "A scan holds no points" in page
    body, report = reconstruct_body(validated, rig, settings=CHOSEN, look=look_of(validated.folder), scans=[Path(said)])
    assert report.facts["skipped"] is True
    assert {i.code for i in report.errors} == {"SCAN_UNREADABLE"}
    np.testing.assert_array_equal(load_body(validated.folder).mesh.faces, body.mesh.faces)
    scene = truth.scene("take1")
    true = BodySurface(Mesh(np.array(scene.vertices), np.array(scene.faces)))
    shown = body.mesh.vertices[body.mesh.vertices[:, 2] > 1.0]
    assert 1e3 * true.snap(shown).distance.mean() < 9  # a pixel is 4 mm, and seven cameras stand around her
    # a mark lies on the surface, and the camera before it sees it
    place, _ = next(iter(scene.mark_positions_world().values()))
    assert body.surface.snap(place).distance[0] < 0.02


def test_a_rig_of_three_makes_no_body(shoot: tuple[ShootTruth, ValidatedSession, RigCalibration], said: str) -> None:
    _, validated, rig = shoot
    with pytest.raises(InvalidSession, match="body cannot be made: session: Too few cameras") as caught:
        reconstruct_body(validated, replace(rig, cameras=rig.cameras[:3]), settings=CHOSEN, force=True)
    codes = [i.code for i in caught.value.report.issues]
    assert codes == ["BODY_CAMERA_NOT_PLACED"] * 6 + ["BODY_CAMERAS_FEW"]
    folder = validated.folder.derived("body")
    assert {p.name for p in folder.iterdir()} == {"report.json", "report.html"}
    assert "There is no body" in (folder / "report.html").read_text()
    with pytest.raises(IncompleteInput, match="body is not there or not finished"):
        load_body(validated.folder)


def test_a_camera_without_plate_or_of_another_size_is_named(
    shoot: tuple[ShootTruth, ValidatedSession, RigCalibration],
) -> None:
    _, validated, rig = shoot
    take = validated.session.take[0]
    bare = replace(validated, originals=tuple(o for o in validated.originals if o.shot.stem != "plates/cam02"))
    larger = replace(rig, cameras=(*rig.cameras[:-1], replace(rig.cameras[-1], width=640)))
    views, issues = take_views(bare, larger, take, look=None, work_px=256)
    assert [v.id for v in views] == [c.id for c in rig.cameras if c.id not in ("cam02", "cam09")]
    assert [(i.code, i.where) for i in issues] == [
        ("PLATE_MISSING", "camera cam02"),
        ("BODY_SIZE_DIFFERS", "camera cam09"),
    ]
    assert issues[1].found == "256 x 256"
    with pytest.raises(ValueError, match="take 'take9' is not in the session"):
        reconstruct_body(validated, rig, settings=Settings(take="take9"))


def test_the_room_is_imported_without_open3d() -> None:
    names = sorted(p.stem for p in (Path(__file__).resolve().parents[1] / "calibration" / "body").glob("*.py"))
    wanted = ", ".join(f"calibration.body.{n}" for n in names if n != "__init__")
    code = f"import sys; sys.modules['open3d'] = None; import {wanted}, scripts.cli"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
