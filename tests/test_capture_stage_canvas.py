"""The painted canvas: one place has one paint from wherever it is seen, and paper stays as even as it was."""

from __future__ import annotations

import numpy as np
import pytest

from capture.stage.backdrop import BACKDROP_NAMES, BACKDROPS, background, surroundings
from capture.stage.canvas import CANVASES, Canvas, mottle
from capture.stage.lens import StageCamera, StageLight, image_points, look_at, pixel_rays, pose_tuple
from capture.stage.rig import make_lights, make_rig

LIGHT = make_lights(1)[0]
EVEN = StageLight("even", 0.0, 90.0, intensity=1e-9, ambient=0.5)


def looking(position: tuple[float, float, float], target: tuple[float, float, float]) -> StageCamera:
    pose = look_at(np.array(position), np.array(target))
    return StageCamera("a", 160, 120, 150.0, 150.0, 79.5, 59.5, world_from_camera=pose_tuple(pose))


def test_a_place_has_one_paint_from_two_cameras() -> None:
    left, right = looking((2.0, 0.6, 1.4), (-4.0, 0.5, 1.5)), looking((1.2, -1.5, 1.6), (-4.0, 0.5, 1.5))
    origin, ray = left.position, pixel_rays(left, (80, 60, 81, 61))[0, 0].astype(np.float64)
    # The wall is a cylinder of 4.5 m around the middle of the floor.
    square, across = float(ray[:2] @ ray[:2]), float(ray[:2] @ origin[:2])
    along = (-across + np.sqrt(across**2 - square * (float(origin[:2] @ origin[:2]) - 4.5**2))) / square
    place = origin + along * ray
    column, row = image_points(right, place[None])[0][0]
    paints = [background("canvas", c, EVEN) / background("grey", c, EVEN) for c in (left, right)]
    r, c = int(row), int(column)
    share = np.array([[row - r], [1 - (row - r)]])[::-1] * np.array([[1 - (column - c), column - c]])
    seen = (paints[1][r : r + 2, c : c + 2] * share[..., None]).sum(axis=(0, 1))
    np.testing.assert_allclose(seen, paints[0][60, 80], rtol=0.01)


def test_the_paint_has_blotches_and_hardly_any_hue() -> None:
    for camera in make_rig(4, seed=3, image_size=96):
        paint = np.log(background("canvas", camera, EVEN) / background("grey", camera, EVEN))
        assert 0.06 < paint.mean(axis=2).std() < 0.3
        assert np.abs((paint[..., 0] - paint[..., 2]) - np.median(paint[..., 0] - paint[..., 2])).max() < 0.15


def test_the_seed_is_the_painter_and_the_mean_is_kept() -> None:
    points = np.random.default_rng(0).uniform(-4, 4, (64, 64, 3)).astype(np.float32)
    one = mottle(CANVASES["canvas"], points)
    assert np.array_equal(one, mottle(CANVASES["canvas"], points))
    assert not np.allclose(one, mottle(Canvas((0.3, 0.3, 0.3), 8), points), rtol=0.05)
    np.testing.assert_allclose(one.mean(axis=(0, 1)), 1.0, atol=0.05)


def test_a_mirror_shows_the_same_canvas_and_a_box_is_cut_from_the_picture() -> None:
    camera = make_rig(3, seed=1, image_size=64)[0]
    rays = pixel_rays(camera, (0, 0, 64, 64))
    origin = np.broadcast_to(camera.position.astype(np.float32), rays.shape)
    whole = background("canvas", camera, LIGHT)
    np.testing.assert_allclose(surroundings("canvas", origin, rays, LIGHT), whole, rtol=1e-3)
    assert np.array_equal(background("canvas", camera, LIGHT, (5, 9, 40, 30)), whole[9:30, 5:40])


@pytest.mark.parametrize("paper", sorted(BACKDROPS))
def test_paper_is_even_from_everywhere(paper: str) -> None:
    camera = make_rig(3, seed=1, image_size=64)[0]
    picture = background(paper, camera, LIGHT)
    ratio = picture / background("grey", camera, LIGHT)
    assert np.ptp(ratio, axis=(0, 1)).max() < 1e-5 * ratio.max()


def test_the_base_was_trained_before_paper_alone() -> None:
    assert sorted(BACKDROPS) == ["black", "blue", "green", "grey", "warm", "white"]
    assert set(BACKDROP_NAMES) == {*BACKDROPS, "canvas"}
