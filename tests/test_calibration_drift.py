"""Drift on synthetic points and pictures: what turned, what is late, who can tell; a clean rig names nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.drift.background import Backdrop, degrees_of, find_step
from calibration.drift.constraints import reduce, turned
from calibration.drift.effects import Kind
from calibration.drift.explain import explain
from calibration.drift.features import Moment, Seen, look
from calibration.drift.tracks import tracks_of
from calibration.pose import Floats, Pose

FRAMES, POINTS = 14, 24
NOISE = 0.5


def ring(count: int) -> list[Camera]:
    """Cameras 2.5 m from a point 1.4 m up, 25 degrees apart, at two heights."""
    cameras = []
    for k in range(count):
        angle, height = np.radians(25.0 * k), 1.5 + 0.4 * (k % 2)
        centre = np.array([2.5 * np.cos(angle), 2.5 * np.sin(angle), height])
        ahead = np.array([0, 0, 1.4]) - centre
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        pose = Pose(np.stack([right, np.cross(ahead, right), ahead], axis=1), centre)
        cameras.append(Camera(f"cam{k}", 512, 512, 1300.0, 1300.0, 255.5, 255.5, np.zeros(5), pose))
    return cameras


def walk(frame: float) -> Floats:
    """(POINTS, 3) on a body that sways, bobs and turns; 25 frames a second."""
    rng = np.random.default_rng(3)
    rest = rng.normal(0, (0.1, 0.14, 0.25), (POINTS, 3))
    time = frame / 25
    yaw = 0.15 * np.sin(5.0 * time)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1.0]])
    place = np.array([0.02 * np.sin(7 * time), 0.06 * np.sin(5 * time), 1.4 + 0.03 * np.cos(11 * time)])
    return np.asarray(rest @ turn.T + place)


def film(cameras: Sequence[Camera], *, late: dict[str, float] | None = None) -> list[Moment]:
    """What the cameras saw of the walk: 0.15 px noise, and for each true point a false one of the same look."""
    rng = np.random.default_rng(5)
    look_of = rng.normal(size=(POINTS, 128))
    look_of /= np.linalg.norm(look_of, axis=1, keepdims=True)
    moments: list[Moment] = []
    for frame in range(FRAMES):
        seen = {}
        for camera in cameras:
            at = frame + (late or {}).get(camera.id, 0.0)
            before, here, after = (camera.project(walk(at + d))[0] for d in (-1, 0, 1))
            uv = here + rng.normal(0, 0.15, here.shape)
            false = rng.uniform(0, 512, uv.shape)
            rows = np.concatenate([look_of, look_of]) + rng.normal(0, 0.02, (2 * POINTS, 128))
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            speed = (after - before) / 2
            seen[camera.id] = Seen(
                np.concatenate([uv, false]), np.concatenate([speed, speed]), rows.astype(np.float32)
            )  # fmt: skip
        moments.append(seen)
    return moments


def turned_from(cameras: Sequence[Camera], which: int, degrees: Sequence[float], since: int) -> list[Moment]:
    stands = list(cameras)
    rotvec = np.radians(np.array(degrees))
    stands[which] = cameras[which].placed(turned(cameras[which].world_from_camera, rotvec))
    return [*film(cameras)[:since], *film(stands)[since:]]


def test_a_rig_that_holds_names_nothing() -> None:
    cameras = ring(4)
    found = explain(film(cameras), cameras, noise_px=NOISE)
    assert found.changes == ()
    assert all(count > 100 for count in found.tracks.values())
    for shift in found.shift_px.values():
        assert np.nanmax(np.hypot(*shift.T)) < 0.5


@pytest.mark.parametrize(("degrees", "since"), [((0.06, 0.19, 0.0), 9), ((-0.2, 0.0, 0.05), 0), ((0.1, 1.5, 0.0), 7)])
def test_a_turned_camera_is_named_with_its_frame_and_its_angles(degrees: tuple[float, ...], since: int) -> None:
    cameras = ring(4)
    (change,) = explain(turned_from(cameras, 1, degrees, since), cameras, noise_px=NOISE).changes
    assert (change.camera, change.kind, change.rivals) == ("cam1", Kind.TURN, ())
    assert abs(change.since - since) <= 1
    assert change.degrees == pytest.approx(float(np.linalg.norm(degrees)), rel=0.1)
    assert np.degrees(change.size)[:2] == pytest.approx(degrees[:2], abs=0.02)
    assert 2.0 < change.distance_m < 3.0


@pytest.mark.parametrize("frames", [1.0, -0.5])
def test_a_late_camera_is_late_and_not_moved(frames: float) -> None:
    cameras = ring(4)
    (change,) = explain(film(cameras, late={"cam2": frames}), cameras, noise_px=NOISE).changes
    assert (change.camera, change.kind) == ("cam2", Kind.LAG)
    assert float(change.size[0]) == pytest.approx(frames, abs=0.1)


@pytest.mark.slow
def test_one_camera_late_and_another_turned() -> None:
    cameras = ring(5)
    stands = list(cameras)
    stands[3] = cameras[3].placed(turned(cameras[3].world_from_camera, np.radians([0.0, 0.3, 0.0])))
    found = explain(film(stands, late={"cam1": 1.0}), cameras, noise_px=NOISE).changes
    assert {(c.camera, c.kind) for c in found} == {("cam1", Kind.LAG), ("cam3", Kind.TURN)}


def test_two_cameras_cannot_tell_which_of_them_moved() -> None:
    cameras = ring(2)
    (change,) = explain(turned_from(cameras, 0, (0.3, 0.0, 0.0), 0), cameras, noise_px=NOISE).changes
    assert {change.camera, *change.rivals} == {"cam0", "cam1"}


def test_one_camera_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="drift needs two cameras or more, got 1"):
        explain([], ring(1), noise_px=NOISE)


def test_rows_of_a_true_track_are_zero_and_a_turn_shifts_them_as_the_design_says() -> None:
    cameras = ring(3)
    tracks = tracks_of(film(cameras), cameras, gate_deg=0.6)
    (block,) = [b for b in reduce(tracks, cameras) if b.cameras.shape[1] == 3]
    assert np.median(np.abs(block.rest)) < 0.3
    rotvec = np.radians([0.05, 0.08, 0.1])
    moved = [cameras[0].placed(turned(cameras[0].world_from_camera, rotvec)), *cameras[1:]]
    (other,) = [b for b in reduce(tracks, moved) if b.cameras.shape[1] == 3]
    predicted = block.rest - block.turn[:, 0] @ rotvec
    size = np.linalg.norm(block.rest, axis=1)
    good = size < 1.0  # lengths, as a null space has no fixed axes
    left, want = (np.linalg.norm(v[good], axis=1) for v in (other.rest, predicted))
    assert np.abs(left - want).max() < 0.02


def picture(shift: int, seed: int = 0) -> np.ndarray:
    """(256, 320, 3) of soft blotches, moved to the right by whole pixels."""
    rng = np.random.default_rng(seed)
    wide = np.kron(rng.uniform(80, 160, (40, 50)), np.ones((8, 8)))[:256, 30 - shift : 350 - shift]
    grain = np.asarray(np.clip(wide, 0, 255), dtype=np.uint8)
    return np.repeat(grain[..., None], 3, axis=2)


def test_a_background_tells_its_move_and_a_plain_one_nothing() -> None:
    backdrop = Backdrop(picture(0))
    assert backdrop.shift(picture(0)) == pytest.approx([0, 0], abs=0.05)
    assert backdrop.shift(picture(3)) == pytest.approx([3, 0], abs=0.05)
    assert np.isnan(backdrop.shift(picture(0)[:100])).all()
    plain = np.full((256, 320, 3), 128, np.uint8)
    assert np.isnan(Backdrop(plain).shift(plain)).all()


def test_a_step_of_the_background_is_found_where_it_lasts() -> None:
    rng = np.random.default_rng(1)
    still = rng.normal(0, 0.05, (30, 2))
    assert find_step(still) is None
    jolt = still.copy()
    jolt[10] += 4  # one moment
    assert find_step(jolt) is None
    step = still.copy()
    step[12:] += (3.0, -1.0)
    step[5] = np.nan
    found = find_step(step)
    assert found is not None
    assert found.since == 12
    assert (found.x, found.y) == pytest.approx((3.0, -1.0), abs=0.05)
    assert degrees_of(np.array([found.x, found.y]), ring(1)[0]) == pytest.approx(np.degrees(3.16 / 1300), rel=0.02)
    assert find_step(np.full((8, 2), np.nan)) is None


def test_points_are_followed_and_a_plain_picture_has_none() -> None:
    before, here, after = (picture(k) for k in (0, 2, 4))
    seen = look(here, neighbours=(before, after))
    known = seen.velocity[np.isfinite(seen.velocity[:, 0])]
    assert len(known) > 20
    assert np.median(known, axis=0) == pytest.approx([2, 0], abs=0.05)
    assert (look(here).velocity == 0).all()
    assert len(look(np.full((64, 64, 3), 90, np.uint8)).uv) == 0
