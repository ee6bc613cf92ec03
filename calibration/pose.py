"""Rigid transforms. A pose named `world_from_camera` takes points of the camera's frame into the world's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_ORTHONORMAL = 1e-6  # a matrix printed with seven digits still passes


@dataclass(frozen=True, eq=False)
class Pose:
    """A rotation followed by a translation: `x -> rotation @ x + translation`."""

    rotation: Floats  # (3, 3) orthonormal, determinant +1
    translation: Floats  # (3,) metres

    def __post_init__(self) -> None:
        rotation = np.array(self.rotation, dtype=np.float64)
        translation = np.array(self.translation, dtype=np.float64)
        if rotation.shape != (3, 3) or translation.shape != (3,):
            raise ValueError(f"pose needs shapes (3, 3) and (3,), found {rotation.shape} and {translation.shape}")
        if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
            raise ValueError("pose holds a number that is not finite; check the solve that made it")
        off = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
        if off > _ORTHONORMAL or np.linalg.det(rotation) < 0:
            raise ValueError(
                f"pose rotation is not a rotation: R Rᵀ is off the identity by {off:.2g} and det R is "
                f"{np.linalg.det(rotation):.3g}; give an orthonormal right-handed matrix"
            )
        rotation.setflags(write=False)
        translation.setflags(write=False)
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation", translation)

    @staticmethod
    def identity() -> Pose:
        """The pose that moves nothing."""
        return Pose(np.eye(3), np.zeros(3))

    @staticmethod
    def from_rotvec(rotvec: ArrayLike, translation: ArrayLike) -> Pose:
        """From a rotation vector (3,) in radians and a translation (3,), as `solvePnP` returns them."""
        vector = np.asarray(rotvec, dtype=np.float64).reshape(3)
        return Pose(rotation_of(vector), np.asarray(translation, dtype=np.float64).reshape(3))

    @staticmethod
    def from_matrix(matrix: ArrayLike) -> Pose:
        """From a homogeneous (4, 4) matrix. Raises ValueError when it is not a rigid transform."""
        full = np.asarray(matrix, dtype=np.float64)
        if full.shape != (4, 4) or not np.allclose(full[3], (0, 0, 0, 1), atol=1e-9):
            raise ValueError(f"pose matrix must be (4, 4) with last row 0 0 0 1, found shape {full.shape}")
        return Pose(full[:3, :3], full[:3, 3])

    @property
    def matrix(self) -> Floats:
        """Homogeneous matrix (4, 4)."""
        full = np.eye(4)
        full[:3, :3] = self.rotation
        full[:3, 3] = self.translation
        return full

    @property
    def rotvec(self) -> Floats:
        """Rotation vector (3,) in radians, of length at most pi."""
        return rotvec_of(self.rotation)

    @property
    def angle_deg(self) -> float:
        """How far the rotation turns, 0 to 180 degrees."""
        return float(np.degrees(np.linalg.norm(self.rotvec)))

    def inverse(self) -> Pose:
        """The pose that undoes this one."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)

    def __matmul__(self, other: Pose) -> Pose:
        """First `other`, then this: `world_from_camera @ camera_from_board` is `world_from_board`."""
        return Pose(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def apply(self, points: ArrayLike) -> Floats:
        """Transform points (..., 3)."""
        return np.asarray(points, dtype=np.float64) @ self.rotation.T + self.translation


def fit_rigid(source: ArrayLike, target: ArrayLike) -> Pose:
    """The pose that best takes points `source` (N, 3) to `target` (N, 3), N >= 3, without scale.

    Least squares after Kabsch, "A solution for the best rotation to relate two sets of vectors", 1976.
    """
    a, b = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 3 or len(a) < 3:
        raise ValueError(f"fit_rigid needs two (N, 3) arrays with N >= 3, found {a.shape} and {b.shape}")
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    u, _, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a))
    rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    return Pose(rotation, mean_b - rotation @ mean_a)


def mean_rotation(rotations: Sequence[Floats]) -> Floats:
    """The rotation (3, 3) nearest to all the given ones (least squares in the chord). Needs at least one."""
    if not rotations:
        raise ValueError("mean_rotation needs at least one rotation, found none")
    u, _, vt = np.linalg.svd(np.sum(rotations, axis=0))
    return np.asarray(u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt)


def cross_matrix(v: Floats) -> Floats:
    """Matrices (..., 3, 3) whose product with x is the cross product v x x, for vectors (..., 3)."""
    matrix = np.zeros((*v.shape, 3))
    matrix[..., 0, 1], matrix[..., 0, 2], matrix[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    return matrix - np.swapaxes(matrix, -1, -2)


def rotation_of(rotvec: Floats) -> Floats:
    """Rotations (..., 3, 3) of rotation vectors (..., 3) in radians, after Rodrigues."""
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    small = angle < 1e-6  # below, the series is exact to rounding
    safe = np.where(small, 1.0, angle)
    turn = cross_matrix(rotvec)
    first = np.where(small, 1 - angle**2 / 6, np.sin(safe) / safe)
    second = np.where(small, 0.5, 2 * (np.sin(safe / 2) / safe) ** 2)
    return np.asarray(np.eye(3) + first * turn + second * (turn @ turn))


def rotvec_of(rotation: Floats) -> Floats:
    """Rotation vector (3,) of a rotation (3, 3), length 0 to pi, by way of its quaternion."""
    trace = float(np.trace(rotation))
    squares = np.array([trace, *np.diag(rotation)])  # the largest belongs to the largest of w, x, y, z
    largest = int(squares.argmax())
    antisymmetric = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    if largest == 0:
        quaternion = np.array([1 + trace, *antisymmetric])
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        quaternion = np.empty(4)
        quaternion[0] = antisymmetric[i]
        quaternion[1 + i] = 1 - trace + 2 * rotation[i, i]
        quaternion[1 + j] = rotation[i, j] + rotation[j, i]
        quaternion[1 + k] = rotation[i, k] + rotation[k, i]
    quaternion /= np.linalg.norm(quaternion)
    if quaternion[0] < 0:
        quaternion = -quaternion
    sine = float(np.linalg.norm(quaternion[1:]))
    if sine < 1e-12:
        return np.asarray(2 * quaternion[1:])
    return np.asarray(quaternion[1:] * (2 * np.arctan2(sine, quaternion[0]) / sine))
