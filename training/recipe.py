"""The recipe of a twin: every hyper-parameter once, read from `recipe.toml`, written beside what it made."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path

from pydantic import Field, model_validator

from capture.issues import JsonObject
from capture.toml_file import Record, read_toml
from training.dataset.build import DatasetRecipe


class AdapterKind(StrEnum):
    """How the frozen base is changed. Figures of PEFT's own image benchmark (FLUX.2-klein, one object)."""

    LORA = "lora"  # best likeness
    OFT = "oft"  # nearly as good, fastest, an eighth of the size
    LOKR = "lokr"  # a fiftieth of the size, slow
    DORA = "dora"  # no gain there, slow


class Precision(StrEnum):
    """Arithmetic of the forward pass; adapter and optimiser stay in float32."""

    AUTO = "auto"  # bf16 on CUDA, fp32 elsewhere: on two CPU cores the casts ate what bf16 won
    FP32 = "fp32"
    BF16 = "bf16"


class EnergyRecipe(Record):
    """`[train.energy]`: what a meter cannot know."""

    watts: float = Field(
        default=0, ge=0, description="draw of a machine without an energy counter; 0 guesses 4 W per hardware thread"
    )
    grid_g_per_kwh: float = Field(default=0, ge=0, description="g CO2e per kWh of the grid; 0: no emission is stated")
    grid_source: str = ""
    grid_date: dt.date | None = None

    @model_validator(mode="after")
    def _a_factor_has_an_origin(self) -> EnergyRecipe:
        if self.grid_g_per_kwh and not (self.grid_source and self.grid_date):
            raise ValueError("grid_g_per_kwh needs grid_source and grid_date: a factor without origin proves nothing")
        return self


class TrainRecipe(Record):
    """`[train]`: how the appearance adapter is trained. The defaults suit the embedded base."""

    steps: int = Field(default=960, ge=1)
    batch: int = Field(default=8, ge=1, description="pictures of one step, over all processes")
    accumulate: int = Field(default=1, ge=1, description="parts that a step is worked off in, to save memory")
    rate: float = Field(default=5e-3, gt=0, description="peak learning rate of AdamW")
    warm_up: int = Field(default=30, ge=0, description="steps until the peak")
    adapter: AdapterKind = AdapterKind.LORA
    rank: int = Field(default=32, ge=1, description="of LoRA, DoRA and LoKr; block size of OFT")
    alpha: int = Field(default=32, ge=1, description="of LoRA, DoRA and LoKr")
    mark_weight: float = Field(default=10.0, ge=1, description="1 is the usual loss; 10 was measured to keep marks")
    # A mark of the simulated shoot has a signal of 6.4 (median of 100 sightings, against the same crop painted over).
    # With it 28 of 64 sightings were kept and without fading 36 (480 steps, one seed): where one person is learned, the
    # view alone tells where her marks are, also in pure noise. So none by default.
    mark_signal: float = Field(
        default=0.0, ge=0, description="strength of a mark in latents, which fades its weight in noise; 0: no fading"
    )
    body_weight: float = Field(default=1.0, gt=0)
    clothes_weight: float = Field(default=1.0, ge=0, description="where the data set brings a mask of the clothes")
    backdrop_weight: float = Field(default=1.0, ge=0)
    # Measured on the embedded base, 480 steps: a weight of 1 brings bleed from 0.99 to 0.79 and kept marks from 36 to
    # 17 of 64. It has hardly learned to tell one word more or less; a base that reads text is to be tried with 1.
    prior_weight: float = Field(default=0.0, ge=0, description="of leaving prompts without the trigger as they were")
    prior_pictures: int = Field(default=2, ge=1, description="pictures of a step that the prior is asked about")
    auxiliary: dict[str, float] = Field(default={}, description="further terms of the loss, name = weight")
    ema: float = Field(default=0.99, ge=0, lt=1, description="decay of the mean of the adapter that is kept; 0: none")
    precision: Precision = Precision.AUTO
    checkpointing: bool = Field(default=False, description="recompute activations: less memory, slower")
    compile: bool = Field(default=False, description="torch.compile of each block; on CPU it pays after 700 steps")
    seed: int = 0
    checkpoint_every: int = Field(default=200, ge=1)
    validate_every: int = Field(default=120, ge=0, description="steps between validations on held-out views; 0: none")
    validate_pictures: int = Field(default=8, ge=1)
    patience: int = Field(default=0, ge=0, description="validations without a better one until it stops; 0: never")
    processes: int = Field(default=0, ge=0, description="that the run must have; 0 takes what the launcher gives")
    tracker: str = Field(default="tensorboard", description="any tracker of accelerate by name, or none")
    energy: EnergyRecipe = EnergyRecipe()

    @model_validator(mode="after")
    def _no_judge_trains(self) -> TrainRecipe:
        from training.auxiliary import refuse_judges

        refuse_judges(self.auxiliary)
        return self

    def decisive(self) -> JsonObject:
        """The settings that the trained adapter depends on: a run that differs elsewhere may be resumed."""
        indifferent = {"checkpoint_every", "processes", "tracker", "energy"}
        settings: JsonObject = self.model_dump(mode="json", exclude=indifferent)
        return settings


class MovementRecipe(Record):
    """`[movement]`: how the movement adapter is trained. The defaults suit the movement base of the repository."""

    trigger: str = Field(default="sks", min_length=1, description="word that stands for her; no word of the base")
    steps: int = Field(default=250, ge=1)
    batch: int = Field(default=16, ge=1, description="windows of one step")
    rate: float = Field(default=4e-3, gt=0, description="peak learning rate of AdamW")
    warm_up: int = Field(default=20, ge=0, description="steps until the peak")
    # Of q, k, v, out and both layers of the MLP. On attention alone a style reached 49 % of unseen actions, with the
    # MLP 85 % (3 synthetic people, one seed, twice the parameters).
    rank: int = Field(default=32, ge=1)
    alpha: int = Field(default=32, ge=1)
    prior_weight: float = Field(default=0.25, ge=0, description="of leaving the class word's movement as it was")
    prior_windows: int = Field(default=8, ge=1, description="windows of a step that the prior is asked about")
    velocity_weight: float = Field(default=1.0, ge=0, description="of how frames change")
    standing_weight: float = Field(default=0.3, ge=0, description="of the speed of feet that stand")
    feet_weight: float = Field(default=30.0, ge=0, description="of where the feet are under her")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="chance of each condition to be left open")
    seed: int = 0
    checkpoint_every: int = Field(default=100, ge=1)
    tracker: str = Field(default="tensorboard", description="any tracker of accelerate by name, or none")
    energy: EnergyRecipe = EnergyRecipe()

    def decisive(self) -> JsonObject:
        """The settings that the trained adapter depends on: a run that differs elsewhere may be resumed."""
        settings: JsonObject = self.model_dump(mode="json", exclude={"checkpoint_every", "tracker", "energy"})
        return settings


class RenderRecipe(Record):
    """`[render]`: how pictures are sampled."""

    seed: int = 1
    steps: int = Field(default=0, ge=0, description="sampler steps; 0 takes the number the base is judged with")


class Recipe(Record):
    """The whole of `recipe.toml`; a missing table takes its defaults."""

    dataset: DatasetRecipe = DatasetRecipe()
    train: TrainRecipe = TrainRecipe()
    movement: MovementRecipe = MovementRecipe()
    render: RenderRecipe = RenderRecipe()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises TomlError with the nearest known key for each unknown one."""
    return read_toml(path, Recipe)
