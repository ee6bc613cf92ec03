"""Takes as another system would bring them: stage walks in files, and a session that has nothing but its papers."""

from __future__ import annotations

from pathlib import Path

from conftest import CONSENT, session_toml

from capture import store
from capture.motion.bvh import write_bvh
from capture.motion.c3d import write_c3d
from capture.motion.clip import MotionClip
from capture.motion.joint_csv import write_joint_csv
from capture.motion.trc import write_trc
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from capture.vault import SessionFolder, Vault

FPS = 60.0
WALK = stage_clip(make_person(1), seconds=1.5, fps=FPS, travel=True)
ANOTHER = stage_clip(make_person(4), seconds=1.5, fps=FPS, travel=True)


def described(tmp_path: Path, *, extra: str = "", acts: str = "") -> SessionFolder:
    """A session with one clip, `walk`, of which there is nothing but its description and her consent."""
    vault = Vault(tmp_path / "vault")
    folder = vault.session("p001", "s001")
    store.write_atomic(folder.toml, session_toml(takes=0, clips=True, extra=extra))
    record = CONSENT.replace('"ingest", ', acts) if acts else CONSENT
    store.write_atomic(vault.consent_file("p001", "c001"), record)
    return folder


def write(clip: MotionClip, kind: str, folder: Path, name: str = "walk") -> Path:
    """A clip as a file; the folder it lies in."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{kind}"
    if kind == "bvh":
        write_bvh(clip, path)
    else:
        {"c3d": write_c3d, "trc": write_trc, "csv": write_joint_csv}[kind](clip.track, path)
    return folder
