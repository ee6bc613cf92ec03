"""`twin train`: train the adapter that keeps her birthmarks, or with `--movement` the one that keeps how she moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import (
    DEFAULT_TWIN,
    DEFAULT_VAULT,
    BasePath,
    Force,
    RecipePath,
    SessionName,
    TwinName,
    VaultPath,
    find_session,
    page_of,
    printer_of,
    recipe_of,
)
from scripts.printing import Outcome, Printer, counted

if TYPE_CHECKING:
    from capture.vault import SessionFolder
    from training.recipe import MovementRecipe

Movement = Annotated[bool, typer.Option("--movement", help="Train on her clips how she moves, not how she looks.")]


def train(
    ctx: typer.Context,
    session: SessionName,
    twin: TwinName = DEFAULT_TWIN,
    base: BasePath = None,
    recipe: RecipePath = None,
    movement: Movement = False,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Train an adapter that keeps her birthmarks, or the way she moves."""
    folder = find_session(vault, session)
    if movement:
        _train_movement(printer_of(ctx), folder, (twin, base, recipe_of(recipe).movement), force=force)
        return
    chosen = recipe_of(recipe).train

    from training.bases import EMBEDDED
    from training.census import take_census
    from training.dataset.frames import load_dataset
    from training.loop import train as run

    printer = printer_of(ctx)
    census = take_census(load_dataset(folder.derived("dataset")))
    printer.event("census", census.line(), census.to_json())
    for row in () if printer.machine else census.table():
        printer.say(f"  {row}")
    with printer.progress("training, loss", chosen.steps) as step:
        made, report = run(folder, twin, base=base or EMBEDDED, recipe=chosen, force=force, progress=step)
    steps = int(str(report.facts.get("steps", chosen.steps)))  # fewer where it stopped by itself
    printer.outcome(
        Outcome(
            "train",
            f"twin {made.name} of {made.person} learned in {counted(steps, 'step')}",
            report,
            where=(page_of(made.folder), made.adapter),
            next_step=f"twin render {session} --twin {twin}",
        )
    )


def _train_movement(
    printer: Printer, folder: SessionFolder, how: tuple[str, Path | None, MovementRecipe], *, force: bool
) -> None:
    from training.movement.base import EMBEDDED
    from training.movement.learn import train_movement

    twin, base, chosen = how
    with printer.progress("training, loss", chosen.steps) as step:
        made, report = train_movement(folder, twin, base=base or EMBEDDED, recipe=chosen, force=force, progress=step)
    printer.outcome(
        Outcome(
            "train",
            f"movement of twin {made.name} of {made.person} learned in {counted(chosen.steps, 'step')}",
            report,
            where=(made.adapter,),
            next_step=f"twin render {folder.root.name} --movement {made.actions[0]} --twin {twin}",
        )
    )
