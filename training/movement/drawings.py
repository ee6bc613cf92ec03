"""Drawings of the movement page as inline SVG: curves over the stride, how far from whom, and two figures that walk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS
from training.movement.cycles import SAMPLES, Cycle
from training.movement.verification import Verification

F64 = NDArray[np.float64]

_WIDTH, _HEIGHT = 380, 190  # px of one plot of curves
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 26, 24
_FIGURE = (260, 400)  # px of one figure
_TALLEST = 2.05  # leg lengths that fit into it
_STRIP = (1176, 130)
_NAMES = 250  # px for the names beside the strip
# The shoulder line of the common body is centred on the neck.
_NECK = CANONICAL.index("neck")
_PARENTS = tuple(_NECK if n.startswith("shoulder") else p for n, p in zip(CANONICAL, CANONICAL_PARENTS, strict=True))
_FEW = 400  # strokes that can be told apart on a strip
_LEAST = {"deg": 10.0}  # of the range of a plot: a channel that hardly moves would fill it with its noise


def curves(channel: str, hers: Cycle, clip: Cycle, unit: str) -> Markup:
    """One channel over the stride: her mean with a band of two standard deviations, the clip's mean as a line."""
    mean, spread, other = hers.mean(channel), hers.spread(channel), clip.mean(channel)
    low, high = _range(mean - 2 * spread, mean + 2 * spread, other, least=_LEAST.get(unit, 0.1))
    x = np.linspace(_LEFT, _WIDTH - _RIGHT, SAMPLES)

    def y(values: F64) -> F64:
        return _TOP + (high - values) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    upper, lower = y(mean + 2 * spread), y(mean - 2 * spread)
    parts = [
        Markup('<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, channel),
        Markup('<text x="{}" y="17" class="what">{}</text>').format(_LEFT, channel),
        *(_level(value, float(y(np.array(value)))) for value in _ticks(low, high)),
        *(_share(percent) for percent in (0, 50, 100)),
        Markup('<path class="hers-band" d="{}{}Z"/>').format(_path(x, upper), _path(x[::-1], lower[::-1], begin="L")),
        Markup('<path class="hers" d="{}"/>').format(_path(x, y(mean))),
        Markup('<path class="clip" d="{}"/>').format(_path(x, y(other))),
        Markup('<text x="{}" y="17" class="unit">{}</text></svg>').format(_WIDTH - _RIGHT, unit),
    ]
    return Markup("").join(parts)


def distances(tested: Verification, clip: float, limit: float) -> Markup:
    """Her own takes, all others, the limit and the clip on one line of times her own spread."""
    width, height = _STRIP
    high = 1.05 * max(float(tested.impostor.max()), clip, limit)

    def x(value: float) -> float:
        return _NAMES + value / high * (width - _NAMES - _RIGHT)

    parts = [
        Markup('<svg class="curve wide" viewBox="0 0 {} {}" role="img" aria-label="Distances">').format(width, height)
    ]
    for row, (kind, name, values) in enumerate(
        (("own", "everybody's own takes", tested.genuine), ("other", "others' takes", tested.impostor))
    ):
        y = 32 + 30 * row
        parts.append(Markup('<text x="{}" y="{}" class="what end">{}</text>').format(_NAMES - 14, y + 11, name))
        parts.append(
            Markup('<path class="{}" d="{}"/>').format(kind, _marks(np.array([x(float(v)) for v in values]), y))
        )
    parts.append(Markup('<path class="limit" d="M{0:.1f} 20V96"/>').format(x(limit)))
    parts.append(Markup('<text x="{:.1f}" y="16" class="mid">limit {:.2f}</text>').format(x(limit), limit))
    parts.append(Markup('<path class="mark" d="M{:.1f} 98l-8 14h16z"/>').format(x(clip)))
    side = "end" if x(clip) > width / 2 else "start"
    shift = -12 if side == "end" else 12
    text = '<text x="{:.1f}" y="112" class="what {}">this clip: {:.2f} x her own spread</text></svg>'
    parts.append(Markup(text).format(x(clip) + shift, side, clip))
    return Markup("").join(parts)


def _marks(places: F64, y: int) -> str:
    """One stroke for each place, or where they would run together bars as high as there are many, over 12 px."""
    if len(places) <= _FEW:
        return "".join(f"M{place:.1f} {y}v12" for place in np.sort(places))
    counts, edges = np.histogram(places, bins=np.arange(places.min(), places.max() + 2, 2))
    bars = zip(edges, np.maximum(22 * counts / counts.max(), 1.5), strict=False)
    return "".join(f"M{left + 1:.1f} {y + 12}v-{high:.1f}" for (left, high), n in zip(bars, counts, strict=False) if n)


def figures(loops: Mapping[str, F64], rate: float) -> Markup:
    """Stick figures side by side, from her side and from the front; a script on the page moves them.

    `loops` (T, 18, 3) are forward, right, up in leg lengths. Her left is dark, her right is light.
    """
    blocks = [_figure(name, loop) for name, loop in loops.items()]
    data = {
        "rate": rate,
        "parents": list(_PARENTS),
        "sides": _sides(),
        "frames": {name: np.round(loop, 3).tolist() for name, loop in loops.items()},
        "size": list(_FIGURE),
        "tallest": _TALLEST,
    }
    # A closing tag inside of a string would end the script.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    script = Markup('<script type="application/json" id="walk">{}</script>').format(Markup(text))
    return Markup('<div class="walkers">{}</div>{}').format(Markup("").join(blocks), script)


def _figure(name: str, loop: F64) -> Markup:
    views = Markup("").join(
        Markup('<svg viewBox="0 0 {} {}" data-name="{}" data-axis="{}" role="img" aria-label="{} {}">{}</svg>').format(
            *_FIGURE, name, axis, name, view, _stick(loop[0], axis)
        )
        for axis, view in ((0, "from her right"), (1, "from behind"))
    )
    return Markup(
        "<figure><div>{}</div><figcaption><b>{}</b>, from her right and from behind</figcaption></figure>"
    ).format(views, name)


def _stick(frame: F64, axis: int) -> Markup:
    """The first frame, so that paper and browsers without scripts show a figure too."""
    x, y = _on_paper(frame[:, axis]), _FIGURE[1] - 24 - frame[:, 2] / _TALLEST * (_FIGURE[1] - 48)
    paths = {kind: "" for kind in ("left", "right", "trunk")}
    for joint, parent in enumerate(_PARENTS):
        if parent >= 0:
            paths[_sides()[joint]] += f"M{x[parent]:.1f} {y[parent]:.1f}L{x[joint]:.1f} {y[joint]:.1f}"
    head = CANONICAL.index("head")
    drawn = [Markup('<path class="{}" d="{}"/>').format(kind, d) for kind, d in paths.items()]
    return Markup("").join([*drawn, Markup('<circle cx="{:.1f}" cy="{:.1f}" r="13"/>').format(x[head], y[head] - 8)])


def _on_paper(values: F64) -> F64:
    return np.asarray(_FIGURE[0] / 2 + values / _TALLEST * (_FIGURE[1] - 48))


def _sides() -> list[str]:
    return [name.rsplit("_", 1)[1] if "_" in name else "trunk" for name in CANONICAL]


def _range(*series: F64, least: float) -> tuple[float, float]:
    low, high = min(float(s.min()) for s in series), max(float(s.max()) for s in series)
    missing = max(0.0, least - (high - low)) / 2
    return low - missing - 0.04 * (high - low), high + missing + 0.04 * (high - low)


def _ticks(low: float, high: float) -> Sequence[float]:
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 360) if (high - low) / s <= 4.5)
    return [float(round(k * step, 6)) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _level(value: float, y: float) -> Markup:
    return Markup('<path class="grid" d="M{} {:.1f}H{}"/><text x="{}" y="{:.1f}" class="end">{:g}</text>').format(
        _LEFT, y, _WIDTH - _RIGHT, _LEFT - 6, y + 4, value
    )


def _share(percent: int) -> Markup:
    x = _LEFT + percent / 100 * (_WIDTH - _LEFT - _RIGHT)
    kind = {0: "start", 50: "mid", 100: "end"}[percent]
    return Markup('<text x="{:.1f}" y="{}" class="{}">{} %</text>').format(x, _HEIGHT - 7, kind, percent)


def _path(x: F64, y: F64, *, begin: str = "M") -> str:
    points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f"{begin}{points}"
