"""The detector of the stage: joints where they are, faults as asked for, and a walk that does not slide."""

from __future__ import annotations

import numpy as np
import pytest

from capture.motion.canonical import CANONICAL
from capture.motion.clip import JointTrack
from capture.stage.keypoints import Fault, hidden, stage_keypoints, stand_back, walk_track
from capture.stage.lens import image_points, look_at
from capture.stage.person import make_person
from capture.stage.rig import make_rig
from capture.stage.travel import walking_speed

TIMES = np.arange(60) / 30
PERSON = make_person(2)
RIG = stand_back(make_rig(4, seed=2, image_size=1024))


def test_all_of_her_is_in_every_picture() -> None:
    track = walk_track(PERSON, TIMES)
    assert track.names == CANONICAL
    assert track.fps == pytest.approx(30)
    for camera in RIG:
        uv, _ = stage_keypoints(track, camera, Fault(noise_px=0.0), seed=0)
        exact, _ = image_points(camera, track.places.reshape(-1, 3))
        assert np.array_equal(uv.reshape(-1, 2), exact)
    # The rig as it was frames her bust only.
    close, _ = stage_keypoints(track, make_rig(4, seed=2, image_size=1024)[0], Fault(), seed=0)
    assert np.isnan(close[:, CANONICAL.index("ankle_left")]).all()


def test_noise_and_dropouts_are_as_large_as_they_were_asked_for() -> None:
    track = walk_track(PERSON, TIMES)
    exact, _ = stage_keypoints(track, RIG[0], Fault(noise_px=0.0), seed=0)
    uv, confidence = stage_keypoints(track, RIG[0], Fault(noise_px=3.0, dropout=0.2), seed=1)
    gap = uv - exact
    assert np.nanstd(gap) == pytest.approx(3.0, rel=0.08)
    assert np.isnan(uv[..., 0]).mean() == pytest.approx(0.2, abs=0.04)
    assert np.array_equal(confidence > 0, np.isfinite(uv[..., 0]))
    again, _ = stage_keypoints(track, RIG[0], Fault(noise_px=3.0, dropout=0.2), seed=1)
    assert np.array_equal(uv, again, equal_nan=True)


def test_the_far_arm_hides_behind_her() -> None:
    track = walk_track(PERSON, TIMES)
    left = RIG[0].moved(look_at(np.array([0.0, 4.5, 1.2]), np.array([0.0, 0.0, 0.92])))
    behind = hidden(track, left).mean(axis=0)
    assert behind[CANONICAL.index("elbow_right")] > 0.5
    assert behind[CANONICAL.index("elbow_left")] == 0
    uv, _ = stage_keypoints(track, left, Fault(noise_px=0.0, occluded=True), seed=0)
    assert np.array_equal(np.isnan(uv[..., 0]), hidden(track, left))


def test_a_walk_across_the_room_goes_and_one_on_the_spot_stays() -> None:
    def way(track: JointTrack) -> float:
        return float(np.linalg.norm(track.of("pelvis")[-1, :2] - track.of("pelvis")[0, :2]))

    gone = walk_track(PERSON, TIMES, across=True, facing_deg=90.0)
    assert way(gone) == pytest.approx(walking_speed(PERSON) * TIMES[-1], rel=0.1)
    assert gone.of("pelvis")[-1, 1] > 1.0
    assert way(walk_track(PERSON, TIMES)) < 0.1


def test_one_moment_is_no_walk() -> None:
    with pytest.raises(ValueError, match="two times at least, found 1"):
        walk_track(PERSON, TIMES[:1])
