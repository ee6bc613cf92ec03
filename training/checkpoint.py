"""Checkpoints: everything that the next step depends on, in one file that is there whole or not at all.

Tensors and their JSON lie in one safetensors file, written beside its name and then renamed. Nothing is pickled, so
that a checkpoint from elsewhere can do no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from capture.issues import JsonObject
from capture.store import write_atomic

_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds."""

    step: int  # steps that were done
    tensors: dict[str, Tensor]
    state: JsonObject


def write_checkpoint(folder: Path, key: str, checkpoint: Checkpoint) -> Path:
    """Write `step-<n>.safetensors` and remove all but the last two. `key` names inputs and recipe."""
    text = json.dumps({"step": checkpoint.step, "state": checkpoint.state}, allow_nan=False)
    plain = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
    path = folder / f"step-{checkpoint.step:06d}.safetensors"
    write_atomic(path, save(plain, metadata={"key": key, "state": text}))
    for old in sorted(folder.glob("step-*.safetensors"))[:-_KEPT]:
        old.unlink()
    return path


def newest(folder: Path, key: str) -> Checkpoint | None:
    """The newest checkpoint of that key; a damaged or foreign one is passed over, and what a crash left is removed."""
    for part in folder.glob(".*.part"):
        part.unlink()
    for path in sorted(folder.glob("step-*.safetensors"), reverse=True):
        try:
            with safe_open(path, "pt") as stream:
                about = stream.metadata() or {}
                if about.get("key") != key:
                    continue
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError, ValueError):
            continue  # cut short by the crash that we resume from
        content = json.loads(about["state"])
        return Checkpoint(content["step"], tensors, content["state"])
    return None


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The running state of an optimiser whose state is tensors alone, by name."""
    return {
        f"optimiser.{index}.{name}": value
        for index, entries in optimiser.state_dict()["state"].items()
        for name, value in entries.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser of the same parameters the state that `optimiser_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, entry = name.split(".")
            state.setdefault(int(index), {})[entry] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def listed(name: str, values: list[Tensor]) -> dict[str, Tensor]:
    """Tensors of a list under numbered names; cloned, because safetensors refuses shared memory."""
    return {f"{name}.{index}": value.detach().clone() for index, value in enumerate(values)}


def unlisted(name: str, tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """The list that `listed` named."""
    count = sum(key.startswith(f"{name}.") for key in tensors)
    return [tensors[f"{name}.{index}"] for index in range(count)]
