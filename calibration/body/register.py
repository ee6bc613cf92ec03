"""A scan laid onto the mesh of her body: features, RANSAC, ICP, its unit of length, and whether it is her at all.

FPFH after Rusu, Blodow and Beetz, "Fast point feature histograms (FPFH) for 3D registration", 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calibration.body.scans import UNITS, Scan, plausible_units, size_of
from calibration.body.surface import BodySurface, Mesh
from calibration.pose import Floats, Pose
from capture.issues import Issue, JsonObject, issue

if TYPE_CHECKING:
    import open3d

_VOXEL_M = 0.02  # of the features
_SEED = 11
_TRIES = 4  # RANSAC is a lottery; the best of a few tickets is kept
_SAMPLE = 15_000  # points of the scan that the fine fit uses
_REACH_M = 0.03  # a point of the scan farther from the mesh belongs to what the mesh lacks
# The same person and pose come to lie within 2 mm of a mesh that is itself 2 mm off; another person of the stage does
# not come under 5 mm.
_FIT_M = 0.0035
_OVERLAP = 0.5  # share of the scan that must lie near the mesh
_SCALE = 0.015  # a scan that fits better at a size so much larger or smaller is in an uncommon unit, or no scan of her


@dataclass(frozen=True, eq=False)
class Registration:
    """How a scan lies in the world: `pose.apply(points * metres)`."""

    name: str
    unit: str  # m, mm, cm, in
    pose: Pose  # world from scan, after the scan was brought to metres
    miss_m: float  # median distance of the points that lie near the mesh
    overlap: float  # share of the points within 30 mm of the mesh
    scale: float  # size at which the scan fits best, 1 where the unit is right
    scaled_miss_m: float  # median distance at that size

    @property
    def metres(self) -> float:
        """Length of one unit of the scan."""
        return UNITS[self.unit]

    def apply(self, points: Floats) -> Floats:
        """Points (N, 3) of the scan as points of the world, metres."""
        return self.pose.apply(points * self.metres)

    def to_json(self) -> JsonObject:
        """All numbers under plain keys."""
        return {
            "name": self.name,
            "unit": self.unit,
            "world_from_scan": [[float(v) for v in row] for row in self.pose.matrix],
            "miss_mm": 1e3 * self.miss_m,
            "overlap": self.overlap,
            "scale": self.scale,
        }


def register(scan: Scan, mesh: Mesh) -> tuple[Registration | None, Issue | None]:
    """Lay a scan onto her mesh, or say why it cannot be: SCAN_SCALE_UNKNOWN, SCAN_SCALE_WRONG or SCAN_NOT_HER."""
    body = BodySurface(mesh)
    units = plausible_units(scan.points)
    if not units:
        size = size_of(scan.points)
        return None, issue(
            "SCAN_SCALE_UNKNOWN", where=scan.name, expected="a person in m, mm, cm or in",
            found=f"{size:.4g} units from end to end",
        )  # fmt: skip
    target = _features(mesh.vertices.astype(np.float64))
    found = [_fitted(scan, unit, body, target) for unit in units]
    best = min(found, key=lambda r: (r.overlap < _OVERLAP, r.miss_m))
    if best.overlap >= _OVERLAP and abs(best.scale - 1) > _SCALE and best.scaled_miss_m <= _FIT_M:
        text = f"fits at {best.scale:.3f} of its size in {best.unit}, {1e3 * best.scaled_miss_m:.1f} mm off"
        return None, issue("SCAN_SCALE_WRONG", where=scan.name, expected="1.000", found=text)
    if best.overlap < _OVERLAP or best.miss_m > _FIT_M or abs(best.scale - 1) > _SCALE:
        text = f"{1e3 * best.miss_m:.1f} mm off, {best.overlap:.0%} of it near her, in {best.unit}"
        return None, issue("SCAN_NOT_HER", where=scan.name, expected=f"{1e3 * _FIT_M:.1f} mm or less", found=text)
    return best, None


def _features(points: Floats) -> tuple[open3d.geometry.PointCloud, open3d.pipelines.registration.Feature]:
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points)).voxel_down_sample(_VOXEL_M)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamHybrid(radius=2.5 * _VOXEL_M, max_nn=40))
    # all outward, on either side: normals of both signs would halve the matches
    cloud.orient_normals_towards_camera_location(cloud.get_center())
    cloud.normals = o3d.utility.Vector3dVector(-np.asarray(cloud.normals))
    search = o3d.geometry.KDTreeSearchParamHybrid(radius=5 * _VOXEL_M, max_nn=120)
    return cloud, o3d.pipelines.registration.compute_fpfh_feature(cloud, search)


def _fitted(
    scan: Scan,
    unit: str,
    body: BodySurface,
    target: tuple[open3d.geometry.PointCloud, open3d.pipelines.registration.Feature],
) -> Registration:
    """The best of a few coarse fits, made fine."""
    metric = scan.points * UNITS[unit]
    source = _features(metric)
    rng = np.random.default_rng(_SEED)
    points = metric[rng.choice(len(metric), min(_SAMPLE, len(metric)), replace=False)]
    best: tuple[float, Pose] | None = None
    for ticket in range(_TRIES):
        start = _coarse(source, target, _SEED + ticket)
        pose = _fine(points[:3000], body, start, rounds=15)
        away = body.snap(pose.apply(points[:3000])).distance
        cost = float(np.minimum(away, _REACH_M).mean())
        if best is None or cost < best[0]:
            best = cost, pose
    assert best is not None
    pose = _fine(points, body, best[1], rounds=40)
    snapped = body.snap(pose.apply(points))
    near = snapped.distance < _REACH_M
    miss = float(np.median(snapped.distance[near])) if near.any() else float("inf")
    scale, scaled_miss = _best_scale(pose.apply(points), body) if near.mean() >= _OVERLAP else (1.0, miss)
    return Registration(scan.name, unit, pose, miss, float(near.mean()), scale, scaled_miss)


def _coarse(
    source: tuple[open3d.geometry.PointCloud, open3d.pipelines.registration.Feature],
    target: tuple[open3d.geometry.PointCloud, open3d.pipelines.registration.Feature],
    seed: int,
) -> Pose:
    import open3d as o3d

    reg = o3d.pipelines.registration
    o3d.utility.random.seed(seed)
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        found = reg.registration_ransac_based_on_feature_matching(
            source[0], target[0], source[1], target[1], True, 1.5 * _VOXEL_M,
            reg.TransformationEstimationPointToPoint(False), 3,
            [reg.CorrespondenceCheckerBasedOnEdgeLength(0.9), reg.CorrespondenceCheckerBasedOnDistance(1.5 * _VOXEL_M)],
            reg.RANSACConvergenceCriteria(60_000, 0.999),
        )  # fmt: skip
    return _rigid(np.asarray(found.transformation))


def _rigid(matrix: Floats) -> Pose:
    """The pose of a matrix (4, 4) that rounding has bent."""
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    return Pose(u @ vt, matrix[:3, 3])


def _fine(points: Floats, body: BodySurface, start: Pose, *, rounds: int) -> Pose:
    """ICP, point to plane on the mesh itself, with a reach that shrinks to three times the median miss."""
    pose = start
    for _ in range(rounds):
        moved = pose.apply(points)
        step = _step(moved, body, scaled=False)
        if step is None:
            break
        pose = Pose.from_rotvec(step[:3], step[3:6]) @ pose
        if float(np.abs(step[:6]).max()) < 1e-6:
            break
    return pose


def _step(moved: Floats, body: BodySurface, *, scaled: bool) -> Floats | None:
    """Small rotation, shift and, where `scaled`, growth, (6,) or (7,), that best brings points nearer."""
    snapped = body.snap(moved)
    reach = max(0.004, min(0.05, 3 * float(np.median(snapped.distance))))
    near = snapped.distance < reach
    if near.sum() < 50:
        return None
    p, n = moved[near], snapped.normals[near]
    gap = np.einsum("nc,nc->n", snapped.points[near] - p, n)
    rows = [np.cross(p, n), n]
    if scaled:
        rows.append(np.einsum("nc,nc->n", p - p.mean(axis=0), n)[:, None])
    matrix = np.concatenate(rows, axis=1)
    weight = 1 / np.sqrt(1 + (gap / 0.004) ** 2)
    return np.asarray(np.linalg.lstsq(matrix * weight[:, None], gap * weight, rcond=None)[0])


def _best_scale(points: Floats, body: BodySurface) -> tuple[float, float]:
    """The size about their middle at which points (N, 3) fit best, by ICP with growth, and their median miss there."""
    scale, moved = 1.0, points
    for _ in range(25):
        step = _step(moved, body, scaled=True)
        if step is None:
            break
        middle = moved.mean(axis=0)
        moved = Pose.from_rotvec(step[:3], step[3:6]).apply((moved - middle) * (1 + step[6]) + middle)
        scale *= 1 + float(step[6])
        if abs(step[6]) < 1e-6:
            break
    return scale, float(np.median(body.snap(moved).distance))
