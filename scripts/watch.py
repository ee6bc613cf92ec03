"""`twin watch`: the checks of ingest on a tether folder while files land, on the terminal and on a page."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from capture.errors import EXIT_OK
from capture.issues import JsonObject
from scripts.ingest import exit_code
from scripts.options import DEFAULT_VAULT, VaultPath, printer_of
from scripts.printing import EXAMPLES, Outcome, Printer, counted

if TYPE_CHECKING:
    from capture.watch import Sight

PAGE_EVERY_S = 5  # the browser reads the page again, and an idle watch writes it, so that its clock shows life
STYLE = {"good": "green", "warn": "yellow", "bad": "bold red", "idle": "dim"}
LINES = 8  # of the reshoot list on the terminal


def watch(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that the tether program writes into.")],
    described_by: Annotated[
        Path | None, typer.Option(help="Folder of session.toml and consent.toml, where they are not in FOLDER.")
    ] = None,
    vault: VaultPath = DEFAULT_VAULT,
    consent: Annotated[
        Path | None, typer.Option(help="Her consent record [default: FOLDER/consent.toml, then the vault's]")
    ] = None,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks.")] = 1.0,
    finished: Annotated[list[str] | None, typer.Option(help="A take or clip that is over; can be repeated.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, with every take that has begun as over.")] = False,
    until_complete: Annotated[bool, typer.Option("--until-complete", help="End when the grid is full.")] = False,
) -> None:
    """Check files while they land, until Ctrl-C. Nothing is written into FOLDER."""
    from capture.admission import Papers
    from capture.report.watch_page import summary, what_now, write_watch_page
    from capture.vault import Vault
    from capture.watch import QUIET_S, Watcher
    from capture.watch import watch as run

    quiet = 0.0 if once else QUIET_S
    papers = Papers(described_by, consent)
    watcher = Watcher(folder, Vault(vault), papers=papers, finished=finished or (), quiet_s=quiet)
    page = watcher.page_folder / "watch.html"
    printer, last, stopped, written = printer_of(ctx), None, False, 0.0
    try:
        with _view(printer, page) as view:
            for sight in run(watcher, every_s=every, once=once, until_complete=until_complete):
                changed = last is None or sight.changed_from(last)
                if changed or time.monotonic() - written > PAGE_EVERY_S:
                    write_watch_page(page, sight, refresh_s=PAGE_EVERY_S)
                    written = time.monotonic()
                view.show(sight)
                last = sight
    except KeyboardInterrupt:
        stopped = True
    if last is None:
        raise typer.Exit(EXIT_OK)
    write_watch_page(page, last, refresh_s=0)
    code = EXIT_OK if stopped else exit_code(last.report)
    files = counted(len(last.context.originals), "usable file")
    found = f"{counted(len(last.report.errors), 'error')}, {counted(len(last.report.warnings), 'warning')}"
    did = f"{files}, {found}. {what_now(last)[1]}"
    printer.outcome(Outcome("watch", did, summary(last), (page,), f"twin ingest {folder}", code))
    raise typer.Exit(code)


class View(Protocol):
    """Where a look is shown."""

    def show(self, sight: Sight) -> None:
        """Show what has changed."""


@contextmanager
def _view(printer: Printer, page: Path) -> Iterator[View]:
    """A table that stays in place on a terminal, else a line for each thing that happens."""
    console = Console()
    if printer.machine or printer.quiet or not console.is_terminal:
        printer.say(f"page: {page}")
        yield Lines(printer)
        return
    with Live(console=console, auto_refresh=False, screen=False) as live:
        yield Board(live, page)


@dataclass
class Lines:
    """Events as they happen: files that landed, verdicts that changed, issues that came or went."""

    printer: Printer
    verdicts: dict[str, str] = field(default_factory=dict)
    issues: set[tuple[str, str]] = field(default_factory=set)
    note: str = ""

    def show(self, sight: Sight) -> None:
        """Say what is new since the look before."""
        for name in sight.landed:
            self.printer.event("landed", name, {"file": name})
        for group in sight.groups:
            if self.verdicts.get(group.id, "not begun") != group.verdict and (group.tone != "idle"):
                counts = {"landed": group.landed, "expected": group.expected, "tone": group.tone}
                self.printer.event("take", f"{group.id}: {group.verdict}", {"take": group.id, **counts})
            self.verdicts[group.id] = group.verdict
        now = {(item.code, item.where): item for item in sight.report.issues}
        told: Counter[str] = Counter()
        for key in sorted(set(now) - self.issues):
            item = now[key]
            told[item.code] += 1
            if self.printer.machine or told[item.code] <= EXAMPLES:
                said = f"{item.severity} {item.code} {item.where}: {item.found} -> {item.remedy}"
                fields: JsonObject = {"code": item.code, "where": item.where, "severity": item.severity.value}
                self.printer.event("issue", said, fields)
        for code, count in told.items():
            if count > EXAMPLES and not self.printer.machine:
                self.printer.say(f"  and {count - EXAMPLES} more of {code}")
        for code, where in sorted(self.issues - set(now)):
            self.printer.event("solved", f"solved {code} {where}", {"code": code, "where": where})
        if sight.note and sight.note != self.note:
            self.printer.event("note", sight.note, {})
        self.issues, self.note = set(now), sight.note


@dataclass
class Board:
    """The reshoot list and the takes, drawn over themselves."""

    live: Live
    page: Path

    def show(self, sight: Sight) -> None:
        """Draw the look."""
        from capture.report.watch_page import what_now

        tone, line = what_now(sight)
        parts: list[Text | Table] = [Text(line, style=STYLE[tone] + (" reverse" if tone == "bad" else ""))]
        must = [entry for entry in sight.covered.lines if entry.must]
        parts += [Text(f"  {n}. {e.call}  -> {e.do}", style="bold") for n, e in enumerate(must[:LINES], 1)]
        if len(must) > LINES:
            parts.append(Text(f"  and {len(must) - LINES} more, all on the page"))
        table = Table("take", "files", "verdict", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for group in sight.groups:
            style = STYLE[group.tone]
            table.add_row(group.id, f"{group.landed}/{group.expected}", Text(group.verdict, style=style))
        parts.append(table)
        parts += [Text(f"  waiting for {w.name}: {w.why}", style="dim") for w in sight.waiting[:3]]
        clock = time.strftime("%H:%M:%S", time.localtime(sight.at))
        parts.append(Text(f"{clock}  {self.page}  Ctrl-C ends", style="dim"))
        self.live.update(Group(*parts), refresh=True)
