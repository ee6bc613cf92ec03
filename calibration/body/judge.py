"""Which cameras tell another story than the rest: each mask against the hull of all, without any truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.body.field import clean, mesh_of
from calibration.body.hull import Vote, hull_blocks, inside_distance, seen_by
from calibration.body.surface import BodySurface, Mesh
from calibration.body.view import F32, BodyView, Bool
from capture.issues import JsonObject

_VOXEL_M = 0.008  # the distance between voxels is found between them, to a small part of that
_MISSES = 1 / 8  # while cameras are judged more of them may be wrong than later
_LEAST_CAMERAS = 6  # with fewer nobody can say who is wrong
# On the stage, at three sizes of picture and two rigs: good masks reach 0.5 to 3 mm beyond the hull, a mask shifted by
# 20 px or a camera moved by 30 mm sideways 24 to 50 mm; the hull reaches 3 to 31 mm beyond a good mask of 20
# cameras and up to 62 mm of 10, more than 76 mm beyond one without the top of the head. Less is held by the slack.
OUTSIDE_MM, INSIDE_MM = 8.0, 75.0
_OUTSIDE_PX = 2.0  # and no fewer pixels: in small pictures one is more than 8 mm
_RIM_PIXELS = 2000
_BEHIND_M = 0.3


@dataclass(frozen=True)
class Outline:
    """How well one camera's mask agrees with the hull that all cameras make; NaN where too little can be compared."""

    camera: str
    outside_px: float  # how far her mask reaches beyond the hull: 95 % of its rim reach no farther
    inside_px: float  # how far the hull reaches beyond her mask, in the same way
    mm_per_px: float

    @property
    def outside_mm(self) -> float:
        """The same at her distance."""
        return self.outside_px * self.mm_per_px

    @property
    def inside_mm(self) -> float:
        """The same at her distance."""
        return self.inside_px * self.mm_per_px

    @property
    def good(self) -> bool:
        """False where the camera tells another story than the rest."""
        return not (self.beyond or self.inside_mm > INSIDE_MM)

    @property
    def beyond(self) -> bool:
        """True where her mask shows what no other camera sees: the surest sign that this camera is the wrong one."""
        return self.outside_mm > OUTSIDE_MM and self.outside_px > _OUTSIDE_PX

    def to_json(self) -> JsonObject:
        """The numbers, null where they could not be measured."""
        numbers = {"outside_mm": self.outside_mm, "inside_mm": self.inside_mm}
        return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def hull_mesh(views: Sequence[BodyView], vote: Vote, voxel_m: float) -> Mesh:
    """The surface of the hull, its largest part only."""
    blocks = hull_blocks(views, vote, voxel_m=voxel_m, outside_m=voxel_m, depth_m=voxel_m)
    distance = inside_distance(views, blocks.points(), vote)
    cut = 8 * voxel_m
    return clean(mesh_of(blocks, -np.clip(distance, -cut, cut), np.ones(len(distance), dtype=bool)))[0]


def judge(views: Sequence[BodyView], vote: Vote) -> list[Outline]:
    """Every camera's mask against the hull for which one camera in eight was outvoted wherever it is wrong.

    Cameras that show what no other sees are left out first: they use up the votes, and others would be blamed. Empty
    where there are too few cameras for a vote, or no hull.
    """
    first = _round(views, vote)
    beyond = {outline.camera for outline in first if outline.beyond}
    rest = [view for view in views if view.id not in beyond]
    if not beyond or len(rest) < _LEAST_CAMERAS:
        return first
    again = {outline.camera: outline for outline in _round(rest, vote)}
    return [again.get(outline.camera, outline) for outline in first]


def _round(views: Sequence[BodyView], vote: Vote) -> list[Outline]:
    if len(views) < _LEAST_CAMERAS:
        return []
    mild = Vote(vote.views, max(_MISSES, 1.01 / len(views)), 0.0)
    mesh = hull_mesh(views, mild, _VOXEL_M)
    if not len(mesh.faces):
        return []
    body = BodySurface(mesh)
    return [_compare(view, body, views, vote.views) for view in views]


def _compare(view: BodyView, body: BodySurface, views: Sequence[BodyView], least: int) -> Outline:
    rays = view.rays()
    depth, _ = body.depth(view.camera, rays)
    hull = np.isfinite(depth)
    if not hull.any():
        return Outline(view.id, math.nan, math.nan, math.nan)
    scale = 1e3 * float(np.median(depth[hull])) / view.camera.fx
    border = np.zeros_like(hull)
    border[2:-2, 2:-2] = True
    shape = BodyView(view.camera, view.light, hull, view.seen)
    span = float(depth[hull].min()), float(depth[hull].max()) + _BEHIND_M
    outside = _reach(shape.outline, (np.abs(view.outline) <= 1) & border, rays, span, (view, views, least))
    inside = _reach(view.outline, (np.abs(shape.outline) <= 1) & border, rays, span, (view, views, least))
    return Outline(view.id, outside, inside, scale)


def _reach(
    outline: F32, rim: Bool, rays: F32, span: tuple[float, float], who: tuple[BodyView, Sequence[BodyView], int]
) -> float:
    """How far the pixels of a rim lie outside an outline: the 95th percentile, in pixels.

    Only pixels count whose line of sight stays where enough cameras see: what stands elsewhere is in no hull.
    """
    view, views, least = who
    rows, cols = np.nonzero(rim)
    if len(rows) > _RIM_PIXELS:
        chosen = np.linspace(0, len(rows) - 1, _RIM_PIXELS).astype(int)
        rows, cols = rows[chosen], cols[chosen]
    along = np.linspace(*span, 12).astype(np.float32)
    points = view.camera.centre.astype(np.float32) + rays[rows, cols][:, None] * along[None, :, None]
    known = (seen_by(views, points.reshape(-1, 3)).reshape(len(rows), -1) >= least).all(axis=1)
    if known.sum() < 50:
        return math.nan
    return float(np.percentile(np.maximum(-outline[rows, cols][known], 0), 95))
