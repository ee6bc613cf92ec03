"""The loss of a run as a picture: what an engineer looks at first, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from capture.issues import JsonValue
from capture.report import figures, page, verdict
from capture.store import write_atomic, write_json
from training.recipe import TrainRecipe
from training.validation import Stand, Validation

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 900, 360, 70, 40
_WINDOW = 25


def write_loss_page(
    folder: Path, twin: str, losses: Sequence[float], recipe: TrainRecipe, validations: Sequence[Validation] = ()
) -> None:
    """Write `loss.json` and `report.html` of a run with one loss for each step and what was validated."""
    history: list[JsonValue] = [v.to_json() for v in validations]
    write_json(folder / "loss.json", {"loss": [round(float(v), 6) for v in losses], "validations": history})
    smooth = smoothed(losses)
    numbers = {
        "steps": str(len(losses)),
        "loss, first 25": f"{smooth[min(_WINDOW, len(smooth)) - 1]:.3f}",
        "loss, last 25": f"{smooth[-1]:.3f}",
        "mark weight": f"{recipe.mark_weight:g}",
        "adapter": f"{recipe.adapter}, rank {recipe.rank}",
    }
    best = Stand(tuple(validations)).best
    if best is not None:
        numbers |= {"kept: step": str(best.step), "marks kept there": f"{best.kept} of {best.observable}"}
    line = f"Trained {twin}: {len(losses)} steps"
    detail = "A falling loss says that training ran. Whether her marks were kept, only the comparison can say."
    body = verdict(line, tone="good", detail=detail) + figures(numbers) + Markup("<h2>Loss by step</h2>")
    body += Markup(loss_svg(losses))
    if best is not None:
        body += Markup("<h2>Held-out views while it learned</h2>") + Markup(validation_svg(validations, best))
        body += Markup("<p>{}</p>").format(
            "The adapter of the marked step was kept: most birthmarks first, then nearest colour. These views chose "
            "it, so that a comparison on them alone is too kind."
        )
    write_atomic(folder / "report.html", page(f"Training of {twin}", body))


def validation_svg(validations: Sequence[Validation], best: Validation) -> str:
    """An SVG with one small plot for each measure, its last value beside it and the kept step as a line."""
    measures = {
        "marks kept, %": [100 * v.kept_share for v in validations],
        "colour, CIEDE2000": [v.delta_e for v in validations],
        "structure, SSIM": [v.ssim for v in validations],
    }
    steps = [v.step for v in validations]
    last, each = max(steps), _HEIGHT // 2
    rows = []
    for row, (name, values) in enumerate(measures.items()):
        top, above = max(*values, 1e-6) * 1.1, row * each + 24
        tall = each - 40
        points = [
            (_LEFT + s * (_WIDTH - _LEFT - 90) / last, above + (1 - v / top) * tall)
            for s, v in zip(steps, values, strict=True)
        ]
        at = _LEFT + best.step * (_WIDTH - _LEFT - 90) / last
        rows.append(
            f'<text x="{_LEFT}" y="{above - 6}" font-size="15">{name}</text>'
            f'<line x1="{_LEFT}" x2="{_WIDTH - 90}" y1="{above + tall}" y2="{above + tall}" stroke="#ddd"/>'
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{above}" y2="{above + tall}" stroke="#2a7" stroke-width="2"/>'
            f'<path d="M{" L".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="#135" '
            'stroke-width="3"/>'
            + "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#135"/>' for x, y in points)
            + f'<text x="{points[-1][0] + 10:.1f}" y="{points[-1][1] + 5:.1f}" font-size="15">{values[-1]:.3g}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {3 * each}" role="img" aria-label="validation by step" style="max-width:100%">'
        + "".join(rows)
        + "</svg>"
    )


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
