"""The page on the lights for people: each lamp against session.toml, and lamps and cameras from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

from calibration.camera import Camera
from calibration.lights.lamp import Lamp, angle_deg, declared
from capture.issues import Report
from capture.session import Session

_TEMPLATE = "page.html.j2"
_SIDE = 420  # of the drawing, in CSS pixels
_REACH = 170  # from the middle to a lamp at infinity or to the farthest camera


@dataclass(frozen=True)
class Row:
    """One lamp on the page."""

    name: str
    found: str
    plan: str
    off: str
    power: str
    colour: str  # of CSS
    x: float
    y: float


def render_page(lamps: Sequence[Lamp], cameras: Sequence[Camera], report: Report, session: Session) -> str:
    """The whole page as HTML that needs no other file."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    places = np.array([camera.centre[:2] for camera in cameras]).reshape(-1, 2)
    scale = 0.85 * _REACH / max(float(np.abs(places).max()), 0.1) if len(places) else 1.0
    drawn = [(c.id, _SIDE / 2 + scale * x, _SIDE / 2 - scale * y) for c, (x, y) in zip(cameras, places, strict=True)]
    return environment.get_template(_TEMPLATE).render(
        session=session.session.id,
        rows=[_row(lamp, session) for lamp in lamps],
        cameras=drawn,
        issues=report.issues,
        side=_SIDE,
    )


def _row(lamp: Lamp, session: Session) -> Row:
    light = session.find_light(lamp.id)
    where = f"{lamp.azimuth_deg:.1f}° / {lamp.elevation_deg:.1f}° ± {lamp.sigma_deg:.2f}°"
    if lamp.position is not None and lamp.sigma_m is not None:
        x, y, z = lamp.position
        where += f", at ({x:.2f}, {y:.2f}, {z:.2f}) m ± {100 * lamp.sigma_m:.0f} cm"
    power = "not measured"
    if lamp.intensity is not None and lamp.ambient is not None:
        power = f"{lamp.intensity:.2f} and {lamp.ambient:.2f} from everywhere, by the {lamp.power_by}"
    colour = lamp.colour if lamp.colour is not None else np.array(light.colour) / max(light.colour)
    red, green, blue = (255 * np.clip(colour, 0, 1) ** (1 / 2.2)).round().astype(int)
    flat = lamp.direction[:2] * _REACH
    return Row(
        lamp.id,
        where,
        f"{light.azimuth_deg:.0f}° / {light.elevation_deg:.0f}°",
        f"{angle_deg(lamp.direction, declared(light)):.1f}°",
        power,
        f"rgb({red},{green},{blue})",
        _SIDE / 2 + float(flat[0]),
        _SIDE / 2 - float(flat[1]),
    )
