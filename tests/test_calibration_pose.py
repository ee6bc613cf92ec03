"""Rigid transforms obey the laws of a group, and refuse what is not rigid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calibration.pose import Pose, fit_rigid, mean_rotation

vectors = arrays(np.float64, 3, elements=st.floats(-3, 3))
poses = st.builds(Pose.from_rotvec, vectors, vectors)
POINTS = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [-4.0, 0.5, 2.0], [0.1, -0.2, 0.3]])


@given(poses, poses, poses)
def test_composition_is_associative(a: Pose, b: Pose, c: Pose) -> None:
    assert np.allclose(((a @ b) @ c).matrix, (a @ (b @ c)).matrix, atol=1e-12)


@given(poses)
def test_inverse_undoes(a: Pose) -> None:
    assert np.allclose((a @ a.inverse()).matrix, np.eye(4), atol=1e-12)
    assert np.allclose(a.inverse().apply(a.apply(POINTS)), POINTS, atol=1e-12)


@given(poses, poses)
def test_apply_of_a_product_is_apply_twice(a: Pose, b: Pose) -> None:
    assert np.allclose((a @ b).apply(POINTS), a.apply(b.apply(POINTS)), atol=1e-12)


@given(poses)
def test_matrix_and_rotvec_round_trip(a: Pose) -> None:
    assert np.allclose(Pose.from_matrix(a.matrix).matrix, a.matrix, atol=0)
    assert np.allclose(Pose.from_rotvec(a.rotvec, a.translation).matrix, a.matrix, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-6, 1.0, np.pi - 1e-7, np.pi])
def test_rotvec_keeps_small_and_half_turns(angle: float) -> None:
    axis = np.array([1.0, -2.0, 2.0]) / 3
    pose = Pose.from_rotvec(axis * angle, (0, 0, 0))
    assert pose.angle_deg == pytest.approx(np.degrees(angle), abs=1e-12, rel=1e-6)
    assert np.allclose(Pose.from_rotvec(pose.rotvec, (0, 0, 0)).rotation, pose.rotation, atol=1e-14)


def test_identity_moves_nothing() -> None:
    assert np.array_equal(Pose.identity().apply(POINTS), POINTS)


def test_a_mirror_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a rotation.*det R is -1"):
        Pose(np.diag([1.0, 1.0, -1.0]), np.zeros(3))


@pytest.mark.parametrize("rotation", [np.eye(3) * 1.01, np.zeros((3, 3))])
def test_a_scaled_matrix_is_refused(rotation: np.ndarray) -> None:
    with pytest.raises(ValueError, match="give an orthonormal right-handed matrix"):
        Pose(rotation, np.zeros(3))


def test_wrong_shapes_and_nan_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs shapes \(3, 3\) and \(3,\)"):
        Pose(np.eye(4), np.zeros(3))
    with pytest.raises(ValueError, match="not finite"):
        Pose(np.eye(3), np.array([0.0, np.nan, 0.0]))
    with pytest.raises(ValueError, match="last row 0 0 0 1"):
        Pose.from_matrix(np.ones((4, 4)))


def test_a_pose_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Pose.identity().rotation[0, 0] = 2.0


@given(poses)
def test_rigid_fit_finds_the_pose(a: Pose) -> None:
    assert np.allclose(fit_rigid(POINTS, a.apply(POINTS)).matrix, a.matrix, atol=1e-9)


def test_rigid_fit_never_mirrors() -> None:
    fitted = fit_rigid(POINTS, POINTS * (1, 1, -1))
    assert np.linalg.det(fitted.rotation) == pytest.approx(1.0)


def test_mean_rotation_lies_between() -> None:
    turns = [Pose.from_rotvec((0, 0, a), (0, 0, 0)).rotation for a in (0.1, 0.3)]
    assert np.allclose(mean_rotation(turns), Pose.from_rotvec((0, 0, 0.2), (0, 0, 0)).rotation)
