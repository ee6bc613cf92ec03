"""Any rig's movement on the canonical skeleton, judged by walkers whose every joint is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from test_capture_motion_bvh import largest_turn

from capture.motion.bvh import read_bvh, write_bvh
from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS, JointsMissing, canonical_track, leg_length
from capture.motion.clip import JointTrack, MotionClip, Skeleton
from capture.motion.skeletons import canonical_skeleton, in_order, retarget
from capture.stage.person import make_person
from capture.stage.travel import stage_clip, stage_skeleton

F64 = NDArray[np.float64]

MIXAMO = dict(zip(CANONICAL[:4], ("Hips", "Spine2", "Neck", "Head"), strict=True)) | {
    f"{ours}_{side.lower()}": f"{side}{theirs}"
    for ours, theirs in (
        ("shoulder", "Arm"),
        ("elbow", "ForeArm"),
        ("wrist", "Hand"),
        ("hip", "UpLeg"),
        ("knee", "Leg"),
        ("ankle", "Foot"),
        ("toe", "ToeBase"),
    )
    for side in ("Left", "Right")
}


def foreign(clip: MotionClip, seed: int = 0) -> MotionClip:
    """The same movement as a rig of other names, in which each bone's own frame is turned in a way of its own."""
    turns = Rotation.random(len(CANONICAL), random_state=np.random.default_rng(seed)).as_matrix()
    world = clip.world[0] @ turns
    local, offsets = world.copy(), clip.skeleton.offsets.copy()
    for k, parent in enumerate(clip.skeleton.parents):
        if parent >= 0:
            local[:, k] = np.swapaxes(world[:, parent], -1, -2) @ world[:, k]
            offsets[k] = turns[parent].T @ clip.skeleton.offsets[k]
    names = tuple(MIXAMO[name] for name in clip.skeleton.names)
    out = MotionClip(Skeleton(names, clip.skeleton.parents, offsets), local, clip.root, clip.fps)
    np.testing.assert_allclose(out.world[1], clip.world[1], atol=1e-9)
    return out


def off_directions(one: JointTrack, two: JointTrack, joints: tuple[str, ...]) -> float:
    """Largest angle in degrees between the bones that end in the joints."""
    worst = 0.0
    for name in joints:
        above = CANONICAL[CANONICAL_PARENTS[CANONICAL.index(name)]]
        a, b = one.of(name) - one.of(above), two.of(name) - two.of(above)
        cross, dot = np.linalg.norm(np.cross(a, b), axis=1), np.einsum("ti,ti->t", a, b)
        worst = max(worst, float(np.degrees(np.arctan2(cross, dot)).max()))
    return worst


LIMBS = tuple(f"{j}_{side}" for j in ("elbow", "wrist", "knee", "ankle", "toe") for side in ("left", "right")) + (
    "head",
)


def test_a_skeleton_has_her_lengths() -> None:
    person = make_person(2)
    clip = stage_clip(person, seconds=0.5)
    found = canonical_skeleton(clip.track)
    expected = stage_skeleton(person).lengths
    np.testing.assert_allclose(found.lengths, expected, atol=1e-9)
    assert np.abs(canonical_skeleton().lengths - expected).max() > 0.01
    np.testing.assert_allclose(found.offsets[:, 1][4::2], -found.offsets[:, 1][5::2], atol=1e-12)


def test_a_length_that_no_frame_shows_is_named() -> None:
    track = stage_clip(make_person(2), seconds=0.2).track
    track.places[:, CANONICAL.index("toe_left")] = np.nan
    with pytest.raises(ValueError, match="length from ankle_left to toe_left is seen in no frame"):
        canonical_skeleton(track)


def test_movement_of_one_walker_on_another_keeps_its_turns() -> None:
    walk, other = stage_clip(make_person(1), seconds=1, travel=True), stage_skeleton(make_person(7))
    moved = retarget(walk, other)
    assert moved.rotations is walk.rotations
    assert moved.skeleton is other
    ratio = leg_length(moved.track) / leg_length(walk.track)
    assert moved.root[-1, 0] - moved.root[0, 0] == pytest.approx(ratio * (walk.root[-1, 0] - walk.root[0, 0]))
    feet = [float(clip.track.of("ankle_left")[:, 2].min()) for clip in (walk, moved)]
    assert feet[1] == pytest.approx(ratio * feet[0], abs=0.01)
    same = retarget(walk)
    np.testing.assert_allclose(same.root, walk.root, atol=1e-12)


def test_a_rig_with_frames_of_its_own_comes_out_as_the_walker_that_it_was() -> None:
    person = make_person(5)
    walk = stage_clip(person, seconds=2, fps=20, travel=True, facing_deg=40)
    moved = retarget(foreign(walk), stage_skeleton(person))
    assert off_directions(moved.track, walk.track, LIMBS) < 1e-4
    assert np.abs(moved.track.places - walk.track.places).max() < 1e-9
    head = CANONICAL.index("head")  # level in the mean of these two seconds, which are no whole strides
    assert largest_turn(moved.rotations[:, head], walk.rotations[:, head]) < 2
    assert largest_turn(np.delete(moved.rotations, head, axis=1), np.delete(walk.rotations, head, axis=1)) < 0.1
    untold = foreign(walk)  # read as if its frames at rest were ours
    plain = MotionClip(stage_skeleton(person), untold.rotations, untold.root, walk.fps)
    assert largest_turn(plain.rotations, walk.rotations) > 90


def test_sides_that_are_exchanged_are_seen() -> None:
    person = make_person(5)
    walk = stage_clip(person, seconds=1, fps=20, travel=True)
    rig = foreign(walk)
    swapped = {"Left": "Right", "Right": "Left"}
    names = [next((n.replace(a, b) for a, b in swapped.items() if n.startswith(a)), n) for n in rig.skeleton.names]
    wrong = MotionClip(Skeleton(tuple(names), rig.skeleton.parents, rig.skeleton.offsets), *moving(rig))
    assert np.abs(retarget(wrong, stage_skeleton(person)).track.places - walk.track.places).max() > 0.1


def moving(clip: MotionClip) -> tuple[F64, F64, float]:
    """All of a clip but its skeleton."""
    return clip.rotations, clip.root, clip.fps


def test_our_own_files_come_back_as_ours(tmp_path: Path) -> None:
    walk = stage_clip(make_person(3), seconds=0.5, travel=True)
    write_bvh(walk, tmp_path / "a.bvh")
    again = read_bvh(tmp_path / "a.bvh")
    assert again.skeleton.names != CANONICAL
    assert largest_turn(retarget(again).rotations, walk.rotations) < 1e-5


def test_order_and_errors() -> None:
    walk = stage_clip(make_person(3), seconds=0.1)
    with pytest.raises(ValueError, match="order must name each joint once"):
        in_order(walk, CANONICAL[:3])
    with pytest.raises(ValueError, match="parents before their children"):
        in_order(walk, CANONICAL[::-1])
    with pytest.raises(ValueError, match="skeleton to put movement on must be canonical"):
        retarget(walk, foreign(walk).skeleton)
    lone = MotionClip(Skeleton(("Hips",), (-1,), np.zeros((1, 3))), np.eye(3)[None, None], np.zeros((1, 3)), 30.0)
    with pytest.raises(JointsMissing, match="joints not found: chest, neck"):
        retarget(lone)


@pytest.mark.parametrize(
    "name", ["cmu/002_01.bvh", "cmu131/131_01.bvh", "cmu_mixed/10_03.bvh", "cmu_mixed/Swagger.bvh"]
)
def test_real_rigs_keep_their_limbs_and_stand_on_the_floor(data_dir: Path, name: str) -> None:
    path = data_dir / "motion" / name
    if not path.is_file():
        pytest.skip(f"no clip at {path}")
    clip = read_bvh(path, drop_first=True)
    before, moved = canonical_track(clip), retarget(clip)
    after = moved.track
    assert off_directions(after, before, LIMBS) < 1e-4
    np.testing.assert_allclose(leg_length(after), leg_length(before), rtol=1e-6)
    for joint in ("ankle_left", "ankle_right"):
        assert np.abs(after.of(joint) - before.of(joint)).max() < 0.08
    # Knees and elbows bend about y and hardly about anything else, as at rest.
    for joint in ("knee_left", "knee_right", "elbow_left", "elbow_right"):
        about = Rotation.from_matrix(moved.rotations[:, CANONICAL.index(joint)]).as_rotvec()
        assert np.degrees(np.abs(about[:, [0, 2]]).mean()) < 8
        assert np.degrees(about[:, 1].mean()) * (1 if "knee" in joint else -1) > 10
