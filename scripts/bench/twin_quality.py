"""The product's main claim: what a twin keeps of people whom the embedded base never saw, against the usual ways.

    python -m scripts.bench.twin_quality WORK --out scripts/bench/results

For each person a shoot is simulated and taken through the same path as any other; the twin is then trained in three
ways and rendered in held-out views, a held-out light and a held-out outfit:

- ours: marks weighed, the best checkpoint chosen by views that are not judged;
- unweighted: the same recipe with the usual loss;
- peer: diffusers' own example trainer (scripts/bench/diffusers_example.py), same base, pictures, batch, rank, rate and
  number of steps, without our vector of view and light;
- base: the base alone.

Every finished run is kept in WORK, so that a run that was broken off goes on. `twin_quality.json` holds for each figure
and way the mean over runs with a 95 % interval (Student's t over runs).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scipy import stats

from capture import consent, store
from capture.issues import JsonObject
from capture.session import read_session
from capture.store import write_json
from capture.vault import SessionFolder
from scripts.bench.diffusers_example import ExampleTrainer, plain_base
from scripts.bench.record import record
from scripts.demo import HELD_OUT_CAMERAS, HELD_OUT_LIGHT, Size, prepare
from training.bases import EMBEDDED
from training.bases.flux import FluxBase
from training.compare import compare_arms
from training.compare.score import ArmScore
from training.dataset.build import DatasetRecipe
from training.dataset.frames import load_dataset
from training.loop import ARTEFACT, train
from training.prior import without_trigger
from training.recipe import TrainRecipe
from training.render import Request, held_out, render

PEOPLE = (27, 6, 23)  # of light, middle and dark skin; all below scripts.pretrain_appearance.FIRST_SEED
HELD_BACK = DatasetRecipe(
    validation_cameras=("cam09",), holdout_cameras=HELD_OUT_CAMERAS, holdout_lights=(HELD_OUT_LIGHT,),
    holdout_takes=("take3",),  # and with it an outfit
)  # fmt: skip
WAYS = ("ours", "unweighted", "peer", "base")
FIGURES = ("kept", "invented", "delta_e", "bleed")
PACKAGES = ("torch", "diffusers", "peft", "accelerate", "transformers", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Bench:
    """What every run shares."""

    work: Path
    base: Path
    size: Size
    seeds: tuple[int, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing and write the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder of shoots, twins, renders and finished runs")
    parser.add_argument("--out", type=Path, required=True, help="folder of twin_quality.json")
    parser.add_argument("--base", type=Path, default=EMBEDDED)
    parser.add_argument("--people", type=int, nargs="+", default=list(PEOPLE), help="seeds of stage people")
    parser.add_argument("--seeds", type=int, default=3, help="training runs of each person and way")
    parser.add_argument("--steps", type=int, default=Size.steps)
    options = parser.parse_args(argv)
    bench = Bench(options.work, options.base, Size(takes=3, steps=options.steps), tuple(range(options.seeds)))
    runs: list[JsonObject] = []
    for seed in bench.seeds:  # outermost, so that a run that is broken off has judged everybody
        for person in options.people:
            folder = bench.work / f"person-{person}"
            session = prepare(folder, size=bench.size, person_seed=person, recipe=HELD_BACK, step=_say)
            for way in WAYS:
                if way == "base" and seed != bench.seeds[0]:
                    continue  # nothing is trained: each seed would render the same pictures
                runs.append(_run(bench, session, person, way, seed))
                print(json.dumps(runs[-1]), flush=True)
    record(
        options.out / "twin_quality.json",
        command=f"python -m scripts.bench.twin_quality WORK --out scripts/bench/results --steps {options.steps} "
        f"--seeds {options.seeds} --people {' '.join(map(str, options.people))}",
        packages=PACKAGES,
        figures={
            "seeds": list(bench.seeds), "people": list(options.people), "steps": options.steps,
            **{figure: {way: interval([_number(r[figure]) for r in runs if r["way"] == way]) for way in WAYS}
               for figure in FIGURES},
            "runs": list(runs),
        },
    )  # fmt: skip
    return 0


def _say(line: str, where: Path | None = None) -> None:
    print(line, where or "", flush=True)


def _run(bench: Bench, session: SessionFolder, person: int, way: str, seed: int) -> JsonObject:
    """One training and its judgement, or what WORK holds of it."""
    done = bench.work / "runs" / f"{person}-{way}-{seed}.json"
    if done.is_file():
        found: JsonObject = json.loads(done.read_text())
        return found
    twin = None if way == "base" else f"{way}-{seed}"
    base = plain_base(bench.base, bench.work / "plain_base") if way == "peer" else bench.base
    steps = bench.size.steps
    if way == "peer" and twin is not None:
        train_peer(session, twin, base=base, steps=steps, seed=seed)
    elif twin is not None:
        recipe = TrainRecipe(steps=steps, seed=seed)
        train(
            session, twin, base=base, recipe=recipe if way == "ours" else recipe.model_copy(update={"mark_weight": 1.0})
        )
    trigger = str(load_dataset(session.derived("dataset")).artefact.settings["trigger"])
    asked = held_out(session)
    score = _judged(session, asked, f"{way}-{seed}", base, twin)
    anyone = [replace(request, text=without_trigger(request.text, trigger)) for request in asked]
    bleed = _judged(session, anyone, f"{way}-{seed}-anyone", base, twin)
    looked = [p for p in score.pairs if p.invented is not None]
    result: JsonObject = {
        "person": person, "way": way, "seed": seed, "renders": len(score.pairs),
        "sightings": score.kept.total,
        "kept": score.kept.value,
        "invented": sum(bool(p.invented) for p in looked) / max(1, len(looked)),
        "delta_e": statistics.median(p.delta_e for p in score.scored if p.delta_e is not None),
        "bleed": bleed.kept.value,
    }  # fmt: skip
    write_json(done, result)
    return result


def _judged(session: SessionFolder, asked: Sequence[Request], name: str, base: Path, twin: str | None) -> ArmScore:
    made, _ = render(session, asked, name=name, base=base, twin=twin)
    qa, _ = compare_arms({"twin": made.folder}, session.derived("dataset"), session.derived("compare") / name)
    return qa.judged_arm


def train_peer(session: SessionFolder, twin: str, *, base: Path, steps: int, seed: int) -> None:
    """Train a twin with the peer's loop, with the batch, rank and rate of our recipe."""
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.TRAIN)
    dataset, recipe = load_dataset(session.derived("dataset")), TrainRecipe()
    folder = session.vault.twin(head.person, twin) / ARTEFACT
    model = FluxBase(base)
    inputs = {"dataset": dataset.artefact.digest, "base": model.spec.digest, "consent": permit.record_digest}
    settings: JsonObject = {"peer": "diffusers", "steps": steps, "seed": seed}
    if store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        return
    store.reopen(folder, ARTEFACT)
    peer = ExampleTrainer(model, dataset, batch=recipe.batch, rank=recipe.rank, rate=recipe.rate, seed=seed)
    for _ in range(steps):
        peer.step()
    model.save_adapter(folder, {"person": head.person, "consent": head.consent})
    store.finish(folder, ARTEFACT, consent=head.consent, inputs=inputs, settings=settings, result={})


def interval(values: Sequence[float]) -> JsonObject:
    """Mean, 95 % interval by Student's t, and number of runs."""
    n = len(values)
    mean = statistics.fmean(values)
    half = float(stats.t.ppf(0.975, n - 1)) * statistics.stdev(values) / n**0.5 if n > 1 else None
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return {"mean": mean, "low": low, "high": high, "n": n}


def _number(value: object) -> float:
    return float(str(value))


if __name__ == "__main__":
    sys.exit(main())
