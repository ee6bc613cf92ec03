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


@dataclass(frozen=True)
class WeightMaps:
    """What the loss weighs in each latent cell, all (B, h, w)."""

    region: Tensor  # weight of what the cell shows: body, clothes or backdrop
    marks: Tensor  # 1 where a mark of hers touches the cell
    public: Tensor  # 0 where she declared the place private, else 1

    def select(self, rows: Tensor) -> WeightMaps:
        """The rows of an index tensor (N,)."""
        return WeightMaps(self.region[rows], self.marks[rows], self.public[rows])


def spot_cells(spots: Sequence[MarkSpot], *, height: int, width: int, stride: int) -> Tensor:
    """Latent cells (h, w) that spots touch, 0 or 1. Raises ValueError where cells do not divide the crop."""
    if height % stride or width % stride:
        raise ValueError(f"crop of {width} x {height} px is not a whole number of latent cells of {stride} px")
    return F.max_pool2d(spot_pixels(spots, height=height, width=width)[None, None].float(), stride)[0, 0]


def spot_pixels(spots: Sequence[MarkSpot], *, height: int, width: int) -> Tensor:
    """Pixels (H, W), bool, that spots cover, with the ring around them."""
    rows = torch.arange(height, dtype=torch.float32)[:, None]
    columns = torch.arange(width, dtype=torch.float32)[None, :]
    covered = torch.zeros(height, width, dtype=torch.bool)
    for spot in spots:
        reach = spot.radius_px + DILATION_PX
        covered |= (rows - spot.v) ** 2 + (columns - spot.u) ** 2 <= reach**2
    return covered


def mark_weights(spots: Sequence[MarkSpot], *, pixels: int, stride: int, weight: float) -> Tensor:
    """Weight of each latent cell (h, w), mean 1, of a square crop. Raises ValueError for a weight under 1."""
    cells = spot_cells(spots, height=pixels, width=pixels, stride=stride)[None]
    flat = torch.ones_like(cells)
    return cell_weights(WeightMaps(flat, cells, flat), torch.zeros(1), mark_weight=weight)[0]


def visible_share(sigma: Tensor, signal: float) -> Tensor:
    """Share of a mark that latents at noise levels (B,) still show: (1 - s)^2 S^2 / ((1 - s)^2 S^2 + s^2).

    A mark is a known pattern of energy S^2 in unit-variance latents; under noise its amplitude can be told with exactly
    this gain (Wiener). It is 1 on clean latents and 0 in pure noise. A signal of 0 asks for no schedule and gives 1.
    """
    if signal == 0:
        return torch.ones_like(sigma)
    shown = ((1 - sigma) * signal) ** 2
    return shown / (shown + sigma**2).clamp_min(1e-12)


def cell_weights(maps: WeightMaps, sigma: Tensor, *, mark_weight: float, mark_signal: float = 0.0) -> Tensor:
    """Weights (B, h, w) at noise levels (B,): exactly 0 where private, mean 1 over the rest of each picture.

    Raises ValueError for a mark weight under 1.
    """
    if mark_weight < 1 or not math.isfinite(mark_weight):
        raise ValueError(f"mark weight must be 1 (the usual loss) or more, got {mark_weight}")
    extra = (mark_weight - 1) * visible_share(sigma, mark_signal)[:, None, None]
    weights = maps.region * (1 + extra * maps.marks) * maps.public
    total = weights.sum(dim=(1, 2), keepdim=True)
    return weights * maps.public.sum(dim=(1, 2), keepdim=True) / total.clamp_min(1e-12)


def adapter_sigma(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels (count,) in (0, 1] for one person's adapter, every second one above 0.65.

    Logit-normal levels (Esser et al. 2024) hardly ever come near pure noise (above 0.95: one in six hundred), and there
    the sampler settles who is in the picture, which for one person is what has to be learned.
    """
    return 1 - torch.rand(count, generator=generator) ** 1.5


def noised(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Noisy latents (B, C, h, w) at noise levels (B,): (1 - sigma) data + sigma noise."""
    level = sigma[:, None, None, None]
    return (1 - level) * latents + level * noise


def weighed_error(velocity: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error of each picture (B,) of velocities (B, C, h, w), weighed by cell (B, h, w)."""
    return (((velocity - target) ** 2).mean(dim=1) * weights).mean(dim=(1, 2))


def flow_matching_loss(
    predict: Callable[[Tensor, Tensor], Tensor], latents: Tensor, *, noise: Tensor, sigma: Tensor, weights: Tensor
) -> Tensor:
    """Mean squared error of the velocity at x = (1 - sigma) data + sigma noise, weighed per latent cell.

    predict takes noisy latents and noise levels; latents, noise (B, C, h, w); sigma (B,); weights (B, h, w), mean 1.
    """
    velocity = predict(noised(latents, noise, sigma), sigma)
    return weighed_error(velocity, noise - latents, weights).mean()
