"""Further terms of the loss, chosen by name in the recipe, and the rule that what judges a twin never trains it.

A measure that was trained on can be satisfied without being met (a face encoder that trains scores its own copies
highest), so nothing that `training.compare` judges with may become a term.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F


class AuxiliaryLoss(Protocol):
    """One further term."""

    @property
    def name(self) -> str:
        """By which the recipe asks for it."""

    @property
    def weight(self) -> float:
        """By which it is multiplied."""

    def __call__(self, estimate: Tensor, latents: Tensor, weights: Tensor) -> Tensor:
        """Loss of each picture (B,) of estimated clean latents (B, C, h, w) with the weights of their cells (B, h, w).

        Cells of weight 0 are private or of no interest and must not enter.
        """


@dataclass(frozen=True)
class LatentEdges:
    """Differences of neighbouring cells: edges that the mean squared error would rather blur."""

    weight: float
    name: str = "latent_edges"

    def __call__(self, estimate: Tensor, latents: Tensor, weights: Tensor) -> Tensor:
        error = estimate - latents
        across = F.l1_loss(error[..., 1:], error[..., :-1], reduction="none").mean(dim=1)
        down = F.l1_loss(error[..., 1:, :], error[..., :-1, :], reduction="none").mean(dim=1)
        across = across * (weights[..., 1:] * weights[..., :-1]).sqrt()
        down = down * (weights[..., 1:, :] * weights[..., :-1, :]).sqrt()
        return across.mean(dim=(1, 2)) + down.mean(dim=(1, 2))


_TERMS = {"latent_edges": LatentEdges}


@cache
def judges() -> frozenset[str]:
    """Names of everything that a comparison judges with: its measures, and the files they are in."""
    from training import compare
    from training.compare.score import ArmScore, PairScore

    rooms = {module.name for module in pkgutil.iter_modules(compare.__path__)}
    measures = {f.name for kind in (PairScore, ArmScore) for f in fields(kind)}
    shares = {name for name, value in vars(ArmScore).items() if isinstance(value, property)}
    # Encoders of faces and pictures judge elsewhere in the house, or in the agency's own hands.
    return frozenset(rooms | measures | shares | {"identity", "arcface", "adaface", "dino", "clip"})


def refuse_judges(names: Iterable[str]) -> None:
    """Raise ValueError for the name of a judge."""
    for name in names:
        if name.strip().lower().replace("-", "_").replace(" ", "_") in judges():
            raise ValueError(f"auxiliary loss {name!r} is a judge of the comparison; a judge never trains: remove it")


def terms_of(weights: dict[str, float]) -> tuple[AuxiliaryLoss, ...]:
    """The terms that a recipe asks for. Raises ValueError for a judge and for an unknown name."""
    refuse_judges(weights)
    if unknown := sorted(set(weights) - set(_TERMS)):
        raise ValueError(f"auxiliary loss {unknown[0]!r} is unknown; known are {', '.join(sorted(_TERMS))}")
    return tuple(_TERMS[name](weight) for name, weight in weights.items())


def checked(terms: Iterable[AuxiliaryLoss]) -> tuple[AuxiliaryLoss, ...]:
    """The terms themselves. Raises ValueError for one that has a judge's name or is made of a judge's code."""
    kept = tuple(terms)
    refuse_judges(term.name for term in kept)
    for term in kept:
        if type(term).__module__.startswith("training.compare"):
            raise ValueError(f"auxiliary loss {term.name!r} is code of the comparison; a judge never trains: remove it")
    return kept
