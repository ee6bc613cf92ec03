"""Ingest: consent before anything, verified copies, one bad file never stops the rest, and no crash loses a thing."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CONSENT

from capture.admission import Papers
from capture.custody import blocks, place, transfer
from capture.errors import ConsentRefused, IncompleteInput, InvalidSession
from capture.ingest import ingest
from capture.issues import Report
from capture.session import Shot, ShotKind
from capture.validate import load_validated
from capture.vault import SessionFolder, Vault

Build = Callable[..., Path]
ONE = "stills/take1/light1/cam1"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def folder_of(vault: Vault) -> SessionFolder:
    return vault.session("p001", "s001")


def codes(report: Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in report.issues:
        found.setdefault(item.code, []).append(item.where)
    return found


def files_under(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file with the time of its last change and its digest."""
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_a_whole_shoot_comes_in(small_session: Build, vault: Vault) -> None:
    card = small_session(takes=2, clips=True)
    validated, report = ingest(card, vault)
    assert report.issues == ()
    assert report.facts["safe_to_format"] is True
    assert len(validated.of_kind(ShotKind.STILL)) == 18
    original = validated.find(Shot(ShotKind.STILL, "cam2", "take1", "light3"))
    assert original is not None
    data = (card / "stills/take1/light3/cam2.jpg").read_bytes()
    assert original.path.read_bytes() == data
    assert original.sha256 == hashlib.sha256(data).hexdigest()
    assert (original.width, original.height, original.frames, original.name_on_card) == (
        64, 64, 1, "stills/take1/light3/cam2.jpg",
    )  # fmt: skip
    clip = validated.find(Shot(ShotKind.CLIP, "cam1", "walk"))
    assert clip is not None
    assert (clip.frames, clip.fps, len(clip.numbers)) == (5, 25.0, 5)
    assert load_validated(folder_of(vault)) == validated
    assert not os.access(original.path, os.W_OK) or os.geteuid() == 0
    assert original.path.stat().st_mode & 0o222 == 0


def test_a_second_run_verifies_writes_nothing_and_says_so(small_session: Build, vault: Vault) -> None:
    card = small_session()
    first, _ = ingest(card, vault)
    before = files_under(vault.root)
    again, report = ingest(card, vault)
    assert report.facts["skipped"] is True
    assert files_under(vault.root) == before
    assert again == first
    _, forced = ingest(card, vault, force=True)
    assert "skipped" not in forced.facts
    assert forced.facts["copied"] == 0


@pytest.mark.parametrize(
    "change",
    [
        "adult = true>adult = false",
        "separate_document = true>separate_document = false",
        "valid_until = 2099-12-31>valid_until = 2020-12-31",
        '"ingest", >',
        'scope = "an appearance twin for stills">scope = ""',
        "rate_of_pay>rate",
        'person = "p001">person = "p002"',
        "signed_on>withdrawn_on = 2021-01-01\nsigned_on",
    ],
)
def test_refused_consent_copies_nothing(small_session: Build, vault: Vault, change: str) -> None:
    card = small_session()
    old, new = change.split(">")
    (card / "consent.toml").write_text(CONSENT.replace(old, new, 1))
    with pytest.raises(ConsentRefused):
        ingest(card, vault)
    assert not vault.root.exists()


def test_no_record_copies_nothing(small_session: Build, vault: Vault, tmp_path: Path) -> None:
    card = small_session()
    (card / "consent.toml").rename(tmp_path / "elsewhere.toml")
    with pytest.raises(ConsentRefused, match="neither in .* as consent.toml nor in the vault"):
        ingest(card, vault)
    assert not vault.root.exists()
    ingest(card, vault, papers=Papers(consent=tmp_path / "elsewhere.toml"))
    ingest(card, vault)  # the record is in the vault now


def test_a_withdrawal_in_the_vault_counts_more_than_the_card(small_session: Build, vault: Vault) -> None:
    card = small_session()
    ingest(card, vault)
    stored = vault.consent_file("p001", "c001")
    stored.write_text(CONSENT + "withdrawn_on = 2026-01-01\n")
    with pytest.raises(ConsentRefused, match="withdrawn on 2026-01-01"):
        ingest(card, vault, force=True)


def test_the_day_decides(small_session: Build, vault: Vault) -> None:
    with pytest.raises(ConsentRefused, match="it begins on 2020-01-01"):
        ingest(small_session(), vault, papers=Papers(day=dt.date(2019, 6, 1)))


def test_an_unusable_description_is_refused(small_session: Build, vault: Vault) -> None:
    card = small_session()
    (card / "session.toml").write_text("format = 1\n")
    with pytest.raises(InvalidSession, match="'session' is missing"):
        ingest(card, vault)
    assert not vault.root.exists()


def test_bad_files_are_named_and_the_rest_goes_on(small_session: Build, vault: Vault, tmp_path: Path) -> None:
    card = small_session(takes=2, clips=True)
    still = card / "stills/take1"
    (still / "light1/cam1.jpg").unlink()
    (still / "light1/cam2.jpg").write_bytes(b"")
    whole = (still / "light1/cam3.jpg").read_bytes()
    (still / "light1/cam3.jpg").write_bytes(whole[: len(whole) // 2])
    (still / "light2/cam1.jpg").write_text("I am a text")
    (still / "light2/cam2.jpg").rename(still / "light2/cam2.r3d")
    (still / "light2/cam3.png").write_bytes(b"also here")
    (still / "light3/cam1.jpg").unlink()
    (still / "light3/cam1.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "outside.jpg").write_bytes(whole)
    (still / "light3/cam2.jpg").unlink()
    (still / "light3/cam2.jpg").symlink_to(tmp_path / "outside.jpg")
    (card / "clips/walk/cam1.mp4").write_bytes((card / "clips/walk/cam1.mp4").read_bytes()[:-30])
    (card / "clips/walk/cam2.mp4").unlink()
    (card / "plates/cam3.jpg").unlink()
    (card / "notes.jpg").write_bytes(whole)
    validated, report = ingest(card, vault)
    assert codes(report) == {
        "GRID_FRAME_MISSING": [ONE],
        "FILE_EMPTY": ["stills/take1/light1/cam2.jpg"],
        "FILE_TRUNCATED": ["stills/take1/light1/cam3.jpg", "clips/walk/cam1.mp4"],
        "FILE_UNREADABLE": ["stills/take1/light2/cam1.jpg"],
        "FILE_FORMAT": ["stills/take1/light2/cam2.r3d"],
        "GRID_FRAME_DUPLICATE": ["stills/take1/light2/cam3"],
        "PATH_ESCAPES": ["stills/take1/light3/cam1.jpg", "stills/take1/light3/cam2.jpg"],
        "FILE_MISSING": ["clips/walk/cam2"],
        "PLATE_MISSING": ["plates/cam3"],
        "FILE_UNEXPECTED": ["notes.jpg"],
    }
    assert len(validated.of_kind(ShotKind.STILL)) == 18 - 7
    assert report.facts["safe_to_format"] is False
    assert "on the card only" in str(report.facts["safe_because"])


def test_a_link_inside_the_shoot_to_nothing_is_missing(small_session: Build, vault: Vault) -> None:
    card = small_session()
    (card / f"{ONE}.jpg").unlink()
    (card / f"{ONE}.jpg").symlink_to("gone.jpg")
    (card / "stills/loop").symlink_to(card / "stills")
    _, report = ingest(card, vault)
    assert codes(report) == {"FILE_MISSING": [f"{ONE}.jpg"], "FILE_UNEXPECTED": ["stills/loop"]}


def test_what_cannot_be_opened_is_named(small_session: Build, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    card = small_session()
    locked = (card / f"{ONE}.jpg").resolve()

    class Locked(blocks.Source):
        def __init__(self, path: Path) -> None:
            if path == locked:
                raise PermissionError(13, "Permission denied")
            super().__init__(path)

    monkeypatch.setattr(transfer, "Source", Locked)
    os.mkfifo(card / "plates" / "extra.jpg")  # never opened: a pipe would wait for ever
    validated, report = ingest(card, vault)
    assert codes(report) == {"READ_FAILED": [f"{ONE}.jpg"], "FILE_UNEXPECTED": ["plates/extra.jpg"]}
    assert len(validated.of_kind(ShotKind.STILL)) == 8


def test_files_that_do_not_follow_the_layout(small_session: Build, vault: Vault) -> None:
    card = small_session()
    (card / "DCIM").mkdir()
    (card / f"{ONE}.jpg").rename(card / "DCIM/_ABC0001.JPG")
    with (card / "session.toml").open("a") as stream:
        stream.write(f'[sources]\n"{ONE}" = "DCIM/_ABC0001.JPG"\n"stills/take9/light1/cam1" = "DCIM/x.jpg"\n')
    validated, report = ingest(card, vault)
    assert codes(report) == {"SESSION_FILE_INVALID": ["session.toml, sources 'stills/take9/light1/cam1'"]}
    original = validated.find(Shot(ShotKind.STILL, "cam1", "take1", "light1"))
    assert original is not None
    assert (original.name_on_card, original.path.name) == ("DCIM/_ABC0001.JPG", "cam1.jpg")


@pytest.mark.parametrize("at", ["copy", "read back", "rename"])
def test_a_crash_leaves_no_half_file_and_the_next_run_completes(
    small_session: Build, vault: Vault, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    card, calls = small_session(), 0

    def crash_at(number: int) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            raise KeyboardInterrupt

    class CrashingPart(blocks.Part):
        def write(self, block: memoryview) -> None:
            if at == "copy":
                super().write(block[:100])
                crash_at(4)
                block = block[100:]
            super().write(block)

    read_back, note = transfer.read_back, place.Place.note

    def crashing_read_back(path: Path, block: memoryview) -> object:
        if at == "read back":
            crash_at(4)
        return read_back(path, block)

    def crashing_note(self: place.Place, *args: object) -> object:
        if at == "rename":
            crash_at(4)
        return note(self, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(place, "Part", CrashingPart)
        patch.setattr(place, "read_back", crashing_read_back)
        patch.setattr(place.Place, "note", crashing_note)
        with pytest.raises(KeyboardInterrupt):
            ingest(card, vault)
    originals = folder_of(vault).originals
    done = [p for p in originals.rglob("*") if p.is_file()]
    assert len(done) >= (4 if at == "rename" else 3)
    for path in done:
        assert path.read_bytes() == (card / path.relative_to(originals)).read_bytes()
    with pytest.raises(IncompleteInput):
        load_validated(folder_of(vault))
    (folder_of(vault).root / "incoming").mkdir(exist_ok=True)
    (folder_of(vault).root / "incoming" / "9.part").write_bytes(b"left by a killed run")
    _, report = ingest(card, vault)
    assert report.issues == ()
    assert report.facts["copied"] == 12 - len(done)
    assert not (folder_of(vault).root / "incoming").exists()


def test_the_vault_may_lie_in_the_card(small_session: Build) -> None:
    card = small_session()
    vault = Vault(card / "vault")
    ingest(card, vault)
    assert ingest(card, vault)[1].facts["skipped"] is True


def test_hostile_files_never_stop_an_ingest(small_session: Build, vault: Vault, data_dir: Path) -> None:
    card = small_session()
    hostile = sorted(p for p in (data_dir / "hostile").rglob("*.*") if p.is_file())[:9]
    stills = sorted((card / "stills").rglob("*.jpg"))
    for target, path in zip(stills, hostile, strict=False):
        target.write_bytes(path.read_bytes())
    validated, report = ingest(card, vault)
    assert "INTERNAL_ERROR" not in codes(report)
    assert len(report.errors) >= len(hostile) - 1
    assert len(validated.of_kind(ShotKind.PLATE)) == 3
