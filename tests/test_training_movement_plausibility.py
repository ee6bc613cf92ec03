"""Feet that slide by known metres, sink by known millimetres, jerks of known sines, joints bent by known angles."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from stage_walkers import PLAIN, person_of, walk

from capture.issues import Issue
from capture.motion.canonical import CANONICAL, canonical_track
from capture.motion.clip import JointTrack
from capture.stage.travel import stage_clip
from training.movement.plausibility import NUMBERS, Comparison, Floor, Plausibility, floor_of, measure

F64 = NDArray[np.float64]
FPS = 30.0
FLOOR = Floor(0.0, (0.08, 0.02))


@cache
def standing() -> JointTrack:
    """A person of 0.8 m of leg who stands still for four seconds, facing +x, arms down, toes on the floor."""
    places: dict[str, tuple[float, float, float]] = {}
    places |= {"pelvis": (0, 0, 0.92), "chest": (0, 0, 1.15), "neck": (0, 0, 1.4), "head": (0, 0, 1.55)}
    for side, y in (("left", 1), ("right", -1)):
        places |= {
            f"shoulder_{side}": (0, 0.18 * y, 1.38),
            f"elbow_{side}": (0, 0.2 * y, 1.1),
            f"wrist_{side}": (0, 0.2 * y, 0.86),
            f"hip_{side}": (0, 0.09 * y, 0.88),
            f"knee_{side}": (0, 0.09 * y, 0.48),
            f"ankle_{side}": (0, 0.09 * y, 0.08),
            f"toe_{side}": (0.14, 0.09 * y, 0.02),
        }
    frame = np.array([places[name] for name in CANONICAL], dtype=float)
    return JointTrack(CANONICAL, np.repeat(frame[None], 121, axis=0), FPS)


def measured(track: JointTrack, floor: Floor = FLOOR) -> Plausibility:
    found = measure(track, floor)
    assert not isinstance(found, Issue)
    return found


def moved(joints: tuple[str, ...], by: F64) -> JointTrack:
    """Some joints displaced by metres (T, 3)."""
    places = standing().places.copy()
    for joint in joints:
        places[:, CANONICAL.index(joint)] += by
    return replace(standing(), places=places)


def ramp(speed: float, first: int, last: int, axis: int = 0) -> F64:
    out = np.zeros((121, 3))
    out[:, axis] = speed / FPS * np.clip(np.arange(121) - first, 0, last - first)
    return out


def test_a_standing_person_is_plausible() -> None:
    found = measured(standing())
    assert [getattr(found, name) for name in NUMBERS] == pytest.approx([0] * len(NUMBERS), abs=1e-6)
    assert found.contact_share == 1


def test_sliding_is_measured_in_metres() -> None:
    # One foot at 1 m/s for a second in a clip of four seconds; slower than 0.5 m/s is no skating.
    for speed, metres in ((1.0, 1.0), (0.4, 0.0)):
        found = measured(moved(("toe_left", "ankle_left"), ramp(speed, 40, 70)))
        assert found.skated_m == pytest.approx(metres / 4, rel=0.02)
        assert found.skating_share == pytest.approx(30 / 120 if metres else 0, abs=0.02)


def test_a_foot_in_the_air_does_not_slide() -> None:
    lift = np.zeros((121, 3))
    lift[:, 2] = 0.2
    found = measured(moved(("toe_left", "ankle_left"), ramp(1.0, 40, 70) + lift))
    assert found.skated_m == 0
    assert found.contact_share == 1  # the other foot stands


def test_depth_in_the_floor() -> None:
    found = measured(moved(("toe_right",), np.where(np.arange(121)[:, None] < 30, [0, 0, -0.03], 0.0)))
    assert found.deepest_m == pytest.approx(0.03, abs=0.005)  # splines overshoot a step
    assert found.in_floor_share == pytest.approx(0.25, abs=0.02)
    shallow = measured(moved(("toe_right",), np.tile([0.0, 0.0, -0.008], (121, 1))))
    assert (shallow.in_floor_share, shallow.deepest_m) == (0, pytest.approx(0.008))


def test_jerk_of_a_sine() -> None:
    """A joint on A sin(2 pi f t) has a jerk of A (2 pi f)^3 at most and 2/pi of it in the mean."""
    amplitude, hz = 0.1, 1.0
    time = np.arange(121) / FPS
    wave = np.zeros((121, 3))
    wave[:, 1] = amplitude * np.sin(2 * np.pi * hz * time)
    found = measured(moved(("head",), wave))
    peak = amplitude * (2 * np.pi * hz) ** 3
    assert found.jerk_mean * len(CANONICAL) == pytest.approx(2 / np.pi * peak, rel=0.03)
    assert found.jerk_peak == pytest.approx(peak, rel=0.03)
    assert found.jerk_mean_legs == pytest.approx(found.jerk_mean / 0.8)


def bent(inner: str, outer: str, tip: str, degrees: float) -> JointTrack:
    """A hanging bone's lower part turned in the sagittal plane: positive swings it forward."""
    places = standing().places.copy()
    pivot = places[:, CANONICAL.index(outer)]
    length = float(np.linalg.norm(places[0, CANONICAL.index(tip)] - pivot[0]))
    turn = np.array([np.sin(np.radians(degrees)), 0, -np.cos(np.radians(degrees))])
    places[:, CANONICAL.index(tip)] = pivot + length * turn
    if tip.startswith("ankle"):
        places[:, CANONICAL.index(tip.replace("ankle", "toe"))] = pivot + length * turn + [0.14, 0, 0]
    return replace(standing(), places=places)


@pytest.mark.parametrize(
    ("chain", "degrees", "beyond", "named"),
    [
        (("hip_left", "knee_left", "ankle_left"), 35.0, 25.0, "knee left"),  # forward: against the joint
        (("hip_left", "knee_left", "ankle_left"), -120.0, 0.0, ""),
        (("hip_left", "knee_left", "ankle_left"), -160.0, 25.0, "knee left"),
        (("shoulder_right", "elbow_right", "wrist_right"), -45.0, 35.0, "elbow right"),
        (("shoulder_right", "elbow_right", "wrist_right"), 120.0, 0.0, ""),
    ],
)
def test_joints_beyond_their_limits(chain: tuple[str, str, str], degrees: float, beyond: float, named: str) -> None:
    found = measured(bent(*chain, degrees))
    assert found.beyond_deg == pytest.approx(beyond, abs=1.0)
    assert found.beyond_joint == named
    assert found.beyond_share == (1.0 if beyond > 15 else 0.0)


def test_the_floor_of_real_takes() -> None:
    floor = floor_of([standing()])
    assert (floor.z, floor.standing) == (pytest.approx(0.02), pytest.approx((0.06, 0.0)))
    assert floor_of([standing()], z=0.0).standing == pytest.approx((0.08, 0.02))
    with pytest.raises(ValueError, match="no takes given; the floor is read from one real take or more"):
        floor_of([])


def test_a_clip_is_judged_beside_real_takes() -> None:
    real = [walk(person_of(2), replace(PLAIN, seed=k)) for k in range(3)]
    floor = floor_of(real, z=0.0)
    usual = tuple(measured(t, floor) for t in real)
    same = Comparison(measured(walk(person_of(2), replace(PLAIN, seed=9)), floor), usual)
    assert not same.report.issues
    assert same.ratio("jerk_mean") == pytest.approx(1.0, abs=0.15)
    # One fault at a time: shaken, sunk, knees the wrong way round.
    shaken = walk(person_of(2), replace(PLAIN, noise_m=0.006))
    sunk = replace(real[0], places=real[0].places - [0, 0, 0.04])
    for track, code in ((shaken, "MOTION_JERKY"), (sunk, "FOOT_IN_FLOOR")):
        assert [i.code for i in Comparison(measured(track, floor), usual).report.issues] == [code]
    broken = Comparison(measured(bent("hip_left", "knee_left", "ankle_left", 40.0)), (measured(standing()),)).report
    assert broken.errors[0].code == "JOINT_BEYOND_LIMIT"
    assert "knee left 30 deg past its limit, 100% of frames" in broken.errors[0].found


def test_sliding_beside_takes_that_do_not() -> None:
    found = Comparison(measured(moved(CANONICAL, ramp(1.0, 20, 80))), (measured(standing()),)).report
    assert [i.code for i in found.issues if i.code != "MOTION_JERKY"] == ["FOOT_SKATING"]
    assert found.facts["skated_m_ratio"] is None  # hers is zero
    assert found.facts["skated_m"] == pytest.approx(1.0, rel=0.02)  # two feet, two seconds of four


@pytest.mark.parametrize("seed", [1, 2])
def test_a_walk_on_the_spot_skates_and_one_that_travels_does_less(seed: int) -> None:
    """The stage swings its feet low, so that a part of every swing counts; the standing foot is what differs."""
    spot, travels = (
        canonical_track(stage_clip(person_of(seed), seconds=2.5, travel=travel)) for travel in (False, True)
    )
    shares = [measured(track, floor_of([track], z=0.0)).skating_share for track in (spot, travels)]
    assert shares[0] > 0.8
    assert shares[1] < 0.4


def test_misuse_is_told() -> None:
    with pytest.raises(ValueError, match="no real takes to compare with; give one or more"):
        Comparison(measured(standing()), ())
    with pytest.raises(ValueError, match="'beyond_joint' is no number of Plausibility"):
        Comparison(measured(standing()), (measured(standing()),)).usual("beyond_joint")
