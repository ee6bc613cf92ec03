"""Her colours on the surface from many views: each place from the cameras that see it squarely and uncovered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.body.surface import BodySurface
from calibration.body.view import F32, BodyView, sample
from capture.stage.tone import encode_srgb

_LEAST_FACING = 0.25  # cosine; flatter than 75 degrees a surface shows its neighbour's colour
_POWER = 3  # squarer views count more: sharp where one camera sees a place best
_COVERED_M = 0.006
_RIM_PX = 3.0  # beside her outline a pixel holds the backdrop's light too
_CHUNK = 500_000


@dataclass(frozen=True, eq=False)
class Painted:
    """Light at points."""

    light: F32  # (N, 3) linear RGB, the mean of the views by weight; black where no camera sees the place
    cameras: NDArray[np.int16]  # (N,) how many cameras see it
    spread: F32  # (N,) standard deviation of the views' brightness over its mean, 0 with fewer than two


@dataclass(frozen=True, eq=False)
class Layer:
    """One view made ready to be asked."""

    view: BodyView
    depth: F32  # (H, W) of the body
    rim: F32  # (H, W) 0 to 1, how far inside her outline and her own edges


def layers(views: Sequence[BodyView], body: BodySurface) -> list[Layer]:
    """What each view shows of the body."""
    return [_layer(view, body) for view in views]


def _layer(view: BodyView, body: BodySurface) -> Layer:
    depth = body.depth(view.camera, view.rays())[0]
    flat = np.where(np.isfinite(depth), depth, np.float32(1e3))
    spread = cv2.dilate(flat, np.ones((3, 3), np.uint8)) - cv2.erode(flat, np.ones((3, 3), np.uint8))
    calm = (spread < 0.02) & view.mask
    away = cv2.distanceTransform(np.pad(calm, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return Layer(view, depth, np.clip(away / _RIM_PX, 0, 1).astype(np.float32))


def paint(shown: Sequence[Layer], points: F32, normals: F32) -> Painted:
    """The colours of points (N, 3) of the surface with unit normals (N, 3)."""
    light = np.zeros((len(points), 3), np.float32)
    cameras = np.zeros(len(points), np.int16)
    spread = np.zeros(len(points), np.float32)
    for start in range(0, len(points), _CHUNK):
        at = slice(start, start + _CHUNK)
        light[at], cameras[at], spread[at] = _paint(shown, points[at], normals[at])
    return Painted(light, cameras, spread)


def _paint(shown: Sequence[Layer], points: F32, normals: F32) -> tuple[F32, NDArray[np.int16], F32]:
    total, weight = np.zeros((len(points), 3), np.float32), np.zeros(len(points), np.float32)
    bright, square = np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)
    count = np.zeros(len(points), np.int16)
    for layer in shown:
        view = layer.view
        toward = view.camera.centre.astype(np.float32) - points
        toward /= np.linalg.norm(toward, axis=1, keepdims=True)
        facing = np.einsum("nc,nc->n", toward, normals)
        at = np.flatnonzero(facing > _LEAST_FACING)
        u, v, depth = view.project(points[at])
        open_to = view.inside(u, v) & (sample(layer.depth, u, v, nearest=True) > depth - np.float32(_COVERED_M))
        at, u, v = at[open_to], u[open_to], v[open_to]
        # a little is left at the rim, so that a place that is seen only there still has a colour
        share = facing[at] ** _POWER * (np.maximum(sample(layer.rim, u, v), np.float32(0)) ** 2 + np.float32(1e-4))
        seen = sample(view.light, u, v)
        luminance = seen.mean(axis=1)
        total[at] += share[:, None] * seen
        weight[at] += share
        bright[at] += share * luminance
        square[at] += share * luminance**2
        count[at] += 1
    safe = np.maximum(weight, np.float32(1e-12))
    mean = bright / safe
    deviation = np.sqrt(np.maximum(square / safe - mean**2, 0)) / np.maximum(mean, np.float32(1e-3))
    return (total / safe[:, None]).astype(np.float32), count, np.where(count > 1, deviation, 0).astype(np.float32)


def filled(mesh_faces: NDArray[np.int32], painted: Painted, rounds: int = 60) -> F32:
    """The light (V, 3) of all vertices, where nobody saw one the mean of its neighbours, from the seen ones outward."""
    light, known = painted.light.copy(), painted.cameras > 0
    start = mesh_faces[:, [0, 1, 2, 1, 2, 0]].ravel()
    end = mesh_faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    for _ in range(rounds):
        use = known[start] & ~known[end]
        if not use.any():
            break
        count = np.bincount(end[use], minlength=len(light))
        new = count > 0
        for k in range(3):
            light[new, k] = np.bincount(end[use], light[start[use], k], minlength=len(light))[new] / count[new]
        known = known | new
    return light


def as_bytes(light: F32) -> NDArray[np.uint8]:
    """(N, 3) uint8 RGB sRGB of linear light (N, 3)."""
    return encode_srgb(np.ascontiguousarray(light))
