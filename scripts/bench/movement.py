"""How well a twin walks like her: the fingerprint on real and simulated walks, and adapters judged by it.

    python -m scripts.bench.movement WORK --data DATA --out scripts/bench/results

- cmu_auc: every pair of the real walks of four people (CMU), on a scale that saw neither of the two;
- stage_eer: 30 simulated people, five takes each, every take left out once, new takes for each seed;
- recognised: for each person an adapter is learned from her takes and asked for walks at a speed and along a path that
  none of them has. `generated` is the share of those that is nearer to her than to anybody else of the cohort, `real`
  the same of real takes that were held out, `base` of what the base makes for the class word;
- skating_ratio, jerk_ratio: of the generated walks over the held-out takes.

People are subject 007 of CMU among the other three, and people of the stage among 30. Each figure is a mean over runs
(a person and a seed) with a 95 % interval (Student's t). Finished runs are kept in WORK.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.issues import Issue, JsonObject
from capture.motion.bvh import read_bvh
from capture.motion.clip import MotionClip
from capture.motion.skeletons import retarget
from capture.stage.gait import another_take
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from capture.store import write_json
from scripts.bench.record import record
from scripts.bench.twin_quality import interval
from training.energy import meter_for
from training.movement.base import EMBEDDED, load_base
from training.movement.cohort import Cohort, pairs_unseen, rank_of, self_test
from training.movement.conditions import PERSON
from training.movement.gait import RESOLUTION, SCORED, Gait, read_gait
from training.movement.generate import Mover, Wish, generate
from training.movement.judging import numbers_of
from training.movement.sampling import Sampling
from training.movement.trainer import Bench, MovementTrainer
from training.movement.verification import pairs, resampled_interval
from training.movement.walkers import bent, paced
from training.movement.windows import Cutter, Take, take_of
from training.recipe import MovementRecipe
from training.tracking import Tracker, accelerator_for

F64 = NDArray[np.float64]

STAGE = 8  # judged people of the stage, seeds from 1 on; all below scripts.pretrain_appearance.FIRST_SEED
AMONG = 30
HER = "007"
EFFORTS = (0.8, 0.88, 1.0, 1.12, 1.2)  # of the takes that are learned from, all straight on
HELD_EFFORTS = (0.94, 0.94, 1.06)
BEND = 0.3  # radians per second of the way that is asked for
SECONDS = 5.0
PACKAGES = ("torch", "diffusers", "peft", "accelerate", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Walker:
    """One person: takes to learn from, takes held out, and everybody that she is to be told from."""

    name: str
    takes: tuple[MotionClip, ...]
    held: tuple[MotionClip, ...]
    others: dict[str, F64]  # name -> (N, 212) fingerprints

    @property
    def cohort(self) -> Cohort:
        """She, by the takes that are learned from, among the others."""
        hers = np.stack([fingerprint(clip) for clip in self.takes])
        return Cohort("walk", {self.name: hers, **self.others}, RESOLUTION[SCORED])


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing and write the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder of finished runs")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds motion/cmu")
    parser.add_argument("--out", type=Path, help="folder of movement.json; none is written without it")
    parser.add_argument("--base", type=Path, default=EMBEDDED)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--people", type=int, default=STAGE, help="people of the stage")
    parser.add_argument("--steps", type=int, default=MovementRecipe().steps)
    options = parser.parse_args(argv)
    folder = options.data / "motion" / "cmu"
    figures: JsonObject = {"cmu_auc": cmu_auc(folder)}
    print(json.dumps(figures), flush=True)
    runs: list[JsonObject] = []
    eers = []
    for seed in range(options.seeds):  # outermost, so that a run that is broken off has judged everybody
        eers.append(self_test(Cohort("walk", stage_people(seed), RESOLUTION[SCORED])).spreads.equal_error[0])
        for walker in [cmu_walker(folder), *(stage_walker(k, seed) for k in range(1, options.people + 1))]:
            runs.append(kept_run(options.work, walker, options.base, MovementRecipe(steps=options.steps, seed=seed)))
            print(json.dumps(runs[-1]), flush=True)
    figures |= {"stage_eer": interval(eers)} | summary(runs)
    print(json.dumps(figures, indent=1))
    if options.out is not None:
        record(
            options.out / "movement.json",
            command=f"python -m scripts.bench.movement WORK --data DATA --out scripts/bench/results "
            f"--seeds {options.seeds} --people {options.people} --steps {options.steps}",
            packages=PACKAGES,
            figures={**figures, "seeds": list(range(options.seeds)), "runs": list(runs)},
        )
    return 0


def cmu_auc(folder: Path) -> JsonObject:
    """Area under the curve of all pairs of the real walks, with takes drawn anew for its interval."""
    paths = sorted(folder.glob("*.bvh"))
    people = [path.name[:3] for path in paths]
    prints = np.stack([fingerprint(recorded(path)) for path in paths])
    found: dict[str, JsonObject] = {}
    for name, weighted in (("learned", True), ("unlearned", False)):
        distances = pairs_unseen(prints, people, RESOLUTION[SCORED], weighted=weighted)
        low, high = resampled_interval(distances, people)
        found[name] = {"mean": pairs(distances, people).auc, "low": low, "high": high, "n": len(paths)}
    return {**found["learned"], "without_learned_weights": found["unlearned"]}


@cache
def recorded(path: Path) -> MotionClip:
    """A recording on the canonical skeleton, without the T pose that it begins with."""
    return retarget(read_bvh(path, drop_first=True))


def fingerprint(clip: MotionClip) -> F64:
    """(212,) the numbers of a walk that a score compares. ValueError for a clip that shows none."""
    return gait_of(clip).fingerprint


def gait_of(clip: MotionClip) -> Gait:
    """The walk in a clip. ValueError where there is none."""
    gait = read_gait(clip.track)
    if isinstance(gait, Issue):
        raise ValueError(f"clip shows no walk: {gait.found}")
    return gait


def cmu_walker(folder: Path) -> Walker:
    """Subject 007: every fourth of her takes by their speed is held out."""
    paths = sorted(folder.glob("*.bvh"))
    own = sorted((recorded(p) for p in paths if p.name.startswith(HER)), key=mean_speed)
    held = own[2::4]
    names = sorted({p.name[:3] for p in paths} - {HER})
    others = {n: np.stack([fingerprint(recorded(p)) for p in paths if p.name.startswith(n)]) for n in names}
    return Walker(HER, tuple(clip for clip in own if clip not in held), tuple(held), others)


def mean_speed(clip: MotionClip) -> float:
    """Metres per second from the first place to the last."""
    return float(np.linalg.norm(clip.root[-1, :2] - clip.root[0, :2]) / (len(clip) / clip.fps))


def stage_walker(number: int, seed: int) -> Walker:
    """A person of the stage with takes of a seed: straight ones to learn from, bends at other speeds held out."""
    rng = np.random.default_rng([number, seed, 1])
    held = tuple(stage_take(number, effort, rng, bend=BEND) for effort in HELD_EFFORTS)
    people = {name: prints for name, prints in stage_people(seed).items() if name != f"stage {number}"}
    return Walker(f"stage {number}", stage_takes(number, seed), held, people)


@cache
def stage_people(seed: int) -> dict[str, F64]:
    """name -> (5, 212) fingerprints of all people of the stage in the takes of a seed."""
    return {f"stage {n}": np.stack([fingerprint(c) for c in stage_takes(n, seed)]) for n in range(1, AMONG + 1)}


def stage_takes(number: int, seed: int) -> tuple[MotionClip, ...]:
    """Straight walks at several efforts, no two alike."""
    rng = np.random.default_rng([number, seed, 0])
    return tuple(stage_take(number, effort, rng) for effort in EFFORTS)


def stage_take(number: int, effort: float, rng: np.random.Generator, *, bend: float = 0.0) -> MotionClip:
    """One take of a person at an effort, a little different from any other."""
    person = make_person(number)
    person = paced(replace(person, gait=another_take(person.gait, rng)), effort)
    clip = stage_clip(person, seconds=SECONDS, travel=True)
    return bent(clip, np.full(len(clip), bend)) if bend else clip


def kept_run(work: Path, walker: Walker, base: Path, recipe: MovementRecipe) -> JsonObject:
    """One adapter and its judgement, or what WORK holds of it."""
    done = work / f"{walker.name.replace(' ', '-')}-{recipe.seed}.json"
    if done.is_file():
        found: JsonObject = json.loads(done.read_text())
        return found
    run = judged(walker, base, recipe)
    write_json(done, run)
    return run


def judged(walker: Walker, base: Path, recipe: MovementRecipe) -> JsonObject:
    """Learn how a person walks, have it walked at the speeds of the held-out takes in a bend, and judge."""
    takes = [own_take(clip, recipe.trigger) for clip in walker.takes]
    wishes = [wish_like(clip, seed=100 * recipe.seed + k) for k, clip in enumerate(walker.held)]
    mover = Mover(walker.takes[0].skeleton, PERSON, standing_m=float(np.median([t.standing_m for t in takes])))
    plain = [generate(wish, load_base(base), mover).clip for wish in wishes]
    model, began = load_base(base), time.process_time()
    cutter = Cutter(takes, model.vocabulary, window=model.config.window, rate_hz=model.config.rate_hz)
    with tempfile.TemporaryDirectory() as scratch:
        tracker = Tracker(accelerator_for("cpu", "none", Path(scratch)), "none", {})
        bench = Bench(Path(scratch) / "checkpoints", "bench", tracker, meter_for(recipe.energy))
        wall = time.monotonic()
        losses = MovementTrainer(model, cutter, recipe, bench).to_the_end()
        seconds = time.monotonic() - wall
    made = [generate(wish, model, replace(mover, word=recipe.trigger, actions=("walk",))).clip for wish in wishes]
    cohort, numbers, real = walker.cohort, list(map(numbers_of, made)), list(map(numbers_of, walker.held))
    return {
        "person": walker.name, "seed": recipe.seed, "people": len(cohort.people), "steps": recipe.steps,
        "train_seconds": round(seconds, 1), "cpu_seconds": round(time.process_time() - began, 1),
        "last_loss": float(np.mean(losses[-50:])),
        "generated": recognised(cohort, made), "real": recognised(cohort, walker.held),
        "base": recognised(cohort, plain),
        "skating": mean_of(numbers, "skating_share"), "skating_real": mean_of(real, "skating_share"),
        "jerk": mean_of(numbers, "jerk_mean_legs"), "jerk_real": mean_of(real, "jerk_mean_legs"),
    }  # fmt: skip


def own_take(clip: MotionClip, trigger: str) -> Take:
    """A clip as a take of hers. ValueError for one that is too short."""
    take = take_of(clip, action="walk", person=trigger)
    if isinstance(take, Issue):
        raise ValueError(f"clip is no take: {take.found}")
    return take


def wish_like(clip: MotionClip, *, seed: int) -> Wish:
    """A walk at the speed of a clip, in a bend."""
    speed = path_length(clip) / (len(clip) / clip.fps)
    angle = BEND * np.linspace(0, SECONDS, 60)
    path = speed / BEND * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=1)
    return Wish("walk", SECONDS, speed * 0.999, path, sampling=Sampling(seed=seed))


def path_length(clip: MotionClip) -> float:
    """Metres that she goes, without what each step adds: from place to place a second apart."""
    every = max(1, round(clip.fps))
    places = np.vstack([clip.root[::every, :2], clip.root[-1:, :2]])
    return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def recognised(cohort: Cohort, clips: Sequence[MotionClip]) -> JsonObject:
    """Share of clips that nobody of the cohort is nearer to than the first of its people, and how near they are."""
    hits, spreads = [], []
    for clip in clips:
        gait = read_gait(clip.track)
        if isinstance(gait, Issue):
            hits.append(0.0)  # what is no walk is not hers
            continue
        distances = cohort.distances(gait.fingerprint)
        hits.append(float(rank_of([float(d) for d in distances], 0) == 1))
        spreads.append(float(distances[0]) / cohort.own_spread(cohort.people[0]))
    return {"share": float(np.mean(hits)), "clips": len(hits), "spreads": float(np.median(spreads or [np.nan]))}


def mean_of(numbers: Sequence[dict[str, float]], name: str) -> float:
    """Mean over the clips that have a number."""
    return float(np.mean([one[name] for one in numbers if name in one]))


def summary(runs: Sequence[JsonObject]) -> JsonObject:
    """The figures over all runs."""

    def share(run: JsonObject, kind: str) -> float:
        found = run[kind]
        assert isinstance(found, dict)
        return float(str(found["share"]))

    def ratio(run: JsonObject, kind: str) -> float:
        return float(str(run[kind])) / max(float(str(run[f"{kind}_real"])), 1e-9)

    return {
        "recognised": {kind: interval([share(r, kind) for r in runs]) for kind in ("generated", "real", "base")},
        "chance": float(np.mean([1 / float(str(r["people"])) for r in runs])),
        "skating_ratio": interval([ratio(r, "skating") for r in runs]),
        "jerk_ratio": interval([ratio(r, "jerk") for r in runs]),
        "train_seconds": interval([float(str(r["train_seconds"])) for r in runs]),
    }


if __name__ == "__main__":
    sys.exit(main())
