"""The peer: diffusers' DreamBooth LoRA example for Flux, rebuilt from its documented algorithm through its own API.

`examples/dreambooth/train_dreambooth_lora_flux.py` of diffusers: pictures through the autoencoder and captions through
the text encoders at every step (its latent cache is off by default, and captions of their own are encoded as they
come), noise levels drawn uniformly, an unweighted mean squared error, AdamW at a constant rate, gradients clipped at 1,
LoRA with Gaussian initialisation on attention and feed-forward layers. The control image goes beside the noisy latents,
as in `train_control_lora_flux.py`. It knows no marks, no masks and no vector of view and light.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers.training_utils import compute_density_for_timestep_sampling, compute_loss_weighting_for_sd3
from peft import LoraConfig
from torch import Tensor, nn

from capture.images import read_image
from training.bases.flux import FluxBase
from training.bases.protocol import Condition
from training.cached import as_tensor
from training.dataset.frames import Split, TwinDataset

TARGETS = (
    "attn.to_k", "attn.to_q", "attn.to_v", "attn.to_out.0", "attn.add_k_proj", "attn.add_q_proj", "attn.add_v_proj",
    "attn.to_add_out", "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
)  # fmt: skip


def plain_base(base: Path, to: Path) -> Path:
    """The base's folder as any diffusers program knows it: without our vector of view and light. Made of links."""
    to.mkdir(parents=True, exist_ok=True)
    for part in base.iterdir():
        link = to / part.name
        if part.name != "view_light" and not link.exists():
            link.symlink_to(part.resolve())
    return to


class ExampleTrainer:
    """The example's loop on a data set of ours; a step at a time, so that two loops can be timed in turns."""

    def __init__(self, base: FluxBase, dataset: TwinDataset, *, batch: int, rank: int, rate: float, seed: int) -> None:
        self.base, self.dataset, self.batch = base, dataset, batch
        self.frames = dataset.of(Split.TRAIN)
        torch.manual_seed(seed)
        transformer = base.pipe.transformer
        config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(TARGETS))
        transformer.add_adapter(config, adapter_name="default")
        self.parameters = [p for p in transformer.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.parameters, lr=rate, betas=(0.9, 0.999), weight_decay=1e-4, eps=1e-8)
        self.scheduler = base.pipe.scheduler
        self.rows = self._rows(seed)

    def _rows(self, seed: int) -> Iterator[list[int]]:
        """A shuffled pass over the pictures after another, as its data loader makes them."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            order = torch.randperm(len(self.frames), generator=generator).tolist()
            yield from (order[k : k + self.batch] for k in range(0, len(order), self.batch))

    def step(self) -> float:
        """One step of the optimiser; returns its loss."""
        frames = [self.frames[k] for k in next(self.rows)]
        pictures = as_tensor(np.stack([read_image(self.dataset.picture(f)) for f in frames]))
        maps = as_tensor(np.stack([read_image(self.dataset.body_map(f)) for f in frames]))
        latents = self.base.encode_images(pictures)
        views = [(f.view, f.lighting) for f in frames]
        condition = self.base.encode_conditions([f.text for f in frames], views, maps)
        noise = torch.randn_like(latents)
        sigma = self._sigma(len(frames)).to(latents.device)
        loss = self._loss(latents, noise, sigma, condition)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return float(loss.detach())

    def _sigma(self, count: int) -> Tensor:
        """Noise levels (count,), uniform over the scheduler's table as `--weighting_scheme none` draws them."""
        share = compute_density_for_timestep_sampling("none", count, 0.0, 1.0, 1.29)
        table: Tensor = self.scheduler.sigmas
        known = self.scheduler.config.num_train_timesteps
        return table[(share * known).long()]

    def _loss(self, latents: Tensor, noise: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        level = sigma[:, None, None, None]
        predicted = self.base.predict((1 - level) * latents + level * noise, sigma, condition)
        weighting = compute_loss_weighting_for_sd3("none", level)
        error: Tensor = weighting * (predicted - (noise - latents)) ** 2
        return error.reshape(len(error), -1).mean(dim=1).mean()
