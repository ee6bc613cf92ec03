"""`twin dataset`: cut the session into training pictures with captions, masks and marks."""

from __future__ import annotations

from typing import Annotated

import typer

from capture.errors import EXIT_OK, InvalidSession
from scripts.options import (
    DEFAULT_VAULT,
    Force,
    RecipePath,
    SessionName,
    VaultPath,
    find_session,
    page_of,
    printer_of,
    recipe_of,
)
from scripts.printing import Outcome, counted


def dataset(
    ctx: typer.Context,
    session: SessionName,
    recipe: RecipePath = None,
    vault: VaultPath = DEFAULT_VAULT,
    without_marks: Annotated[
        bool, typer.Option("--without-marks", help="Build without a birthmark map; no mark will be weighed or judged.")
    ] = False,
    force: Force = False,
) -> None:
    """Cut pictures to learn from, with captions and marks."""
    folder = find_session(vault, session)

    from calibration.landmarks import load_birthmarks
    from calibration.rig import load_calibration
    from capture.validate import load_validated
    from training.dataset.build import build_dataset
    from training.dataset.frames import Split

    made, report = build_dataset(
        load_validated(folder),
        load_calibration(folder),
        None if without_marks else load_birthmarks(folder),
        recipe=recipe_of(recipe).dataset,
        force=force,
    )
    code = EXIT_OK if report.ok else InvalidSession.exit_code
    printer_of(ctx).outcome(
        Outcome(
            "dataset",
            f"{counted(len(made.of(Split.TRAIN)), 'picture')} to learn from, {len(made.of(Split.TEST))} held out",
            report,
            where=(page_of(made.folder),),
            next_step=f"twin train {session}" if report.ok else "",
            exit_code=code,
        )
    )
    raise typer.Exit(code)
