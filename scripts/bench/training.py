"""Our trainer beside diffusers' example trainer: same base, pictures, batch, resolution, rank and precision.

    python -m scripts.bench.training SESSION --vault VAULT --out scripts/bench/results

Each trainer has a process of its own, and the two work in turns, a few steps at a time, so that what else the machine
does falls on both. Prints seconds and processor seconds of a step, time until the first step is done, peak memory, and
with `--survival` the training time until so large a share of the observable marks is kept in the validation views.
`training.json` holds the figures and their ratios.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from capture.issues import JsonObject
from capture.vault import SessionFolder, Vault
from scripts.bench.record import record
from scripts.options import find_session

if TYPE_CHECKING:
    from training.bases.flux import FluxBase

PACKAGES = ("torch", "diffusers", "peft", "accelerate", "transformers", "numpy")
TRAINERS = ("ours", "example")
_CHECK_EVERY = 40  # steps between two looks at the marks


@dataclass(frozen=True)
class Task:
    """What both trainers are given."""

    session: SessionFolder
    base: Path
    threads: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    from training.bases import EMBEDDED

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("session", help="a session with a data set")
    parser.add_argument("--vault", type=Path, required=True)
    parser.add_argument("--base", type=Path, default=EMBEDDED)
    parser.add_argument("--out", type=Path, help="folder of training.json; none is written without it")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=5, help="steps of a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--survival", type=float, default=0.0, help="share of marks; 0 does not ask for it")
    parser.add_argument("--most", type=int, default=600, help="steps after which --survival gives up")
    options = parser.parse_args(argv)
    task = Task(find_session(Vault(options.vault).root, options.session), options.base, options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        workers = {name: Worker(name, task, Path(scratch)) for name in TRAINERS}
        started = {name: worker.ask("start") for name, worker in workers.items()}
        rounds: dict[str, list[list[float]]] = {name: [] for name in TRAINERS}
        for _ in range(options.rounds):
            for name, worker in workers.items():
                rounds[name].append(worker.ask("steps", options.steps))
        survived = {}
        if options.survival:
            survived = {n: w.ask("survival", options.survival, options.most) for n, w in workers.items()}
        peaks = {name: worker.ask("peak")[0] for name, worker in workers.items()}
    figures: JsonObject = {}
    for name in TRAINERS:
        wall, cpu = (statistics.median(r[k] / options.steps for r in rounds[name]) for k in (0, 1))
        row: JsonObject = {
            "seconds_per_step": round(wall, 4), "cpu_seconds_per_step": round(cpu, 4),
            "seconds_to_first_step": round(started[name][0], 2), "peak_gib": round(peaks[name], 2),
        }  # fmt: skip
        if survived:
            reached, steps, kept = survived[name]
            row |= {"seconds_to_survival": round(reached, 1) if reached > 0 else None, "steps": steps, "kept": kept}
        figures[name] = row
        print(name, row)
    ours, peer = (figures[name] for name in TRAINERS)
    assert isinstance(ours, dict)
    assert isinstance(peer, dict)
    ratios: JsonObject = {
        key: round(float(str(peer[key])) / float(str(ours[key])), 2)
        for key in ("seconds_per_step", "cpu_seconds_per_step", "seconds_to_first_step", "peak_gib")
    }
    print("example over ours:", ratios)
    if options.out is not None:
        record(
            options.out / "training.json",
            command=f"python -m scripts.bench.training SESSION --rounds {options.rounds} --steps {options.steps}"
            + (f" --survival {options.survival:g}" if options.survival else ""),
            packages=PACKAGES,
            figures={"trainers": figures, "example_over_ours": ratios, "threads": options.threads},
        )
    return 0


class Worker:
    """A trainer in a process of its own, which does what it is asked and answers with numbers."""

    def __init__(self, name: str, task: Task, scratch: Path) -> None:
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        context.Process(target=_serve, args=(name, task, scratch, there), daemon=True).start()

    def ask(self, what: str, *values: float) -> list[float]:
        """Numbers that answer a question; raises EOFError when the trainer died."""
        self._here.send((what, values))
        answer: list[float] = self._here.recv()
        return answer


def _serve(name: str, task: Task, scratch: Path, questions: Connection) -> None:
    step: Callable[[], float]
    while True:
        try:
            what, values = questions.recv()
        except EOFError:
            return
        began, spent = time.monotonic(), time.process_time()
        if what == "start":
            step, base = (_ours if name == "ours" else _example)(task, scratch)
            step()
        elif what == "steps":
            for _ in range(int(values[0])):
                step()
        elif what == "survival":
            questions.send(_survival(step, base, task, *values))
            continue
        else:
            questions.send([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20])
            continue
        questions.send([time.monotonic() - began, time.process_time() - spent])


def _survival(step: Callable[[], float], base: FluxBase, task: Task, target: float, most: float) -> list[float]:
    """Training seconds until that share of marks is kept (-1 for never), steps, and the share at the end."""
    from training.dataset.frames import load_dataset
    from training.validation import Validator

    judge = Validator(load_dataset(task.session.derived("dataset")), base, count=16)
    trained, kept = 0.0, 0.0
    for done in range(_CHECK_EVERY, int(most) + 1, _CHECK_EVERY):
        began = time.monotonic()
        for _ in range(_CHECK_EVERY):
            step()
        trained += time.monotonic() - began
        base.denoiser.eval()
        kept = judge(done).kept_share
        base.denoiser.train()
        if kept >= target:
            return [trained, done, kept]
    return [-1.0, most, kept]


def _ours(task: Task, scratch: Path) -> tuple[Callable[[], float], FluxBase]:
    import torch

    from training.bases.flux import FluxBase
    from training.cached import base_digest, prepare
    from training.dataset.frames import load_dataset
    from training.energy import meter_for
    from training.recipe import TrainRecipe
    from training.tracking import Tracker, accelerator_for
    from training.trainer import Desk, Trainer
    from training.world import join_world

    torch.set_num_threads(task.threads)
    recipe = TrainRecipe(tracker="none", validate_every=0)
    base = FluxBase(task.base)
    accelerator = accelerator_for(base.device.type, recipe.tracker, scratch)
    desk = Desk(
        scratch / "checkpoints", "bench", join_world(accelerator, 0), Tracker(accelerator, recipe.tracker, {}),
        meter_for(recipe.energy), None, lambda folder: 0.0,
    )  # fmt: skip
    dataset = load_dataset(task.session.derived("dataset"))
    cached = prepare(dataset, base, digest=base_digest(task.base, base), cache=scratch / "latents")
    trainer = Trainer(base, cached, recipe, desk)
    base.denoiser.train()

    def step() -> float:
        trainer.losses.append(trainer.step())
        return trainer.losses[-1]

    return step, base


def _example(task: Task, scratch: Path) -> tuple[Callable[[], float], FluxBase]:
    import torch

    from scripts.bench.diffusers_example import ExampleTrainer, plain_base
    from training.bases.flux import FluxBase
    from training.dataset.frames import load_dataset
    from training.recipe import TrainRecipe

    torch.set_num_threads(task.threads)
    recipe = TrainRecipe()
    base = FluxBase(plain_base(task.base, scratch / "plain"))
    dataset = load_dataset(task.session.derived("dataset"))
    trainer = ExampleTrainer(base, dataset, batch=recipe.batch, rank=recipe.rank, rate=recipe.rate, seed=recipe.seed)
    base.denoiser.train()
    return trainer.step, base


if __name__ == "__main__":
    sys.exit(main())
