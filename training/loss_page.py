"""The loss of a run as a picture: what an engineer looks at first, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from capture.report import figures, page, verdict
from capture.store import write_atomic, write_json
from training.recipe import TrainRecipe

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 900, 360, 70, 40
_WINDOW = 25


def write_loss_page(folder: Path, twin: str, losses: Sequence[float], recipe: TrainRecipe) -> None:
    """Write `loss.json` and `report.html` of a run with one loss for each step."""
    write_json(folder / "loss.json", {"loss": [round(float(v), 6) for v in losses]})
    smooth = smoothed(losses)
    numbers = {
        "steps": str(len(losses)),
        "loss, first 25": f"{smooth[min(_WINDOW, len(smooth)) - 1]:.3f}",
        "loss, last 25": f"{smooth[-1]:.3f}",
        "mark weight": f"{recipe.mark_weight:g}",
        "LoRA rank": str(recipe.rank),
    }
    line = f"Trained {twin}: {len(losses)} steps"
    detail = "A falling loss says that training ran. Whether her marks were kept, only the comparison can say."
    body = verdict(line, tone="good", detail=detail) + figures(numbers) + Markup("<h2>Loss by step</h2>")
    write_atomic(folder / "report.html", page(f"Training of {twin}", body + Markup(loss_svg(losses))))


def smoothed(losses: Sequence[float]) -> list[float]:
    """Mean over the last 25 steps at each step."""
    total = np.concatenate([[0.0], np.cumsum(losses)])
    return [float((total[i + 1] - total[max(0, i + 1 - _WINDOW)]) / min(i + 1, _WINDOW)) for i in range(len(losses))]


def loss_svg(losses: Sequence[float]) -> str:
    """An SVG plot: every step faint, the running mean on top."""
    top = max(float(np.percentile(losses, 99)), 1e-6) * 1.05

    def path(values: Sequence[float]) -> str:
        span = max(1, len(values) - 1)
        points = (
            f"{_LEFT + i * (_WIDTH - _LEFT) / span:.1f},{(1 - min(v, top) / top) * (_HEIGHT - _BOTTOM):.1f}"
            for i, v in enumerate(values)
        )
        return " ".join(points)

    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 8}" y="{y + 5:.0f}" text-anchor="end" font-size="15">{top * (1 - k / 4):.2f}</text>'
        for k in range(5)
        for y in [k * (_HEIGHT - _BOTTOM) / 4]
    )
    steps = "".join(
        f'<text x="{_LEFT + k * (_WIDTH - _LEFT) / 4:.0f}" y="{_HEIGHT - 12}" font-size="15" '
        f'text-anchor="{"end" if k == 4 else "middle"}">{len(losses) * k // 4}</text>'
        for k in range(5)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="loss by step" style="max-width:100%">'
        f"{grid}{steps}"
        f'<polyline points="{path(losses)}" fill="none" stroke="#9bb" stroke-width="1"/>'
        f'<polyline points="{path(smoothed(losses))}" fill="none" stroke="#135" stroke-width="3"/></svg>'
    )
