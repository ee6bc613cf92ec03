"""`twin ingest`: copy a shoot into the vault, decode every frame and say what must be shot again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

import typer

from capture.errors import EXIT_OK, IncompleteInput, InvalidSession
from capture.issues import JsonObject, Report
from scripts.options import DEFAULT_VAULT, Force, VaultPath, page_of, printer_of
from scripts.printing import Outcome, counted

# Nothing that came in is bad; something did not come in.
MISSING = frozenset({"FILE_MISSING", "GRID_FRAME_MISSING", "CARD_GONE", "DISK_FULL", "COPY_FAILED", "READ_FAILED"})
_SAID_LAST = ("safe_to_format", "safe_because", "cards")


def ingest(
    ctx: typer.Context,
    cards: Annotated[
        list[Path], typer.Argument(metavar="CARD...", help="Folders of the shoot; session.toml on one of them.")
    ],
    described_by: Annotated[
        Path | None, typer.Option(help="Folder of session.toml and consent.toml, where they are not on a card.")
    ] = None,
    vault: VaultPath = DEFAULT_VAULT,
    also: Annotated[
        list[Path] | None, typer.Option(help="A folder on a further disk that gets the originals too; repeatable.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read cards and copies again, changed or not.")] = False,
    consent: Annotated[
        Path | None, typer.Option(help="Her consent record [default: consent.toml of a card, then the vault's]")
    ] = None,
    force: Force = False,
) -> None:
    """Copy a shoot into the vault, check every frame, and say whether each card may be formatted."""
    from capture.admission import Papers
    from capture.ingest import Copying
    from capture.ingest import ingest as run
    from capture.vault import Vault

    copying = Copying(also=tuple(also or ()), verify=verify)
    papers = Papers(described_by, consent)
    validated, report = run(cards, Vault(vault), papers=papers, copying=copying, force=force)
    code = exit_code(report)
    head = validated.session.session
    printer = printer_of(ctx)
    told = report
    if not printer.machine:
        told = replace(report, facts={k: v for k, v in report.facts.items() if k not in _SAID_LAST})
    printer.outcome(
        Outcome(
            "ingest",
            f"session {head.id} of {head.person}: {counted(len(validated.originals), 'usable file')}, "
            f"{counted(len(report.errors), 'error')}, {counted(len(report.warnings), 'warning')}",
            told,
            where=(page_of(validated.folder.derived("ingest")),),
            next_step=f"twin calibrate {head.id}"
            if code == EXIT_OK
            else "mend or reshoot the above, then ingest again",
            exit_code=code,
        )
    )
    for line in () if printer.machine else safe_lines(report):
        printer.say(line)
    raise typer.Exit(code)


def safe_lines(report: Report) -> list[str]:
    """Whether each card may be formatted: one line for each, with its name where there are several."""
    cards = cast("list[JsonObject]", report.facts.get("cards", []))
    return [f"{card['card']}: {card['line']}" if len(cards) > 1 else str(card["line"]) for card in cards]


def exit_code(report: Report) -> int:
    """0 without errors and with every card safe, 14 when something is only missing, 10 when anything is bad."""
    if report.ok:
        return EXIT_OK if report.facts.get("safe_to_format", True) else IncompleteInput.exit_code
    only_missing = {item.code for item in report.errors} <= MISSING
    return IncompleteInput.exit_code if only_missing else InvalidSession.exit_code
