"""The whole page: the verdict and what is wrong, every camera on a line, then the drawings that show why."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from markupsafe import Markup

from calibration.camera import Camera
from calibration.findings import MIN_CELLS, MIN_DISTINCT
from calibration.page.coverage import cell_map
from calibration.page.graph import pair_graph, pair_matrix
from calibration.page.offsets import Offset, offsets_chart
from calibration.page.panels import panel, scale_of
from calibration.page.rig_view import rig_view, scene_of
from calibration.pose import Floats, Pose
from calibration.solve import RMS_LIMIT_PX
from capture.issues import Issue, JsonObject, Report, Severity
from capture.report import Tone, figures, ignored_list, issue_list, page, table, verdict

_TAGS: dict[str, tuple[str, Tone]] = {
    "bad": ("not usable", "bad"),
    "look": ("look at it", "warn"),
    "good": ("good", "good"),
}
_EFFECTS = ("REPROJECTION_HIGH", "OBSERVATIONS_DROPPED")
_LOOSE = ("CAMERA_WEAKLY_LINKED", "CAMERA_NOT_LINKED")
_HIDDEN = (
    "Corners alone do not show whether two cameras bore each other's name in all board shots: each is then found where"
    " the other stands. Plates of the empty studio show it, at ingest; so does an earlier rig of this session.",
    "Nor do they show how long a metre is: every length is as true as square_m of session.toml.",
    "A small error over few poses proves little. Read it beside the error on shots held out, and the uncertainty on the"
    " subject.",
)


@dataclass(frozen=True, eq=False)
class Shown:
    """A rig to be drawn."""

    cameras: Sequence[Camera]
    boards: Mapping[str, Pose]
    outline: Floats = field(default_factory=lambda: np.zeros((0, 3)))  # (4, 3) corners of the board in its own frame
    misses: Mapping[str, Floats] = field(default_factory=dict)  # as in Solution.misses
    marks: Mapping[str, Floats] = field(default_factory=dict)  # name -> (3,) metres, world
    floor: bool = False  # z = 0 is the floor


def render_page(report: Report, shown: Shown | None, session: str) -> str:
    """The whole page as HTML that needs no other file."""
    body = _head(report) + _issues(report) + _numbers(report) + _cameras(report)
    if shown is not None and shown.cameras:
        bad = frozenset(name for item in report.errors for name in _concerned(item))
        outline = shown.outline if len(shown.outline) else np.zeros((4, 3))
        scene = scene_of(shown.cameras, shown.boards, outline, shown.marks, floor=shown.floor, bad=bad)
        body += Markup("<h2>The rig</h2>") + rig_view(scene) + _legend(report, shown)
        body += _panels(shown)
    body += _offsets(report) + _pairs(report, shown) + _left_out(report)
    body += Markup("<h2>What this page cannot know</h2>") + _paragraphs(_HIDDEN) + ignored_list(report)
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return page(f"Calibration of {session}", body, extra_css=style)


def first_cause(report: Report) -> Issue | None:
    """What to mend first: causes stand first in a report, and one at the place of an error says more than the error."""
    blamed = {i.where for i in report.errors}
    live = [i for i in report.issues if i.severity is not Severity.IGNORED]
    return next((i for i in live if i.where in blamed), live[0] if live else None)


def _issues(report: Report) -> Markup:
    """Errors first, and of errors and of warnings the causes before what follows from them."""
    parts = [
        [i for i in report.issues if (i.severity is severity) and (i.code in _EFFECTS) == effect]
        for severity in (Severity.ERROR, Severity.WARNING)
        for effect in (False, True)
    ]
    return Markup("").join(issue_list(Report(report.step, tuple(items))) for items in parts)


def _concerned(item: Issue) -> list[str]:
    """Cameras that an issue is about: "camera a", or "cameras a, b and c"."""
    kind, _, names = item.where.partition(" ")
    return [names] if kind == "camera" else re.split(", | and ", names) if kind == "cameras" else []


def _head(report: Report) -> Markup:
    first = first_cause(report)
    detail = f"First: {first.where}. {first.reason} {first.remedy}" if first else "Nothing to do."
    if not report.ok:
        return verdict("The rig cannot be used", tone="bad", detail=detail)
    # what people act on is the error on shots that the solve never saw
    held, rms = report.facts.get("held_out_rms_px"), report.facts.get("rig_rms_px")
    said = f", {held:.2f} px off where it was not fitted" if isinstance(held, float) else ""
    said = said or (f", {rms:.2f} px off" if isinstance(rms, float) else "")
    return verdict(f"The rig can be used{said}", tone="warn" if report.warnings else "good", detail=detail)


def _numbers(report: Report) -> Markup:
    facts = report.facts
    values = {
        "Error, no corner left out": _px(facts.get("rig_rms_px", facts.get("board_rms_px"))),
        "On shots held out": _px(facts.get("held_out_rms_px")),
        "Distances on the board": _unit(facts.get("distance_rmse_mm", facts.get("board_distance_rmse_mm")), "mm"),
    }
    if "dropped_corners" in facts:
        dropped, used = int(str(facts["dropped_corners"])), int(str(facts["used_corners"]))
        values["Corners left out"] = f"{dropped} of {dropped + used}"
        values["Shots of two cameras"] = str(facts["shots"])
    listed = figures({k: v for k, v in values.items() if v != "–"})
    notes = cast("list[str]", facts.get("notes") or [])
    held = cast("list[str]", facts.get("held_out_shots") or [])
    lines = [
        f"The limit is {RMS_LIMIT_PX} px for every camera and the rig. Corners are left out of the solve, never of"
        " these numbers."
        + (f" Held out: shots {held[0]} to {held[-1]}, by a rig that was solved without them." if held else ""),
        *([f"World: {facts['world']}."] if "world" in facts else []),
        *notes,
    ]
    return listed + _paragraphs(lines)


def _cameras(report: Report) -> Markup:
    facts = cast("dict[str, JsonObject]", report.facts.get("cameras", {}))
    lines = list(camera_lines(report))
    if not lines:
        return Markup("")
    head = ["camera", "verdict", "error", "held out", "lens alone", "on the subject ±"]
    head += [f"poses ({MIN_DISTINCT} wanted)", f"picture ({MIN_CELLS} cells)", "left out", "board away"]
    rows = [[Markup("<b>{}</b>").format(name), tag, *_cells(name, facts.get(name))] for name, tag in lines]
    return Markup('<h2>Cameras</h2><div class="grid cameras">{}</div>').format(table(head, rows))


def camera_lines(report: Report) -> Iterator[tuple[str, Markup]]:
    """Every camera that has an issue or was measured, the worst first, with its verdict."""
    facts = cast("dict[str, JsonObject]", report.facts.get("cameras", {}))
    live = [i for i in report.issues if i.severity is not Severity.IGNORED]
    own: dict[str, list[Issue]] = {name: [] for name in facts}
    for item in live:
        for name in _concerned(item):
            own.setdefault(name, []).append(item)
    bad = {n: any(i.severity is Severity.ERROR for i in items) for n, items in own.items()}
    words = {n: "bad" if bad[n] else "look" if items else "good" for n, items in own.items()}
    for name in sorted(own, key=lambda n: list(_TAGS).index(words[n])):
        word, tone = _TAGS[words[name]]
        why = " ".join(dict.fromkeys(i.reason for i in own[name]))
        yield name, Markup('<span class="tag {}">{}</span>{}').format(tone, word, why)


def _cells(name: str, facts: JsonObject | None) -> list[str]:
    if facts is None:
        return ["–"] * 8
    sigma = cast("JsonObject", facts["sigma"] or {})
    mm, px = sigma.get("subject_mm"), sigma.get("subject_px")
    subject = (
        Markup("{:.2f} mm<br>{:.2f} px").format(mm, px) if isinstance(mm, float) and isinstance(px, float) else "open"
    )
    counts = cast("list[int]", facts["coverage"])
    return [
        _px(facts["rms_px"]),
        _px(facts["held_out_rms_px"]),
        _px(facts["intrinsic_rms_px"]),
        subject,
        f"{facts['distinct_poses']} of {facts['views']} views",
        cell_map(name, counts) + Markup("<br>{} of {}").format(facts["cells"], len(counts)),
        str(facts["dropped"]),
        _unit(facts["distance_m"], "m"),
    ]


def _legend(report: Report, shown: Shown) -> Markup:
    parts = ["Each camera is drawn as the pyramid of its view, its tip where the lens is; red has an error."]
    if shown.boards:
        parts.append("Blue: where the board was held.")
    if shown.marks:
        parts.append(f"Violet: {len(shown.marks)} confirmed marks, as placed by the rig that was there before.")
    if not shown.floor:
        parts.append("Where the floor is, is not known: no board lay on it.")
    return _paragraphs([" ".join(parts)])


def _panels(shown: Shown) -> Markup:
    if not any(len(own) for own in shown.misses.values()):
        return Markup("")
    scale = scale_of(shown.cameras, shown.misses)
    drawn = Markup("").join(panel(c, shown.misses[c.id], scale) for c in shown.cameras if c.id in shown.misses)
    text = (
        f"From where a corner was seen towards where the rig expects it, drawn {scale.factor} times as long as it is,"
        " alike for all cameras; red ones were left out of the solve. A pattern, all outward or in a swirl, is a lens;"
        " all one way within a shot is a camera that moved or looked late; no pattern is noise."
    )
    return Markup('<h2>Where each camera misses</h2>{}<div class="panels">{}</div>').format(_paragraphs([text]), drawn)


def _offsets(report: Report) -> Markup:
    found = cast("dict[str, float]", report.facts.get("offsets_s") or {})
    if not found:
        return Markup("")
    cameras = cast("dict[str, JsonObject]", report.facts["cameras"])
    rows = {}
    for name, seconds in found.items():
        sigma = cast("JsonObject", cameras[name]["sigma"] or {}).get("offset_s")
        reach = cameras[name].get("sigma_reach_95")
        half = 1000 * sigma * reach if isinstance(sigma, float) and isinstance(reach, float) else math.inf
        rows[name] = Offset(1000 * seconds, half if math.isfinite(half) else None)
    text = "Milliseconds by which each camera sees later than the clock, and the interval in which that lies (95 %)."
    chart = offsets_chart(rows, str(report.facts["clock"]))
    return Markup("<h2>When each camera looks</h2>{}{}").format(_paragraphs([text]), chart)


def _pairs(report: Report, shown: Shown | None) -> Markup:
    listed = cast("list[JsonObject]", report.facts.get("pairs") or [])
    if not listed:
        return Markup("")
    pairs = {(str(p["a"]), str(p["b"])): int(str(p["shots"])) for p in listed}
    names = list(dict.fromkeys(n for pair in pairs for n in pair))
    if shown is not None:
        # around the ring as they stand around the subject
        middle = np.mean([c.centre for c in shown.cameras], axis=0)
        angle = {c.id: math.atan2(*(c.centre - middle)[:2]) for c in shown.cameras}
        names.sort(key=lambda n: angle.get(n, math.pi))
    weak = {n for i in report.issues if i.code in _LOOSE for n in _concerned(i)}
    text = (
        "Board shots that two cameras share. Red: what is tied to the others by few; such a tie can be wrong unnoticed."
    )
    drawn = Markup('<div class="pairs">{}{}</div>').format(pair_graph(names, pairs, weak), pair_matrix(names, pairs))
    return Markup("<h2>Who saw the board together</h2>{}{}").format(_paragraphs([text]), drawn)


def _left_out(report: Report) -> Markup:
    dropped = cast("dict[str, dict[str, int]]", report.facts.get("dropped") or {})
    if not dropped:
        return Markup("")
    rows = []
    for name, shots in sorted(dropped.items(), key=lambda item: -sum(item[1].values())):
        worst = sorted(shots, key=lambda s: -shots[s])
        more = f" and {len(worst) - 8} more" if len(worst) > 8 else ""
        rows.append([name, str(sum(shots.values())), ", ".join(f"{s} ({shots[s]})" for s in worst[:8]) + more])
    head = ["camera", "corners", "shots"]
    return Markup('<h2>Corners left out of the solve</h2><div class="grid">{}</div>').format(table(head, rows))


def _paragraphs(lines: Sequence[str]) -> Markup:
    return Markup("").join(Markup("<p>{}</p>").format(line) for line in lines)


def _px(value: object) -> str:
    return _unit(value, "px")


def _unit(value: object, unit: str) -> str:
    return f"{value:.2f} {unit}" if isinstance(value, float) else "–"
