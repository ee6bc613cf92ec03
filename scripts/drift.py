"""`twin drift`: whether the calibration still holds for what was shot since, told without a board."""

from __future__ import annotations

import typer

from capture.errors import EXIT_OK, CalibrationTooPoor
from scripts.options import DEFAULT_VAULT, Force, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome


def drift(ctx: typer.Context, session: SessionName, vault: VaultPath = DEFAULT_VAULT, force: Force = False) -> None:
    """Compare takes and clips with the calibration: which camera moved, or is out of step."""
    folder = find_session(vault, session)

    from calibration.drift.step import ARTEFACT, check_drift
    from calibration.rig import load_calibration
    from capture.validate import load_validated

    rig = load_calibration(folder)
    _, report = check_drift(load_validated(folder), rig, force=force)
    named = sorted({i.where for i in report.errors if i.where.startswith("camera ")})
    did = f"the calibration no longer holds for {', '.join(named)}" if named else "the calibration holds"
    if not named and (report.errors or any(i.where == "session" for i in report.issues)):
        did = "nobody can tell whether the calibration holds"
    code = EXIT_OK if report.ok else CalibrationTooPoor.exit_code
    printer_of(ctx).outcome(
        Outcome(
            "drift",
            did,
            report,
            where=(page_of(folder.derived(ARTEFACT)),),
            next_step=f"twin marks {session}" if report.ok else "do what the page says, then calibrate again",
            exit_code=code,
        )
    )
    raise typer.Exit(code)
