"""What is left of tracks when the point itself is taken out: numbers that only cameras and clocks can explain.

A track of S cameras has 2 S numbers and a point of three; projected on the left null space of the point's Jacobian,
2 S - 3 numbers remain that are 0 for a calibration that holds. A small turn of one camera, or its being late, shifts
them by known amounts, so that all is linear regression from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.drift.tracks import Track
from calibration.pose import Floats, Pose

Ints = NDArray[np.int64]

_ROUNDS = 4  # of triangulation by Gauss and Newton
_STEP_M, _STEP_RAD = 1e-4, 1e-5


@dataclass(frozen=True, eq=False)
class Block:
    """The tracks that S cameras saw, all of one S, reduced. T tracks, R = 2 S - 3 rows each, in pixels."""

    moment: Ints  # (T,)
    cameras: Ints  # (T, S)
    uv: Floats  # (T, S, 2)
    point: Floats  # (T, 3) metres, world
    rest: Floats  # (T, R) what the calibration leaves unexplained
    turn: Floats  # (T, S, R, 3) rows by the turn of each camera, per radian about its own x, y and z
    lag: Floats  # (T, S, R) rows by each camera's lag, per frame that it shows later moments; NaN without a speed


def reduce(tracks: Sequence[Track], cameras: Sequence[Camera]) -> list[Block]:
    """Blocks of all tracks whose point lies before its cameras, one for each number of cameras."""
    sizes = sorted({len(t.cameras) for t in tracks})
    blocks = (_block([t for t in tracks if len(t.cameras) == size], cameras) for size in sizes)
    return [block for block in blocks if len(block.moment)]


def _block(tracks: Sequence[Track], cameras: Sequence[Camera]) -> Block:
    who = np.array([t.cameras for t in tracks], dtype=np.int64)
    uv = np.stack([t.uv for t in tracks])
    point = _meeting(who, uv, cameras)
    for _ in range(_ROUNDS):
        seen, jacobian = _project(who, point, cameras), _by_point(who, point, cameras)
        count = len(who)
        step = np.linalg.pinv(jacobian.reshape(count, -1, 3)) @ (uv - seen).reshape(count, -1, 1)
        point = point + np.nan_to_num(step[..., 0])
    seen, jacobian = _project(who, point, cameras), _by_point(who, point, cameras)
    good = np.isfinite(seen).all(axis=(1, 2)) & np.isfinite(jacobian).all(axis=(1, 2, 3))
    who, uv, point, seen, jacobian = who[good], uv[good], point[good], seen[good], jacobian[good]
    moment = np.array([t.moment for t in tracks], dtype=np.int64)[good]
    velocity = np.stack([t.velocity for t in tracks])[good]
    count, size = who.shape
    free = np.linalg.svd(jacobian.reshape(count, 2 * size, 3))[0][:, :, 3:]  # (T, 2 S, R) that no point explains
    parts = free.reshape(count, size, 2, -1)
    return Block(
        moment,
        who,
        uv,
        point,
        np.einsum("tsdr,tsd->tr", parts, uv - seen),
        np.einsum("tsdr,tsdk->tsrk", parts, _by_turn(who, point, cameras)),
        np.einsum("tsdr,tsd->tsr", parts, velocity),
    )


def _meeting(who: Ints, uv: Floats, cameras: Sequence[Camera]) -> Floats:
    """(T, 3) points nearest to the rays."""
    matrix, right = np.zeros((len(who), 3, 3)), np.zeros((len(who), 3))
    for index, camera in enumerate(cameras):
        row, column = np.nonzero(who == index)
        ray = np.nan_to_num(camera.rays(uv[row, column]))
        across = np.eye(3) - ray[:, :, None] * ray[:, None]
        np.add.at(matrix, row, across)
        np.add.at(right, row, across @ camera.centre)
    return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])


def _project(who: Ints, point: Floats, cameras: Sequence[Camera]) -> Floats:
    """(T, S, 2) pixels."""
    out = np.full((*who.shape, 2), np.nan)
    for index, camera in enumerate(cameras):
        row, column = np.nonzero(who == index)
        out[row, column] = camera.project(point[row])[0]
    return out


def _by_point(who: Ints, point: Floats, cameras: Sequence[Camera]) -> Floats:
    """(T, S, 2, 3) pixels per metre of the point, by central differences."""
    shifts = _STEP_M * np.eye(3)
    columns = [_project(who, point + s, cameras) - _project(who, point - s, cameras) for s in shifts]
    return np.stack(columns, axis=-1) / (2 * _STEP_M)


def _by_turn(who: Ints, point: Floats, cameras: Sequence[Camera]) -> Floats:
    """(T, S, 2, 3) pixels per radian of a turn of the camera about its own axes."""
    columns = []
    for axis in _STEP_RAD * np.eye(3):
        ahead, back = ([c.placed(turned(c.world_from_camera, s * axis)) for c in cameras] for s in (1, -1))
        columns.append((_project(who, point, ahead) - _project(who, point, back)) / (2 * _STEP_RAD))
    return np.stack(columns, axis=-1)


def turned(pose: Pose, rotvec: Floats) -> Pose:
    """A camera's pose after it turned by a rotation vector (3,) in radians of its own axes."""
    return pose @ Pose.from_rotvec(rotvec, np.zeros(3))
