"""The page on her movement: the verdict, one line for each thing that was asked, and her walk as stick figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from markupsafe import Markup

from calibration.motion.capture import Captured
from calibration.motion.figure import CSS, stick_figures
from capture.issues import Issue, JsonObject, Report, Severity
from capture.motion.canonical import CANONICAL
from capture.report import Tone, figures, ignored_list, issue_list, page, table, verdict

# What is asked of a clip, the codes that answer it with no, and the line where none does.
_ASKED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "Files",
        ("MOTION_KEYPOINTS_UNREADABLE", "MOTION_CAMERA_UNKNOWN", "MOTION_CAMERA_WITHOUT_KEYPOINTS"),
        "every camera of the rig has keypoints",
    ),
    ("Who", ("MOTION_OTHERS_SEEN", "MOTION_PEOPLE_SWAPPED"), "one person, seen by two cameras and more"),
    ("Time", ("MOTION_CAMERA_LATE",), "all cameras show the same moments"),
    ("Cameras", ("MOTION_CAMERA_DISAGREES",), "all cameras see her joints in the same places"),
    ("Joints", ("MOTION_JOINT_NOT_SEEN",), "all 18 joints were seen"),
    ("Gaps", ("MOTION_GAP_TOO_LONG",), "none is longer than may be filled in"),
    ("Skeleton", ("MOTION_NO_SKELETON", "MOTION_BONES_VARY"), "bones of one length fit all frames"),
)
_CSS = CSS + (
    ".asked{list-style:none;margin:14px 0;padding:0}.asked li{padding:7px 16px;margin:4px 0;border-left:8px solid;"
    "border-radius:6px;font-size:1.1rem}.asked b{display:inline-block;min-width:7.5em}"
)


def render_page(report: Report, clips: Mapping[str, tuple[Captured | None, Report]], session: str) -> str:
    """The whole page as HTML that needs no other file; of each clip what was captured and its own report."""
    parts = [_head(report, clips)]
    for name, (captured, own) in clips.items():
        parts.append(Markup("<h2>{}</h2>").format(name))
        parts.append(_asked(own))
        if captured is not None:
            parts.append(_drawn(captured))
            parts.append(_figures(own.facts))
            parts.append(_joints(own.facts))
    parts += [issue_list(report), ignored_list(report)]
    return page(f"Movement of {session}", Markup("").join(parts), extra_css=_CSS)


def _head(report: Report, clips: Mapping[str, tuple[Captured | None, Report]]) -> Markup:
    made = [name for name, (captured, _) in clips.items() if captured is not None and captured.fitted is not None]
    detail = "Nothing to do."
    first = next(iter((*report.errors, *report.warnings)), None)
    if first:
        detail = f"First: {first.where}. {first.reason} {first.remedy}"
    if report.errors:
        return verdict("Her movement cannot be used as it is", tone="bad", detail=detail)
    line = f"Her movement was captured: {', '.join(made)}"
    return verdict(line, tone="warn" if report.warnings else "good", detail=detail)


def _asked(report: Report) -> Markup:
    lines = [Markup('<li class="{}"><b>{}</b>{}</li>').format(*line) for line in _lines(report)]
    return Markup('<ul class="asked">{}</ul>').format(Markup("").join(lines))


def _lines(report: Report) -> Iterator[tuple[Tone, str, str]]:
    live = [i for i in report.issues if i.severity is not Severity.IGNORED]
    nothing = any(i.code == "MOTION_NO_SKELETON" for i in live) and not report.facts
    for asked, codes, fine in _ASKED:
        found = [i for i in live if i.code in codes]
        for item in found:
            yield ("bad" if item.severity is Severity.ERROR else "warn"), asked, _said(item)
        if not found and not nothing:
            yield "good", asked, fine


def _said(item: Issue) -> str:
    return f"{item.where}: {item.reason} Found: {item.found}."


def _drawn(captured: Captured) -> Markup:
    shown = captured.fitted.clip.track if captured.fitted else captured.track
    caption = Markup(
        "<p>Blue: her left side. Orange: her right. Green: a foot that stands. Times from {:.2f} s on.</p>"
    )
    return stick_figures(shown, captured.contacts) + caption.format(captured.first / captured.track.fps)


def _figures(facts: JsonObject) -> Markup:
    fps = float(str(facts["fps"]))
    values = {
        "Skeleton": f"{float(str(facts['clip_frames'])) / fps:.1f} of {float(str(facts['frames'])) / fps:.1f} s",
        "Views of a joint": f"{facts['views']:.1f}",
        "Reprojection error": "–" if facts["residual_px"] is None else f"{facts['residual_px']:.1f} px",
        "Views left out": str(facts["left_out"]),
        "Joints from the skeleton": "–" if facts["fit_mean_mm"] is None else f"{facts['fit_mean_mm']:.1f} mm",
    }
    return figures(values)


def _joints(facts: JsonObject) -> Markup:
    known = cast("dict[str, float]", facts["known"])
    errors = cast("dict[str, float]", facts["fit_mm"])
    rows = [
        [name.replace("_", " "), f"{known[name]:.0%}", f"{errors[name]:.1f} mm" if name in errors else "held still"]
        for name in CANONICAL
    ]
    return table(["joint", "frames in which it is known", "from the skeleton"], rows)
