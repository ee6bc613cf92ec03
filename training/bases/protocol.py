"""What training and rendering ask of a family of base models; each family is one file that answers it.

Every oddity of a family (packing of latents, sign of the prediction, text encoders) stays behind this protocol, so that
the loop never knows which base it trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from capture.issues import JsonObject

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from training.dataset.conditions import Lighting, View


@dataclass(frozen=True)
class BaseSpec:
    """What one base needs and offers."""

    family: str
    pixels: int  # side of the square pictures it makes
    latent_stride: int  # pixels per latent cell
    patch: int  # latent cells per token, each way
    steps: int  # sampler steps that it is judged with
    licence: str
    digest: str  # SHA-256 over the weights that the adapter is for
    control: bool  # whether it is steered by a control image, the body map
    body_map: str = ""  # the code of the body maps that it was trained with; empty where its card names none


@dataclass(frozen=True)
class Condition:
    """What the prediction is conditioned on, encoded: sequence (B, L, D), pooled (B, P), control latents (B, C, h, w).

    A base that takes no control image has control latents of no channels.
    """

    sequence: Tensor
    pooled: Tensor
    control: Tensor

    def select(self, rows: Tensor | slice) -> Condition:
        """The rows of an index tensor (N,) or a slice."""
        return Condition(self.sequence[rows], self.pooled[rows], self.control[rows])


class Base(Protocol):
    """A loaded base model."""

    spec: BaseSpec

    @property
    def denoiser(self) -> nn.Module:
        """The network that adapters are attached to."""

    def encode_images(self, pictures: Tensor) -> Tensor:
        """Latents (B, C, h, w), near unit variance, of pictures (B, 3, H, W) in [-1, 1], RGB."""

    def encode_conditions(
        self, captions: Sequence[str], views: Sequence[tuple[View, Lighting]], maps: Tensor
    ) -> Condition:
        """Captions, views and body maps (B, 3, H, W) in [-1, 1], RGB, as the network takes them.

        The size of the maps is that of the pictures. A base without a control image looks at nothing else of them.
        """

    def predict(self, noisy: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        """Velocity (noise minus data) (B, C, h, w) at noisy latents (B, C, h, w) and noise levels (B,) in [0, 1]."""

    def sample(self, condition: Condition, *, seeds: Sequence[int], steps: int) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1], RGB, one seed each, through the family's own pipeline."""

    def save_adapter(self, folder: Path, metadata: JsonObject) -> Path:
        """Write the attached adapter in the family's own format; returns the safetensors file."""

    def load_adapter(self, folder: Path) -> None:
        """Attach an adapter that `save_adapter` wrote."""

    def attach(self, *, rank: int, alpha: int, seed: int) -> list[torch.nn.Parameter]:
        """Attach a fresh LoRA to all linear layers of the blocks; returns its parameters."""
