"""Her clips for other programs: the same to 0.01 mm, with a note on whose they are, and nothing else replaced."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from recorded_takes import WALK, described, write

from calibration.motion.export import KINDS, NOTE, export_clips
from calibration.motion.recorded import record_session
from capture import store
from capture.errors import ConsentRefused, IncompleteInput
from capture.motion.bvh import read_bvh
from capture.motion.c3d import read_c3d
from capture.motion.canonical import CANONICAL
from capture.motion.joint_csv import read_joint_csv
from capture.motion.trc import read_trc
from capture.vault import SessionFolder


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    """A session with one clip, `walk`, that nothing was made of yet."""
    return described(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_clips_are_written_for_other_programs(session: SessionFolder, tmp_path: Path, kind: str) -> None:
    if kind == "c3d":
        pytest.importorskip("ezc3d", reason="ezc3d is not installed; install likeness[movement]")
    record_session(session, write(WALK, "bvh", tmp_path / "suit"))
    out = tmp_path / "out"
    made, report = export_clips(session, kind, out)
    assert made == (out / f"walk.{kind}",)
    assert (report.facts["person"], report.facts["consent"], report.facts["clips"]) == ("p001", "c001", 1)
    readers = {"bvh": lambda p: read_bvh(p).track, "c3d": read_c3d, "trc": read_trc, "csv": read_joint_csv}
    track = readers[kind](made[0])
    assert sorted(track.names) == sorted(CANONICAL)
    for joint in ("head", "wrist_left", "toe_right"):
        np.testing.assert_allclose(track.of(joint), WALK.track.of(joint), atol=1e-5)
    note = json.loads((out / NOTE).read_text())
    assert [note[key] for key in ("person", "session", "consent", "purpose", "valid_until")] == [
        "p001", "s001", "c001", "catalogue pictures of one season", "2099-12-31",
    ]  # fmt: skip
    assert "rate_of_pay" not in note
    assert note["files"][f"walk.{kind}"] == {
        "sha256": store.sha256_file(made[0]),
        "motion": store.read(session.derived("motion"), "motion").digest,
    }
    assert {p.name for p in out.iterdir()} == {f"walk.{kind}", NOTE}


def test_several_formats_lie_in_one_folder_and_nothing_else_is_replaced(session: SessionFolder, tmp_path: Path) -> None:
    suit = write(WALK, "bvh", tmp_path / "suit")
    record_session(session, suit)
    before = (suit / "walk.bvh").read_bytes()
    with pytest.raises(ValueError, match=r"file walk.bvh is in .* already; name an empty folder, or replace it"):
        export_clips(session, "bvh", suit)  # her own take, not ours
    assert (suit / "walk.bvh").read_bytes() == before
    assert not (suit / NOTE).exists()
    out = tmp_path / "out"
    for kind in ("csv", "trc", "csv"):
        export_clips(session, kind, out)
    assert set(json.loads((out / NOTE).read_text())["files"]) == {"walk.csv", "walk.trc"}
    (out / "walk.csv").write_text("hers, mended by hand")
    with pytest.raises(ValueError, match=r"file walk.csv is in .* already"):
        export_clips(session, "csv", out)
    export_clips(session, "csv", out, force=True)
    assert len(read_joint_csv(out / "walk.csv")) == len(WALK)


def test_without_the_library_of_c3d_nothing_is_touched(
    session: SessionFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_session(session, write(WALK, "bvh", tmp_path / "suit"))
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    with pytest.raises(ValueError, match=r"C3D needs ezc3d, which is not installed; install likeness\[movement\]"):
        export_clips(session, "c3d", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_out_is_refused(session: SessionFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(IncompleteInput, match="motion is not there or not finished"):
        export_clips(session, "trc", out)
    record_session(session, write(WALK, "bvh", tmp_path / "suit"))
    with pytest.raises(ValueError, match="format 'fbx' is none that clips are written in; choose one of bvh, trc"):
        export_clips(session, "fbx", out)
    with pytest.raises(ValueError, match="is in the vault, where nothing is changed from outside"):
        export_clips(session, "trc", session.derived("motion"))
    out.mkdir()
    (out / NOTE).write_text('{"session": "s002", "files": {}}')
    with pytest.raises(ValueError, match="holds movement of session 's002'; name another folder"):
        export_clips(session, "trc", out)
    (out / NOTE).write_text("[]")
    with pytest.raises(ValueError, match="is no note on exported clips"):
        export_clips(session, "trc", out)
    (session.derived("motion") / "walk.bvh").write_text("changed")
    with pytest.raises(IncompleteInput, match="changed since they were made, first walk.bvh"):
        export_clips(session, "trc", tmp_path / "other")
    record = session.vault.consent_file("p001", "c001")
    record.write_text(record.read_text() + "withdrawn_on = 2026-01-01\n")
    with pytest.raises(ConsentRefused, match="withdrawn on 2026-01-01"):
        export_clips(session, "trc", tmp_path / "other")
    assert not (tmp_path / "other").exists()
