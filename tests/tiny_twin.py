"""A random base of the embedded architecture and a hand-made data set: what every test of the trainer starts from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from conftest import CONSENT, session_toml

from capture import store
from capture.issues import JsonObject
from capture.vault import SessionFolder, Vault
from training.dataset.body_map import VOXEL_M, BodyField
from training.dataset.conditions import Lighting, View, caption
from training.dataset.frames import MAPS, MASKS, Frame, MarkSeen, Split, field_file, write_metadata
from training.dataset.framing import BUST, crop_camera
from training.recipe import TrainRecipe

LIGHT = Lighting(30, 30, (1, 1, 1), 0.7, 0.2)
SHORT = TrainRecipe(
    steps=6, batch=2, rank=4, alpha=2, checkpoint_every=2, warm_up=1, validate_every=0, tracker="none", ema=0.5
)
"""A run of seconds."""


def write_base(folder: Path) -> Path:
    """A pipeline folder of the embedded architecture with random weights."""
    from training.bases.embedded import POOLED, TEXT_WIDTH, build_pipeline
    from training.bases.patch_vae import build_vae
    from training.bases.view_light import ViewLightEncoder

    words = [caption(View(0, 0, 2), LIGHT, trigger="sks", framing=BUST.name, outfit="red", backdrop="grey")]
    torch.manual_seed(0)
    pictures = np.random.default_rng(0).integers(0, 255, (4, 80, 80, 3), dtype=np.uint8)
    build_pipeline(build_vae(pictures), words, 0).save_pretrained(folder, safe_serialization=True)
    ViewLightEncoder(TEXT_WIDTH, POOLED).save(folder / "view_light")
    store.write_json(folder / "likeness.json", {"pixels": 80, "steps": 2, "licence": "none"})
    return folder


def write_session(root: Path, *, private: str = "", wide: int = 0) -> SessionFolder:
    """A session whose data set has nine crops with one mark, two held out and one for validation.

    The last `wide` to learn from are of another aspect. `private` is appended to her consent.
    """
    vault = Vault(root / "vault")
    folder = vault.session("p001", "s001")
    store.write_atomic(folder.toml, session_toml())
    store.write_atomic(vault.consent_file("p001", "c001"), CONSENT + private)
    target = folder.derived("dataset")
    rng, frames = np.random.default_rng(0), []
    for k in range(9):
        split = Split.TRAIN if k < 6 else Split.TEST if k < 8 else Split.VALIDATION
        height, width = (64, 96) if 6 - wide <= k < 6 else (80, 80)
        frame = make_frame(k, split)
        (target / split.value / MASKS).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target / split.value / f"{k}.png"), rng.integers(0, 255, (height, width, 3), np.uint8))
        cv2.imwrite(str(target / split.value / MASKS / f"{k}.png"), np.full((height, width), 255, np.uint8))
        (target / split.value / MAPS).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target / split.value / MAPS / f"{k}.png"), np.full((height, width, 3), 20 * k + 20, np.uint8))
        frames.append(frame)
    write_metadata(target, frames)
    field_file(target, "take1").parent.mkdir(parents=True, exist_ok=True)
    ball().save(field_file(target, "take1"))
    finish(folder, {"train": 6, "test": 2, "validation": 1})
    return folder


def ball() -> BodyField:
    """The body field of a ball of 20 cm below a crown at 1.63 m, who faces along x."""
    axis = np.arange(-0.3, 0.3, VOXEL_M)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = (0.2 - np.sqrt(x**2 + y**2 + z**2)).astype(np.float32)
    return BodyField(inside, np.array([-0.3, -0.3, 1.13]), np.array([0.0, 0.0, 1.63]), 0.0)


def make_frame(k: int, split: Split) -> Frame:
    """One row of the data set: a view every 40 degrees, one mark below the middle."""
    a = np.radians(40 * k)
    aim = np.array([0, 0, 1.4])
    crop = crop_camera("cam1", aim + 2.5 * np.array([np.cos(a), np.sin(a), 0.1]), aim, BUST, 80)
    view = View(40.0 * k, 5.0, 2.5)
    text = caption(view, LIGHT, trigger="sks", framing=BUST.name, outfit="red", backdrop="grey")
    seen = MarkSeen(id="m01", u=40, v=50, radius_px=3, facing_deg=20, visible=True)
    return Frame(
        file_name=f"{k}.png", mask=f"{MASKS}/{k}.png", body_map=f"{MAPS}/{k}.png", text=text,
        shot=f"stills/take1/light1/cam{k}", frame=0,
        take="take1", light="light1", camera="cam1", framing=BUST.name, crop=crop.to_json(), view=view,
        lighting=LIGHT, marks=(seen,), split=split,
    )  # fmt: skip


def finish(session: SessionFolder, used: dict[str, int]) -> None:
    """Declare the data set complete, with one more frame that was left out by name."""
    census: JsonObject = {
        "offered": sum(used.values()) + 1, "used": dict(used), "crops": dict(used),
        "left_out": [{"frame": "x", "reason": "too steep"}],
    }  # fmt: skip
    folder = session.derived("dataset")
    store.finish(folder, "dataset", consent="c001", inputs={}, settings={"trigger": "sks"}, result=census)


def adapter_of(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of an adapter's file."""
    from safetensors.torch import load_file

    return load_file(path)
