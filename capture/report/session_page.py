"""The page that a technician reads while she is still on set: what to shoot again, then all pictures by camera."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from capture.coverage import Coverage
from capture.issues import Issue, Report, Severity
from capture.layout import place_of
from capture.report import environment, figures, ignored_list, issue_list, page, verdict
from capture.report.contact_sheet import PICTURE_BYTES, Sheet
from capture.report.coverage_map import coverage_map, reshoot_list
from capture.report.plots import exposure_plot, focus_plot
from capture.reshoot import Line
from capture.session import Session, ShotKind
from capture.store import write_atomic
from capture.validate import Context

_MOST = 3  # places that the line at the top names


def write_session_page(
    path: Path, context: Context, report: Report, covered: Coverage, *, picture_bytes: int = PICTURE_BYTES
) -> None:
    """Write the page atomically; its pictures together have at most about `picture_bytes` of JPEG."""
    sheet = Sheet(context, report, budget=picture_bytes)
    body = (
        environment()
        .get_template("session.html.j2")
        .render(
            verdict=session_verdict(report, covered.lines),
            figures=_figures(report, covered),
            reshoot=reshoot_list(covered.lines),
            issues=issue_list(report),
            map=coverage_map(covered) if covered.cells else "",
            exposure=exposure_plot(context),
            focus=focus_plot(context),
            note=sheet.note,
            takes=sheet.takes(),
            strips=sheet.strips(),
            ignored=ignored_list(report),
        )
    )
    write_atomic(path, page(session_title(context.session), body))


_SHOOT_AGAIN = re.compile(r"[Rr]eshoot|[Ss]hoot .*again|then shoot", re.DOTALL)  # in a remedy: she must stay for it


def session_title(session: Session) -> str:
    """The head of every page on a session."""
    head = session.session
    return " · ".join(part for part in (f"Session {head.id}", head.studio, head.date.isoformat()) if part)


def session_verdict(report: Report, lines: Sequence[Line] = ()) -> Markup:
    """What to do now, in one line; under it, whether the card may be formatted."""
    safe = bool(report.facts.get("safe_to_format"))
    detail = f"Safe to format the card: {'yes' if safe else 'NO'}, {report.facts.get('safe_because', '')}."
    again = [i for i in report.issues if _SHOOT_AGAIN.search(i.remedy) and i.severity is not Severity.IGNORED]
    errors = [i for i in again if i.severity is Severity.ERROR]
    views = [line.call for line in lines if line.must and line.kind == "new"]
    if errors:
        return verdict(f"Reshoot: {_places(errors)}", tone="bad", detail=detail)
    if report.errors:
        return verdict(f"Put right: {report.errors[0].where}. {report.errors[0].remedy}", tone="bad", detail=detail)
    if views:
        return verdict(f"Before she goes, the plan lacks: {_cut(views)}", tone="warn", detail=detail)
    if again:
        return verdict(f"Look, then decide whether to reshoot: {_places(again)}", tone="warn", detail=detail)
    if report.warnings:
        count = len(report.warnings)
        things = "one thing" if count == 1 else f"{count} things"
        return verdict(f"All there, all readable. She may go; {things} to look at.", tone="good", detail=detail)
    return verdict("All there, all readable. She may go.", tone="good", detail=detail)


def _places(issues: Sequence[Issue]) -> str:
    """Where to shoot again, as on the call sheet: the take, its lights, and which cameras need it."""
    cameras: dict[tuple[str, str], list[str]] = {}
    others = []
    for item in issues:
        parts = place_of(item.where).split("/")
        if parts[0] == ShotKind.STILL.value and len(parts) == 4:
            take, light = parts[1].replace("*", "every take"), parts[2].replace("*", "every light")
            cameras.setdefault((take, light), []).append(parts[3])
        else:
            others.append(place_of(item.where))
    lights: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (take, light), names in cameras.items():
        lights.setdefault((take, tuple(dict.fromkeys(names))), []).append(light)
    texts = [f"{take}, {_few(where, 'lights')} ({_few(names, 'cameras')})" for (take, names), where in lights.items()]
    return _cut([*texts, *dict.fromkeys(others)])


def _cut(texts: Sequence[str]) -> str:
    return "; ".join(texts[:_MOST]) + (f"; and {len(texts) - _MOST} more" if len(texts) > _MOST else "")


def _few(names: Sequence[str], what: str) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} {what}"


def _figures(report: Report, covered: Coverage) -> Markup:
    facts = report.facts
    size = float(str(facts.get("bytes", 0)))
    unit = next((u for u in ((1e9, "GB"), (1e6, "MB")) if size >= u[0]), (1e3, "kB"))
    values = {"Errors": str(len(report.errors)), "Warnings": str(len(report.warnings))}
    if report.ignored:
        values["Ignored"] = str(len(report.ignored))
    values["Views covered"] = f"{covered.covered} of {len(covered.cells)}"
    values["Files"] = str(facts.get("files", 0))
    values["Frames decoded"] = str(facts.get("frames", 0))
    values["Megapixels"] = str(facts.get("megapixels", 0))
    values["Size"] = f"{size / unit[0]:.1f} {unit[1]}"
    return figures(values)
