"""Points that several cameras saw at the same moments, triangulated through their lenses, all frames at once.

A weighted linear start (direct linear transformation of undistorted points), Gauss-Newton on the reprojection error
with Geman and McClure's loss. Where a view does not fit, the largest set of views that agree is used alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

LIMIT_PX = 15.0  # of pictures about 1000 pixels wide, where detectors err by 2 to 6
_STEPS = 6
_DONE_M = 1e-5


@dataclass(frozen=True, eq=False)
class Triangulated:
    """Places, and what they rest on."""

    places: F64  # (T, J, 3) metres, world; NaN where fewer than two views agree
    residual_px: F64  # (T, J) root mean square over the views used; NaN likewise
    views: I64  # (T, J) number of views used
    left_out: Bool  # (C, T, J) seen, and not used because it does not fit


@dataclass(frozen=True, eq=False)
class _Rays:
    """Undistorted points of N things in C cameras."""

    rotation: F64  # (C, 3, 3) camera_from_world
    shift: F64  # (C, 3)
    focal: F64  # (C,) pixels
    xy: F64  # (C, N, 2) normalised; 0 where not seen
    weight: F64  # (C, N); 0 where not seen

    def only(self, chosen: Bool, weight: F64) -> _Rays:
        """Some of the things, with other weights."""
        return _Rays(self.rotation, self.shift, self.focal, self.xy[:, chosen], weight)


def triangulate(
    cameras: Sequence[Camera], uv: F64, confidence: F64, *, limit_px: float = LIMIT_PX, least_views: int = 2
) -> Triangulated:
    """Triangulate points (C, T, J, 2) in pixels with confidence (C, T, J), NaN or 0 where not seen.

    Where the reprojection error of a view is above `limit_px`, only the largest set of views that agree within it is
    used; a point on which fewer than `least_views`, or fewer than half of those that saw it, agree stays NaN. Errors
    are in pixels of the undistorted picture. Raises ValueError for shapes that do not belong together and for fewer
    than two views.
    """
    shape = (len(cameras), *uv.shape[1:3])
    if uv.shape != (*shape, 2) or confidence.shape != shape:
        raise ValueError(
            f"points are {uv.shape}, confidence {confidence.shape}; {len(cameras)} cameras need (C, T, J, 2)"
        )
    if least_views < 2 or not limit_px > 0:
        raise ValueError(f"triangulation needs two views and a limit, found {least_views} and {limit_px} px")
    rays = _rays(cameras, uv.reshape(len(cameras), -1, 2), confidence.reshape(len(cameras), -1))
    seen = rays.weight > 0
    used = seen.copy()
    places = _solve(rays, limit_px)
    worst = np.where(used, _error(rays, places), 0.0).max(axis=0)
    bad = np.asarray((worst > limit_px) & (seen.sum(axis=0) > 2))
    if bad.any():
        used[:, bad], places[bad] = _agreed(rays.only(bad, rays.weight[:, bad]), limit_px)
    error = np.where(used, _error(rays, places), 0.0)
    views = used.sum(axis=0)
    enough = (views >= least_views) & (2 * views >= seen.sum(axis=0))
    good = enough & np.isfinite(places).all(axis=1) & (error.max(axis=0) <= limit_px)
    places[~good] = np.nan
    residual = np.where(good, np.sqrt((error**2).sum(axis=0) / np.maximum(views, 1)), np.nan)
    return Triangulated(
        places.reshape(*shape[1:], 3),
        residual.reshape(shape[1:]),
        np.where(good, views, 0).reshape(shape[1:]),
        (seen & ~used & good).reshape(shape),
    )


def reprojected(cameras: Sequence[Camera], places: F64) -> F64:
    """Pixels (C, T, J, 2) of places (T, J, 3) in every camera; NaN where there is nothing to see."""
    flat = places.reshape(-1, 3)
    return np.stack([camera.project(flat)[0].reshape(*places.shape[:2], 2) for camera in cameras])


def _rays(cameras: Sequence[Camera], uv: F64, confidence: F64) -> _Rays:
    xy, weight = np.zeros(uv.shape), np.zeros(confidence.shape)
    rotation, shift = np.empty((len(cameras), 3, 3)), np.empty((len(cameras), 3))
    for c, camera in enumerate(cameras):
        back = camera.world_from_camera.inverse()
        rotation[c], shift[c] = back.rotation, back.translation
        # What a camera swears to be at infinity or beside its picture is noise of a hostile file.
        sane = np.isfinite(uv[c]).all(axis=1) & np.isfinite(confidence[c]) & (confidence[c] > 0)
        inside = camera.rays(np.where(sane[:, None], uv[c], (camera.cx, camera.cy))) @ back.rotation.T
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = inside[:, :2] / inside[:, 2:]
        sane &= np.isfinite(flat).all(axis=1)
        xy[c, sane] = flat[sane]
        weight[c, sane] = np.clip(confidence[c, sane], 0.0, 1.0)
    focal = np.array([(camera.fx + camera.fy) / 2 for camera in cameras])
    return _Rays(rotation, shift, focal, xy, weight)


def _solve(rays: _Rays, limit_px: float) -> F64:
    """Places (N, 3): linear start, then Gauss-Newton; NaN with fewer than two views."""
    places = _linear(rays)
    scale2 = (0.5 * limit_px) ** 2
    for _ in range(_STEPS):
        residual, jacobian, ok = _residual(rays, places)
        weight = np.where(ok, rays.weight, 0.0) / (1 + (residual**2).sum(axis=2) / scale2) ** 2
        step = _normal_step(weight, jacobian, residual)
        moved = np.linalg.norm(step, axis=1)
        # A start far off must not be thrown behind the cameras by one step.
        step *= np.minimum(1.0, 0.5 / np.maximum(moved, 1e-12))[:, None]
        places = places - step
        if not (moved > _DONE_M).any():
            break
    return places


def _linear(rays: _Rays) -> F64:
    """Direct linear transformation in its inhomogeneous form: rows x R3 - R1 and y R3 - R2 of each view."""
    row = rays.xy[..., None] * rays.rotation[:, None, 2:3] - rays.rotation[:, None, :2]  # (C, N, 2, 3)
    known = rays.shift[:, None, :2] - rays.xy * rays.shift[:, None, 2:]  # (C, N, 2)
    return _least_squares(rays.weight, row, known)


def _residual(rays: _Rays, places: F64) -> tuple[F64, F64, Bool]:
    """Pixels (C, N, 2) projected minus seen, their derivative (C, N, 2, 3), and where a place is before the camera."""
    local = np.einsum("cij,nj->cni", rays.rotation, places) + rays.shift[:, None]
    ok = local[..., 2] > 0.05
    depth = np.where(ok, local[..., 2], 1.0)
    flat = local[..., :2] / depth[..., None]
    focal = rays.focal[:, None, None]
    residual = np.where(ok[..., None], (flat - rays.xy) * focal, 0.0)
    slope = rays.rotation[:, None, :2] - flat[..., None] * rays.rotation[:, None, 2:3]
    return residual, slope * (focal / depth[..., None])[..., None], ok


def _normal_step(weight: F64, jacobian: F64, residual: F64) -> F64:
    return np.nan_to_num(_least_squares(weight, jacobian, residual))


def _least_squares(weight: F64, rows: F64, known: F64) -> F64:
    """Solutions (N, 3) of weighted rows (C, N, 2, 3) for known (C, N, 2); NaN with fewer than two views."""
    count = rows.shape[1]
    left = rows.transpose(1, 0, 2, 3).reshape(count, -1, 3)
    weighted = (rows * weight[..., None, None]).transpose(1, 3, 0, 2).reshape(count, 3, -1)
    right = known.transpose(1, 0, 2).reshape(count, -1, 1)
    return _solved(weighted @ left, (weighted @ right)[..., 0], (weight > 0).sum(axis=0) >= 2)


def _solved(matrix: F64, vector: F64, wanted: Bool) -> F64:
    """Solutions (N, 3) of 3 x 3 systems; NaN where none is wanted or rays are parallel."""
    scale = np.trace(matrix, axis1=1, axis2=2)
    with np.errstate(invalid="ignore"):
        wanted = wanted & (scale > 0) & (np.linalg.det(matrix / np.maximum(scale, 1e-300)[:, None, None]) > 1e-9)
    out = np.full(vector.shape, np.nan)
    if wanted.any():
        out[wanted] = np.linalg.solve(matrix[wanted], vector[wanted][..., None])[..., 0]
    return out


def _error(rays: _Rays, places: F64) -> F64:
    """Reprojection error (C, N) in pixels; infinite behind a camera, and of what has no place."""
    residual, _, ok = _residual(rays, np.nan_to_num(places))
    known = ok & np.isfinite(places).all(axis=1)
    return np.where(known, np.linalg.norm(residual, axis=2), np.inf)


def _agreed(rays: _Rays, limit_px: float) -> tuple[Bool, F64]:
    """Views used (C, N) and places (N, 3) of things that some view does not fit."""
    everything, seen = np.ones(rays.xy.shape[1], dtype=bool), rays.weight > 0
    used = _consensus(rays, limit_px)
    for _ in range(2):  # two noisy views choose their company badly, all that agree choose it again
        places = _solve(rays.only(everything, np.where(used, rays.weight, 0.0)), limit_px)
        fit = seen & (_error(rays, places) <= limit_px)
        used = np.where(fit.sum(axis=0) >= 2, fit, used)
    return used, _solve(rays.only(everything, np.where(used, rays.weight, 0.0)), limit_px)


def _consensus(rays: _Rays, limit_px: float) -> Bool:
    """(C, N) the views that agree with the pair of views with which most agree; of equal numbers, the best agree."""
    count = rays.xy.shape[1]
    everything, seen = np.ones(count, dtype=bool), rays.weight > 0
    best, views = np.full(count, -np.inf), np.zeros(seen.shape, dtype=bool)
    for a, b in combinations(range(len(rays.focal)), 2):
        weight = np.zeros(rays.weight.shape)
        weight[[a, b]] = np.where(seen[a] & seen[b], 1.0, 0.0)
        error = _error(rays, _linear(rays.only(everything, weight)))
        agree = seen & (error < limit_px)
        # What is left of the error decides only between equal numbers: it is below 1.
        left = np.where(agree, error, 0.0).sum(axis=0) / (limit_px * len(rays.focal))
        score = np.where(agree[a] & agree[b], agree.sum(axis=0) - left, -np.inf)
        better = score > best
        best[better], views[:, better] = score[better], agree[:, better]
    return views
