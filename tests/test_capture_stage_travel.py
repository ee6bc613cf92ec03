"""The walk that goes somewhere: the standing foot stays, the way is the stride's, and every joint is the stage's."""

from __future__ import annotations

import numpy as np
import pytest

from capture.motion.canonical import CANONICAL
from capture.motion.clip import MotionClip
from capture.stage.person import Person, make_person
from capture.stage.scene import Scene
from capture.stage.travel import stage_clip, stride_length, travel_stance, walking_speed
from capture.stage.walk import walk_stance

STAGE_NAMES = {"shoulder": "upper_arm", "elbow": "forearm", "hip": "thigh", "knee": "shin", "ankle": "foot"}


def slides(clip: MotionClip, person: Person) -> float:
    """Metres per second, the mean over frames at which the standing foot slides: of its heel or its ball, the less."""
    turn = 2 * np.pi * (person.gait.cadence_hz * (np.arange(len(clip) - 1) + 0.5) / clip.fps + person.gait.phase)
    speed = np.linalg.norm(np.diff(clip.track.places[..., :2], axis=0), axis=2) * clip.fps
    feet = [[CANONICAL.index(f"{joint}_{side}") for joint in ("ankle", "toe")] for side in ("left", "right")]
    standing = np.where(np.cos(turn) < 0, 0, 1)  # the one whose thigh swings back
    return float(np.mean([speed[t, feet[k]].min() for t, k in enumerate(standing)]))


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_the_standing_foot_stays(seed: int) -> None:
    person = make_person(seed)
    gone = stage_clip(person, seconds=2, fps=30, travel=True, facing_deg=75)
    assert slides(gone, person) < 0.03
    assert slides(stage_clip(person, seconds=2, fps=30), person) > 0.5  # on the spot, as on a treadmill


def test_the_way_is_the_strides() -> None:
    person = make_person(3)
    stride_s = 1 / person.gait.cadence_hz
    start, end = (np.array(travel_stance(person, t).offset_m) for t in (0.2, 0.2 + 2 * stride_s))
    np.testing.assert_allclose(end - start, [2 * stride_length(person), 0, 0], atol=1e-9)
    assert walking_speed(person) == pytest.approx(stride_length(person) / stride_s)
    assert 0.7 < walking_speed(person) < 1.8  # comfortable walking
    assert travel_stance(person, 0).offset_m[0] == 0
    assert walk_stance(person, 5.0).offset_m[0] == 0


def test_she_goes_where_she_faces() -> None:
    clip = stage_clip(make_person(3), seconds=2, fps=10, travel=True, facing_deg=120)
    way = clip.root[-1] - clip.root[0]
    assert np.degrees(np.arctan2(way[1], way[0])) == pytest.approx(120, abs=2)


@pytest.mark.parametrize("travel", [False, True])
def test_every_joint_is_where_the_stage_has_it(travel: bool) -> None:
    person = make_person(6)
    clip = stage_clip(person, seconds=0.5, fps=10, facing_deg=30, travel=travel, start_s=0.4)
    for frame in (0, 4):
        time = 0.4 + frame / 10
        stance = (travel_stance if travel else walk_stance)(person, time, facing_deg=30)
        truth = Scene(person, stance).joints_world()
        for name in CANONICAL:
            joint, _, side = name.partition("_")
            if name == "neck":
                place = (truth["upper_arm_left"] + truth["upper_arm_right"]) / 2
            else:
                place = truth[f"{STAGE_NAMES.get(joint, joint)}_{side}" if side else name]
            np.testing.assert_allclose(clip.track.of(name)[frame], place, atol=1e-12)
    assert np.abs(clip.track.of("head")[0] - clip.track.of("head")[4]).max() > 0.005


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="has no frame; make it longer"):
        stage_clip(make_person(1), seconds=0)
