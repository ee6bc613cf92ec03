"""Issues: what is wrong with the data, said so that a technician knows what to do now.

A code gets its severity, reason and remedy in the catalogue (capture/issue_codes/); an unknown code is a programming
error. Checks yield issues, a `Report` collects them, and severity decides nothing until somebody asks `report.ok`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from capture.issue_codes import CATALOGUE, Severity

__all__ = ["CATALOGUE", "Issue", "JsonObject", "JsonValue", "Report", "Severity", "issue"]

REPORT_SCHEMA = 2  # written down in report/report.schema.json

Scalar: TypeAlias = str | int | float | bool | None
JsonValue: TypeAlias = "Scalar | list[JsonValue] | dict[str, JsonValue]"
JsonObject: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong. Build it with `issue()`, which knows the catalogue."""

    code: str
    severity: Severity
    where: str
    expected: str
    found: str
    reason: str
    remedy: str
    rule: str = ""  # the rule of the shoot that gave it another severity than the catalogue, and its reason


def issue(code: str, *, where: str, expected: str = "", found: str = "") -> Issue:
    """An issue of the catalogue at a place. Raises ValueError for a code that the catalogue does not hold."""
    entry = CATALOGUE.get(code)
    if entry is None:
        raise ValueError(f"issue code {code!r} is not in the catalogue; add it to capture/issue_codes/")
    return Issue(code, entry.severity, where, expected, found, entry.reason, entry.remedy)


@dataclass(frozen=True)
class Report:
    """Issues of one step, with the facts that the step measured (numbers a reader wants beside the verdicts)."""

    step: str
    issues: tuple[Issue, ...] = ()
    facts: JsonObject = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Issue, ...]:
        """Issues that block, in the order they were found."""
        return tuple(i for i in self.issues if i.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """Issues that do not block."""
        return tuple(i for i in self.issues if i.severity is Severity.WARNING)

    @property
    def ignored(self) -> tuple[Issue, ...]:
        """Issues that a rule of the shoot set aside."""
        return tuple(i for i in self.issues if i.severity is Severity.IGNORED)

    @property
    def ok(self) -> bool:
        """True when nothing blocks."""
        return not self.errors

    def with_issues(self, more: Iterable[Issue]) -> Report:
        """This report and further issues."""
        return Report(self.step, (*self.issues, *more), self.facts)

    def grouped(self) -> list[tuple[str, tuple[Issue, ...]]]:
        """Issues by code, errors first, the most frequent first: the order in which a page shows them.

        Ignored ones come last. A code whose severity a rule changed in places has a group of each severity.
        """
        groups: dict[tuple[str, Severity], list[Issue]] = {}
        for item in self.issues:
            groups.setdefault((item.code, item.severity), []).append(item)
        weight = list(Severity)
        order = sorted(groups, key=lambda key: (weight.index(key[1]), -len(groups[key]), key[0]))
        return [(code, tuple(groups[code, severity])) for code, severity in order]

    def to_json(self) -> JsonObject:
        """The report as JSON values; `Report.from_json` reads it back."""
        return {
            "schema": REPORT_SCHEMA,
            "step": self.step,
            "ok": self.ok,
            "issues": [{k: str(v) for k, v in asdict(i).items()} for i in self.issues],
            "facts": self.facts,
        }

    @staticmethod
    def from_json(text: str) -> Report:
        """Read a report that `to_json` wrote, of schema 1 too. Raises ValueError for another schema."""
        data = json.loads(text)
        if data.get("schema") not in (1, REPORT_SCHEMA):  # 1 had no rules and nothing ignored
            raise ValueError(f"report schema is {data.get('schema')!r}, this code reads {REPORT_SCHEMA}")
        issues = tuple(Issue(**{**i, "severity": Severity(i["severity"])}) for i in data["issues"])
        return Report(data["step"], issues, data["facts"])
