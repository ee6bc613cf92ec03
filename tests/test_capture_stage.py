"""The simulated studio: its people, its optics and its boards agree with the numbers it states."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from capture.stage.board import StageBoard, board_poses, board_visible, corner_pixels, render_board
from capture.stage.lens import StageCamera, StageLight, image_points, look_at, pixel_rays, pose_tuple
from capture.stage.person import LARGE_MARK_M, Person, StageMark, make_person, marks_visible_zone
from capture.stage.render import render, render_depth, render_empty, render_linear, render_mask
from capture.stage.rig import make_lights, make_rig
from capture.stage.scene import Limb, Scene, Stance
from capture.stage.shading import floor_shadow, shadow_map
from capture.stage.tone import decode_table, encode_srgb, lab_from_linear, linear_from_lab, linear_from_srgb
from capture.stage.truth import observe
from capture.stage.walk import walk_stance

LIGHT = StageLight("key", 40.0, 35.0)
# Shading across a large mark shifts the centroid of its contrast by up to 1.5 px; even light does not.
EVEN = StageLight("even", 40.0, 35.0, intensity=0.01, ambient=0.8)
SEEDS = (3, 11, 42)


def facing_camera(target: np.ndarray, toward: np.ndarray, *, size: int = 384, distorted: bool = True) -> StageCamera:
    """A camera 2.4 m from a point, seen along `toward`, 2.6 px to a millimetre at 1024 px."""
    away = toward * [1.0, 1.0, 0.4]
    position = target + 2.4 * away / np.linalg.norm(away)
    focal = size * 2.4 / 0.36
    distortion = (-0.9, 4.0, 0.001, -0.001, 0.0) if distorted else (0.0,) * 5
    pose = pose_tuple(look_at(position, target + [0.0, 0.03, 0.02], 3.0))
    return StageCamera("c", size, size, focal, focal * 1.003, size / 2 - 6, size / 2 + 4, distortion, pose)


def centroid_of_change(scene: Scene, without: Scene, camera: StageCamera) -> tuple[np.ndarray, float]:
    """Centre (2,) of what changes when a mark is taken away, and the sum of the change."""
    with_mark = render_linear(scene, camera, EVEN, shadow=False)
    change = np.abs(with_mark - render_linear(without, camera, EVEN, shadow=False)).sum(axis=2)
    y, x = np.mgrid[: camera.height, : camera.width]
    weight = float(change.sum())
    if weight == 0:
        return np.zeros(2), 0.0
    return np.array([(change * x).sum(), (change * y).sum()]) / weight, weight


def spread_out(person: Person) -> tuple[list[StageMark], np.ndarray]:
    marks = list(marks_visible_zone(person))
    positions = np.array([mark.position for mark in marks])
    gaps = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return marks, gaps[~np.eye(len(marks), dtype=bool)]


@pytest.mark.parametrize("seed", range(12))
def test_every_person_has_large_contrasting_marks_on_all_sides_of_her_bust(seed: int) -> None:
    person = make_person(seed)
    marks, gaps = spread_out(person)
    assert len(marks) >= 5
    assert 6 <= len(person.marks) <= 20
    assert gaps.min() > 0.04
    assert all(LARGE_MARK_M <= mark.diameter_m <= 0.05 for mark in marks)
    contrast = [person.skin_lab[0] - lab_from_linear(np.array(mark.colour))[0] for mark in marks]
    assert min(contrast) >= 12
    turn = np.degrees(np.arctan2([mark.normal[1] for mark in marks], [mark.normal[0] for mark in marks]))
    assert {round(float(t) / 90) % 4 for t in turn} == {0, 1, 2, 3}


def test_people_differ_and_repeat() -> None:
    assert make_person(5) is make_person(5)
    make_person.cache_clear()
    again = make_person(5)
    assert again == make_person(5)
    assert make_person(6) != again
    lightness = [make_person(seed).skin_lab[0] for seed in range(12)]
    assert max(lightness) - min(lightness) > 20


def test_lab_and_linear_are_inverse() -> None:
    lab = np.array([[20.0, 5, 8], [60.0, 12, 20], [90.0, 0, 2]])
    np.testing.assert_allclose(lab_from_linear(linear_from_lab(lab)), lab, atol=1e-6)


def test_the_same_picture_comes_twice_bit_for_bit() -> None:
    camera = make_rig(3, seed=1, image_size=160)[0]
    pictures = []
    for _ in range(2):
        make_person.cache_clear()
        scene = Scene(make_person(4), Stance(facing_deg=17, arm_left=Limb(raise_=20)), "red", "blue")
        pictures.append(render(scene, camera, LIGHT))
    assert np.array_equal(pictures[0], pictures[1])
    other = render(Scene(make_person(4), Stance(facing_deg=18), "red", "blue"), camera, LIGHT)
    assert not np.array_equal(pictures[0], other)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_mark_lies_where_the_truth_says(seed: int) -> None:
    person = make_person(seed)
    stance = Stance(facing_deg=20, arm_left=Limb(swing=10, raise_=8, bend=15), head_turn_deg=5)
    scene = Scene(person, stance)
    errors = []
    for mark in marks_visible_zone(person)[:2]:
        position, normal = scene.mark_positions_world()[mark.id]
        camera = facing_camera(position, normal)
        seen = observe(scene, camera)[mark.id]
        assert isinstance(seen, dict)
        if not seen["visible"]:
            continue
        found, weight = centroid_of_change(scene, Scene(person.without_mark(mark.id), stance), camera)
        assert weight > 0
        expected = image_points(camera, position[None])[0][0]
        errors.append(float(np.linalg.norm(found - expected)))
    assert errors
    assert max(errors) < 0.7, errors


def test_the_mark_check_sees_a_mark_that_is_elsewhere() -> None:
    person = make_person(SEEDS[0])
    mark = marks_visible_zone(person)[0]
    scene = Scene(person, Stance())
    position, normal = scene.mark_positions_world()[mark.id]
    camera = facing_camera(position, normal)
    # Taking another mark away changes nothing here, and a shifted truth is noticed.
    without = Scene(person.without_mark(mark.id), Stance())
    found, _ = centroid_of_change(scene, without, camera)
    shifted = image_points(camera, (position + [0.0, 0.0, 0.002])[None])[0][0]
    assert np.linalg.norm(found - shifted) > 0.7


def test_marks_follow_the_pose_and_face_away_when_she_turns_round() -> None:
    person = make_person(SEEDS[1])
    camera = make_rig(3, seed=1, image_size=256)[0]
    front, back = Scene(person, Stance()), Scene(person, Stance(facing_deg=180))
    for mark in marks_visible_zone(person):
        here, there = front.mark_positions_world()[mark.id], back.mark_positions_world()[mark.id]
        np.testing.assert_allclose(there[0], here[0] * [-1, -1, 1], atol=1e-9)
        assert np.linalg.norm(here[1]) == pytest.approx(1)
    seen_front, seen_back = observe(front, camera), observe(back, camera)
    both = [
        name
        for name in seen_front
        if seen_front[name]["visible"] and seen_back[name]["visible"]  # type: ignore[index,call-overload]
    ]
    assert len(both) <= 1


def test_projection_agrees_with_opencv_and_rays_invert_it() -> None:
    camera = make_rig(4, seed=2, image_size=300)[1]
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.3, 0.3, (50, 3)) + [0, 0, 1.42]
    pixels, depth = image_points(camera, points)
    inverse = np.linalg.inv(camera.pose)
    turn = cv2.Rodrigues(inverse[:3, :3])[0]
    expected = cv2.projectPoints(points, turn, inverse[:3, 3], camera.matrix, np.array(camera.distortion))[0][:, 0]
    np.testing.assert_allclose(pixels, expected, atol=1e-8)
    rays = pixel_rays(camera, (40, 60, 80, 90), 2)
    along = camera.position + 2.0 * rays.reshape(-1, 3)
    back = image_points(camera, along.astype(np.float64))[0].reshape(60, 80, 2)
    np.testing.assert_allclose(back[0, 0], [39.75, 59.75], atol=2e-3)
    np.testing.assert_allclose(back[-1, -1], [79.25, 89.25], atol=2e-3)
    assert np.ptp(depth) > 0.1


def test_the_mask_is_where_the_picture_differs_from_the_plate() -> None:
    camera = make_rig(6, seed=2, image_size=256)[0]
    light = make_lights(1)[0]
    scene = Scene(make_person(2), Stance(), "red")
    # Without a shadow nothing but the person may differ; at her edge a pixel is partly covered.
    differs = np.abs(render(scene, camera, light, shadow=False).astype(int) - render_empty("grey", camera, light)).max(
        axis=2
    )
    mask = render_mask(scene, camera)
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0
    assert not (differs[~grown] > 0).any()
    assert (differs[mask] > 4).mean() > 0.9
    assert 0.1 < mask.mean() < 0.6


def test_she_casts_a_shadow_and_the_light_side_is_brighter() -> None:
    scene = Scene(make_person(2), Stance(), "white")
    pose = pose_tuple(look_at(np.array([3.4, 0.0, 2.2]), np.array([0.0, 0.0, 0.7])))
    camera = StageCamera("c", 256, 256, 350.0, 350.0, 127.5, 127.5, world_from_camera=pose)
    left = StageLight("left", 80.0, 45.0)
    lit, unshadowed = (render_linear(scene, camera, left, shadow=s).mean(axis=2) for s in (True, False))
    outside = ~(cv2.dilate(render_mask(scene, camera).astype(np.uint8), np.ones((5, 5))) > 0)
    darker = outside & (lit < 0.8 * unshadowed)
    assert darker.sum() > 100
    columns = np.nonzero(darker)[1]
    # The camera looks along -x: world +y, where the light is, lies to the right, so the shadow falls to the left.
    assert columns.mean() < np.nonzero(render_mask(scene, camera))[1].mean()


def test_two_samples_at_edges_are_as_good_as_two_everywhere() -> None:
    camera = make_rig(6, seed=2, image_size=320)[0]
    twice = replace(
        camera,
        width=640,
        height=640,
        fx=2 * camera.fx,
        fy=2 * camera.fy,
        cx=2 * camera.cx + 0.5,
        cy=2 * camera.cy + 0.5,
    )
    scene = Scene(make_person(2), Stance(facing_deg=25, arm_left=Limb(swing=15, bend=20)), "striped")
    everywhere = cv2.resize(render_linear(scene, twice, LIGHT, supersample=1), (320, 320), interpolation=cv2.INTER_AREA)
    edge = cv2.morphologyEx(render_mask(scene, camera).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    error = {s: np.abs(render_linear(scene, camera, LIGHT, supersample=s) - everywhere)[edge].mean() for s in (1, 2)}
    # What remains is light on skin at the middle of a pixel against that of its four samples.
    assert error[2] < 0.002
    assert error[1] > 10 * error[2]


def test_the_shadow_on_the_floor_is_that_of_the_shadow_map() -> None:
    scene = Scene(make_person(2), Stance())
    lit, map_from_floor = floor_shadow(scene, LIGHT)
    x, y = np.meshgrid(np.linspace(-2.0, 0.5, 200), np.linspace(-2.0, 0.5, 200))
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.float32)
    expected = shadow_map(scene, LIGHT).lookup(points, 0.004)
    u, v = (row[0] * points[..., 0] + row[1] * points[..., 1] + row[2] for row in map_from_floor.astype(np.float32))
    found = cv2.remap(lit, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0)
    assert 0.02 < (expected < 0.5).mean() < 0.5
    assert ((found < 0.5) != (expected < 0.5)).mean() < 0.003
    shifted = cv2.remap(lit, u + 4, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0)
    assert ((shifted < 0.5) != (expected < 0.5)).mean() > 0.003


def test_encoding_is_the_srgb_curve_and_clips() -> None:
    stored = np.arange(256, dtype=np.uint8)
    assert np.array_equal(encode_srgb(decode_table().reshape(1, -1))[0], stored)
    np.testing.assert_allclose(decode_table(), linear_from_srgb(stored / 255), atol=1e-7)
    assert encode_srgb(np.array([[-0.5, 0.0, 1.0, 4.0]], dtype=np.float32)).tolist() == [[0, 0, 255, 255]]
    assert encode_srgb(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)


def test_depth_is_that_of_the_vertices() -> None:
    camera = make_rig(6, seed=2, image_size=512)[0]
    scene = Scene(make_person(2), Stance())
    depth = render_depth(scene, camera)
    pixels, away = image_points(camera, scene.vertices.astype(np.float64))
    view = camera.position - scene.vertices
    facing = np.einsum("ij,ij->i", scene.normals, view) / np.linalg.norm(view, axis=1) > 0.8
    inside = (pixels > 1).all(axis=1) & (pixels < 510).all(axis=1) & facing
    x, y = np.round(pixels[inside]).astype(int).T
    error = np.abs(depth[y, x] - away[inside])
    assert np.median(error) < 5e-4


def test_detected_corners_of_a_drawn_board_agree_with_the_truth() -> None:
    board = StageBoard()
    detector = cv2.aruco.CharucoDetector(board.charuco())
    cameras = make_rig(6, seed=3, image_size=768)
    errors: list[np.ndarray] = []
    for shot in board_poses(board, 6, seed=3)[1:]:
        for camera in cameras:
            if not board_visible(board, shot, camera) or len(errors) > 200:
                continue
            picture = render_board(board, shot, camera, LIGHT)
            corners, ids, _, _ = detector.detectBoard(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
            truth = dict(zip(*corner_pixels(board, shot, camera), strict=True))
            assert ids is not None
            errors += [p - truth[int(i)] for i, p in zip(ids.ravel(), corners.reshape(-1, 2), strict=True)]
    bias = np.mean(errors, axis=0)
    assert len(errors) > 100
    assert np.abs(bias).max() < 0.02, bias
    assert np.sqrt(np.mean(np.square(errors))) < 0.15


def test_the_origin_board_lies_face_up_with_its_corner_at_the_origin() -> None:
    shot = board_poses(StageBoard(), 1, seed=0)[0]
    assert shot.id == "000"
    np.testing.assert_array_equal(shot.world_from_board, np.diag([1.0, -1.0, -1.0, 1.0]))
    rig = make_rig(12, seed=0, image_size=1024)
    assert sum(board_visible(StageBoard(), shot, camera) for camera in rig) >= 2


def test_walking_keeps_a_foot_on_the_floor_and_has_its_own_cadence() -> None:
    person = make_person(8)
    times = np.arange(0, 2 / person.gait.cadence_hz, 0.02)
    feet = []
    hands = []
    for t in times:
        joints = Scene(person, walk_stance(person, float(t))).joints_world()
        feet.append(min(joints[name][2] for name in ("toe_left", "toe_right", "foot_left", "foot_right")))
        hands.append(joints["wrist_left"][0])
    assert min(feet) > -0.03
    assert max(feet) < 0.06
    spectrum = np.abs(np.fft.rfft(np.array(hands) - np.mean(hands)))
    assert int(np.argmax(spectrum)) == 2  # two strides in the interval


def test_wrong_names_are_refused_with_the_known_ones() -> None:
    person = make_person(1)
    with pytest.raises(ValueError, match="outfit is unknown: 'tweed'; choose one of black"):
        Scene(person, Stance(), "tweed")
    with pytest.raises(ValueError, match="backdrop is unknown: 'sky'; choose one of grey"):
        Scene(person, Stance(), "black", "sky")
    with pytest.raises(ValueError, match="mark is unknown: 'm99'; she has m01"):
        person.without_mark("m99")
    with pytest.raises(ValueError, match="number of lights is 9; choose 1 to 8"):
        make_lights(9)


def test_time_per_view_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene(make_person(1), Stance())
    camera = make_rig(12, seed=0, image_size=1024)[0]
    small = replace(camera, width=96, height=96, fx=camera.fx / 10.7, fy=camera.fy / 10.7, cx=47.5, cy=47.5)
    lines = []
    for name, view, step in (("1024 px, 2 samples", camera, 2), ("1024 px, 1 sample", camera, 1), ("96 px", small, 2)):
        render(scene, view, LIGHT, supersample=step)
        start = time.process_time()
        render(scene, view, LIGHT, supersample=step)
        lines.append(f"{name}: {1e3 * (time.process_time() - start):.0f} ms CPU")
    with capsys.disabled():
        print("\n" + "; ".join(lines))
    assert len(lines) == 3
