"""The journal of the copies: one process at a time, and what torn lines and lines of an older form still say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capture.custody.items import Item
from capture.custody.journal import Journal, journal_path, read_journal
from capture.custody.offload import Offload, offload
from capture.vault import SessionFolder

NAMES = tuple(f"stills/a/key/cam{n}.jpg" for n in range(6))


@pytest.fixture
def card(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        path = tmp_path / "card" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 1000)
    return tmp_path / "card"


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    return SessionFolder(tmp_path / "vault" / "session")


def run(card: Path, folder: SessionFolder) -> Offload:
    return offload([Item(name, card / name, "card", name, f"card/card/{name}") for name in NAMES], folder)


def test_two_runs_at_once_are_refused(card: Path, folder: SessionFolder) -> None:
    with Journal(folder), pytest.raises(ValueError, match="is being written by another ingest; wait until it ends"):
        run(card, folder)
    assert run(card, folder).issues == ()


def test_a_journal_of_torn_and_old_lines_is_read(card: Path, folder: SessionFolder) -> None:
    run(card, folder)
    path = journal_path(folder)
    lines = path.read_text().splitlines()
    plain = ("logical", "name_on_card", "size", "sha256", "xxh128")
    old = json.dumps({key: value for key, value in json.loads(lines[0]).items() if key in plain})
    path.write_bytes("\n".join([old, "?\0?", *lines[1:-1], '{"lo']).encode().replace(b"?", b"\xff"))
    assert len(read_journal(folder)) == len(NAMES) - 1
    copies = run(card, folder)
    assert (copies.issues, copies.copied) == ((), 0)
    assert len(read_journal(folder)) == len(NAMES)
    assert run(card, folder).wrote is False
