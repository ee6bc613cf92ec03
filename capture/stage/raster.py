"""The settings and the vertex convention of OpenCV's software rasteriser, as the stage uses it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

FIELD_OF_VIEW = np.pi / 2


def culled() -> cv2.TriangleRasterizeSettings:
    """Interpolated colours; back faces of meshes that are counter-clockwise seen from outside are skipped."""
    settings = cv2.TriangleRasterizeSettings()
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    settings.setCullingMode(cv2.RASTERIZE_CULLING_CW)
    return settings


def screen_vertices(
    points: NDArray[np.float64], depth: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Rasteriser vertices (N, 3), OpenGL axes, whose image is the given pixel (N, 2) at that depth.

    The rasteriser knows one vertical field of view and a centred optical axis only, and its pixel centres lie at
    half integers; points are placed so that its 90 degree pinhole draws them where they belong.
    """
    width, height = size
    x = depth * (2 * (points[:, 0] + 0.5) - width) / height
    y = -depth * (2 * (points[:, 1] + 0.5) - height) / height
    return np.column_stack([x, y, -depth]).astype(np.float32)


@lru_cache(maxsize=8)
def tube_faces(sizes: tuple[tuple[int, int], ...]) -> NDArray[np.int32]:
    """(F, 3) triangles, counter-clockwise seen from outside, of tubes of the given grid sizes, one after another."""
    chunks, start = [], 0
    for rows, cols in sizes:
        index = np.arange(rows * cols).reshape(rows, cols) + start
        a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
        chunks += [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
        start += rows * cols
    faces = np.concatenate(chunks).astype(np.int32)
    faces.setflags(write=False)
    return faces
