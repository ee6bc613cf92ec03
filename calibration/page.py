"""The page on a calibration for people: a verdict per camera, what to do, and the rig seen from above and aside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import jinja2
import numpy as np

from calibration.pose import Floats
from calibration.solve import MIN_CELLS, MIN_DISTINCT, Solution
from capture.issues import JsonObject, Report

_TEMPLATE = "page.html.j2"
_WIDTH = 640  # of a drawing, in CSS pixels


@dataclass(frozen=True)
class Line:
    """One camera on the page."""

    name: str
    word: str  # good, look, bad
    text: str


@dataclass(frozen=True)
class Drawing:
    """One view of the rig as an SVG of circles, wedges and letters."""

    title: str
    height: int
    cameras: tuple[tuple[str, str, float, float], ...]  # name, points of the wedge, x and y of the name
    boards: tuple[tuple[float, float], ...]
    floor: float | None  # y of the line of the floor
    metre: float  # length of one metre on the page


def render_page(report: Report, solution: Solution | None, session: str) -> str:
    """The whole page as HTML that needs no other file."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    drawings = [] if solution is None else [_draw(solution, True), _draw(solution, False)]
    facts = report.facts
    return environment.get_template(_TEMPLATE).render(
        session=session,
        report=report,
        facts=facts,
        lines=list(camera_lines(report)),
        drawings=drawings,
        pairs=facts.get("pairs", []),
        width=_WIDTH,
    )


def camera_lines(report: Report) -> Iterable[Line]:
    """One line per camera that has an issue or a measured error, the worst first."""
    facts = cast("dict[str, JsonObject]", report.facts.get("cameras", {}))
    names = [*facts, *(i.where.removeprefix("camera ") for i in report.issues if i.where.startswith("camera "))]
    lines = []
    for name in dict.fromkeys(names):
        own = [i for i in report.issues if i.where == f"camera {name}"]
        bad = [i for i in own if i in report.errors]
        word = "bad" if bad else "look" if own else "good"
        said = [f"{i.reason} Found {i.found}. {i.remedy}" for i in (*bad, *(i for i in own if i not in bad))]
        numbers = [_numbers(facts[name])] if name in facts else []
        lines.append(Line(name, word, " ".join(numbers + said)))
    return sorted(lines, key=lambda line: ("bad", "look", "good").index(line.word))


def _numbers(facts: JsonObject) -> str:
    rms, held = facts["rms_px"], facts["held_out_rms_px"]
    text = "not measured" if rms is None else f"{rms:.2f} px"
    if held is not None:
        text += f" ({held:.2f} px on shots held out)"
    poses, cells = facts["distinct_poses"], facts["cells"]
    return f"{text}; {facts['views']} views, {poses} of {MIN_DISTINCT} poses, {cells} of {MIN_CELLS} cells wanted."


def _draw(solution: Solution, from_above: bool) -> Drawing:
    """The rig from above (x to the right, y up) or from the side (x to the right, z up)."""
    axes = [0, 1] if from_above else [0, 2]
    centres = np.array([camera.centre for camera in solution.cameras])
    ahead = np.array([camera.world_from_camera.rotation[:, 2] for camera in solution.cameras])
    boards = np.array([pose.translation for pose in solution.boards.values()]).reshape(-1, 3)
    everything = np.concatenate([centres, boards, np.zeros((1, 3))])[:, axes]
    low, high = everything.min(axis=0) - 0.4, everything.max(axis=0) + 0.4
    metre = _WIDTH / float(max(high[0] - low[0], high[1] - low[1]))
    height = int((high[1] - low[1]) * metre)

    def page(points: Floats) -> Floats:
        flat = (points[..., axes] - low) * metre
        return np.stack([flat[..., 0], height - flat[..., 1]], axis=-1)

    wedges = []
    for camera, centre, forward in zip(solution.cameras, centres, ahead, strict=True):
        right = camera.world_from_camera.rotation[:, 0] if from_above else camera.world_from_camera.rotation[:, 1]
        tips = [centre, centre + 0.25 * forward + 0.1 * right, centre + 0.25 * forward - 0.1 * right]
        corners = page(np.array(tips))
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        label = page(centre - 0.16 * forward)
        wedges.append((camera.id, points, float(label[0]), float(label[1])))
    dots = tuple((float(x), float(y)) for x, y in page(boards))
    floor = None if from_above else float(page(np.zeros(3))[1])
    title = "From above" if from_above else "From the side"
    return Drawing(title, height, tuple(wedges), dots, floor, metre)
