"""The empty studio: a floor and a cylinder of paper or canvas, analytic per pixel, and the shadow on the floor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.canvas import CANVASES, Canvas, mottle
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
# What Scene and a shoot may name. Paper looks the same from everywhere; only a canvas tells one place from another.
BACKDROP_NAMES: tuple[str, ...] = (*BACKDROPS, *CANVASES)
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


@dataclass(frozen=True, eq=False)
class _Surface:
    """Where the pixels of a camera meet the paper. Read-only."""

    x: F32  # (H, W) metres
    y: F32  # (H, W) metres
    floor: F32  # (H, W) 1 on the floor, 0 on the wall
    top: int  # first row that sees the floor


@lru_cache(maxsize=3)
def _surface(camera: StageCamera) -> _Surface:
    rays = pixel_rays(camera, (0, 0, camera.width, camera.height))
    points, floor = _meet(camera.position.astype(np.float32), rays)
    rows = np.flatnonzero((floor > 0).any(axis=1))
    x, y = (np.ascontiguousarray(points[..., k]) for k in (0, 1))
    for array in (x, y, floor):
        array.setflags(write=False)
    return _Surface(x, y, floor, int(rows[0]) if len(rows) else camera.height)


def _level(points: F32, floor: F32, light: StageLight) -> F32:
    """Light (H, W) that white paper sends back at points of it, before the light's colour."""
    # Plain floats: a NumPy scalar of double precision would widen every array here.
    x, y, z = (float(value) for value in light.direction)
    inward = points[..., 0] * (-x / _RADIUS_M)
    inward += points[..., 1] * (-y / _RADIUS_M)
    # A wall lit by a broad source: half Lambert, so that it darkens gently away from the light.
    level = inward * (0.25 * light.intensity) + (light.ambient + 0.25 * light.intensity)
    ground = light.ambient * 1.05 + light.intensity * max(z, 0.0) * _FLOOR_SHARE
    level += floor * (ground - level)
    return np.asarray(level, dtype=np.float32)


def _coloured(level: F32, backdrop: str, light: StageLight) -> F32:
    """Linear RGB (H, W, 3) of the mean albedo of a backdrop at a level (H, W) of light."""
    mean = CANVASES[backdrop].albedo if backdrop in CANVASES else BACKDROPS[backdrop]
    albedo = zip(mean, light.colour, strict=True)
    return np.asarray(cv2.merge([level * np.float32(paper * colour) for paper, colour in albedo]), dtype=np.float32)


def surroundings(backdrop: str, origin: F32, rays: F32, light: StageLight) -> F32:
    """Light (H, W, 3) that arrives at points (H, W, 3) of the empty studio along rays (H, W, 3)."""
    points, floor = _meet(origin, rays)
    arriving = _coloured(_level(points, floor, light), backdrop, light)
    return arriving * mottle(CANVASES[backdrop], points) if backdrop in CANVASES else arriving


@lru_cache(maxsize=3)
def _paint(canvas: Canvas, camera: StageCamera) -> F32:
    """What is painted where a camera looks, (H, W, 3); read-only."""
    rays = pixel_rays(camera, (0, 0, camera.width, camera.height))
    points, _ = _meet(camera.position.astype(np.float32), rays)
    paint = mottle(canvas, points)
    paint.setflags(write=False)
    return paint


@lru_cache(maxsize=12)
def _level_of(camera: StageCamera, light: StageLight) -> F32:
    surface = _surface(camera)
    level = _level(np.stack([surface.x, surface.y], axis=-1), surface.floor, light)
    level.setflags(write=False)
    return level


def background(backdrop: str, camera: StageCamera, light: StageLight, box: Box | None = None) -> F32:
    """The empty studio (h, w, 3) in linear RGB, whole or in a box of the picture."""
    x0, y0, x1, y1 = box or (0, 0, camera.width, camera.height)
    empty = _coloured(_level_of(camera, light)[y0:y1, x0:x1], backdrop, light)
    if backdrop in CANVASES:
        empty *= _paint(CANVASES[backdrop], camera)[y0:y1, x0:x1]
    return empty


def shadowed(
    camera: StageCamera, light: StageLight, box: Box, lit: F32, map_from_floor: NDArray[np.float64]
) -> tuple[Box, F32]:
    """The part of a box that sees the floor, and the factor (h, w) by which a shadow darkens the paper there.

    `lit` (S, S) is the share of the light that reaches the floor; `map_from_floor` (2, 3) takes floor metres (x, y, 1)
    to pixels of it.
    """
    surface = _surface(camera)
    x0, y0, x1, y1 = box[0], max(box[1], surface.top), box[2], box[3]
    if y0 >= y1 or x0 >= x1 or light.direction[2] <= 0:
        return (0, 0, 0, 0), np.zeros((0, 0), dtype=np.float32)
    x, y = surface.x[y0:y1, x0:x1], surface.y[y0:y1, x0:x1]
    u, v = (cv2.addWeighted(x, row[0], y, row[1], row[2]) for row in map_from_floor)
    reached = cv2.remap(lit, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0)
    direct = light.intensity * float(light.direction[2]) * _FLOOR_SHARE
    share = direct / (direct + light.ambient * 1.05)
    blocked = cv2.multiply(surface.floor[y0:y1, x0:x1], cv2.subtract(1.0, reached), scale=share)
    return (x0, y0, x1, y1), np.asarray(cv2.subtract(1.0, blocked), dtype=np.float32)
