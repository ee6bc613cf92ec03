"""View and light of one picture as she meets them: numbers for the model, words for the caption.

Angles are relative to the direction she faces: view azimuth 0 sees her from the front, +90 from her left side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.session import Light

VIEW_LIGHT_SIZE = 22
"""Length of the vector that `features` returns."""


@dataclass(frozen=True)
class View:
    """Where the camera stands."""

    azimuth_deg: float  # -180 to 180, relative to her
    elevation_deg: float  # above the horizontal through the aimed point
    distance_m: float


@dataclass(frozen=True)
class Lighting:
    """Where the light comes from and what it is like."""

    azimuth_deg: float  # -180 to 180, relative to her
    elevation_deg: float
    colour: tuple[float, float, float]  # linear RGB, relative
    intensity: float
    ambient: float


def wrap_deg(angle: float) -> float:
    """An angle in [-180, 180)."""
    return (angle + 180.0) % 360.0 - 180.0


def view_of(camera_centre: NDArray[np.float64], aim: NDArray[np.float64], facing_deg: float) -> View:
    """The view from a camera centre (3,) at an aimed point (3,), both metres in the world."""
    offset = camera_centre - aim
    flat = math.hypot(offset[0], offset[1])
    azimuth = math.degrees(math.atan2(offset[1], offset[0]))
    distance = float(np.linalg.norm(offset))
    return View(wrap_deg(azimuth - facing_deg), math.degrees(math.atan2(offset[2], flat)), distance)


def lighting_of(light: Light, facing_deg: float) -> Lighting:
    """A light of the session as she meets it when she faces `facing_deg`."""
    azimuth = wrap_deg(light.azimuth_deg - facing_deg)
    return Lighting(azimuth, light.elevation_deg, light.colour, light.intensity, light.ambient)


def features(view: View, lighting: Lighting) -> NDArray[np.float32]:
    """The conditioning vector (VIEW_LIGHT_SIZE,): Fourier features of angles, the rest near unit scale.

    Four harmonics of azimuth resolve about 20 degrees each, which is what a mark moves across the picture in.
    """
    a, b = math.radians(view.azimuth_deg), math.radians(lighting.azimuth_deg)
    e, f = math.radians(view.elevation_deg), math.radians(lighting.elevation_deg)
    turns = [fn(k * a) for k in (1, 2, 3, 4) for fn in (math.sin, math.cos)]
    rise = [math.sin(e), math.sin(2 * e), math.cos(2 * e), view.distance_m / 2.5 - 1.0]
    key = [math.sin(b) * math.cos(f), math.cos(b) * math.cos(f), math.sin(f), math.sin(2 * b), math.cos(2 * b)]
    power = [math.log2(lighting.intensity), lighting.ambient * 2 - 1, *(c - 1.0 for c in lighting.colour)]
    return np.array(turns + rise + key + power, dtype=np.float32)


def _nearest(value: float, names: Mapping[float, str]) -> str:
    return names[min(names, key=lambda centre: abs(wrap_deg(value - centre)))]


_SIDES = {
    0.0: "front", 45.0: "front left", 90.0: "left profile", 135.0: "back left", -180.0: "back",
    -135.0: "back right", -90.0: "right profile", -45.0: "front right",
}  # fmt: skip


def side_of(view: View) -> str:
    """From which side of her a view is, in words."""
    return _nearest(view.azimuth_deg, _SIDES)


def caption(view: View, lighting: Lighting, *, trigger: str, framing: str, outfit: str, backdrop: str) -> str:
    """What varies from picture to picture, in a fixed grammar; never a permanent feature of hers.

    A mark that is named in captions gets painted on people who have none, and one that is not named stays hers.
    """
    who = f"{trigger} person" if trigger else "person"
    height = "high" if view.elevation_deg > 20 else "low" if view.elevation_deg < -10 else "eye level"
    softness = "soft" if lighting.ambient > 0.35 else "hard"
    parts = [f"photo of {who}", framing, f"{side_of(view)} view {height}"]
    parts.append(f"{softness} light from {_nearest(lighting.azimuth_deg, _SIDES)}")
    parts += [f"{outfit} outfit"] if outfit else []
    parts += [f"{backdrop} backdrop"] if backdrop else []
    return ", ".join(parts)
