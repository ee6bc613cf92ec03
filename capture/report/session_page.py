"""The page that a technician reads while she is still on set: what to reshoot, then all pictures by camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from capture import images, video
from capture.issues import Issue, Report, Severity
from capture.layout import split_reshoot
from capture.report import environment, figures, issue_list, page, picture, verdict
from capture.session import Shot, ShotKind, Take
from capture.store import write_atomic
from capture.validate import Context

_PAGE_WIDTH = 1080  # CSS pixels for the cells of one row of the grid
_CELL = (84, 180)  # narrowest and widest cell
_MOST = 3  # places that the line at the top names
_SHORT = {
    "EXPOSURE_CLIPPED": "clipped",
    "EXPOSURE_OFF": "exposure",
    "FOCUS_SOFT": "soft",
    "FRAME_IDENTICAL": "identical",
    "CAMERA_SETTINGS_DIFFER": "size",
    "CLIP_FRAMES_DIFFER": "frame count",
    "GRID_FRAME_MISSING": "missing",
    "FILE_MISSING": "missing",
    "FILE_TRUNCATED": "truncated",
    "FILE_DAMAGED": "damaged",
    "FILE_UNREADABLE": "unreadable",
    "FILE_FORMAT": "other format",
    "FILE_EMPTY": "empty",
    "GRID_FRAME_DUPLICATE": "two files",
    "ORIGINAL_CHANGED": "changed",
    "HASH_MISMATCH": "copy differs",
    "PLATE_MISSING": "missing",
}
_STRIPS = {
    ShotKind.CLIP: "Clips",
    ShotKind.BOARD: "Calibration board",
    ShotKind.CHART: "Colour chart",
    ShotKind.BALL: "Mirror ball",
    ShotKind.PLATE: "Empty plates",
}


@dataclass(frozen=True)
class _Cell:
    stem: str
    label: str
    state: str  # "", "warning", "error" or "none" for a shot without a picture
    note: str
    image: Markup | str
    aspect: float  # width / height of the camera


def write_session_page(path: Path, context: Context, report: Report) -> None:
    """Write the page atomically."""
    session = context.session
    place = _Places(context, report)
    takes = [_take(take, session.cameras_of(take), session.lights_of(take), place) for take in session.take]
    body = (
        environment()
        .get_template("session.html.j2")
        .render(
            verdict=session_verdict(report),
            figures=_figures(report),
            issues=issue_list(report) if report.issues else "",
            takes=takes,
            strips=_strips(context, place),
        )
    )
    head = session.session
    title = " · ".join(part for part in (f"Session {head.id}", head.studio, head.date.isoformat()) if part)
    write_atomic(path, page(title, body))


def session_verdict(report: Report) -> Markup:
    """What to do now, in one line; under it, whether the card may be formatted."""
    safe = bool(report.facts.get("safe_to_format"))
    detail = f"Safe to format the card: {'yes' if safe else 'NO'}, {report.facts.get('safe_because', '')}."
    again = [i for i in report.issues if "eshoot" in i.remedy]
    errors = [i for i in again if i.severity is Severity.ERROR]
    if errors:
        return verdict(f"Reshoot: {_places(errors)}", tone="bad", detail=detail)
    if report.errors:
        return verdict(f"Put right: {report.errors[0].where}. {report.errors[0].remedy}", tone="bad", detail=detail)
    if again:
        return verdict(f"Look, then decide whether to reshoot: {_places(again)}", tone="warn", detail=detail)
    return verdict("All there, all readable. She may go.", tone="good", detail=detail)


def _places(issues: Sequence[Issue]) -> str:
    """Where to shoot again, as on the call sheet: the take, its lights, and which cameras need it."""
    cameras: dict[tuple[str, str], list[str]] = {}
    others = []
    for item in issues:
        parts = _stem(item.where).split("/")
        if parts[0] == ShotKind.STILL.value and len(parts) == 4:
            cameras.setdefault((parts[1], parts[2]), []).append(parts[3])
        else:
            others.append(_stem(item.where))
    lights: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (take, light), names in cameras.items():
        lights.setdefault((take, tuple(dict.fromkeys(names))), []).append(light)
    texts = [f"{take}, {_few(where, 'lights')} ({_few(names, 'cameras')})" for (take, names), where in lights.items()]
    texts += dict.fromkeys(others)
    return "; ".join(texts[:_MOST]) + (f"; and {len(texts) - _MOST} more" if len(texts) > _MOST else "")


def _few(names: Sequence[str], what: str) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} {what}"


def _stem(where: str) -> str:
    """The shot that an issue's place belongs to: without extension and number of the reshoot."""
    plain = where.rpartition(".")[0] if where.lower().endswith((*images.EXTENSIONS, *video.EXTENSIONS)) else where
    return split_reshoot(plain)[0]


def _figures(report: Report) -> Markup:
    facts = report.facts
    size = float(str(facts.get("bytes", 0)))
    unit = next((u for u in ((1e9, "GB"), (1e6, "MB")) if size >= u[0]), (1e3, "kB"))
    return figures(
        {
            "Errors": str(len(report.errors)),
            "Warnings": str(len(report.warnings)),
            "Files": str(facts.get("files", 0)),
            "Frames decoded": str(facts.get("frames", 0)),
            "Megapixels": str(facts.get("megapixels", 0)),
            "Size": f"{size / unit[0]:.1f} {unit[1]}",
        }
    )


class _Places:
    """Cells by shot: its thumbnail, and the worst issue that names it."""

    def __init__(self, context: Context, report: Report) -> None:
        self._thumbnails = context.thumbnails
        self._aspect = {c.id: c.width / c.height for c in context.session.camera}
        self._worst: dict[str, Issue] = {}
        for item in sorted(report.issues, key=lambda i: i.severity is not Severity.ERROR):
            for name in (item.where, _stem(item.where)):
                self._worst.setdefault(name, item)

    def cell(self, shot: Shot, label: str) -> _Cell:
        """The cell of one shot."""
        trouble = self._worst.get(shot.stem)
        aspect = self._aspect.get(shot.camera, 1.0)
        note = _SHORT.get(trouble.code, trouble.code.lower()) if trouble else ""
        if shot in self._thumbnails:
            state = trouble.severity.value if trouble else ""
            return _Cell(shot.stem, label, state, note, picture(self._thumbnails.jpeg(shot), alt=shot.stem), aspect)
        return _Cell(shot.stem, label, "none", (note or "missing").upper(), "", aspect)


def _take(take: Take, cameras: tuple[str, ...], lights: tuple[str, ...], place: _Places) -> dict[str, object]:
    """The grid with the longer of cameras and lights downwards, so that it fits the page."""
    width = max(_CELL[0], min(_CELL[1], _PAGE_WIDTH // max(1, len(lights))))
    rows = [
        {
            "name": camera,
            "cells": [place.cell(Shot(ShotKind.STILL, camera, take.id, light), camera) for light in lights],
        }
        for camera in cameras
    ]
    about = ", ".join(part for part in (take.pose, take.outfit, take.backdrop) if part)
    return {"id": take.id, "about": about, "cell": width, "columns": lights, "rows": rows}


def _strips(context: Context, place: _Places) -> list[dict[str, object]]:
    strips: list[dict[str, object]] = []
    for kind, name in _STRIPS.items():
        shots = [o.shot for o in context.originals if o.shot.kind is kind]
        shots += [shot for shot in context.missing if shot.kind is kind]
        cells = [place.cell(shot, shot.stem.removeprefix(f"{kind.value}/")) for shot in shots]
        if cells:
            strips.append({"name": name, "cells": cells})
    return strips
