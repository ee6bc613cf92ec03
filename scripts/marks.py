"""`twin marks`: find her birthmarks in the photographs and place the confirmed ones on her body."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from capture.errors import EXIT_OK, InvalidSession
from capture.issues import JsonObject
from scripts.options import DEFAULT_VAULT, Force, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome, counted


def marks(
    ctx: typer.Context,
    session: SessionName,
    confirmed: Annotated[Path | None, typer.Option(help="marks.toml in which a person confirmed marks.")] = None,
    against: Annotated[
        str, typer.Option(help="An earlier session of hers: say which marks are new, gone or changed.")
    ] = "",
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Find birthmarks, and place the confirmed ones on her body."""
    folder = find_session(vault, session)

    from calibration.landmarks import find_marks
    from calibration.rig import load_calibration
    from capture.validate import load_validated

    found, report = find_marks(load_validated(folder), load_calibration(folder), confirmed=confirmed, force=force)
    if against:
        from calibration.landmarks import load_birthmarks
        from calibration.mark_sessions import compare_maps

        earlier = load_birthmarks(find_session(vault, against))
        comparison = compare_maps(earlier, found or load_birthmarks(folder))
        report = report.with_issues(comparison.issues())
        told: JsonObject = {f"against {against}": comparison.line, "changes": comparison.to_json()}
        report = replace(report, facts={**report.facts, **told})
    artefact = folder.derived("marks")
    where: tuple[Path, ...] = (page_of(artefact),)
    if found is None:
        did = "marks are proposed; a person must confirm them"
        where = (*where, artefact / "marks.proposed.toml")
        after = f"look at the page, set confirmed = true in a copy, then: twin marks {session} --confirmed COPY"
    else:
        did = f"{counted(len(found.marks), 'birthmark')} placed on her body"
        after = f"twin dataset {session}"
    code = EXIT_OK if report.ok else InvalidSession.exit_code
    printer_of(ctx).outcome(Outcome("marks", did, report, where, next_step=after, exit_code=code))
    raise typer.Exit(code)
