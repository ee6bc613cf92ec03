"""The skeleton: a clip made from known rotations comes back, noise stays small, unseen toes are held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.motion.fit import fit_clip, fit_skeleton
from calibration.pose import rotation_of
from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS
from capture.motion.clip import JointTrack, MotionClip, Skeleton
from capture.motion.skeletons import retarget
from capture.stage.keypoints import walk_track
from capture.stage.person import make_person

FPS = 30.0
WALK = walk_track(make_person(1), np.arange(60) / FPS)


def made_clip(frames: int = 40) -> MotionClip:
    """A body whose every joint turns smoothly by up to half a radian while it goes forward and round."""
    rng = np.random.default_rng(3)
    t = np.arange(frames)[:, None, None] / FPS
    size, phase = rng.uniform(-0.5, 0.5, (1, 18, 3)), rng.uniform(0, 6, (1, 18, 3))
    turns = size * np.sin(2 * np.pi * t + phase)
    turns[:, 0] = np.array([0.05, -0.1, 0.0]) + np.arange(frames)[:, None] * np.array([0.0, 0.0, 0.04])
    root = np.stack([0.04 * np.arange(frames), 0.1 * np.sin(t[:, 0, 0]), np.full(frames, 0.95)], axis=1)
    return MotionClip(skeleton(), rotation_of(turns), root, FPS)


def skeleton() -> Skeleton:
    """A T-pose with other lengths on the left than on the right."""
    offsets: dict[str, tuple[float, float, float]] = {
        "chest": (0, 0, 0.30),
        "neck": (0.02, 0, 0.22),
        "head": (0.0, 0, 0.14),
    }
    for side, y, more in (("left", 1, 1.0), ("right", -1, 1.04)):
        offsets |= {
            f"shoulder_{side}": (0.01, 0.17 * y, 0.18), f"elbow_{side}": (0, 0.29 * y * more, 0),
            f"wrist_{side}": (0, 0.25 * y, 0), f"hip_{side}": (0, 0.09 * y, -0.04),
            f"knee_{side}": (0, 0, -0.42 * more), f"ankle_{side}": (0, 0, -0.40), f"toe_{side}": (0.16, 0, -0.06),
        }  # fmt: skip
    listed = np.array([offsets.get(name, (0, 0, 0)) for name in CANONICAL], dtype=float)
    return Skeleton(CANONICAL, CANONICAL_PARENTS, listed)


def test_a_clip_of_known_rotations_comes_back() -> None:
    truth = made_clip()
    fitted = fit_clip(truth.track)
    assert fitted.mean_mm < 0.01
    assert fitted.clip.skeleton.lengths == pytest.approx(truth.skeleton.lengths, abs=1e-5)
    assert np.linalg.det(fitted.clip.rotations) == pytest.approx(1.0)
    gap = np.linalg.norm(fitted.clip.world[1] - truth.world[1], axis=2)
    assert gap.max() < 1e-4
    # Directions alone leave the places of a chest and hips that turn against each other nearly as good.
    assert fit_clip(truth.track, refine=False).mean_mm < 1


def test_a_long_take_is_refined_in_pieces_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(2).normal(0, 0.005, WALK.places.shape)
    rough = JointTrack(CANONICAL, WALK.places + noise, FPS)
    whole = fit_clip(rough).clip
    monkeypatch.setattr("calibration.motion.fit._AT_ONCE", 7)
    pieces = fit_clip(rough).clip
    assert len(pieces) == len(WALK)
    # A piece may stop a step before the whole does; without any step the joints lie 11 mm elsewhere.
    assert np.abs(pieces.world[1] - whole.world[1]).max() < 1e-4
    assert np.abs(fit_clip(rough, refine=False).clip.world[1] - whole.world[1]).max() > 1e-3


def test_the_skeleton_is_canonical_so_that_every_room_takes_the_clip_as_it_is() -> None:
    clip = fit_clip(WALK).clip
    assert np.array_equal(retarget(clip).rotations, clip.rotations)


def test_left_and_right_lengths_are_kept_apart() -> None:
    own = fit_skeleton(made_clip().track)
    assert own.lengths[own.index("knee_right")] / own.lengths[own.index("knee_left")] == pytest.approx(1.04, abs=1e-6)


def test_noise_of_the_track_comes_out_smaller() -> None:
    noisy = replace(WALK, places=WALK.places + np.random.default_rng(0).normal(0, 0.004, WALK.places.shape))
    fitted = fit_clip(noisy)
    truth = np.linalg.norm(fitted.clip.world[1] - WALK.places, axis=2).mean() * 1e3
    before = np.linalg.norm(noisy.places - WALK.places, axis=2).mean() * 1e3
    assert truth < 0.95 * before
    assert 1.0 < fitted.mean_mm < before
    assert set(fitted.error_mm) == set(CANONICAL)
    assert all(fitted.worst_mm[name] >= fitted.error_mm[name] for name in CANONICAL)
    directions = fit_clip(noisy, refine=False)
    off = np.linalg.norm(directions.clip.world[1] - WALK.places, axis=2).mean() * 1e3
    assert off > 1.2 * truth


def test_another_body_does_not_fit() -> None:
    other = fit_skeleton(walk_track(make_person(9), np.arange(10) / FPS))
    scaled = Skeleton(other.names, other.parents, other.offsets * 1.1)
    assert fit_clip(WALK, skeleton=scaled).mean_mm > 10 * max(fit_clip(WALK).mean_mm, 0.01)


def test_bones_swing_without_twist() -> None:
    clip = fit_clip(WALK, refine=False).clip
    for joint, child in (("hip_left", "knee_left"), ("knee_left", "ankle_left"), ("shoulder_right", "elbow_right")):
        bone = clip.skeleton.offsets[clip.skeleton.index(child)]
        local = clip.rotations[:, clip.skeleton.index(joint)]
        axis = np.stack(
            [local[:, 2, 1] - local[:, 1, 2], local[:, 0, 2] - local[:, 2, 0], local[:, 1, 0] - local[:, 0, 1]]
        )
        assert np.abs(bone / np.linalg.norm(bone) @ axis).max() < 1e-9
    for joint in ("head", "wrist_left", "toe_right"):
        assert np.allclose(clip.rotations[:, clip.skeleton.index(joint)], np.eye(3))


def test_toes_that_no_detector_marked_are_held_at_rest() -> None:
    places = WALK.places.copy()
    for name in ("toe_left", "toe_right", "head"):
        places[:, CANONICAL.index(name)] = np.nan
    fitted = fit_clip(replace(WALK, places=places))
    assert fitted.held == ("head", "toe_left", "toe_right")
    assert "toe_left" not in fitted.error_mm
    assert np.isfinite(fitted.clip.world[1]).all()
    # The foot has the length that goes with her leg, and points forward.
    foot = fitted.clip.skeleton.lengths[CANONICAL.index("toe_left")]
    assert foot == pytest.approx(np.linalg.norm(WALK.of("toe_left") - WALK.of("ankle_left"), axis=1).mean(), rel=0.15)
    ahead = fitted.clip.track.of("toe_left") - fitted.clip.track.of("ankle_left")
    assert (ahead[:, 0] > 0).mean() > 0.9


def test_one_toe_is_as_long_as_the_other() -> None:
    places = WALK.places.copy()
    places[:, CANONICAL.index("toe_left")] = np.nan
    own = fit_skeleton(replace(WALK, places=places))
    assert own.lengths[own.index("toe_left")] == pytest.approx(own.lengths[own.index("toe_right")])


def test_gaps_and_other_joints_are_refused() -> None:
    places = WALK.places.copy()
    places[3, CANONICAL.index("knee_left")] = np.nan
    with pytest.raises(ValueError, match="track of 60 frames lacks knee_left in some; fit a whole stretch"):
        fit_clip(replace(WALK, places=places))
    places[:, CANONICAL.index("knee_left")] = np.nan
    with pytest.raises(ValueError, match="joint knee_left is never known together with hip_left"):
        fit_skeleton(replace(WALK, places=places))
    with pytest.raises(ValueError, match="18 canonical joints, found a"):
        fit_clip(JointTrack(("a",), np.zeros((3, 1, 3)), FPS))
