"""Who is who: two people in shuffled order kept apart, halves of one person joined, the one seen most first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.motion.associate import associate
from calibration.motion.keypoints import People
from calibration.pose import Pose
from capture.motion.clip import JointTrack
from capture.stage.keypoints import Fault, stage_keypoints, stand_back, walk_track
from capture.stage.person import make_person
from capture.stage.rig import make_rig

FPS = 30.0
TIMES = np.arange(40) / FPS
RIG = stand_back(make_rig(4, seed=5, image_size=1024), extent_m=4.0)
CAMERAS = tuple(
    Camera(c.id, c.width, c.height, c.fx, c.fy, c.cx, c.cy, np.array(c.distortion), Pose.from_matrix(c.pose))
    for c in RIG
)


def at(seed: int, x: float, y: float, speed: float = 0.0) -> JointTrack:
    track = walk_track(make_person(seed), TIMES)
    return replace(track, places=track.places + (x, y, 0.0) + TIMES[:, None, None] * np.array([0.0, speed, 0.0]))


def seen(*tracks: JointTrack, noise_px: float = 2.0, shuffled: bool = True) -> dict[str, People]:
    """What each camera finds, its people in another order in every frame."""
    out, rng = {}, np.random.default_rng(2)
    for k, camera in enumerate(RIG):
        found = [stage_keypoints(t, camera, Fault(noise_px), seed=10 * k + n) for n, t in enumerate(tracks)]
        places, confidence = np.stack([p for p, _ in found], axis=1), np.stack([c for _, c in found], axis=1)
        for t in range(len(TIMES)) if shuffled else ():
            order = rng.permutation(len(tracks))
            places[t], confidence[t] = places[t, order], confidence[t, order]
        out[camera.id] = People(tracks[0].names, places, confidence)
    return out


def truth_px(track: JointTrack, camera: Camera) -> np.ndarray:
    return camera.project(track.places.reshape(-1, 3))[0].reshape(len(track), -1, 2)


def test_two_people_in_any_order_are_kept_apart() -> None:
    one, other = at(1, 0.4, 0.0), at(2, -0.6, 0.3)
    found = associate(CAMERAS, seen(one, other), fps=FPS)
    assert len(found.people) == 2
    assert found.doubtful == ()
    assert [p.frames for p in found.people] == [40, 40]
    for person in found.people:
        gaps = {
            name: max(
                np.nanmax(np.linalg.norm(person.keypoints[c.id].places - truth_px(t, c), axis=2)) for c in CAMERAS
            )
            for name, t in (("one", one), ("other", other))
        }
        # One of the two is this person in every frame and camera; noise of 2 px reaches 10.
        assert min(gaps.values()) < 12
        assert max(gaps.values()) > 50


def test_the_one_seen_most_comes_first() -> None:
    her, passer = at(1, 0.4, 0.0), at(2, -0.6, 0.3)
    people = seen(passer, her, shuffled=False)
    for own in people.values():
        own.places[10:, 0], own.confidence[10:, 0] = np.nan, 0.0
    found = associate(CAMERAS, people, fps=FPS)
    assert [(p.name, p.frames) for p in found.people] == [("person 1", 40), ("person 2", 10)]
    assert np.isfinite(found.people[0].keypoints["cam01"].places).all(axis=(1, 2)).all()


def test_somebody_whom_one_camera_sees_is_nobody() -> None:
    her, poster = at(1, 0.4, 0.0), at(2, -0.6, 0.3)
    people = seen(her, poster, shuffled=False)
    for name in ("cam02", "cam03", "cam04"):
        people[name].places[:, 1], people[name].confidence[:, 1] = np.nan, 0.0
    assert len(associate(CAMERAS, people, fps=FPS).people) == 1


def test_two_people_who_meet_are_doubtful_and_two_apart_are_not() -> None:
    # They pass through each other half way: there nobody can tell.
    meeting = associate(CAMERAS, seen(at(1, 0.0, -0.6, 0.9), at(1, 0.0, 0.6, -0.9)), fps=FPS)
    assert meeting.doubtful
    assert all(10 <= t <= 30 for t, _, _ in meeting.doubtful)
    assert not associate(CAMERAS, seen(at(1, -0.8, -0.6, 0.9), at(1, 0.8, 0.6, -0.9)), fps=FPS).doubtful


def test_a_person_who_is_hidden_for_a_while_is_the_same_afterwards() -> None:
    people = seen(at(1, 0.0, 0.0))
    for own in people.values():
        own.places[15:25], own.confidence[15:25] = np.nan, 0.0
    found = associate(CAMERAS, people, fps=FPS)
    assert [p.frames for p in found.people] == [30]


def test_two_halves_of_one_person_are_one() -> None:
    people = seen(at(1, 0.0, 0.0))
    # From frame 10 on two cameras see arms and head only, and two the legs.
    arms = [k for k, n in enumerate(at(1, 0, 0).names) if n.split("_")[0] in ("head", "elbow", "wrist", "shoulder")]
    legs = [k for k in range(18) if k not in arms]
    for camera, lost in zip(people, (legs, legs, arms, arms), strict=True):
        people[camera].places[10:, 0, lost] = np.nan
        people[camera].confidence[10:, 0, lost] = 0.0
    found = associate(CAMERAS, people, fps=FPS)
    assert [p.frames for p in found.people] == [40]
    assert found.people[0].sights == 160


def test_nobody_is_nobody() -> None:
    people = seen(at(1, 0.0, 0.0))
    for own in people.values():
        own.places[:], own.confidence[:] = np.nan, 0.0
    assert associate(CAMERAS, people, fps=FPS).people == ()


def test_what_does_not_belong_together_is_refused() -> None:
    people: Mapping[str, People] = seen(at(1, 0.0, 0.0))
    with pytest.raises(ValueError, match=r"cameras \['cam04'\] have no keypoints"):
        associate(CAMERAS, {k: v for k, v in people.items() if k != "cam04"}, fps=FPS)
    short = People(people["cam01"].names, people["cam01"].places[:5], people["cam01"].confidence[:5])
    with pytest.raises(ValueError, match="differ in layout or number of frames"):
        associate(CAMERAS, {**people, "cam01": short}, fps=FPS)
