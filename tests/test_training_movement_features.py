"""Movement as numbers and back through a BVH, the same wherever she walks, and what a network may get wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_capture_motion_bvh import body, largest_turn

from capture.motion.bvh import read_bvh, write_bvh
from capture.motion.canonical import JointsMissing, leg_length
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.skeletons import in_order
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from training.movement.features import (
    FEET,
    PER_ROOT,
    ContactRule,
    contacts_of,
    decode,
    encode,
    heading_of,
    in_legs,
    in_units,
    rotation_of,
    six_of,
)

MM, DEGREES = 0.001, 0.1  # what a round trip may lose


def through_a_file(clip: MotionClip, folder: Path) -> MotionClip:
    """Encoded, decoded, written as a BVH and read again."""
    write_bvh(decode(encode(clip)), folder / "a.bvh")
    return in_order(read_bvh(folder / "a.bvh", unit="cm", up="y"), clip.skeleton.names)


def assert_same(one: MotionClip, two: MotionClip) -> None:
    """Within a millimetre at every joint and a tenth of a degree."""
    assert one.fps == two.fps
    assert np.abs(one.world[1] - two.world[1]).max() < MM
    assert largest_turn(one.rotations, two.rotations) < DEGREES


def test_a_walker_comes_back_through_a_file(tmp_path: Path) -> None:
    clip = stage_clip(make_person(3), seconds=2, fps=30, travel=True, facing_deg=200)
    assert_same(through_a_file(clip, tmp_path), clip)


@pytest.mark.parametrize(
    "name", ["cmu/002_01.bvh", "cmu131/131_01.bvh", "cmu_mixed/10_03.bvh", "cmu_mixed/Swagger.bvh"]
)
def test_real_rigs_come_back_through_a_file(data_dir: Path, tmp_path: Path, name: str) -> None:
    path = data_dir / "motion" / name
    if not path.is_file():
        pytest.skip(f"no clip at {path}")
    clip = read_bvh(path, drop_first=True)
    short = MotionClip(clip.skeleton, clip.rotations[:100], clip.root[:100], clip.fps)
    assert_same(through_a_file(short, tmp_path), short)


def test_a_frame_that_is_changed_is_no_round_trip() -> None:
    clip = stage_clip(make_person(3), seconds=1, travel=True)
    features = encode(clip)
    speeds = features.speeds.copy()
    speeds[5, 0] += 0.06  # metres per second in one frame of thirty a second: two millimetres
    assert np.abs(decode(replace(features, speeds=speeds)).root - clip.root).max() > MM


def test_six_numbers_are_the_rotation() -> None:
    turns = Rotation.random(500, random_state=np.random.default_rng(0)).as_matrix()
    assert largest_turn(rotation_of(six_of(turns)), turns) < 1e-9
    noise = np.random.default_rng(1).normal(0, 0.01, (500, 6))
    near = rotation_of(six_of(turns) + noise)
    np.testing.assert_allclose(near @ np.swapaxes(near, -1, -2), np.tile(np.eye(3), (500, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(near), 1)
    assert 0.2 < largest_turn(near, turns) < 4  # small errors are small turns


def test_numbers_without_a_direction_still_give_rotations() -> None:
    bad = np.array([[0, 0, 0, 0, 0, 0], [1, 2, 3, 2, 4, 6], [0, 0, 0, 1, 0, 0], [1e-30, 0, 0, 0, 0, 0.0]])
    found = rotation_of(bad)
    np.testing.assert_allclose(found @ np.swapaxes(found, -1, -2), np.tile(np.eye(3), (4, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(found), 1)


def test_the_same_walk_elsewhere_is_the_same_numbers() -> None:
    person = make_person(3)
    one, two = (stage_clip(person, seconds=1, travel=True, facing_deg=degrees) for degrees in (0, 130))
    moved = MotionClip(two.skeleton, two.rotations, two.root + (3, -2, 0), two.fps)
    np.testing.assert_allclose(encode(moved).array, encode(one).array, atol=1e-9)
    np.testing.assert_allclose(encode(moved).start - encode(one).start, [3, -2, np.radians(130)], atol=0.05)
    other = stage_clip(make_person(4), seconds=1, travel=True)
    assert np.abs(encode(other).array - encode(one).array).max() > 0.05


def test_rows_and_their_place() -> None:
    features = encode(stage_clip(make_person(3), seconds=1, fps=20, travel=True))
    rows = features.array
    assert rows.shape == (20, PER_ROOT + 6 * 18)
    again = features.with_array(rows)
    assert np.array_equal(again.array, rows)
    np.testing.assert_allclose(rows[1:, 0].mean(), np.diff(decode(features).root[:, 0]).mean() * 20, rtol=1e-6)
    np.testing.assert_allclose(rows[:, 2], decode(features).root[:, 2])
    part = features.with_array(rows[5:12])
    assert largest_turn(decode(part).rotations[:, 1:], decode(features).rotations[5:12, 1:]) < 1e-9
    with pytest.raises(ValueError, match=r"rows of features are \(20, 7\); this skeleton takes \(frames, 116\)"):
        features.with_array(rows[:, :7])


def test_her_heading_is_hers_and_not_her_hips() -> None:
    clip = stage_clip(make_person(3), seconds=3, fps=30, travel=True, facing_deg=90)
    swing = 0.2 * np.sin(2 * np.pi * 2.0 * np.arange(90) / 30)  # her hips turn 11 degrees to each side, twice a second
    rotations = clip.rotations.copy()
    rotations[:, 0] = Rotation.from_rotvec(swing[:, None] * [0, 0, 1]).as_matrix() @ rotations[:, 0]
    turning = MotionClip(clip.skeleton, rotations, clip.root, clip.fps)
    inner = slice(15, -15)  # at the ends the filter sees one side alone
    assert np.degrees(np.abs(heading_of(turning)[inner] - np.pi / 2).max()) < 4
    walk = np.linspace(0, np.pi, 90)  # half a circle is where she goes
    rotations = clip.rotations.copy()
    rotations[:, 0] = Rotation.from_rotvec(walk[:, None] * [0, 0, 1]).as_matrix() @ rotations[:, 0]
    curve = MotionClip(clip.skeleton, rotations, clip.root, clip.fps)
    np.testing.assert_allclose(heading_of(curve)[inner], walk[inner] + np.pi / 2, atol=np.radians(2))


def test_contacts_are_the_feet_that_stand() -> None:
    person = make_person(3)
    clip = stage_clip(person, seconds=3, fps=60, travel=True)
    found = contacts_of(clip)
    phase = 2 * np.pi * (person.gait.cadence_hz * np.arange(len(clip)) / 60 + person.gait.phase)
    for side, standing in (("left", np.cos(phase) < -0.5), ("right", np.cos(phase) > 0.5)):
        feet = [FEET.index(f"{joint}_{side}") for joint in ("ankle", "toe")]
        swinging = np.cos(phase) > 0.7 if side == "left" else np.cos(phase) < -0.7
        assert found[standing][:, feet].any(axis=1).mean() > 0.95
        assert found[swinging][:, feet].mean() < 0.05
    assert contacts_of(stage_clip(person, seconds=3, fps=60)).mean() < 0.2  # on the spot, the floor moves
    assert contacts_of(clip, rule=ContactRule(speed_m_s=1e-6)).mean() < 0.01


def test_a_larger_body_that_moves_alike_gives_like_numbers() -> None:
    person = make_person(3)
    clip = stage_clip(person, seconds=1, travel=True)
    skeleton = Skeleton(clip.skeleton.names, clip.skeleton.parents, clip.skeleton.offsets * 1.25)
    large = encode(MotionClip(skeleton, clip.rotations, clip.root * 1.25, clip.fps))
    small = encode(clip)
    assert np.abs(large.array - small.array)[:, :3].max() > 0.2
    np.testing.assert_allclose(in_legs(large).array[:, :4], in_legs(small).array[:, :4], atol=1e-9)
    assert in_legs(small).unit_m == pytest.approx(leg_length(clip.track))
    assert_same(decode(in_legs(large)), decode(large))
    np.testing.assert_allclose(in_units(in_legs(large), 1.0).array, large.array, atol=1e-12)
    with pytest.raises(ValueError, match="unit of features must be metres above 0, found 0"):
        in_units(large, 0)


def test_any_skeleton_with_its_joints_named() -> None:
    clip = body(frames=12)
    renamed = Skeleton(tuple(f"b{k}" for k in range(len(clip))) + clip.skeleton.names[12:], *tree(clip))
    unknown = MotionClip(renamed, clip.rotations, clip.root, clip.fps)
    with pytest.raises(JointsMissing, match="joints not found: hip_left"):
        encode(unknown)
    at = {name: k for k, name in enumerate(clip.skeleton.names)}
    theirs = {"hip": "UpLeg", "ankle": "Foot", "toe": "ToeBase"}
    named = {
        f"{ours}_{side.lower()}": renamed.names[at[f"{side}{name}"]]
        for ours, name in theirs.items()
        for side in ("Left", "Right")
    }
    assert_same(decode(encode(unknown, joints=named)), unknown)


def tree(clip: MotionClip) -> tuple[tuple[int, ...], np.ndarray]:
    """Parents and offsets of a clip's skeleton."""
    return clip.skeleton.parents, clip.skeleton.offsets


def test_one_frame_is_a_clip_too() -> None:
    clip = stage_clip(make_person(3), seconds=0.1, fps=10, travel=True)
    assert len(clip) == 1
    assert_same(decode(encode(clip)), clip)
