"""The page on the lights for people: each lamp against session.toml, lamps and cameras from above, and her normals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from calibration.camera import Camera
from calibration.lights.lamp import Lamp, angle_deg, declared
from capture.issues import Report
from capture.report import issue_list, page, picture, table, verdict
from capture.session import Session

_SIDE = 620  # of the drawing, in CSS pixels
_REACH = 240  # from the middle to a lamp at infinity or to the farthest camera
_SHOWN = 3  # maps of normals
_CSS = (
    ".swatch{display:inline-block;width:1em;height:1em;border:1px solid #888;vertical-align:-2px;margin-right:.5em}"
    ".above{max-width:100%;background:#3a3d42;border-radius:6px}.above text{font:15px sans-serif;fill:#fff}"
    ".sheet{display:grid;grid-template-columns:repeat(3,1fr);gap:10px}.sheet figure{margin:0}.sheet img{width:100%}"
)


def render_page(
    lamps: Sequence[Lamp], cameras: Sequence[Camera], report: Report, session: Session, normals: Sequence[Path] = ()
) -> str:
    """The whole page as HTML that needs no other file; `normals` are the PNG maps, the best first."""
    body = _headline(lamps, report, session) + issue_list(report)
    if lamps:
        head = ("light", "azimuth / elevation, measured", "declared", "apart", "strength on white paper")
        body += table(head, [_row(lamp, session) for lamp in lamps])
        body += Markup("<h2>From above</h2>{}").format(_above(lamps, cameras))
        body += Markup("<p>Small dots are cameras, she stands in the middle. A lamp near the middle hangs high.</p>")
    if normals:
        title = f"How her surface faces, by the shading under all lights ({len(normals)} cameras)"
        body += Markup("<h2>{}</h2>").format(title)
        body += Markup("<div class='sheet'>")
        for path in normals[:_SHOWN]:
            shown = picture(path.read_bytes(), alt=f"normals of {path.stem}")
            body += Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(shown, path.stem)
        body += Markup("</div>")
    return page(f"Lights of {session.session.id}", body, extra_css=_CSS)


def _headline(lamps: Sequence[Lamp], report: Report, session: Session) -> Markup:
    missing = [light.id for light in session.light if light.id not in {lamp.id for lamp in lamps}]
    if not lamps:
        return verdict("No light was measured", tone="warn", detail="Shoot the mirror ball under every light.")
    worst = max(angle_deg(lamp.direction, declared(session.find_light(lamp.id))) for lamp in lamps)
    detail = f"They are {worst:.1f}° or less from what session.toml says."
    if missing:
        detail += f" Not measured: {', '.join(missing)}."
    if report.issues:
        return verdict(f"{len(lamps)} lights measured; look at what follows", tone="warn", detail=detail)
    return verdict("Every light is where session.toml says", tone="good", detail=detail)


def _row(lamp: Lamp, session: Session) -> list[str]:
    light = session.find_light(lamp.id)
    where = f"{lamp.azimuth_deg:.1f}° / {lamp.elevation_deg:.1f}° ± {lamp.sigma_deg:.2f}°"
    if lamp.position is not None and lamp.sigma_m is not None:
        x, y, z = lamp.position
        where += f", at ({x:.2f}, {y:.2f}, {z:.2f}) m ± {100 * lamp.sigma_m:.0f} cm"
    power = "not measured"
    if lamp.intensity is not None and lamp.ambient is not None:
        power = f"{lamp.intensity:.2f} and {lamp.ambient:.2f} from everywhere, by the {lamp.power_by}"
    swatch = Markup("<span class='swatch' style='background:{}'></span>{}").format(_colour(lamp, session), lamp.id)
    plan = f"{light.azimuth_deg:.0f}° / {light.elevation_deg:.0f}°"
    return [swatch, where, plan, f"{angle_deg(lamp.direction, declared(light)):.1f}°", power]


def _colour(lamp: Lamp, session: Session) -> str:
    light = session.find_light(lamp.id)
    colour = lamp.colour if lamp.colour is not None else np.array(light.colour) / max(light.colour)
    red, green, blue = (255 * np.clip(colour, 0, 1) ** (1 / 2.2)).round().astype(int)
    return f"rgb({red},{green},{blue})"


def _above(lamps: Sequence[Lamp], cameras: Sequence[Camera]) -> Markup:
    """Lamps and cameras seen from above, x to the right."""
    middle = _SIDE / 2
    places = np.array([camera.centre[:2] for camera in cameras]).reshape(-1, 2)
    scale = 0.85 * _REACH / max(float(np.abs(places).max()), 0.1) if len(places) else 1.0
    head = Markup("<svg class='above' width='{0}' height='{0}' role='img' aria-label='lights and cameras'>")
    drawn = head.format(_SIDE)
    for camera, (x, y) in zip(cameras, places, strict=True):
        drawn += Markup("<circle cx='{:.1f}' cy='{:.1f}' r='4' fill='#9fb4d8'><title>{}</title></circle>").format(
            middle + scale * x, middle - scale * y, camera.id
        )
    for lamp in lamps:
        x, y = middle + _REACH * lamp.direction[0], middle - _REACH * lamp.direction[1]
        drawn += Markup(
            "<line x1='{0:.1f}' y1='{1:.1f}' x2='{2}' y2='{2}' stroke='#e8d9a0' stroke-width='2'/>"
            "<circle cx='{0:.1f}' cy='{1:.1f}' r='10' fill='#fff6d8' stroke='#000'/>"
            "<text x='{0:.1f}' y='{3:.1f}' text-anchor='middle'>{4}</text>"
        ).format(x, y, middle, y - 15, lamp.id)
    return drawn + Markup("</svg>")
