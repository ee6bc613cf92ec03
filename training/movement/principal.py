"""Where the training of a base begins: at the principal components of what people do in the few frames of a token.

People move smoothly, so that of the 464 numbers of four frames 128 components hold 99.8 % of the variance. A base that
starts without them needs hundreds of steps to find them, and blurs every fast joint until it has.
"""

from __future__ import annotations

import torch

from training.movement.base import MovementBase
from training.movement.windows import Windows

_LEAST = 1e-6  # of the variance along an axis: less is rounding


@torch.no_grad()
def start_at_principal(model: MovementBase, windows: Windows) -> None:
    """Set a fresh base's components by windows, whose ways may be left open in part.

    Raises ValueError for fewer whole tokens than a token has numbers.
    """
    asked = windows.asked
    along = model.along(asked.path * ~asked.path_open[:, None, None], asked.path_open)
    whole = model.patched(asked.mask[..., None]).all(dim=2)
    tokens = model.patched(model.normalised(windows.rows) - along)[whole].double()
    if len(tokens) <= tokens.shape[1]:
        raise ValueError(f"{len(tokens)} tokens do not tell {tokens.shape[1]} components; draw more windows")
    centre = tokens.mean(dim=0)
    variance, axes = torch.linalg.eigh((tokens - centre).T @ (tokens - centre) / len(tokens))
    model.centre.copy_(centre)
    model.axes.copy_(axes.T)
    model.variance.copy_(variance.clamp(min=_LEAST))
