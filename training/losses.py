"""The loss that keeps marks: flow matching, weighed so that a birthmark of a few pixels is not lost in the mean.

A mark covers a hundredth of a picture, so the usual mean hardly notices whether it is drawn. Each visible mark is
rasterised, max-pooled to the latent grid (area pooling would fade a small mark, nearest would drop it), given a weight
above one, and the whole map is divided by its mean so that the learning rate means the same with and without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

DILATION_PX = 1.5
"""The ring around a mark belongs to it: contrast is learned against the skin beside it."""


@dataclass(frozen=True)
class MarkSpot:
    """One visible mark in a crop, pixels."""

    u: float
    v: float
    radius_px: float


def mark_weights(spots: Sequence[MarkSpot], *, pixels: int, stride: int, weight: float) -> Tensor:
    """Weight of each latent cell (h, w), mean 1, of a square crop. Raises ValueError for a weight under 1."""
    if weight < 1 or not math.isfinite(weight):
        raise ValueError(f"mark weight must be 1 (the usual loss) or more, got {weight}")
    if pixels % stride:
        raise ValueError(f"crop of {pixels} px is not a whole number of latent cells of {stride} px")
    axis = torch.arange(pixels, dtype=torch.float32)
    covered = torch.zeros(pixels, pixels, dtype=torch.bool)
    for spot in spots:
        reach = spot.radius_px + DILATION_PX
        covered |= (axis[:, None] - spot.v) ** 2 + (axis[None, :] - spot.u) ** 2 <= reach**2
    pooled = F.max_pool2d(covered[None, None].float(), stride)[0, 0]
    weights = 1 + (weight - 1) * pooled
    return weights / weights.mean()


def adapter_sigma(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels (count,) in (0, 1] for one person's adapter, every second one above 0.65.

    Logit-normal levels (Esser et al. 2024) hardly ever come near pure noise (above 0.95: one in six hundred), and there
    the sampler settles who is in the picture, which for one person is what has to be learned.
    """
    return 1 - torch.rand(count, generator=generator) ** 1.5


def flow_matching_loss(
    predict: Callable[[Tensor, Tensor], Tensor], latents: Tensor, *, noise: Tensor, sigma: Tensor, weights: Tensor
) -> Tensor:
    """Mean squared error of the velocity at x = (1 - sigma) data + sigma noise, weighed per latent cell.

    predict takes noisy latents and noise levels; latents, noise (B, C, h, w); sigma (B,); weights (B, h, w), mean 1.
    """
    level = sigma[:, None, None, None]
    velocity = predict((1 - level) * latents + level * noise, sigma)
    error = (velocity - (noise - latents)) ** 2
    return (error.mean(dim=1) * weights).mean()
