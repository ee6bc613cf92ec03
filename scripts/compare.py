"""`twin compare`: is this still her? Renders beside photographs of the same view and light; her movement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capture.errors import EXIT_OK, ComparisonFailed
from scripts.compare_movement import ONLY_MOVEMENT, Among, Asked, Clip, Clips, CohortPath, DropFirst, Movement, compared
from scripts.options import (
    DEFAULT_TWIN,
    DEFAULT_VAULT,
    Force,
    SessionName,
    TwinName,
    VaultPath,
    find_session,
    page_of,
    person_of,
    printer_of,
    refuse_given,
)
from scripts.printing import Outcome


def compare(
    ctx: typer.Context,
    session: SessionName,
    twin: TwinName = DEFAULT_TWIN,
    thresholds: Annotated[Path | None, typer.Option(help="thresholds.toml [default: the limits of the house]")] = None,
    movement: Movement = False,
    clip: Clip = None,
    clips: Clips = "",
    cohort: CohortPath = None,
    among: Among = "",
    drop_first: DropFirst = False,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Compare renders with photographs, mark by mark; or a movement with her own takes."""
    folder = find_session(vault, session)
    if movement:
        found = compared(ctx, folder, Asked(clip, clips, cohort, among, drop_first), twin=twin, force=force)
        printer_of(ctx).outcome(found)
        raise typer.Exit(found.exit_code)
    refuse_given(ctx, ONLY_MOVEMENT, "pictures; it is for --movement")

    from capture.toml_file import read_toml
    from training.compare import Thresholds
    from training.compare import compare as run

    out = folder.derived("compare") / twin
    qa, report = run(
        folder.vault.renders(person_of(folder), twin),
        folder.derived("dataset"),
        out,
        thresholds=read_toml(thresholds, Thresholds) if thresholds else None,
        force=force,
    )
    code = EXIT_OK if qa.passed else ComparisonFailed.exit_code
    printer_of(ctx).outcome(
        Outcome("compare", qa.line, report, where=(page_of(out),), next_step=qa.advice, exit_code=code)
    )
    raise typer.Exit(code)
