"""Her body moved by clips: the stage's own walk comes back, other rigs keep her bones and stand on the floor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture.motion.bvh import read_bvh
from capture.motion.canonical import CANONICAL, leg_length
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.skeletons import canonical_skeleton
from capture.stage.body import BONES, rest_joints
from capture.stage.person import make_person
from capture.stage.posed import body_clip
from capture.stage.scene import PosedScene, Scene, bone_transforms
from capture.stage.travel import stage_clip, stage_skeleton, travel_stance

WALKER = make_person(3)
OTHER = make_person(4)


def test_her_own_walk_gives_the_bones_of_its_stances() -> None:
    clip = stage_clip(WALKER, seconds=1.0, fps=10.0, travel=True, facing_deg=25.0)
    body = body_clip(clip, WALKER)
    assert body.lift_m == 0.0
    for frame in range(len(clip)):
        wanted = bone_transforms(WALKER.shape, travel_stance(WALKER, frame / 10, facing_deg=25.0))
        bones = body.bones(frame)
        assert set(bones) == set(BONES)
        assert max(float(np.abs(bones[name] - wanted[name]).max()) for name in BONES) < 1e-12


def test_a_scene_of_given_bones_is_that_of_the_stance() -> None:
    stance = travel_stance(WALKER, 0.3)
    drawn, posed = Scene(WALKER, stance), PosedScene(WALKER, bone_transforms(WALKER.shape, stance))
    np.testing.assert_array_equal(drawn.vertices, posed.vertices)
    np.testing.assert_array_equal(drawn.normals, posed.normals)
    for name, place in drawn.joints_world().items():
        np.testing.assert_array_equal(place, posed.joints_world()[name])
    moved = PosedScene(WALKER, bone_transforms(WALKER.shape, travel_stance(WALKER, 0.4)))
    assert float(np.abs(moved.vertices - drawn.vertices).max()) > 0.02


def test_bones_that_lack_one_are_refused() -> None:
    bones = bone_transforms(WALKER.shape, travel_stance(WALKER, 0.3))
    del bones["head"]
    with pytest.raises(ValueError, match="bones lack head; give all of pelvis, chest"):
        PosedScene(WALKER, bones)


def test_an_offset_moves_the_whole_body() -> None:
    body = body_clip(stage_clip(WALKER, seconds=0.2, fps=10.0), WALKER)
    far = np.array([1.0, -2.0, 0.0])
    still, moved = PosedScene(WALKER, body.bones(1)), PosedScene(WALKER, body.bones(1, far))
    np.testing.assert_allclose(moved.vertices, still.vertices + far, atol=1e-6)


def test_anothers_walk_keeps_the_lengths_of_her_bones_and_goes_as_far_as_her_legs() -> None:
    clip = stage_clip(OTHER, seconds=2.0, fps=15.0, travel=True)
    body = body_clip(clip, WALKER)
    places = body.clip.track
    lengths = stage_skeleton(WALKER).lengths
    for name, parent in (("knee_left", "hip_left"), ("wrist_right", "elbow_right")):
        way = np.linalg.norm(places.of(name) - places.of(parent), axis=1)
        np.testing.assert_allclose(way, lengths[CANONICAL.index(name)], atol=1e-9)
    # The middle of the hips goes by the ratio of the legs, to rounding.
    went, goes = (np.linalg.norm(np.diff(mid(one)[[0, -1]], axis=0)) for one in (clip, body.clip))
    assert goes / went == pytest.approx(leg_length(places) / leg_length(clip.track), rel=1e-9)


def mid(clip: MotionClip) -> np.ndarray:
    return np.asarray((clip.track.of("hip_left") + clip.track.of("hip_right")) / 2 * (1, 1, 0))


def test_limbs_point_as_in_the_clip_where_skeletons_rest_otherwise() -> None:
    """The general skeleton's arms hang 10 degrees from the body, the stage's 18: the angle must not be added."""
    still = MotionClip(canonical_skeleton(), np.tile(np.eye(3), (12, 18, 1, 1)), np.tile([0, 0, 0.92], (12, 1)), 30.0)
    posed = body_clip(still, WALKER).clip.track
    for below, above in (("elbow_left", "shoulder_left"), ("elbow_right", "shoulder_right"), ("knee_left", "hip_left")):
        theirs = unit(still.track.of(below) - still.track.of(above))
        ours = unit(posed.of(below) - posed.of(above))
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    # The negative control: at her own rest they would point elsewhere.
    rest = stage_skeleton(WALKER)
    arm = rest.offsets[rest.index("elbow_left")]
    assert float(unit(arm) @ unit(still.track.of("elbow_left")[0] - still.track.of("shoulder_left")[0])) < 0.995


def unit(way: np.ndarray) -> np.ndarray:
    return np.asarray(way / np.linalg.norm(way, axis=-1, keepdims=True))


def test_a_clip_in_the_air_is_set_down() -> None:
    clip = stage_clip(OTHER, seconds=1.0, fps=15.0, travel=True)
    high = MotionClip(clip.skeleton, clip.rotations, clip.root + (0, 0, 0.4), clip.fps)
    body, lower = body_clip(high, WALKER), body_clip(clip, WALKER)
    assert body.lift_m < -0.3
    np.testing.assert_allclose(body.clip.root, lower.clip.root + (body.clip.root - lower.clip.root)[0], atol=1e-9)
    rest = rest_joints(WALKER.shape)
    lowest = np.min([body.clip.track.of(f"toe_{side}")[:, 2] - rest[f"toe_{side}"][2] for side in ("left", "right")])
    assert abs(lowest) < 0.02


def test_a_rig_without_arms_is_named() -> None:
    names = ("pelvis", "chest", "head")
    bare = Skeleton(names, (-1, 0, 1), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="joints not found: neck, shoulder_left"):
        body_clip(MotionClip(bare, np.tile(np.eye(3), (2, 3, 1, 1)), np.zeros((2, 3)), 30.0), WALKER)


def test_a_recorded_walk_stands_on_the_floor_with_flat_feet(data_dir: Path) -> None:
    path = data_dir / "motion" / "cmu" / "007_01.bvh"
    if not path.is_file():
        pytest.skip(f"no recorded walk at {path}; set LIKENESS_DATA")
    body = body_clip(read_bvh(path, drop_first=True), WALKER)
    rest = rest_joints(WALKER.shape)
    places = body.clip.track
    soles = np.stack([places.of(f"{a}_{s}")[:, 2] - rest[f"{b}_{s}"][2] for s in ("left", "right") for a, b in PAIRS])
    lowest = soles.min(axis=0)
    # One foot bears her in every frame of a walk: a few centimetres are the roll of the foot.
    assert float(np.abs(lowest).max()) < 0.06
    for side in ("left", "right"):
        ankle, toe = places.of(f"ankle_{side}"), places.of(f"toe_{side}")
        speed = np.linalg.norm(np.gradient(ankle, axis=0), axis=1)
        stands = speed < np.quantile(speed, 0.15)
        slope = (ankle - toe)[stands, 2] - (rest[f"foot_{side}"] - rest[f"toe_{side}"])[2]
        assert abs(float(np.median(slope))) < 0.02


PAIRS = (("ankle", "foot"), ("toe", "toe"))
