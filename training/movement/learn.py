"""Training of the movement adapter: from her clips of a session to `twins/<twin>/movement`, resumable at any moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from capture import consent, store
from capture.errors import IncompleteInput
from capture.issues import Issue, JsonObject, Report, issue
from capture.motion.bvh import read_bvh
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.reading import MotionFileError
from capture.motion.skeletons import retarget
from capture.session import read_session
from capture.vault import SessionFolder
from training.energy import meter_for
from training.movement.adapter import ADAPTER_FILE, change_of, prove_effect, save_adapter
from training.movement.base import base_digest, load_base
from training.movement.conditions import PERSON, Vocabulary
from training.movement.sources import CLIPS, her_clips
from training.movement.trainer import Bench, MovementTrainer
from training.movement.windows import Cutter, Take, Windows, take_of
from training.recipe import MovementRecipe
from training.tracking import Tracker, accelerator_for

ARTEFACT = "movement"
SKELETON_FILE = "skeleton.json"
_PROOF_WINDOWS = 4


@dataclass(frozen=True, eq=False)
class MovementTwin:
    """A trained movement adapter, and the body that it moves."""

    name: str
    person: str
    consent: str
    folder: Path  # …/twins/<twin>/movement
    adapter: Path
    adapter_digest: str
    base_digest: str
    trigger: str
    actions: tuple[str, ...]  # that she was recorded in
    skeleton: Skeleton  # canonical, her lengths
    standing_m: float  # height of the floor under her takes


@dataclass(frozen=True)
class _Job:
    session: SessionFolder
    twin: str
    base: Path
    recipe: MovementRecipe
    permit: consent.Permit
    folder: Path


def train_movement(
    session: SessionFolder,
    twin: str,
    *,
    base: Path,
    recipe: MovementRecipe = MovementRecipe(),  # noqa: B008 - frozen
    force: bool = False,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[MovementTwin, Report]:
    """Train the movement adapter of a session's clips (derived/motion/*.bvh) into `twins/<twin>/movement/`.

    Goes on from the last checkpoint of an unfinished run of the same clips and recipe. Clips that cannot be learned
    from are named in the report and left out. Raises ConsentRefused, IncompleteInput (no clips, or none of use),
    ValueError for a trigger that is a word of the base, and RuntimeError for an adapter that does nothing.
    """
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.TRAIN)
    clips = her_clips(session)
    folder = session.vault.twin(head.person, twin) / ARTEFACT
    inputs = {"motion": clips.digest, "base": base_digest(base), "consent": permit.record_digest,
              "session": store.sha256_file(session.toml)}  # fmt: skip
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=recipe.decisive()):
        return load_movement_twin(session, twin), Report("train", facts={"skipped": True})
    store.reopen(folder, ARTEFACT)
    if force:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    report = _run(_Job(session, twin, base, recipe, permit, folder), inputs, progress)
    return load_movement_twin(session, twin), report


def load_movement_twin(session: SessionFolder, twin: str) -> MovementTwin:
    """A finished movement adapter. Raises IncompleteInput when its training did not finish or a file of it changed."""
    head = read_session(session.root).session
    person, folder = head.person, session.vault.twin(head.person, twin) / ARTEFACT
    if not (folder / f"{ARTEFACT}.json").is_file():
        command = f"twin train {head.id} --movement --twin {twin}"
        raise IncompleteInput(f"twin {twin!r} has no finished movement adapter; train one: {command}")
    artefact = store.read(folder, ARTEFACT)
    if lost := store.changed(artefact):
        raise IncompleteInput(
            f"movement of twin {twin!r} changed since it was trained, first {lost[0]}; train it again"
        )
    body = json.loads((artefact.folder / SKELETON_FILE).read_text())
    skeleton = Skeleton(tuple(body["names"]), tuple(body["parents"]), np.array(body["offsets"], dtype=np.float64))
    actions = artefact.result["actions"]
    return MovementTwin(
        twin, person, artefact.consent, artefact.folder, artefact.folder / ADAPTER_FILE, artefact.outputs[ADAPTER_FILE],
        artefact.inputs["base"], str(artefact.settings["trigger"]),
        tuple(str(action) for action in actions) if isinstance(actions, list) else (), skeleton, body["standing_m"],
    )  # fmt: skip


def read_takes(session: SessionFolder, *, person: str, rate_hz: float) -> tuple[list[Take], list[MotionClip], Report]:
    """Her clips of a session as takes and on the canonical skeleton, and what was left out by name.

    The action of a clip is that of its [[clip]] in session.toml. Raises IncompleteInput where nothing is left.
    """
    described = {clip.id: clip for clip in read_session(session.root).clip}
    takes: list[Take] = []
    bodies: list[MotionClip] = []
    issues: list[Issue] = []
    for path in sorted(session.derived(CLIPS).glob("*.bvh")):
        where = f"{CLIPS}/{path.stem}"
        action = described[path.stem].action if path.stem in described else ""
        if not action.strip():
            issues.append(issue("MOTION_NO_ACTION", where=where, expected="action of its [[clip]]", found="none"))
            continue
        read = _take(path, action=action, person=person, rate_hz=rate_hz, where=where)
        if isinstance(read, Issue):
            issues.append(read)
        else:
            takes.append(read[0])
            bodies.append(read[1])
    report = Report("train", tuple(issues))
    if not takes:
        why = "; ".join(f"{i.where} {i.code}" for i in issues) or "no BVH file"
        raise IncompleteInput(
            f"session has no clip to learn her movement from ({why}); run twin motion, or record clips"
        )
    return takes, bodies, report


def _take(path: Path, *, action: str, person: str, rate_hz: float, where: str) -> tuple[Take, MotionClip] | Issue:
    try:
        clip = retarget(read_bvh(path))
        take = take_of(clip, action=action, person=person, rate_hz=rate_hz, where=where)
    except MotionFileError as err:
        return issue("MOTION_UNREADABLE", where=where, expected="a BVH file", found=err.problem)
    except ValueError as err:  # a rig that lacks joints, or an action that cannot be spelled
        return issue("MOTION_UNREADABLE", where=where, expected="a known rig", found=str(err))
    return take if isinstance(take, Issue) else (take, clip)


def _run(job: _Job, inputs: dict[str, str], progress: Callable[[int, float], None] | None) -> Report:
    """Takes, training, proof; writes the artefact."""
    recipe = job.recipe
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_base(job.base, device=device)
    _check_trigger(recipe.trigger, model.vocabulary)
    takes, bodies, found = read_takes(job.session, person=recipe.trigger, rate_hz=model.config.rate_hz)
    cutter = Cutter(takes, model.vocabulary, window=model.config.window, rate_hz=model.config.rate_hz)
    key = store.sha256_text(json.dumps([inputs, recipe.decisive()]))
    tracker = Tracker(
        accelerator_for(device, recipe.tracker, job.folder / "tracking"), recipe.tracker, recipe.decisive()
    )
    bench = Bench(job.folder / "checkpoints", key, tracker, meter_for(recipe.energy))
    trainer = MovementTrainer(model, cutter, recipe, bench)
    trainer.to_the_end(progress)
    tracker.close()
    actions = sorted({take.action for take in takes})
    provenance: JsonObject = {
        "person": job.permit.person, "session": read_session(job.session.root).session.id,
        "consent": job.permit.consent, "twin": job.twin, "inputs": dict(inputs),
        "recipe": recipe.model_dump(mode="json"), "trigger": recipe.trigger, "actions": list(actions),
    }  # fmt: skip
    save_adapter(model, job.folder, provenance)
    proof = _proof_windows(cutter).to(device)
    change = prove_effect(model, load_base(job.base, device=device), job.folder, proof)
    _write_skeleton(job.folder, bodies, takes)
    facts = _facts(trainer, takes, proof) | {"twin": job.twin, "actions": list(actions), "adapter_change": change}
    facts |= {"session": provenance["session"]}
    facts |= {"energy": bench.meter.read().to_json(recipe.energy)}
    store.write_json(job.folder / "loss.json", {"loss": [round(value, 6) for value in trainer.losses]})
    shutil.rmtree(bench.checkpoints, ignore_errors=True)  # a finished run is not resumed
    report = Report("train", found.issues, facts)
    store.write_json(job.folder / "report.json", report.to_json())
    store.finish(
        job.folder, ARTEFACT, consent=job.permit.consent, inputs=inputs, settings=recipe.decisive(), result=facts
    )
    return report


def _check_trigger(trigger: str, vocabulary: Vocabulary) -> None:
    vocabulary.spell(trigger)
    if vocabulary.knows(trigger):
        raise ValueError(f"trigger {trigger!r} is a word of the base; choose one that means nothing, such as 'sks'")


def _proof_windows(cutter: Cutter) -> Windows:
    few = torch.arange(min(_PROOF_WINDOWS, len(cutter.takes)))
    return cutter.cut(few, torch.zeros_like(few))


def _facts(trainer: MovementTrainer, takes: list[Take], proof: Windows) -> JsonObject:
    recent = trainer.losses[-50:]
    named = Windows(proof.rows, proof.bones, proof.asked.named(trainer.model.vocabulary.spell(PERSON)))
    hers, anybodys = change_of(trainer.model, proof), change_of(trainer.model, named)
    return {
        "steps": len(trainer.losses), "resumed_from": trainer.resumed_from, "clips": len(takes),
        "seconds_of_movement": round(sum(len(take) for take in takes) / trainer.cutter.rate, 2),
        "parameters": sum(p.numel() for p in trainer.parameters),
        "first_loss": trainer.losses[0], "last_loss": sum(recent) / len(recent),
        "change_with_trigger": hers, "change_without_trigger": anybodys,
        "bleed": anybodys / hers if hers else 0.0,
    }  # fmt: skip


def _write_skeleton(folder: Path, bodies: list[MotionClip], takes: list[Take]) -> None:
    """Her bones: they are her body, which the adapter does not learn."""
    skeleton = bodies[0].skeleton
    offsets = np.median([body.skeleton.offsets for body in bodies], axis=0)
    store.write_json(
        folder / SKELETON_FILE,
        {
            "names": list(skeleton.names),
            "parents": list(skeleton.parents),
            "offsets": [[float(v) for v in row] for row in offsets],
            "standing_m": float(np.median([take.standing_m for take in takes])),
        },
    )
