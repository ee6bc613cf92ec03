"""Speed, direction and place taken out of a walk whose cadence and way are known, and put back."""

from __future__ import annotations

import numpy as np
import pytest
from test_capture_motion_bvh import largest_turn

from capture.motion.clip import MotionClip
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from training.movement.factors import at_cadence, at_rate, facing_x, placed, stretched, stride_hz
from training.movement.features import heading_of


def walk(seed: int = 3, *, seconds: float = 5, fps: float = 30, facing_deg: float = 0) -> MotionClip:
    """A walker of the stage on her way."""
    return stage_clip(make_person(seed), seconds=seconds, fps=fps, travel=True, facing_deg=facing_deg)


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_her_cadence_is_found(seed: int) -> None:
    cadence = make_person(seed).gait.cadence_hz
    assert stride_hz(walk(seed, facing_deg=130)) == pytest.approx(cadence, rel=0.02)


def test_less_than_two_strides_are_refused() -> None:
    with pytest.raises(ValueError, match="strides; 2 are the least that a cadence needs"):
        stride_hz(walk(seconds=1))


def test_speed_is_taken_out_and_put_back() -> None:
    clip = walk()
    slow, times = at_cadence(clip, 0.6)
    assert stride_hz(slow) == pytest.approx(0.6, rel=0.02)
    assert times == pytest.approx(make_person(3).gait.cadence_hz / 0.6, rel=0.03)
    np.testing.assert_allclose(slow.root[[0, -1]], clip.root[[0, -1]], atol=1e-9)  # the same way
    back = stretched(slow, 1 / times)
    assert len(back) == len(clip)
    assert largest_turn(back.rotations, clip.rotations) < 0.1
    assert np.abs(back.world[1] - clip.world[1]).max() < 0.002
    assert np.abs(slow.world[1][: len(clip)] - clip.world[1]).max() > 0.1


@pytest.mark.parametrize("times", [0.0, -1.0, float("nan"), 1e-6])
def test_no_time_is_refused(times: float) -> None:
    with pytest.raises(ValueError, match="cannot be taken at"):
        stretched(walk(seconds=0.5), times)
    with pytest.raises(ValueError, match="cadence must be strides per second above 0"):
        at_cadence(walk(seconds=0.5), -abs(times))


def test_another_rate_is_the_same_movement() -> None:
    fast = walk(fps=120, seconds=2)
    slow = at_rate(fast, 30)
    assert (slow.fps, len(slow)) == (30, 60)
    np.testing.assert_allclose(slow.world[1], fast.world[1][::4], atol=1e-9)
    odd = at_rate(fast, 25)
    truth = walk(fps=25, seconds=2)
    np.testing.assert_allclose(odd.world[1], truth.world[1], atol=0.001)
    assert np.abs(odd.world[1] - slow.world[1][: len(odd)]).max() > 0.05
    assert at_rate(fast, 120) is fast
    with pytest.raises(ValueError, match="frame rate is not positive"):
        at_rate(fast, 0)


def test_direction_and_place_are_taken_out_and_put_back() -> None:
    clip = walk(facing_deg=140)
    clip = MotionClip(clip.skeleton, clip.rotations, clip.root + (2, 5, 0), clip.fps)
    still, place = facing_x(clip)
    assert heading_of(still)[0] == pytest.approx(0, abs=1e-9)
    assert np.degrees(place.heading) == pytest.approx(140, abs=3)
    np.testing.assert_allclose(still.root[0, :2], 0, atol=1e-12)
    assert still.root[-1, 0] > 3
    np.testing.assert_allclose(still.root[:, 2], clip.root[:, 2])
    back = placed(still, place)
    np.testing.assert_allclose(back.root, clip.root, atol=1e-12)
    assert largest_turn(back.rotations, clip.rotations) < 1e-9
    assert np.abs(still.root - clip.root).max() > 1
