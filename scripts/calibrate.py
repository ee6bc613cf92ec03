"""`twin calibrate`: place every camera of a session in one world; `--watch` says what the board shots still lack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capture.admission import Papers
from scripts.options import DEFAULT_VAULT, Force, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome, counted


def calibrate(
    ctx: typer.Context,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Name of the session in the vault.")] = "",
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
    watch: Annotated[
        Path | None, typer.Option(help="Instead: a tether folder; say what to show next while the board is shot.")
    ] = None,
    described_by: Annotated[
        Path | None, typer.Option(help="With --watch: folder of session.toml, where it is not in that folder.")
    ] = None,
    consent: Annotated[Path | None, typer.Option(help="With --watch: her consent record.")] = None,
    once: Annotated[bool, typer.Option("--once", help="With --watch: look once.")] = False,
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Solve the rig by COLMAP as well and say how far the two differ.")
    ] = False,
) -> None:
    """Find every camera's lens and place from the board shots."""
    if watch is not None:
        from scripts.board_watch import board_watch

        raise typer.Exit(board_watch(printer_of(ctx), watch, vault, Papers(described_by, consent), once=once))
    if not session:
        raise ValueError("session is not named; give its name, or --watch with a folder")
    if cross_check:
        from calibration.cross_check import require_colmap

        require_colmap()
    folder = find_session(vault, session)

    from calibration.rig import calibrate as run
    from calibration.studio import calibrate_studio
    from capture.validate import load_validated

    validated = load_validated(folder)
    rig, report = run(validated, force=force, cross=cross_check)
    report = calibrate_studio(validated, rig, report, force=force)
    printer_of(ctx).outcome(
        Outcome(
            "calibrate",
            f"{counted(len(rig.cameras), 'camera')} placed, worst reprojection error {max(rig.rms_px.values()):.2f} px",
            report,
            where=tuple(page_of(f) for name in ("calibration", "lights") if (f := folder.derived(name)).is_dir()),
            next_step=f"twin marks {session}",
        )
    )
