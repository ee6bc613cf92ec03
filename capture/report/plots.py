"""Focus and exposure of every still, camera by camera, as drawings inside the page: limits drawn, outliers named."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from capture.checks.exposure import stops_off
from capture.checks.focus import SHARE_LEFT, sharpness_kept
from capture.validate import Context

_WIDTH, _HEIGHT = 1176, 230  # CSS pixels of one row of cameras
_LEFT, _TOP, _BOTTOM = 98, 16, 30  # margins for the labels
_PER_ROW = 16  # cameras
_NAMED = 3  # outliers of one camera that are labelled


@dataclass(frozen=True)
class Dot:
    """One still: its camera, its take and light, and its value on the axis."""

    camera: str
    label: str
    value: float
    out: bool  # beyond the limit


@dataclass(frozen=True)
class Axis:
    """The range of values, and the lines across: (value, text, True for a limit)."""

    low: float
    high: float
    lines: tuple[tuple[float, str, bool], ...]


def exposure_plot(context: Context) -> Markup:
    """Stops from what camera and light let expect; empty where nothing can be compared."""
    measured = list(stops_off(context))
    if not measured:
        return Markup("")
    limits = sorted({limit for _, _, limit in measured})
    reach = max(2 * limits[0], 1.2)
    dots = [
        Dot(o.shot.camera, f"{o.shot.group} {o.shot.light}", stop, abs(stop) > limit) for o, stop, limit in measured
    ]
    lines = [(0.0, "as expected", False)]
    lines += [(sign * limit, f"{sign * limit:+g} stops", True) for limit in limits for sign in (1, -1)]
    return drawn(dots, Axis(-reach, reach, tuple(lines)), [c.id for c in context.session.camera], "Exposure")


def focus_plot(context: Context) -> Markup:
    """Share of the expected sharpness, on a scale of halvings; empty where nothing can be compared."""
    dots = [
        Dot(o.shot.camera, f"{o.shot.group} {o.shot.light}", math.log2(max(share, 1e-3)), share < SHARE_LEFT)
        for o, share in sharpness_kept(context)
    ]
    if not dots:
        return Markup("")
    lines = ((0.0, "as expected", False), (math.log2(SHARE_LEFT), f"{SHARE_LEFT:.0%} left", True))
    return drawn(dots, Axis(-2.0, 1.0, lines), [c.id for c in context.session.camera], "Sharpness")


def drawn(dots: Iterable[Dot], axis: Axis, cameras: Sequence[str], name: str) -> Markup:
    """One drawing for each row of cameras; the stills of one stand in their order, beyond the axis at its end."""
    by_camera: dict[str, list[Dot]] = {}
    for dot in dots:
        by_camera.setdefault(dot.camera, []).append(dot)
    seen = [camera for camera in cameras if camera in by_camera]
    rows = math.ceil(len(seen) / _PER_ROW)
    each = math.ceil(len(seen) / rows) if rows else 1
    return Markup("").join(
        _row(seen[at : at + each], by_camera, axis, f"{name} of {', '.join(seen[at : at + each])}")
        for at in range(0, len(seen), each)
    )


def _row(cameras: Sequence[str], dots: dict[str, list[Dot]], axis: Axis, name: str) -> Markup:
    def height(value: float) -> float:
        share = (min(max(value, axis.low), axis.high) - axis.low) / (axis.high - axis.low)
        return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)

    band = (_WIDTH - _LEFT) / len(cameras)
    parts = [Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, name)]
    for index in range(0, len(cameras), 2):
        parts.append(_tag(f'<rect class="band" x="{_LEFT + index * band:.1f}" y="{_TOP}" width="{band:.1f}"'
                          f' height="{_HEIGHT - _TOP - _BOTTOM}"/>'))  # fmt: skip
    for value, text, limit in axis.lines:
        y, kind = height(value), "limit" if limit else "zero"
        parts.append(_tag(f'<path class="{kind}" d="M{_LEFT} {y:.1f}H{_WIDTH}"/>'))
        parts.append(Markup('<text x="{}" y="{:.1f}" class="end">{}</text>').format(_LEFT - 8, y + 4, text))
    for index, camera in enumerate(cameras):
        left = _LEFT + index * band
        parts.append(
            Markup('<text x="{:.1f}" y="{}" class="mid">{}</text>').format(left + band / 2, _HEIGHT - 10, camera)
        )
        parts += _column(dots[camera], left, band, height)
    return Markup("").join([*parts, Markup("</svg>")])


def _column(dots: Sequence[Dot], left: float, band: float, height: Callable[[float], float]) -> list[Markup]:
    """The stills of one camera: one path for all that are as they should be, which keeps the page small."""
    step = band * 0.86 / len(dots)
    places = [(left + band * 0.07 + (n + 0.5) * step, height(dot.value), dot) for n, dot in enumerate(dots)]
    plain = "".join(f"M{x:.1f} {y:.1f}h0" for x, y, dot in places if not dot.out)
    parts = [_tag(f'<path class="dots" stroke-width="{max(2.5, min(6.0, step * 0.8)):.1f}" d="{plain}"/>')]
    named = 0
    for x, y, dot in places:
        if dot.out:
            parts.append(_tag(f'<circle class="out" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'))
        if dot.out and named < _NAMED:
            # Labels lean away from the edge of the drawing and from each other.
            side = "end" if x > _WIDTH / 2 else "start"
            shift = -9 if side == "end" else 9
            text = '<text class="out {}" x="{:.1f}" y="{:.1f}">{}</text>'
            parts.append(Markup(text).format(side, x + shift, y + 4, dot.label))
            named += 1
    return parts


def _tag(text: str) -> Markup:
    return Markup(text)  # numbers and class names only
