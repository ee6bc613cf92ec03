"""When each camera looks: its time offset on a line of milliseconds, with the interval that it lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP, _BOTTOM = 1100, 34, 150, 210, 12, 40  # CSS pixels
_STEPS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_MARKS = 8  # on the axis, at most


@dataclass(frozen=True)
class Offset:
    """Milliseconds by which a camera sees later than the clock, and half of the interval of 95 %."""

    ms: float
    reach_ms: float | None


def offsets_chart(offsets: Mapping[str, Offset], clock: str) -> Markup:
    """One row per camera, the clock first; earlier to the left, later to the right."""
    rows = {clock: Offset(0.0, None), **offsets}
    reach = max((abs(o.ms) + (o.reach_ms or 0.0) for o in rows.values()), default=1.0) * 1.08 or 1.0
    step = next((s for s in _STEPS_MS if 2 * reach / s <= _MARKS), _STEPS_MS[-1])
    bottom = _TOP + _ROW * len(rows)

    def x(ms: float) -> float:
        return _LEFT + (ms + reach) / (2 * reach) * (_WIDTH - _LEFT - _RIGHT)

    parts = [
        Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="time offsets">').format(
            _WIDTH, bottom + _BOTTOM
        )
    ]
    for k in range(-int(reach // step), int(reach // step) + 1):
        kind = "zero" if k else "now"
        parts.append(Markup('<path class="{}" d="M{:.1f} {}V{}"/>').format(kind, x(k * step), _TOP, bottom))
        parts.append(
            Markup('<text class="mid" x="{:.1f}" y="{}">{:+d} ms</text>').format(x(k * step), bottom + 20, k * step)
        )
    for n, (name, offset) in enumerate(rows.items()):
        y = _TOP + _ROW * (n + 0.5)
        parts.append(Markup('<text class="end" x="{}" y="{:.1f}">{}</text>').format(_LEFT - 12, y + 5, name))
        if offset.reach_ms is not None:
            low, high = x(max(offset.ms - offset.reach_ms, -reach)), x(min(offset.ms + offset.reach_ms, reach))
            bar = '<path class="bar" d="M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v12M{1:.1f} {3:.1f}v12"/>'
            parts.append(Markup(bar).format(low, high, y, y - 6))
        parts.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x(offset.ms), y))
        said = (
            "the clock"
            if name == clock
            else f"{offset.ms:+.1f} ms" + (f" ± {offset.reach_ms:.1f}" if offset.reach_ms is not None else "")
        )
        parts.append(Markup('<text x="{}" y="{:.1f}">{}</text>').format(_WIDTH - _RIGHT + 20, y + 5, said))
    return Markup("").join([*parts, Markup("</svg>")])
