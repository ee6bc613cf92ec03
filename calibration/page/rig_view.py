"""The rig in space: a view to turn by hand where the browser runs scripts, else from above and from the side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from markupsafe import Markup

from calibration.camera import Camera
from calibration.pose import Floats, Pose
from calibration.target import Target

_WIDTH = 560  # CSS pixels of a still
_MOST_BOARDS = 120
_CORNERS_NAMED = 40  # cameras, above which names are set smaller


@dataclass(frozen=True, eq=False)
class Scene:
    """What stands in the studio, metres, z up."""

    cameras: tuple[tuple[str, Floats], ...]  # name, (5, 3): centre, then the corners of its picture some way ahead
    boards: tuple[Floats, ...]  # (4, 3) outlines
    marks: tuple[tuple[str, Floats], ...]  # name, (3,)
    floor: bool  # z = 0 is the floor
    bad: frozenset[str]  # cameras with an error


def scene_of(
    cameras: Sequence[Camera],
    boards: Mapping[str, Pose],
    outline: Floats,
    marks: Mapping[str, Floats],
    *,
    floor: bool,
    bad: frozenset[str] = frozenset(),
) -> Scene:
    """The scene of a rig; `outline` (4, 3) are the outer corners of the board in its own frame."""
    centres = np.array([c.centre for c in cameras]).reshape(-1, 3)
    spread = float(np.median(np.linalg.norm(centres - centres.mean(axis=0), axis=1))) if len(centres) else 1.0
    reach = max(0.16 * spread, 1e-3)
    poses = list(boards.values())
    some = [poses[int(i)] for i in np.linspace(0, len(poses) - 1, min(len(poses), _MOST_BOARDS))] if poses else []
    return Scene(
        tuple((c.id, _frustum(c, reach)) for c in cameras),
        tuple(pose.apply(outline) for pose in some),
        tuple(marks.items()),
        floor,
        bad,
    )


def outline_of(target: Target) -> Floats:
    """Outer corners (4, 3) of the board's corners in its own frame."""
    (left, top), (right, bottom) = target.points[:, :2].min(axis=0), target.points[:, :2].max(axis=0)
    return np.array([(left, top, 0.0), (right, top, 0.0), (right, bottom, 0.0), (left, bottom, 0.0)])


def rig_view(scene: Scene) -> Markup:
    """Both stills, and the view to turn, which takes their place where scripts run."""
    data = json.dumps(_json(scene), separators=(",", ":")).replace("<", "\\u003c")  # no tag may end the script
    stills = Markup('<div id="stills" class="stills">{}{}</div>').format(_still(scene, 1), _still(scene, 2))
    turned = Markup(
        '<div id="turn" hidden><canvas id="rig" tabindex="0" aria-label="the rig, to turn with the mouse"></canvas>'
        '<p class="more">Drag to turn, with Shift to move; + and − or Ctrl and the wheel to come nearer; '
        "double click to begin again.</p></div>"
    )
    script = Markup('<script type="application/json" id="scene">{}</script><script>{}</script>')
    return stills + turned + script.format(Markup(data), Markup(_script()))


@cache
def _script() -> str:
    return (Path(__file__).parent / "rig_view.js").read_text(encoding="utf-8")


def _frustum(camera: Camera, reach: float) -> Floats:
    corners = np.array([(0, 0), (camera.width, 0), (camera.width, camera.height), (0, camera.height)]) - 0.5
    # straight lines through the corners without distortion, which may have no inverse there
    ahead = np.column_stack([(corners - (camera.cx, camera.cy)) / (camera.fx, camera.fy), np.ones(4)]) * reach
    return np.vstack([camera.centre, camera.world_from_camera.apply(ahead)])


def _json(scene: Scene) -> dict[str, object]:
    def rows(points: Floats) -> list[list[float]]:
        return [[round(float(v), 4) for v in row] for row in points]

    return {
        "cameras": [{"name": n, "points": rows(p), "bad": n in scene.bad} for n, p in scene.cameras],
        "boards": [rows(b) for b in scene.boards],
        "marks": [{"name": n, "point": rows(p[None])[0]} for n, p in scene.marks],
        "floor": scene.floor,
    }


def _still(scene: Scene, up: int) -> Markup:
    """From above (y upwards, `up` = 1) or from the side (z upwards, 2)."""
    axes = [0, up]
    everything = [p for _, p in scene.cameras] + list(scene.boards) + [p[None] for _, p in scene.marks]
    points = np.concatenate([*everything, np.zeros((1, 3))])[:, axes]
    # names stand beyond the cameras, and are wider than high
    margin = np.array([0.17, 0.1]) * float(np.ptp(points, axis=0).max()) + 1e-6
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    metre = _WIDTH / float(max(high - low))
    height = float((high - low)[1]) * metre

    def page(p: Floats) -> Floats:
        flat = (np.atleast_2d(p)[:, axes] - low) * metre
        return np.column_stack([flat[:, 0], height - flat[:, 1]])

    parts = []
    if scene.floor and up == 2:
        y = float(page(np.zeros(3))[0, 1])
        parts.append(Markup('<path class="floor" d="M0 {:.1f}H{}"/>').format(y, _WIDTH))
    parts += [Markup('<path class="board" d="{}"/>').format(_closed(page(board))) for board in scene.boards]
    for name, points in scene.cameras:
        flat = page(points)
        path = _closed(flat[1:]) + "".join(f"M{flat[0, 0]:.1f} {flat[0, 1]:.1f}L{x:.1f} {y:.1f}" for x, y in flat[1:])
        kind = "camera bad" if name in scene.bad else "camera"
        parts.append(Markup('<path class="{}" d="{}"/>').format(kind, path))
        away = flat[0] - (flat[1:].mean(axis=0) - flat[0]) * 0.45
        size = 15 if len(scene.cameras) <= _CORNERS_NAMED else 10
        text = '<text x="{:.1f}" y="{:.1f}" font-size="{}">{}</text>'
        parts.append(Markup(text).format(away[0], away[1] + 4, size, name))
    for name, point in scene.marks:
        x, y = page(point)[0]
        parts.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2.5"><title>{}</title></circle>').format(x, y, name))
    length, label = _ruler(metre)
    parts.append(
        Markup('<path class="rule" d="M12 14h{:.1f}"/><text class="start" x="12" y="32">{}</text>').format(
            length, label
        )
    )
    title = "from above" if up == 1 else "from the side"
    drawing = Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="the rig {}">{}</svg>')
    drawn = drawing.format(_WIDTH, height, title, Markup("").join(parts))
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(drawn, title.capitalize())


def _ruler(metre: float) -> tuple[float, str]:
    """Length on the page and name of a round distance that fits."""
    for size, name in (
        (1.0, "1 m"),
        (0.1, "10 cm"),
        (0.01, "1 cm"),
        (10.0, "10 m"),
        (100.0, "100 m"),
        (1000.0, "1 km"),
    ):
        if 30 <= size * metre <= 300:
            return size * metre, name
    return 100.0, f"{100 / metre:.3g} m"


def _closed(points: Floats) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"
