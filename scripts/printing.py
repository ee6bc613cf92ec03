"""What the command says: sentences for people on a terminal, or one JSON object a line for machines.

The order is always the same: what was done, what was found (errors first, three examples and a count, the remedy),
where it lies, what comes next. Results go to stdout, failures to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from capture.errors import EXIT_OK, EXIT_USAGE, LikenessError
from capture.issues import CATALOGUE, Issue, JsonObject, JsonValue, Report, Severity

EXAMPLES = 3
_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.IGNORED: "dim"}


@dataclass(frozen=True)
class Outcome:
    """What one verb has to say when its step returned."""

    verb: str
    did: str  # one sentence
    report: Report
    where: tuple[Path, ...] = ()  # the most useful file first
    next_step: str = ""  # a command to type, or what a person must do now
    exit_code: int = EXIT_OK


@dataclass(frozen=True)
class Printer:
    """Speaks in the form that the command line asked for."""

    machine: bool = False  # JSON lines on stdout
    quiet: bool = False  # nothing but failures

    def outcome(self, outcome: Outcome) -> None:
        """Say how a step ended. Blocking issues are printed even when quiet."""
        if self.machine:
            self._event(
                {
                    "event": "outcome",
                    "verb": outcome.verb,
                    "did": outcome.did,
                    "where": [str(p) for p in outcome.where],
                    "next": outcome.next_step,
                    "exit_code": outcome.exit_code,
                    "report": outcome.report.to_json(),
                }
            )
            return
        if self.quiet:
            self.issues(outcome.report.errors, failed=True)
            return
        out = _console()
        skipped = outcome.report.facts.get("skipped") is True
        already = "already done, nothing has changed: " if skipped else ""
        out.print(Text(f"{outcome.verb}: {already}{outcome.did}", style="bold"))
        self.issues(outcome.report.issues, failed=False)
        for fact in _facts(outcome.report):
            out.print(Text(f"  {fact}"))
        for path in outcome.where:
            out.print(Text(f"  -> {path}", style="cyan"))
        if outcome.next_step:
            out.print(Text(f"next: {outcome.next_step}", style="green"))

    def issues(self, found: Iterable[Issue], *, failed: bool) -> None:
        """Say what is wrong, grouped by code, errors first; on stderr when the step failed by it."""
        out = _console(stderr=failed)
        for code, group in Report("", tuple(found)).grouped():
            entry = CATALOGUE[code]
            times = f" x {len(group)}" if len(group) > 1 else ""
            severity = group[0].severity
            out.print(Text(f"  {severity} {code}{times}: {entry.reason}", style=_STYLE[severity]))
            for item in group[:EXAMPLES]:
                out.print(Text(f"      {_example(item)}"))
            if len(group) > EXAMPLES:
                out.print(Text(f"      and {len(group) - EXAMPLES} more"))
            out.print(Text(f"      do: {entry.remedy}"))

    def failure(self, err: Exception) -> int:
        """Say in one line why a step could not run, its report before it; returns the exit code."""
        code = err.exit_code if isinstance(err, LikenessError) else EXIT_USAGE
        if isinstance(err, OSError):
            code = LikenessError.exit_code
        report = getattr(err, "report", None)
        if self.machine:
            event: JsonObject = {
                "event": "failure",
                "kind": type(err).__name__,
                "message": str(err),
                "exit_code": code,
            }
            self._event(event | ({"report": report.to_json()} if isinstance(report, Report) else {}))
        elif isinstance(report, Report):
            self.issues(report.issues, failed=True)
        line = " ".join(str(err).split())
        _console(stderr=True).print(Text(f"twin: {line}", style="bold red"))
        return code

    def say(self, sentence: str) -> None:
        """One line of progress; an event of its own for machines."""
        if self.machine:
            self._event({"event": "progress", "message": sentence})
        elif not self.quiet:
            _console().print(Text(sentence))

    def event(self, name: str, sentence: str, fields: JsonObject) -> None:
        """One thing that happened: the sentence for people, the fields as an event of that name for machines."""
        if self.machine:
            self._event({"event": name, "message": sentence, **fields})
        elif not self.quiet:
            _console().print(Text(sentence))

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int, float], None]]:
        """A bar on a terminal, about a hundred events for machines, nothing elsewhere.

        Yields the function to call with the number of steps done and the value of the last one.
        """
        if self.machine:
            yield lambda done, value: self._step(what, done, total, value)
        elif self.quiet or not sys.stderr.isatty():
            yield lambda done, value: None
        else:
            from rich.progress import Progress

            with Progress(console=_console(stderr=True), transient=True) as bar:
                task = bar.add_task(what, total=total)
                yield lambda done, value: bar.update(task, completed=done, description=f"{what} {value:.3g}")

    def _step(self, what: str, done: int, total: int, value: float) -> None:
        if done % max(1, total // 100) == 0 or done == total:
            self._event({"event": "step", "of": what, "done": done, "total": total, "value": value})

    def _event(self, event: JsonObject) -> None:
        sys.stdout.write(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()


def counted(number: int, noun: str) -> str:
    """A number with its noun in the right form, for nouns that take an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _console(*, stderr: bool = False) -> Console:
    # Made anew each time, so that it writes to the stream of the moment. Paths are never wrapped.
    return Console(stderr=stderr, soft_wrap=True, highlight=False)


def _example(item: Issue) -> str:
    details = [f"{label} {text}" for label, text in (("expected", item.expected), ("found", item.found)) if text]
    return ": ".join(part for part in (item.where, ", ".join(details)) if part)


def _facts(report: Report) -> list[str]:
    """The plain numbers and words of a report, a line each; tables and lists stay in report.json."""
    return [
        f"{name.replace('_', ' ')}: {_number(value)}"
        for name, value in report.facts.items()
        if name != "skipped" and not isinstance(value, dict | list)
    ]


def _number(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)
