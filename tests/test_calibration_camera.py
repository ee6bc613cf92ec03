"""The camera agrees with OpenCV's projection, inverts itself, and refuses what no lens is."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calibration.camera import Camera, distort, distortion_jacobian, fold_radius
from calibration.fisheye import fisheye_fold_angle
from calibration.pose import Pose

FISHEYE = np.array([0.031, -0.022, 0.014, -0.004])
LENSES = {
    "none": np.zeros(5),
    "barrel": np.array([-0.332, 0.0464, -0.0043, 0.0041, 0.0666]),
    "pincushion": np.array([0.18, -0.256, 0.0032, 0.0022, 0.124]),
}


def a_camera(lens: str = "barrel", pose: Pose | None = None) -> Camera:
    placed = pose or Pose.from_rotvec((0.3, -0.5, 0.2), (1.0, -2.0, 0.5))
    return Camera("cam00", 1280, 720, 903.5, 907.9, 618.3, 394.2, LENSES[lens], placed)


def pixels_of(camera: Camera, n: int = 400) -> np.ndarray:
    return np.random.default_rng(1).uniform((0, 0), (camera.width - 1, camera.height - 1), (n, 2))


@pytest.mark.parametrize("lens", LENSES)
def test_projection_is_opencvs(lens: str) -> None:
    camera = a_camera(lens)
    points = camera.centre + camera.rays(pixels_of(camera)) * 2.5
    inverse = camera.world_from_camera.inverse()
    theirs, _ = cv2.projectPoints(points, inverse.rotvec, inverse.translation, camera.K, camera.distortion)
    ours, depth = camera.project(points)
    assert np.abs(ours - theirs[:, 0]).max() < 1e-9
    assert (depth > 0).all()


@pytest.mark.parametrize("lens", LENSES)
def test_rays_invert_the_projection_in_the_whole_picture(lens: str) -> None:
    camera = a_camera(lens)
    pixels = pixels_of(camera)
    rays = camera.rays(pixels)
    assert np.allclose(np.linalg.norm(rays, axis=1), 1)
    back, _ = camera.project(camera.centre + rays * 3.0)
    assert np.abs(back - pixels).max() < 1e-8


@given(arrays(np.float64, 3, elements=st.floats(-3, 3)), arrays(np.float64, 3, elements=st.floats(-5, 5)))
def test_moving_camera_and_point_together_changes_nothing(rotvec: np.ndarray, shift: np.ndarray) -> None:
    camera, move = a_camera(), Pose.from_rotvec(rotvec, shift)
    points = camera.centre + camera.rays(pixels_of(camera, 20)) * 2.0
    before, _ = camera.project(points)
    after, _ = camera.placed(move @ camera.world_from_camera).project(move.apply(points))
    assert np.allclose(before, after, atol=1e-7)


def test_a_point_behind_the_camera_has_no_pixel() -> None:
    camera = a_camera(pose=Pose.identity())
    uv, depth = camera.project([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.isnan(uv[:2]).all()
    assert uv[2] == pytest.approx([camera.cx, camera.cy])
    assert depth.tolist() == [-1.0, 0.0, 1.0]


def test_a_point_past_the_fold_of_the_lens_has_no_pixel() -> None:
    lens = np.array([-0.3, 0.0, 0.0, 0.0, 0.0])
    camera = Camera("c", 100, 100, 80.0, 80.0, 50.0, 50.0, lens, Pose.identity())
    fold = fold_radius(lens)
    assert fold == pytest.approx(np.sqrt(1 / 0.9))
    uv, _ = camera.project([[fold * 1.01, 0, 1.0], [fold * 0.99, 0, 1.0]])
    assert np.isnan(uv[0]).all()
    assert np.isfinite(uv[1]).all()
    # negative control: without the guard that point would land inside the picture
    assert 0 < float(distort(np.array([[1.7, 0.0]]), lens)[0, 0]) * 80 + 50 < 100


def test_no_direction_reaches_a_pixel_outside_the_image_circle() -> None:
    lens = np.array([-0.3, 0.0, 0.0, 0.0, 0.0])
    camera = Camera("c", 100, 100, 80.0, 80.0, 50.0, 50.0, lens, Pose.identity())
    assert np.isnan(camera.rays([[50 + 80 * 0.8, 50.0]])).all()


def test_distortion_jacobian_is_the_derivative() -> None:
    xy = np.random.default_rng(2).uniform(-0.6, 0.6, (50, 2))
    lens, h = LENSES["barrel"], 1e-6
    analytic = distortion_jacobian(xy, lens)
    for axis in range(2):
        step = np.eye(2)[axis] * h
        numeric = (distort(xy + step, lens) - distort(xy - step, lens)) / (2 * h)
        assert np.allclose(analytic[:, :, axis], numeric, atol=1e-8)


def test_json_round_trip_is_exact() -> None:
    camera = a_camera()
    back = Camera.from_json(json.loads(json.dumps(camera.to_json())))
    assert back.to_json() == camera.to_json()
    assert np.array_equal(back.K, camera.K)


def test_impossible_cameras_are_refused() -> None:
    with pytest.raises(ValueError, match="intrinsics that no lens has"):
        Camera("c", 10, 10, -1.0, 1.0, 5.0, 5.0, np.zeros(5), Pose.identity())
    with pytest.raises(ValueError, match=r"needs distortion \(k1, k2, p1, p2, k3\)"):
        Camera("c", 10, 10, 1.0, 1.0, 5.0, 5.0, np.zeros(4), Pose.identity())
    with pytest.raises(ValueError, match="picture of 0 x 10"):
        Camera("c", 0, 10, 1.0, 1.0, 5.0, 5.0, np.zeros(5), Pose.identity())
    with pytest.raises(ValueError, match="camera json has no 'fy'"):
        Camera.from_json({k: v for k, v in a_camera().to_json().items() if k != "fy"})


def a_fisheye(pose: Pose | None = None) -> Camera:
    placed = pose or Pose.from_rotvec((0.3, -0.5, 0.2), (1.0, -2.0, 0.5))
    return Camera("cam00", 1280, 720, 523.5, 527.9, 618.3, 394.2, FISHEYE, placed, "fisheye")


def test_a_fisheye_projects_as_opencvs() -> None:
    camera = a_fisheye()
    points = camera.centre + camera.rays(pixels_of(camera)) * 2.5
    inverse = camera.world_from_camera.inverse()
    theirs, _ = cv2.fisheye.projectPoints(
        points[:, None], inverse.rotvec, inverse.translation, camera.K, camera.distortion
    )
    ours, depth = camera.project(points)
    assert np.abs(ours - theirs[:, 0]).max() < 1e-9
    assert (depth > 0).all()
    brown = Camera("c", 1280, 720, 523.5, 527.9, 618.3, 394.2, LENSES["none"], camera.world_from_camera)
    assert np.nanmax(np.abs(brown.project(points)[0] - ours)) > 50  # negative control: a pinhole is another lens


def test_rays_of_a_fisheye_invert_its_projection() -> None:
    camera = a_fisheye()
    pixels = np.vstack([pixels_of(camera), [camera.cx, camera.cy]])
    back, _ = camera.project(camera.centre + camera.rays(pixels) * 3.0)
    assert np.abs(back - pixels).max() < 1e-8


def test_a_fisheye_that_folds_back_has_no_pixel_beyond() -> None:
    lens = np.array([-0.3, 0.0, 0.0, 0.0])
    fold = fisheye_fold_angle(lens)
    assert fold == pytest.approx(np.sqrt(1 / 0.9))
    camera = Camera("c", 100, 100, 80.0, 80.0, 50.0, 50.0, lens, Pose.identity(), "fisheye")
    uv, _ = camera.project([[np.tan(fold * 1.01), 0, 1.0], [np.tan(fold * 0.99), 0, 1.0]])
    assert np.isnan(uv[0]).all()
    assert np.isfinite(uv[1]).all()
    assert np.isnan(camera.rays([[50 + 80 * 0.75, 50.0]])).all()


def test_json_keeps_the_model_and_old_json_is_browns() -> None:
    back = Camera.from_json(json.loads(json.dumps(a_fisheye().to_json())))
    assert back.to_json() == a_fisheye().to_json()
    assert back.model == "fisheye"
    old = {k: v for k, v in a_camera().to_json().items() if k != "model"}
    assert Camera.from_json(old).to_json() == a_camera().to_json()
    with pytest.raises(ValueError, match="lens model 'omni'; it must be one of"):
        Camera.from_json({**a_camera().to_json(), "model": "omni"})
    with pytest.raises(ValueError, match=r"needs distortion \(k1, k2, k3, k4\), got \(5,\)"):
        Camera.from_json({**a_camera().to_json(), "model": "fisheye"})
