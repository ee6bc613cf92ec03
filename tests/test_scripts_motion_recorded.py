"""`twin motion --recorded` and `--write-as` as typed: from two papers on a card to her clips, and out again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import CONSENT, session_toml

from capture.errors import ConsentRefused, IncompleteInput, InvalidSession
from capture.motion.bvh import read_bvh, write_bvh
from capture.motion.canonical import canonical_track
from capture.motion.clip import JointTrack
from capture.motion.trc import read_trc, write_trc
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from capture.vault import Vault
from scripts.cli import main

CLIPS = 'action = "walk"\n[[clip]]\nid = "stroll"\nlight = "light1"\naction = "walk"\n'
WALK = stage_clip(make_person(1), seconds=3, travel=True)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


@pytest.fixture
def shoot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, ...]:
    """The end of a command line, for a session that was ingested from session.toml and consent.toml alone."""
    card = tmp_path / "card"
    card.mkdir()
    (card / "session.toml").write_text(session_toml(takes=0, clips=True, extra=CLIPS))
    (card / "consent.toml").write_text(CONSENT)
    end = ("--vault", str(tmp_path / "vault"))
    assert run("ingest", str(card), *end) == IncompleteInput.exit_code  # there are no films
    capsys.readouterr()
    return end


@pytest.fixture
def suit(tmp_path: Path) -> Path:
    """Her takes: one of a suit, one of markers with solved joints."""
    folder = tmp_path / "suit"
    folder.mkdir()
    write_bvh(WALK, folder / "walk.bvh")
    write_trc(WALK.track, folder / "stroll.trc")
    return folder


def test_recorded_takes_become_clips_and_leave_again(
    shoot: tuple[str, ...], suit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("motion", "s001", "--recorded", str(suit), *shoot) == 0
    said = capsys.readouterr().out
    assert "motion: 2 recorded clips on her skeleton: stroll, walk" in said
    assert "report.html" in said
    assert "next: look at the page, then twin train s001 --movement" in said
    made = Vault(tmp_path / "vault").session("p001", "s001").derived("motion")
    for name in ("walk", "stroll"):
        assert np.abs(canonical_track(read_bvh(made / f"{name}.bvh")).places - WALK.track.places).max() < 0.002
    # The same is not done twice, and machines hear so.
    assert run("motion", "s001", "--recorded", str(suit), "--json", *shoot) == 0
    event = json.loads(capsys.readouterr().out)
    assert event["report"]["facts"]["skipped"] is True
    assert run("motion", "s001", "--write-as", "trc", "--to", str(tmp_path / "out"), *shoot) == 0
    said = capsys.readouterr().out
    assert "2 clips written as TRC, with a note on whose they are" in said
    assert "person: p001" in said
    assert "consent: c001" in said
    track = read_trc(tmp_path / "out" / "walk.trc")
    assert np.abs(track.of("wrist_left") - WALK.track.of("wrist_left")).max() < 1e-5
    assert json.loads((tmp_path / "out" / "consent.json").read_text())["person"] == "p001"


def test_a_file_that_is_of_no_use_ends_with_an_exit_code(
    shoot: tuple[str, ...], suit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_trc(JointTrack(("LASI", "LHEE"), WALK.track.places[:, [0, 16]], 30.0), suit / "stroll.trc")
    assert run("motion", "s001", "--recorded", str(suit), *shoot) == InvalidSession.exit_code
    said = capsys.readouterr().out
    assert "MOTION_JOINT_MISSING" in said
    assert "no pelvis, chest, neck" in said
    assert "1 recorded clip on her skeleton: walk" in said


def test_two_files_of_a_clip_and_no_consent_are_one_line(
    shoot: tuple[str, ...], suit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bvh(WALK, suit / "stroll.bvh")
    assert run("motion", "s001", "--recorded", str(suit), *shoot) == 2
    assert capsys.readouterr().err.startswith("twin: clip 'stroll' has 2 files, stroll.bvh and stroll.trc; leave")
    (suit / "stroll.bvh").unlink()
    record = tmp_path / "vault" / "people" / "p001" / "consent" / "c001.toml"
    record.write_text(CONSENT.replace('"ingest", ', ""))
    for way in (("--recorded", str(suit)), ("--write-as", "csv", "--to", str(tmp_path / "out"))):
        assert run("motion", "s001", *way, *shoot) == ConsentRefused.exit_code
        assert "it does not allow 'ingest'" in capsys.readouterr().err
    assert not (tmp_path / "vault" / "people" / "p001" / "sessions" / "s001" / "derived" / "motion").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "her movement comes from --keypoints FOLDER or --recorded FOLDER; name one"),
        (["--recorded", ".", "--keypoints", "."], "--keypoints and --recorded exclude each other"),
        (["--recorded", ".", "--write-as", "csv"], "--recorded and --write-as exclude each other"),
        (["--recorded", ".", "--offset", "cam1=2"], "--offset goes with --keypoints, not with --recorded; leave it"),
        (["--recorded", ".", "--to", "x"], "--to goes with --write-as, not with --recorded"),
        (["--keypoints", ".", "--drop-first"], "--drop-first goes with --recorded, not with --keypoints"),
        (["--keypoints", ".", "--fps", "0"], "--fps goes with --recorded, not with --keypoints"),
        (["--write-as", "csv"], "--write-as needs --to FOLDER; name where the clips shall lie"),
        (["--recorded", ".", "--fps", "0"], "frame rate is not positive: 0; give --fps as frames a second"),
        (["--recorded", ".", "--unit", "yd"], "unit is unknown: 'yd'"),
    ],
)
def test_ways_that_exclude_each_other_are_one_line(
    shoot: tuple[str, ...], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("motion", "s001", *words, *shoot) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
