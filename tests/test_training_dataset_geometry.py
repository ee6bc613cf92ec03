"""Crops, conditions and the visual hull against exact geometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.pose import Pose
from capture.session import Light
from training.dataset.conditions import VIEW_LIGHT_SIZE, Lighting, View, caption, features, lighting_of, view_of
from training.dataset.framing import BUST, coverage, crop_camera, crop_map, cut, look_at
from training.dataset.hull import crown

AIM = np.array([0.1, -0.05, 1.4])


def rolled_camera(azimuth_deg: float, *, name: str = "cam", distance: float = 2.4) -> Camera:
    """A distorted camera on a ring, rolled by 8 degrees and not quite aimed at the point."""
    a = np.radians(azimuth_deg)
    centre = AIM + distance * np.array([np.cos(a), np.sin(a), 0.15])
    pose = look_at(centre, AIM + (0.02, -0.01, 0.03))
    roll = Pose.from_rotvec((0, 0, np.radians(8)), (0, 0, 0))
    return Camera(name, 640, 640, 900, 905, 322, 315, np.array([-0.12, 0.03, 0.001, -0.0005, 0]), pose @ roll)


def dot_picture(camera: Camera, p_world: NDArray[np.float64]) -> NDArray[np.uint8]:
    (u, v), _ = (part[0] for part in camera.project(p_world[None]))
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    blob = 255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 6.0**2))
    return np.repeat(blob[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("azimuth", [0.0, 77.0, -160.0])
def test_a_point_lands_where_the_crop_camera_says(azimuth: float) -> None:
    source, point = rolled_camera(azimuth), AIM + np.array([0.05, 0.04, 0.1])
    crop = crop_camera("crop", source.centre, AIM, BUST, 80)
    picture = cut(dot_picture(source, point), crop_map(source, crop), 80)[..., 0].astype(float)
    expected, _ = crop.project(point[None])
    weights = picture / picture.sum()
    found = [(weights.sum(axis=0) * np.arange(80)).sum(), (weights.sum(axis=1) * np.arange(80)).sum()]
    assert found == pytest.approx(expected[0].tolist(), abs=0.1)
    # Negative control: with the roll of the camera forgotten the same crop is off by far more than that.
    unrolled = source.placed(look_at(source.centre, AIM + (0.02, -0.01, 0.03)))
    off = cut(dot_picture(source, point), crop_map(unrolled, crop), 80)[..., 0].astype(float)
    assert abs((off.sum(axis=1) / off.sum() * np.arange(80)).sum() - expected[0, 1]) > 0.3


def test_a_crop_shows_the_metres_of_its_framing() -> None:
    source = rolled_camera(30)
    crop = crop_camera("crop", source.centre, AIM, BUST, 80)
    side = crop.world_from_camera.rotation[:, 0] * BUST.side_m / 2
    uv, _ = crop.project(np.stack([AIM, AIM - side, AIM + side]))
    assert uv[:, 0] == pytest.approx([39.5, -0.5, 79.5], abs=1e-6)
    assert crop.world_from_camera.rotation[2, 0] == pytest.approx(0, abs=1e-12)  # upright


def test_coverage_counts_what_the_photograph_shows() -> None:
    source = rolled_camera(0)
    crop = crop_camera("crop", source.centre, AIM, BUST, 80)
    assert coverage(crop_map(source, crop), 640, 640) == 1.0
    aside = crop_camera("crop", source.centre, AIM + (0, 0.9, 0), BUST, 80)
    assert coverage(crop_map(source, aside), 640, 640) < 0.6


def test_straight_down_has_no_upright_picture() -> None:
    with pytest.raises(ValueError, match="straight up or down"):
        look_at(np.array([0, 0, 3.0]), np.array([0, 0, 1.0]))


def test_view_and_light_turn_with_her() -> None:
    view = view_of(AIM + (0, 2, 0), AIM, facing_deg=90)
    assert (view.azimuth_deg, view.elevation_deg, view.distance_m) == pytest.approx((0, 0, 2))
    assert view_of(AIM + (0, 2, 0), AIM, facing_deg=0).azimuth_deg == pytest.approx(90)
    light = Light(id="key", azimuth_deg=-170, elevation_deg=30)
    assert lighting_of(light, 20).azimuth_deg == pytest.approx(170)


def test_features_are_continuous_where_angles_wrap() -> None:
    light = Lighting(0, 30, (1, 1, 1), 1, 0.2)
    near = [features(View(a, 5, 2.5), light) for a in (179.9, -179.9)]
    far = features(View(150, 5, 2.5), light)
    assert near[0].shape == (VIEW_LIGHT_SIZE,)
    assert np.abs(near[0] - near[1]).max() < 0.05 < np.abs(near[0] - far).max()


def test_captions_say_what_varies_and_nothing_permanent() -> None:
    text = caption(
        View(88, 25, 2.5), Lighting(-91, 30, (1, 1, 1), 1, 0.2), trigger="sks", framing="head and shoulders",
        outfit="red", backdrop="grey",
    )  # fmt: skip
    assert text == (
        "photo of sks person, head and shoulders, left profile view high, hard light from right profile, "
        "red outfit, grey backdrop"
    )
    assert not {"mole", "mark", "birthmark", "scar"} & set(text.split())


def mask_of_ellipsoid(
    camera: Camera, middle: NDArray[np.float64], axes: tuple[float, float, float]
) -> NDArray[np.bool_]:
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(20000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    uv, _ = camera.project(middle + sphere * axes)
    hull = cv2.convexHull(uv[np.isfinite(uv).all(axis=1)].astype(np.float32))
    mask = np.zeros((camera.height, camera.width), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 1)
    return mask.astype(bool)


def test_crown_is_the_top_of_the_hull() -> None:
    cameras = [rolled_camera(a, name=f"cam{a}") for a in range(0, 360, 45)]
    middle, axes = AIM, (0.12, 0.15, 0.32)
    masks = {c.id: mask_of_ellipsoid(c, middle, axes) for c in cameras}
    top = crown(cameras, masks)
    assert top is not None
    assert top == pytest.approx([*middle[:2], middle[2] + axes[2]], abs=0.02)
    assert crown(cameras, {k: np.zeros_like(v) for k, v in masks.items()}) is None
    assert crown(cameras[:1], {cameras[0].id: masks[cameras[0].id]}) is None
    one_wrong = {**masks, "cam90": np.zeros_like(masks["cam90"])}
    assert crown(cameras, one_wrong) == pytest.approx(top, abs=0.03)
    three_wrong = {k: np.zeros_like(m) if k in ("cam0", "cam90", "cam180") else m for k, m in masks.items()}
    assert crown(cameras, three_wrong) is None
