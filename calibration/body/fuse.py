"""One surface from the hull and all depth maps, and two figures on it that need no truth: coverage and agreement.

Truncated signed distances averaged in voxels, after Curless and Levoy, "A volumetric method for building complex models
from range images", 1996. The hull closes what no two cameras measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.body.depth import DepthMap, differences
from calibration.body.field import clean, mesh_of, smooth
from calibration.body.hull import SIDE, Blocks, Vote, hull_blocks, inside_distance
from calibration.body.surface import Mesh
from calibration.body.view import F32, BodyView, sample

_BAND_VOXELS = 4  # distances are cut off so far from the surface
_AGREE_M = 0.004  # two maps that differ by less saw the same place
_OTHER_M = 0.030  # two that differ by more saw different places: one of them is covered there
_HULL_WEIGHT, _HULL_REST = 1.0, 0.1  # of the hull where fewer than two maps speak, and where two do
_LEAST_SLOPE = 0.35  # cosine below which a surface is seen too flat to be measured
_CHUNK = 300 * SIDE**3


@dataclass(frozen=True)
class Agreement:
    """How the depth maps of one camera's neighbours agree with its own."""

    camera: str
    mean_mm: float  # of the absolute differences below 30 mm
    median_mm: float
    share: float  # of the compared pixels that agree within 4 mm
    compared: int  # pairs of pixels


def confidence(views: Sequence[BodyView], maps: Sequence[DepthMap], which: int) -> tuple[F32, Agreement]:
    """The weight (H, W) of each depth of one map, 0 where no neighbour confirms it, and the agreement behind it."""
    own = maps[which]
    gaps = np.abs(differences(views, maps, which))
    confirmed = (gaps < _AGREE_M).sum(axis=0) if len(gaps) else np.zeros(own.depth.shape, dtype=int)
    facing = np.clip(own.slope, 0, 1)
    weight = np.where((confirmed > 0) & (facing > _LEAST_SLOPE), own.score * facing**2, 0)
    near = gaps[gaps < _OTHER_M]
    numbers = (np.nan, np.nan, 0.0)
    if near.size:
        numbers = 1e3 * float(near.mean()), 1e3 * float(np.median(near)), float((near < _AGREE_M).mean())
    return weight.astype(np.float32), Agreement(views[which].id, *numbers, compared=int(near.size))


@dataclass(frozen=True)
class Fusion:
    """How to fuse."""

    voxel_m: float = 0.0025
    rounds: int = 5  # of smoothing


def fuse(
    views: Sequence[BodyView], maps: Sequence[DepthMap], weights: Sequence[F32], *, vote: Vote, how: Fusion
) -> Mesh:
    """The fused surface: one closed part, in world metres. Without faces where nothing is inside the hull."""
    blocks = _reached(
        views, maps, weights, hull_blocks(views, vote, voxel_m=how.voxel_m, outside_m=0.016, depth_m=0.06), vote
    )
    outside = np.empty(len(blocks.index) * SIDE**3, dtype=np.float32)
    per = _CHUNK // SIDE**3
    for first in range(0, len(blocks.index), per):
        points = blocks.points(slice(first, first + per))
        base = -inside_distance(views, points, vote)
        outside[first * SIDE**3 : first * SIDE**3 + len(points)] = _fused(views, maps, weights, points, base, how)
    mesh, _ = clean(mesh_of(blocks, outside, np.ones(len(outside), dtype=bool)))
    return smooth(mesh, how.rounds)


def _reached(
    views: Sequence[BodyView], maps: Sequence[DepthMap], weights: Sequence[F32], blocks: Blocks, vote: Vote
) -> Blocks:
    """The blocks at the hull's surface, and those deeper inside that a measured depth reaches."""
    centres, ball = blocks.centres, 1.2 * blocks.side_m  # more than half a diagonal, as lenses stretch it
    band = np.float32(ball + _BAND_VOXELS * blocks.voxel_m)
    kept = inside_distance(views, centres, vote, seen_m=-ball, cut_m=ball) < 2 * band
    for view, found, trust in zip(views, maps, weights, strict=True):
        at = np.flatnonzero(~kept)
        u, v, depth = view.project(centres[at])
        reach = 2 * int(np.ceil(float(ball * view.camera.fx / depth.min(initial=10.0)))) + 1
        farthest = cv2.dilate(np.where(trust > 0, found.depth, np.float32(0)), np.ones((reach, reach), np.uint8))
        kept[at] = sample(np.asarray(farthest), u, v, nearest=True, beyond=0.0) > depth - band
    return Blocks(blocks.index[kept], blocks.voxel_m)


def _fused(
    views: Sequence[BodyView], maps: Sequence[DepthMap], weights: Sequence[F32], points: F32, base: F32, how: Fusion
) -> F32:
    """Cut-off distances (N,), positive outside her."""
    band = np.float32(_BAND_VOXELS * how.voxel_m)
    total, weight = np.zeros_like(base), np.zeros_like(base)
    count = np.zeros(len(base), dtype=np.int16)
    for view, found, trust in zip(views, maps, weights, strict=True):
        u, v, depth = view.project(points)
        sure = sample(trust, u, v, nearest=True, beyond=0.0)
        at = np.flatnonzero(sure > 0)
        if not len(at):
            continue
        measured = sample(found.depth, u[at], v[at], nearest=True)
        gap = (measured - depth[at]) * sample(found.slope, u[at], v[at], nearest=True)
        kept = gap > -band
        at, gap = at[kept], np.minimum(gap[kept], band)
        total[at] += sure[at] * gap
        weight[at] += sure[at]
        count[at] += 1
    hull = np.where(count >= 2, np.float32(_HULL_REST), np.float32(_HULL_WEIGHT))
    return np.asarray((total + hull * np.clip(base, -band, band)) / (weight + hull))


def measured_by(
    views: Sequence[BodyView], maps: Sequence[DepthMap], weights: Sequence[F32], points: F32
) -> NDArray[np.int16]:
    """How many cameras (V,) measured each point (V, 3) of the surface: their depth maps pass it within 4 mm."""
    count = np.zeros(len(points), dtype=np.int16)
    for view, found, trust in zip(views, maps, weights, strict=True):
        u, v, depth = view.project(points)
        measured = sample(np.where(trust > 0, found.depth, np.float32(0)), u, v, nearest=True, beyond=0.0)
        slope = np.maximum(sample(found.slope, u, v, nearest=True), np.float32(_LEAST_SLOPE))
        count += (measured > 0) & (np.abs(measured - depth) * slope < _AGREE_M)
    return count
