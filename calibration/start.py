"""A start for bundle adjustment: board poses per view, then cameras placed one by one along what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import cv2
import numpy as np

from calibration.bundle import LENS, Problem, State
from calibration.camera import Camera
from calibration.detect import MIN_CORNERS, Corners, Detections, natural_order
from calibration.fisheye import undistort_fisheye
from calibration.intrinsics import Intrinsics, spread
from calibration.link import JoinedTarget
from calibration.pose import Floats, Pose, mean_rotation
from calibration.target import Target

MIN_SHARED = 2  # shots that a camera must share with those placed before it
_MAX_CANDIDATES = 40
_FLAT = 1e-6  # third width of corners over the first
_CAP_PX = 50.0  # one view that is wrong altogether must not decide

ViewPoses: TypeAlias = Mapping[str, Mapping[str, tuple[Pose, ...]]]  # camera -> shot -> camera_from_board, best first


@dataclass(frozen=True, eq=False)
class Clock:
    """When the shots of a moving board were taken, how much later each camera sees, and how the print is bent."""

    time_s: Mapping[str, float] = field(default_factory=dict)  # shot -> seconds; a shot without one stood still
    offset_s: Mapping[str, float] = field(default_factory=dict)  # camera -> seconds after the first camera
    warp_m: tuple[float, float, float] = (0.0, 0.0, 0.0)  # bowl along x, bowl along y, twist, at the edge


@dataclass(frozen=True, eq=False)
class Start:
    """Cameras and boards about where they are, in the frame of the first camera placed."""

    cameras: tuple[Camera, ...]  # those that could be placed, the gauge camera first
    boards: dict[str, Pose]  # shot -> world_from_board
    unlinked: tuple[str, ...]  # cameras that share too few shots with the others


def view_poses(cameras: Mapping[str, Intrinsics], detections: Detections, target: Target) -> ViewPoses:
    """Both poses that a flat board can have in each view (IPPE, Collins and Bartoli 2014), refined, best first.

    Boards that are fixed to each other lie in several planes and have one pose (SQPnP, Terzakis and Lourakis 2020).
    """
    return {
        name: {shot: _poses_of(lens, corners, target) for shot, corners in detections[name].items()}
        for name, lens in cameras.items()
    }


def place_rig(intrinsics: Mapping[str, Intrinsics], detections: Detections, target: Target, poses: ViewPoses) -> Start:
    """Spanning tree of the rig: always the camera next that shares most shots with those already placed."""
    shots = {name: set(detections[name]) for name in intrinsics}
    shared = {a: sum(len(shots[a] & shots[b]) for b in shots if b != a) for a in shots}
    waiting = sorted(intrinsics, key=lambda n: -shared[n])  # ties keep the session's order
    if not waiting:
        return Start((), {}, ())
    placed = {waiting[0]: intrinsics[waiting[0]].at(waiting[0], Pose.identity())}
    waiting.pop(0)
    boards: dict[str, Pose] = {}
    while True:
        boards |= place_boards(placed, detections, target, poses, skip=boards)
        waiting.sort(key=lambda n: -len(shots[n] & boards.keys()))
        if not waiting or len(shots[waiting[0]] & boards.keys()) < MIN_SHARED:
            break
        name = waiting.pop(0)
        placed[name] = place_camera(intrinsics[name], name, detections[name], target, (poses[name], boards))
    # the first boards were placed by few cameras: now let all of them vote
    boards = place_boards(placed, detections, target, poses)
    return Start(tuple(placed.values()), boards, tuple(waiting))


def place_boards(
    cameras: Mapping[str, Camera],
    detections: Detections,
    target: Target,
    poses: ViewPoses,
    *,
    skip: Mapping[str, Pose] | None = None,
) -> dict[str, Pose]:
    """world_from_board of every shot: of all candidates of all views the one that fits all cameras best."""
    known = skip or {}
    boards: dict[str, Pose] = {}
    for shot in natural_order({s for name in cameras for s in detections[name]} - known.keys()):
        views = {name: detections[name][shot] for name in cameras if shot in detections[name]}
        candidates = [cameras[n].world_from_camera @ p for n in views for p in poses[n][shot]]
        if candidates:
            corners = np.stack([c.apply(target.points) for c in candidates])  # (K, P, 3)
            score = sum(_misfit(cameras[n], corners[:, v.ids], v.uv).sum(axis=1) for n, v in views.items())
            boards[shot] = candidates[int(np.argmin(score))]
    return boards


def pack(
    cameras: Sequence[Camera],
    boards: Mapping[str, Pose],
    detections: Detections,
    target: Target,
    *,
    clock: Clock | None = None,
) -> tuple[Problem, State]:
    """The bundle problem of the views of these boards in these cameras, and its start. Boards in their given order.

    The board is described from its middle, about which a hand turns it. A view of boards that are fixed to each other
    is one row for each of them.
    """
    clock = clock or Clock()
    kinds = np.array(target.kinds if isinstance(target, JoinedTarget) else [0] * len(target.points))
    parts = int(kinds.max()) + 1
    rows = [
        (c, b, part, ids, corners.uv[kinds[corners.ids] == part])
        for c, camera in enumerate(cameras)
        for b, shot in enumerate(boards)
        if (corners := detections[camera.id].get(shot)) is not None
        for part in range(parts)
        if len(ids := corners.ids[kinds[corners.ids] == part])
    ]
    uv = np.zeros((len(rows), len(target.points), 2))
    seen = np.zeros(uv.shape[:2], dtype=bool)
    for row, (_, _, _, ids, places) in enumerate(rows):
        uv[row, ids], seen[row, ids] = places, True
    index = np.array([r[:3] for r in rows], dtype=np.int64).reshape(-1, 3)
    inverse = [camera.world_from_camera.inverse() for camera in cameras]
    lens = np.zeros((len(cameras), LENS))
    for c, camera in enumerate(cameras):
        lens[c, : 4 + len(camera.distortion)] = (camera.fx, camera.fy, camera.cx, camera.cy, *camera.distortion)
    state = State(
        lens,
        np.stack([p.rotation for p in inverse]),
        np.stack([p.translation for p in inverse]),
        np.array([p.rotation for p in boards.values()]).reshape(-1, 3, 3),
        np.array([p.apply(target.centre) for p in boards.values()]).reshape(-1, 3),
        np.array([clock.offset_s.get(camera.id, 0.0) for camera in cameras]),
        np.array(clock.warp_m, dtype=np.float64),
        np.repeat(np.eye(3)[None], parts, axis=0),
        np.zeros((parts, 3)),
    )
    problem = Problem(
        np.repeat((target.points - target.centre)[None], parts, axis=0),
        index[:, 0],
        index[:, 1],
        uv,
        seen,
        index[:, 2],
        np.array([camera.model == "fisheye" for camera in cameras]),
        np.array([clock.time_s.get(shot, np.nan) for shot in boards]),
    )
    return problem, state


def unpack(
    state: State, cameras: Sequence[Camera], boards: Mapping[str, Pose], target: Target
) -> tuple[tuple[Camera, ...], dict[str, Pose]]:
    """The cameras and boards of a solved state, under the names of the start."""
    solved = []
    for camera, row, turn, shift in zip(
        cameras, state.lens, state.camera_rotation, state.camera_translation, strict=True
    ):
        fx, fy, cx, cy = (float(v) for v in row[:4])
        distortion = row[4 : 4 + len(camera.distortion)]
        pose = Pose(mean_rotation([turn]), shift).inverse()
        solved.append(replace(camera, fx=fx, fy=fy, cx=cx, cy=cy, distortion=distortion, world_from_camera=pose))
    middle = Pose(np.eye(3), -target.centre)
    moved = {
        shot: Pose(mean_rotation([r]), t) @ middle
        for shot, r, t in zip(boards, state.board_rotation, state.board_translation, strict=True)
    }
    return tuple(solved), moved


def intrinsics_of(camera: Camera) -> Intrinsics:
    """The lens of a placed camera."""
    return Intrinsics(camera.width, camera.height, camera.K, camera.distortion, camera.model)


def _poses_of(lens: Intrinsics, corners: Corners, target: Target) -> tuple[Pose, ...]:
    points, uv, matrix, distortion = target.points[corners.ids], corners.uv, lens.K, lens.distortion
    if lens.model == "fisheye":  # OpenCV has no such solver: give it the picture of a pinhole instead
        xy = undistort_fisheye((uv - matrix[:2, 2]) / np.diag(matrix)[:2], distortion)
        inside = np.isfinite(xy[:, 0])
        if inside.sum() < MIN_CORNERS:
            return ()
        points, uv, distortion = points[inside], xy[inside] * np.diag(matrix)[:2] + matrix[:2, 2], np.zeros(5)
    widths = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    how = cv2.SOLVEPNP_IPPE if widths[2] < _FLAT * widths[0] else cv2.SOLVEPNP_SQPNP
    _, rotvecs, shifts, _ = cv2.solvePnPGeneric(points, uv, matrix, distortion, flags=how)
    found: list[tuple[float, Pose]] = []
    for rotvec, shift in zip(rotvecs, shifts, strict=True):
        fine, moved = cv2.solvePnPRefineLM(points, uv, matrix, distortion, rotvec, shift)
        if not (np.isfinite(fine).all() and np.isfinite(moved).all()):
            continue
        pose = Pose.from_rotvec(fine, moved)
        back, depth = lens.at("", Pose.identity()).project(pose.apply(target.points[corners.ids]))
        if (depth > 0).all() and np.isfinite(back).all():
            found.append((float(np.linalg.norm(back - corners.uv, axis=1).mean()), pose))
    return tuple(pose for _, pose in sorted(found, key=lambda f: f[0]))


def place_camera(
    lens: Intrinsics,
    name: str,
    views: Mapping[str, Corners],
    target: Target,
    known: tuple[Mapping[str, tuple[Pose, ...]], Mapping[str, Pose]],
) -> Camera:
    """The candidate, one or two per shared shot, with the smallest median misfit over the shared shots.

    `known` are the poses camera_from_board of its views, and world_from_board of the shots.
    """
    poses, boards = known
    shared = [s for s in natural_order(views) if s in boards]
    if len(shared) > _MAX_CANDIDATES:
        places = np.stack([boards[s].translation for s in shared])
        shared = [shared[i] for i in spread(places, _MAX_CANDIDATES)]
    corners = np.concatenate([boards[s].apply(target.points[views[s].ids]) for s in shared])
    seen = np.concatenate([views[s].uv for s in shared])
    starts = np.cumsum([0, *(len(views[s].ids) for s in shared[:-1])])
    lengths = np.diff([*starts, len(seen)])
    best, best_misfit = Pose.identity(), np.inf
    for shot in shared:
        for pose in poses[shot]:
            camera = lens.at(name, boards[shot] @ pose.inverse())
            each = np.add.reduceat(_misfit(camera, corners[None], seen)[0], starts) / lengths
            misfit = float(np.median(each))
            if misfit < best_misfit:
                best, best_misfit = camera.world_from_camera, misfit
    return lens.at(name, best)


def _misfit(camera: Camera, points: Floats, uv: Floats) -> Floats:
    """Capped reprojection errors (K, N) px of K guesses of the points (K, N, 3) seen at uv (N, 2)."""
    projected, _ = camera.project(points.reshape(-1, 3))
    length = np.linalg.norm(projected.reshape(*points.shape[:2], 2) - uv, axis=-1)
    return np.minimum(np.nan_to_num(length, nan=_CAP_PX), _CAP_PX)
