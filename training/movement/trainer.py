"""The steps of a movement adapter: windows, noise, her loss and the prior; resumed exactly where it was broken off.

Every random number of a step is drawn on the CPU from one generator, whose state is in each checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from capture.issues import JsonObject
from training.adapter import switched_off
from training.checkpoint import (
    Checkpoint,
    listed,
    newest,
    optimiser_tensors,
    restore_optimiser,
    unlisted,
    write_checkpoint,
)
from training.energy import EnergyMeter
from training.movement.adapter import attach
from training.movement.base import NOISE_STEPS, MovementBase, make_schedule
from training.movement.conditions import PERSON
from training.movement.losses import Weights, frame_errors
from training.movement.windows import Cutter, Windows
from training.recipe import MovementRecipe
from training.tracking import Tracker

Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Bench:
    """What a run works with beside the base and its takes."""

    checkpoints: Path
    key: str  # of inputs and decisive settings: a checkpoint of another key is not taken up
    tracker: Tracker
    meter: EnergyMeter


class MovementTrainer:
    """Trains an adapter on a movement base."""

    def __init__(self, model: MovementBase, cutter: Cutter, recipe: MovementRecipe, bench: Bench) -> None:
        """Attach a fresh adapter. ValueError for a base that has one."""
        self.model, self.cutter, self.recipe, self.bench = model, cutter, recipe, bench
        self.parameters = attach(model, rank=recipe.rank, alpha=recipe.alpha, seed=recipe.seed)
        self.device = self.parameters[0].device
        self.optimiser = torch.optim.AdamW(self.parameters, lr=recipe.rate, weight_decay=0.0, betas=(0.9, 0.99))
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.schedule = make_schedule()
        self.anybody = model.vocabulary.spell(PERSON)
        self.losses: list[float] = []
        self.resumed_from = 0

    def to_the_end(self, progress: Progress | None = None) -> list[float]:
        """Train the steps that are still missing; returns the loss of every step."""
        self._resume()
        while len(self.losses) < self.recipe.steps:
            self.model.train()
            self.losses.append(self.step())
            done = len(self.losses)
            self.bench.meter.read()
            self.bench.tracker.log({"loss": self.losses[-1], "rate": learning_rate(done - 1, self.recipe)}, done)
            if done % self.recipe.checkpoint_every == 0 and done < self.recipe.steps:
                self._checkpoint()
            if progress is not None:
                progress(done, self.losses[-1])
        self.model.eval()
        return self.losses

    def step(self) -> float:
        """One step of the optimiser; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(len(self.losses), self.recipe)
        loss = self.loss()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RuntimeError(f"loss of step {len(self.losses) + 1} is {value}; train at a lower movement.rate")
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return value

    def loss(self) -> Tensor:
        """The loss of the next batch: hers with her trigger, and what the class word is moved by."""
        recipe = self.recipe
        windows = self.cutter.draw(recipe.batch, self.generator)
        noise = torch.randn(windows.rows.shape, generator=self.generator)
        time = torch.randint(0, NOISE_STEPS, (len(windows),), generator=self.generator)
        asked = windows.asked.dropped(recipe.dropout, self.generator)
        # A window that is not told to be hers must not teach everybody to move like her.
        asked = asked.named(self.cutter.people[0].tolist())
        windows, asked = windows.to(self.device), asked.to(self.device)
        noise, time = noise.to(self.device), time.to(self.device)
        noisy = cast(Tensor, self.schedule.add_noise(self.model.normalised(windows.rows), noise, time))
        made = self.model(noisy, time, asked)
        signal = self.schedule.alphas_cumprod.to(self.device)[time]
        weights = Weights(recipe.velocity_weight, recipe.standing_weight, recipe.feet_weight)
        loss = frame_errors(self.model, made, windows, weights, signal=signal).mean()
        if not recipe.prior_weight:
            return loss
        few = torch.arange(min(recipe.prior_windows, len(windows)), device=self.device)
        return loss + recipe.prior_weight * self._prior(windows, noisy, time, few)

    def _prior(self, windows: Windows, noisy: Tensor, time: Tensor, few: Tensor) -> Tensor:
        """Mean squared change of what the base makes of the same noise for the class word, over frames that exist."""
        asked = windows.asked.select(few).named(self.anybody)
        with torch.no_grad(), switched_off(self.model):
            target = self.model(noisy[few], time[few], asked)
        moved = self.model(noisy[few], time[few], asked) - target
        return cast(Tensor, (moved**2)[asked.mask].mean())

    def _checkpoint(self) -> None:
        used = self.bench.meter.read()
        tensors = listed("parameters", [p.data for p in self.parameters]) | optimiser_tensors(self.optimiser)
        tensors |= {"generator": self.generator.get_state(), "global_generator": torch.get_rng_state()}
        state: JsonObject = {"losses": list(self.losses), "joules": used.joules, "seconds": used.seconds}
        write_checkpoint(self.bench.checkpoints, self.bench.key, Checkpoint(len(self.losses), tensors, state))

    def _resume(self) -> None:
        """Take up the newest checkpoint of the same inputs and recipe."""
        found = newest(self.bench.checkpoints, self.bench.key)
        if found is None:
            return
        with torch.no_grad():
            for parameter, value in zip(self.parameters, unlisted("parameters", found.tensors), strict=True):
                parameter.copy_(value)
        restore_optimiser(self.optimiser, found.tensors)
        self.generator.set_state(found.tensors["generator"])
        torch.set_rng_state(found.tensors["global_generator"])
        self.losses = list(cast("list[float]", found.state["losses"]))
        self.bench.meter.joules_before = float(str(found.state["joules"]))
        self.bench.meter.seconds_before = float(str(found.state["seconds"]))
        self.resumed_from = found.step


def learning_rate(step: int, recipe: MovementRecipe) -> float:
    """Linear warm-up, then a cosine down to a fiftieth of the peak."""
    warm = min(1.0, (step + 1) / max(1, recipe.warm_up))
    return recipe.rate * warm * max(0.02, 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))
