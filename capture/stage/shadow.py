"""What a light sees: orthographic depth of a body, shadows with a soft edge, and how open each place of a body is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.body import BodyShape, build_body
from capture.stage.curves import grid_normals
from capture.stage.raster import culled, screen_vertices, tube_faces

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Eight taps: the soft edge of a large studio light.
_RING = ((2, 0), (-2, 0), (0, 2), (0, -2), (1, 1), (-1, 1), (1, -1), (-1, -1))
_SEARCH = 5.0  # texels around a place in which something that hides the light is looked for
_LAMP = 0.10  # half the lamp's width over its distance: the edge grows by this share of the way
_OPEN_MAP, _OPEN_DIRECTIONS, _OPEN_BIAS_M = 192, 28, 0.008


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """Orthographic depth seen from the light; larger is farther from the light."""

    axes: F64  # (3, 3) rows: right, up, toward the light
    centre: F64  # (3,) world metres
    half_extent: float
    depth: F32  # (S, S) metres along the light, 1e6 where nothing stands

    @property
    def size(self) -> int:
        """Pixels across."""
        return self.depth.shape[0]

    def _place(self, points: F32) -> tuple[F32, F32, F32]:
        """Pixels u and v of world points (..., 3) and their depth."""
        local = (points - self.centre.astype(np.float32)) @ self.axes.T.astype(np.float32)
        scale, middle = np.float32(self.size / 2 / self.half_extent), np.float32(self.size / 2 - 0.5)
        return local[..., 0] * scale + middle, middle - local[..., 1] * scale, -local[..., 2]

    def _near(self, u: F32, v: F32) -> F32:
        found = cv2.remap(self.depth, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=1e6)
        return np.asarray(found, dtype=np.float32)

    def lookup(self, points: F32, bias_m: float) -> F32:
        """Share of the light (0..1) reaching world points (h, w, 3)."""
        u, v, depth = self._place(points)
        limit = depth - np.float32(bias_m)
        lit = np.zeros(u.shape, dtype=np.float32)
        for du, dv in _RING:
            lit += self._near(u + np.float32(du), v + np.float32(dv)) > limit
        return lit / np.float32(len(_RING))

    def soft(self, points: F32, bias_m: float) -> F32:
        """Share of the light (0..1) of a broad lamp reaching world points (h, w, 3).

        The edge widens with the way from what casts it (percentage-closer soft shadows, Fernando 2005).
        """
        u, v, depth = self._place(points)
        limit = depth - np.float32(bias_m)
        blocked, way = np.zeros_like(u), np.zeros_like(u)
        for du, dv in _RING[:4]:
            reach = np.float32(_SEARCH / 2)
            near = self._near(u + np.float32(du) * reach, v + np.float32(dv) * reach)
            hit = near < limit
            blocked += hit
            way += np.where(hit, limit - near, 0)
        way /= np.maximum(blocked, 1)
        texels = np.float32(_LAMP * self.size / 2 / self.half_extent) * way
        reach = np.clip(texels, 1.0, 7.0).astype(np.float32) / np.float32(2)
        lit = np.zeros_like(u)
        for k, (du, dv) in enumerate(_RING):
            # Odd taps half as far: an even slope instead of a step.
            share = reach * np.float32(1.0 if k < 4 else 0.9)
            lit += self._near(u + share * np.float32(du), v + share * np.float32(dv)) > limit
        return np.asarray(lit / np.float32(len(_RING)), dtype=np.float32)

    def floor_pixels(self) -> F64:
        """(2, 3) pixels of the map from floor metres (x, y, 1)."""
        scale = self.size / 2 / self.half_extent
        flat = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
        flat[:, 2] = -self.centre
        rows = np.array([[scale], [-scale]]) * (self.axes[:2] @ flat)
        rows[:, 2] += self.size / 2 - 0.5
        return np.asarray(rows, dtype=np.float64)

    def floor_lit(self, bias_m: float) -> F32:
        """Share of the light (0..1) that reaches the floor, at the pixels (S, S) of the map; the light is above it."""
        size = self.size
        at = np.arange(size, dtype=np.float32) - np.float32(size / 2 - 0.5)
        at *= np.float32(2 * self.half_extent / size)
        # On the floor z = 0, so depth along the light follows from the place on the map.
        right, up, toward = self.axes
        down = -float(self.centre[2]) - (at * np.float32(right[2]) - (at * np.float32(up[2]))[:, None])
        limit = (-down / np.float32(toward[2]) - np.float32(bias_m)).astype(np.float32)
        room = 2
        near = cv2.copyMakeBorder(self.depth, room, room, room, room, cv2.BORDER_CONSTANT, value=1e6)
        total = np.zeros(limit.shape, dtype=np.uint8)
        for du, dv in _RING:
            x, y = room + du, room + dv
            tap = cv2.compare(near[y : y + size, x : x + size], limit, cv2.CMP_GT)
            cv2.add(total, cv2.bitwise_and(tap, 1), total)
        return (total * np.float32(1 / len(_RING))).astype(np.float32)


def depth_from(vertices: F64, faces: NDArray[np.int32], toward: F64, size: int) -> ShadowMap:
    """What a light in direction `toward` (3,) sees of vertices (V, 3) and faces (F, 3), size x size."""
    right = np.cross([0.0, 0.0, 1.0], toward)
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-6 else np.array([0.0, 1.0, 0.0])
    axes = np.stack([right, np.cross(toward, right), toward])
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    local = (vertices - centre) @ axes.T
    half = float(np.abs(local[:, :2]).max()) * 1.03
    pixels = np.column_stack([local[:, 0], -local[:, 1]]) / half * (size / 2) + (size / 2 - 0.5)
    # Far enough that depth is linear across a triangle to well under the bias.
    away = 50.0 - local[:, 2]
    depth = np.full((size, size), 60.0, dtype=np.float32)
    cv2.triangleRasterizeDepth(
        screen_vertices(pixels, away, (size, size)), faces, depth, np.eye(4, dtype=np.float32),
        np.pi / 2, 40.0, 60.0, culled(),
    )  # fmt: skip
    depth = np.where(depth > 59.0, np.float32(1e6), depth - np.float32(50.0))
    return ShadowMap(axes, centre, half, depth)


@lru_cache(maxsize=32)
def openness(shape: BodyShape) -> tuple[F32, ...]:
    """For each tube (R, C): the share of the light from all sides that reaches the rest-pose body, cosine-weighted.

    The pose is that of the rest: arms that are lifted later keep the shade beside the trunk.
    """
    tubes = build_body(shape)
    points = np.concatenate([tube.points.reshape(-1, 3) for tube in tubes])
    normals = np.concatenate([np.asarray(grid_normals(tube.points)).reshape(-1, 3) for tube in tubes])
    faces = tube_faces(tuple((t.points.shape[0], t.points.shape[1]) for t in tubes))
    raised = (points + _OPEN_BIAS_M * normals).astype(np.float32)
    reached, total = np.zeros(len(points)), np.full(len(points), 1e-6)
    for k in range(_OPEN_DIRECTIONS):
        # A golden spiral over the sphere, less its lowest part.
        z = 1 - 1.75 * (k + 0.5) / _OPEN_DIRECTIONS
        turn, flat = k * np.pi * (3 - np.sqrt(5)), np.sqrt(1 - z * z)
        toward = np.array([flat * np.cos(turn), flat * np.sin(turn), z])
        weight = np.clip(normals @ toward, 0, None)
        seen = depth_from(points, faces, toward, _OPEN_MAP).lookup(raised[None], 0.004)[0]
        reached += weight * seen
        total += weight
    share = (reached / total).astype(np.float32)
    ends = np.cumsum([t.points.shape[0] * t.points.shape[1] for t in tubes])[:-1]
    planes = []
    for tube, flat_share in zip(tubes, np.split(share, ends), strict=True):
        plane = np.asarray(cv2.blur(flat_share.reshape(tube.points.shape[:2]), (3, 3)), dtype=np.float32)
        plane.setflags(write=False)
        planes.append(plane)
    return tuple(planes)
