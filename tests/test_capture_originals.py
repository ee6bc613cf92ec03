"""What was stored stays: other bytes, second cards, reshoots, damage and failed runs never change an original."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import texture

from capture.custody import offload, transfer
from capture.errors import IncompleteInput
from capture.images import encode_jpeg
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


def test_originals_are_never_overwritten(small_session: Build, vault: Vault) -> None:
    card = small_session()
    before, _ = ingest(card, vault)
    kept = folder_of(vault).originals / f"{ONE}.jpg"
    old = kept.read_bytes()
    (card / f"{ONE}.jpg").write_bytes(encode_jpeg(texture(77)))
    after, report = ingest(card, vault)
    assert codes(report) == {"ORIGINAL_KEPT": [f"{ONE}.jpg"]}
    assert "~2" in report.issues[0].remedy
    assert report.facts["safe_to_format"] is False
    assert kept.read_bytes() == old
    assert [o.sha256 for o in after.originals] == [o.sha256 for o in before.originals]


def test_a_reshoot_is_used_and_the_first_is_kept(small_session: Build, vault: Vault) -> None:
    card = small_session()
    (card / f"{ONE}.jpg").write_bytes((card / f"{ONE}.jpg").read_bytes()[:900])
    _, report = ingest(card, vault)
    assert codes(report) == {"FILE_TRUNCATED": [f"{ONE}.jpg"]}
    new = encode_jpeg(texture(78))
    (card / f"{ONE}~2.jpg").write_bytes(new)
    validated, report = ingest(card, vault)
    assert report.issues == ()
    original = validated.find(Shot(ShotKind.STILL, "cam1", "take1", "light1"))
    assert original is not None
    assert original.path.read_bytes() == new
    assert (folder_of(vault).originals / f"{ONE}.jpg").stat().st_size == 900


def test_damage_in_the_vault_is_found(small_session: Build, vault: Vault) -> None:
    card = small_session()
    ingest(card, vault)
    path = folder_of(vault).originals / f"{ONE}.jpg"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    _, report = ingest(card, vault)
    assert codes(report) == {"ORIGINAL_CHANGED": [f"{ONE}.jpg"]}
    path.unlink()
    _, report = ingest(card, vault)
    assert report.issues == ()
    path.unlink()
    with pytest.raises(IncompleteInput, match="restore them from the card"):
        load_validated(folder_of(vault))
    _, report = ingest(card, vault)
    assert report.issues == ()


def test_two_cards_make_one_session(small_session: Build, vault: Vault, tmp_path: Path) -> None:
    card = small_session()
    second = tmp_path / "second"
    for name in ("stills/take1/light3", "plates"):
        (second / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(card / name, second / name)
    shutil.copy(card / "session.toml", second)
    shutil.copy(card / "consent.toml", second)
    _, report = ingest(card, vault)
    assert len(codes(report)["GRID_FRAME_MISSING"]) == 3
    validated, report = ingest(second, vault)
    assert report.issues == ()
    assert len(validated.originals) == 12


def test_a_failed_second_run_loses_nothing(small_session: Build, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    card = small_session()
    first, _ = ingest(card, vault)
    (card / "stills/take1/light1/cam1~2.jpg").write_bytes(encode_jpeg(texture(79)))

    def fail(*_: object) -> int:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(transfer.Source, "fill", fail)
        with pytest.raises(RuntimeError, match="killed"):
            ingest(card, vault)
    assert load_validated(folder_of(vault)) == first


def test_an_edited_description_is_noticed(small_session: Build, vault: Vault) -> None:
    ingest(small_session(), vault)
    with folder_of(vault).toml.open("a") as stream:
        stream.write("# a note\n")
    with pytest.raises(IncompleteInput, match="was changed after ingest"):
        load_validated(folder_of(vault))


def test_a_cut_journal_line_is_passed_over(small_session: Build, vault: Vault) -> None:
    card = small_session()
    ingest(card, vault)
    journal = offload.journal_path(folder_of(vault))
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:5]) + "\n" + lines[5][:40])
    _, report = ingest(card, vault)
    assert report.issues == ()
    records = offload.read_journal(folder_of(vault))
    assert len(records) == 12
    assert all(json.loads(line) for line in lines)
