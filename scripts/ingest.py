"""`twin ingest`: copy a shoot into the vault, decode every frame and say what must be shot again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capture.errors import EXIT_OK, IncompleteInput, InvalidSession
from capture.issues import Report
from scripts.options import DEFAULT_VAULT, Force, VaultPath, page_of, printer_of
from scripts.printing import Outcome, counted

MISSING = frozenset({"FILE_MISSING", "GRID_FRAME_MISSING"})


def ingest(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder of the shoot, with its session.toml.")],
    described_by: Annotated[
        Path | None, typer.Option(help="Folder of session.toml and consent.toml, where they are not on the card.")
    ] = None,
    vault: VaultPath = DEFAULT_VAULT,
    consent: Annotated[
        Path | None, typer.Option(help="Her consent record [default: SOURCE/consent.toml, then the vault's]")
    ] = None,
    force: Force = False,
) -> None:
    """Copy a shoot into the vault and check every frame."""
    from capture.ingest import ingest as run
    from capture.vault import Vault

    validated, report = run(source, Vault(vault), described_by=described_by, consent=consent, force=force)
    code = exit_code(report)
    head = validated.session.session
    printer_of(ctx).outcome(
        Outcome(
            "ingest",
            f"session {head.id} of {head.person}: {counted(len(validated.originals), 'usable file')}, "
            f"{counted(len(report.errors), 'error')}, {counted(len(report.warnings), 'warning')}",
            report,
            where=(page_of(validated.folder.derived("ingest")),),
            next_step=f"twin calibrate {head.id}"
            if code == EXIT_OK
            else "mend or reshoot the above, then ingest again",
            exit_code=code,
        )
    )
    raise typer.Exit(code)


def exit_code(report: Report) -> int:
    """0 without errors, 14 when files are only missing, 10 when any is bad."""
    if report.ok:
        return EXIT_OK
    only_missing = {item.code for item in report.errors} <= MISSING
    return IncompleteInput.exit_code if only_missing else InvalidSession.exit_code
