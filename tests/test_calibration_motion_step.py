"""`twin motion` on a session: BVH, track, page and report on disk, done once, and every refusal with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.motion.step import Choices, capture_session
from calibration.pose import Pose
from calibration.rig import RigCalibration
from capture import store
from capture.errors import CalibrationTooPoor, ConsentRefused, IncompleteInput
from capture.ingest import ingest
from capture.motion.bvh import read_bvh
from capture.motion.canonical import CANONICAL
from capture.stage.keypoints import Fault, stage_keypoints, stand_back, walk_track
from capture.stage.person import make_person
from capture.stage.rig import make_rig
from capture.validate import ValidatedSession
from capture.vault import Vault
from scripts.cli import main
from scripts.motion import offsets_of

FPS = 25.0  # of the clips of the small session
PERSON = make_person(1)
RIG = stand_back(make_rig(3, seed=1, image_size=1024))
NAMES = ("cam1", "cam2", "cam3")


def write_keypoints(folder: Path, *, frames: int = 40, late: float = 0.0) -> None:
    """What a detector with 26 points would write: HALPE_26 with the joints of the stage."""
    halpe = {17: "head", 18: "neck", 19: "pelvis", 20: "toe_left", 21: "toe_right", 3: "head", 4: "head"}
    for k, joint in enumerate(("shoulder", "elbow", "wrist", "hip", "knee", "ankle")):
        halpe |= {5 + 2 * k: f"{joint}_left", 6 + 2 * k: f"{joint}_right"}
    for k, (name, camera) in enumerate(zip(NAMES, RIG, strict=True)):
        times = np.arange(frames, dtype=np.float64) / FPS + (late / FPS if k == 1 else 0.0)
        uv, confidence = stage_keypoints(walk_track(PERSON, times, across=False), camera, Fault(1.0), seed=k)
        (folder / f"{name}_json").mkdir(parents=True, exist_ok=True)
        for t in range(frames):
            points = np.zeros((26, 3))
            for point, joint in halpe.items():
                j = CANONICAL.index(joint)
                if confidence[t, j] > 0:
                    points[point] = (*uv[t, j], confidence[t, j])
            text = json.dumps({"people": [{"pose_keypoints_2d": points.ravel().round(3).tolist()}]})
            (folder / f"{name}_json" / f"walk_{t:06d}.json").write_text(text)


@pytest.fixture
def shoot(small_session: Callable[..., Path], tmp_path: Path) -> tuple[ValidatedSession, RigCalibration]:
    """A session with one clip of three cameras, and the stage rig as its calibration."""
    validated, _ = ingest(small_session(clips=True), Vault(tmp_path / "vault"))
    cameras = tuple(
        Camera(name, c.width, c.height, c.fx, c.fy, c.cx, c.cy, np.array(c.distortion), Pose.from_matrix(c.pose))
        for name, c in zip(NAMES, RIG, strict=True)
    )
    rig = RigCalibration(cameras, {}, 0.0, {}, "stage")
    folder = validated.folder.derived("calibration")
    store.write_json(folder / "rig.json", rig.to_json())
    store.finish(folder, "calibration", consent="c001", inputs={}, settings={}, result={})
    return validated, rig


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def test_the_verb_leaves_a_clip_and_a_page(
    shoot: tuple[ValidatedSession, RigCalibration], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validated, _ = shoot
    write_keypoints(tmp_path / "found" / "pose")
    vault = str(validated.folder.vault.root)
    assert run("motion", "s001", "--keypoints", str(tmp_path / "found"), "--vault", vault) == 0
    said = capsys.readouterr().out
    assert "a skeleton in motion of walk" in said
    folder = validated.folder.derived("motion")
    assert {p.name for p in folder.iterdir()} == {"motion.json", "report.json", "report.html", "walk.bvh", "walk.npz"}
    clip = read_bvh(folder / "walk.bvh", unit="cm", up="y")
    truth = walk_track(PERSON, np.arange(40) / FPS)
    assert len(clip) == 40
    assert clip.fps == pytest.approx(FPS)
    knees = [clip.skeleton.index("knee_left"), clip.skeleton.index("ankle_right")]
    gap = clip.world[1][:, knees] - truth.places[:, [CANONICAL.index("knee_left"), CANONICAL.index("ankle_right")]]
    assert np.linalg.norm(gap, axis=2).mean() < 0.006
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Her movement was captured: walk" in page
    assert page.count('<svg class="plot walk"') == 1
    assert "all cameras show the same moments" in page
    track = np.load(folder / "walk.npz")
    assert track["places"].shape == (40, 18, 3)
    assert len(track["left_stands"]) == 40
    made = (folder / "walk.bvh").stat().st_mtime_ns
    assert run("motion", "s001", "--keypoints", str(tmp_path / "found"), "--vault", vault) == 0
    assert "already done" in capsys.readouterr().out
    assert (folder / "walk.bvh").stat().st_mtime_ns == made


def test_a_late_camera_ends_with_an_exit_code_and_its_offset_mends_it(
    shoot: tuple[ValidatedSession, RigCalibration], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validated, _ = shoot
    write_keypoints(tmp_path / "found" / "walk", late=1.5)
    words = ["motion", "s001", "--keypoints", str(tmp_path / "found"), "--vault", str(validated.folder.vault.root)]
    assert run(*words) == CalibrationTooPoor.exit_code
    assert "MOTION_CAMERA_LATE" in (validated.folder.derived("motion") / "report.json").read_text()
    page = (validated.folder.derived("motion") / "report.html").read_text(encoding="utf-8")
    assert "Her movement cannot be used as it is" in page
    assert "--offset cam2=1." in page
    capsys.readouterr()
    assert run(*words, "--offset", "cam2=1.5") == 0


def test_files_that_cannot_be_read_are_named_and_the_others_used(
    shoot: tuple[ValidatedSession, RigCalibration], tmp_path: Path
) -> None:
    validated, rig = shoot
    write_keypoints(tmp_path / "found")
    (tmp_path / "found" / "cam3_json" / "walk_000007.json").write_text("{")
    captured, report = capture_session(validated, rig, tmp_path / "found")
    assert [(i.code, i.where) for i in report.issues] == [("MOTION_KEYPOINTS_UNREADABLE", "clips/walk/cam3")]
    assert "walk_000007.json is no JSON" in report.issues[0].found
    assert captured["walk"].fitted is not None
    page = (validated.folder.derived("motion") / "report.html").read_text(encoding="utf-8")
    assert "walk_000007.json is no JSON" in page


def test_what_is_missing_is_said(shoot: tuple[ValidatedSession, RigCalibration], tmp_path: Path) -> None:
    validated, rig = shoot
    (tmp_path / "empty").mkdir()
    with pytest.raises(IncompleteInput, match="keypoints of no clip; put them there as walk/CAMERA/"):
        capture_session(validated, rig, tmp_path / "empty")
    with pytest.raises(ValueError, match="camera 'cam9' is not in the rig"):
        capture_session(validated, rig, tmp_path / "empty", choices=Choices(offsets={"cam9": 1.0}))
    for word in ("cam1", "cam1=x", "=2", "cam1=nan"):
        with pytest.raises(ValueError, match="is not CAMERA=FRAMES"):
            offsets_of([word])
    assert offsets_of(["a=b=2.5"]) == {"a=b": 2.5}


def test_without_her_consent_nothing_is_written(shoot: tuple[ValidatedSession, RigCalibration], tmp_path: Path) -> None:
    validated, rig = shoot
    write_keypoints(tmp_path / "found", frames=2)
    record = validated.folder.vault.consent_file("p001", "c001")
    record.write_text(record.read_text() + "withdrawn_on = 2026-01-01\n")
    with pytest.raises(ConsentRefused, match="consent 'c001' refuses 'ingest' on .*: withdrawn on 2026-01-01"):
        capture_session(validated, rig, tmp_path / "found")
    assert not validated.folder.derived("motion").exists()


def test_a_session_without_clips_is_refused(small_session: Callable[..., Path], tmp_path: Path) -> None:
    validated, _ = ingest(small_session(), Vault(tmp_path / "vault"))
    with pytest.raises(IncompleteInput, match="session has no clip of her in motion"):
        capture_session(validated, RigCalibration((), {}, 0.0, {}, "none"), tmp_path)
