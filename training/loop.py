"""Training of the appearance adapter: from a data set and a base to a twin with its proof, resumable at any moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from capture import consent, store
from capture.errors import IncompleteInput
from capture.issues import JsonObject, Report
from capture.session import read_session
from capture.vault import SessionFolder
from training import adapter as adapters
from training.auxiliary import terms_of
from training.bases.flux import ADAPTER_FILE, FluxBase
from training.bases.protocol import Base
from training.cached import ROOM, Cached, Wanted, base_digest, prepare
from training.census import TrainingCensus, check_cached, take_census
from training.dataset.frames import TwinDataset, load_dataset
from training.energy import meter_for
from training.loss_page import write_loss_page
from training.prior import Bleed, measure_bleed
from training.recipe import TrainRecipe
from training.regions import RegionWeights
from training.tracking import Tracker, accelerator_for
from training.trainer import Desk, Trainer, learning_rate
from training.validation import Validator
from training.world import World, join_world

__all__ = ["ARTEFACT", "Twin", "learning_rate", "load_twin", "train"]

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


@dataclass(frozen=True)
class _Job:
    """What is trained, of whom, into which folder."""

    session: SessionFolder
    twin: str
    base: Path
    recipe: TrainRecipe
    permit: consent.Permit
    dataset: TwinDataset
    folder: Path


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

    Goes on from the last checkpoint of an unfinished run of the same inputs and recipe. Under `torchrun` every process
    calls it, and the first one writes. Raises ConsentRefused, IncompleteInput (no census, or one that does not
    balance), and ValueError when base and data set, or processes and recipe, do not fit.
    """
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.TRAIN)
    dataset = load_dataset(session.derived("dataset"))
    folder = session.vault.twin(head.person, twin) / ARTEFACT
    job = _Job(session, twin, base, recipe, permit, dataset, folder)
    accelerator = accelerator_for("cuda" if torch.cuda.is_available() else "cpu", recipe.tracker, folder / "tracking")
    world = join_world(accelerator, recipe.processes)
    model = FluxBase(base, device=str(accelerator.device))
    _check_maps(model, dataset)
    inputs = {"dataset": dataset.artefact.digest, "base": model.spec.digest, "consent": permit.record_digest}
    settings = recipe.decisive()
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        return load_twin(session, twin), Report("train", facts={"skipped": True})
    world.wait()
    if world.main:
        store.reopen(folder, ARTEFACT)
        if force:
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    report = _run(job, model, world, inputs, progress)
    world.wait()
    return load_twin(session, twin), report


def _check_maps(model: FluxBase, dataset: TwinDataset) -> None:
    drawn = str(dataset.artefact.settings.get("body_map", ""))
    if model.spec.control and model.spec.body_map and model.spec.body_map != drawn:
        raise ValueError(
            f"body maps of the data set are coded {drawn or 'in no known way'!r}, the base knows "
            f"{model.spec.body_map!r}; run twin dataset again, or take the base that the data set was made for"
        )


def _run(
    job: _Job, model: FluxBase, world: World, inputs: dict[str, str], progress: Callable[[int, float], None] | None
) -> Report:
    """Census, pictures, training, proof; the main process writes the artefact."""
    recipe = job.recipe
    census = take_census(job.dataset)
    cached = _prepared(job, model, world)
    check_cached(census, len(cached))
    provenance: JsonObject = {
        "person": job.permit.person, "session": read_session(job.session.root).session.id,
        "consent": job.permit.consent, "twin": job.twin, "inputs": dict(inputs),
        "recipe": recipe.model_dump(mode="json"), "trigger": str(job.dataset.artefact.settings["trigger"]),
    }  # fmt: skip

    def keep(folder: Path) -> float:
        adapters.save_adapter(model, folder, recipe.adapter, provenance)
        return prove_effect(model, FluxBase(job.base, device=str(model.device)), folder, cached)

    private = job.permit.private_marks
    judge = Validator(job.dataset, model, count=recipe.validate_pictures, private=private)
    desk = Desk(
        job.folder / "checkpoints", store.sha256_text(json.dumps([inputs, recipe.decisive()])), world,
        Tracker(world.accelerator, recipe.tracker, recipe.decisive()), meter_for(recipe.energy),
        judge if judge.frames and recipe.validate_every else None, keep,
    )  # fmt: skip
    trainer = Trainer(model, cached, recipe, desk, terms_of(recipe.auxiliary))
    losses = trainer.to_the_end(progress)
    desk.tracker.close()
    facts = _facts(job, trainer, census, judge)
    if not world.main:
        return Report("train", facts=facts)
    facts |= {"adapter_change": keep(job.folder)}
    facts |= _bleed_facts(_bleed(trainer))
    facts |= {"energy": desk.meter.read().to_json(recipe.energy)}
    write_loss_page(job.folder, job.twin, losses, recipe, trainer.stand.history)
    shutil.rmtree(desk.checkpoints, ignore_errors=True)  # a finished run is not resumed
    report = Report("train", facts=facts)
    store.write_json(job.folder / "report.json", report.to_json())
    store.finish(
        job.folder, ARTEFACT, consent=job.permit.consent, inputs=inputs, settings=recipe.decisive(), result=facts
    )
    return report


def _prepared(job: _Job, model: FluxBase, world: World) -> Cached:
    """The training pictures; the main process fills the cache and the others find it."""
    recipe = job.recipe
    regions = RegionWeights(recipe.body_weight, recipe.clothes_weight, recipe.backdrop_weight)
    wanted = Wanted(regions, job.permit.private_marks)
    digest = base_digest(job.base, model)
    with world.accelerator.main_process_first():
        return prepare(job.dataset, model, digest=digest, cache=job.session.derived(ROOM), wanted=wanted)


def _facts(job: _Job, trainer: Trainer, census: TrainingCensus, judge: Validator) -> JsonObject:
    losses, best, cached = trainer.losses, trainer.stand.best, trainer.cached
    recent = losses[-50:]
    facts: JsonObject = {
        "twin": job.twin, "steps": len(losses), "resumed_from": trainer.resumed_from, "pictures": len(cached),
        "sizes": list(cached.sizes), "cache": f"{cached.hits} files found, {cached.made} made",
        "processes": trainer.desk.world.size, "precision": "bf16" if trainer.bf16 else "fp32",
        "first_loss": losses[0], "last_loss": sum(recent) / len(recent),
        "census": census.to_json(), "private_marks": list(job.permit.private_marks),
        "validated_on": [f.key for f in judge.frames],
        "validations": [v.to_json() for v in trainer.stand.history],
    }  # fmt: skip
    if best is not None:
        kept = f"{best.kept} of {best.observable}"
        facts |= {"best_step": best.step, "best_kept": kept, "best_delta_e": best.delta_e}
    if trainer.stopped:
        facts |= {"stopped": trainer.stopped}
    return facts


def _bleed(trainer: Trainer) -> Bleed:
    bucket = max(trainer.cached.buckets, key=len)
    few = torch.linspace(0, len(bucket) - 1, min(8, len(bucket))).long().to(trainer.device)
    conditions = (bucket.condition.select(few), bucket.prior.select(few))
    return measure_bleed(trainer.predict, trainer.base.denoiser, bucket.latents[few], conditions)


def _bleed_facts(bleed: Bleed) -> JsonObject:
    return {
        "change_with_trigger": bleed.with_trigger,
        "change_without_trigger": bleed.without_trigger,
        "bleed": bleed.share,
    }


def load_twin(session: SessionFolder, twin: str) -> Twin:
    """A finished twin. Raises IncompleteInput when its training did not finish or a file of it changed since."""
    person = read_session(session.root).session.person
    artefact = store.read(session.vault.twin(person, twin) / ARTEFACT, ARTEFACT)
    if lost := store.changed(artefact):
        raise IncompleteInput(f"twin {twin!r} changed since it was trained, first {lost[0]}; train it again")
    name = next(n for n in (ADAPTER_FILE, adapters.PEFT_FILE) if n in artefact.outputs)
    return Twin(twin, person, artefact.folder, artefact.folder / name, artefact.outputs[name], artefact.inputs["base"])


def prove_effect(trained: Base, plain: Base, folder: Path, cached: Cached) -> float:
    """Load the saved adapter into a plain base: it must do what it did in training, and do something.

    Returns its mean change of the base's prediction. Raises RuntimeError for an adapter that differs, or that changes
    nothing: the commonest complaint about adapters is one that loads without an error and has no effect.
    """
    bucket = cached.buckets[0]
    few = torch.arange(min(2, len(bucket))).to(bucket.latents.device)
    condition, latents = bucket.condition.select(few), bucket.latents[few]
    sigma = torch.full((len(few),), 0.7, device=latents.device)
    learning = trained.denoiser.training
    trained.denoiser.eval()
    with torch.no_grad():
        wanted = trained.predict(latents, sigma, condition)
        before = plain.predict(latents, sigma, condition)
        adapters.load_adapter(plain, folder)
        after = plain.predict(latents, sigma, condition)
    trained.denoiser.train(learning)
    difference, change = float((after - wanted).abs().max()), float((after - before).abs().mean())
    if difference > EFFECT_TOLERANCE or change < 1e-5:
        raise RuntimeError(
            f"saved adapter does not do what was trained: differs by {difference:.2g}, changes the base by {change:.2g}"
        )
    return change
