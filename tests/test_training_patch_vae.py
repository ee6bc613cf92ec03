"""The closed-form autoencoder: colours and marks come through, whatever does not fit in its components does not."""

from __future__ import annotations

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import texture
from diffusers import AutoencoderDC
from numpy.typing import NDArray

from training.bases.patch_vae import LATENT_CHANNELS, build_vae

U8 = NDArray[np.uint8]


def skins(count: int, seed: int) -> tuple[U8, list[tuple[int, int]]]:
    """Smooth coloured pictures (N, 80, 80, 3) with a dark disc of 6 px each, and its centres (column, row)."""
    rng = np.random.default_rng(seed)
    pictures, places = np.empty((count, 80, 80, 3), np.uint8), []
    for k in range(count):
        coarse = np.clip(rng.normal((190, 140, 110), 40, (4, 4, 3)), 60, 250).astype(np.float32)
        smooth = cv2.resize(coarse, (80, 80), interpolation=cv2.INTER_CUBIC)
        u, v = (int(x) for x in rng.integers(20, 60, 2))
        cv2.circle(smooth, (8 * u, 8 * v), 24, (smooth[v, u] * 0.4).tolist(), -1, lineType=cv2.LINE_AA, shift=3)
        pictures[k] = np.clip(smooth, 0, 255)
        places.append((u, v))
    return pictures, places


def through(model: AutoencoderDC, pictures: U8) -> NDArray[np.float32]:
    """Encoded and decoded pictures, 0 to 255."""
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = model.decode(model.encode(values).latent).sample
    return ((decoded + 1) * 127.5).permute(0, 2, 3, 1).numpy()


def contrast(picture: NDArray[np.float32] | U8, u: int, v: int) -> float:
    """How much darker a disc of 3 px radius is than the ring around it."""
    rows, cols = np.mgrid[:80, :80]
    away = np.hypot(cols - u, rows - v)
    grey = picture.astype(np.float32).mean(axis=-1)
    return float(grey[(away > 4.5) & (away < 7)].mean() - grey[away < 2].mean())


@pytest.fixture(scope="module")
def model() -> AutoencoderDC:
    return build_vae(skins(200, 0)[0])


def test_colours_and_marks_of_new_pictures_come_through(model: AutoencoderDC) -> None:
    pictures, places = skins(20, 1)
    again = through(model, pictures)
    assert np.abs(again - pictures).mean() < 2.5
    kept = [contrast(a, u, v) / contrast(p, u, v) for a, p, (u, v) in zip(again, pictures, places, strict=True)]
    assert np.median(kept) == pytest.approx(1, abs=0.08)
    assert min(kept) > 0.8


def test_noise_does_not_fit_in_the_components(model: AutoencoderDC) -> None:
    noise = np.random.default_rng(2).integers(0, 255, (4, 80, 80, 3), dtype=np.uint8)
    lost = through(model, noise) - noise
    # A third of the 48 numbers of a patch is kept, so two thirds of the variance of noise are lost at least.
    assert 1 - LATENT_CHANNELS / 48 < lost.var() / noise.var() < 1


def test_latents_are_centred_and_of_deviation_one(model: AutoencoderDC) -> None:
    values = torch.from_numpy(skins(50, 3)[0]).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = model.encode(values).latent * model.config.scaling_factor
    assert latents.shape == (50, LATENT_CHANNELS, 20, 20)
    assert float(latents.mean()) == pytest.approx(0, abs=0.1)
    assert float(latents.std()) == pytest.approx(1, abs=0.1)


def test_half_precision_on_disk_is_enough(model: AutoencoderDC, tmp_path: Path) -> None:
    pictures = np.stack([texture(seed) for seed in range(2)])
    copy.deepcopy(model).half().save_pretrained(tmp_path)
    loaded = AutoencoderDC.from_pretrained(tmp_path, torch_dtype=torch.float32).eval()
    with torch.no_grad():
        assert np.abs(through(loaded, pictures) - through(model, pictures)).max() < 0.5


def test_sides_must_be_whole_patches() -> None:
    with pytest.raises(ValueError, match="pictures are 80 x 82, sides must be multiples of 4"):
        build_vae(np.zeros((1, 82, 80, 3), np.uint8))
