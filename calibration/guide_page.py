"""The page beside the board: what to do now in large type, then how far each camera has come."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from markupsafe import Markup

from calibration.board_watch import BoardSight
from calibration.guide import ENOUGH_CELLS, ENOUGH_POSES, ENOUGH_SHARED, CameraGuide, Instruction
from calibration.intrinsics import CELLS
from calibration.page.coverage import cell_map
from capture.report import Tone, page, table, verdict
from capture.store import write_atomic

_SHOWN = 5  # instructions after the first
_PLENTY = 99  # corners: here a cell is covered or not
_CSS = """
.steps { font-size: 1.25rem; line-height: 1.5; }
.steps small { color: #666; }
"""


def write_guide_page(path: Path, sight: BoardSight, title: str, *, refresh_s: int) -> None:
    """Write the page of one look atomically; `refresh_s` = 0 for the last one, which stays as it is."""
    clock = dt.datetime.fromtimestamp(sight.at).strftime("%H:%M:%S")
    steps = sight.guide.next
    tone: Tone = "bad" if sight.note else "warn" if steps else "good"
    body = verdict(headline(sight), tone=tone, detail=f"{progress(sight)} As of {clock}.")
    if len(steps) > 1:
        items = Markup("").join(_item(step) for step in steps[1 : 1 + _SHOWN])
        more = len(steps) - 1 - _SHOWN
        rest = Markup("<p>and {} more</p>").format(more) if more > 0 else Markup("")
        body += Markup('<h2>Then</h2><ol class="steps">{}</ol>{}').format(items, rest)
    head = [
        "camera",
        "covered",
        f"cells ({ENOUGH_CELLS} wanted)",
        f"poses ({ENOUGH_POSES})",
        "tilts (2)",
        f"shared shots ({ENOUGH_SHARED})",
        "views",
    ]
    rows = [_row(camera) for camera in sight.guide.cameras]
    body += Markup("<h2>Cameras</h2>") + table(head, rows)
    for name, files in (("The board is not found in", sight.without), ("These do not decode", sight.broken)):
        if files:
            further = f" and {len(files) - 3} more" if len(files) > 3 else ""
            body += Markup("<p>{}: {}{}</p>").format(name, ", ".join(files[:3]), further)
    write_atomic(path, page(title, body, extra_css=_CSS, refresh_s=refresh_s))


def headline(sight: BoardSight) -> str:
    """What to do now, in one line."""
    if sight.note:
        return sight.note
    steps = sight.guide.next
    return f"{steps[0].do}: {steps[0].why}." if steps else "Every camera has seen enough. Ingest, then calibrate."


def progress(sight: BoardSight) -> str:
    """How many cameras have enough, and whether they hang together."""
    cameras, groups = sight.guide.cameras, sight.guide.groups
    enough = sum(camera.enough for camera in cameras)
    linked = "all linked" if len(groups) == 1 else f"{len(groups)} groups that are not linked"
    return f"{enough} of {len(cameras)} cameras have enough, {linked}."


def _item(step: Instruction) -> Markup:
    return Markup("<li>{} <small>{}</small></li>").format(step.do, step.why)


def _row(camera: CameraGuide) -> list[str]:
    tilts = ", ".join(sorted(camera.tilts)) or "none"
    cells = f"{len(camera.covered)} of {CELLS[0] * CELLS[1]}"
    poses = str(camera.distinct_poses)
    seen = [(n % CELLS[0], n // CELLS[0]) in camera.covered for n in range(CELLS[0] * CELLS[1])]
    return [
        camera.name,
        cell_map(camera.name, [_PLENTY * cell for cell in seen]),
        cells,
        poses,
        tilts,
        str(camera.shared),
        str(camera.views),
    ]
