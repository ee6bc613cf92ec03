"""The base that the repository carries: a folder any diffusers program reads, whose autoencoder keeps birthmarks."""

from __future__ import annotations

import json
import math
from functools import lru_cache

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderDC, FluxControlPipeline
from numpy.typing import NDArray

from capture.stage.lens import StageCamera, StageLight, look_at, pose_tuple
from capture.stage.person import make_person
from capture.stage.render import render
from capture.stage.scene import Scene, Stance
from capture.stage.truth import observe
from scripts.pretrain_appearance import FIRST_SEED
from training.bases import EMBEDDED

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

LIGHT = StageLight("key", 25, 30, intensity=0.7, ambient=0.35)
LEAST_PX = 4.0
PEOPLE = (27, 6, 23)  # of light, middle and dark skin


@lru_cache(maxsize=len(PEOPLE))
def scenes(seed: int) -> tuple[Scene, Scene]:
    """A person with and without her marks."""
    person = make_person(seed)
    bare = person
    for mark in person.marks:
        bare = bare.without_mark(mark.id)
    return Scene(person, Stance(), "black"), Scene(bare, Stance(), "black")


def bust_camera(scene: Scene, azimuth: float, pixels: int) -> StageCamera:
    """Head and shoulders, from an azimuth in degrees."""
    distance, side_m = 2.5, 0.48
    aim = np.array([0.0, 0.0, float(scene.vertices[:, 2].max()) - 0.25])
    angle = math.radians(azimuth)
    pose = look_at(aim + distance * np.array([math.cos(angle), math.sin(angle), 0.0]), aim)
    focal, middle = pixels * distance / side_m, (pixels - 1) / 2
    return StageCamera("crop", pixels, pixels, focal, focal, middle, middle, (0.0,) * 5, pose_tuple(pose))


def through(model: AutoencoderDC, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        decoded = model.decode(model.encode(values).latent).sample[0]
    return ((decoded + 1) * 127.5).permute(1, 2, 0).numpy()


def contrast(marked: NDArray[np.generic], plain: NDArray[np.generic], at: tuple[float, float], radius: float) -> float:
    """Mean change in grey levels that a mark brings inside its inner two thirds."""
    rows, cols = np.mgrid[: marked.shape[0], : marked.shape[1]]
    inside = np.hypot(cols - at[0], rows - at[1]) < max(1.0, 0.67 * radius)
    change = plain.astype(np.float64).mean(axis=2) - marked.astype(np.float64).mean(axis=2)
    return float(change[inside].mean())


def shares(pixels: int) -> tuple[list[float], list[float]]:
    """What of each mark's contrast the autoencoder keeps, and what a blur by 3 px leaves of it."""
    model = AutoencoderDC.from_pretrained(str(EMBEDDED), subfolder="vae", local_files_only=True, dtype=torch.float32)
    kept, blurred = [], []
    for seed in PEOPLE:
        marked, plain = scenes(seed)
        for azimuth in (-30, 30):
            camera = bust_camera(marked, azimuth, pixels)
            with_marks, without = (render(s, camera, LIGHT, supersample=2)[..., ::-1].copy() for s in (marked, plain))
            decoded = through(model, with_marks), through(model, without)
            soft = tuple(cv2.GaussianBlur(p, (0, 0), 3) for p in (with_marks, without))
            for found in observe(marked, camera).values():
                assert isinstance(found, dict)
                u, v = found["pixel"]
                radius = found["diameter_px"] / 2
                if not found["visible"] or 2 * radius < LEAST_PX:
                    continue
                before = contrast(with_marks, without, (u, v), radius)
                if before > 4:
                    kept.append(contrast(*decoded, (u, v), radius) / before)
                    blurred.append(contrast(*soft, (u, v), radius) / before)
    return kept, blurred


@pytest.mark.parametrize("pixels", [128, 256])
def test_marks_keep_their_contrast_through_the_autoencoder(pixels: int) -> None:
    kept, blurred = shares(pixels)
    assert len(kept) >= 10
    assert np.median(kept) >= 0.9
    assert np.quantile(kept, 0.1) >= 0.8
    # Negative control: the measure sees a loss of sharpness.
    assert np.median(blurred) < 0.9


def test_the_folder_is_a_plain_pipeline_with_a_card() -> None:
    pipe = FluxControlPipeline.from_pretrained(str(EMBEDDED), local_files_only=True, dtype=torch.float32)
    card = json.loads((EMBEDDED / "likeness.json").read_text())
    assert card["pixels"] >= 128
    facts = card["training"]
    assert facts["first_person_seed"] == FIRST_SEED > max(PEOPLE)
    assert facts["people"] >= 900
    assert facts["energy"]["kwh"] > 0
    assert pipe.transformer.config.in_channels == 2 * 4 * pipe.vae.config.latent_channels
    assert sum(path.stat().st_size for path in EMBEDDED.rglob("*") if path.is_file()) < 25e6
    assert "Its licence" in (EMBEDDED / "README.md").read_text()
