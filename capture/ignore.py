"""What a shoot sets aside on purpose: files by `.likenessignore`, issues by `[[ignore]]` of session.toml.

Nothing disappears: a file that is passed over and an issue that is set aside stay in the report with the rule and its
reason, and count nowhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pathspec import GitIgnoreSpec

from capture.errors import InvalidSession
from capture.issues import Issue, JsonObject, JsonValue, Report, issue
from capture.layout import place_of

if TYPE_CHECKING:
    from capture.session import Ignore, Session

FILE_NAME = ".likenessignore"


@dataclass(frozen=True)
class FileRules:
    """The lines of `.likenessignore`, with the syntax and the order of precedence of .gitignore."""

    lines: tuple[str, ...]
    spec: GitIgnoreSpec

    def rule_for(self, name: str) -> str:
        """The line that passes a file over, `name` being its path in the shoot; empty where none does."""
        result = self.spec.check_file(name)
        if not result.include or result.index is None:
            return ""
        return f"{FILE_NAME} line {result.index + 1}: {self.lines[result.index].strip()}"


def read_file_rules(folder: Path) -> FileRules:
    """Read `.likenessignore` of a folder, no rules where there is none. Raises InvalidSession for an unusable one."""
    path = folder / FILE_NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as err:
        raise _unusable(f"not readable as text in UTF-8: {err}") from None
    for number, line in enumerate(lines, 1):
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            raise _unusable(f"line {number} is no pattern of .gitignore: {line!r}") from None
    return FileRules(tuple(lines), GitIgnoreSpec.from_lines(lines))


def apply_rules(session: Session, issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """The issues with the severity that `[[ignore]]` gives them; of several rules that match, the last counts."""
    rules = [(GitIgnoreSpec.from_lines([rule.where]), rule) for rule in session.ignore]
    judged = []
    for item in issues:
        fitting = [rule for spec, rule in rules if rule.code == item.code and _matches(spec, item)]
        if fitting:
            item = dataclasses.replace(item, severity=fitting[-1].severity, rule=_said(fitting[-1]))
        judged.append(item)
    return tuple(judged)


def rules_used(session: Session, issues: Iterable[Issue]) -> list[JsonValue]:
    """Every `[[ignore]]` rule with the number of issues that it decided, so that one that fits nothing is seen."""
    said = [item.rule for item in issues]
    return [
        cast(JsonObject, {**rule.model_dump(mode="json"), "issues": said.count(_said(rule))}) for rule in session.ignore
    ]


def _said(rule: Ignore) -> str:
    return f"{rule.code} at {rule.where}: {rule.reason}"


def _matches(spec: GitIgnoreSpec, item: Issue) -> bool:
    """A pattern may name the file, or the place without its extension."""
    return bool(item.where) and (spec.match_file(item.where) or spec.match_file(place_of(item.where)))


def _unusable(found: str) -> InvalidSession:
    report = Report("session", (issue("SESSION_FILE_INVALID", where=FILE_NAME, found=found),))
    return InvalidSession(f"{FILE_NAME} cannot be used: {found}; correct it or take it away", report)
