"""The settings and the vertex convention of OpenCV's software rasteriser, as the stage uses it."""

from __future__ import annotations

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
