"""Depth in each camera by plane sweep with its neighbours, on surfaces parallel to the hull, made smooth where bare.

Normalised cross-correlation in a window (after Collins, "A space-sweep approach to true multi-image matching", 1996),
then semi-global matching (Hirschmüller, "Stereo processing by semiglobal matching and mutual information", 2008).
Offsets are counted from the hull, so that even a plain dress keeps the hull's shape where nothing can be matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.body.surface import BodySurface
from calibration.body.view import F32, BodyView, Bool, sample

NEIGHBOURS = 4
_NEAR_DEG, _FAR_DEG = 6.0, 48.0  # under 6 degrees depth is not felt, beyond 48 the same skin looks another
_FIRST_M, _STEP_M, _STEPS = -0.012, 0.003, 24  # from outside the hull, where a torn mask cut it, to 57 mm inside
_WINDOW = 9
_NOISE = 1.5  # grey levels of sensor and JPEG: plain cloth must not match by its noise
_SMALL, _LARGE = 0.15, 0.6  # cost of a change of depth by one step, and by more
_PRIOR = 0.03  # cost of each step away from the hull, which is right to a millimetre in most places
_JUMP_M = 0.015  # a step in the hull's own depth so large is an edge of her
_SURE = 0.25  # least correlation that counts as a match


@dataclass(frozen=True, eq=False)
class DepthMap:
    """What one camera and its neighbours measured."""

    depth: F32  # (H, W) metres along the optical axis, inf where there is nothing
    start: F32  # (H, W) of the hull, inf off it
    score: F32  # (H, W) correlation at the depth, 0 where nothing was matched
    slope: F32  # (H, W) cosine between the hull's normal and the line of sight
    neighbours: tuple[str, ...]


def neighbours_of(views: Sequence[BodyView], which: int) -> list[BodyView]:
    """Up to four cameras whose line of sight to her is near enough to compare and far enough to feel depth."""
    ahead = [v.camera.world_from_camera.rotation[:, 2] for v in views]
    angles = np.degrees([np.arccos(np.clip(ahead[which] @ other, -1, 1)) for other in ahead])
    usable = [k for k in np.argsort(angles) if k != which and _NEAR_DEG < angles[k] < _FAR_DEG]
    return [views[k] for k in usable[:NEIGHBOURS]]


def sweep(view: BodyView, neighbours: Sequence[BodyView], hull: BodySurface) -> DepthMap:
    """The depth of her surface in one camera, from the hull inward."""
    rays = view.rays()
    start, normals = hull.depth(view.camera, rays)
    start[~view.mask] = np.inf
    slope = -np.einsum("hwc,hwc->hw", normals, rays) / np.linalg.norm(rays, axis=-1)
    names = tuple(n.id for n in neighbours)
    hit = np.isfinite(start)
    empty = np.zeros_like(start)
    if not neighbours or not hit.any():
        return DepthMap(np.full_like(start, np.inf), start, empty, slope, names)
    rows, cols = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    near = start[box]
    score = _scores(view.grey[box], near, rays[box], view.camera.centre.astype(np.float32), neighbours)
    known = hit[box]
    offset = np.abs(np.arange(_STEPS, dtype=np.float32) + np.float32(_FIRST_M / _STEP_M))
    chosen = _semi_global(1 - score + np.float32(_PRIOR) * offset[:, None, None], known, near)
    fine, best = _refined(score, chosen)
    depth, confident = np.full_like(start, np.inf), empty
    depth[box] = np.where(known, near + np.float32(_FIRST_M) + np.float32(_STEP_M) * fine, np.inf)
    confident[box] = np.where(known & (best > _SURE), best, 0)
    return DepthMap(depth, start, confident, slope, names)


def _scores(grey: F32, near: F32, rays: F32, centre: F32, neighbours: Sequence[BodyView]) -> F32:
    """Correlation (D, h, w) at every offset: the mean of the better half of the neighbours, as some are covered."""
    base = np.where(np.isfinite(near), near, np.float32(0))
    statistics = _moments(grey)
    found = np.empty((_STEPS, *grey.shape), dtype=np.float32)
    # along a ray both homogeneous pixel and depth are linear in the depth
    lines = []
    for other in neighbours:
        fixed = other.matrix[:, :3] @ centre + other.matrix[:, 3]
        lines.append((other, fixed, np.ascontiguousarray(np.moveaxis(rays @ other.matrix[:, :3].T, -1, 0))))
    half = max(1, (len(neighbours) + 1) // 2)
    for step in range(_STEPS):
        depth = base + np.float32(_FIRST_M + _STEP_M * step)
        each = []
        for other, fixed, line in lines:
            z = np.maximum(fixed[2] + depth * line[2], np.float32(1e-3))
            u, v = (fixed[0] + depth * line[0]) / z, (fixed[1] + depth * line[1]) / z
            seen = cv2.remap(other.grey, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
            value = _correlation(grey, statistics, seen)
            each.append(np.where(other.inside(u, v), value, np.float32(-1)))
        best = np.sort(np.stack(each), axis=0)[-half:]
        found[step] = best.mean(axis=0)
    return found


def _moments(grey: F32) -> tuple[F32, F32]:
    mean = cv2.boxFilter(grey, -1, (_WINDOW, _WINDOW))
    return np.asarray(mean), np.asarray(cv2.boxFilter(grey * grey, -1, (_WINDOW, _WINDOW)) - mean * mean)


def _correlation(grey: F32, statistics: tuple[F32, F32], other: F32) -> F32:
    mean, variance = _moments(other)
    shared = cv2.boxFilter(grey * other, -1, (_WINDOW, _WINDOW)) - statistics[0] * mean
    floor = np.float32(_NOISE**2)
    return np.asarray(shared / np.sqrt((np.maximum(statistics[1], 0) + floor) * (np.maximum(variance, 0) + floor)))


def _semi_global(cost: F32, known: Bool, near: F32) -> np.ndarray:
    """The step (h, w) of least cost over four directions of paths that end at her rim and at edges inside her."""
    flat = np.where(known, near, np.float32(1e3))
    joined_across = np.zeros_like(known)
    joined_across[:, 1:] = known[:, 1:] & known[:, :-1] & (np.abs(np.diff(flat, axis=1)) < _JUMP_M)
    joined_down = np.zeros_like(known)
    joined_down[1:] = known[1:] & known[:-1] & (np.abs(np.diff(flat, axis=0)) < _JUMP_M)
    total = np.zeros_like(cost)
    across = np.ascontiguousarray(cost.transpose(2, 0, 1))  # (w, D, h): each step of a path is one block of memory
    down = np.ascontiguousarray(cost.transpose(1, 0, 2))  # (h, D, w)
    for planes, joined, back in ((across, joined_across.T, (1, 2, 0)), (down, joined_down, (1, 0, 2))):
        summed = np.zeros_like(planes)
        _along(planes, joined, summed, backward=False)
        _along(planes, joined, summed, backward=True)
        total += summed.transpose(back)
    return np.asarray(total.argmin(axis=0))


def _along(planes: F32, joined: Bool, summed: F32, *, backward: bool) -> None:
    """Add the path costs of one direction; planes (L, D, N); joined (L, N): hangs on the one before."""
    length = len(planes)
    order = range(length - 1, -1, -1) if backward else range(length)
    carried = np.zeros_like(planes[0])
    before = -1
    for k in order:
        if before >= 0:
            link = joined[before if backward else k]
            least = carried.min(axis=0)
            moved = np.minimum(carried, least + np.float32(_LARGE))
            moved[1:] = np.minimum(moved[1:], carried[:-1] + np.float32(_SMALL))
            moved[:-1] = np.minimum(moved[:-1], carried[1:] + np.float32(_SMALL))
            carried = planes[k] + np.where(link, moved - least, np.float32(0))
        else:
            carried = planes[k].copy()
        summed[k] += carried
        before = k


def _refined(score: F32, chosen: np.ndarray) -> tuple[F32, F32]:
    """Steps (h, w) finer than one by the parabola through three correlations, and the correlation there."""
    middle = np.clip(chosen, 1, len(score) - 2)
    below, at, above = (np.take_along_axis(score, (middle + k)[None], axis=0)[0] for k in (-1, 0, 1))
    bend = below - 2 * at + above
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(bend < -1e-4, 0.5 * (below - above) / bend, 0)
    fine = np.where(middle == chosen, middle + np.clip(shift, -0.5, 0.5), chosen)
    best = np.take_along_axis(score, chosen[None], axis=0)[0]
    return fine.astype(np.float32), best


def differences(views: Sequence[BodyView], maps: Sequence[DepthMap], which: int) -> F32:
    """By how much (K, H, W) metres the maps of the neighbours put her surface farther off at the pixels of one map.

    NaN where one of the two has no match.
    """
    view, own = views[which], maps[which]
    theirs = {v.id: (v, m) for v, m in zip(views, maps, strict=True)}
    matched = own.score > 0
    points = view.camera.centre.astype(np.float32) + view.rays() * np.where(matched, own.depth, 1.0)[..., None]
    gaps = np.full((len(own.neighbours), *own.depth.shape), np.nan, dtype=np.float32)
    for k, name in enumerate(own.neighbours):
        other, there = theirs[name]
        u, v, depth = other.project(points.astype(np.float32))
        found = sample(np.where(there.score > 0, there.depth, np.float32(0)), u, v, nearest=True, beyond=0.0)
        gaps[k] = np.where(matched & (found > 0), found - depth, np.nan)
    return gaps
