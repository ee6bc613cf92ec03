"""The recipe of a twin: every hyper-parameter once, read from `recipe.toml`, written beside what it made."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from capture.toml_file import Record, read_toml
from training.dataset.build import DatasetRecipe


class TrainRecipe(Record):
    """`[train]`: how the appearance adapter is trained. The defaults suit the embedded base."""

    steps: int = Field(default=960, ge=1)
    batch: int = Field(default=8, ge=1)
    rate: float = Field(default=5e-3, gt=0, description="peak learning rate of AdamW")
    warm_up: int = Field(default=30, ge=0, description="steps until the peak")
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=16, ge=1)
    mark_weight: float = Field(default=10.0, ge=1, description="1 is the usual loss; 10 was measured to keep marks")
    seed: int = 0
    checkpoint_every: int = Field(default=200, ge=1)


class RenderRecipe(Record):
    """`[render]`: how pictures are sampled."""

    seed: int = 1
    steps: int = Field(default=0, ge=0, description="sampler steps; 0 takes the number the base is judged with")


class Recipe(Record):
    """The whole of `recipe.toml`; a missing table takes its defaults."""

    dataset: DatasetRecipe = DatasetRecipe()
    train: TrainRecipe = TrainRecipe()
    render: RenderRecipe = RenderRecipe()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises TomlError with the nearest known key for each unknown one."""
    return read_toml(path, Recipe)
