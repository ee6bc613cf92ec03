"""Train the movement base on free motion capture and simulated walkers, none of whom is ever judged.

    python -m scripts.pretrain_movement draw WORK --people 300      takes: CMU recordings, walkers of the stage
    python -m scripts.pretrain_movement base WORK --minutes 20      the transformer, with an averaged copy
    python -m scripts.pretrain_movement judge WORK                  samples of it beside real takes
    python -m scripts.pretrain_movement export WORK FOLDER          half-precision folder with its facts
    python -m scripts.pretrain_movement cohort FILE --people 30     fingerprints of walkers to be judged among

`draw` reads the recordings from LIKENESS_DATA/motion. Each stage goes on from what WORK holds. WORK is scratch; only
what `export` writes belongs to the repository, and no recording is in it.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import typer

import training.movement
from capture.issues import JsonObject, JsonValue
from capture.store import write_atomic, write_json
from scripts.pretrain_appearance import FIRST_SEED, Clock

if TYPE_CHECKING:
    import torch
    from diffusers import DDIMScheduler

    from training.movement.base import BaseConfig, MovementBase
    from training.movement.conditions import Vocabulary
    from training.movement.windows import Take, Windows

ACTIONS = ("walk", "tread", "kick", "stylised")
"""Words of the base: `tread` is a walk on the spot, `stylised` the start-walk-stop takes of subject 131."""
# Recordings by file, with the action that is in them; empty where it was not known. Subject 007 is judged and stays
# out. The scaled_ files are the same takes again; of the Swagger files it is not known who recorded them.
RECORDINGS = {
    "cmu/002_01": "walk", "cmu/002_02": "walk", "cmu/005_01": "walk", "cmu/006_01": "walk",
    "cmu131/131_01": "stylised", "cmu131/131_02": "stylised", "cmu131/131_03": "stylised",
    "cmu_mixed/10_01": "kick", "cmu_mixed/10_03": "kick", "cmu_mixed/11_01": "kick", "cmu_mixed/14_19": "",
}  # fmt: skip
REAL_SHARE = 0.4  # of the windows: a minute and a half of recordings beside an hour of simulated walks
TEMPOS = (0.92, 1.0, 1.1)  # at which each recording is taken too
SPELLED = 0.2  # share of the windows whose action is told by its letters
OPEN = 0.15  # chance of each condition to be left open
STARTING = 600  # windows that tell the principal components
COHORT_SEED = FIRST_SEED + 5_000  # the base's people end long before
_CARD = Path(training.movement.__file__).parent / "base_card.md"
app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)

DataPath = Annotated[Path, typer.Option("--data", envvar="LIKENESS_DATA", help="Folder that holds motion/.")]


@dataclass(frozen=True)
class Ground:
    """What the takes of one source are drawn from."""

    name: str
    takes: tuple[Take, ...]


def recorded_takes(data: Path) -> list[Take]:
    """The recordings, each as it is and mirrored, at several tempos; a mirrored person has another name."""
    from capture.motion.bvh import read_bvh
    from capture.motion.skeletons import retarget
    from training.movement.factors import stretched
    from training.movement.walkers import name_of, named_take
    from training.movement.windows import mirrored

    found = []
    for name, action in RECORDINGS.items():
        clip = retarget(read_bvh(data / "motion" / f"{name}.bvh", drop_first=True))
        subject = int(name.split("/")[1].split("_")[0])
        for side, body in enumerate((clip, mirrored(clip))):
            called = name_of(np.random.default_rng([subject, side]))
            found += [named_take(stretched(body, tempo), action, called) for tempo in TEMPOS]
    return found


def write_takes(path: Path, takes: Sequence[Take]) -> None:
    """Takes in one file, written beside its name and then renamed."""
    part = path.with_name(f".{path.name}")
    with part.open("wb") as stream:
        np.savez(
            stream, allow_pickle=False,
            rows=np.concatenate([t.rows for t in takes]),
            bones=np.stack([t.bones for t in takes]), lengths=np.array([len(t) for t in takes]),
            actions=np.array([t.action for t in takes]), people=np.array([t.person for t in takes]),
        )  # fmt: skip
    part.replace(path)


def read_takes(path: Path) -> list[Take]:
    """The takes that `write_takes` wrote."""
    from training.movement.body import RATE_HZ
    from training.movement.windows import Take, way_of

    with np.load(path, allow_pickle=False) as held:
        parts = {name: held[name] for name in held.files}
    ends = np.cumsum(parts["lengths"])
    spans = [slice(end - length, end) for end, length in zip(ends, parts["lengths"], strict=True)]
    return [
        Take(rows := parts["rows"][span], way_of(rows, RATE_HZ), bones, str(action), str(person))
        for span, bones, action, person in zip(spans, parts["bones"], parts["actions"], parts["people"], strict=True)
    ]


@app.command()
def draw(work: Path, data: DataPath, people: int = 300, workers: int = 2, per_shard: int = 10) -> None:
    """Read the recordings and draw walkers until `people` of them are in WORK."""
    (work / "takes").mkdir(parents=True, exist_ok=True)
    if not (work / "takes/recorded.npz").exists():
        write_takes(work / "takes/recorded.npz", recorded_takes(data))
    starts = [s for s in range(0, people, per_shard) if not (work / f"takes/stage-{s:05d}.npz").exists()]
    began = time.monotonic()
    jobs = [(work, start, min(per_shard, people - start)) for start in starts]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, _ in enumerate(pool.imap_unordered(_draw_shard, jobs), 1):
            typer.echo(f"{done}/{len(jobs)} shards, {time.monotonic() - began:.0f} s")


def _draw_shard(job: tuple[Path, int, int]) -> None:
    from training.movement.walkers import walker_takes

    work, start, count = job
    takes = [take for seed in range(start, start + count) for take in walker_takes(FIRST_SEED + seed)]
    write_takes(work / f"takes/stage-{start:05d}.npz", takes)


def load(work: Path) -> tuple[Ground, ...]:
    """Every take that `draw` has finished, recorded and simulated."""
    stage = [take for path in sorted(work.glob("takes/stage-*.npz")) for take in read_takes(path)]
    grounds = Ground("recorded", tuple(read_takes(work / "takes/recorded.npz"))), Ground("stage", tuple(stage))
    if not stage:
        raise ValueError(f"no walkers in {work}; run draw first")
    return grounds


def mixed(grounds: Sequence[Ground]) -> tuple[list[Take], list[float]]:
    """All takes, each by name and as anybody's, and the weights at which windows are drawn from them."""
    from training.movement.conditions import PERSON
    from training.movement.windows import renamed

    takes: list[Take] = []
    weights: list[float] = []
    for ground, share in zip(grounds, (REAL_SHARE, 1 - REAL_SHARE), strict=True):
        frames = sum(len(take) for take in ground.takes)
        for take in ground.takes:
            takes += [take, renamed(take, PERSON)]
            weights += [share * len(take) / frames / 2] * 2
    return takes, weights


@app.command()
def base(
    work: Path,
    minutes: float = 20,
    batch: int = 32,
    rate: float = 8e-4,
    seed: int = 3,
    threads: int = 2,
    save_every: float = 120,
    width: int = 256,
    layers: int = 6,
) -> None:
    """Train the transformer by denoising; keeps an averaged copy, saved every `save_every` seconds.

    Goes on from the averaged copy that WORK holds, with a learning rate that rises and falls anew.
    """
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    from training.energy import meter_for
    from training.movement.base import BaseConfig, make_schedule, save_base
    from training.movement.conditions import PERSON, Vocabulary
    from training.movement.principal import start_at_principal
    from training.movement.windows import Cutter, statistics
    from training.recipe import EnergyRecipe

    torch.set_num_threads(threads)
    takes, weights = mixed(load(work))
    vocabulary = Vocabulary((PERSON, *ACTIONS))
    config = BaseConfig(width=width, layers=layers)
    meter = meter_for(EnergyRecipe())
    torch.manual_seed(seed)
    model, before = _begun(work, config, vocabulary)
    done = int(str(before.get("steps", 0)))
    meter.joules_before, meter.seconds_before = (float(str(before.get(key, 0))) for key in ("joules", "seconds"))
    seed += done  # a resumed run must not see the same windows and noise again
    cutter = Cutter(takes, vocabulary, window=config.window, rate_hz=config.rate_hz, spelled=SPELLED)
    generator, schedule, chances = torch.Generator().manual_seed(seed), make_schedule(), torch.tensor(weights)
    if not before:
        model.mean[:], model.std[:] = statistics([*takes])
        first = cutter.draw(STARTING, generator, chances)
        start_at_principal(model, replace(first, asked=first.asked.dropped(OPEN, generator)))
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.997))
    smooth = cast("MovementBase", averaged.module)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    clock, mean, saved, step = Clock(minutes), 0.0, 0.0, 0

    def keep() -> None:
        used = meter.read()
        about: JsonObject = {"steps": done + step, "batch": batch, "seed": seed, "loss": mean, "joules": used.joules,
                             "seconds": used.seconds, "energy": used.to_json(EnergyRecipe())}  # fmt: skip
        save_base(smooth, work / "base", facts=about)

    while not clock.over:
        for group in optimiser.param_groups:
            group["lr"] = clock.rate(rate, step)
        loss = _loss(model, cutter.draw(batch, generator, chances), schedule, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(model)
        mean += max(0.02, 1 / (step + 1)) * (loss.item() - mean)
        step += 1
        if step % 100 == 0:
            typer.echo(f"base step {step} {clock.seconds:.0f} s loss {mean:.4f}")
        meter.read()
        if clock.seconds - saved > save_every:
            saved = clock.seconds
            keep()
    keep()
    typer.echo(f"base done: {step} steps, loss {mean:.4f}")


def _begun(work: Path, config: BaseConfig, vocabulary: Vocabulary) -> tuple[MovementBase, JsonObject]:
    """The base that WORK holds with the facts of its training, or a fresh one without any."""
    from training.movement.base import MovementBase, load_base

    if not (work / "base/training.json").is_file():
        return MovementBase(config, vocabulary), {}
    facts = json.loads((work / "base/training.json").read_text())
    return load_base(work / "base").train().requires_grad_(True), facts


def _loss(model: MovementBase, windows: Windows, schedule: DDIMScheduler, generator: torch.Generator) -> torch.Tensor:
    """The mean loss of a batch at random noise, each condition left open at a chance."""
    import torch

    from training.movement.base import NOISE_STEPS
    from training.movement.losses import Weights, frame_errors, seen_clearly

    noise = torch.randn(windows.rows.shape, generator=generator)
    times = torch.randint(0, NOISE_STEPS, (len(windows),), generator=generator)
    noisy = schedule.add_noise(model.normalised(windows.rows), noise, times)
    made = model(noisy, times, windows.asked.dropped(OPEN, generator))
    weights = Weights(change=1.0, standing=0.3, feet=60.0)
    signal = schedule.alphas_cumprod[times]
    return (frame_errors(model, made, windows, weights, signal=signal) * seen_clearly(signal)).mean()


@app.command()
def judge(work: Path, data: DataPath, samples: int = 3, seconds: float = 5.0) -> None:
    """Measure walks that the averaged copy makes, and beside them the takes of subject 007, which it never saw."""
    from training.movement.base import load_base
    from training.movement.judging import SPEEDS, judged_real, judged_samples

    model = load_base(work / "base")
    folder = data / "motion" / "cmu"
    facts: JsonObject = {
        "real": _json(judged_real(sorted(folder.glob("007_*.bvh")))),
        "samples": _json(judged_samples(model, seeds=range(samples), seconds=seconds, speeds=SPEEDS)),
    }
    write_json(work / "judged.json", facts)
    typer.echo(json.dumps(facts, indent=1))


@app.command()
def cohort(to: Path, people: int = 30) -> None:
    """Write the fingerprints of simulated walkers, five takes of each, whom neither base nor benchmark has met."""
    from training.movement.cohort import Cohort, write_cohort
    from training.movement.gait import RESOLUTION, SCORED
    from training.movement.sources import CUTOFF_HZ
    from training.movement.walkers import walker_fingerprints

    takes = {}
    for k in range(people):
        takes[f"walker {k + 1:02d}"] = walker_fingerprints(COHORT_SEED + k, cutoff_hz=CUTOFF_HZ)
        typer.echo(f"{k + 1}/{people} walkers")
    write_cohort(to, Cohort("walk", takes, RESOLUTION[SCORED], "simulated walkers of the house"))
    typer.echo(f"{to}: {to.stat().st_size / 1e3:.0f} kB")


def _json(numbers: dict[str, float]) -> JsonObject:
    return dict(numbers)


@app.command()
def export(work: Path, to: Path) -> None:
    """Write the averaged copy in half precision, with its facts and its card, where training and sampling look."""
    from training.movement.base import load_base, save_base

    model = load_base(work / "base")
    recorded, stage = load(work)
    facts: JsonObject = json.loads((work / "base/training.json").read_text())
    facts |= {
        "recordings": list[JsonValue](sorted(RECORDINGS)),
        "recorded_takes": len(recorded.takes), "stage_takes": len(stage.takes),
        "stage_people": len({take.person for take in stage.takes}), "first_person_seed": FIRST_SEED,
        "seconds_recorded": round(sum(len(t) for t in recorded.takes) / model.config.rate_hz),
        "seconds_simulated": round(sum(len(t) for t in stage.takes) / model.config.rate_hz),
        "parameters": sum(p.numel() for p in model.parameters()),
        "judged": json.loads((work / "judged.json").read_text()),
    }  # fmt: skip
    save_base(model, to, half=True, facts=facts)
    write_atomic(to / "README.md", card(facts))
    size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    typer.echo(f"{to}: {size / 1e6:.1f} MB")


def card(facts: JsonObject) -> str:
    """The card of a base, as Markdown."""
    judged = cast("dict[str, dict[str, float]]", facts["judged"])
    energy = cast("dict[str, object]", facts["energy"])
    rows = "\n".join(
        f"| {name} | {judged['samples'][name]:.3g} | {judged['real'].get(name, float('nan')):.3g} |"
        for name in judged["samples"]
    )
    return _CARD.read_text(encoding="utf-8").format(
        **{key: facts[key] for key in ("parameters", "steps", "batch", "loss", "recorded_takes", "seconds_recorded",
                                       "stage_people", "stage_takes", "seconds_simulated", "first_person_seed")},
        actions=", ".join(ACTIONS), files=", ".join(name.split("/")[1] for name in RECORDINGS), minutes=
        float(str(facts["seconds"])) / 60, kwh=float(str(energy["kwh"])), certainty=energy["certainty"], rows=rows,
        seed=facts["seed"],
    )  # fmt: skip


if __name__ == "__main__":
    app()
