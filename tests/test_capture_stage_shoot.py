"""A simulated shoot is a valid session, repeats byte for byte, and each fault changes what it says and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.consent import Act, read_consent, refusals
from capture.images import ImageError, read_image
from capture.session import ShotKind, read_session
from capture.stage.ball import StageBall, highlight_pixel, render_ball
from capture.stage.board import StageBoard
from capture.stage.chart import chart_linear, chart_pose, render_chart
from capture.stage.faults import FAULTS, LATE_FRAMES, Grid, make_fault
from capture.stage.rig import make_lights, make_rig
from capture.stage.shoot import ShootPlan, ShootTruth, write_shoot
from capture.stage.tone import linear_from_srgb
from capture.stage.truth import CHART_CENTRE
from capture.video import read_frames

PLAN = ShootPlan(
    person_seed=2, seed=1, cameras=3, lights=2, takes=3, image_size=96, clips=1, clip_frames=5, board_shots=3
)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> ShootTruth:
    return write_shoot(tmp_path_factory.mktemp("clean") / "card", PLAN)


def differing(clean: ShootTruth, faulty: ShootTruth) -> set[str]:
    """Stems of the files that differ, and of those that one of the two lacks."""
    a, b = files_of(clean.folder), files_of(faulty.folder)
    names = {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}
    return {name.rsplit(".", 1)[0] for name in names}


def test_a_shoot_is_a_session_with_every_promised_file(clean: ShootTruth) -> None:
    session = read_session(clean.folder)
    names = set(files_of(clean.folder))
    for shot in session.stills():
        assert f"{shot.stem}.jpg" in names
    for shot in session.clips():
        assert f"{shot.stem}.mp4" in names
    assert {f"{ShotKind.PLATE.value}/{c.id}.jpg" for c in session.camera} <= names
    assert session.calibration.board is not None
    assert session.calibration.board.origin == "000"
    consent = read_consent(clean.folder / "consent.toml")
    assert consent.id == session.session.consent
    assert refusals(consent, Act.TRAIN, session.session.date) == []
    assert not [name for name in names if "truth" in name]


def test_the_truth_lies_beside_the_card_and_names_every_mark(clean: ShootTruth) -> None:
    assert clean.path == clean.folder.parent / "card.truth.json"
    truth = json.loads(clean.path.read_text())
    marks = {mark["id"] for mark in truth["person"]["marks"]}
    assert marks == {mark.id for mark in clean.person.marks}
    for take in truth["takes"].values():
        assert set(take["marks"]) == marks
    for cameras in truth["photos"].values():
        assert set(cameras) == {camera.id for camera in clean.cameras}
    large = [mark["id"] for mark in truth["person"]["marks"] if mark["large_on_bust"]]
    views = [truth["photos"]["take1"][c.id][name]["visible"] for c in clean.cameras for name in large]
    assert any(views)
    assert not all(views)
    assert truth["fault"]["name"] == ""
    joints = truth["clips"]["walk1"]["joints"]["wrist_left"]
    assert len(joints) == PLAN.clip_frames


def test_the_same_plan_gives_the_same_bytes(clean: ShootTruth, tmp_path: Path) -> None:
    again = write_shoot(tmp_path / "card", PLAN)
    assert files_of(again.folder) == files_of(clean.folder)
    assert again.path.read_text() == clean.path.read_text()


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_changes_what_it_says_and_nothing_else(name: str, clean: ShootTruth, tmp_path: Path) -> None:
    faulty = write_shoot(tmp_path / "card", PLAN, fault=name)
    assert differing(clean, faulty) == set(faulty.fault.affected)
    truth = json.loads(faulty.path.read_text())
    assert truth["fault"]["name"] == name
    assert truth["fault"]["affected"] == list(faulty.fault.affected)
    first = faulty.folder / f"{faulty.fault.affected[0]}.jpg"
    if name == "missing-frame":
        assert not first.exists()
    elif name == "truncated-file":
        with pytest.raises(ImageError):
            read_image(first)
    elif name == "mirrored-photo":
        pair = [read_image(shoot.folder / f"{faulty.fault.affected[0]}.jpg") for shoot in (clean, faulty)]
        assert np.abs(pair[0][:, ::-1].astype(int) - pair[1]).mean() < 2
    elif name == "late-camera":
        stem = faulty.fault.affected[0]
        on_time, late = ([frame for _, frame in read_frames(shoot.folder / f"{stem}.mp4")] for shoot in (clean, faulty))
        same = np.abs(on_time[LATE_FRAMES].astype(int) - late[0]).mean()
        assert same < np.abs(on_time[0].astype(int) - late[0]).mean()
    elif name == "swapped-cameras":
        a, b = sorted((faulty.fault.camera, faulty.fault.other_camera))
        left, right = (Path(f"stills/take1/key-left/{c}.jpg") for c in (a, b))
        assert (clean.folder / left).read_bytes() == (faulty.folder / right).read_bytes()
    elif name == "soft-focus":
        sharp, soft = (
            cv2.Laplacian(read_image(shoot.folder / f"{faulty.fault.affected[0]}.jpg"), cv2.CV_64F).var()
            for shoot in (clean, faulty)
        )
        assert soft < 0.6 * sharp


def test_misuse_is_refused(clean: ShootTruth) -> None:
    with pytest.raises(ValueError, match="folder 'card' is not empty"):
        write_shoot(clean.folder, PLAN)
    grid = Grid(("cam01",), ("key-left",), ("take1",), ())
    with pytest.raises(ValueError, match="fault is unknown: 'rain'; choose one of missing-frame"):
        make_fault("rain", grid, seed=0)
    with pytest.raises(ValueError, match="fault 'late-camera' needs more"):
        make_fault("late-camera", grid, seed=0)
    with pytest.raises(ValueError, match="take is unknown: 'take9'"):
        clean.scene("take9")


def test_the_chart_shows_the_published_colours_under_the_light() -> None:
    camera, light = make_rig(3, seed=0, image_size=512)[0], make_lights(4)[3]
    pose = chart_pose(camera, CHART_CENTRE)
    picture = render_chart(pose, camera, light)
    linear = linear_from_srgb(picture[..., ::-1] / 255)
    centres = []
    for k in range(24):
        row, column = divmod(k, 6)
        local = np.array([(column - 2.5) * 0.046, (row - 1.5) * 0.046, 0.0])
        world = pose[:3, :3] @ local + pose[:3, 3]
        inverse = np.linalg.inv(camera.pose)
        turn = cv2.Rodrigues(inverse[:3, :3])[0]
        distortion = np.array(camera.distortion)
        pixel = cv2.projectPoints(world[None], turn, inverse[:3, 3], camera.matrix, distortion)[0]
        x, y = np.round(pixel.ravel()).astype(int)
        centres.append(linear[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1)))
    ratio = np.array(centres) / (chart_linear() * np.array(light.colour))
    level = light.ambient + light.intensity * max(float(-pose[:3, 2] @ light.direction), 0)
    np.testing.assert_allclose(ratio[18:22], level, rtol=0.03)
    np.testing.assert_allclose(np.median(ratio), level, rtol=0.02)


def test_the_ball_shows_the_light_where_it_comes_from() -> None:
    camera, light = make_rig(3, seed=0, image_size=512)[0], make_lights(1)[0]
    picture = render_ball(StageBall(), camera, light)
    y, x = np.nonzero((picture > 250).all(axis=2))
    assert len(x) > 3
    np.testing.assert_allclose([x.mean(), y.mean()], highlight_pixel(StageBall(), camera, light), atol=0.6)


def test_a_board_shot_exists_only_for_cameras_that_see_the_board(clean: ShootTruth) -> None:
    shots = {name for name in files_of(clean.folder) if name.startswith("calibration/board/")}
    assert shots
    assert len(shots) < PLAN.board_shots * PLAN.cameras
    board = StageBoard()
    assert board.inner_corners().shape == ((board.columns - 1) * (board.rows - 1), 3)
