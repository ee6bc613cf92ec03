"""The adapter of one person's movement on a frozen base: LoRA through PEFT, its file, and the proof that it works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from capture.errors import IncompleteInput
from capture.issues import JsonObject
from capture.store import write_atomic
from training.adapter import switched_off, targets
from training.movement.base import NOISE_STEPS, MovementBase, make_schedule
from training.movement.windows import Windows

ADAPTER_FILE = "adapter.safetensors"
_OURS = "likeness."
_TOLERANCE = 1e-4  # of normalised rows, between the adapter in training and the one that was read again
_LEAST_CHANGE = 1e-4  # mean, of normalised rows: less is an adapter that does nothing
_PROOF_TIME, _PROOF_SEED = 0.5, 4_711  # share of the noise steps, seed of the noise


def attach(model: MovementBase, *, rank: int, alpha: int, seed: int) -> list[nn.Parameter]:
    """Attach a fresh LoRA to q, k, v, out and the MLP of every block; returns the parameters to train.

    ValueError for a base that has one already.
    """
    _inject(model, rank=rank, alpha=alpha, seed=seed)
    return [p for p in model.parameters() if p.requires_grad]


def save_adapter(model: MovementBase, folder: Path, provenance: JsonObject) -> Path:
    """Write the attached adapter; what it was made of and with stands in the header of its file. Returns the file."""
    config = cast("dict[str, LoraConfig]", model.peft_config)["default"]
    state = {name: value.detach().cpu().contiguous() for name, value in get_peft_model_state_dict(model).items()}
    header = {f"{_OURS}{key}": json.dumps(value) for key, value in provenance.items()}
    built = {"rank": config.r, "alpha": config.lora_alpha}
    path = folder / ADAPTER_FILE
    write_atomic(path, save(state, metadata=header | {"peft": json.dumps(built)}))
    return path


def load_adapter(model: MovementBase, folder: Path) -> JsonObject:
    """Attach a saved adapter to a base that has none; returns its provenance.

    Raises IncompleteInput when the file is not whole or the base does not take every tensor of it.
    """
    path = folder / ADAPTER_FILE
    try:
        provenance = read_provenance(path)
        with safe_open(path, "pt") as stream:
            built = json.loads((stream.metadata() or {})["peft"])
        tensors = load_file(path)
    except (OSError, KeyError, ValueError, SafetensorError) as err:
        raise IncompleteInput(f"movement adapter {path.name} cannot be read: {err}; train it again") from None
    _inject(model, rank=built["rank"], alpha=built["alpha"], seed=0)
    expected = {name: value.shape for name, value in get_peft_model_state_dict(model).items()}
    if {name: value.shape for name, value in tensors.items()} != expected:
        odd = sorted(tensors.keys() ^ expected.keys()) or ["a shape"]
        raise IncompleteInput(f"movement adapter {path.name} does not fit the base, first at {odd[0]}; train it for it")
    set_peft_model_state_dict(model, tensors)
    model.eval().requires_grad_(False)
    return provenance


def read_provenance(path: Path) -> JsonObject:
    """What the header of an adapter's file says of it."""
    with safe_open(path, "pt") as stream:
        header = stream.metadata() or {}
    return {key.removeprefix(_OURS): json.loads(value) for key, value in header.items() if key.startswith(_OURS)}


@torch.no_grad()
def answers(model: MovementBase, windows: Windows) -> Tensor:
    """(B, W, ROW) normalised rows that a base makes of some windows under one fixed noise; zero beyond their mask."""
    learning = model.training
    model.eval()
    generator = torch.Generator().manual_seed(_PROOF_SEED)
    rows = model.normalised(windows.rows)
    noise = torch.randn(rows.shape, generator=generator).to(rows.device)
    time = torch.full((len(rows),), int(_PROOF_TIME * NOISE_STEPS), device=rows.device)
    noisy = cast(Tensor, make_schedule().add_noise(rows, noise, time))
    made = model(noisy, time, windows.asked) * windows.asked.mask[..., None]
    model.train(learning)
    return cast(Tensor, made)


def prove_effect(trained: MovementBase, plain: MovementBase, folder: Path, windows: Windows) -> float:
    """Load the saved adapter into a plain base: it must do what it did in training, and do something.

    Returns its mean change of the base's rows. Raises RuntimeError for an adapter that differs or changes nothing.
    """
    wanted, before = answers(trained, windows), answers(plain, windows)
    load_adapter(plain, folder)
    after = answers(plain, windows)
    frames = windows.asked.mask.sum() * wanted.shape[2]
    difference, change = float((after - wanted).abs().max()), float((after - before).abs().sum() / frames)
    if not (difference <= _TOLERANCE and change >= _LEAST_CHANGE):  # NaN fails too
        raise RuntimeError(
            f"saved movement adapter does not do what was trained: differs by {difference:.2g}, changes the base by "
            f"{change:.2g}; train it longer, or at a higher rate"
        )
    return change


def change_of(model: MovementBase, windows: Windows) -> float:
    """RMS change of a base's rows by the adapter that is attached."""
    on = answers(model, windows)
    with switched_off(model):
        off = answers(model, windows)
    return float((on - off)[windows.asked.mask].square().mean().sqrt())


def _inject(model: MovementBase, *, rank: int, alpha: int, seed: int) -> None:
    if getattr(model, "peft_config", None):
        raise ValueError("movement base has an adapter already; load a fresh base for another one")
    names = targets(model)
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, lora_dropout=0.0)
    inject_adapter_in_model(config, model, adapter_name="default")
