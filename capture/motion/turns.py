"""Rotations of joints: from the world's axes to the parent's, and the shortest from one direction to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def local_turns(turns: F64, parents: Sequence[int]) -> F64:
    """(T, J, 3, 3) parent_from_joint of world_from_joint; a root's (parent -1) stay as they are."""
    local = turns.copy()
    for k, parent in enumerate(parents):
        if parent >= 0:
            local[:, k] = np.swapaxes(turns[:, parent], -1, -2) @ turns[:, k]
    return local


def shortest_arc(start: F64, end: F64) -> F64:
    """Rotations (..., 3, 3) by the shortest arc from unit vectors (..., 3) to others; opposite ones, any half turn."""
    across, cosine = np.cross(start, end), (start * end).sum(axis=-1)[..., None, None]
    x, y, z = np.moveaxis(across, -1, 0)
    none = np.zeros_like(x)
    cross = np.stack([none, -z, y, z, none, -x, -y, x, none], axis=-1).reshape(*across.shape, 3)
    turned = np.eye(3) + cross + cross @ cross / np.maximum(1 + cosine, 1e-12)
    # Of opposite vectors any axis across does; the one across the smallest component is never short.
    spare = np.cross(start, np.eye(3)[np.abs(start).argmin(axis=-1)])
    spare = spare / np.maximum(np.linalg.norm(spare, axis=-1, keepdims=True), 1e-12)
    half = 2 * spare[..., :, None] * spare[..., None, :] - np.eye(3)
    return np.asarray(np.where(cosine < -1 + 1e-12, half, turned))
