"""`twin demo`: a whole twin on a simulated shoot, from the card to the report, on a laptop without GPU or network."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.errors import EXIT_OK, ComparisonFailed
from scripts.options import printer_of
from scripts.printing import Outcome

if TYPE_CHECKING:
    from capture.issues import Report
    from capture.validate import ValidatedSession
    from capture.vault import SessionFolder
    from training.compare import QAReport
    from training.dataset.build import DatasetRecipe

PERSON_SEED = 6  # below scripts.pretrain_appearance.FIRST_SEED: the embedded base has never seen her
ARC_DEG = 100.0
HELD_OUT_CAMERAS = ("cam04", "cam07")
VALIDATION_CAMERAS = ("cam09",)
HELD_OUT_LIGHT = "key-right"
HELD_OUT_EVERY = 3  # of the held-out crops: all of them would take as long as the training
HELD_OUT_TAKE = "take3"  # and with it an outfit
_SAME_MARK_PX = 6.0
UNWEIGHTED = "unweighted"


@dataclass(frozen=True)
class Size:
    """How large the simulated shoot and the training are."""

    cameras: int = 12
    lights: int = 4
    takes: int = 3
    pixels: int = 768
    board_shots: int = 40
    steps: int = 400


def demo(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Option(help="Where the shoot, the vault and the report go.")] = Path("runs/demo"),
    ablate: Annotated[bool, typer.Option("--ablate", help="Also train with the usual unweighted loss.")] = False,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = Size.steps,
) -> None:
    """Run every step on a simulated shoot and print where the report is."""
    printer = printer_of(ctx)
    page, qa, report = run_demo(folder, size=Size(steps=steps), ablate=ablate, say=printer.say)
    code = EXIT_OK if qa.passed else ComparisonFailed.exit_code
    printer.outcome(
        Outcome("demo", qa.line, report, where=(page,), next_step=f"open {page} in a browser", exit_code=code)
    )
    raise typer.Exit(code)


def run_demo(
    folder: Path, *, size: Size, ablate: bool, say: Callable[[str], None], base: Path | None = None
) -> tuple[Path, QAReport, Report]:
    """The whole path; returns the page of the comparison, its verdict and its report."""
    from training.bases import EMBEDDED
    from training.dataset.build import DatasetRecipe

    step = _Steps(say)
    recipe = DatasetRecipe(
        holdout_cameras=HELD_OUT_CAMERAS, holdout_lights=(HELD_OUT_LIGHT,), holdout_takes=(HELD_OUT_TAKE,),
        validation_cameras=VALIDATION_CAMERAS,
    )  # fmt: skip
    session = prepare(folder, size=size, person_seed=PERSON_SEED, recipe=recipe, step=step)
    return _learn_and_judge(session, folder / "report", base or EMBEDDED, size.steps, ablate, step)


def prepare(
    folder: Path, *, size: Size, person_seed: int, recipe: DatasetRecipe, step: Callable[..., None]
) -> SessionFolder:
    """From a simulated shoot of a person to her data set; `step` is told of every step and where its result lies."""
    from calibration.landmarks import find_marks
    from calibration.rig import calibrate
    from capture.ingest import ingest
    from capture.stage.shoot import ShootPlan, write_shoot
    from capture.vault import Vault
    from training.dataset.build import build_dataset

    plan = ShootPlan(
        person_seed=person_seed, cameras=size.cameras, arc_deg=ARC_DEG, lights=size.lights, takes=size.takes,
        image_size=size.pixels, board_shots=size.board_shots, chart=False, ball=False,
    )  # fmt: skip
    card = folder / "card"
    truth = card.parent / f"{card.name}.truth.json"
    if not truth.is_file():  # it is written last, so a card without it was broken off
        shutil.rmtree(card, ignore_errors=True)
        write_shoot(card, plan)
    step(f"shoot: {size.cameras} cameras x {size.lights} lights x {size.takes} takes simulated in {card}")
    validated, report = ingest(card, Vault(folder / "vault"))
    step(f"ingest: {len(validated.originals)} files, {_trouble(report)}", validated.folder.derived("ingest"))
    rig, report = calibrate(validated)
    step(f"calibrate: {rig.rig_rms_px:.2f} px RMS, {_trouble(report)}", validated.folder.derived("calibration"))
    find_marks(validated, rig)
    confirmed = folder / "marks.toml"
    count = _confirm(validated, truth, confirmed)
    birthmarks, report = find_marks(validated, rig, confirmed=confirmed)
    step(f"marks: {count} confirmed by the simulated technician, {_trouble(report)}", validated.folder.derived("marks"))
    dataset, report = build_dataset(validated, rig, birthmarks, recipe=recipe)
    step(f"dataset: {report.facts.get('crops', 'as before')}, {_trouble(report)}", dataset.folder)
    return validated.folder


def _learn_and_judge(
    session: SessionFolder, out: Path, base: Path, steps: int, ablate: bool, step: _Steps
) -> tuple[Path, QAReport, Report]:
    from training.compare import compare_arms
    from training.loop import train
    from training.recipe import TrainRecipe
    from training.render import held_out, render

    arms: dict[str, str | None] = {"base": None, "twin": "twin"}
    recipe = TrainRecipe(steps=steps)
    recipes = {"twin": recipe}
    if ablate:
        arms[UNWEIGHTED] = UNWEIGHTED
        recipes[UNWEIGHTED] = recipe.model_copy(update={"mark_weight": 1.0})
    for name, recipe in recipes.items():
        twin, _ = train(session, name, base=base, recipe=recipe)
        step(f"train: {name}, {steps} steps with mark weight {recipe.mark_weight:g}", twin.folder)
    requests = held_out(session)[::HELD_OUT_EVERY]
    sets = {}
    for name, twin_name in arms.items():
        made, _ = render(session, requests, name=f"demo-{name}", base=base, twin=twin_name)
        sets[name] = made.folder
        step(f"render: {len(made.files)} held-out views and lights with {name}", made.folder)
    qa, report = compare_arms(sets, session.derived("dataset"), out)
    step(f"compare: {qa.line}")
    return out / "report.html", qa, report


class _Steps:
    """Says what each step did and how long it took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._last = say, time.monotonic()

    def __call__(self, line: str, where: Path | None = None) -> None:
        now = time.monotonic()
        self._say(f"[{now - self._last:5.1f} s] {line}" + (f"  -> {where}" if where else ""))
        self._last = now


def _trouble(report: Report) -> str:
    if not report.issues:
        return "nothing wrong"
    return f"{len(report.errors)} errors, {len(report.warnings)} warnings"


def _confirm(validated: ValidatedSession, truth: Path, to: Path) -> int:
    """Play the technician who looks at the numbered crops: confirm the proposals that lie on a true mark.

    Only here, where a person would decide, is the truth of the simulation read; no step of the path sees it.
    """
    from capture.marks import read_marks, write_marks

    photos = json.loads(truth.read_text())["photos"]
    entries = []
    proposed = read_marks(validated.folder.derived("marks") / "marks.proposed.toml")
    for entry in proposed.mark:
        near = [
            photo
            for photo in entry.photo
            if any(
                mark["visible"] and math.dist((photo.u, photo.v), mark["pixel"]) < _SAME_MARK_PX
                for mark in photos[photo.take][photo.camera].values()
            )
        ]
        if len(near) >= 2:
            entries.append(entry.model_copy(update={"confirmed": True, "photo": tuple(near)}))
    write_marks(to, proposed.model_copy(update={"mark": tuple(entries)}))
    return len(entries)
