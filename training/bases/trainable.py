"""A Flux pipeline whose encoders and transformer learn together: pre-training of the embedded base."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import FluxControlPipeline
from torch import Tensor, nn

from capture.issues import JsonObject
from training.bases.flux import flux_velocity
from training.bases.protocol import Condition
from training.bases.view_light import ViewLightEncoder
from training.losses import adapter_sigma, flow_matching_loss


@dataclass(frozen=True)
class Tokens:
    """Token ids of captions for both text encoders, (N, 77) and (N, T)."""

    clip: Tensor
    t5: Tensor

    def select(self, rows: Tensor) -> Tokens:
        """The rows of an index tensor."""
        return Tokens(self.clip[rows], self.t5[rows])


class TrainableBase(nn.Module):
    """All parts but the frozen autoencoder, as one module."""

    pipe: FluxControlPipeline

    def __init__(self, pipe: FluxControlPipeline, view_light: ViewLightEncoder) -> None:
        super().__init__()
        self.transformer, self.view_light = pipe.transformer, view_light
        self.text_encoder, self.text_encoder_2 = pipe.text_encoder, pipe.text_encoder_2
        object.__setattr__(self, "pipe", pipe)  # not a sub-module: it holds the frozen autoencoder too

    def tokenise(self, captions: list[str]) -> Tokens:
        """Both tokenisations, padded to full length as the pipeline pads them."""
        clip, t5 = self.pipe.tokenizer, self.pipe.tokenizer_2
        rows = [
            tok(captions, padding="max_length", max_length=tok.model_max_length, truncation=True, return_tensors="pt")
            for tok in (clip, t5)
        ]
        return Tokens(rows[0].input_ids, rows[1].input_ids)

    def loss(
        self, latents: Tensor, control: Tensor, tokens: Tokens, vectors: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Flow-matching loss of a batch of latents and control latents (B, C, h, w), captions and vectors (B, V).

        The noise levels are those of an adapter's training: a base of one framing has no layout to learn at the usual
        ones, and hardly ever sees the pure noise from which the sampler starts.
        """
        extra, addition = self.view_light(vectors)
        sequence = torch.cat([self.text_encoder_2(tokens.t5)[0], extra], dim=1)
        pooled = self.text_encoder(tokens.clip).pooler_output + addition
        noise = torch.randn(latents.shape, generator=generator)
        sigma = adapter_sigma(len(latents), generator)
        weights = torch.ones(len(latents), *latents.shape[2:])

        def predict(noisy: Tensor, level: Tensor) -> Tensor:
            return flux_velocity(self.transformer, noisy, level, Condition(sequence, pooled, control))

        return flow_matching_loss(predict, latents, noise=noise, sigma=sigma, weights=weights)

    def save(self, folder: Path, facts: JsonObject) -> None:
        """Write a pipeline folder with the view and light encoder and the training facts beside it."""
        pipe = FluxControlPipeline(
            scheduler=self.pipe.scheduler,
            vae=self.pipe.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.pipe.tokenizer,
            text_encoder_2=self.text_encoder_2,
            tokenizer_2=self.pipe.tokenizer_2,
            transformer=self.transformer,
        )
        pipe.save_pretrained(folder, safe_serialization=True)
        self.view_light.save(folder / "view_light")
        (folder / "training.json").write_text(json.dumps(facts, indent=1) + "\n")
