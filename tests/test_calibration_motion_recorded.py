"""Takes that came as files: millimetres from the truth of stage walks in each format, and every trouble named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import session_toml
from numpy.typing import NDArray
from recorded_takes import ANOTHER, FPS, WALK, described, write

from calibration.motion.recorded import record_session
from calibration.motion.skeleton import Captured
from calibration.motion.takes import FORMATS, Reading
from capture import store
from capture.errors import ConsentRefused, IncompleteInput
from capture.issues import Issue, JsonObject, Report
from capture.motion.bvh import read_bvh
from capture.motion.canonical import CANONICAL
from capture.motion.clip import JointTrack, MotionClip
from capture.motion.joint_csv import write_joint_csv
from capture.motion.trc import write_trc
from capture.vault import SessionFolder

# What is faster than 10 Hz is smoothed away: measured 0.17 mm in the mean, 1.1 at most.
MEAN_MM, MOST_MM = 0.3, 2.0


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    """A session with one clip, `walk`, of which there is nothing but its description and her consent."""
    return described(tmp_path)


def off_mm(captured: Captured, clip: MotionClip = WALK) -> NDArray[np.float64]:
    """(T, 18) from the joints of the fitted clip to those of the truth."""
    assert captured.fitted is not None
    truth = clip.track.places[captured.first :][: len(captured.fitted.clip)]
    return np.asarray(np.linalg.norm(captured.fitted.clip.track.places - truth, axis=2) * 1e3)


def said(report: Report) -> list[tuple[str, str]]:
    return [(i.code, i.where) for i in report.issues]


def only(report: Report) -> Issue:
    (found,) = report.issues
    return found


def facts_of(report: Report, clip: str = "walk") -> JsonObject:
    clips = report.facts["clips"]
    assert isinstance(clips, dict)
    facts = clips[clip]
    assert isinstance(facts, dict)
    return facts


def recorded(session: SessionFolder, files: Path, reading: Reading | None = None) -> tuple[Captured, Report]:
    captured, report = record_session(session, files, reading=reading)
    return captured["walk"], report


@pytest.mark.parametrize("kind", FORMATS)
def test_a_walk_comes_back_from_each_format(session: SessionFolder, tmp_path: Path, kind: str) -> None:
    if kind == "c3d":
        pytest.importorskip("ezc3d", reason="ezc3d is not installed; install likeness[movement]")
    captured, report = recorded(session, write(WALK, kind, tmp_path / "suit"))
    assert said(report) == []
    off = off_mm(captured)
    assert off.mean() < MEAN_MM
    assert off.max() < MOST_MM
    assert off_mm(captured, ANOTHER).mean() > 20 * MEAN_MM  # another walker's way is far from hers
    assert captured.fitted is not None
    if kind == "bvh":
        np.testing.assert_allclose(captured.fitted.clip.rotations, WALK.rotations, atol=1e-7)
        np.testing.assert_allclose(captured.fitted.clip.skeleton.offsets, WALK.skeleton.offsets, atol=1e-7)
    facts = facts_of(report)
    assert (facts["file"], facts["frames"], facts["fps"], facts["seconds"]) == (f"walk.{kind}", 90, FPS, 1.5)
    assert facts["filled"] == {}
    assert facts["leg_m"] == pytest.approx(0.789, abs=0.002)
    assert isinstance(facts["fit_mean_mm"], float)
    assert facts["fit_mean_mm"] < MEAN_MM
    assert captured.contacts is not None
    assert facts["stands"] == {  # a walker's foot bears her for half of the time and more
        "left": round(float(captured.contacts.left.mean()), 3),
        "right": round(float(captured.contacts.right.mean()), 3),
    }
    assert 0.4 < captured.contacts.left.mean() < 0.8
    folder = session.derived("motion")
    again = read_bvh(folder / "walk.bvh", unit="cm", up="y")
    np.testing.assert_allclose(again.root, captured.fitted.clip.root, atol=1e-7)


def test_the_artefact_has_the_form_of_captured_clips(session: SessionFolder, tmp_path: Path) -> None:
    files = write(WALK, "trc", tmp_path / "suit")
    recorded(session, files)
    folder = session.derived("motion")
    assert {p.name for p in folder.iterdir()} == {"motion.json", "report.json", "report.html", "walk.bvh", "walk.npz"}
    made = store.read(folder, "motion")
    assert made.consent == "c001"
    assert made.inputs["walk.trc"] == store.sha256_file(files / "walk.trc")
    assert set(made.inputs) == {"session", "consent", "walk.trc"}
    held = np.load(folder / "walk.npz")
    assert held["places"].shape == (90, 18, 3)
    assert tuple(held["names"]) == CANONICAL
    assert len(held["left_stands"]) == len(held["right_stands"]) == 90
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Her movement was taken over: walk" in page
    assert "all 18 joints are in it" in page
    assert "camera" not in page
    assert page.count('<svg class="plot walk"') == 1
    assert record_session(session, files)[1].facts["skipped"] is True
    write(ANOTHER, "trc", files)
    assert "skipped" not in record_session(session, files)[1].facts


def gone(clip: MotionClip, joint: str, frames: tuple[int, int]) -> JointTrack:
    places = clip.track.places.copy()
    places[frames[0] : frames[1], CANONICAL.index(joint)] = np.nan
    return JointTrack(CANONICAL, places, clip.fps)


def test_short_gaps_are_filled_and_long_ones_named(session: SessionFolder, tmp_path: Path) -> None:
    files = tmp_path / "suit"
    files.mkdir()
    write_trc(gone(WALK, "knee_left", (40, 48)), files / "walk.trc")
    captured, report = recorded(session, files)
    assert said(report) == []
    assert facts_of(report)["filled"] == {"knee_left": 8}
    assert off_mm(captured)[40:48].max() < 15  # a knee swings 100 mm in that time
    assert "8 of knee left" in (session.derived("motion") / "report.html").read_text(encoding="utf-8")
    write_trc(gone(WALK, "knee_left", (60, 80)), files / "walk.trc")
    captured, report = recorded(session, files)
    assert said(report) == [("MOTION_GAP_TOO_LONG", "clips/walk knee_left")]
    assert captured.fitted is not None
    assert (captured.first, len(captured.fitted.clip)) == (0, 60)


def test_noise_of_markers_is_smoothed(session: SessionFolder, tmp_path: Path) -> None:
    noise = np.random.default_rng(5).normal(0, 0.002, WALK.track.places.shape)
    rough = JointTrack(CANONICAL, WALK.track.places + noise, FPS)
    (tmp_path / "suit").mkdir()
    write_joint_csv(rough, tmp_path / "suit" / "walk.csv")
    captured, report = recorded(session, tmp_path / "suit")
    assert facts_of(report)["smoothed_hz"] == 10.0
    assert off_mm(captured).mean() < 0.75 * np.linalg.norm(noise, axis=2).mean() * 1e3
    every_third = JointTrack(CANONICAL, rough.places[::3], FPS / 3)  # holds nothing above 10 Hz
    write_joint_csv(every_third, tmp_path / "suit" / "walk.csv")
    assert facts_of(recorded(session, tmp_path / "suit")[1])["smoothed_hz"] is None


def test_what_a_file_does_not_say_can_be_said(session: SessionFolder, tmp_path: Path) -> None:
    files = tmp_path / "suit"
    files.mkdir()
    turned = JointTrack(CANONICAL, WALK.track.places[..., [1, 2, 0]] * 1e3, FPS)  # y up, millimetres
    write_joint_csv(turned, files / "walk.csv")
    rows = [line.split(",", 1)[1] for line in (files / "walk.csv").read_text().splitlines()]
    (files / "walk.csv").write_text("\n".join(rows))
    _, report = record_session(session, files, reading=Reading(unit="mm", up="y"))
    assert only(report).code == "MOTION_FILE_UNREADABLE"
    assert "its rate cannot be told" in only(report).found
    _, report = record_session(session, files, reading=Reading(fps=FPS))
    assert only(report).code == "MOTION_NO_BODY"
    assert only(report).found == "789 m"
    captured, report = recorded(session, files, Reading(fps=FPS, unit="mm", up="y"))
    assert said(report) == []
    assert captured.fitted is not None
    lengths = captured.fitted.clip.skeleton.lengths
    np.testing.assert_allclose(lengths, WALK.skeleton.lengths, atol=1e-3)
    with pytest.raises(ValueError, match="unit is unknown: 'yd'"):
        Reading(unit="yd")
    with pytest.raises(ValueError, match="up axis is unknown: 'up'"):
        Reading(up="up")
    with pytest.raises(ValueError, match="frame rate is not positive: 0"):
        Reading(fps=0)


@pytest.mark.parametrize("kind", ["bvh", "csv"])
def test_the_first_frame_is_left_out_on_demand(session: SessionFolder, tmp_path: Path, kind: str) -> None:
    files = write(WALK, kind, tmp_path / "suit")
    _, report = recorded(session, files, Reading(drop_first=True))
    assert facts_of(report)["frames"] == len(WALK) - 1


def test_options_that_no_file_can_be_told_are_refused(session: SessionFolder, tmp_path: Path) -> None:
    files = write(WALK, "trc", tmp_path / "suit")
    with pytest.raises(ValueError, match="--unit is for BVH and CSV files, found trc; leave it out"):
        record_session(session, files, reading=Reading(unit="mm"))
    with pytest.raises(ValueError, match="--fps is for CSV files, found trc; leave it out"):
        record_session(session, files, reading=Reading(fps=60))
    assert not session.derived("motion").exists()


def test_joints_that_are_missing_are_named(session: SessionFolder, tmp_path: Path) -> None:
    files = tmp_path / "suit"
    files.mkdir()
    markers = JointTrack(("LFHD", "LASI", "LKNE", "LHEE"), WALK.track.places[:, [3, 4, 5, 6]], FPS)
    write_trc(markers, files / "walk.trc")
    captured, report = record_session(session, files)
    assert captured == {}
    found = only(report)
    assert (found.code, found.where) == ("MOTION_JOINT_MISSING", "clips/walk")
    assert found.found.startswith("no pelvis, chest, neck, shoulder_left, ")
    assert found.found.endswith("; walk.trc has LFHD, LASI, LKNE, LHEE")
    assert "solved skeleton" in found.remedy
    page = (session.derived("motion") / "report.html").read_text(encoding="utf-8")
    assert "Her movement cannot be used as it is" in page
    assert "legs of a person" not in page  # nobody could ask
    # Without toes and head there is a clip, and they are held still.
    keep = [k for k, name in enumerate(CANONICAL) if name not in ("head", "toe_left", "toe_right")]
    write_trc(JointTrack(tuple(CANONICAL[k] for k in keep), WALK.track.places[:, keep], FPS), files / "walk.trc")
    with_less, report = recorded(session, files)
    assert said(report) == [("MOTION_JOINT_NOT_SEEN", "clips/walk")]
    assert off_mm(with_less)[:, keep].mean() < MEAN_MM
    assert facts_of(report)["held"] == ["head", "toe_left", "toe_right"]


def test_files_and_clips_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    extra = '[[clip]]\nid = "turn"\nlight = "light1"\n[[clip]]\nid = "wand"\nlight = "light1"\nboard = true\n'
    session = described(tmp_path, extra=extra)
    files = write(WALK, "bvh", tmp_path / "suit")
    (files / "walk.bvh").rename(files / "walk.BVH")  # as Windows has it
    write(WALK, "csv", files, "take 9")
    write(WALK, "csv", files, "wand")
    (files / "turn.fbx").write_bytes(b"fbx")
    (files / os.fsdecode(b"v\xf4lte.csv")).write_bytes(b"from an old archive")
    (files / "._walk.bvh").write_bytes(b"what a Mac leaves on a stick")
    captured, report = record_session(session, files)
    assert list(captured) == ["walk"]
    assert said(report) == [
        ("MOTION_CLIP_WITHOUT_FILE", "clips/turn"),
        ("MOTION_FILE_WITHOUT_CLIP", "take 9.csv"),
        ("MOTION_FILE_WITHOUT_CLIP", "v\ufffdlte.csv"),
        ("MOTION_FILE_WITHOUT_CLIP", "wand.csv"),
    ]
    assert [i.found for i in report.issues] == ["turn.fbx", "take 9", "v\ufffdlte", "a clip of the board"]
    assert report.issues[0].expected == "turn.bvh, .c3d, .trc or .csv"
    assert report.ok


def test_a_file_that_cannot_be_read_is_named_and_the_others_used(tmp_path: Path) -> None:
    session = described(tmp_path, extra='[[clip]]\nid = "turn"\nlight = "light1"\n')
    files = write(WALK, "bvh", tmp_path / "suit")
    (files / "turn.bvh").write_text("HIERARCHY\nROOT Hips\n{\n")
    captured, report = record_session(session, files)
    assert list(captured) == ["walk"]
    assert (only(report).code, only(report).where) == ("MOTION_FILE_UNREADABLE", "clips/turn")
    assert only(report).found.startswith("turn.bvh: ")
    page = (session.derived("motion") / "report.html").read_text(encoding="utf-8")
    assert "Her movement cannot be used as it is in turn; in order: walk" in page
    assert page.index("<h2>turn</h2>") < page.index("<h2>walk</h2>")  # what is wrong comes first


def test_a_bvh_whose_way_is_not_on_the_root_is_refused(session: SessionFolder, tmp_path: Path) -> None:
    files = write(WALK, "bvh", tmp_path / "suit")
    lines = (files / "walk.bvh").read_text().splitlines()
    start = lines.index("MOTION")
    body = ["    " + line for line in lines[1:start]]
    body[0] = body[0].replace("ROOT", "JOINT")
    top = ["ROOT Reference", "{", "  OFFSET 0 0 0", "  CHANNELS 3 Zrotation Xrotation Yrotation"]
    moved = [f"0 0 0 {line}" for line in lines[start + 3 :]]
    text = "\n".join([lines[0], *top, *body, "}", *lines[start : start + 3], *moved])
    (files / "walk.bvh").write_text(text + "\n")
    _, report = record_session(session, files)
    assert only(report).code == "MOTION_FILE_UNREADABLE"
    way = np.linalg.norm(WALK.root - np.median(WALK.root, axis=0), axis=1).max()
    assert f"a joint leaves its bone by {way:.2f} m; export it with the way she goes on the root" in only(report).found


def test_without_the_library_of_c3d_nothing_is_touched(
    session: SessionFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_session(session, write(WALK, "bvh", tmp_path / "suit"))
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "walk.c3d").write_bytes(b"\x02P")
    with pytest.raises(ValueError, match=r"C3D needs ezc3d, which is not installed; install likeness\[movement\]"):
        record_session(session, tmp_path / "lab")
    assert store.changed(store.read(session.derived("motion"), "motion")) == []


def test_what_is_too_short_has_no_skeleton(session: SessionFolder, tmp_path: Path) -> None:
    short = MotionClip(WALK.skeleton, WALK.rotations[:20], WALK.root[:20], FPS)
    for kind in ("bvh", "csv"):
        folder = tmp_path / kind
        _, report = record_session(session, write(short, kind, folder))
        assert said(report) == [("MOTION_NO_SKELETON", "clips/walk")]
        assert only(report).found == "20 of 20 frames at 60 a second"
        assert not (session.derived("motion") / "walk.bvh").exists()
        assert (session.derived("motion") / "walk.npz").exists()


def test_a_joint_that_is_never_known_leaves_a_track(session: SessionFolder, tmp_path: Path) -> None:
    (tmp_path / "suit").mkdir()
    write_trc(gone(WALK, "hip_left", (0, len(WALK))), tmp_path / "suit" / "walk.trc")
    captured, report = recorded(session, tmp_path / "suit")
    assert said(report) == [("MOTION_JOINT_NOT_SEEN", "clips/walk"), ("MOTION_NO_SKELETON", "clips/walk")]
    assert captured.fitted is None
    assert '<svg class="plot walk"' in (session.derived("motion") / "report.html").read_text(encoding="utf-8")


def test_clips_of_an_earlier_run_do_not_stay_among_these(tmp_path: Path) -> None:
    session = described(tmp_path, extra='[[clip]]\nid = "turn"\nlight = "light1"\n')
    record_session(session, write(WALK, "bvh", tmp_path / "one"))
    _, report = record_session(session, write(ANOTHER, "bvh", tmp_path / "two", "turn"))
    assert report.facts["clips_removed"] == "walk"
    assert sorted(p.name for p in session.derived("motion").glob("*.bvh")) == ["turn.bvh"]
    assert "walk.bvh" not in store.read(session.derived("motion"), "motion").inputs


def test_without_her_consent_nothing_is_written(tmp_path: Path) -> None:
    session = described(tmp_path, acts='"dataset", ')
    with pytest.raises(ConsentRefused, match="it does not allow 'ingest'"):
        record_session(session, write(WALK, "bvh", tmp_path / "suit"))
    assert not session.derived("motion").exists()
    session.vault.consent_file("p001", "c001").unlink()
    with pytest.raises(ConsentRefused, match="consent refused"):
        record_session(session, tmp_path / "suit")


def test_what_is_left_without_a_file_or_has_two_is_refused(session: SessionFolder, tmp_path: Path) -> None:
    files = write(WALK, "bvh", tmp_path / "suit", "take1")
    with pytest.raises(IncompleteInput, match=r"file of no clip \(found take1.bvh\); name them as walk.bvh, walk.c3d"):
        record_session(session, files)
    write(WALK, "csv", write(WALK, "bvh", files))
    with pytest.raises(ValueError, match="clip 'walk' has 2 files, walk.bvh and walk.csv; leave the one that counts"):
        record_session(session, files)
    store.write_atomic(session.toml, session_toml(takes=1))
    with pytest.raises(IncompleteInput, match=r"no clip of her in motion; describe each take as a \[\[clip\]\]"):
        record_session(session, files)
    assert not session.derived("motion").exists()


def test_walks_of_the_cmu_database(session: SessionFolder, tmp_path: Path, data_dir: Path) -> None:
    path = data_dir / "motion" / "cmu" / "007_01.bvh"
    if not path.is_file():
        pytest.skip(f"no file at {path}")
    (tmp_path / "suit").mkdir()
    (tmp_path / "suit" / "walk.bvh").symlink_to(path)
    captured, report = recorded(session, tmp_path / "suit", Reading(drop_first=True))
    assert said(report) == []
    facts = facts_of(report)
    assert (facts["frames"], facts["fps"]) == (len(read_bvh(path)) - 1, 60.0)
    assert captured.contacts is not None
    assert 0.3 < captured.contacts.left.mean() < 0.75
    assert 0.3 < captured.contacts.right.mean() < 0.75
    assert isinstance(facts["leg_m"], float)
    assert 0.75 < facts["leg_m"] < 1.0


@pytest.mark.parametrize("name", ["Gait.c3d", "cmu_02_01.c3d", "walk.trc"])
def test_markers_of_laboratories_are_no_joints(
    session: SessionFolder, tmp_path: Path, data_dir: Path, name: str
) -> None:
    path = data_dir / "motion" / "markers" / name
    if not path.is_file():
        pytest.skip(f"no file at {path}")
    if path.suffix == ".c3d":
        pytest.importorskip("ezc3d", reason="ezc3d is not installed; install likeness[movement]")
    (tmp_path / "suit").mkdir()
    (tmp_path / "suit" / f"walk{path.suffix}").symlink_to(path)
    captured, report = record_session(session, tmp_path / "suit")
    assert captured == {}
    assert only(report).code == "MOTION_JOINT_MISSING"
    assert only(report).found.startswith("no pelvis, chest, neck, shoulder_left")
