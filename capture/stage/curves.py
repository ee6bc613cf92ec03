"""Curves and grids of which bodies are made: interpolation of tables, and normals of closed tubes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def smoothstep(edge0: float, edge1: float, x: F64) -> F64:
    """0 below edge0, 1 above edge1, cubic between (edge0 may exceed edge1)."""
    t = np.clip((x - edge0) / (edge1 - edge0), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def interpolate(table: F64, at: F64) -> F64:
    """Catmull-Rom interpolation of the columns 1.. of a table at values of its rising column 0: (N, columns-1)."""
    x, y = table[:, 0], table[:, 1:]
    slope = np.gradient(y, x, axis=0)
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h = (x[k + 1] - x[k])[:, None]
    t = ((at - x[k]) / (x[k + 1] - x[k]))[:, None]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * y[k]
        + t * (1 - t) ** 2 * h * slope[k]
        + t * t * (3 - 2 * t) * y[k + 1]
        + t * t * (t - 1) * h * slope[k + 1]
    )


def grid_normals(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Unit outward normals (R, C, 3) of a closed tube grid (R, C, 3), averaged over neighbours."""
    ring = np.concatenate([points[:, -2:-1], points, points[:, 1:2]], axis=1)
    along_cols = ring[:, 2:] - ring[:, :-2]
    along_rows = np.empty_like(points)
    along_rows[1:-1] = points[2:] - points[:-2]
    along_rows[0], along_rows[-1] = points[1] - points[0], points[-1] - points[-2]
    normal = np.cross(along_rows, along_cols)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    return normal / np.maximum(length, 1e-12)
