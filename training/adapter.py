"""The adapters a base can be given: LoRA, DoRA, OFT, LoKr; how each is attached, switched off, saved and loaded.

LoRA and DoRA go through the base family's own file, which other programs read. diffusers refuses OFT and LoKr there
("Invalid LoRA checkpoint"), so that these are kept as PEFT's own tensors, with what is needed to build them again in
the header of the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from diffusers.loaders import PeftAdapterMixin
from peft import LoKrConfig, LoraConfig, OFTConfig, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import nn

from capture.errors import IncompleteInput
from capture.issues import JsonObject
from capture.store import write_atomic
from training.bases.protocol import Base
from training.recipe import AdapterKind

PEFT_FILE = "adapter.safetensors"
_NAME = "default"  # diffusers collates the metadata of the adapter of this name only
_FAMILYS_OWN = (AdapterKind.LORA, AdapterKind.DORA)


def targets(denoiser: nn.Module) -> list[str]:
    """Every linear layer of every block, by name: attention and MLP of all streams, but no embedding and no head."""
    blocks = [f"{name}." for name, child in denoiser.named_children() if isinstance(child, nn.ModuleList)]
    return [
        name
        for name, module in denoiser.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(tuple(blocks))
    ]


def attach(base: Base, kind: AdapterKind, *, rank: int, alpha: int, seed: int) -> list[nn.Parameter]:
    """Attach a fresh adapter to a base that has none; returns the parameters to train."""
    if kind is AdapterKind.LORA:
        return base.attach(rank=rank, alpha=alpha, seed=seed)
    torch.manual_seed(seed)
    _add(base, kind, rank=rank, alpha=alpha, names=targets(base.denoiser))
    return [p for p in base.denoiser.parameters() if p.requires_grad]


def save_adapter(base: Base, folder: Path, kind: AdapterKind, metadata: JsonObject) -> Path:
    """Write the attached adapter into a folder; returns its file. `metadata` goes into the header."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind in _FAMILYS_OWN:
        return base.save_adapter(folder, metadata)
    config = cast("dict[str, OFTConfig | LoKrConfig]", base.denoiser.peft_config)[_NAME]
    names = config.target_modules
    built: JsonObject = {"kind": kind.value, "targets": sorted(names or ())}
    built |= (
        {"rank": config.oft_block_size, "alpha": 0}
        if isinstance(config, OFTConfig)
        else {"rank": config.r, "alpha": config.alpha}
    )
    state = {k: v.detach().cpu().contiguous() for k, v in get_peft_model_state_dict(base.denoiser).items()}
    header = {f"likeness.{key}": json.dumps(value) for key, value in metadata.items()}
    path = folder / PEFT_FILE
    write_atomic(path, save(state, metadata=header | {"peft": json.dumps(built)}))
    return path


def load_adapter(base: Base, folder: Path) -> None:
    """Attach the adapter that `save_adapter` wrote to a base that has none.

    Raises IncompleteInput when the base did not take every tensor, because one that half loads changes nothing visibly.
    """
    path = folder / PEFT_FILE
    if not path.is_file():
        base.load_adapter(folder)
        return
    with safe_open(path, "pt") as stream:
        built = json.loads((stream.metadata() or {})["peft"])
    _add(base, AdapterKind(built["kind"]), rank=built["rank"], alpha=built["alpha"], names=built["targets"])
    tensors = load_file(path)
    expected = get_peft_model_state_dict(base.denoiser)
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())
        raise IncompleteInput(f"adapter {path.name} does not fit the base, first at {odd[0]}; train it for this base")
    set_peft_model_state_dict(base.denoiser, tensors)
    base.denoiser.eval().requires_grad_(False)


@contextmanager
def switched_off(denoiser: nn.Module) -> Iterator[None]:
    """The base alone, for as long as the context lasts."""
    layers = [module for module in denoiser.modules() if isinstance(module, BaseTunerLayer)]
    trained = [p for layer in layers for p in layer.parameters() if p.requires_grad]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for parameter in trained:  # PEFT takes the gradient away with the adapter
            parameter.requires_grad_(True)


def _add(base: Base, kind: AdapterKind, *, rank: int, alpha: int, names: list[str]) -> None:
    config: LoraConfig | OFTConfig | LoKrConfig
    if kind is AdapterKind.OFT:
        config = OFTConfig(r=0, oft_block_size=rank, target_modules=names)
    elif kind is AdapterKind.LOKR:
        config = LoKrConfig(r=rank, alpha=alpha, target_modules=names)
    else:
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, use_dora=kind is AdapterKind.DORA)
    denoiser = cast(PeftAdapterMixin, base.denoiser)
    denoiser.add_adapter(config, adapter_name=_NAME)
