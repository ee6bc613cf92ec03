"""Marks in space: random points seen by a ring with pixel noise, takes with a turn, files, errors, controls."""

import json
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from calibration.birthmarks import Birthmark, BirthmarkMap, Place
from calibration.camera import Camera
from calibration.landmarks import load_birthmarks, place_mark
from calibration.mark_points import Sighting, View, group, triangulate
from calibration.mark_takes import find_turn, link, match, yaw_matrix
from calibration.pose import Pose
from capture import store
from capture.errors import IncompleteInput
from capture.marks import Blob
from capture.vault import SessionFolder

NOISE_PX = 0.5
RADIUS_M, FOCAL_PX, DISTANCE_M = 0.15, 2500.0, 2.5


def ring(count=12):
    cameras = []
    for k in range(count):
        a, e = 2 * np.pi * k / count, np.radians((2, 20)[k % 2])
        forward = -np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.column_stack([right, np.cross(forward, right), forward])
        pose = Pose(rotation, np.array([0, 0, 1.3]) - DISTANCE_M * forward)
        cameras.append(Camera(f"cam{k:02d}", 1024, 1024, FOCAL_PX, FOCAL_PX, 511.5, 511.5, np.zeros(5), pose))
    return cameras


def body_marks(count, rng):
    """Points on an upright cylinder, their outward normals, diameters in metres and colours."""
    turn = rng.uniform(0, 2 * np.pi, count)
    normal = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(count)])
    position = RADIUS_M * normal + np.column_stack([np.zeros((count, 2)), rng.uniform(1.15, 1.45, count)])
    colour = np.column_stack([rng.uniform(-35, -8, count), rng.uniform(-4, 10, count), rng.uniform(-8, 4, count)])
    return position, normal, rng.uniform(0.004, 0.03, count), colour


def look(cameras, marks, rng, *, noise=NOISE_PX, ghosts=0):
    position, normal, diameter, colour = marks
    views = []
    for camera in cameras:
        uv, depth = camera.project(position)
        away = camera.centre - position
        facing = (away * normal).sum(axis=1) / np.linalg.norm(away, axis=1)
        blobs = [
            Blob(
                uv[k, 0] + rng.normal(0, noise), uv[k, 1] + rng.normal(0, noise),
                diameter[k] / 2 * camera.fx / depth[k] * np.sqrt(facing[k]),
                float(np.linalg.norm(colour[k])), tuple(colour[k]),
            )
            for k in np.flatnonzero(facing > 0.5)
        ]  # fmt: skip
        blobs += [Blob(*rng.uniform(400, 620, 2), rng.uniform(2, 12), rng.uniform(8, 35)) for _ in range(ghosts)]
        views.append(View(camera, tuple(blobs), _cylinder_mask(camera), ""))
    return views


def _cylinder_mask(camera):
    """Silhouette of the cylinder, from rays: those that pass its axis within its radius."""
    v, u = np.mgrid[0:1024:4, 0:1024:4] + 1.5
    ray = camera.rays(np.column_stack([u.ravel(), v.ravel()]))
    flat = ray[:, :2] / np.linalg.norm(ray[:, :2], axis=1, keepdims=True)
    off = camera.centre[0] * flat[:, 1] - camera.centre[1] * flat[:, 0]
    return (np.abs(off) < RADIUS_M).reshape(256, 256)


def test_triangulation_meets_the_point_within_its_noise():
    rng = np.random.default_rng(0)
    cameras = ring()
    errors = []
    for _ in range(300):
        point = np.array([0.0, 0.0, 1.3]) + rng.uniform(-0.2, 0.2, 3)
        seen = [cameras[k] for k in (0, 1, 11)]
        uv = [c.project(point[None])[0][0] + rng.normal(0, NOISE_PX, 2) for c in seen]
        found, _ = triangulate(np.stack([c.centre for c in seen]),
                               np.concatenate([c.rays(x[None]) for c, x in zip(seen, uv, strict=True)]))  # fmt: skip
        errors.append(1000 * np.linalg.norm(found - point))
    # 0.5 px is 0.5 mm here; over +-30 degrees depth is about 1 / sin(30) worse than across, three views share it.
    assert np.median(errors) < 0.8
    assert np.percentile(errors, 99) < 3.0


def test_parallel_rays_and_a_single_ray_are_refused():
    centres = np.array([[0.0, 0, 0], [0, 1, 0]])
    with pytest.raises(ValueError, match="parallel rays, which meet nowhere"):
        triangulate(centres, np.array([[1.0, 0, 0], [1, 0, 0]]))
    with pytest.raises(ValueError, match="has 1 ray, needs two"):
        triangulate(centres[:1], np.array([[1.0, 0, 0]]))


def test_group_recovers_marks_among_ghosts():
    rng = np.random.default_rng(1)
    marks = body_marks(30, rng)
    found = group(look(ring(), marks, rng, ghosts=6))
    place = np.stack([c.position for c in found])
    away = 1000 * np.linalg.norm(marks[0][:, None] - place[None], axis=-1)
    # Noise of 0.5 px is 0.5 mm across and about 1 mm along; 3 sigma.
    assert (away.min(axis=1) < 3.0).mean() >= 0.95
    assert np.median(away.min(axis=1)) < 1.0
    best = away.argmin(axis=1)[away.min(axis=1) < 3.0]
    known = np.flatnonzero(away.min(axis=1) < 3.0)
    size = np.array([found[k].diameter_mm for k in best]) / (1000 * marks[2][known])
    assert 0.93 < np.median(size) < 1.07
    turn = np.degrees(
        np.arccos([np.clip(found[b].normal @ marks[1][k], -1, 1) for b, k in zip(best, known, strict=True)])
    )
    assert np.median(turn) < 12
    true = away.min(axis=0) < 3.0
    strong = [t for t, c in zip(true, found, strict=True) if len(c.sightings) >= 3]
    assert np.mean(strong) > 0.9


def test_a_mark_in_one_view_only_is_not_triangulated():
    rng = np.random.default_rng(2)
    marks = body_marks(1, rng)
    views = look(ring(), marks, rng)
    one = next(k for k, v in enumerate(views) if v.blobs)
    views = [v if k == one else View(v.camera, (), v.mask, "") for k, v in enumerate(views)]
    assert group(views) == []


def test_points_off_her_are_rejected():
    rng = np.random.default_rng(3)
    position, normal, diameter, colour = body_marks(8, rng)
    outside = (position + 0.06 * normal, normal, diameter, colour)
    assert group(look(ring(), outside, rng)) == []


def _sightings(point, rng, cameras=(0, 1, 11), wrong=None):
    rig = ring()
    out = []
    for k in cameras:
        uv = rig[k].project(point[None])[0][0] + rng.normal(0, NOISE_PX, 2)
        if k == wrong:
            uv += (0, 40)  # another mark, 40 mm lower
        out.append(Sighting(rig[k], Blob(float(uv[0]), float(uv[1]), 5.0, 0.0)))
    return out


def test_confirmed_marks_are_placed_and_wrong_ones_are_named():
    rng = np.random.default_rng(4)
    point = np.array([RADIUS_M, 0.0, 1.3])
    issues = []
    placed = place_mark("m01", "take1", _sightings(point, rng), [], issues)
    assert issues == []
    assert 1000 * np.linalg.norm(placed.position - point) < 3.0
    assert placed.spread_mm < 1.5
    # Without masks the normal is the mean direction to cameras at 2, 20 and 20 degrees of elevation.
    assert np.degrees(np.arccos(placed.normal[0])) < 20
    assert place_mark("m02", "take1", _sightings(point, rng, wrong=1), [], issues) is None
    assert place_mark("m03", "take1", _sightings(point, rng, cameras=(0,)), [], issues) is None
    assert [i.code for i in issues] == ["MARK_SPREAD_HIGH", "MARK_NOT_TRIANGULATED"]
    assert "cam" in issues[0].found
    assert issues[1].where == "mark m03 in take1"


def _takes(rng, *, turn=25.0, count=14):
    marks = body_marks(count, rng)
    turned = tuple(x @ yaw_matrix(turn).T for x in marks[:2])
    shift = np.array([0.03, -0.02, 0.004])
    second = (turned[0] + shift, turned[1], marks[2], marks[3])
    cameras = ring()
    a = group(look(cameras, marks, rng))
    moved = [View(v.camera, v.blobs, np.zeros((8, 8), bool), "") for v in look(cameras, second, rng)]
    return marks, second, a, group(moved)


def test_takes_are_matched_through_her_turn():
    rng = np.random.default_rng(5)
    marks, second, a, b = _takes(rng)
    pairs = match(a, b, 18.0)  # session.toml is 7 degrees off

    def true_id(c, truth):
        return int(np.linalg.norm(truth - c.position, axis=1).argmin())

    right = [true_id(a[i], marks[0]) == true_id(b[j], second[0]) for i, j in pairs]
    assert all(right)
    assert len(pairs) >= 0.8 * min(len(a), len(b))
    linked = link({"t1": a, "t2": b}, {"t1": 0.0, "t2": 18.0})
    assert sum(len(m) == 2 for m in linked) == len(pairs)
    assert sum(len(m) for m in linked) == len(a) + len(b)


def test_the_mirror_image_of_her_is_not_matched():
    rng = np.random.default_rng(6)
    position = body_marks(12, rng)[0]
    alike = np.ones((12, 12), bool)
    mirrored = position * [1, -1, 1]
    right = find_turn(position, position @ yaw_matrix(20).T, alike, 20.0)
    assert abs(right.yaw_deg - 20) < 0.1
    turn = find_turn(position, mirrored, alike, 0.0)
    hits = 0 if turn is None else (np.linalg.norm(turn.apply(position) - mirrored, axis=1) < 0.018).sum()
    assert hits <= 4


def test_marks_that_look_different_are_not_matched():
    rng = np.random.default_rng(7)
    _, _, a, b = _takes(rng)
    pale = [replace(c, diameter_mm=4 * c.diameter_mm) for c in b]
    assert match(a, pale, 25.0) == []


def test_map_survives_its_json():
    place = Place(np.array([0.1, -0.2, 1.3]), np.array([1.0, 0, 0]), 0.4)
    before = BirthmarkMap((Birthmark("m01", "left cheek", MappingProxyType({"take1": place}), 6.0, 0.4, 3),))
    after = BirthmarkMap.from_json(json.loads(json.dumps(before.to_json())))
    assert after.to_json() == before.to_json()
    assert after.mark("m01").places["take1"].position == pytest.approx(place.position)
    with pytest.raises(ValueError, match="'m9' is not in the map; it has"):
        after.mark("m9")


def test_load_says_what_is_missing(tmp_path):
    folder = SessionFolder(tmp_path / "s1")
    with pytest.raises(IncompleteInput, match="run the step before"):
        load_birthmarks(folder)
    target = folder.derived("marks")
    store.reopen(target, "marks")
    store.finish(target, "marks", consent="c", inputs={}, settings={}, result={"stage": "proposed"})
    with pytest.raises(IncompleteInput, match="proposed but not confirmed.*--confirmed"):
        load_birthmarks(folder)
