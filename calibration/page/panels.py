"""Where in its picture each camera misses the board: one small drawing per camera, the misses drawn much too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from calibration.camera import Camera
from calibration.pose import Floats

_WIDTH = 272  # CSS pixels of a drawing
_MOST, _MOST_OUT = 260, 60  # misses drawn per camera, and of those left out of the solve
_FACTORS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_SHARE = 0.045  # of the picture that a usual miss is drawn long
_BARS_PX = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Scale:
    """How the misses are drawn: so many times longer than they are, and what the bar below stands for."""

    factor: int
    bar_px: float


def scale_of(cameras: Sequence[Camera], misses: Mapping[str, Floats]) -> Scale:
    """One scale for all cameras, so that a drawing with longer lines is a camera that misses by more."""
    lengths = [np.linalg.norm(own[own[:, 4] == 0, 2:4], axis=1) for own in misses.values()]
    usual = float(np.sqrt((np.concatenate(lengths) ** 2).mean())) if sum(map(len, lengths)) else 1.0
    width = float(np.median([c.width for c in cameras]))
    factor = max((f for f in _FACTORS if usual * f <= _SHARE * width), default=1)
    bar = max((b for b in _BARS_PX if b * factor <= 0.25 * width), default=_BARS_PX[0])
    return Scale(factor, bar)


def panel(camera: Camera, misses: Floats, scale: Scale) -> Markup:
    """One camera: misses (N, 5) as u, v, projected minus seen, and 1 where the corner was left out."""
    by = _WIDTH / camera.width
    height = camera.height * by
    out = misses[:, 4] > 0
    kept = misses[~out]
    kept = kept[np.linspace(0, len(kept) - 1, min(len(kept), _MOST)).astype(int)] if len(kept) else kept
    left = misses[out]
    left = left[np.argsort(-np.linalg.norm(left[:, 2:4], axis=1))[:_MOST_OUT]]
    bar = scale.bar_px * scale.factor * by
    lines = '<rect width="{:.0f}" height="{:.0f}"/><path class="kept" d="{}"/><path class="left" d="{}"/>'
    drawn = Markup(lines).format(_WIDTH, height, _path(kept, by, scale.factor), _path(left, by, scale.factor))
    ruler = Markup('<path class="rule" d="M8 {0:.1f}h{1:.1f}"/><text x="{2:.1f}" y="{3:.1f}">{4:g} px</text>').format(
        height - 10, bar, bar + 14, height - 6, scale.bar_px
    )
    picture = Markup('<svg viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" role="img" aria-label="{2}">{3}{4}</svg>')
    body = picture.format(_WIDTH, height, f"misses of {camera.id}", drawn, ruler)
    used = misses[~out, 2:4]
    said = f"{np.sqrt((used**2).sum(axis=1).mean()):.2f} px in the solve" if len(used) else "nothing used"
    said += f", {out.sum()} left out" if out.any() else ""
    return Markup("<figure>{}<figcaption><b>{}</b> {}</figcaption></figure>").format(body, camera.id, said)


def _path(misses: Floats, by: float, factor: int) -> str:
    start, step = misses[:, :2] * by, misses[:, 2:4] * by * factor
    return "".join(f"M{x:.1f} {y:.1f}l{dx:.1f} {dy:.1f}" for (x, y), (dx, dy) in zip(start, step, strict=True))
