"""The page on her movement: the verdict, one line for each thing that was asked, and her walk as stick figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from markupsafe import Markup

from calibration.motion.figure import CSS, stick_figures
from calibration.motion.skeleton import Captured
from capture.issues import Issue, JsonObject, Report, Severity
from capture.motion.canonical import CANONICAL
from capture.report import Tone, figures, ignored_list, issue_list, page, table, verdict

_NAMED = 2  # joints; of more it is said how many they are
Lines: TypeAlias = tuple[tuple[str, tuple[str, ...], str], ...]


@dataclass(frozen=True)
class Wording:
    """How a page speaks of where the movement came from."""

    done: str  # what was done with her movement
    asked: Lines  # what is asked of a clip, the codes that answer it with no, and the line where none does
    figures: Callable[[JsonObject], dict[str, str]]  # of the facts of a clip, beside those of its skeleton


_OF_A_SKELETON: Lines = (
    ("Gaps", ("MOTION_GAP_TOO_LONG",), "none is longer than may be filled in"),
    ("Skeleton", ("MOTION_NO_SKELETON", "MOTION_BONES_VARY"), "bones of one length fit all frames"),
)


def _of_cameras(facts: JsonObject) -> dict[str, str]:
    return {
        "Views of a joint": f"{facts['views']:.1f}",
        "Reprojection error": "–" if facts["residual_px"] is None else f"{facts['residual_px']:.1f} px",
        "Views left out": str(facts["left_out"]),
    }


def _of_a_file(facts: JsonObject) -> dict[str, str]:
    filled = cast("dict[str, int]", facts["filled"])
    return {
        "File": str(facts["file"]),
        "Rate": f"{float(str(facts['fps'])):g} a second",
        "Rotations": str(facts["rotations"]),
        "Frames filled in": _filled(filled) if filled else "none",
    }


def _filled(frames: dict[str, int]) -> str:
    if len(frames) > _NAMED:
        return f"{sum(frames.values())}, of {len(frames)} joints"
    return ", ".join(f"{count} of {name.replace('_', ' ')}" for name, count in frames.items())


OF_KEYPOINTS = Wording(
    "captured",
    (
        (
            "Files",
            ("MOTION_KEYPOINTS_UNREADABLE", "MOTION_CAMERA_UNKNOWN", "MOTION_CAMERA_WITHOUT_KEYPOINTS"),
            "every camera of the rig has keypoints",
        ),
        ("Who", ("MOTION_OTHERS_SEEN", "MOTION_PEOPLE_SWAPPED"), "one person, seen by two cameras and more"),
        ("Time", ("MOTION_CAMERA_LATE",), "all cameras show the same moments"),
        ("Cameras", ("MOTION_CAMERA_DISAGREES",), "all cameras see her joints in the same places"),
        ("Joints", ("MOTION_JOINT_NOT_SEEN",), "all 18 joints were seen"),
        *_OF_A_SKELETON,
    ),
    _of_cameras,
)
OF_RECORDINGS = Wording(
    "taken over",
    (
        ("File", ("MOTION_FILE_UNREADABLE",), "it was read to its end"),
        ("Body", ("MOTION_NO_BODY",), "legs of a person's length"),
        ("Joints", ("MOTION_JOINT_MISSING", "MOTION_JOINT_NOT_SEEN"), "all 18 joints are in it"),
        *_OF_A_SKELETON,
    ),
    _of_a_file,
)
_CSS = CSS + (
    ".asked{list-style:none;margin:14px 0;padding:0}.asked li{padding:7px 16px;margin:4px 0;border-left:8px solid;"
    "border-radius:6px;font-size:1.1rem}.asked b{display:inline-block;min-width:7.5em}"
)


def render_page(
    report: Report,
    clips: Mapping[str, tuple[Captured | None, Report]],
    session: str,
    *,
    wording: Wording = OF_KEYPOINTS,
) -> str:
    """The whole page as HTML that needs no other file; of each clip what was captured and its own report.

    Clips with errors come first.
    """
    parts = [_head(report, clips, wording)]
    for name, (captured, own) in sorted(clips.items(), key=lambda item: item[1][1].ok):
        parts.append(Markup("<h2>{}</h2>").format(name))
        parts.append(_asked(own, wording))
        if captured is not None:
            parts.append(_drawn(captured))
            parts.append(_figures(own.facts, wording))
            parts.append(_joints(own.facts))
    parts += [issue_list(report), ignored_list(report)]
    return page(f"Movement of {session}", Markup("").join(parts), extra_css=_CSS)


def _head(report: Report, clips: Mapping[str, tuple[Captured | None, Report]], wording: Wording) -> Markup:
    made = [name for name, (captured, _) in clips.items() if captured is not None and captured.fitted is not None]
    detail = "Nothing to do."
    first = next(iter((*report.errors, *report.warnings)), None)
    if first:
        detail = f"First: {first.where}. {first.reason} {first.remedy}"
    if report.errors:
        wrong = [name for name, (_, own) in clips.items() if own.errors]
        fine = [name for name in made if name not in wrong]
        line = "Her movement cannot be used as it is"
        line += f" in {', '.join(wrong)}; in order: {', '.join(fine)}" if fine else ""
        return verdict(line, tone="bad", detail=detail)
    line = f"Her movement was {wording.done}: {', '.join(made)}"
    return verdict(line, tone="warn" if report.warnings else "good", detail=detail)


def _asked(report: Report, wording: Wording) -> Markup:
    lines = [Markup('<li class="{}"><b>{}</b>{}</li>').format(*line) for line in _lines(report, wording.asked)]
    return Markup('<ul class="asked">{}</ul>').format(Markup("").join(lines))


def _lines(report: Report, lines: Lines) -> Iterator[tuple[Tone, str, str]]:
    live = [i for i in report.issues if i.severity is not Severity.IGNORED]
    nothing = not report.facts  # it ended before the other things could be asked
    for asked, codes, fine in lines:
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


def _figures(facts: JsonObject, wording: Wording) -> Markup:
    fps = float(str(facts["fps"]))
    values = {
        "Skeleton": f"{float(str(facts['clip_frames'])) / fps:.1f} of {float(str(facts['frames'])) / fps:.1f} s",
        **wording.figures(facts),
        "Joints from the skeleton": "–" if facts["fit_mean_mm"] is None else f"{facts['fit_mean_mm']:.1f} mm",
    }
    stands = cast("dict[str, float]", facts["stands"])
    if stands:
        values["Feet stand, left and right"] = f"{stands['left']:.0%} and {stands['right']:.0%} of the time"
    return figures(values)


def _joints(facts: JsonObject) -> Markup:
    known = cast("dict[str, float]", facts["known"])
    errors = cast("dict[str, float]", facts["fit_mm"])
    rows = [
        [name.replace("_", " "), f"{known[name]:.0%}", f"{errors[name]:.1f} mm" if name in errors else "held still"]
        for name in CANONICAL
    ]
    return table(["joint", "frames in which it is known", "from the skeleton"], rows)
