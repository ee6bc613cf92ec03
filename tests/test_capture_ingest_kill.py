"""The whole ingest, killed anywhere: nothing half-made is taken for a session, and the next run completes it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from capture import store
from capture.errors import LikenessError
from capture.ingest import ingest
from capture.validate import ARTEFACT, load_validated
from capture.vault import Vault

HOUSE = Path(__file__).resolve().parents[1]
KILLS = 8
# Python says before it opens, renames, makes or removes something; at that of number argv[4] the process kills itself.
CHILD = """
import itertools, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import capture.ingest, capture.decode_all, capture.report.session_page
from capture.vault import Vault

vault, last, calls = str(Path(sys.argv[3])), int(sys.argv[4]), itertools.count(1)
def watch(event, arguments):
    touches = event in ("open", "os.rename", "os.mkdir", "os.remove") and vault in str(arguments[:2])
    if touches and next(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
capture.ingest.ingest(Path(sys.argv[2]), Vault(Path(vault)))
print(next(calls) - 1)
"""


def child(card: Path, vault: Path, last: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(HOUSE), str(card), str(vault), str(last)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_killed_anywhere_the_next_ingest_completes(small_session: Callable[..., Path], tmp_path: Path) -> None:
    card = small_session()
    whole = child(card, tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    calls = int(whole.stdout)
    expected = load_validated(Vault(tmp_path / "whole").session("p001", "s001"))
    for number in range(KILLS):
        vault = Vault(tmp_path / f"vault{number}")
        last = 1 + int(calls * (number + random.Random(number).random()) / KILLS)
        assert child(card, vault.root, last).returncode == -signal.SIGKILL
        folder = vault.session("p001", "s001")
        with pytest.raises(LikenessError):  # the manifest is written last, and nothing is read without it
            load_validated(folder)
        validated, report = ingest(card, vault)
        assert report.ok
        assert [o.sha256 for o in validated.originals] == [o.sha256 for o in expected.originals]
        assert report.issues == expected.report.issues
        assert not [path for path in vault.root.rglob("*") if path.name.endswith(".part")]
        assert store.read(folder.derived(ARTEFACT), ARTEFACT).consent == "c001"
        assert ingest(card, vault)[1].facts["skipped"] is True


def test_the_kill_is_real(small_session: Callable[..., Path], tmp_path: Path) -> None:
    killed = child(small_session(), tmp_path / "vault", 40)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "vault").is_dir()
    assert killed.stdout == ""
