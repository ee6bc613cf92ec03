"""The Flux family: flow-matching transformers in a diffusers pipeline folder, real and embedded alike.

A `FluxControlPipeline` folder is steered by a control image, whose latents stand beside the noisy ones as further
channels (FLUX.1 Depth and Canny are of this kind); a `FluxPipeline` folder goes without. A folder that also holds
`view_light/` conditions on camera and light by extra context tokens; one that does not gets them through the caption
alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import FluxControlPipeline, FluxPipeline
from diffusers.utils import logging as diffusers_logging
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from capture.issues import JsonObject
from capture.store import sha256_file, sha256_text
from training.bases.protocol import BaseSpec, Condition
from training.bases.view_light import ViewLightEncoder
from training.dataset.conditions import Lighting, View, features

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
_ENCODED = 32  # maps through the autoencoder at once
_ADAPTER = "default"  # diffusers collates the metadata of the adapter of this name only
_BLOCKS = re.compile(r"(single_)?transformer_blocks\.\d+\.")


class FluxBase:
    """A base of the Flux family, in float32 on one device."""

    def __init__(self, folder: Path, *, device: str = "") -> None:
        """Load a pipeline folder without any network, on the GPU when there is one. Raises OSError when it is none."""
        _hush()
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.folder = folder
        kind = json.loads((folder / "model_index.json").read_text())["_class_name"]
        self.controlled = kind == FluxControlPipeline.__name__
        family = FluxControlPipeline if self.controlled else FluxPipeline
        self.pipe = family.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32)
        self.pipe.set_progress_bar_config(disable=True)
        self.pipe.to(device)
        for part in (self.pipe.transformer, self.pipe.vae, self.pipe.text_encoder, self.pipe.text_encoder_2):
            part.requires_grad_(False).eval()
        view_light = folder / "view_light"
        self.view_light = ViewLightEncoder.load(view_light).to(device) if view_light.is_dir() else None
        self.device = torch.device(device)
        self.spec = self._spec()

    def _spec(self) -> BaseSpec:
        card = json.loads((self.folder / "likeness.json").read_text())
        weights = sorted(self.folder.rglob("*.safetensors"))
        digest = sha256_text("".join(sha256_file(path) for path in weights))
        stride = 2 ** (len(self.pipe.vae.config.block_out_channels) - 1)
        return BaseSpec(
            "flux", card["pixels"], stride, 2, card["steps"], card["licence"], digest, control=self.controlled,
            body_map=card.get("body_map", ""),
        )  # fmt: skip

    @property
    def denoiser(self) -> nn.Module:
        """The transformer."""
        transformer: nn.Module = self.pipe.transformer
        return transformer

    @torch.no_grad()
    def encode_images(self, pictures: Tensor) -> Tensor:
        """Latents (B, C, h, w) of pictures (B, 3, H, W) in [-1, 1]: the mean of the encoder, scaled."""
        vae = self.pipe.vae
        encoded = vae.encode(pictures.to(self.device))
        # A variational autoencoder gives a distribution, the embedded one plain latents.
        mean: Tensor = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latent
        return (mean - vae.config.shift_factor) * vae.config.scaling_factor

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] of latents."""
        vae = self.pipe.vae
        decoded: Tensor = vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample
        return (decoded / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def encode_conditions(
        self, captions: Sequence[str], views: Sequence[tuple[View, Lighting]], maps: Tensor
    ) -> Condition:
        """Text and view tokens of captions and views, and the latents of body maps, of equal number."""
        stride = self.spec.latent_stride
        if self.controlled:
            control = torch.cat([self.encode_images(part) for part in maps.split(_ENCODED)])
        else:
            control = torch.zeros(len(maps), 0, maps.shape[2] // stride, maps.shape[3] // stride, device=self.device)
        length = min(self.pipe.tokenizer_2.model_max_length, 512)
        sequence, pooled, _ = self.pipe.encode_prompt(
            prompt=list(captions), prompt_2=None, device=self.device, max_sequence_length=length
        )
        if self.view_light is None:
            return Condition(sequence, pooled, control)
        numbers = torch.stack([torch.from_numpy(features(v, light)) for v, light in views]).to(self.device)
        tokens, addition = self.view_light(numbers)
        return Condition(torch.cat([sequence, tokens], dim=1), pooled + addition, control)

    def predict(self, noisy: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        """Velocity (B, C, h, w) at noisy latents (B, C, h, w) and noise levels sigma (B,)."""
        return flux_velocity(self.denoiser, noisy, sigma, condition)

    @torch.no_grad()
    def sample(self, condition: Condition, *, seeds: Sequence[int], steps: int) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] through the diffusers pipeline, one seed each."""
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        high, wide = (side * self.spec.latent_stride for side in condition.control.shape[2:])
        result = self.pipe(
            prompt_embeds=condition.sequence,
            pooled_prompt_embeds=condition.pooled,
            height=high,
            width=wide,
            num_inference_steps=steps,
            guidance_scale=1.0,
            generator=generators,
            output_type="pt",
            # A tensor of three axes is taken for packed latents and goes to the transformer as it is.
            **({"control_image": packed(condition.control)} if self.controlled else {}),
        )
        pictures: Tensor = result.images
        return pictures.float().cpu()

    def attach(self, *, rank: int, alpha: int, seed: int) -> list[nn.Parameter]:
        """Attach a fresh LoRA to every linear layer of every block; returns its parameters."""
        targets = [
            name
            for name, module in self.denoiser.named_modules()
            if isinstance(module, nn.Linear) and _BLOCKS.match(name)
        ]
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, init_lora_weights=True)
        self.pipe.transformer.add_adapter(config, adapter_name=_ADAPTER)
        return [p for p in self.denoiser.parameters() if p.requires_grad]

    def save_adapter(self, folder: Path, metadata: JsonObject) -> Path:
        """Write the adapter as diffusers reads it, alpha and rank in its metadata, ours beside it."""
        from diffusers.training_utils import _collate_lora_metadata

        FluxPipeline.save_lora_weights(
            str(folder),
            transformer_lora_layers=get_peft_model_state_dict(self.pipe.transformer),
            safe_serialization=True,
            **_collate_lora_metadata({"transformer": self.pipe.transformer}),
        )
        return add_metadata(folder / ADAPTER_FILE, metadata)

    def load_adapter(self, folder: Path) -> None:
        """Attach a saved adapter. Raises ValueError when the transformer did not take every one of its tensors."""
        self.pipe.load_lora_weights(str(folder), weight_name=ADAPTER_FILE, adapter_name=_ADAPTER)

    def drop_adapter(self) -> None:
        """Back to the base alone."""
        self.pipe.unload_lora_weights()


def _hush() -> None:
    """Leave the terminal to our own words: progress bars of every load, and a warning that every good load prints.

    "No LoRA keys associated to CLIPTextModel" comes with each adapter that is for the transformer alone; whether an
    adapter does anything is proved after every save instead.
    """
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def packed(latents: Tensor) -> Tensor:
    """Latents (B, C, h, w) two by two as tokens (B, h / 2 * w / 2, 4 C), as the family wants them."""
    tokens: Tensor = FluxPipeline._pack_latents(latents, *latents.shape)
    return tokens


def flux_velocity(transformer: nn.Module, noisy: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
    """Velocity (B, C, h, w): the transformer on packed latents, those of the control image beside the noisy ones."""
    batch, channels, height, width = noisy.shape
    sequence = condition.sequence
    image_ids = FluxPipeline._prepare_latent_image_ids(batch, height // 2, width // 2, noisy.device, noisy.dtype)
    text_ids = torch.zeros(sequence.shape[1], 3, device=noisy.device, dtype=noisy.dtype)
    velocity: Tensor = transformer(
        hidden_states=torch.cat([packed(noisy), packed(condition.control)], dim=2),
        timestep=sigma,
        pooled_projections=condition.pooled,
        encoder_hidden_states=sequence,
        txt_ids=text_ids,
        img_ids=image_ids,
        return_dict=False,
    )[0]
    grid = velocity.reshape(batch, height // 2, width // 2, channels, 2, 2)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, height, width)


def add_metadata(path: Path, metadata: JsonObject) -> Path:
    """Add text entries to the header of a safetensors file, beside those that are there."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, "pt") as stream:
        header = dict(stream.metadata() or {})
    header |= {f"likeness.{key}": json.dumps(value) for key, value in metadata.items()}
    part = path.with_suffix(".part")
    save_file(load_file(path), part, metadata=header)
    part.replace(path)
    return path
