"""What the loop reads at every step, prepared once: latents, conditions and mark weights of every training picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture.images import read_image
from training.bases.protocol import Base, Condition
from training.dataset.frames import Split, TwinDataset
from training.losses import MarkSpot, mark_weights


@dataclass(frozen=True)
class Cached:
    """Tensors over the N pictures of one split, in the order of the data set."""

    latents: Tensor  # (N, C, h, w)
    condition: Condition
    weights: Tensor  # (N, h, w), mean 1 in each picture

    def __len__(self) -> int:
        return len(self.latents)


def prepare(dataset: TwinDataset, base: Base, *, mark_weight: float) -> Cached:
    """Encode the training pictures. Raises ValueError when there are none or they do not have the base's size.

    Pictures are never mirrored: a mark on her left would be learned on her right.
    """
    frames = dataset.of(Split.TRAIN)
    if not frames:
        raise ValueError("data set has no training pictures; hold back fewer cameras and lights")
    size, stride = base.spec.pixels, base.spec.latent_stride
    pictures = np.stack([read_image(dataset.picture(f)) for f in frames])
    if pictures.shape[1:3] != (size, size):
        raise ValueError(
            f"data set has pictures of {pictures.shape[1:3]} px, the base wants {size}; set dataset.pixels"
        )
    latents = torch.cat([base.encode_images(part) for part in as_tensor(pictures).split(32)])
    maps = as_tensor(np.stack([read_image(dataset.body_map(f)) for f in frames]))
    condition = base.encode_conditions([f.text for f in frames], [(f.view, f.lighting) for f in frames], maps)
    weights = [
        mark_weights(
            [MarkSpot(m.u, m.v, m.radius_px) for m in f.marks if m.visible],
            pixels=size,
            stride=stride,
            weight=mark_weight,
        )
        for f in frames
    ]
    return Cached(latents, condition, torch.stack(weights).to(latents.device))


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures (N, H, W, 3) BGR as the bases take them: (N, 3, H, W) RGB in [-1, 1]."""
    return torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
