"""Triangulation: truth recovered within what the noise allows, wrong views left out, nothing said without two views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.motion.triangulate import reprojected, triangulate
from calibration.pose import Pose
from capture.stage.keypoints import stand_back
from capture.stage.lens import StageCamera
from capture.stage.rig import make_rig

NOISE_PX = 2.0


def camera_of(c: StageCamera) -> Camera:
    pose = Pose.from_matrix(c.pose)
    return Camera(c.id, c.width, c.height, c.fx, c.fy, c.cx, c.cy, np.array(c.distortion), pose)


CAMERAS = tuple(camera_of(c) for c in stand_back(make_rig(5, seed=3, image_size=1024)))


def points(seed: int = 0) -> np.ndarray:
    """(40, 6, 3) places in the room of one person."""
    return np.random.default_rng(seed).uniform((-0.5, -0.5, 0.0), (0.5, 0.5, 1.8), (40, 6, 3))


def seen(truth: np.ndarray, noise_px: float = NOISE_PX, cameras: tuple[Camera, ...] = CAMERAS) -> np.ndarray:
    uv = reprojected(cameras, truth)
    return uv + np.random.default_rng(7).normal(0, noise_px, uv.shape)


def off_mm(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth, axis=-1).mean() * 1e3)


def test_points_without_noise_come_back_exactly() -> None:
    truth = points()
    uv = seen(truth, 0.0)
    found = triangulate(CAMERAS, uv, np.ones(uv.shape[:3]))
    assert off_mm(found.places, truth) < 1e-3
    assert found.residual_px.max() < 1e-3
    assert (found.views == 5).all()
    assert not found.left_out.any()


def test_noise_comes_out_as_large_as_it_must() -> None:
    truth = points()
    uv = seen(truth)
    found = triangulate(CAMERAS, uv, np.ones(uv.shape[:3]))
    # 2.4 m over 1024 px: 2 px are 4.7 mm. Five views halve it at best, and the mean of three axes is 1.6 of one.
    assert 2.5 < off_mm(found.places, truth) < 6
    # 10 residuals for 3 unknowns, two residuals a view.
    assert np.sqrt((found.residual_px**2).mean()) == pytest.approx(NOISE_PX * np.sqrt(2 * 7 / 10), rel=0.08)


def test_distortion_is_taken_out() -> None:
    truth, barrel = points(), np.array([-0.3, 0.1, 0.001, -0.001, 0.0])
    bent = tuple(replace(c, distortion=barrel) for c in CAMERAS)
    uv = seen(truth, 0.0, bent)
    assert off_mm(triangulate(bent, uv, np.ones(uv.shape[:3])).places, truth) < 1e-3
    straight = tuple(replace(c, distortion=np.zeros(5)) for c in CAMERAS)
    assert off_mm(triangulate(straight, uv, np.ones(uv.shape[:3])).places, truth) > 1


def test_one_wrong_view_is_left_out_and_named() -> None:
    truth = points()
    uv = seen(truth)
    wrong = np.random.default_rng(1).integers(0, 5, truth.shape[:2])
    for c in range(5):
        uv[c][wrong == c] += (90.0, -60.0)
    found = triangulate(CAMERAS, uv, np.ones(uv.shape[:3]))
    assert off_mm(found.places, truth) < 7
    named = found.left_out.argmax(axis=0)
    assert (named == wrong).mean() > 0.97
    assert (found.left_out.sum(axis=0) == 1).mean() > 0.97
    # With a limit that lets everything pass the wrong views pull.
    assert off_mm(triangulate(CAMERAS, uv, np.ones(uv.shape[:3]), limit_px=1e4).places, truth) > 30


def test_two_wrong_views_of_five_are_left_out() -> None:
    truth = points()
    uv = seen(truth)
    uv[1] += (120.0, 40.0)
    uv[3] += (-30.0, 150.0)
    found = triangulate(CAMERAS, uv, np.ones(uv.shape[:3]))
    assert (found.left_out[[1, 3]].mean(axis=(1, 2)) > 0.95).all()
    assert off_mm(found.places, truth) < 9


def test_two_views_that_disagree_say_nothing() -> None:
    truth = points()
    uv, confidence = seen(truth), np.ones((5, *truth.shape[:2]))
    confidence[2:] = 0.0
    assert np.isfinite(triangulate(CAMERAS, uv, confidence).places).all()
    uv[1, ..., 1] += 100.0
    found = triangulate(CAMERAS, uv, confidence)
    assert np.isnan(found.places).mean() > 0.95
    assert (found.views[np.isnan(found.places[..., 0])] == 0).all()


def test_one_view_or_none_says_nothing() -> None:
    truth = points()
    uv, confidence = seen(truth), np.zeros((5, *truth.shape[:2]))
    confidence[0, :, :3] = 1.0
    uv[1:] = np.nan
    found = triangulate(CAMERAS, uv, confidence)
    assert np.isnan(found.places).all()
    assert np.isnan(found.residual_px).all()
    assert not found.views.any()


def test_a_view_that_is_hardly_trusted_hardly_counts() -> None:
    truth = points()
    uv, confidence = seen(truth), np.ones((5, *truth.shape[:2]))
    uv[2] += (6.0, 0.0)
    alike = off_mm(triangulate(CAMERAS, uv, confidence).places, truth)
    confidence[2] = 0.05
    assert off_mm(triangulate(CAMERAS, uv, confidence).places, truth) < alike - 0.5


def test_numbers_of_a_hostile_file_do_no_harm() -> None:
    truth = points()
    uv = seen(truth)
    uv[0, 0], uv[1, 1], uv[2, 2] = np.inf, 1e5, np.nan
    found = triangulate(CAMERAS, uv, np.ones(uv.shape[:3]))
    assert off_mm(found.places[:3], truth[:3]) < 9


def test_cameras_in_one_place_say_nothing() -> None:
    truth = points()
    twins = (CAMERAS[0], CAMERAS[0])
    uv = reprojected(twins, truth)
    assert np.isnan(triangulate(twins, uv, np.ones(uv.shape[:3])).places).all()


def test_misuse_is_refused() -> None:
    uv = np.zeros((4, 2, 3, 2))
    with pytest.raises(ValueError, match="5 cameras need \\(C, T, J, 2\\)"):
        triangulate(CAMERAS, uv, np.ones(uv.shape[:3]))
    with pytest.raises(ValueError, match="needs two views and a limit, found 1"):
        triangulate(CAMERAS[:4], uv, np.ones(uv.shape[:3]), least_views=1)
