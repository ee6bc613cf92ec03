"""Several cards in one ingest: what each holds, where it goes, and whether it may be formatted."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from conftest import CONSENT, texture

from capture.admission import Papers
from capture.custody.cards import name_cards, shown
from capture.errors import InvalidSession
from capture.images import encode_jpeg
from capture.ingest import Copying, ingest
from capture.issues import JsonObject, Report
from capture.vault import Vault

Build = Callable[..., Path]
ONE = "stills/take1/light1/cam1"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


@pytest.fixture
def two(small_session: Build, tmp_path: Path) -> tuple[Path, Path]:
    """A shoot of which the plates and one light lie on a second card."""
    first, second = small_session(), tmp_path / "second"
    for name in ("stills/take1/light3", "plates"):
        (second / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(first / name, second / name)
    return first, second


def codes(report: Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in report.issues:
        found.setdefault(item.code, []).append(item.where)
    return found


def cards_of(report: Report) -> dict[str, JsonObject]:
    return {str(card["card"]): card for card in cast("list[JsonObject]", report.facts["cards"])}


def custody(vault: Vault) -> dict[str, dict[str, object]]:
    text = (vault.session("p001", "s001").derived("ingest") / "custody.json").read_text()
    return {row["name_on_card"]: row for row in json.loads(text)["files"]}


def originals(vault: Vault) -> Path:
    return vault.session("p001", "s001").originals


def test_two_cards_and_a_backup_at_once(two: tuple[Path, Path], vault: Vault, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    copying = Copying(also=(backup,))
    validated, report = ingest(two, vault, copying=copying)
    assert report.issues == ()
    assert len(validated.originals) == 12
    assert report.facts["safe_to_format"] is True
    assert set(cards_of(report)) == {"card", "second"}
    for path in sorted(p for p in originals(vault).rglob("*") if p.is_file()):
        copy = backup / "p001" / "s001" / "originals" / path.relative_to(originals(vault))
        assert copy.read_bytes() == path.read_bytes()
    row = custody(vault)[f"{ONE}.jpg"]
    assert set(cast("dict[str, str]", row["disks"])) == {"vault", str(backup)}
    assert set(cast("dict[str, str]", row["disks"]).values()) <= {"disk", "cache"}
    assert (row["source"], row["kind"], row["card"]) == ("read once", "shot", "card")
    _, report = ingest(two, vault, copying=copying)
    assert report.facts["skipped"] is True
    assert "12 files unchanged" not in str(report.facts["safe_because"])
    assert "9" not in str(cards_of(report)["card"]["carried"])
    assert "unchanged in size and time" in str(cards_of(report)["card"]["line"])
    _, report = ingest(two, vault, copying=Copying(verify=True))
    assert "skipped" not in report.facts
    assert custody(vault)[f"{ONE}.jpg"]["source"] == "read twice"


def test_what_is_no_shot_is_carried_along(small_session: Build, vault: Vault) -> None:
    card = small_session()
    beside = {
        "timestamps.csv": b"0,1\n",
        "PRIVATE/M4ROOT/CLIP/C0001M01.XML": b"<x/>",
        "stills/take1/light1/cam1.xmp": b"<y/>",
        "stills/take1/light1/cam1.r3d": b"raw",
        "notes.jpg": encode_jpeg(texture(5)),
        ".hidden/settings": b"s",
        "empty.txt": b"",
    }
    for name, data in beside.items():
        (card / name).parent.mkdir(parents=True, exist_ok=True)
        (card / name).write_bytes(data)
    junk = (".DS_Store", "._notes.jpg", ".Trashes/501/x.jpg", "stills/Thumbs.db", ".Spotlight-V100/V", ".Trash-0/y")
    for name in junk:
        (card / name).parent.mkdir(parents=True, exist_ok=True)
        (card / name).write_bytes(b"litter")
    validated, report = ingest(card, vault)
    assert len(validated.originals) == 12
    assert report.ok
    for name, data in beside.items():
        assert (originals(vault) / "card/card" / name).read_bytes() == data
        assert custody(vault)[name]["kind"] == "carried along"
    assert sorted(p.name for p in (originals(vault) / "card/card").rglob("*") if p.is_file()) == sorted(
        Path(name).name for name in beside
    )
    line = str(cards_of(report)["card"]["line"])
    assert line.startswith("safe to format: yes, because 19 files (of these 7 no shots) on vault: ")
    assert f"{len(junk)} files of operating systems not copied, first " in line
    assert ingest(card, vault)[1].facts["skipped"] is True


def test_a_lost_side_file_forbids_formatting(small_session: Build, vault: Vault, tmp_path: Path) -> None:
    card = small_session()
    (card / "side.xml").symlink_to("gone.xml")
    (card / "out.xml").symlink_to(tmp_path / "elsewhere.xml")
    _, report = ingest(card, vault)
    assert codes(report) == {"FILE_MISSING": ["side.xml"], "PATH_ESCAPES": ["out.xml"]}
    assert cards_of(report)["card"]["line"] == "safe to format: no, because 2 files on the card only, first out.xml"


def test_a_card_of_another_shoot_is_not_taken_in(two: tuple[Path, Path], vault: Vault, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "diary.txt").write_text("private")
    _, report = ingest([*two, foreign], vault)
    assert report.ok
    assert report.facts["safe_to_format"] is False
    assert "nothing on the card belongs to this session" in str(cards_of(report)["foreign"]["line"])
    assert cards_of(report)["second"]["safe"] is True
    assert not list(originals(vault).rglob("diary*"))


def test_other_bytes_for_one_shot_are_both_kept(two: tuple[Path, Path], vault: Vault) -> None:
    first, second = two
    (second / f"{ONE}.jpg").parent.mkdir()
    (second / f"{ONE}.jpg").write_bytes(encode_jpeg(texture(50)))
    shutil.copy(first / "stills/take1/light2/cam2.jpg", second / f"{ONE}.jpg".replace("light1/cam1", "light1/cam2"))
    shutil.copy(first / "stills/take1/light1/cam2.jpg", second / "stills/take1/light1/cam2.jpg")
    _, report = ingest(two, vault)
    assert codes(report) == {"GRID_FRAME_DUPLICATE": [ONE]}
    assert (originals(vault) / f"{ONE}.jpg").read_bytes() == (first / f"{ONE}.jpg").read_bytes()
    assert (originals(vault) / f"card/second/{ONE}.jpg").read_bytes() == (second / f"{ONE}.jpg").read_bytes()
    assert not (originals(vault) / "card/second/stills/take1/light1/cam2.jpg").exists()
    assert report.facts["safe_to_format"] is True  # nothing would be lost; which of the two is right is another matter
    assert ingest(two, vault)[1].facts["skipped"] is True


def test_names_that_only_differ_in_capitals(small_session: Build, vault: Vault) -> None:
    card = small_session()
    (card / "Notes.txt").write_text("one")
    (card / "notes.txt").write_text("two")
    if (card / "Notes.txt").read_text() == "two":
        pytest.skip("the file system of the tests takes capital and small letters to be the same")
    _, report = ingest(card, vault)
    assert codes(report) == {"NAME_CASE_COLLISION": ["notes.txt"]}
    assert (originals(vault) / "card/card/Notes.txt").read_text() == "one"
    assert (originals(vault) / "card/card/notes~2.txt").read_text() == "two"


def test_cameras_that_only_differ_in_capitals(small_session: Build, vault: Vault) -> None:
    card = small_session(cameras=2)
    text = (card / "session.toml").read_text()
    (card / "session.toml").write_text(text.replace('id = "cam2"', 'id = "Cam1"'))
    for path in list(card.rglob("cam2.jpg")):
        path.rename(path.with_name("Cam1.jpg"))
    _, report = ingest(card, vault)
    assert set(codes(report)) == {"NAME_CASE_COLLISION"}
    assert len(codes(report)["NAME_CASE_COLLISION"]) == 4
    assert report.facts["safe_to_format"] is True


def test_names_that_only_differ_in_how_an_accent_is_written(small_session: Build, vault: Vault) -> None:
    card = small_session()
    composed, apart = unicodedata.normalize("NFC", "é.txt"), unicodedata.normalize("NFD", "é.txt")
    (card / composed).write_text("one")
    (card / apart).write_text("two")
    if len(list(card.glob("*.txt"))) == 1:
        pytest.skip("the file system of the tests takes both to be the same")
    _, report = ingest(card, vault)
    assert set(codes(report)) == {"NAME_NORMALISATION_COLLISION"}
    assert sorted(p.read_text() for p in (originals(vault) / "card/card").iterdir()) == ["one", "two"]


def test_names_that_are_no_text(small_session: Build, vault: Vault) -> None:
    card = small_session()
    try:
        (card / os.fsdecode(b"a\xff\n.txt")).write_text("odd")
    except OSError:
        pytest.skip("the file system of the tests takes text only")
    _, report = ingest(card, vault)
    assert report.issues == ()
    assert (originals(vault) / "card/card/a%FF%0A.txt").read_text() == "odd"
    assert ingest(card, vault)[1].facts["skipped"] is True
    assert shown("läßt 1.txt") == "läßt 1.txt"


def test_sources_can_name_a_card(two: tuple[Path, Path], vault: Vault) -> None:
    first, second = two
    for card, name in ((first, f"{ONE}.jpg"), (second, "plates/cam1.jpg")):
        (card / "DCIM").mkdir()
        (card / name).rename(card / "DCIM/_ABC0001.JPG")
    with (first / "session.toml").open("a") as stream:
        stream.write(f'[sources]\n"{ONE}" = "card/DCIM/_ABC0001.JPG"\n"plates/cam1" = "second/DCIM/_ABC0001.JPG"\n')
    validated, report = ingest(two, vault)
    assert report.issues == ()
    assert len(validated.originals) == 12


def test_a_stray_that_becomes_a_shot_is_no_duplicate(small_session: Build, vault: Vault) -> None:
    card = small_session(takes=2)
    text = (card / "session.toml").read_text()
    (card / "session.toml").write_text(text.replace('[[take]]\nid = "take2"\n', ""))
    _, report = ingest(card, vault)
    assert len(codes(report)["FILE_UNEXPECTED"]) == 9
    assert report.facts["safe_to_format"] is True
    (card / "session.toml").write_text(text)
    for _ in range(2):
        validated, report = ingest(card, vault)
        assert (report.issues, len(validated.originals)) == ((), 21)
    assert report.facts["skipped"] is True


def test_papers_of_several_cards(two: tuple[Path, Path], vault: Vault) -> None:
    first, second = two
    shutil.move(first / "consent.toml", second / "consent.toml")
    shutil.copy(first / "session.toml", second / "session.toml")
    _, report = ingest(two, vault)
    assert report.issues == ()
    assert not (originals(vault) / "card").exists()
    (second / "session.toml").write_text((first / "session.toml").read_text() + "\n# other\n")
    with pytest.raises(InvalidSession, match="those of cards card and second differ; take one of them off"):
        ingest(two, vault)
    _, report = ingest(two, vault, papers=Papers(first, second / "consent.toml"))
    assert (originals(vault) / "card/second/session.toml").is_file()
    assert (second / "consent.toml").read_text() == CONSENT


def test_cards_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "EOS DIGITAL", tmp_path / "b" / "EOS DIGITAL", tmp_path / "c" / "eos_digital"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert [card.name for card in name_cards(folders)] == ["EOS_DIGITAL", "EOS_DIGITAL-2", "eos_digital-3"]
    with pytest.raises(ValueError, match="give each card once"):
        name_cards([folders[0], folders[0]])
    with pytest.raises(ValueError, match="give each card once"):
        name_cards([folders[0], tmp_path / "a"])
    with pytest.raises(ValueError, match="is not a folder; put the card in"):
        name_cards([tmp_path / "gone"])


def test_a_further_disk_must_be_there_and_elsewhere(two: tuple[Path, Path], vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist; plug its disk in"):
        ingest(two, vault, copying=Copying(also=(tmp_path / "unplugged",)))
    with pytest.raises(ValueError, match="lies in a card or the vault"):
        ingest(two, vault, copying=Copying(also=(two[0],)))
    assert not vault.root.exists()
