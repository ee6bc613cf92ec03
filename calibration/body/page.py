"""The page on a body: what she measures, two figures without any truth, four large pictures, every camera's verdict."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from markupsafe import Markup

from capture.decode.picture import Picture
from capture.images import encode_jpeg
from capture.issues import JsonObject, Report
from capture.report import Tone, figures, issue_list, page, picture, table, verdict
from capture.store import write_atomic

_CSS = """
.body img { width: 100%; height: auto; border: 1px solid #ccc; }
"""


def write_body_page(path: Path, title: str, report: Report, pictures: tuple[Picture, Picture] | None) -> None:
    """Write the page; `pictures` are the four sides in her colours and as clay, None where there is no body."""
    tone: Tone = "bad" if not report.ok else "warn" if report.issues else "good"
    facts = report.facts
    if pictures is None:
        line, detail = "There is no body", "Read what is wrong below; nothing else was written."
    else:
        line = f"Her body, {_number(facts['height_m'], 3)} m tall"
        detail = f"Depths of neighbouring cameras differ by {_number(facts['disagreement_mm'], 1)} mm on average."
    body = verdict(line, tone=tone, detail=detail)
    if pictures is not None:
        body += figures(_figures(facts))
    body += issue_list(report)
    if pictures is not None:
        painted, clay = (picture(encode_jpeg(p, 88), alt="front, left, back, right") for p in pictures)
        body += Markup('<h2>Front, left, back, right</h2><div class="body">{}{}</div>').format(painted, clay)
    body += _cameras(facts)
    write_atomic(path, page(title, body, extra_css=_CSS))


def _figures(facts: JsonObject) -> dict[str, str]:
    return {
        "Height": f"{_number(facts['height_m'], 3)} m",
        "down to": str(facts["height_down_to"]),
        "Measured by two cameras": _share(facts["measured_by_two"]),
        "Seen by two": _share(facts["seen_by_two"]),
        "Depths within 4 mm": _share(facts["agreeing"]),
        "Mirror image misses her by": f"{_number(facts['symmetry_miss_mm'], 1)} mm",
        "Closed": "yes" if facts["watertight"] else "no",
    }


def _cameras(facts: JsonObject) -> Markup:
    rows = []
    for name, item in cast("dict[str, JsonObject]", facts.get("cameras", {})).items():
        numbers = (item.get(k) for k in ("outside_mm", "inside_mm", "depth_mm", "depth_median_mm"))
        word = "used" if item["used"] else "left out"
        rows.append([name, word, *(_number(n, 1) for n in numbers), _share(item.get("agreeing"))])
    if not rows:
        return Markup("")
    head = [
        "camera",
        "",
        "mask beyond hull, mm",
        "mask short of hull, mm",
        "depth differs, mm",
        "median, mm",
        "within 4 mm",
    ]
    return Markup("<h2>Cameras</h2>") + table(head, rows)


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, (int, float)) else "not measured"


def _share(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, (int, float)) else "not measured"
