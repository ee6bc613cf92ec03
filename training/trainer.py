"""One training run: parameters, optimiser, order of data and noise, validation, and the checkpoints of all of it.

Every random number of a step is drawn for the whole step from one generator on the CPU, whatever the number of
processes and parts, so that a run gives the same adapter on one process and on many, broken off or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from diffusers import ModelMixin
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from capture.issues import JsonObject
from training.adapter import attach
from training.auxiliary import AuxiliaryLoss, checked
from training.bases.protocol import Base, Condition
from training.cached import Bucket, Cached
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
from training.losses import adapter_sigma, cell_weights, noised, weighed_error
from training.order import Order
from training.prior import prior_errors
from training.recipe import Precision, TrainRecipe
from training.tracking import Tracker
from training.validation import Stand, Validation, parse_history
from training.world import World

Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Desk:
    """What a run works with beside the base and its pictures."""

    checkpoints: Path
    key: str  # of inputs and decisive settings: a checkpoint of another key is not taken up
    world: World
    tracker: Tracker
    meter: EnergyMeter
    validate: Callable[[int], Validation] | None  # judges the base as it stands after a step
    keep: Callable[[Path], float]  # saves the attached adapter into a folder and proves that it works


@dataclass(frozen=True)
class Draw:
    """The random part of one step, for all of its pictures."""

    bucket: Bucket
    rows: Tensor  # (B,)
    noise: Tensor  # (B, C, h, w)
    sigma: Tensor  # (B,)

    def take(self, where: Tensor) -> Draw:
        """Some of its pictures."""
        return replace(self, rows=self.rows[where], noise=self.noise[where], sigma=self.sigma[where])


class Trainer:
    """Trains an adapter on a base."""

    def __init__(
        self, base: Base, cached: Cached, recipe: TrainRecipe, desk: Desk, terms: Sequence[AuxiliaryLoss] = ()
    ) -> None:
        """Attach a fresh adapter to the base. Raises ValueError for an auxiliary term that is a judge."""
        self.base, self.cached, self.recipe, self.desk = base, cached, recipe, desk
        self.terms = checked(terms)
        self.parameters = attach(base, recipe.adapter, rank=recipe.rank, alpha=recipe.alpha, seed=recipe.seed)
        self.device = self.parameters[0].device
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=recipe.rate, weight_decay=0.0, betas=(0.9, 0.99), fused=True
        )
        self.ema = EMAModel(self.parameters, decay=recipe.ema, foreach=self.device.type != "cpu")
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.order = Order(cached.sizes, recipe.batch, self.generator)
        self.losses: list[float] = []
        self.stand = Stand()
        self.best: list[Tensor] = []
        self.resumed_from = 0
        self.stopped = ""
        self.bf16 = recipe.precision is Precision.BF16 or (
            recipe.precision is Precision.AUTO and self.device.type == "cuda"
        )
        self._prepare_blocks()

    def _prepare_blocks(self) -> None:
        denoiser = cast(ModelMixin, self.base.denoiser)
        if self.recipe.checkpointing:
            denoiser.enable_gradient_checkpointing()
        if self.recipe.compile:
            denoiser.compile_repeated_blocks()

    def to_the_end(self, progress: Progress | None = None) -> list[float]:
        """Train the steps that are still missing; returns the loss of every step, and leaves the kept adapter attached.

        The kept adapter is the running mean of the best validation, or of the last step where none was made.
        """
        self._resume()
        recipe, denoiser = self.recipe, self.base.denoiser
        while len(self.losses) < recipe.steps and not self.stopped:
            denoiser.train()
            self.losses.append(self.step())
            done = len(self.losses)
            self.desk.meter.read()
            self.desk.tracker.log({"loss": self.losses[-1], "rate": learning_rate(done - 1, recipe)}, done)
            if recipe.validate_every and (done % recipe.validate_every == 0 or done == recipe.steps):
                self._validate(done)
            if done % recipe.checkpoint_every == 0 and done < recipe.steps:
                self._checkpoint()
            if progress is not None:
                progress(done, self.losses[-1])
        denoiser.eval()
        self._put(self.best or self._mean())
        return self.losses

    def draw(self) -> Draw:
        """The next step's pictures, noise and noise levels."""
        index, rows = self.order.next()
        bucket = self.cached.buckets[index]
        noise = torch.randn((len(rows), *bucket.latents.shape[1:]), generator=self.generator)
        sigma = adapter_sigma(len(rows), self.generator)
        return Draw(bucket, rows, noise.to(self.device), sigma.to(self.device))

    def step(self) -> float:
        """One step of the optimiser; returns its loss over all processes."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(len(self.losses), self.recipe)
        draw = self.draw()
        total = 0.0
        mine = self.desk.world.share(torch.arange(len(draw.rows)))
        for part in mine.tensor_split(self.recipe.accumulate):
            if len(part):
                loss = self.loss(draw, part)
                self.desk.world.accelerator.backward(loss)
                total += float(loss.detach())
        self.desk.world.sum_gradients(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.recipe.ema:
            self.ema.step(self.parameters)
        return self.desk.world.sum(total)

    def loss(self, draw: Draw, part: Tensor) -> Tensor:
        """The share of a step's mean loss that some of its pictures (indices into the step) bring."""
        some, recipe = draw.take(part), self.recipe
        rows = some.rows.to(self.device)
        latents, condition = some.bucket.latents[rows], some.bucket.condition.select(rows)
        noisy = noised(latents, some.noise, some.sigma)
        maps = some.bucket.maps.select(rows)
        weights = cell_weights(maps, some.sigma, mark_weight=recipe.mark_weight, mark_signal=recipe.mark_signal)
        velocity = self.predict(noisy, some.sigma, condition)
        errors = weighed_error(velocity, some.noise - latents, weights)
        for term in self.terms:
            estimate = noisy - some.sigma[:, None, None, None] * velocity
            errors = errors + term.weight * term(estimate, latents, weights)
        loss = errors.sum() / len(draw.rows)
        return loss + self._prior(draw, part) if recipe.prior_weight else loss

    def _prior(self, draw: Draw, part: Tensor) -> Tensor:
        """The share of the prior's mean; it is asked about the first pictures of each step."""
        asked = min(self.recipe.prior_pictures, len(draw.rows))
        some = draw.take(part[part < asked])
        if not len(some.rows):
            return torch.zeros((), device=self.device)
        rows = some.rows.to(self.device)
        noisy = noised(some.bucket.latents[rows], some.noise, some.sigma)
        condition = some.bucket.prior.select(rows)
        errors = prior_errors(self.predict, self.base.denoiser, condition, noisy=noisy, sigma=some.sigma)
        return self.recipe.prior_weight * errors.sum() / asked

    def predict(self, noisy: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        """The base's velocity (B, C, h, w) in the recipe's arithmetic, as float32."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return self.base.predict(noisy, sigma, condition).float()

    def _validate(self, step: int) -> None:
        """Judge the running mean; keep it when it is the best so far, and stop where nothing gets better."""
        if self.desk.validate is None:
            return
        trained = [p.detach().clone() for p in self.parameters]
        self._put(self._mean())
        self.base.denoiser.eval()
        found: JsonObject = self.desk.validate(step).to_json() if self.desk.world.main else {}
        found = self.desk.world.from_main(found)
        self.stand = Stand((*self.stand.history, *parse_history([found]).history))
        latest = self.stand.history[-1]
        if self.stand.best is latest:
            self.best = [p.detach().clone() for p in self.parameters]
            if self.desk.world.main:
                self.desk.keep(self.desk.checkpoints / "best")
        self._put(trained)
        points = {"kept_share": latest.kept_share, "delta_e": latest.delta_e, "ssim": latest.ssim}
        self.desk.tracker.log({f"validation/{name}": value for name, value in points.items()}, step)
        if self.stand.stalled(self.recipe.patience):
            self.stopped = f"no better validation in the last {self.recipe.patience}, at step {step}"

    def _mean(self) -> list[Tensor]:
        return list(self.ema.shadow_params) if self.recipe.ema else [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)

    def _checkpoint(self) -> None:
        """Write everything that the next step depends on."""
        if not self.desk.world.main:
            return
        used = self.desk.meter.read()
        tensors = listed("parameters", [p.data for p in self.parameters]) | optimiser_tensors(self.optimiser)
        tensors |= listed("ema", list(self.ema.shadow_params)) | listed("best", self.best)
        tensors |= {"generator": self.generator.get_state(), "global_generator": torch.get_rng_state()}
        state: JsonObject = {
            "losses": list(self.losses),
            "order": [[bucket, list(rows)] for bucket, rows in self.order.pending],
            "ema_steps": self.ema.optimization_step,
            "validations": [v.to_json() for v in self.stand.history],
            "joules": used.joules,
            "seconds": used.seconds,
        }
        write_checkpoint(self.desk.checkpoints, self.desk.key, Checkpoint(len(self.losses), tensors, state))

    def _resume(self) -> None:
        """Take up the newest checkpoint of the same inputs and recipe, in every process the same."""
        self.desk.world.wait()
        found = newest(self.desk.checkpoints, self.desk.key)
        if found is None:
            return
        tensors, state = found.tensors, found.state
        self._put([t.to(self.device) for t in unlisted("parameters", tensors)])
        restore_optimiser(self.optimiser, tensors)
        self.ema.shadow_params = [t.to(self.device) for t in unlisted("ema", tensors)]
        self.ema.optimization_step = int(str(state["ema_steps"]))
        self.best = [t.to(self.device) for t in unlisted("best", tensors)]
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["global_generator"])
        self.order.pending = [(int(b), list(rows)) for b, rows in cast("list[tuple[int, list[int]]]", state["order"])]
        self.losses = list(cast("list[float]", state["losses"]))
        self.stand = parse_history(cast("list[JsonObject]", state["validations"]))
        self.desk.meter.joules_before = float(str(state["joules"]))
        self.desk.meter.seconds_before = float(str(state["seconds"]))
        self.resumed_from = found.step
        if self.stand.stalled(self.recipe.patience):
            self.stopped = f"no better validation in the last {self.recipe.patience}"


def learning_rate(step: int, recipe: TrainRecipe) -> float:
    """Linear warm-up, then a cosine down to a fiftieth of the peak."""
    warm = min(1.0, (step + 1) / max(1, recipe.warm_up))
    return recipe.rate * warm * max(0.02, 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))
