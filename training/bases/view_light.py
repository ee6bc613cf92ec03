"""View and light as context tokens: a small network beside the denoiser, trained with the base and then frozen.

Two tokens are appended to the text, and one vector is added to the pooled text, so that the camera and the light reach
the network both by attention and by its modulation. Nothing inside diffusers changes.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.dataset.conditions import VIEW_LIGHT_SIZE

TOKENS = 2


class ViewLightEncoder(nn.Module):
    """Conditioning vectors (B, VIEW_LIGHT_SIZE) to tokens (B, 2, D) and a pooled addition (B, P)."""

    def __init__(self, sequence_dim: int, pooled_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.sequence_dim, self.pooled_dim, self.hidden = sequence_dim, pooled_dim, hidden
        self.trunk = nn.Sequential(nn.Linear(VIEW_LIGHT_SIZE, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.tokens = nn.Linear(hidden, TOKENS * sequence_dim)
        self.pooled = nn.Linear(hidden, pooled_dim)

    def forward(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        trunk = self.trunk(vector)
        return self.tokens(trunk).reshape(len(vector), TOKENS, self.sequence_dim), self.pooled(trunk)

    def save(self, folder: Path) -> None:
        """Write weights (half precision) and sizes."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {k: v.half().contiguous() for k, v in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        sizes = {"sequence_dim": self.sequence_dim, "pooled_dim": self.pooled_dim, "hidden": self.hidden}
        (folder / "config.json").write_text(json.dumps(sizes, indent=1) + "\n")

    @staticmethod
    def load(folder: Path) -> ViewLightEncoder:
        """Read what `save` wrote."""
        model = ViewLightEncoder(**json.loads((folder / "config.json").read_text()))
        model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return model.eval().requires_grad_(False)
