"""Prior preservation: a prompt without the trigger must go on giving what the frozen base gives.

The frozen base itself, with the adapter switched off and the same noise, is the target (differential output
preservation), so that no pictures of other people are needed. What is left of the adapter without the trigger is its
bleed, measured the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.adapter import switched_off
from training.bases.protocol import Condition
from training.losses import noised

Predict = Callable[[Tensor, Tensor, Condition], Tensor]
_LEVELS = (0.9, 0.6, 0.3)  # where bleed is measured: layout, shape, detail
_SEED = 20_231


def without_trigger(caption: str, trigger: str) -> str:
    """The caption of any person of that class: "photo of sks person, …" becomes "photo of person, …"."""
    if not trigger:
        return caption
    return re.sub(rf"(?<!\w){re.escape(trigger)}(?!\w) ?", "", caption).strip()


def prior_errors(
    predict: Predict, denoiser: nn.Module, condition: Condition, *, noisy: Tensor, sigma: Tensor
) -> Tensor:
    """How far the adapter moves each picture (B,) off the base: mean squared difference of the velocities.

    `condition` is that of the class word alone, noisy (B, C, h, w), sigma (B,).
    """
    with torch.no_grad(), switched_off(denoiser):
        target = predict(noisy, sigma, condition)
    return ((predict(noisy, sigma, condition) - target) ** 2).mean(dim=(1, 2, 3))


@dataclass(frozen=True)
class Bleed:
    """RMS change of the predicted velocity by the adapter, in units of unit-variance latents."""

    with_trigger: float
    without_trigger: float

    @property
    def share(self) -> float:
        """What the adapter does without the trigger, relative to what it does with it; 0 is none, 1 all of it."""
        return self.without_trigger / self.with_trigger if self.with_trigger else 0.0


@torch.no_grad()
def measure_bleed(
    predict: Predict, denoiser: nn.Module, latents: Tensor, conditions: tuple[Condition, Condition]
) -> Bleed:
    """Bleed over latents (B, C, h, w) with their conditions (with trigger, without), at three noise levels."""
    generator = torch.Generator().manual_seed(_SEED)
    totals = [0.0, 0.0]
    for level in _LEVELS:
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        sigma = torch.full((len(latents),), level, device=latents.device)
        noisy = noised(latents, noise, sigma)
        for which, condition in enumerate(conditions):
            with switched_off(denoiser):
                target = predict(noisy, sigma, condition)
            totals[which] += float(((predict(noisy, sigma, condition) - target) ** 2).mean())
    own, other = ((total / len(_LEVELS)) ** 0.5 for total in totals)
    return Bleed(own, other)
