"""The seal that ends every ingest, and the verbs of `twin manifest`."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.admission import Papers
from capture.ingest import ingest
from capture.issues import Report
from capture.mhl.chain import FILE_NAME
from capture.mhl.manifest import FOLDER, read_manifest
from capture.mhl.verify import verify
from capture.vault import Vault
from scripts.cli import main

DAY = dt.date(2026, 1, 31)


def manifests(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*.mhl"))


def actions(path: Path) -> list[str]:
    return sorted(item.action for record in read_manifest(path)[0].files for item in record.hashes)


def verdict(folder: Path) -> list[tuple[str, str]]:
    return [(item.code, item.where) for item in verify(folder)[1].issues]


def twin(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def test_an_ingest_is_sealed(small_session: Callable[..., Path], tmp_path: Path) -> None:
    card, vault = small_session(cameras=2, lights=2), Vault(tmp_path / "vault")
    last = card / "plates/cam2.jpg"
    shutil.move(last, tmp_path / "late.jpg")

    def run() -> tuple[Path, Report]:
        validated, report = ingest(card, vault, papers=Papers(day=DAY))
        return validated.folder.originals, report

    originals, _ = run()
    assert len(manifests(originals)) == 1
    assert actions(manifests(originals)[0]) == ["original"] * 5
    assert verdict(originals) == []
    finished = originals.parent / "derived/ingest/ingest.json"
    newest = json.loads(finished.read_text())["result"]["sealed"]
    assert verify(originals, newest=newest)[1].ok
    # Nothing changed: no generation, no other file.
    before = {path: path.stat().st_mtime_ns for path in originals.parent.rglob("*")}
    assert run()[1].facts["skipped"] is True
    assert {path: path.stat().st_mtime_ns for path in originals.parent.rglob("*")} == before
    # One file more: a generation that says nothing of files that were not read.
    shutil.move(tmp_path / "late.jpg", last)
    run()
    assert len(manifests(originals)) == 2
    assert "original" in actions(manifests(originals)[1])
    assert verdict(originals) == []
    if importlib.util.find_spec("ascmhl") is not None:
        program = "from ascmhl.commands import verify; verify()"
        done = subprocess.run([sys.executable, "-c", program, str(originals)], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    # A run that was killed between manifest and chain is ended by the next one.
    second = manifests(originals)[1]
    first = (originals / FOLDER / FILE_NAME).read_text().split('  <hashlist sequencenr="2">')[0]
    (originals / FOLDER / FILE_NAME).write_text(first + "</ascmhldirectory>\n")
    assert verdict(originals) == [("MANIFEST_UNLISTED", f"{FOLDER}/{second.name}")]
    run()
    assert verdict(originals) == []
    assert len(manifests(originals)) == 2


def test_rot_is_sealed_as_failed(small_session: Callable[..., Path], tmp_path: Path) -> None:
    card, vault = small_session(cameras=1, lights=1), Vault(tmp_path / "vault")
    originals = ingest(card, vault, papers=Papers(day=DAY))[0].folder.originals
    bad = originals / "plates/cam1.jpg"
    bad.chmod(0o644)
    bad.write_bytes(bad.read_bytes()[:-2] + b"xx")
    _, report = ingest(card, vault, papers=Papers(day=DAY))
    assert "ORIGINAL_CHANGED" in {item.code for item in report.errors}
    assert "failed" in actions(manifests(originals)[-1])
    assert verdict(originals) == [("HASH_MISMATCH", "plates/cam1.jpg")]
    count = len(manifests(originals))
    ingest(card, vault, papers=Papers(day=DAY))
    assert len(manifests(originals)) == count


def test_the_verbs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "A001"
    folder.mkdir()
    (folder / "a.jpg").write_text("one")
    assert twin("manifest", "verify", str(folder)) == 10
    assert "MANIFEST_MISSING" in capsys.readouterr().out
    assert twin("manifest", "seal", str(folder), "--hash", "md5", "--author", "Ann", "--role", "DIT") == 0
    assert "1 file" in capsys.readouterr().out
    assert twin("manifest", "seal", str(folder)) == 0
    assert "already done" in capsys.readouterr().out
    assert twin("manifest", "verify", str(folder)) == 0
    assert "1 of 1 file as sealed" in capsys.readouterr().out
    (folder / "a.jpg").write_text("two")
    assert twin("manifest", "verify", str(folder)) == 10
    assert "HASH_MISMATCH" in capsys.readouterr().out
    assert twin("manifest", "check-bag", str(folder)) == 10
    assert "BAG_INVALID" in capsys.readouterr().out
    assert twin("manifest", "verify", str(tmp_path / "none")) == 2
    assert "does not exist; name the folder" in capsys.readouterr().err
