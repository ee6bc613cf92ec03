"""The visual hull: space that nearly all cameras see inside her outline, as a signed distance at any point.

Distances to the outlines, not yes or no, are compared, so that the hull is finer than its voxels and pixels; a few
cameras may be outvoted. After Laurentini, "The visual hull concept", 1994.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.body.view import F32, BodyView, sample
from calibration.pose import Floats

I32 = NDArray[np.int32]
SIDE = 8  # voxels along a block
MIN_VIEWS = 4  # three cones meet in a shape of their own making, not hers
_MISSES = 1 / 12  # share of the cameras which see a place that may be outvoted
# On the stage one outvoted camera of 20 costs 0.15 mm with this slack and 4 mm with none; without a limit a torn mask
# takes the crown away.
_SLACK_M = 0.008
_NEAREST_M = 0.05  # to a lens
_STRETCH = 1.35  # how much faster than metres the distance to an outline can grow off the axis of a lens
_COARSE_M = 0.25
_CHUNK = 200_000
THREADS = 2


@dataclass(frozen=True)
class Vote:
    """How many cameras decide."""

    views: int = MIN_VIEWS  # that must see a place, or it counts as empty
    misses: float = _MISSES  # share of them, rounded down, that may be wrong
    slack_m: float = _SLACK_M  # how much deeper than the others these may cut


def inside_distance(
    views: Sequence[BodyView], points: F32, vote: Vote, *, seen_m: float = 0.0, cut_m: float = 0.0
) -> F32:
    """Signed distance (N,) in metres of points (N, 3) from the hull's surface, positive inside.

    Each camera gives the distance from its cone; the smallest counts, unless few cameras cut much deeper than all
    others. A place that fewer than `vote.views` cameras see is -1 m. A camera sees what lies up to `seen_m` beyond
    the border of its picture, and cuts what lies up to `cut_m` beyond it.
    """
    parts = [points[k : k + _CHUNK] for k in range(0, max(1, len(points)), _CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        return np.concatenate(list(pool.map(lambda part: _distance(views, part, vote, (seen_m, cut_m)), parts)))


def _distance(views: Sequence[BodyView], points: F32, vote: Vote, margins_m: tuple[float, float]) -> F32:
    most = int(vote.misses * len(views))
    least = np.full((most + 1, len(points)), np.float32(10.0))
    seeing = np.zeros(len(points), dtype=np.int16)
    for view in views:
        u, v, depth = view.project(points)
        pixel = depth / np.float32(view.camera.fx)
        front = depth > _NEAREST_M
        seeing += view.inside(u, v, margins_m[0] / pixel) & front
        cuts = view.inside(u, v, margins_m[1] / pixel) & front
        value = np.where(cuts, sample(view.outline, u, v) * pixel, np.float32(10.0))
        for rank in range(most + 1):
            least[rank], value = np.minimum(least[rank], value), np.maximum(least[rank], value)
    allowed = np.minimum((vote.misses * seeing).astype(int), most)
    voted = np.take_along_axis(least, allowed[None], axis=0)[0]
    distance = np.maximum(least[0], voted - np.float32(vote.slack_m))
    return np.where(seeing >= vote.views, distance, np.float32(-1.0))


def seen_by(views: Sequence[BodyView], points: F32) -> NDArray[np.int16]:
    """How many cameras (N,) have points (N, 3) in their pictures."""
    seeing = np.zeros(len(points), dtype=np.int16)
    for view in views:
        u, v, depth = view.project(points)
        seeing += view.inside(u, v) & (depth > _NEAREST_M)
    return seeing


@dataclass(frozen=True, eq=False)
class Blocks:
    """Cubes of SIDE voxels a side, each a whole number of sides from the world's origin."""

    index: I32  # (B, 3)
    voxel_m: float

    @property
    def side_m(self) -> float:
        """Length of a block."""
        return SIDE * self.voxel_m

    @property
    def centres(self) -> F32:
        """(B, 3) metres."""
        return ((self.index + 0.5) * self.side_m).astype(np.float32)

    def points(self, chosen: slice = slice(None)) -> F32:
        """World places (B * SIDE**3, 3) of the voxels, block by block; x runs fastest, as Open3D orders them."""
        step = np.arange(SIDE, dtype=np.float32) * np.float32(self.voxel_m)
        z, y, x = np.meshgrid(step, step, step, indexing="ij")
        local = np.stack([x, y, z], axis=-1).reshape(1, -1, 3)
        corner = (self.index[chosen] * self.side_m).astype(np.float32)
        return (corner[:, None] + local).reshape(-1, 3)


def hull_blocks(views: Sequence[BodyView], vote: Vote, *, voxel_m: float, outside_m: float, depth_m: float) -> Blocks:
    """The blocks from `outside_m` outside the hull's surface to `depth_m` inside.

    Found from coarse cubes to fine ones, so that only space near her surface is ever looked at closely.
    """
    side = SIDE * voxel_m
    levels = max(0, round(np.log2(_COARSE_M / side)))
    middle, reach = _surroundings(views)
    coarse = side * 2**levels
    low, high = np.floor((middle - reach) / coarse), np.ceil((middle + reach) / coarse)
    axes = [np.arange(a, b, dtype=np.int32) for a, b in zip(low, high, strict=True)]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    children = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(1, 8, 3).astype(np.int32)
    for level in range(levels, -1, -1):
        size = side * 2**level
        ball = _STRETCH * size * np.sqrt(3) / 2
        centres = ((index + 0.5) * size).astype(np.float32)
        # At the border of each picture the hull may jump: a cube is dropped only if no way of counting needs it.
        most = inside_distance(views, centres, vote, seen_m=ball, cut_m=-ball)
        least = inside_distance(views, centres, vote, seen_m=-ball, cut_m=ball)
        index = index[(most > -outside_m - ball) & (least < depth_m + ball)]
        if level:
            index = (index[:, None] * 2 + children).reshape(-1, 3)
    return Blocks(index.astype(np.int32), voxel_m)


def _surroundings(views: Sequence[BodyView]) -> tuple[Floats, float]:
    """The point (3,) nearest to all optical axes, and how far around it she can be: not as far as the cameras."""
    pull, weight = np.zeros(3), np.zeros((3, 3))
    for view in views:
        across = np.eye(3) - np.outer(*[view.camera.world_from_camera.rotation[:, 2]] * 2)
        weight += across
        pull += across @ view.camera.centre
    middle = np.linalg.lstsq(weight, pull, rcond=None)[0]
    away = np.median([np.linalg.norm(view.camera.centre - middle) for view in views])
    return np.asarray(middle, dtype=np.float64), float(min(max(away, 0.5), 2.2))
