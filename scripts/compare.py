"""`twin compare`: is this still her? Renders beside photographs of the same view and light, mark by mark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capture.errors import EXIT_OK, ComparisonFailed
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
)
from scripts.printing import Outcome


def compare(
    ctx: typer.Context,
    session: SessionName,
    twin: TwinName = DEFAULT_TWIN,
    thresholds: Annotated[Path | None, typer.Option(help="thresholds.toml [default: the limits of the house]")] = None,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Compare renders with photographs, mark by mark."""
    folder = find_session(vault, session)

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
