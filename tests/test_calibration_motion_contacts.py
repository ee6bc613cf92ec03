"""Foot contacts of a walk that stands on the floor: the true standing foot, without flicker."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.motion.contacts import Limits, find_contacts
from capture.motion.clip import JointTrack
from capture.stage.keypoints import walk_track
from capture.stage.person import make_person

FPS = 60
TIMES = np.arange(180) / FPS


@pytest.mark.parametrize("seed", [1, 4])
def test_the_standing_foot_of_a_walk_is_found(seed: int) -> None:
    person = make_person(seed)
    track = walk_track(person, TIMES, across=True)
    found = find_contacts(track)
    both = np.stack([found.left, found.right], axis=1)
    # The stage lets that foot bear her whose thigh swings back.
    turn = 2 * np.pi * (person.gait.cadence_hz * TIMES + person.gait.phase)
    bears = np.stack([np.cos(turn) < 0, np.cos(turn) >= 0], axis=1)
    assert both[bears].mean() > 0.9
    feet = np.stack([(track.of(f"ankle_{s}") + track.of(f"toe_{s}")) / 2 for s in ("left", "right")], axis=1)
    height = feet[..., 2] - feet[..., 2].min(axis=0)
    assert not both[height > 0.08].any()
    # One contact a step and no flicker.
    begins = (np.diff(both.astype(int), axis=0) == 1).sum()
    assert abs(begins - 2 * person.gait.cadence_hz * TIMES[-1]) <= 1.5


def steps(noise_m: float) -> tuple[JointTrack, np.ndarray]:
    """Feet that stand 0.6 s and swing 0.4 s over 1.2 m, 12 cm high, half a stride apart; and when they stand (T, 2)."""
    sides, stands = {}, []
    for side, late in (("left", 0.0), ("right", 0.5)):
        cycle = TIMES + late
        share = np.clip((cycle % 1.0 - 0.6) / 0.4, 0.0, 1.0)
        forward = 1.2 * (np.floor(cycle) + share - np.sin(2 * np.pi * share) / (2 * np.pi))
        height = 0.08 + 0.06 * (1 - np.cos(2 * np.pi * share))
        sides[f"ankle_{side}"] = np.stack([forward, np.full(len(TIMES), 0.1), height], axis=1)
        sides[f"toe_{side}"] = sides[f"ankle_{side}"] + (0.14, 0.0, -0.05)
        stands.append(cycle % 1.0 < 0.6)
    places = np.stack(list(sides.values()), axis=1)
    places += np.random.default_rng(0).normal(0, noise_m, places.shape)
    return JointTrack(tuple(sides), places, FPS), np.stack(stands, axis=1)


@pytest.mark.parametrize("noise_m", [0.0, 0.002])
def test_contacts_of_known_steps_begin_and_end_in_time(noise_m: float) -> None:
    track, truth = steps(noise_m)
    found = find_contacts(track)
    both = np.stack([found.left, found.right], axis=1)
    assert (both == truth).mean() > 0.93
    # As many contacts as there are steps: nothing flickers.
    assert (np.diff(both.astype(int), axis=0) == 1).sum() == (np.diff(truth.astype(int), axis=0) == 1).sum()
    assert found.floor_m == pytest.approx(0.03, abs=0.005)


def test_without_hysteresis_noise_makes_it_flicker() -> None:
    track, truth = steps(0.004)
    flat = Limits(down_m=0.035, up_m=0.035, slow_m_s=0.35, fast_m_s=0.35, least_s=0.0)
    begins = [
        (np.diff(np.stack([c.left, c.right], axis=1).astype(int), axis=0) == 1).sum()
        for c in (find_contacts(track), find_contacts(track, flat))
    ]
    assert begins[0] == (np.diff(truth.astype(int), axis=0) == 1).sum()
    assert begins[1] > begins[0]


def test_someone_who_stands_stands_and_one_on_a_belt_does_not() -> None:
    still = np.repeat(walk_track(make_person(1), TIMES[:2]).places[:1], 60, axis=0)
    track = walk_track(make_person(1), TIMES[:2])
    found = find_contacts(JointTrack(track.names, still, FPS))
    assert found.left.all()
    assert found.right.all()
    moving = still + np.arange(60)[:, None, None] / FPS * np.array([1.2, 0.0, 0.0])
    assert not find_contacts(JointTrack(track.names, moving, FPS)).left.any()


def test_unknown_frames_are_no_contact() -> None:
    track = walk_track(make_person(1), TIMES, across=True)
    places = track.places.copy()
    places[50:90] = np.nan
    found = find_contacts(JointTrack(track.names, places, FPS))
    assert not found.left[50:90].any()
    assert not found.right[50:90].any()


def test_a_track_without_ankles_is_refused() -> None:
    with pytest.raises(ValueError, match="'ankle_left' is not in the track"):
        find_contacts(JointTrack(("head",), np.zeros((5, 1, 3)), FPS))
