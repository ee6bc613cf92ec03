"""Gaps and smoothing: short gaps filled near the truth, long ones left open and named, noise taken, movement kept."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.motion.gaps import Gap, fill_gaps, runs, smooth
from capture.motion.clip import JointTrack

FPS = 60.0


def swing(frames: int = 180) -> JointTrack:
    """Two joints; the first as an ankle swings: 1 Hz, 30 cm to either side, and its second harmonic upwards."""
    t = np.arange(frames) / FPS
    ankle = np.stack([0.3 * np.sin(2 * np.pi * t), 0.02 * t, 0.1 + 0.05 * np.cos(4 * np.pi * t)], axis=1)
    return JointTrack(("ankle", "other"), np.stack([ankle, ankle + 0.5], axis=1), FPS)


def without(track: JointTrack, joint: int, *cuts: tuple[int, int]) -> JointTrack:
    places = track.places.copy()
    for first, end in cuts:
        places[first:end, joint] = np.nan
    return JointTrack(track.names, places, track.fps)


def test_short_gaps_are_filled_near_the_truth() -> None:
    truth = swing()
    filled, left = fill_gaps(without(truth, 0, (40, 52), (100, 104)))
    assert left == ()
    gap = np.linalg.norm(filled.places - truth.places, axis=2)
    assert gap[40:52, 0].max() < 0.03
    assert gap[100:104, 0].max() < 0.005
    assert gap[:, 1].max() == 0


def test_long_gaps_and_the_ends_stay_open_and_are_named() -> None:
    filled, left = fill_gaps(without(swing(), 0, (0, 3), (40, 53), (170, 180)))
    assert left == (Gap("ankle", 0, 3), Gap("ankle", 40, 13), Gap("ankle", 170, 10))
    assert np.isnan(filled.places[[0, 40, 52, 179], 0]).all()
    assert fill_gaps(without(swing(), 0, (40, 53)), longest_s=0.25)[1] == ()


def test_a_joint_that_was_never_seen_is_one_gap() -> None:
    filled, left = fill_gaps(without(swing(20), 1, (0, 20)))
    assert left == (Gap("other", 0, 20),)
    assert np.isnan(filled.places[:, 1]).all()


def test_smoothing_takes_the_noise_and_keeps_the_movement() -> None:
    truth = swing()
    noise = np.random.default_rng(0).normal(0, 0.005, truth.places.shape)
    noisy = JointTrack(truth.names, truth.places + noise, FPS)

    def off(track: JointTrack) -> float:
        return float(np.sqrt(((track.places - truth.places) ** 2).mean()))

    # 6 Hz of 30 keep 0.45 of white noise; the movement at 1 and 2 Hz loses under a millimetre.
    assert off(smooth(noisy)) < 0.55 * 0.005
    assert off(smooth(truth)) < 0.001
    # No delay: filtered once, the same filter lags by several frames.
    assert np.correlate(smooth(truth).places[:, 0, 0], truth.places[:, 0, 0], "full").argmax() == len(truth) - 1
    # A cut-off below the movement destroys it.
    assert off(smooth(truth, cutoff_hz=0.7)) > 0.02


def test_the_cut_off_is_where_it_is_said_to_be() -> None:
    t = np.arange(600) / FPS
    wave = np.sin(2 * np.pi * 6 * t)
    track = JointTrack(("a",), np.repeat(wave[:, None, None], 3, axis=2), FPS)
    kept = smooth(track).places[100:500, 0, 0].std() / wave[100:500].std()
    assert kept == pytest.approx(1 / np.sqrt(2), abs=0.01)


def test_gaps_stay_gaps_and_short_runs_are_left_alone() -> None:
    track = without(swing(), 0, (50, 80), (90, 120))
    done = smooth(track)
    assert np.array_equal(np.isnan(done.places), np.isnan(track.places))
    assert np.array_equal(done.places[80:90, 0], track.places[80:90, 0])
    assert not np.array_equal(done.places[:50, 0], track.places[:50, 0])


def test_runs_of_flags() -> None:
    assert list(runs(np.array([True, False, True, True]))) == [(0, 1), (2, 4)]
    assert list(runs(np.zeros(3, dtype=bool))) == []


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="is -1 s; give 0 for none"):
        fill_gaps(swing(), longest_s=-1)
    with pytest.raises(ValueError, match="cut-off of 25 Hz does not go with 60 frames"):
        smooth(swing(), cutoff_hz=25)
