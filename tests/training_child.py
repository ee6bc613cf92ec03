"""A training run in a process of its own, that dies where a test tells it to.

Called as `training_child.py BASE VAULT TWIN RECIPE_JSON DEATH`. DEATH is "never", "step:<n>" (killed after step n) or
"write:<n>" (killed in the middle of writing the checkpoint of step n).
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
# The script's folder comes first on the path; the house is its parent.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def die() -> None:
    """As a power cut: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(base: str, vault: str, twin: str, recipe: str, death: str) -> None:
    """Train, or die on the way."""
    import torch

    from capture.vault import Vault
    from training import checkpoint
    from training.loop import train
    from training.recipe import TrainRecipe

    torch.set_num_threads(1)
    when, _, at = death.partition(":")
    whole = checkpoint.write_atomic

    def torn(path: Path, data: bytes) -> None:
        if when == "write" and path.name == f"step-{int(at):06d}.safetensors":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.{os.getpid()}.part").write_bytes(data[: len(data) // 2])
            die()
        whole(path, data)

    def after(step: int, loss: float) -> None:
        if when == "step" and step == int(at):
            die()

    checkpoint.write_atomic = torn  # type: ignore[assignment]
    session = Vault(Path(vault)).session("p001", "s001")
    made, report = train(session, twin, base=Path(base), recipe=TrainRecipe.model_validate_json(recipe), progress=after)
    print(f"{made.adapter_digest} resumed from {report.facts['resumed_from']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
