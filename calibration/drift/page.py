"""The page on drift: the verdict, what to do, and of every camera how far it was off over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from markupsafe import Markup

from calibration.camera import Camera
from calibration.drift.effects import Kind
from calibration.drift.verdicts import Reading
from calibration.pose import Floats
from capture.checks.moved import MOVED_PX
from capture.issues import Report
from capture.report import Tone, figures, ignored_list, issue_list, page, table, verdict

_WIDTH, _HEIGHT = 1176, 190  # CSS pixels of one drawing
_LEFT, _RIGHT, _TOP, _BOTTOM = 98, 16, 18, 30
_LEAST_REACH = 2.0  # pixels, or frames, at the top of a drawing
_CSS = ".plot .near{stroke:#4a5a6a;fill:none;stroke-width:2}.plot .far{stroke:#b26a00;fill:none;stroke-width:2;" \
       "stroke-dasharray:3 3}.plot .onset{stroke:var(--bad);stroke-width:2}"  # fmt: skip


def render_page(report: Report, readings: Sequence[Reading], cameras: Sequence[Camera], session: str) -> str:
    """The whole page as HTML that needs no other file."""
    line, tone, detail = _verdict(report, readings, cameras)
    parts = [verdict(line, tone=tone, detail=detail), issue_list(report), _figures(report, readings)]
    for reading in readings:
        parts.append(Markup("<h2>{}</h2>").format(reading.recording.place))
        parts.append(table(["camera", "points shared", "off", "late", "background"], list(_rows(reading))))
        parts.append(
            Markup(
                "<p>Full line: points that several cameras share. Dashed: background against {}. Red: onset.</p>"
            ).format(", ".join(sorted(set(reading.recording.against.values()))) or "nothing")
        )
        parts += [drawing for camera in cameras for drawing in _drawings(reading, camera.id)]
    parts.append(ignored_list(report))
    return page(f"Drift of {session}", Markup("").join(parts), extra_css=_CSS)


def _verdict(report: Report, readings: Sequence[Reading], cameras: Sequence[Camera]) -> tuple[str, Tone, str]:
    named = {
        code: [i.where.removeprefix("camera ") for i in report.errors if i.code == code]
        for code in ("CAMERA_DRIFTED", "CAMERA_OUT_OF_STEP", "VERIFICATION_FAILED")
    }
    said = [
        f"{word}: {', '.join(named[code])}"
        for code, word in (
            ("CAMERA_DRIFTED", "moved"),
            ("CAMERA_OUT_OF_STEP", "out of step"),
            ("VERIFICATION_FAILED", "fails on the board"),
        )
        if named[code]
    ]
    if said:
        return f"The calibration no longer holds; {'; '.join(said)}", "bad", report.errors[0].found
    if report.errors or not readings:
        return "Nobody can tell whether the calibration holds", "warn", "No footage could be compared."
    apart = [i.where.removeprefix("camera ") for i in report.warnings if i.code == "DRIFT_DISAGREES"]
    if apart:
        line = f"Nobody can tell whether {', '.join(apart)} moved: two witnesses disagree; no other camera did"
        return line, "warn", next(i.found for i in report.warnings if i.code == "DRIFT_DISAGREES")
    line = f"The calibration holds: none of {len(cameras)} cameras moved, none is out of step"
    return line, "warn" if report.warnings else "good", f"Less than {MOVED_PX:g} px in every recording."


def _figures(report: Report, readings: Sequence[Reading]) -> Markup:
    values = {
        "Recordings": str(len(readings)),
        "Moments": str(sum(len(r.recording.moments) for r in readings)),
        "Noise of a point": f"{report.facts['noise_px']:.2f} px",
    }
    board = report.facts["verification"]
    if isinstance(board, dict):
        values["Board not in the fit"] = f"{board['rig_rms_px']:.2f} px over {board['shots']} shots"
    return figures(values)


def _rows(reading: Reading) -> Iterator[list[str]]:
    for name, count in reading.explained.tracks.items():
        off = np.hypot(*reading.explained.shift_px[name].T)
        behind = np.hypot(*reading.recording.background[name].T)
        lag = reading.explained.lag[name]
        yield [name, str(count), _most(off, "px"), _most(np.abs(lag), "frames"), _most(behind, "px")]


def _most(values: Floats, unit: str) -> str:
    return f"{np.nanmax(values):.2f} {unit} at most" if np.isfinite(values).any() else "not told"


def _drawings(reading: Reading, camera: str) -> Iterator[Markup]:
    """Pixels over time, and frames over time where the camera is out of step."""
    if camera not in reading.explained.shift_px:
        return
    off = np.hypot(*reading.explained.shift_px[camera].T)
    behind = np.hypot(*reading.recording.background[camera].T)
    turn, lag, step = reading.change(camera, Kind.TURN), reading.change(camera, Kind.LAG), reading.steps.get(camera)
    onset = turn.since if turn else step.since if step else None
    yield _drawn(f"{camera}: pixels off", [("near", off), ("far", behind)], reading.recording.names, onset)
    if lag:
        late = reading.explained.lag[camera]
        yield _drawn(f"{camera}: frames late", [("near", late)], reading.recording.names, lag.since)


def _drawn(name: str, lines: Sequence[tuple[str, Floats]], moments: Sequence[str], onset: int | None) -> Markup:
    finite = np.concatenate([v[np.isfinite(v)] for _, v in lines])
    high = max(_LEAST_REACH, 1.1 * float(finite.max(initial=0.0)))
    low = min(0.0, 1.1 * float(finite.min(initial=0.0)))
    across = (_WIDTH - _LEFT - _RIGHT) / max(len(moments) - 1, 1)

    def place(moment: int, value: float) -> tuple[float, float]:
        down = (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + moment * across, _TOP + down

    parts = [Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, name)]
    for value, kind in ((0.0, "zero"), (MOVED_PX, "limit")):
        y = place(0, value)[1]
        parts.append(Markup('<path class="{}" d="M{} {:.1f}H{}"/>').format(kind, _LEFT, y, _WIDTH - _RIGHT))
        parts.append(Markup('<text class="end" x="{}" y="{:.1f}">{:g}</text>').format(_LEFT - 8, y + 4, value))
    parts.append(Markup('<text class="end" x="{}" y="{}">{:.1f}</text>').format(_LEFT - 8, _TOP + 4, high))
    for kind, values in lines:
        parts.append(Markup('<path class="{}" d="{}"/>').format(kind, _path(values, place)))
    if onset is not None:
        x = place(onset, 0)[0]
        parts.append(Markup('<path class="onset" d="M{:.1f} {}V{}"/>').format(x, _TOP, _HEIGHT - _BOTTOM))
        side = "end" if x > _WIDTH / 2 else "start"
        text = Markup('<text class="out {}" x="{:.1f}" y="{}">{}</text>')
        parts.append(text.format(side, x + (-6 if side == "end" else 6), _TOP + 10, f"since {moments[onset]}"))
    label = Markup('<text x="{}" y="{}" class="{}">{}</text>')
    parts.append(label.format(_LEFT, _HEIGHT - 10, "start", f"{name}, {moments[0]}"))
    parts.append(label.format(_WIDTH - _RIGHT, _HEIGHT - 10, "end", moments[-1]))
    return Markup("").join([*parts, Markup("</svg>")])


def _path(values: Floats, place: Callable[[int, float], tuple[float, float]]) -> str:
    """A line through what is known; a moment between two unknown ones is a dot."""
    words, pen = [], False
    for moment, value in enumerate(values):
        if not np.isfinite(value):
            pen = False
            continue
        x, y = place(moment, float(value))
        words.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}" + ("" if pen else "h.1"))
        pen = True
    return "".join(words)
