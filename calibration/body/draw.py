"""Pictures of the mesh for people: four sides, in her colours and as clay, by ray casting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.body.surface import BodySurface, Mesh
from calibration.pose import Floats
from capture.decode.picture import Picture

SIDES = {"front": 0.0, "left": 90.0, "back": 180.0, "right": -90.0}
_PAPER = 244


def four_sides(
    mesh: Mesh, colours: NDArray[np.uint8], *, facing_deg: float, height_px: int = 900
) -> tuple[Picture, Picture]:
    """Front, left, back and right beside one another, (H, W, 3) uint8 BGR: in colours (V, 3) RGB, and as clay."""
    body = BodySurface(mesh)
    pairs = [_side(body, colours, facing_deg + turn, height_px) for turn in SIDES.values()]
    painted, clay = (np.concatenate([pair[k] for pair in pairs], axis=1) for k in (0, 1))
    return painted, clay


def _side(body: BodySurface, colours: NDArray[np.uint8], azimuth_deg: float, height: int) -> tuple[Picture, Picture]:
    """Seen level from an azimuth, without perspective, so that it can be measured with a ruler."""
    mesh = body.mesh
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    middle = (low + high).astype(np.float64) / 2
    tall = 1.04 * float(high[2] - low[2])
    away = np.array([np.cos(np.radians(azimuth_deg)), np.sin(np.radians(azimuth_deg)), 0.0])
    across = np.cross([0.0, 0.0, 1.0], away)
    reach = float(np.abs((mesh.vertices - middle) @ across).max())
    width = max(8, round(2 * 1.06 * reach / tall * height))
    step = tall / height
    x, z = np.meshgrid((np.arange(width) - width / 2 + 0.5) * step, (height / 2 - 0.5 - np.arange(height)) * step)
    origins = middle + 5 * away + x[..., None] * across + z[..., None] * np.array([0.0, 0.0, 1.0])
    hit = body.hit(origins.reshape(-1, 3), np.broadcast_to(-away, (height * width, 3)))
    met = hit.face >= 0
    painted = np.full((height * width, 3), _PAPER, np.uint8)
    clay = painted.copy()
    painted[met] = _colour_at(mesh, colours, hit.face[met], hit.points[met])[:, ::-1]
    lamp = away + 0.5 * across + np.array([0.0, 0.0, 0.7])
    shade = 0.25 + 0.75 * np.clip(hit.normals[met] @ (lamp / np.linalg.norm(lamp)), 0, 1)
    clay[met] = np.clip(shade[:, None] * (170, 195, 215), 0, 255).astype(np.uint8)
    return painted.reshape(height, width, 3), clay.reshape(height, width, 3)


def _colour_at(mesh: Mesh, colours: NDArray[np.uint8], face: NDArray[np.int64], points: Floats) -> NDArray[np.uint8]:
    """Colours (N, 3) between the corners of faces."""
    corners = mesh.vertices[mesh.faces[face]].astype(np.float64)
    areas = [
        np.linalg.norm(np.cross(corners[:, (k + 1) % 3] - points, corners[:, (k + 2) % 3] - points), axis=1)
        for k in range(3)
    ]
    weight = np.stack(areas, axis=1)
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-15)
    mixed = np.einsum("nk,nkc->nc", weight, colours[mesh.faces[face]].astype(np.float64))
    return np.asarray(np.clip(mixed.round(), 0, 255), dtype=np.uint8)
