"""The page of a comparison: the verdict, the arms, the shares, the pictures side by side, the marks, the limits."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from capture import report as house
from capture.issues import Report
from capture.store import Artefact, write_atomic
from training.compare.chart import COLOURS, INVENTED, reference_rings, render_rings, share_chart
from training.compare.colour import U8
from training.compare.marks import MarkVerdict, Verdict
from training.compare.pairs import read_rows
from training.compare.photographs import read_picture
from training.compare.qa import QAReport
from training.compare.score import ArmScore, PairScore, read_frames
from training.dataset.frames import Frame

_VIEWS = 12  # shown; all are counted
_EMBEDDED_PX = 512  # a larger picture is embedded smaller: the page is looked at, not measured
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class _Picture:
    name: str
    caption: str
    image: Markup
    rings: Markup


@dataclass(frozen=True)
class _View:
    title: str
    pictures: tuple[_Picture, ...]


def write_page(path: Path, qa: QAReport, report: Report, sets: Mapping[str, Artefact], dataset: Artefact) -> None:
    """Write the self-contained page. Raises IncompleteInput when a picture changed since it was compared."""
    order = _worst_first(qa)
    rows = {r.key: r for r in read_rows(dataset.folder)}
    views = [_view(key, qa, sets, dataset, rows) for key in order[:_VIEWS]]
    shares = [*((a.name, a.kept) for a in qa.arms), ("ceiling", qa.ceiling.kept), ("floor", qa.floor.kept)]
    reasons = [(a.name, p.request, p.reason) for a in qa.arms for p in a.pairs if p.reason]
    limit_rows = [(name, f"{value:g}", what, origin) for name, value, what, origin in qa.thresholds.lines()]
    body = _template().render(
        verdict=house.verdict(qa.line, tone="good" if qa.passed else "bad", detail=qa.advice),
        issues=house.issue_list(report) if report.issues else "",
        arms=house.table(["", *(a.name for a in qa.arms)], _arm_rows(qa)),
        chart=share_chart(shares, qa.thresholds.kept_share, qa.judged),
        views=views,
        unshown=len(order) - len(views),
        legend=[
            *((v.value, c) for v, c in COLOURS.items() if v is not Verdict.NOT_OBSERVABLE),
            ("invented", INVENTED),
        ],
        judged=qa.judged,
        marks=house.table(
            ["mark", "observable", "kept", "faded", "moved", "lost", "median ratio", "why not observable"],
            mark_rows(qa.judged_arm),
        ),
        incomparable=house.table(["arm", "asked for", "why"], reasons) if reasons else "",
        limits=house.table(["limit", "value", "meaning", "origin of the value"], limit_rows),
        ceiling=qa.ceiling,
        floor=qa.floor,
    )
    write_atomic(
        path, house.page("Comparison with the photographs", body, extra_css=(_HERE / "report.css").read_text())
    )


def mark_rows(arm: ArmScore) -> list[tuple[str, ...]]:
    """One line per registered mark, the least kept first; marks that no pair can judge come last."""
    by_mark: dict[str, list[MarkVerdict]] = {}
    for verdict in (m for p in arm.pairs for m in p.marks):
        by_mark.setdefault(verdict.mark, []).append(verdict)
    lines: list[tuple[tuple[float, float, str], tuple[str, ...]]] = []
    for mark, verdicts in by_mark.items():
        seen = [v for v in verdicts if v.verdict is not Verdict.NOT_OBSERVABLE]
        counts = [sum(v.verdict is kind for v in seen) for kind in list(Verdict)[:4]]
        share = counts[0] / len(seen) if seen else 2.0
        ratio = f"{statistics.median(v.ratio for v in seen):.2f}" if seen else ""
        reasons = [v.reason for v in verdicts if v.reason]
        why = f"{max(reasons, key=reasons.count)} (or the like, {len(reasons)} x)" if reasons else ""
        lines.append(((share, -len(seen), mark), (mark, str(len(seen)), *map(str, counts), ratio, why)))
    return [cells for _, cells in sorted(lines)]


def _arm_rows(qa: QAReport) -> list[list[str]]:
    def line(name: str, value: Callable[[ArmScore], str]) -> list[str]:
        return [name, *(value(arm) for arm in qa.arms)]

    return [
        line("renders compared", lambda a: f"{len(a.scored)} of {len(a.pairs)}"),
        line("of these, of photographs kept out of training", lambda a: str(sum(p.held_out for p in a.scored))),
        line("kept of observable (95 % interval)", lambda a: str(a.kept)),
        line("faded", lambda a: str(a.count(Verdict.FADED))),
        line("moved", lambda a: str(a.count(Verdict.MOVED))),
        line("lost", lambda a: str(a.count(Verdict.LOST))),
        line("not observable", lambda a: str(a.count(Verdict.NOT_OBSERVABLE))),
        line("invented per image", lambda a: _number(a.invented_per_image, 2)),
        line("invented per 100 cm² of skin", lambda a: _number(a.invented_per_100_cm2, 2)),
        line("ΔE2000 in the mask", lambda a: _number(a.delta_e, 1)),
        line("PSNR in the mask, dB", lambda a: _number(a.psnr_db, 1)),
        line("SSIM in the mask", lambda a: _number(a.ssim, 3)),
    ]


def _worst_first(qa: QAReport) -> list[str]:
    """Keys of the requested rows: most lost marks of the judged arm first, then the worst colour."""
    ranked = sorted(
        qa.judged_arm.scored,
        key=lambda p: (-p.count(Verdict.LOST) - p.count(Verdict.MOVED), -(p.delta_e or 0.0), p.request),
    )
    return list(dict.fromkeys(p.request for p in ranked))


def _view(key: str, qa: QAReport, sets: Mapping[str, Artefact], dataset: Artefact, rows: Mapping[str, Frame]) -> _View:
    first = next(p for p in qa.judged_arm.scored if p.request == key)
    row = rows[first.reference]
    photo = read_picture(dataset, f"{row.split}/{row.file_name}")
    kind = "kept out of training" if first.held_out else "seen in training"
    pictures = [
        _Picture("photograph", f"{row.key}, {kind}", _embedded(photo, f"photograph {row.key}"),
                 reference_rings(row.marks, first.marks, photo.shape[:2])),
    ]  # fmt: skip
    for arm in qa.arms:
        pair = next((p for p in arm.pairs if p.request == key), None)
        if pair is not None:
            pictures.append(_render(arm.name, pair, sets[arm.name]))
    request = next(f.of for f in read_frames(sets[qa.judged]) if f.of.key == key)
    where = f"seen from {request.view.azimuth_deg:.0f} deg, {request.view.elevation_deg:.0f} deg up"
    return _View(f"{request.framing}, {where}, take {request.take}, light {request.light}", tuple(pictures))


def _render(name: str, pair: PairScore, renders: Artefact) -> _Picture:
    image = read_picture(renders, pair.raw)
    counts = [f"{pair.count(v)} {v}" for v in list(Verdict)[:4] if pair.count(v)]
    if pair.invented:
        counts.append(f"{len(pair.invented)} invented")
    if pair.delta_e is not None:
        counts.append(f"ΔE {pair.delta_e:.1f}")
    caption = f"not comparable: {pair.reason}" if pair.reason else ", ".join(counts) or "no mark to judge"
    rings = render_rings(pair.marks, pair.invented or (), image.shape[:2])
    return _Picture(f"AI twin: {name}", caption, _embedded(image, f"render of arm {name}"), rings)


def _embedded(image: U8, alt: str) -> Markup:
    scale = _EMBEDDED_PX / max(image.shape[:2])
    if scale >= 1:
        return house.picture(_encoded(".png", image), alt=alt)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return house.picture(_encoded(".jpg", np.asarray(small, dtype=np.uint8)), alt=alt)


def _encoded(suffix: str, image: U8) -> bytes:
    done, data = cv2.imencode(suffix, image)
    if not done:
        raise ValueError(f"picture of shape {image.shape} cannot be encoded as {suffix}; give (H, W, 3) uint8")
    return data.tobytes()


def _number(value: float | None, digits: int) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("report.html.j2")
