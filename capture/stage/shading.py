"""Light on a scene: the shadow map, the diffuse light baked per texel, and the weak highlight per vertex.

What does not depend on the camera is computed once per scene and light and kept in the scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.body import ATLAS
from capture.stage.lens import StageCamera, StageLight
from capture.stage.raster import culled, screen_vertices
from capture.stage.scene import Scene
from capture.stage.skin import spread_to_patch

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_SHADOW_SIZE = 1024
_BAKE_STEP = 2  # texels of the atlas per texel of the light bake
# Eight taps, about 6 mm wide: the soft edge of a large studio light.
_RING = ((2, 0), (-2, 0), (0, 2), (0, -2), (1, 1), (-1, 1), (1, -1), (-1, -1))
_HIGHLIGHT, _SHININESS = 0.05, 18.0


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """Orthographic depth seen from the light; larger is farther from the light."""

    axes: F64  # (3, 3) rows: right, up, toward the light
    centre: F64  # (3,) world metres
    half_extent: float
    depth: F32  # (S, S) metres along the light, +inf where nothing stands

    def lookup(self, points: F32, bias_m: float) -> F32:
        """Share of the light (0..1) reaching world points (h, w, 3)."""
        local = (points - self.centre.astype(np.float32)) @ self.axes.T.astype(np.float32)
        scale = np.float32(_SHADOW_SIZE / 2 / self.half_extent)
        u = (local[..., 0] * scale + (_SHADOW_SIZE / 2 - 0.5)).astype(np.float32)
        v = (-local[..., 1] * scale + (_SHADOW_SIZE / 2 - 0.5)).astype(np.float32)
        limit = -local[..., 2] - np.float32(bias_m)
        lit = np.zeros(u.shape, dtype=np.float32)
        for du, dv in _RING:
            near = cv2.remap(
                self.depth, u + np.float32(du), v + np.float32(dv), cv2.INTER_NEAREST,
                borderMode=cv2.BORDER_CONSTANT, borderValue=1e6,
            )  # fmt: skip
            lit += near > limit
        return lit / np.float32(len(_RING))

    def floor_pixels(self) -> F64:
        """(2, 3) pixels of the map from floor metres (x, y, 1)."""
        scale = _SHADOW_SIZE / 2 / self.half_extent
        flat = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
        flat[:, 2] = -self.centre
        rows = np.array([[scale], [-scale]]) * (self.axes[:2] @ flat)
        rows[:, 2] += _SHADOW_SIZE / 2 - 0.5
        return np.asarray(rows, dtype=np.float64)

    def floor_lit(self, bias_m: float) -> F32:
        """Share of the light (0..1) that reaches the floor, at the pixels (S, S) of the map; the light is above it."""
        at = np.arange(_SHADOW_SIZE, dtype=np.float32) - np.float32(_SHADOW_SIZE / 2 - 0.5)
        at *= np.float32(2 * self.half_extent / _SHADOW_SIZE)
        # On the floor z = 0, so depth along the light follows from the place on the map.
        right, up, toward = self.axes
        down = -float(self.centre[2]) - (at * np.float32(right[2]) - (at * np.float32(up[2]))[:, None])
        limit = (-down / np.float32(toward[2]) - np.float32(bias_m)).astype(np.float32)
        room = 2
        near = cv2.copyMakeBorder(self.depth, room, room, room, room, cv2.BORDER_CONSTANT, value=1e6)
        total = np.zeros(limit.shape, dtype=np.uint8)
        for du, dv in _RING:
            x, y = room + du, room + dv
            tap = cv2.compare(near[y : y + _SHADOW_SIZE, x : x + _SHADOW_SIZE], limit, cv2.CMP_GT)
            cv2.add(total, cv2.bitwise_and(tap, 1), total)
        return (total * np.float32(1 / len(_RING))).astype(np.float32)


def shadow_map(scene: Scene, light: StageLight) -> ShadowMap:
    """What the light sees of the person, 1024 x 1024."""
    key = ("shadow", light.azimuth_deg, light.elevation_deg)
    found = scene.cache.get(key)
    if isinstance(found, ShadowMap):
        return found
    toward = light.direction
    right = np.cross([0.0, 0.0, 1.0], toward)
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-6 else np.array([0.0, 1.0, 0.0])
    axes = np.stack([right, np.cross(toward, right), toward])
    low, high = scene.vertices.min(axis=0), scene.vertices.max(axis=0)
    centre = (low + high).astype(np.float64) / 2
    local = (scene.vertices.astype(np.float64) - centre) @ axes.T
    half = float(np.abs(local[:, :2]).max()) * 1.03
    size = _SHADOW_SIZE
    pixels = np.column_stack([local[:, 0], -local[:, 1]]) / half * (size / 2) + (size / 2 - 0.5)
    # Far enough that depth is linear across a triangle to well under the bias.
    away = 50.0 - local[:, 2]
    depth = np.full((size, size), 60.0, dtype=np.float32)
    cv2.triangleRasterizeDepth(
        screen_vertices(pixels, away, (size, size)), scene.faces, depth, np.eye(4, dtype=np.float32),
        np.pi / 2, 40.0, 60.0, culled(),
    )  # fmt: skip
    depth = np.where(depth > 59.0, np.float32(1e6), depth - np.float32(50.0))
    result = ShadowMap(axes, centre, half, depth)
    scene.cache[key] = result
    return result


def floor_shadow(scene: Scene, light: StageLight) -> tuple[F32, F64]:
    """The person's shadow on the floor as the light maps it: lit share (S, S), and `floor_pixels` of that map."""
    key = ("floor", light.azimuth_deg, light.elevation_deg)
    found = scene.cache.get(key)
    if isinstance(found, tuple):
        return found
    shadows = shadow_map(scene, light)
    result = (shadows.floor_lit(0.004), shadows.floor_pixels())
    scene.cache[key] = result
    return result


def lit_texture(scene: Scene, light: StageLight, shadow: bool) -> tuple[F32, F32]:
    """Radiance texture (T, T, 3) linear RGB of the diffuse light, and the lit share (V,) of each vertex."""
    key = ("lit", light, shadow)
    found = scene.cache.get(key)
    if isinstance(found, tuple):
        return found
    irradiance = np.zeros((ATLAS // _BAKE_STEP, ATLAS // _BAKE_STEP), dtype=np.float32)
    toward = light.direction.astype(np.float32)
    shadows = shadow_map(scene, light) if shadow else None
    vertex_share = []
    for tube, grid, normal in zip(scene.tubes, scene.grids, scene.grid_normals, strict=True):
        facing = normal @ light.direction
        share = np.ones(grid.shape[:2], dtype=np.float32)
        if shadows is not None:
            share = shadows.lookup((grid + 0.006 * normal).astype(np.float32), 0.004)
        vertex_share.append((share * (facing > 0)).ravel())
        n_map = spread_to_patch(normal, tube, _BAKE_STEP)
        lambert = np.clip(n_map @ toward, 0, 1)
        if shadows is not None:
            p_map = spread_to_patch(grid, tube, _BAKE_STEP) + np.float32(0.006) * n_map
            lambert = lambert * shadows.lookup(p_map, 0.004)
        sky = 1 + np.float32(0.18) * n_map[..., 2]  # a studio's ceiling is brighter than its floor
        x0, y0, width, height = (value // _BAKE_STEP for value in tube.patch)
        irradiance[y0 : y0 + height, x0 : x0 + width] = light.intensity * lambert + light.ambient * sky
    whole = cv2.resize(irradiance, (ATLAS, ATLAS), interpolation=cv2.INTER_LINEAR)
    tinted = cv2.merge([whole * np.float32(colour) for colour in light.colour])
    texture = np.asarray(cv2.multiply(scene.texture, tinted), dtype=np.float32)
    # No patch begins in the corner: samples off the body read it, and the border beside it, as black.
    texture[0, 0] = 0
    result = (texture, np.concatenate(vertex_share))
    scene.cache[key] = result
    return result


def highlights(scene: Scene, camera: StageCamera, light: StageLight, share: F32) -> F32:
    """(V,) Blinn-Phong highlight strength before the light's colour."""
    view = camera.position.astype(np.float32) - scene.vertices
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    half = view + light.direction.astype(np.float32)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    cosine = np.clip(np.einsum("ij,ij->i", scene.normals, half), 0, 1)
    return (_HIGHLIGHT * light.intensity * share * cosine**_SHININESS).astype(np.float32)
