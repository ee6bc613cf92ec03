"""The common judge of rigs: cameras held as given, one rigid board per shot, every corner counted.

Any calibration can be judged, ours or another tool's, on the same corners. Nothing is dropped, so a number cannot be
made small by leaving out what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.bundle import Problem, adjust, residuals
from calibration.camera import Camera
from calibration.detect import Detections
from calibration.pose import Floats, Pose
from calibration.start import intrinsics_of, pack, place_boards, unpack, view_poses
from calibration.target import Target


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a rig is worth on a set of corners."""

    rms_px: Mapping[str, float]  # per camera, root mean square length of the residuals
    rig_rms_px: float  # over all corners of all cameras
    corners: Mapping[str, int]
    shots: int
    distance_rmse_mm: float  # triangulated corners against the print, over all pairs within a shot
    boards: Mapping[str, Pose]  # shot -> world_from_board


def judge(cameras: Sequence[Camera], detections: Detections, target: Target) -> Judgement:
    """Fit a board to every shot that at least two of the cameras saw, and measure all of its corners.

    Raises ValueError when no shot was seen by two cameras.
    """
    named = {camera.id: camera for camera in cameras}
    counts: dict[str, int] = {}
    for name in named:
        for shot in detections.get(name, {}):
            counts[shot] = counts.get(shot, 0) + 1
    shared = {name: {s: c for s, c in detections.get(name, {}).items() if counts[s] >= 2} for name in named}
    if not any(shared.values()):
        raise ValueError(f"judge found no shot that two of {sorted(named)} saw; nothing can be measured")
    poses = view_poses({n: intrinsics_of(c) for n, c in named.items()}, shared, target)
    boards = place_boards(named, shared, target, poses)
    problem, state = pack(cameras, boards, shared, target)
    held = np.zeros((len(cameras), 15), dtype=bool)
    fitted = adjust(problem, state, free=held).state
    square = (residuals(problem, fitted) ** 2).sum(axis=-1)
    rms, corners = {}, {}
    for i, camera in enumerate(cameras):
        own = square[problem.camera == i][problem.seen[problem.camera == i]]
        if len(own):
            rms[camera.id], corners[camera.id] = float(np.sqrt(own.mean())), len(own)
    return Judgement(
        rms,
        float(np.sqrt(square[problem.seen].mean())),
        corners,
        len(boards),
        distance_rmse_mm(cameras, problem),
        unpack(fitted, cameras, boards)[1],
    )


def distance_rmse_mm(cameras: Sequence[Camera], problem: Problem) -> float:
    """Distances between triangulated corners against the print, root mean square over all pairs within a shot, mm.

    A corner is triangulated, as the point nearest to its rays, where two cameras saw it. NaN when there is no pair.
    """
    points, known = triangulate(cameras, problem)
    first, second = np.triu_indices(len(problem.points), 1)
    real = np.linalg.norm(problem.points[first] - problem.points[second], axis=1)
    found = np.linalg.norm(points[:, first] - points[:, second], axis=-1)  # (B, pairs)
    both = known[:, first] & known[:, second]
    return float(1000 * np.sqrt(((found - real)[both] ** 2).mean())) if both.any() else float("nan")


def triangulate(cameras: Sequence[Camera], problem: Problem) -> tuple[Floats, np.ndarray]:
    """Corners (B, P, 3) in the world from their rays alone, and whether (B, P) two cameras saw them."""
    boards, corners = int(problem.board.max()) + 1, len(problem.points)
    matrix, right = np.zeros((boards, corners, 3, 3)), np.zeros((boards, corners, 3))
    count = np.zeros((boards, corners), dtype=int)
    for row, (c, b) in enumerate(zip(problem.camera, problem.board, strict=True)):
        seen = np.flatnonzero(problem.seen[row])
        rays = cameras[c].rays(problem.uv[row, seen])
        seen, rays = seen[np.isfinite(rays[:, 0])], rays[np.isfinite(rays[:, 0])]
        across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
        matrix[b, seen] += across
        right[b, seen] += across @ cameras[c].centre
        count[b, seen] += 1
    known = count >= 2
    points = np.zeros((boards, corners, 3))
    points[known] = np.linalg.solve(matrix[known], right[known][..., None])[..., 0]
    return points, known
