"""The verified copy, killed anywhere: nothing half-written has a final name, and a second run completes it."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from capture.custody.items import Item
from capture.custody.journal import journal_path
from capture.custody.offload import Offload, offload, read_journal
from capture.vault import SessionFolder

HOUSE = Path(__file__).resolve().parents[1]
KILLS = 20
# The call of the system before which the process kills itself; 0 lets it end and prints how many there were.
CHILD = """
import itertools, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from capture.custody.items import Item
from capture.custody.offload import offload
from capture.vault import SessionFolder

base, last, calls = Path(sys.argv[2]), int(sys.argv[3]), itertools.count(1)
def counted(function):
    def call(*arguments, **named):
        if next(calls) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call
for name in ("readv", "write", "fsync", "open", "unlink", "utime", "mkdir", "rename", "replace"):
    setattr(os, name, counted(getattr(os, name)))
card = base / "card"
names = sorted(p.relative_to(card).as_posix() for p in card.rglob("*.jpg"))
load = [Item(name, card / name, "card", name, f"card/card/{name}") for name in names]
disks = [SessionFolder(base / name / "session") for name in ("vault", "backup")]
copies = offload(load, disks[0], also={"backup": disks[1]}, cards={"card": card})
assert copies.issues == (), copies.issues
print(next(calls) - 1)
"""


def build(base: Path) -> None:
    """Twelve small files and one of two blocks."""
    for number in range(13):
        path = base / "card" / f"stills/a/key/cam{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = hashlib.sha256(bytes([number])).digest()
        path.write_bytes(seed * (150_000 if number == 6 else 200 * number + 1))


def run(base: Path) -> Offload:
    """Copy the card of `base` to two disks, in this process."""
    card = base / "card"
    names = sorted(p.relative_to(card).as_posix() for p in card.rglob("*.jpg"))
    load = [Item(name, card / name, "card", name, f"card/card/{name}") for name in names]
    return offload(load, disk(base, "vault"), also={"backup": disk(base, "backup")}, cards={"card": card})


def disk(base: Path, name: str) -> SessionFolder:
    return SessionFolder(base / name / "session")


def child(base: Path, last: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(HOUSE), str(base), str(last)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def finished(folder: SessionFolder) -> dict[str, tuple[int, int]]:
    """Inode and time of every file that has a final name."""
    files = [p for p in folder.originals.rglob("*") if p.is_file()]
    return {p.relative_to(folder.originals).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns) for p in files}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls a whole copy makes; the copy that is not killed ends well."""
    base = tmp_path_factory.mktemp("whole")
    build(base)
    done = child(base, 0)
    assert done.returncode == 0, done.stderr
    assert len(finished(disk(base, "backup"))) == 13
    return int(done.stdout)


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_anywhere_the_next_run_completes(tmp_path: Path, calls: int, number: int) -> None:
    build(tmp_path)
    # One kill in each twentieth of the copy.
    last = 1 + int(calls * (number + random.Random(number).random()) / KILLS)
    killed = child(tmp_path, last)
    assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr  # threads: a copy may take some calls less
    before = {name: finished(disk(tmp_path, name)) for name in ("vault", "backup")}
    for name, files in before.items():
        for logical in files:
            held = (disk(tmp_path, name).originals / logical).read_bytes()
            assert held == (tmp_path / "card" / logical).read_bytes()
    journalled = {name: set(read_journal(disk(tmp_path, name))) for name in before}
    assert run(tmp_path).issues == ()
    for name, files in before.items():
        after = finished(disk(tmp_path, name))
        assert len(after) == 13
        assert {logical: after[logical] for logical in files} == files  # none was copied again
        assert journalled[name] <= set(files)  # no line without its file
        assert sorted(p.name for p in disk(tmp_path, name).root.iterdir()) == ["originals", "originals.jsonl"]
        assert len(journal_path(disk(tmp_path, name)).read_text().splitlines()) >= 13
    assert run(tmp_path).wrote is False


def test_the_kill_is_real(tmp_path: Path, calls: int) -> None:
    build(tmp_path)
    assert child(tmp_path, calls // 2).returncode == -signal.SIGKILL
    assert 0 < len(finished(disk(tmp_path, "vault"))) < 13
    assert os.listdir(disk(tmp_path, "vault").root / "incoming")
