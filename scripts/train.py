"""`twin train`: train the adapter that keeps her birthmarks."""

from __future__ import annotations

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
from scripts.printing import Outcome, counted


def train(
    ctx: typer.Context,
    session: SessionName,
    twin: TwinName = DEFAULT_TWIN,
    base: BasePath = None,
    recipe: RecipePath = None,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Train an adapter that keeps her birthmarks."""
    folder = find_session(vault, session)
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
