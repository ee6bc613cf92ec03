"""Where she stands: the visual hull of the masks of one instant, and the top of her head in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calibration.camera import Camera

Points = NDArray[np.float64]
_COARSE_M, _FINE_M = 0.03, 0.008
_REACH_M = (0.9, 0.9, 1.2)  # half extents of the searched box
_HEAD_M = 0.30
_LEAST_LITRES = 2.0


def crown(cameras: Sequence[Camera], masks: Mapping[str, NDArray[np.bool_]]) -> Points | None:
    """Top of the head (3,) in world metres from masks (H, W) by camera id; None where no body stands out.

    Voxels that almost every camera sees inside the mask (Laurentini 1994, visual hull); one camera in ten may be wrong.
    """
    used = [camera for camera in cameras if camera.id in masks]
    if len(used) < 2:
        return None
    middle = _meeting_point(used)
    reach = np.array(_REACH_M)
    body = _hull(used, masks, middle - reach, middle + reach, _COARSE_M)
    if len(body) * _COARSE_M**3 * 1000 < _LEAST_LITRES:
        return None
    top = body[body[:, 2] > body[:, 2].max() - _HEAD_M]
    low, high = top.min(axis=0) - 2 * _COARSE_M, top.max(axis=0) + 2 * _COARSE_M
    head = _hull(used, masks, low, high, _FINE_M)
    if not len(head):
        return None
    height = np.sort(head[:, 2])[-min(len(head), 12)]  # a dozen fine voxels: not a stray hair
    near = head[head[:, 2] > height - _HEAD_M]
    sides = (near.min(axis=0) + near.max(axis=0)) / 2
    return np.array([sides[0], sides[1], height + _FINE_M / 2])


def _meeting_point(cameras: Sequence[Camera]) -> Points:
    """The point (3,) nearest to all optical axes, least squares."""
    axes = [camera.world_from_camera.rotation[:, 2] for camera in cameras]
    across = [np.eye(3) - np.outer(axis, axis) for axis in axes]
    right = sum(m @ camera.centre for m, camera in zip(across, cameras, strict=True))
    return np.linalg.lstsq(np.sum(across, axis=0), np.asarray(right), rcond=None)[0]


def _hull(
    cameras: Sequence[Camera], masks: Mapping[str, NDArray[np.bool_]], low: Points, high: Points, step: float
) -> Points:
    """Centres (N, 3) of the voxels of the largest connected body inside a box."""
    axes = [np.arange(a, b, step) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    points = grid.reshape(-1, 3)
    seen, hit = np.zeros(len(points), int), np.zeros(len(points), int)
    for camera in cameras:
        inside, covered = _looked_up(camera, masks[camera.id], points)
        seen += inside
        hit += covered
    filled = (seen >= max(2, len(cameras) // 2)) & (hit >= np.floor(0.9 * seen))
    labels, count = ndimage.label(filled.reshape(grid.shape[:3]))
    if not count:
        return np.empty((0, 3))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return points[(labels == sizes.argmax()).ravel()]


def _looked_up(camera: Camera, mask: NDArray[np.bool_], points: Points) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    uv, depth = camera.project(points)
    height, width = mask.shape
    inside = (depth > 0) & np.isfinite(uv).all(axis=1)
    inside &= (uv >= -0.5).all(axis=1) & (uv[:, 0] < width - 0.5) & (uv[:, 1] < height - 0.5)
    columns, rows = np.rint(uv[inside]).astype(int).T
    covered = np.zeros(len(points), bool)
    covered[inside] = mask[rows, columns]
    return inside, covered
