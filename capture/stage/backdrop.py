"""The empty studio: a floor and a cylinder of seamless paper, analytic per pixel, and the shadow on the floor."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.stage.lens import Box, StageCamera, StageLight, pixel_rays

F32 = NDArray[np.float32]

# Albedo (linear RGB) of the seamless paper.
BACKDROPS: dict[str, tuple[float, float, float]] = {
    "grey": (0.36, 0.36, 0.36),
    "white": (0.80, 0.80, 0.79),
    "black": (0.03, 0.03, 0.03),
    "blue": (0.12, 0.17, 0.28),
    "warm": (0.42, 0.34, 0.27),
    "green": (0.16, 0.30, 0.16),
}
_RADIUS_M = 4.5
_FLOOR_SHARE = 0.85  # the floor is walked on: a little darker than the wall


def _meet(origin: F32, rays: F32) -> tuple[F32, F32]:
    """Where rays (H, W, 3) from inside the studio meet the paper, and 1 on the floor falling to 0 on the wall."""
    planar = rays[..., 0] ** 2 + rays[..., 1] ** 2
    along = rays[..., 0] * origin[..., 0] + rays[..., 1] * origin[..., 1]
    rest = origin[..., 0] ** 2 + origin[..., 1] ** 2 - np.float32(_RADIUS_M**2)
    wall = (-along + np.sqrt(np.maximum(along**2 - planar * rest, 0))) / np.maximum(planar, 1e-9)
    down = rays[..., 2] < -1e-6
    floor = np.where(down, -origin[..., 2] / np.where(down, rays[..., 2], -1.0), np.float32(1e9))
    points = origin + np.minimum(wall, floor)[..., None] * rays
    # The paper curves from wall to floor: no visible edge.
    inner = np.clip((_RADIUS_M - np.hypot(points[..., 0], points[..., 1])) / 0.8, 0, 1)
    return points.astype(np.float32), (inner * (floor <= wall)).astype(np.float32)


@lru_cache(maxsize=3)
def _surface(camera: StageCamera) -> tuple[F32, F32]:
    """Hit points (H, W, 3) in metres and blend (H, W), 1 on the floor and 0 on the wall."""
    rays = pixel_rays(camera, (0, 0, camera.width, camera.height))
    points, blend = _meet(camera.position.astype(np.float32), rays)
    for array in (points, blend):
        array.setflags(write=False)
    return points, blend


def _paper(backdrop: str, points: F32, floor: F32, light: StageLight) -> F32:
    """Light (H, W, 3) that the paper sends back at points of it, linear RGB."""
    # Plain floats: a NumPy scalar of double precision would widen every array here.
    x, y, z = (float(value) for value in light.direction)
    inward = points[..., 0] * (-x / _RADIUS_M)
    inward += points[..., 1] * (-y / _RADIUS_M)
    # A wall lit by a broad source: half Lambert, so that it darkens gently away from the light.
    level = inward * (0.25 * light.intensity) + (light.ambient + 0.25 * light.intensity)
    ground = light.ambient * 1.05 + light.intensity * max(z, 0.0) * _FLOOR_SHARE
    level += floor * (ground - level)
    albedo = np.array(BACKDROPS[backdrop], dtype=np.float32) * np.array(light.colour, dtype=np.float32)
    return np.asarray(level[..., None] * albedo, dtype=np.float32)


def surroundings(backdrop: str, origin: F32, rays: F32, light: StageLight) -> F32:
    """Light (H, W, 3) that arrives at points (H, W, 3) of the empty studio along rays (H, W, 3)."""
    points, floor = _meet(origin, rays)
    return _paper(backdrop, points, floor, light)


@lru_cache(maxsize=12)
def background(backdrop: str, camera: StageCamera, light: StageLight) -> F32:
    """The empty studio (H, W, 3) in linear RGB, read-only."""
    points, floor = _surface(camera)
    picture = _paper(backdrop, points, floor, light)
    picture.setflags(write=False)
    return picture


def blend_shadow(
    area: F32, box: Box, camera: StageCamera, light: StageLight, lookup: Callable[[F32, float], F32]
) -> None:
    """Darken the floor in a box of a picture (h, w, 3), in place, where lookup(points, bias) says light is blocked."""
    window = np.s_[box[1] : box[3], box[0] : box[2]]
    points, floor = (array[window] for array in _surface(camera))
    rows = np.flatnonzero((floor > 0).any(axis=1))
    if len(rows) == 0 or light.direction[2] <= 0:
        return
    top = rows[0]
    lit = lookup(points[top:], 0.004)
    direct = light.intensity * float(light.direction[2]) * _FLOOR_SHARE
    share = direct / (direct + light.ambient * 1.05)
    area[top:] *= (1 - floor[top:] * (share * (1 - lit)))[..., None]
