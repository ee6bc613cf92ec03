"""What must not be loaded, seen in a process of its own: the ground floor without torch, training without Open3D."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "peft", "accelerate", "diffusers", "transformers", "open3d")

# `find_spec`, not the `find_module` that Python 3.12 and later no longer call.
BLOCKER = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")
        return None
sys.meta_path.insert(0, Blocker())
"""


def run(code: str, *, blocked: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run code from the root of the house, with some packages made impossible to import."""
    program = (BLOCKER.format(blocked=blocked) if blocked else "") + code
    return subprocess.run(
        [sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("module", ["capture.ingest", "capture.validate", "calibration.rig", "scripts.cli"])
def test_heavy_libraries_stay_out(module: str) -> None:
    done = run(f"import sys, {module}\nprint([m for m in {HEAVY!r} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_command_loads_no_numbers_until_a_verb_runs() -> None:
    done = run(
        "import sys\nfrom scripts.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('numpy', 'cv2', 'scipy', 'av', 'torch') if m in sys.modules])"
    )
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


@pytest.mark.parametrize("package", ["torch", "open3d"])
def test_the_blocker_blocks(package: str) -> None:
    done = run(f"import {package}", blocked=(package,))
    assert done.returncode == 1
    assert f"{package} is blocked" in done.stderr


def test_ingest_works_without_torch_and_open3d(tmp_path: Path) -> None:
    done = run(TINY_SHOOT.format(folder=str(tmp_path)), blocked=HEAVY)
    assert done.stdout.strip() == "usable 1", done.stdout + done.stderr


def test_training_imports_without_open3d() -> None:
    done = run("import training.loop, training.render, training.compare", blocked=("open3d",))
    assert done.returncode == 0, done.stderr


TINY_SHOOT = """
import datetime as dt
from pathlib import Path
import numpy as np
from capture.admission import Papers
from capture.images import encode_jpeg
from capture.ingest import ingest
from capture.store import write_atomic
from capture.vault import Vault
folder = Path({folder!r})
shoot = folder / "shoot"
noise = np.random.default_rng(0).integers(40, 200, (48, 64, 3), dtype=np.uint8)
write_atomic(shoot / "stills/take1/key/cam01.jpg", encode_jpeg(noise, 95))
write_atomic(shoot / "session.toml", '''
format = 1
[session]
id = "tiny"
person = "p1"
consent = "c1"
date = 2026-01-02
[[camera]]
id = "cam01"
width = 64
height = 48
[[light]]
id = "key"
azimuth_deg = 0
elevation_deg = 30
[[take]]
id = "take1"
[calibration]
plates = false
''')
write_atomic(shoot / "consent.toml", '''
id = "c1"
person = "p1"
scope = "a twin"
purpose = "a test"
rate_of_pay = "one euro"
valid_from = 2026-01-01
valid_until = 2026-12-31
acts = ["ingest"]
separate_document = true
adult = true
signed_on = 2026-01-01
''')
validated, report = ingest(shoot, Vault(folder / "vault"), papers=Papers(day=dt.date(2026, 1, 2)))
print("usable", len(validated.originals))
"""
