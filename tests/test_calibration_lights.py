"""Lights of the simulated studio: directions by the mirror ball within a degree, near lamps in centimetres."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.colour.correction import WhiteSeen
from calibration.lights.ball import Rim, find_rim, place_ball
from calibration.lights.highlight import Highlight, find_highlight
from calibration.lights.lamp import Lamp, angle_deg, declared, solve_lamp
from calibration.lights.step import strength, which_light
from calibration.pose import Floats, Pose
from capture.decode.picture import Picture
from capture.images import decode_image, encode_jpeg
from capture.session import Light
from capture.stage.ball import StageBall, render_ball
from capture.stage.lens import StageCamera, StageLight
from capture.stage.render import render_empty
from capture.stage.rig import make_lights, make_rig

MIDDLE = np.array([0.0, 0.0, 1.42])
LIGHTS = make_lights(8)


def camera_of(camera: StageCamera) -> Camera:
    pose, lens = Pose.from_matrix(camera.pose), np.array(camera.distortion)
    size = (camera.width, camera.height)
    return Camera(camera.id, *size, camera.fx, camera.fy, camera.cx, camera.cy, lens, pose)


def photograph(ball: StageBall, camera: StageCamera, light: StageLight) -> Picture:
    return decode_image(encode_jpeg(render_ball(ball, camera, light)))


def measured(
    rig: tuple[StageCamera, ...],
    lights: dict[str, StageLight],
    ball: StageBall = StageBall(),  # noqa: B008 - frozen
) -> dict[str, list[Highlight]]:
    """The highlights of lights, by name, in every camera of a rig."""
    pictures = {(c.id, k): photograph(ball, c, x) for c in rig for k, x in lights.items()}
    rims = [r for (c, _), p in pictures.items() if (r := find_rim(p, camera_of(_named(rig, c)))) is not None]
    placed, _ = place_ball(rims, ball.diameter_m)
    assert np.linalg.norm(placed.centre - ball.centre) < max(0.002, 5 * placed.sigma_m)
    found: dict[str, list[Highlight]] = {}
    for (c, k), picture in pictures.items():
        highlight = find_highlight(picture, camera_of(_named(rig, c)), placed)
        if highlight is not None:
            found.setdefault(k, []).append(highlight)
    return found


def _named(rig: tuple[StageCamera, ...], name: str) -> StageCamera:
    return next(c for c in rig if c.id == name)


def errors_of(rig: tuple[StageCamera, ...]) -> dict[str, float]:
    found = measured(rig, {x.id: x for x in LIGHTS})
    assert sorted(found) == sorted(x.id for x in LIGHTS)
    lamps = {name: solve_lamp(name, highlights)[0] for name, highlights in found.items()}
    assert all(lamp.position is None for lamp in lamps.values())  # lights of the stage are at infinity
    return {x.id: angle_deg(lamps[x.id].direction, x.direction) for x in LIGHTS}


def test_eight_lights_are_within_a_degree() -> None:
    errors = errors_of(make_rig(12, seed=0, image_size=768)[::4])
    assert max(errors.values()) < 0.6, errors


def test_one_camera_is_enough_because_the_diameter_is_known() -> None:
    errors = errors_of(make_rig(4, seed=6, image_size=768)[:1])
    assert max(errors.values()) < 1.0, errors


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("cameras", "size"), [(12, 1024), (8, 768), (4, 768)])
def test_all_lights_of_ten_rigs_are_within_a_degree(cameras: int, size: int, seed: int) -> None:
    errors = errors_of(make_rig(cameras, seed=seed, image_size=size)[::4])
    assert max(errors.values()) < 1.0, errors


def near(position: Floats, ball: StageBall, camera: StageCamera) -> StageLight:
    """The light at infinity that shows in the ball where a lamp at a position would."""
    centre, toward = np.array(ball.centre), position - np.array(ball.centre)
    for _ in range(30):
        toward = toward / np.linalg.norm(toward)
        point = centre
        for _ in range(20):
            view = camera.position - point
            half = toward + view / np.linalg.norm(view)
            point = centre + ball.diameter_m / 2 * half / np.linalg.norm(half)
        toward = position - point
    x, y, z = toward / np.linalg.norm(toward)
    return StageLight("near", float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arcsin(z))))


PLACES = ((0.0, 0.0, 1.42), (0.25, 0.2, 1.2), (-0.2, 0.25, 1.6), (0.1, -0.3, 1.4))


def seen_near(distance_m: float, places: tuple[tuple[float, float, float], ...]) -> tuple[Lamp, Floats]:
    rig = make_rig(12, seed=1, image_size=768)[::4]
    position = MIDDLE + distance_m * StageLight("x", 50.0, 35.0).direction
    highlights = []
    for place in places:
        ball = StageBall(centre=place)
        pictures = {c.id: photograph(ball, c, near(position, ball, c)) for c in rig}
        rims = [r for c in rig if (r := find_rim(pictures[c.id], camera_of(c))) is not None]
        placed, _ = place_ball(rims, ball.diameter_m)
        highlights += [h for c in rig if (h := find_highlight(pictures[c.id], camera_of(c), placed)) is not None]
    return solve_lamp("near", highlights)[0], position


@pytest.mark.parametrize("distance_m", [1.5, 2.5])
def test_a_near_lamp_is_placed_from_four_places_of_the_ball(distance_m: float) -> None:
    lamp, position = seen_near(distance_m, PLACES)
    assert lamp.position is not None
    assert lamp.sigma_m is not None
    error = float(np.linalg.norm(lamp.position - position))
    assert error < 0.08
    assert error < 4 * lamp.sigma_m
    assert lamp.toward(np.array([[0.0, 0.3, 1.0]])) == pytest.approx(
        (position - (0.0, 0.3, 1.0))[None] / np.linalg.norm(position - (0.0, 0.3, 1.0)), abs=0.03
    )


def test_one_place_of_the_ball_gives_a_direction_and_claims_no_position() -> None:
    lamp, position = seen_near(2.0, PLACES[:1])
    assert lamp.position is None
    offset = position - MIDDLE
    assert angle_deg(lamp.direction, offset / np.linalg.norm(offset)) < 3.0  # as it differs over the ball


def test_a_camera_that_saw_another_lamp_is_left_out() -> None:
    rig = make_rig(16, seed=3, image_size=768)[:13:4]
    right, wrong = LIGHTS[0], LIGHTS[2]
    ball = StageBall()
    pictures = {c.id: photograph(ball, c, wrong if k == 0 else right) for k, c in enumerate(rig)}
    rims = [r for c in rig if (r := find_rim(pictures[c.id], camera_of(c))) is not None]
    placed, _ = place_ball(rims, ball.diameter_m)
    highlights = [h for c in rig if (h := find_highlight(pictures[c.id], camera_of(c), placed)) is not None]
    lamp, odd = solve_lamp("key", highlights)
    assert [h.camera for h in odd] == [rig[0].id]
    assert angle_deg(lamp.direction, right.direction) < 1.0


def test_an_empty_studio_has_no_ball() -> None:
    camera = make_rig(4, seed=0, image_size=512)[0]
    assert find_rim(render_empty("grey", camera, LIGHTS[0]), camera_of(camera)) is None
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.uint8)
    assert find_rim(noise, camera_of(camera)) is None


def test_a_ball_without_a_lamp_in_it_has_no_highlight() -> None:
    camera = make_rig(4, seed=0, image_size=512)[0]
    picture = photograph(StageBall(), camera, LIGHTS[3])
    rim = find_rim(picture, camera_of(camera))
    assert rim is not None
    placed, _ = place_ball([rim], 0.15)
    dull = np.minimum(picture, 120).astype(np.uint8)
    assert find_highlight(dull, camera_of(camera), placed) is None
    assert find_highlight(picture, camera_of(camera), placed) is not None


def test_a_rim_that_is_elsewhere_does_not_move_the_ball() -> None:
    rig = make_rig(12, seed=2, image_size=512)[::4]
    rims = [find_rim(photograph(StageBall(), c, LIGHTS[0]), camera_of(c)) for c in rig]
    good = [r for r in rims if r is not None]
    other = find_rim(photograph(StageBall(centre=(0.1, 0.2, 1.3)), rig[0], LIGHTS[0]), camera_of(rig[0]))
    assert other is not None
    placed, used = place_ball([*good, other], 0.15)
    assert other not in used
    assert np.linalg.norm(placed.centre - MIDDLE) < 0.002
    with pytest.raises(ValueError, match="ball cannot be placed without a rim"):
        place_ball([], 0.15)
    with pytest.raises(ValueError, match="light 'key' has no highlight"):
        solve_lamp("key", [])


def lamp_at(light: StageLight) -> Lamp:
    return Lamp(light.id, light.direction, 0.1, None, None, ("cam01",))


def test_the_light_that_was_lit_is_named() -> None:
    lights = [Light(id=x.id, azimuth_deg=x.azimuth_deg, elevation_deg=x.elevation_deg) for x in LIGHTS]
    for light in LIGHTS:
        name, gap = which_light(lamp_at(light), lights)
        assert name == light.id
        assert gap < 0.01
    assert declared(lights[0]) == pytest.approx(LIGHTS[0].direction)


def test_strength_comes_from_white_surfaces_at_several_tilts() -> None:
    light = LIGHTS[1]
    normals = [c.position - MIDDLE for c in make_rig(12, seed=0, image_size=64)]
    whites = []
    for normal in normals:
        facing = normal / np.linalg.norm(normal)
        level = light.ambient + light.intensity * max(float(facing @ light.direction), 0.0)
        whites.append(WhiteSeen("chart", light.id, facing, level * np.ones(3)))
    assert strength(lamp_at(light), whites) == pytest.approx((light.intensity, light.ambient), rel=1e-6)
    assert strength(lamp_at(light), whites[:2]) is None
    assert strength(lamp_at(light), [whites[0]] * 5) is None  # one tilt cannot part beam and ambient light


def test_lamps_are_written_and_read_back() -> None:
    lamp = Lamp("key", LIGHTS[0].direction, 0.2, np.array([1.0, 2.0, 2.5]), 0.03, ("a", "b"))
    powered = lamp.with_power(np.array([1.0, 0.9, 0.8]) * 3, 0.7, 0.2, "chart")
    for one in (lamp, powered):
        assert Lamp.from_json(one.to_json()).to_json() == one.to_json()
    assert powered.colour == pytest.approx([1.0, 0.9, 0.8])
    assert (lamp.azimuth_deg, lamp.elevation_deg) == pytest.approx((50.0, 35.0))


def test_a_rim_knows_its_size() -> None:
    camera = make_rig(4, seed=0, image_size=768)[0]
    rim = find_rim(photograph(StageBall(), camera, LIGHTS[0]), camera_of(camera))
    assert isinstance(rim, Rim)
    distance = float(np.linalg.norm(camera.position - MIDDLE))
    assert rim.radius_px == pytest.approx(camera.fx * 0.075 / distance, rel=0.02)
    assert rim.share > 0.7
