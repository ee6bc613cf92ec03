"""The whole step on a small simulated shoot: proposals, the page, a person's file, the map, and every complaint."""

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.landmarks import find_marks, load_birthmarks
from calibration.pose import Pose
from calibration.rig import RigCalibration
from capture import store
from capture.errors import IncompleteInput, InvalidSession
from capture.ingest import ingest
from capture.marks import MarksFile, read_marks, write_marks
from capture.stage.shoot import ShootPlan, write_shoot
from capture.vault import Vault


@pytest.fixture(scope="module")
def shoot(tmp_path_factory):
    root = tmp_path_factory.mktemp("shoot")
    plan = ShootPlan(
        person_seed=1, seed=1, cameras=9, lights=2, takes=1, image_size=640, board_shots=0, chart=False, ball=False
    )
    truth = write_shoot(root / "card", plan)
    validated, _ = ingest(root / "card", Vault(root / "vault"))
    cameras = tuple(
        Camera(c.id, c.width, c.height, c.fx, c.fy, c.cx, c.cy, np.array(c.distortion), Pose.from_matrix(c.pose))
        for c in truth.cameras
    )
    return truth, validated, RigCalibration(cameras, {}, 0.0, {}, "stage"), root


@pytest.fixture(scope="module")
def proposed(shoot):
    truth, validated, rig, root = shoot
    with pytest.raises(IncompleteInput, match="calibration is not there or not finished"):
        find_marks(validated, rig)
    folder = validated.folder.derived("calibration")
    store.reopen(folder, "calibration")
    store.finish(folder, "calibration", consent="consent-1", inputs={}, settings={}, result={})
    result, report = find_marks(validated, rig)
    assert result is None
    return report, validated.folder.derived("marks")


def _nearest(truth, entry_position):
    places = truth.scene("take1").mark_positions_world()
    name = min(places, key=lambda m: np.linalg.norm(places[m][0] - entry_position))
    return name, 1000 * float(np.linalg.norm(places[name][0] - entry_position))


def test_proposals_hold_the_large_marks(shoot, proposed):
    truth, validated, rig, _ = shoot
    report, folder = proposed
    found = store.read(folder, "marks").result["candidates"]
    near = [_nearest(truth, np.array(c["position"]["take1"])) for c in found]
    hits = {name for name, away in near if away < 6}
    large = {m.id for m in truth.person.marks if m.diameter_m >= 0.02}
    assert len(hits & large) >= 3
    assert report.facts["candidates"] == len(found)
    page = (folder / "page.html").read_text()
    assert "data:image/jpeg;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    again, second = find_marks(validated, rig)
    assert again is None
    assert second.facts["skipped"] is True


def test_confirmed_marks_become_the_map(shoot, proposed):
    truth, validated, rig, root = shoot
    _, folder = proposed
    places = {c["id"]: np.array(c["position"]["take1"]) for c in store.read(folder, "marks").result["candidates"]}
    file = read_marks(folder / "marks.proposed.toml")
    chosen = [m for m in file.mark if _nearest(truth, places[m.id])[1] < 6]
    labelled = [m.model_copy(update={"label": _nearest(truth, places[m.id])[0], "confirmed": True}) for m in chosen]
    # What a person gets wrong: a camera that does not exist, and a mark named in one view only.
    first = labelled[0].photo[0]
    unknown = first.model_copy(update={"camera": "cam99"})
    labelled[0] = labelled[0].model_copy(update={"photo": (*labelled[0].photo, unknown)})
    lonely = labelled[0].model_copy(update={"id": "lonely", "photo": (first,)})
    ignored = labelled[0].model_copy(update={"id": "ignored", "confirmed": False})
    path = root / "marks.toml"
    write_marks(path, MarksFile(mark=(*labelled, lonely, ignored)))
    result, report = find_marks(validated, rig, confirmed=path)
    assert [m.id for m in result.marks] == [m.id for m in labelled]
    assert {i.code for i in report.issues} == {"MARK_PHOTO_UNKNOWN", "MARK_NOT_TRIANGULATED"}
    assert any("'cam99'; the take has" in i.found for i in report.issues)
    marks = {m.id: m for m in truth.person.marks}
    world = truth.scene("take1").mark_positions_world()
    away, size, turn = [], [], []
    for mark in result.marks:
        place = mark.places["take1"]
        away.append(1000 * np.linalg.norm(place.position - world[mark.label][0]))
        size.append(mark.diameter_mm / (1000 * marks[mark.label].diameter_m))
        turn.append(np.degrees(np.arccos(np.clip(place.normal @ world[mark.label][1], -1, 1))))
    # 1.6 mm per pixel here; the middle of a blotch of 40 mm on a round arm is not its painted centre.
    assert np.median(away) < 3.0
    assert 0.7 < np.median(size) < 1.3
    assert np.median(turn) < 20
    assert load_birthmarks(validated.folder).to_json() == result.to_json()
    kept, again = find_marks(validated, rig)  # a confirmation is not overwritten by asking again
    assert again.facts["skipped"] is True
    assert kept.to_json() == result.to_json()


def test_an_unusable_marks_file_is_refused(shoot, proposed, tmp_path):
    _, validated, rig, _ = shoot
    path = tmp_path / "marks.toml"
    path.write_text("[[mark]]\nid = 'a'\n")
    with pytest.raises(InvalidSession, match="'mark.0.photo' is missing") as caught:
        find_marks(validated, rig, confirmed=path)
    assert caught.value.report.errors[0].code == "SESSION_FILE_INVALID"
    with pytest.raises(InvalidSession, match="is missing; create it"):
        find_marks(validated, rig, confirmed=tmp_path / "none.toml")
