"""The common judge of rigs: cameras held as given, one rigid board per shot, every corner counted.

Any calibration can be judged, ours or another tool's, on the same corners. Nothing is dropped, so a number cannot be
made small by leaving out what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.bundle import Problem, State, adjust, nothing_free, residuals
from calibration.bundle.motion import placements
from calibration.camera import Camera
from calibration.detect import Detections
from calibration.pose import Floats, Pose
from calibration.start import Clock, intrinsics_of, pack, place_boards, unpack, view_poses
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
    shot_rms_px: Mapping[str, float]


def judge(
    cameras: Sequence[Camera], detections: Detections, target: Target, *, clock: Clock | None = None
) -> Judgement:
    """Fit a board to every shot that at least two of the cameras saw, and measure all of its corners.

    With a clock the board moves between the moments at which the cameras looked: its path goes through the fitted
    boards, also those that one camera alone saw, but only shots of two cameras are measured. Raises ValueError when
    no shot was seen by two cameras.
    """
    clock = clock or Clock()
    named = {camera.id: camera for camera in cameras}
    counts: dict[str, int] = {}
    for name in named:
        for shot in detections.get(name, {}):
            counts[shot] = counts.get(shot, 0) + 1
    if not any(n >= 2 for n in counts.values()):
        raise ValueError(f"judge found no shot that two of {sorted(named)} saw; nothing can be measured")
    used = {s for s, n in counts.items() if n >= 2 or s in clock.time_s}
    views = {name: {s: c for s, c in detections.get(name, {}).items() if s in used} for name in named}
    poses = view_poses({n: intrinsics_of(c) for n, c in named.items()}, views, target)
    boards = place_boards(named, views, target, poses)
    problem, state = pack(cameras, boards, views, target, clock=clock)
    fitted = adjust(problem, state, free=nothing_free(state)).state
    shared = np.array([counts[shot] >= 2 for shot in boards])[problem.board]
    square = (residuals(problem, fitted) ** 2).sum(axis=-1)
    measured = problem.seen & shared[:, None]
    rms, corners = {}, {}
    for i, camera in enumerate(cameras):
        own = square[measured & (problem.camera == i)[:, None]]
        if len(own):
            rms[camera.id], corners[camera.id] = float(np.sqrt(own.mean())), len(own)
    placed = unpack(fitted, cameras, boards, target)[1]
    return Judgement(
        rms,
        float(np.sqrt(square[measured].mean())),
        corners,
        sum(counts[shot] >= 2 for shot in boards),
        distance_rmse_mm(cameras, problem, fitted),
        {shot: pose for shot, pose in placed.items() if counts[shot] >= 2},
        {
            shot: float(np.sqrt(square[measured & (problem.board == b)[:, None]].mean()))
            for b, shot in enumerate(boards)
            if counts[shot] >= 2
        },
    )


def distance_rmse_mm(cameras: Sequence[Camera], problem: Problem, state: State) -> float:
    """Distances between triangulated corners against the print, root mean square over all pairs within a shot, mm.

    A corner is triangulated, as the point nearest to its rays, where two cameras saw it. NaN when there is no pair.
    """
    points, known = triangulate(cameras, problem, state)
    printed = problem.points[0]
    first, second = np.triu_indices(len(printed), 1)
    real = np.linalg.norm(printed[first] - printed[second], axis=1)
    found = np.linalg.norm(points[:, first] - points[:, second], axis=-1)  # (B, pairs)
    both = known[:, first] & known[:, second]
    return float(1000 * np.sqrt(((found - real)[both] ** 2).mean())) if both.any() else float("nan")


def triangulate(cameras: Sequence[Camera], problem: Problem, state: State) -> tuple[Floats, np.ndarray]:
    """Corners (B, P, 3) in the board's frame from their rays, and whether (B, P) two cameras saw them.

    Each ray is taken into the board's frame by the pose of the board at the moment of that ray; of a board that
    stands still the pose makes no difference to the distances.
    """
    boards, corners = int(problem.board.max()) + 1, problem.points.shape[1]
    matrix, right = np.zeros((boards, corners, 3, 3)), np.zeros((boards, corners, 3))
    count = np.zeros((boards, corners), dtype=int)
    placed = placements(problem, state)
    for row, (c, b) in enumerate(zip(problem.camera, problem.board, strict=True)):
        seen = np.flatnonzero(problem.seen[row])
        rays = cameras[c].rays(problem.uv[row, seen])
        seen, rays = seen[np.isfinite(rays[:, 0])], rays[np.isfinite(rays[:, 0])] @ placed.rotation[row]
        across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
        matrix[b, seen] += across
        right[b, seen] += across @ ((cameras[c].centre - placed.translation[row]) @ placed.rotation[row])
        count[b, seen] += 1
    known = count >= 2
    points = np.zeros((boards, corners, 3))
    points[known] = np.linalg.solve(matrix[known], right[known][..., None])[..., 0]
    return points, known
