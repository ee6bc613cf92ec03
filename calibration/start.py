"""A start for bundle adjustment: board poses per view, then cameras placed one by one along what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from calibration.bundle import LENS, Problem, State
from calibration.camera import Camera
from calibration.detect import Corners, Detections, natural_order
from calibration.intrinsics import Intrinsics, spread
from calibration.pose import Floats, Pose
from calibration.target import Target

MIN_SHARED = 2  # shots that a camera must share with those placed before it
_MAX_CANDIDATES = 40
_CAP_PX = 50.0  # one view that is wrong altogether must not decide

ViewPoses: TypeAlias = Mapping[str, Mapping[str, tuple[Pose, ...]]]  # camera -> shot -> camera_from_board, best first


@dataclass(frozen=True, eq=False)
class Start:
    """Cameras and boards about where they are, in the frame of the first camera placed."""

    cameras: tuple[Camera, ...]  # those that could be placed, the gauge camera first
    boards: dict[str, Pose]  # shot -> world_from_board
    unlinked: tuple[str, ...]  # cameras that share too few shots with the others


def view_poses(cameras: Mapping[str, Intrinsics], detections: Detections, target: Target) -> ViewPoses:
    """Both poses that a flat board can have in each view (IPPE, Collins and Bartoli 2014), refined, best first."""
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
        placed[name] = _place_camera(intrinsics[name], name, detections[name], target, (poses[name], boards))
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
    cameras: Sequence[Camera], boards: Mapping[str, Pose], detections: Detections, target: Target
) -> tuple[Problem, State]:
    """The bundle problem of the views of these boards in these cameras, and its start. Boards in their given order."""
    rows = [
        (c, b, detections[camera.id][shot])
        for c, camera in enumerate(cameras)
        for b, shot in enumerate(boards)
        if shot in detections[camera.id]
    ]
    uv = np.zeros((len(rows), len(target.points), 2))
    seen = np.zeros(uv.shape[:2], dtype=bool)
    for row, (_, _, corners) in enumerate(rows):
        uv[row, corners.ids], seen[row, corners.ids] = corners.uv, True
    index = np.array([(c, b) for c, b, _ in rows], dtype=np.int64).reshape(-1, 2)
    inverse = [camera.world_from_camera.inverse() for camera in cameras]
    lens = [[c.fx, c.fy, c.cx, c.cy, *c.distortion] for c in cameras]
    state = State(
        np.array(lens, dtype=np.float64).reshape(-1, LENS),
        np.stack([p.rotation for p in inverse]),
        np.stack([p.translation for p in inverse]),
        np.array([p.rotation for p in boards.values()]).reshape(-1, 3, 3),
        np.array([p.translation for p in boards.values()]).reshape(-1, 3),
    )
    return Problem(target.points, index[:, 0], index[:, 1], uv, seen), state


def unpack(
    state: State, cameras: Sequence[Camera], boards: Mapping[str, Pose]
) -> tuple[tuple[Camera, ...], dict[str, Pose]]:
    """The cameras and boards of a solved state, under the names of the start."""
    solved = []
    for i, camera in enumerate(cameras):
        pose = Pose(_clean(state.camera_rotation[i]), state.camera_translation[i]).inverse()
        lens = Intrinsics(camera.width, camera.height, _matrix(state.lens[i]), state.lens[i, 4:])
        solved.append(lens.at(camera.id, pose))
    moved = {
        shot: Pose(_clean(r), t)
        for shot, r, t in zip(boards, state.board_rotation, state.board_translation, strict=True)
    }
    return tuple(solved), moved


def intrinsics_of(camera: Camera) -> Intrinsics:
    """The lens of a placed camera."""
    return Intrinsics(camera.width, camera.height, camera.K, camera.distortion)


def _poses_of(lens: Intrinsics, corners: Corners, target: Target) -> tuple[Pose, ...]:
    points = target.points[corners.ids]
    _, rotvecs, shifts, _ = cv2.solvePnPGeneric(points, corners.uv, lens.K, lens.distortion, flags=cv2.SOLVEPNP_IPPE)
    found: list[tuple[float, Pose]] = []
    for rotvec, shift in zip(rotvecs, shifts, strict=True):
        fine, moved = cv2.solvePnPRefineLM(points, corners.uv, lens.K, lens.distortion, rotvec, shift)
        if not (np.isfinite(fine).all() and np.isfinite(moved).all()):
            continue
        pose = Pose.from_rotvec(fine, moved)
        uv, depth = lens.at("", Pose.identity()).project(pose.apply(points))
        if (depth > 0).all() and np.isfinite(uv).all():
            found.append((float(np.linalg.norm(uv - corners.uv, axis=1).mean()), pose))
    return tuple(pose for _, pose in sorted(found, key=lambda f: f[0]))


def _place_camera(
    lens: Intrinsics,
    name: str,
    views: Mapping[str, Corners],
    target: Target,
    known: tuple[Mapping[str, tuple[Pose, ...]], Mapping[str, Pose]],
) -> Camera:
    """The candidate, one or two per shared shot, with the smallest median misfit over the shared shots."""
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


def _matrix(lens: Floats) -> Floats:
    return np.array([[lens[0], 0.0, lens[2]], [0.0, lens[1], lens[3]], [0.0, 0.0, 1.0]])


def _clean(rotation: Floats) -> Floats:
    """The nearest rotation: fifty multiplied steps leave rounding behind."""
    u, _, vt = np.linalg.svd(rotation)
    return np.asarray(u @ vt)
