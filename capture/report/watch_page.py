"""The page that stands on a screen while the shoot runs and reads itself again: the reshoot list on top."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from capture.issues import Report
from capture.report import Tone, environment, ignored_list, issue_list, page, picture, verdict
from capture.report.contact_sheet import Worst
from capture.report.coverage_map import coverage_map, reshoot_list
from capture.report.session_page import session_title
from capture.store import write_atomic
from capture.watch import Sight
from capture.watch_groups import Group

_WAITING = 6  # files named that are not counted yet
_TROUBLED = 12  # pictures with an issue


def write_watch_page(path: Path, sight: Sight, *, refresh_s: int) -> None:
    """Write the page of one look atomically; `refresh_s` = 0 for the last one, which stays as it is."""
    clock = dt.datetime.fromtimestamp(sight.at).strftime("%H:%M:%S")
    context, worst = sight.context, Worst(sight.report.issues)
    named = ((o.shot, worst.get(o.shot.stem)) for o in context.originals)
    troubled = [(shot, item, _picture(sight, shot.stem)) for shot, item in named if item is not None][:_TROUBLED]
    body = (
        environment()
        .get_template("watch.html.j2")
        .render(
            verdict=watch_verdict(sight, f"As of {clock}" + ("." if refresh_s else "; the watch has ended.")),
            reshoot=reshoot_list(sight.covered.lines),
            groups=sight.groups,
            waiting=sight.waiting[:_WAITING],
            more_waiting=max(0, len(sight.waiting) - _WAITING),
            issues=issue_list(sight.report),
            map=coverage_map(sight.covered) if sight.covered.cells else "",
            troubled=troubled,
            latest=[(shot, _picture(sight, shot.stem)) for shot in sight.latest],
            ignored=ignored_list(sight.report),
        )
    )
    write_atomic(path, page(session_title(context.session), body, refresh_s=refresh_s))


def watch_verdict(sight: Sight, clock: str) -> Markup:
    """What to do now, in one line, and how far the shoot has come."""
    tone, line = what_now(sight)
    there, of = sum(g.landed for g in sight.groups), sum(g.expected for g in sight.groups)
    done = sum(g.state == "complete" for g in sight.groups)
    return verdict(line, tone=tone, detail=f"{there} of {of} files, {done} of {len(sight.groups)} groups. {clock}")


def what_now(sight: Sight) -> tuple[Tone, str]:
    """The line at the top: trouble first, then what comes in, then whether she may go."""
    if sight.note:
        return "bad", sight.note
    must = [line for line in sight.covered.lines if line.must]
    if must:
        more = f"; and {len(must) - 1} more" if len(must) > 1 else ""
        return "bad", f"Shoot now: {must[0].call}{more}"
    if sight.report.errors:
        first = sight.report.errors[0]
        return "bad", f"Put right: {first.where}. {first.remedy}"
    coming = [group.id for group in sight.groups if group.state == "coming in"]
    so_far = f"{coming[-1]} is coming in. " if coming else "All there, all readable. " if sight.complete else ""
    look = [line for line in sight.covered.lines if not line.must]
    if look:
        more = f"; and {len(look) - 1} more" if len(look) > 1 else ""
        return "warn", f"{so_far}Look at: {look[0].call}{more}"
    if sight.report.warnings:
        return "warn", f"{so_far}{sight.report.warnings[0].reason} {sight.report.warnings[0].remedy}"
    if sight.complete:
        return "good", f"{so_far}She may go once the card is ingested."
    return "good", f"{so_far}Nothing to shoot again so far." + ("" if coming else f" Next: {_next(sight.groups)}.")


def _next(groups: Sequence[Group]) -> str:
    return next((group.id for group in groups if group.state != "complete"), "ingest the card")


def _picture(sight: Sight, stem: str) -> Markup:
    shot = next(o.shot for o in sight.context.originals if o.shot.stem == stem)
    return picture(sight.context.thumbnails.jpeg(shot), alt=stem)


def summary(sight: Sight) -> Report:
    """The report of the last look with its counts as facts."""
    facts = {**sight.report.facts, "complete": sight.complete, "waiting": len(sight.waiting)}
    return Report("watch", sight.report.issues, {"files": len(sight.context.originals), **facts})
