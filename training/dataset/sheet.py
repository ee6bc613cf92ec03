"""The page on a data set: what was cut, what was left out and why, and a contact sheet with the marks ringed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from markupsafe import Markup

from capture.images import encode_jpeg, read_image
from capture.issues import JsonValue, Report
from capture.report import figures, issue_list, page, picture, verdict
from capture.store import write_atomic
from training.dataset.frames import Frame, Split

_SHOWN = 24  # of each split
_SIDE_PX = 200
_TITLES = ("To learn from", "To choose the best checkpoint by", "Held out: the judge's reference")


def write_sheet(folder: Path, frames: Sequence[Frame], report: Report) -> None:
    """Write `report.html` of the data set in `folder`."""
    train, chosen_by, test = (sum(f.split is split for f in frames) for split in Split)
    offered, left = report.facts["offered"], len(cast("list[JsonValue]", report.facts["left_out"]))
    line = f"{train} pictures to learn from, {test} held out, of {offered} frames"
    both = bool(train and test)
    advice = "Next: twin train." if both else "Hold back one camera or one light, and leave some to learn from."
    marks = sorted({m.id for f in frames for m in f.marks})
    numbers = {
        "frames that came in": str(offered),
        "left out": str(left),
        "pictures for validation": str(chosen_by),
        "marks": ", ".join(marks) or "none",
    }
    body = verdict(line, tone="good" if both else "bad", detail=advice) + figures(numbers)
    body += issue_list(report)
    for split, title in zip(Split, _TITLES, strict=True):
        chosen = [f for f in frames if f.split is split]
        if not chosen:
            continue
        every = max(1, len(chosen) // _SHOWN)
        body += Markup("<h2>{}</h2><div class='sheet'>").format(f"{title} ({len(chosen)})")
        for frame in chosen[::every][:_SHOWN]:
            body += Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(
                picture(_ringed(folder, frame), alt=frame.text),
                f"{frame.take} {frame.light} {frame.camera}, {frame.framing}",
            )
        body += Markup("</div>")
    css = (
        f".sheet{{display:grid;grid-template-columns:repeat(auto-fill,minmax({_SIDE_PX}px,1fr));gap:10px}}"
        ".sheet figure{margin:0}.sheet img{width:100%}.sheet figcaption{font-size:13px;color:var(--soft)}"
    )
    write_atomic(folder / "report.html", page("Data set", body, extra_css=css))


def _ringed(folder: Path, frame: Frame) -> bytes:
    """The crop and its body map side by side, enlarged, with a ring around each visible mark."""
    crop = read_image(folder / frame.key)
    scale = _SIDE_PX / crop.shape[1]
    large = cv2.resize(crop, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
    for mark in frame.marks:
        if mark.visible:
            middle = (round((mark.u + 0.5) * scale), round((mark.v + 0.5) * scale))
            cv2.circle(large, middle, round(mark.radius_px * scale + 5), (80, 220, 80), 1, cv2.LINE_AA)
    body_map = cv2.resize(read_image(folder / frame.split.value / frame.body_map), (_SIDE_PX, _SIDE_PX))
    return encode_jpeg(np.hstack([large, body_map]).astype("uint8"), 88)
