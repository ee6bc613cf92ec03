"""Fixtures that several rooms use: the folder of real data, and a small valid shoot of synthetic pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.images import encode_jpeg
from capture.video import write_video

SIZE = 64  # pixels

CONSENT = """\
id = "c001"
person = "p001"
scope = "an appearance twin for stills"
purpose = "catalogue pictures of one season"
rate_of_pay = "900 per day and 5 per render"
valid_from = 2020-01-01
valid_until = 2099-12-31
acts = ["ingest", "dataset", "train", "render"]
separate_document = true
adult = true
signed_on = 2020-01-01
"""


def pytest_configure() -> None:
    """PyTorch on one thread, in what tests start too: small tensors take longer on several, and workers share cores."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data, or a skip that says where it was looked for."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LIKENESS_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set LIKENESS_DATA")
    return folder


def texture(seed: int, brightness: float = 1.0) -> NDArray[np.uint8]:
    """A picture (64, 64, 3) of blocks and fine grain, different for each seed and equally sharp for all."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.uniform(70, 150, (8, 8, 3)), np.ones((8, 8, 1)))
    grain = rng.normal(0, 12, (SIZE, SIZE, 3))
    return np.clip((blocks + grain) * brightness, 0, 255).astype(np.uint8)


def session_toml(takes: int = 1, cameras: int = 3, lights: int = 3, *, clips: bool = False, extra: str = "") -> str:
    """The description of a small shoot; `extra` is appended."""
    parts = ['format = 1\n[session]\nid = "s001"\nperson = "p001"\nconsent = "c001"\ndate = 2026-01-31\n']
    parts += [f'[[camera]]\nid = "cam{n}"\nwidth = {SIZE}\nheight = {SIZE}\n' for n in range(1, cameras + 1)]
    parts += [f'[[light]]\nid = "light{n}"\nazimuth_deg = {30 * n}\nelevation_deg = 30\n' for n in range(1, lights + 1)]
    parts += [f'[[take]]\nid = "take{n}"\n' for n in range(1, takes + 1)]
    if clips:
        parts.append('[[clip]]\nid = "walk"\nlight = "light1"\n')
    return "".join([*parts, extra])


def build_session(folder: Path, *, takes: int = 1, cameras: int = 3, lights: int = 3, clips: bool = False) -> Path:
    """A complete shoot on disk: stills, plates, clips on demand, session.toml and a consent that allows all."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "session.toml").write_text(session_toml(takes, cameras, lights, clips=clips))
    (folder / "consent.toml").write_text(CONSENT)
    names = [
        f"stills/take{t}/light{x}/cam{c}.jpg"
        for t in range(1, takes + 1)
        for x in range(1, lights + 1)
        for c in range(1, cameras + 1)
    ]
    names += [f"plates/cam{c}.jpg" for c in range(1, cameras + 1)]
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(texture(seed)))
    for c in range(1, cameras + 1) if clips else ():
        write_video(folder / f"clips/walk/cam{c}.mp4", (texture(100 * c + n) for n in range(5)), 25)
    return folder


@pytest.fixture
def small_session(tmp_path: Path) -> Callable[..., Path]:
    """A builder: `small_session(takes=2, clips=True)` writes a shoot into tmp_path/card and returns the folder."""

    def build(*, takes: int = 1, cameras: int = 3, lights: int = 3, clips: bool = False) -> Path:
        return build_session(tmp_path / "card", takes=takes, cameras=cameras, lights=lights, clips=clips)

    return build
