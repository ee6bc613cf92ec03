"""`twin calibrate`: place every camera of a session in one world."""

from __future__ import annotations

import typer

from scripts.options import DEFAULT_VAULT, Force, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome, counted


def calibrate(ctx: typer.Context, session: SessionName, vault: VaultPath = DEFAULT_VAULT, force: Force = False) -> None:
    """Find every camera's lens and place from the board shots."""
    folder = find_session(vault, session)

    from calibration.rig import calibrate as run
    from capture.validate import load_validated

    rig, report = run(load_validated(folder), force=force)
    printer_of(ctx).outcome(
        Outcome(
            "calibrate",
            f"{counted(len(rig.cameras), 'camera')} placed, worst reprojection error {max(rig.rms_px.values()):.2f} px",
            report,
            where=(page_of(folder.derived("calibration")),),
            next_step=f"twin marks {session}",
        )
    )
