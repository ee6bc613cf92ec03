"""The control image against an exact body: one place has one colour from everywhere; and the crops of marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.camera import Camera
from training.dataset.body_map import BodyField, body_field
from training.dataset.census import Census
from training.dataset.crops import MarkPlace, wanted_crops
from training.dataset.framing import BUST, CLOSE_UP, Framing, crop_camera

F64 = NDArray[np.float64]
MIDDLE, AXES = np.array([0.05, -0.03, 1.40]), np.array([0.12, 0.16, 0.30])
CROWN = MIDDLE + (0, 0, AXES[2])


def ring(azimuth_deg: float, pixels: int = 320, framing: Framing = BUST) -> Camera:
    a = np.radians(azimuth_deg)
    centre = MIDDLE + 2.4 * np.array([np.cos(a), np.sin(a), 0.12])
    return crop_camera(f"cam{azimuth_deg:.0f}", centre, MIDDLE, framing, pixels)


def meet(camera: Camera) -> tuple[F64, NDArray[np.bool_]]:
    """Where the pixels of a camera meet the ellipsoid (H, W, 3), and whether they do."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1).astype(float))
    a, b = rays / AXES, (camera.centre - MIDDLE) / AXES
    aa, ab, bb = (a * a).sum(1), a @ b, float(b @ b) - 1
    root = ab**2 - aa * bb
    hit = root > 0
    along = (-ab - np.sqrt(np.maximum(root, 0))) / aa
    return (camera.centre + rays * along[:, None]).reshape(*u.shape, 3), hit.reshape(u.shape)


@pytest.fixture(scope="module")
def field() -> BodyField:
    cameras = [ring(a, 480, Framing("whole", 0.9)) for a in np.arange(0, 360, 30.0)]
    return body_field(cameras, {c.id: meet(c)[1] for c in cameras}, crown=CROWN, facing_deg=20.0)


@pytest.mark.parametrize("azimuth", [15.0, 100.0, -77.0])
def test_a_view_that_no_camera_had_shows_where_on_her_each_pixel_lies(field: BodyField, azimuth: float) -> None:
    camera = ring(azimuth, 128)
    points, hit = meet(camera)
    drawn = field.draw(camera)
    seen = drawn.any(axis=-1)
    assert (seen & hit).sum() / (seen | hit).sum() > 0.97
    both = seen & hit
    exact = field.colours(points[both]).astype(int)
    off = np.abs(drawn[both].astype(int) - exact).max(axis=1)
    assert np.median(off) <= 5  # where the wave is steepest a millimetre is 5 levels
    assert np.quantile(off, 0.95) <= 20
    # Negative control: the colours of a place two centimetres away are far off.
    assert np.median(np.abs(field.colours(points[both] + (0, 0.02, 0)).astype(int) - exact).max(axis=1)) > 25


def test_colours_turn_with_her_and_not_with_the_studio(field: BodyField) -> None:
    turned = BodyField(field.inside, field.low, field.crown, facing_deg=field.facing_deg + 90)
    place = MIDDLE + AXES * (0.6, 0.5, 0.2)
    offset = place - CROWN
    moved = CROWN + np.array([-offset[1], offset[0], offset[2]])
    assert np.array_equal(turned.colours(moved[None]), field.colours(place[None]))
    assert not np.array_equal(turned.colours(place[None]), field.colours(place[None]))


def test_a_field_is_read_as_it_was_written(field: BodyField, tmp_path: Path) -> None:
    field.save(tmp_path / "take1.safetensors")
    again = BodyField.load(tmp_path / "take1.safetensors")
    camera = ring(40, 96)
    first, second = field.draw(camera).astype(int), again.draw(camera).astype(int)
    both = first.any(axis=-1) & second.any(axis=-1)
    assert both.sum() > 0.98 * first.any(axis=-1).sum()
    assert np.quantile(np.abs(first - second)[both], 0.999) <= 6  # but for grazing rays
    assert (again.facing_deg, again.crown.tolist()) == (field.facing_deg, field.crown.tolist())


def test_one_outline_makes_no_body() -> None:
    with pytest.raises(ValueError, match="two cameras or more, got 1"):
        body_field([ring(0)], {"cam0": meet(ring(0))[1]}, crown=CROWN, facing_deg=0)


def test_a_mark_that_is_too_small_gets_a_crop_of_its_own() -> None:
    source = ring(0, 1024)
    front = MarkPlace("m1", MIDDLE + (AXES[0], 0, 0), np.array([1.0, 0, 0]), 0.006)
    behind = MarkPlace("m2", MIDDLE - (AXES[0], 0, 0), np.array([-1.0, 0, 0]), 0.006)
    large = MarkPlace("m3", MIDDLE + (AXES[0], 0, 0.05), np.array([1.0, 0, 0]), 0.040)
    crops = list(wanted_crops(source, CROWN, [front, behind, large], pixels=128, close_ups=True))
    assert [c.label for c in crops] == [BUST.name, "face", "m1"]
    own = crops[2]
    (u, v), depth = (part[0] for part in own.camera.project(front.position[None]))
    assert (u, v) == pytest.approx((63.5, 63.5), abs=1e-6)
    assert own.framing.name == CLOSE_UP.name
    # Eight pixels across it, or as many as the photograph has.
    assert own.camera.fx * front.diameter_m / depth == pytest.approx(6.4, abs=0.1)
    assert own.framing.side_m == pytest.approx(0.12)
    coarse = list(wanted_crops(ring(0, 256), CROWN, [front], pixels=128, close_ups=True))[2]
    assert coarse.framing.side_m > 0.20  # a coarser photograph is not blown up
    assert [c.label for c in wanted_crops(source, CROWN, [front], pixels=128, close_ups=False)] == [BUST.name]


def test_a_census_that_does_not_balance_is_refused() -> None:
    census = Census(offered=3)
    census.used["train"] += 1
    census.leave_out("stills/take1/key/cam1", "it is missing")
    with pytest.raises(RuntimeError, match="3 frames came in, 2 are accounted for"):
        census.to_json()
    census.used["test"] += 1
    assert census.to_json()["left_out"] == [{"frame": "stills/take1/key/cam1", "reason": "it is missing"}]
    assert census.issues[0].code == "FRAME_NOT_USED"
