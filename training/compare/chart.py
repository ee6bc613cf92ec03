"""Drawings of the comparison page, as inline SVG: the bar chart of kept shares and the rings on the birthmarks."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from training.compare.marks import MarkVerdict, Verdict
from training.compare.shares import Share
from training.dataset.frames import MarkSeen

COLOURS = {
    Verdict.KEPT: "#17a34a",
    Verdict.FADED: "#f2b600",
    Verdict.MOVED: "#8b5cf6",
    Verdict.LOST: "#ef2b1f",
    Verdict.NOT_OBSERVABLE: "#9aa0a6",
}
INVENTED = "#ff2fb3"

_LEFT, _PLOT, _ROW = 250, 640, 44  # px of the drawing


def share_chart(shares: Sequence[tuple[str, Share]], limit: float, judged: str) -> Markup:
    """One bar per name with its Wilson interval as a whisker, and the agreed limit as a line."""
    height = _ROW * len(shares) + 44
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img">').format(_LEFT + _PLOT + 130, height),
        *(_tick(percent, height) for percent in (0, 25, 50, 75, 100)),
    ]
    for index, (name, share) in enumerate(shares):
        y = 8 + _ROW * index
        parts.append(
            Markup('<text x="{}" y="{}" class="name{}">{}</text>').format(
                _LEFT - 14, y + 22, " judged" if name == judged else "", name
            )
        )
        if share.value is None:
            parts.append(Markup('<text x="{}" y="{}">nothing to count</text>').format(_LEFT + 8, y + 22))
            continue
        low, high = (_LEFT + _PLOT * v for v in share.interval)
        parts.append(
            Markup(
                '<rect x="{}" y="{}" width="{:.1f}" height="24" class="bar{}"/>'
                '<path d="M{:.1f} {}H{:.1f}m0 -6v12M{:.1f} {}v12" class="whisker"/>'
                '<text x="{}" y="{}" class="value">{:.0f} % <tspan class="soft">{} of {}</tspan></text>'
            ).format(
                *(_LEFT, y + 4, _PLOT * share.value, " judged" if name == judged else ""),
                *(low, y + 16, high, low, y + 10),
                *(_LEFT + _PLOT + 12, y + 22, 100 * share.value, share.count, share.total),
            )
        )
    at = _LEFT + _PLOT * limit
    parts.append(
        Markup(
            '<path d="M{0:.1f} 2V{1}" class="limit"/><text x="{0:.1f}" y="{2}" class="agreed">agreed</text></svg>'
        ).format(at, height - 34, height - 4)
    )
    return Markup("").join(parts)


def reference_rings(marks: Sequence[MarkSeen], verdicts: Sequence[MarkVerdict], size: tuple[int, int]) -> Markup:
    """White rings on the photograph's observable marks, named; grey ones on those that cannot be judged."""
    places = {m.id: m for m in marks}
    parts = []
    for verdict in verdicts:
        place = places.get(verdict.mark)
        if place is None or not place.visible:
            continue
        seen = verdict.verdict is not Verdict.NOT_OBSERVABLE
        colour = "#ffffff" if seen else COLOURS[Verdict.NOT_OBSERVABLE]
        parts.append(_ring(place.u, place.v, _radius(verdict), colour, _told(verdict)))
        if seen:
            parts.append(
                Markup('<text x="{:.2f}" y="{:.2f}" font-size="{:.2f}" fill="#fff">{}</text>').format(
                    *(place.u + 0.5 + _radius(verdict), place.v + 0.5 - _radius(verdict)),
                    *(0.04 * max(size), verdict.mark),
                )
            )
    return _layer(size, parts)


def render_rings(
    verdicts: Sequence[MarkVerdict], invented: Sequence[tuple[float, float, float]], size: tuple[int, int]
) -> Markup:
    """Rings on a render in the colour of the verdict; a cross on a lost mark, a line to where one moved."""
    parts = []
    for verdict in verdicts:
        if verdict.verdict is Verdict.NOT_OBSERVABLE:
            continue
        colour, radius = COLOURS[verdict.verdict], _radius(verdict)
        parts.append(_ring(verdict.u, verdict.v, radius, colour, _told(verdict)))
        if verdict.verdict is Verdict.LOST:
            d = radius * 0.7
            parts.append(
                Markup('<path d="M{0:.2f} {1:.2f}l{2:.2f} {2:.2f}m0 -{2:.2f}l-{2:.2f} {2:.2f}" stroke="{3}"/>').format(
                    verdict.u + 0.5 - d, verdict.v + 0.5 - d, 2 * d, colour
                )
            )
        elif verdict.verdict is Verdict.MOVED and verdict.found is not None:
            u, v = verdict.found
            parts.append(
                Markup('<path d="M{:.2f} {:.2f}L{:.2f} {:.2f}" stroke="{}"/>').format(
                    verdict.u + 0.5, verdict.v + 0.5, u + 0.5, v + 0.5, colour
                )
            )
    for column, row, diameter in invented:
        parts.append(_ring(column, row, 0.8 * diameter, INVENTED, "invented", dashed=True))
    return _layer(size, parts)


def _tick(percent: int, height: int) -> Markup:
    x = _LEFT + _PLOT * percent / 100
    return Markup('<path d="M{0:.1f} 4V{1}" class="grid"/><text x="{0:.1f}" y="{2}" class="tick">{3} %</text>').format(
        x, height - 34, height - 18, percent
    )


def _layer(size: tuple[int, int], parts: Sequence[Markup]) -> Markup:
    height, width = size
    return Markup('<svg class="rings" viewBox="0 0 {} {}">{}</svg>').format(width, height, Markup("").join(parts))


def _ring(u: float, v: float, radius: float, colour: str, told: str, *, dashed: bool = False) -> Markup:
    dash = Markup(' stroke-dasharray="4 3"') if dashed else Markup("")
    # pixel centres are integers here and half-integers in SVG
    return Markup('<circle cx="{:.2f}" cy="{:.2f}" r="{:.2f}" stroke="{}"{}><title>{}</title></circle>').format(
        u + 0.5, v + 0.5, radius, colour, dash, told
    )


def _radius(verdict: MarkVerdict) -> float:
    return 0.5 * verdict.diameter_px + max(1.5, 0.25 * verdict.diameter_px)


def _told(verdict: MarkVerdict) -> str:
    if verdict.verdict is Verdict.NOT_OBSERVABLE:
        return f"{verdict.mark}: not observable, {verdict.reason}"
    return f"{verdict.mark}: {verdict.verdict}, {verdict.ratio:.2f} of the photograph's response, z {verdict.z:.1f}"
