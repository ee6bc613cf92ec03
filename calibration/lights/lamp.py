"""One lamp from its reflections in several cameras and places of the ball: a direction, or a position where it is near.

The unknowns are the direction from the middle of the highlights and the inverse of the distance, so that a lamp at
infinity is an ordinary solution and not a limit. It counts as near only where the measurement really says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy.optimize import least_squares

from calibration.lights.highlight import Highlight
from calibration.pose import Floats
from capture.issues import JsonObject, JsonValue
from capture.session import Light

_SURE = 5.0  # standard deviations by which the inverse distance must differ from that of a lamp at infinity
_FARTHEST_M = 30.0  # beyond it a lamp is as good as at infinity: 1 degree over half a metre
# Reflections of one ball lie centimetres apart: on the stage that missed lamps at 2 m by up to 74 cm and claimed 18 cm,
# while four places of the ball, half a metre apart, gave 1 to 7 cm.
_BASE_M = 0.25
_ODD_DEG = 4.0  # a camera that puts a lamp so far from the others saw something else


@dataclass(frozen=True, eq=False)
class Lamp:
    """One light of the session as it was measured. Direction is where the light comes from, in the world."""

    id: str
    direction: Floats  # (3,) unit vector, from the place of the ball
    sigma_deg: float  # standard deviation of the direction
    position: Floats | None  # (3,) metres of a near lamp
    sigma_m: float | None  # standard deviation of the position along its least certain axis
    cameras: tuple[str, ...]  # that saw it in the ball
    colour: Floats | None = None  # (3,) linear RGB, largest 1
    intensity: float | None = None  # linear light on white paper that faces the lamp, without ambient
    ambient: float | None = None  # linear light on white paper that the lamp does not reach
    power_by: str = ""  # chart or board

    @property
    def azimuth_deg(self) -> float:
        """Seen from above, counter-clockwise from world x."""
        return float(np.degrees(np.arctan2(self.direction[1], self.direction[0])))

    @property
    def elevation_deg(self) -> float:
        """Above the horizontal."""
        return float(np.degrees(np.arcsin(np.clip(self.direction[2], -1, 1))))

    def toward(self, points: Floats) -> Floats:
        """Unit vectors (N, 3) from points (N, 3) in metres toward the lamp."""
        if self.position is None:
            return np.broadcast_to(self.direction, points.shape).copy()
        offset = self.position - points
        return np.asarray(offset / np.linalg.norm(offset, axis=-1, keepdims=True))

    def with_power(self, colour: Floats, intensity: float, ambient: float, by: str) -> Lamp:
        """The same lamp with what a chart or board says of its colour and strength."""
        return replace(self, colour=colour / colour.max(), intensity=intensity, ambient=ambient, power_by=by)

    def to_json(self) -> JsonObject:
        """All numbers under plain keys."""
        return {
            "id": self.id,
            "azimuth_deg": self.azimuth_deg,
            "elevation_deg": self.elevation_deg,
            "direction": _list(self.direction),
            "sigma_deg": self.sigma_deg,
            "position": None if self.position is None else _list(self.position),
            "sigma_m": self.sigma_m,
            "cameras": list(self.cameras),
            "colour": None if self.colour is None else _list(self.colour),
            "intensity": self.intensity,
            "ambient": self.ambient,
            "power_by": self.power_by,
        }

    @staticmethod
    def from_json(data: Mapping[str, JsonValue]) -> Lamp:
        """The inverse of `to_json`."""
        position, colour = (None if data[k] is None else np.array(data[k], float) for k in ("position", "colour"))
        numbers = {k: cast("float | None", data[k]) for k in ("sigma_m", "intensity", "ambient")}
        return Lamp(
            id=str(data["id"]),
            direction=np.array(data["direction"], dtype=np.float64),
            sigma_deg=float(cast(float, data["sigma_deg"])),
            position=position,
            sigma_m=numbers["sigma_m"],
            cameras=tuple(cast("list[str]", data["cameras"])),
            colour=colour,
            intensity=numbers["intensity"],
            ambient=numbers["ambient"],
            power_by=str(data["power_by"]),
        )


def solve_lamp(name: str, highlights: Sequence[Highlight]) -> tuple[Lamp, tuple[Highlight, ...]]:
    """The lamp that best explains its highlights, and those that were left out because they show something else.

    Raises ValueError without a highlight.
    """
    if not highlights:
        raise ValueError(f"light {name!r} has no highlight; give at least one picture in which the ball shows it")
    kept, odd = list(highlights), []
    while len(kept) > 2:
        found = _solved(kept)
        gaps = [_gap_deg(found, h) for h in kept]
        if max(gaps) < _ODD_DEG:
            break
        odd.append(kept.pop(int(np.argmax(gaps))))
    found = _solved(kept)
    return (
        Lamp(
            id=name,
            direction=found.direction,
            sigma_deg=float(np.degrees(found.sigma_rad)),
            position=found.position if found.near else None,
            sigma_m=found.sigma_m if found.near else None,
            cameras=tuple(dict.fromkeys(h.camera for h in kept)),
        ),
        tuple(odd),
    )


def _base(highlights: Sequence[Highlight]) -> float:
    """How far apart the reflections lie, metres."""
    points = np.array([h.point for h in highlights])
    return float(np.linalg.norm(points[:, None] - points[None], axis=-1).max())


def declared(light: Light) -> Floats:
    """Unit vector (3,) toward a light as session.toml declares it."""
    a, e = np.radians(light.azimuth_deg), np.radians(light.elevation_deg)
    return np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])


def angle_deg(first: Floats, second: Floats) -> float:
    """Angle between two unit vectors (3,)."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))


@dataclass(frozen=True, eq=False)
class _Solved:
    direction: Floats  # (3,) from the middle of the highlights
    inverse_m: float  # 1 / distance
    sigma_rad: float
    sigma_inverse: float
    sigma_m: float
    middle: Floats  # (3,)

    @property
    def near(self) -> bool:
        return self.inverse_m > max(_SURE * self.sigma_inverse, 1 / _FARTHEST_M)

    @property
    def position(self) -> Floats:
        return self.middle + self.direction / max(self.inverse_m, 1e-9)

    def toward(self, point: Floats) -> Floats:
        offset = self.direction + self.inverse_m * (self.middle - point)
        return np.asarray(offset / np.linalg.norm(offset))


def _gap_deg(found: _Solved, highlight: Highlight) -> float:
    return angle_deg(found.toward(highlight.point), highlight.direction)


def _solved(highlights: Sequence[Highlight]) -> _Solved:
    """The lamp at infinity, or at a distance where the highlights lie far enough apart to tell."""
    far = _at_infinity(highlights)
    if _base(highlights) < _BASE_M:
        return far
    near = _at_a_distance(highlights, far)
    # A lamp that is not near is far: its direction is then known better alone than together with the distance.
    return near if near.near else far


def _at_a_distance(highlights: Sequence[Highlight], start: _Solved) -> _Solved:
    """Weighted least squares over two angles and the inverse distance."""
    whitening = [np.linalg.cholesky(np.linalg.inv(h.covariance)).T for h in highlights]
    side = np.linalg.svd(start.direction[None])[2][1:]  # (2, 3) across the direction

    def state(x: Floats) -> _Solved:
        direction = start.direction + x[:2] @ side
        return replace(start, direction=direction / np.linalg.norm(direction), inverse_m=float(x[2]))

    def misfit(x: Floats) -> Floats:
        at = state(x)
        parts = [w @ (at.toward(h.point) - h.direction) for w, h in zip(whitening, highlights, strict=True)]
        return np.concatenate(parts)

    bounds = ([-np.inf, -np.inf, 0.0], [np.inf, np.inf, 10.0])
    solved = least_squares(misfit, (0.0, 0.0, 0.05), bounds=bounds)
    found = state(solved.x)
    # Each highlight gives two numbers. Where they agree worse than they should, the error grows with it.
    freedom = 2 * len(highlights) - 3
    spread = np.linalg.pinv(solved.jac.T @ solved.jac) * max(1.0, float(solved.fun @ solved.fun) / freedom)
    sigma_rad = float(np.sqrt(np.linalg.eigvalsh(spread[:2, :2])[-1]))
    sigma_inverse = float(np.sqrt(spread[2, 2]))
    distance = 1 / max(found.inverse_m, 1e-9)
    sigma_m = float(np.hypot(distance**2 * sigma_inverse, distance * sigma_rad))
    return replace(found, sigma_rad=sigma_rad, sigma_inverse=sigma_inverse, sigma_m=sigma_m)


def _at_infinity(highlights: Sequence[Highlight]) -> _Solved:
    """The weighted mean of the directions."""
    information = [np.linalg.inv(h.covariance) for h in highlights]
    pull = np.sum([i @ h.direction for i, h in zip(information, highlights, strict=True)], axis=0)
    mean = np.linalg.solve(np.sum(information, axis=0), pull)
    direction = mean / np.linalg.norm(mean)
    rest = [direction - h.direction for h in highlights]
    misfit = float(np.sum([r @ i @ r for r, i in zip(rest, information, strict=True)]))
    scale = max(1.0, misfit / max(2 * len(highlights) - 2, 1))
    sigma = float(np.sqrt(np.linalg.eigvalsh(np.linalg.inv(np.sum(information, axis=0)))[-1] * scale))
    return _Solved(direction, 0.0, sigma, np.inf, np.inf, np.mean([h.point for h in highlights], axis=0))


def _list(values: Floats) -> list[JsonValue]:
    return [float(v) for v in values]
