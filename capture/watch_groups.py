"""How far each take, clip and calibration object has come while the shoot runs, with its verdict in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from capture.coverage import Coverage
from capture.issues import Issue, Report, Severity
from capture.layout import expected_shots, place_of
from capture.reshoot import Line
from capture.session import Session, Shot, ShotKind

State: TypeAlias = Literal["not begun", "coming in", "complete", "over"]
Tone: TypeAlias = Literal["good", "warn", "bad", "idle"]

NAMES = {
    ShotKind.BOARD: "board",
    ShotKind.CHART: "chart",
    ShotKind.BALL: "ball",
    ShotKind.PLATE: "plates",
}


@dataclass(frozen=True)
class Group:
    """Files that are shot together: a take, a clip, or the shots of one calibration object."""

    id: str
    expected: int  # files that session.toml promises; of board, chart and ball those known so far
    landed: int  # files that are there and decode
    state: State
    tone: Tone
    verdict: str  # what the technician does now


def group_of(shot: Shot) -> str:
    """The id of the group that a shot belongs to."""
    return shot.group if shot.kind in (ShotKind.STILL, ShotKind.CLIP) else NAMES[shot.kind]


def groups_of(
    session: Session, there: Iterable[Shot], missing: Iterable[Shot], states: Mapping[str, State], seen: Seen
) -> tuple[Group, ...]:
    """Every group in the order of the session. `missing` holds what is not there whether or not its turn has come."""
    landed = Counter(group_of(shot) for shot in there)
    lacking = Counter(group_of(shot) for shot in missing)
    grid = Counter(group_of(shot) for shot in expected_shots(session))
    ids = [*(t.id for t in session.take), *(c.id for c in session.clip), *NAMES.values()]
    made = []
    for name in dict.fromkeys(ids):
        expected = grid[name] or landed[name] + lacking[name]
        if expected:
            state: State = states.get(name, "not begun")
            if landed[name] >= expected and not lacking[name]:
                state = "complete"
            tone, verdict = _verdict(name, state, expected - landed[name], seen)
            made.append(Group(name, expected, landed[name], state, tone, verdict))
    return tuple(made)


@dataclass(frozen=True)
class Seen:
    """What the checks said, sorted by group."""

    lines: Mapping[str, list[Line]]
    issues: Mapping[str, list[Issue]]

    @staticmethod
    def of(report: Report, covered: Coverage) -> Seen:
        """Lines of the reshoot list and issues that count, by the group that they are about."""
        lines: dict[str, list[Line]] = {}
        for line in covered.lines:
            lines.setdefault(line.group, []).append(line)
        issues: dict[str, list[Issue]] = {}
        for item in report.issues:
            if item.severity is not Severity.IGNORED:
                issues.setdefault(_group_at(item.where), []).append(item)
        return Seen(lines, issues)


def _group_at(where: str) -> str:
    """The group that an issue's place belongs to; empty where it is of none."""
    place = place_of(where)
    for kind, name in NAMES.items():
        if place.startswith(kind.value):
            return name
    parts = place.split("/")
    return parts[1] if parts[0] in (ShotKind.STILL.value, ShotKind.CLIP.value) and len(parts) > 1 else ""


def _verdict(name: str, state: State, lacking: int, seen: Seen) -> tuple[Tone, str]:
    if state == "not begun":
        return "idle", "not begun"
    must = [line for line in seen.lines.get(name, ()) if line.must]
    look = [line for line in seen.lines.get(name, ()) if not line.must]
    issues = seen.issues.get(name, [])
    errors = [item for item in issues if item.severity is Severity.ERROR]
    if must:
        return "bad", _again("Shoot again", must)
    if errors:
        return "bad", f"{errors[0].reason} {errors[0].remedy}"
    if state == "coming in":
        return "idle", f"{lacking} still to come"
    if look:
        return "warn", _again("Look at", look)
    if issues:
        return "warn", f"{issues[0].reason} {issues[0].remedy}"
    return "good", "All there, nothing wrong. Next."


def _again(what: str, lines: list[Line]) -> str:
    call = lines[0].call.removeprefix(f"{lines[0].group}, ")
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{what}: {call}{more}. {lines[0].do}"
