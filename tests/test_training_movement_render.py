"""A clip drawn as an artefact: films read back, what they say of themselves, and consent before anything is written."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import CONSENT, session_toml

from capture import consent, store
from capture.errors import ConsentRefused
from capture.images import read_image
from capture.motion.bvh import read_bvh, write_bvh
from capture.motion.clip import MotionClip
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from capture.vault import SessionFolder, Vault
from capture.video import probe, read_frames
from scripts.cli import main
from training.disclose import TRAINED_MEDIA, label, read_disclosure
from training.movement.rendering.figure import stick_frames
from training.movement.rendering.film import disclosure_file, write_film
from training.movement.rendering.produce import Look, MovementSet, Origin, clip_digest, render_movement, thinned
from training.movement.rendering.shot import Angle, shot_of

WALKER = make_person(3)
TINY = Look(stick=Angle(96, 64, 62.0), body=Angle(48, 64), person=WALKER)
ORIGIN = Origin("twin1", "ab" * 32)
FRAMES = 4


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    vault = Vault(tmp_path / "vault")
    folder = vault.session("p001", "s001")
    store.write_atomic(folder.toml, session_toml())
    store.write_atomic(vault.consent_file("p001", "c001"), CONSENT)
    return folder


def walk(frames: int = FRAMES, fps: float = 24.0) -> MotionClip:
    return stage_clip(WALKER, seconds=frames / fps, fps=fps, travel=True)


def drawn(session: SessionFolder, clip: MotionClip | None = None) -> MovementSet:
    return render_movement(session, clip or walk(), name="walk1", origin=ORIGIN, look=TINY)[0]


def withdraw(session: SessionFolder) -> None:
    text = CONSENT + f"withdrawn_on = {dt.date(2024, 1, 1)}\n"
    store.write_atomic(session.vault.consent_file("p001", "c001"), text)


def test_a_clip_becomes_films_and_control_frames(session: SessionFolder) -> None:
    clip = walk()
    made = drawn(session, clip)
    assert made.folder == session.vault.renders("p001", "walk1")
    for film in made.films:
        info = probe(film)
        assert (info.frames, info.fps, info.codec) == (FRAMES, 24.0, "h264")
        assert not info.gaps
    first = next(iter(read_frames(made.folder / "stick.mp4")))[1]
    wanted = label(next(stick_frames(clip, shot_of(clip, TINY.stick))))
    assert first.shape[0] - wanted.shape[0] in (0, 1)
    assert first.shape[1] == wanted.shape[1]
    assert np.abs(first[: len(wanted)].astype(int) - wanted).mean() < 4
    other = read_image(made.folder / "pose" / "00003.png")
    assert np.abs(first[: other.shape[0], : other.shape[1]].astype(int) - other).mean() > 40  # another picture is not
    artefact = store.read(made.folder, "movement")
    names = {f"{kind}/{k:05d}.{end}" for k in range(FRAMES) for kind, end in KINDS}
    films = {"movement.bvh", "stick.mp4", "body.mp4", "stick.disclosure.json", "body.disclosure.json"}
    assert set(artefact.outputs) == names | films
    assert artefact.inputs["adapter"] == ORIGIN.adapter_digest
    assert artefact.inputs["clip"] == clip_digest(clip)
    back = read_bvh(made.bvh, unit="cm", up="y")
    np.testing.assert_allclose(back.root, clip.root, atol=1e-8)


KINDS = (("pose", "png"), ("depth", "png"), ("keypoints", "json"))


def test_every_file_says_that_it_is_generated(session: SessionFolder) -> None:
    made = drawn(session)
    for film in made.films:
        tags = probe(film).tags
        assert tags["title"] == "AI twin: generated film, not a recording. Twin twin1."
        assert tags["comment"] == f"consent=c001; twin=twin1; adapter={ORIGIN.adapter_digest}"
        said = json.loads(disclosure_file(film).read_text())
        assert said["digital_source_type"] == TRAINED_MEDIA
        assert (said["consent"], said["twin"], said["adapter_digest"]) == ("c001", "twin1", ORIGIN.adapter_digest)
        for _, picture in read_frames(film):
            strip = picture[-20:, :120].astype(int)
            assert np.median(strip) < 40  # dark paper
            assert strip.max() > 180  # and white letters, in every frame
    for kind in ("pose", "depth"):
        picture = read_image(made.folder / kind / "00000.png")
        assert picture.shape[:2] == (64, 48)  # no strip: a base reads every pixel
        found = read_disclosure(made.folder / kind / "00000.png")
        assert found is not None
        assert (found.consent, found.adapter_digest) == ("c001", ORIGIN.adapter_digest)


def test_an_unchanged_clip_is_not_drawn_again_and_a_changed_one_leaves_nothing_old(session: SessionFolder) -> None:
    drawn(session)
    _, report = render_movement(session, walk(), name="walk1", origin=ORIGIN, look=TINY)
    assert report.facts == {"skipped": True}
    made = drawn(session, walk(2))
    assert made.frames == 2
    assert sorted(p.name for p in (made.folder / "pose").iterdir()) == ["00000.png", "00001.png"]


def test_without_her_consent_nothing_is_written(session: SessionFolder) -> None:
    withdraw(session)
    with pytest.raises(ConsentRefused, match="refuses 'render' on .*: withdrawn on 2024-01-01"):
        drawn(session)
    assert not session.vault.renders("p001", "walk1").exists()
    assert not session.vault.renders("p001", "walk1").parent.exists()


def test_a_film_needs_a_permit_to_render(session: SessionFolder, tmp_path: Path) -> None:
    permit = consent.require(session.vault, "p001", "c001", act=consent.Act.TRAIN)
    with pytest.raises(ConsentRefused, match="permit is for 'train', a film needs 'render'"):
        write_film(tmp_path / "a.mp4", iter(()), 24, permit=permit, twin="", adapter_digest="")
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize(
    ("frame", "joint", "text"),
    [
        (2, 7, "in 1 of 4 frames, first the rotation of elbow_right in frame 2"),
        (1, -1, "first the place of pelvis in frame 1"),
    ],
)
def test_a_clip_with_gaps_is_named_and_nothing_is_written(
    session: SessionFolder, frame: int, joint: int, text: str
) -> None:
    clip = walk()
    if joint < 0:
        clip.root[frame, 1] = np.inf
    else:
        clip.rotations[frame, joint, 1, 1] = np.nan
    with pytest.raises(ValueError, match=f"clip has numbers that are not finite .*{text}"):
        drawn(session, clip)
    assert not session.vault.renders("p001", "walk1").exists()


def test_pictures_of_a_twin_are_not_written_over(session: SessionFolder) -> None:
    folder = session.vault.renders("p001", "walk1")
    store.write_json(folder / "renders.json", {})
    with pytest.raises(ValueError, match="set 'walk1' holds pictures of a twin; give the movement another name"):
        drawn(session)


def test_a_run_that_broke_off_is_not_finished(session: SessionFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise OSError("disk is full")

    drawn(session)
    monkeypatch.setattr("training.movement.rendering.produce.openpose_json", breaks)
    with pytest.raises(OSError, match="disk is full"):
        drawn(session, walk(3))
    folder = session.vault.renders("p001", "walk1")
    assert not (folder / "movement.json").exists()
    assert not (folder / "body.mp4").exists()
    assert not list(folder.glob(".*.part"))


@pytest.mark.parametrize(("fps", "kept", "rate"), [(60, 6, 30), (120.0005, 3, 30), (50, 6, 25), (24, 12, 24)])
def test_fast_clips_are_thinned_by_whole_numbers(fps: float, kept: int, rate: float) -> None:
    clip = thinned(walk(12, fps), 30.0)
    assert len(clip) == kept
    assert clip.fps == pytest.approx(rate, rel=1e-4)
    with pytest.raises(ValueError, match="frame rate is not positive: 0"):
        thinned(clip, 0)


def test_the_command_draws_a_file(session: SessionFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "walk.bvh"
    write_bvh(walk(2), path)
    vault = str(session.vault.root)
    words = ["--json", "render", "s001", "--movement", str(path), "--drop-first", "--vault", vault]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["report"]["facts"]["frames"] == 1
    folder = session.vault.renders("p001", "twin1-movement")
    assert said["where"] == [str(folder / "body.mp4"), str(folder / "stick.mp4"), str(folder)]
    assert probe(folder / "stick.mp4").frames == 1
