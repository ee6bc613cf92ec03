"""The training loop of the appearance adapter: a LoRA on a frozen base, resumable at every checkpoint."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from capture import consent, store
from capture.errors import IncompleteInput
from capture.issues import JsonObject, Report
from capture.session import read_session
from capture.vault import SessionFolder
from training.bases.flux import ADAPTER_FILE, FluxBase
from training.cached import Cached, prepare
from training.dataset.frames import TwinDataset, load_dataset
from training.loss_page import write_loss_page
from training.losses import adapter_sigma, flow_matching_loss
from training.recipe import TrainRecipe

ARTEFACT = "appearance"
EFFECT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Twin:
    """A trained appearance adapter."""

    name: str
    person: str
    folder: Path  # …/twins/<twin>/appearance
    adapter: Path
    adapter_digest: str
    base_digest: str


def train(
    session: SessionFolder,
    twin: str,
    *,
    base: Path,
    recipe: TrainRecipe = TrainRecipe(),  # noqa: B008 - frozen
    force: bool = False,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[Twin, Report]:
    """Train the appearance adapter of a session's data set into `twins/<twin>/appearance/`.

    Goes on from the last checkpoint of an unfinished run of the same inputs and recipe. Raises ConsentRefused,
    IncompleteInput, and ValueError when base and data set do not fit.
    """
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.TRAIN)
    dataset = load_dataset(session.derived("dataset"))
    folder = session.vault.twin(head.person, twin) / ARTEFACT
    model = FluxBase(base)
    inputs = {"dataset": dataset.artefact.digest, "base": model.spec.digest, "consent": permit.record_digest}
    settings: JsonObject = recipe.model_dump(mode="json")
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        return load_twin(session, twin), Report("train", facts={"skipped": True})
    store.reopen(folder, ARTEFACT)
    if force:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    run = _Run(model, dataset, recipe, folder, store.sha256_text(json.dumps([inputs, settings])))
    losses = run.to_the_end(progress)
    provenance: JsonObject = {
        "person": head.person, "session": head.id, "consent": head.consent, "twin": twin,
        "inputs": dict(inputs), "recipe": settings, "trigger": str(dataset.artefact.settings["trigger"]),
    }  # fmt: skip
    model.save_adapter(folder, provenance)
    change = _prove_effect(model, base, folder, run.cached)
    write_loss_page(folder, twin, losses, recipe)
    run.forget_optimiser()
    facts: JsonObject = {
        "twin": twin, "steps": recipe.steps, "resumed_from": run.resumed_from, "pictures": len(run.cached),
        "adapter_change": change, "first_loss": losses[0], "last_loss": sum(losses[-50:]) / len(losses[-50:]),
    }  # fmt: skip
    report = Report("train", facts=facts)
    store.write_json(folder / "report.json", report.to_json())
    store.finish(folder, ARTEFACT, consent=head.consent, inputs=inputs, settings=settings, result=facts)
    return load_twin(session, twin), report


def load_twin(session: SessionFolder, twin: str) -> Twin:
    """A finished twin. Raises IncompleteInput when its training did not finish or a file of it changed since."""
    person = read_session(session.root).session.person
    artefact = store.read(session.vault.twin(person, twin) / ARTEFACT, ARTEFACT)
    if lost := store.changed(artefact):
        raise IncompleteInput(f"twin {twin!r} changed since it was trained, first {lost[0]}; train it again")
    adapter = artefact.folder / ADAPTER_FILE
    return Twin(twin, person, artefact.folder, adapter, artefact.outputs[ADAPTER_FILE], artefact.inputs["base"])


class _Run:
    """One training run: parameters, optimiser, order of data and noise, and their checkpoints."""

    def __init__(self, model: FluxBase, dataset: TwinDataset, recipe: TrainRecipe, folder: Path, key: str) -> None:
        self.model, self.recipe, self.key = model, recipe, key
        self.checkpoints = folder / "checkpoints"
        self.accelerator = Accelerator(cpu=model.device.type == "cpu")
        self.cached: Cached = prepare(dataset, model, mark_weight=recipe.mark_weight)
        self.parameters = model.attach(rank=recipe.rank, alpha=recipe.alpha, seed=recipe.seed)
        optimiser = torch.optim.AdamW(self.parameters, lr=recipe.rate, weight_decay=0.0, betas=(0.9, 0.99), fused=True)
        self.optimiser = self.accelerator.prepare(optimiser)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.order = torch.empty(0, dtype=torch.long)
        self.losses: list[float] = []
        self.resumed_from = 0

    def to_the_end(self, progress: Callable[[int, float], None] | None) -> list[float]:
        """Train the steps that are still missing; returns the loss of every step."""
        self._resume()
        self.model.denoiser.train()
        for step in range(len(self.losses), self.recipe.steps):
            self.losses.append(self._step(step))
            if progress is not None:
                progress(step + 1, self.losses[-1])
            if (step + 1) % self.recipe.checkpoint_every == 0 and step + 1 < self.recipe.steps:
                self._checkpoint()
        self.model.denoiser.eval()
        return self.losses

    def _step(self, step: int) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(step, self.recipe)
        rows = self._rows()
        latents = self.cached.latents[rows]
        condition = self.cached.condition.select(rows)
        noise = torch.randn(latents.shape, generator=self.generator).to(latents.device)
        sigma = adapter_sigma(len(rows), self.generator).to(latents.device)
        loss: Tensor = flow_matching_loss(
            lambda noisy, level: self.model.predict(noisy, level, condition),
            latents, noise=noise, sigma=sigma, weights=self.cached.weights[rows],
        )  # fmt: skip
        self.accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _rows(self) -> Tensor:
        """The next batch of indices: every picture once before any comes again."""
        while len(self.order) < self.recipe.batch:
            self.order = torch.cat([self.order, torch.randperm(len(self.cached), generator=self.generator)])
        rows, self.order = self.order[: self.recipe.batch], self.order[self.recipe.batch :]
        return rows

    def _checkpoint(self) -> None:
        """Write everything that the next step depends on, named last."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        state = {
            "key": self.key,
            "losses": self.losses,
            "order": self.order,
            "generator": self.generator.get_state(),
            "parameters": [p.detach().cpu() for p in self.parameters],
            "optimiser": self.optimiser.state_dict(),
        }
        part = self.checkpoints / "state.part"
        torch.save(state, part)
        part.replace(self.checkpoints / f"step-{len(self.losses):06d}.pt")
        for old in sorted(self.checkpoints.glob("step-*.pt"))[:-2]:
            old.unlink()

    def _resume(self) -> None:
        """Take up the newest checkpoint of the same inputs and recipe; a damaged or foreign one is passed over."""
        for path in sorted(self.checkpoints.glob("step-*.pt"), reverse=True):
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except (RuntimeError, EOFError, OSError):
                continue  # cut short by the crash that we resume from
            if state["key"] != self.key:
                continue
            with torch.no_grad():
                for parameter, value in zip(self.parameters, state["parameters"], strict=True):
                    parameter.copy_(value)
            self.optimiser.load_state_dict(state["optimiser"])
            self.generator.set_state(state["generator"])
            self.order, self.losses = state["order"], state["losses"]
            self.resumed_from = len(self.losses)
            return

    def forget_optimiser(self) -> None:
        """Remove the checkpoints: a finished run is not resumed."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def learning_rate(step: int, recipe: TrainRecipe) -> float:
    """Linear warm-up, then a cosine down to a fiftieth of the peak."""
    warm = min(1.0, (step + 1) / max(1, recipe.warm_up))
    return recipe.rate * warm * max(0.02, 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))


def _prove_effect(model: FluxBase, base: Path, folder: Path, cached: Cached) -> float:
    """Reload the saved adapter into a plain base: it must do what it did in training, and do something.

    The commonest complaint about adapters is one that loads without an error and changes nothing.
    """
    few = torch.arange(min(2, len(cached)))
    condition, latents = cached.condition.select(few), cached.latents[few]
    sigma = torch.full((len(few),), 0.7, device=latents.device)
    plain = FluxBase(base)
    with torch.no_grad():
        trained = model.predict(latents, sigma, condition)
        before = plain.predict(latents, sigma, condition)
        plain.load_adapter(folder)
        after = plain.predict(latents, sigma, condition)
    difference, change = float((after - trained).abs().max()), float((after - before).abs().mean())
    if difference > EFFECT_TOLERANCE or change < 1e-5:
        raise RuntimeError(
            f"saved adapter does not do what was trained: differs by {difference:.2g}, changes the base by {change:.2g}"
        )
    return change
