"""The fingerprint of a walk against what the walker was made of, and the clips that must not be read as one."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from stage_walkers import PLAIN, Walk, gait_of, person_of, walk

from capture.issues import Issue
from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS, leg_length
from capture.motion.clip import JointTrack
from training.movement.body import body_motion, longest_gap, resampled
from training.movement.gait import (
    CHANNELS,
    FEATURES,
    NUMBERS,
    SCORED,
    WHOLE,
    Gait,
    StrideClock,
    channel_numbers,
    read_gait,
    stride_clock,
)  # fmt: skip

F64 = NDArray[np.float64]
BONES = tuple((name, CANONICAL[p]) for name, p in zip(CANONICAL, CANONICAL_PARENTS, strict=True) if p >= 0)
STILL = Walk(noise_m=0.0)


def number(gait: Gait, name: str) -> float:
    return float(gait.features[FEATURES.index(name)])


def refused(track: JointTrack) -> Issue:
    found = read_gait(track)
    assert isinstance(found, Issue)
    return found


def mirrored(track: JointTrack) -> JointTrack:
    """Left and right exchanged in the names, as a wrong joint map does."""
    swap = {"left": "right", "right": "left"}
    names = tuple("_".join(swap.get(part, part) for part in name.split("_")) for name in track.names)
    return JointTrack(names, track.places, track.fps)


def test_there_are_29_channels_and_241_numbers() -> None:
    assert (len(CHANNELS), len(NUMBERS), len(WHOLE), len(FEATURES)) == (29, 8, 9, 241)
    assert len(set(FEATURES)) == 241
    gait = gait_of(walk(person_of(1)))
    assert gait.features.shape == (241,)
    assert gait.fingerprint.shape == (SCORED.sum(),) == (212,)
    assert np.isfinite(gait.features).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_walker_is_read_as_made(seed: int) -> None:
    # A trunk that turns takes the arms along: their own swing is seen without it.
    person = replace(person_of(seed), gait=replace(person_of(seed).gait, torso_twist_deg=0.0))
    gait, style = gait_of(walk(person, STILL)), person.gait
    assert gait.clock.hz == pytest.approx(style.cadence_hz, rel=0.01)
    assert gait.strides == pytest.approx(5 * style.cadence_hz, abs=0.1)
    # A sine spends a tenth of its time beyond 0.988 of its amplitude.
    for side, swing in zip(("left", "right"), style.arm_swing_deg, strict=True):
        assert number(gait, f"arm sagittal {side}: range") == pytest.approx(2 * 0.988 * swing, rel=0.08)
        assert number(gait, f"knee {side}: range") == pytest.approx(style.knee_bend_deg, rel=0.15)
        assert number(gait, f"hip flexion {side}: range") == pytest.approx(2 * 0.988 * style.hip_swing_deg, rel=0.05)
    assert number(gait, "sway") == pytest.approx(style.sway_m / np.sqrt(2) / gait.motion.leg_m, rel=0.15)
    assert gait.motion.leg_m == pytest.approx(leg_length(walk(person, STILL)), rel=1e-6)


def test_numbers_of_a_known_wave() -> None:
    clock, rate = StrideClock(0.9, 0.7), 30.0
    phase = clock.at(150, rate)
    wave = 12 + 5 * np.cos(phase) - 3 * np.sin(phase) + 2 * np.cos(2 * phase) + 1.5 * np.sin(2 * phase)
    mean, _, _, _, *parts = channel_numbers(wave[:, None], clock, rate)[0]
    assert mean == pytest.approx(wave.mean())
    assert parts == pytest.approx([5, -3, 2, 1.5])
    speed = channel_numbers(wave[:, None], clock, rate)[0][3]
    assert speed == pytest.approx(np.abs(np.diff(wave)).mean() * rate)


@pytest.mark.parametrize(("hz", "phase"), [(0.5, 0.0), (0.93, 1.2), (1.7, -2.0)])
def test_the_clock_of_a_known_stride(hz: float, phase: float) -> None:
    time = np.arange(180) / 30
    clock, explained = stride_clock(0.6 * np.cos(2 * np.pi * hz * time + phase) + 0.1, 30.0)
    assert clock.hz == pytest.approx(hz, abs=0.02)
    # The phase is that of the middle of the clip: an error of frequency turns it the other way at the start.
    middle = clock.phase + 2 * np.pi * clock.hz * time[90] - (phase + 2 * np.pi * hz * time[90])
    assert np.angle(np.exp(1j * middle)) == pytest.approx(0, abs=0.06)
    assert explained > 0.95
    noise = np.random.default_rng(0).normal(0, 1, 180)
    assert stride_clock(noise, 30.0)[1] < 0.35


@pytest.mark.parametrize("heading", [37.0, 130.0, -101.0, 180.0])
def test_where_she_walks_to_changes_nothing(heading: float) -> None:
    straight, turned = (gait_of(walk(person_of(4), replace(STILL, heading_deg=h))) for h in (0.0, heading))
    assert turned.features == pytest.approx(straight.features, abs=1e-6)


def test_frames_per_second_change_little() -> None:
    fast, slow = (gait_of(walk(person_of(4), replace(STILL, fps=fps))) for fps in (120.0, 30.0))
    change = np.abs(fast.features - slow.features)
    assert np.median(change) < 0.02
    assert change[SCORED].max() < 1.5  # degrees; the last frame differs, and with it the ends of a percentile


def other_body(track: JointTrack, factors: dict[str, float]) -> JointTrack:
    """The same directions of bones, each kind of bone times its factor, and a stride as much longer as the legs."""
    root = track.of("pelvis") * factors["knee"]
    out = np.empty_like(track.places)
    out[:, 0] = root
    for name, parent in BONES:
        bone = track.of(name) - track.of(parent)
        out[:, CANONICAL.index(name)] = out[:, CANONICAL.index(parent)] + factors[name.split("_")[0]] * bone
    return JointTrack(CANONICAL, out, track.fps)


def test_another_body_with_the_same_rotations_has_the_same_fingerprint() -> None:
    track = walk(person_of(5), STILL)
    kinds = {name.split("_")[0] for name, _ in BONES}
    factors = {kind: 0.8 + 0.05 * k for k, kind in enumerate(sorted(kinds))}
    factors["ankle"] = factors["knee"]  # thigh and shank alike: the legs' length then scales the path
    moved, plain = gait_of(other_body(track, factors)), gait_of(track)
    assert moved.motion.leg_m == pytest.approx(factors["knee"] * plain.motion.leg_m)
    assert moved.features == pytest.approx(plain.features, abs=1e-6)
    # Control: with lengths left in, the hand's and the feet's places would tell the two bodies apart.
    raw = [
        np.linalg.norm(t.of("wrist_left") - t.of("pelvis"), axis=1).mean() for t in (other_body(track, factors), track)
    ]
    assert abs(raw[0] / raw[1] - 1) > 0.05


def test_a_filter_takes_noise_out() -> None:
    person = person_of(6)
    clean = gait_of(walk(person, STILL))
    noisy = walk(person, replace(PLAIN, noise_m=0.015))
    rough, smooth = gait_of(noisy), read_gait(noisy, cutoff_hz=5.0)
    assert not isinstance(smooth, Issue)
    errors = [np.abs(g.features - clean.features)[:232].reshape(29, 8)[:, 3].mean() for g in (rough, smooth)]
    assert errors[1] < 0.5 * errors[0]  # mean speeds suffer most from noise


def test_a_turn_is_followed() -> None:
    straight, turning = gait_of(walk(person_of(4), STILL)), gait_of(walk(person_of(4), replace(STILL, turn_deg_s=40)))
    assert np.degrees(turning.motion.heading[-1] - turning.motion.heading[0]) == pytest.approx(200, abs=8)
    assert np.abs(turning.channels - straight.channels)[15:-15].max() < 3.0


@pytest.mark.parametrize(
    ("track", "code", "found"),
    [
        (walk(person_of(1), replace(PLAIN, seconds=1.6)), "MOTION_TOO_SHORT", r"1\.\d strides in 1\.6 s"),
        (walk(person_of(1), replace(PLAIN, seconds=0.5)), "MOTION_TOO_SHORT", r"0\.50 s"),
        (mirrored(walk(person_of(1), PLAIN)), "MOTION_MIRRORED", "toes -0.* and travel -1"),
        (mirrored(walk(person_of(1), replace(PLAIN, travels=False))), "MOTION_MIRRORED", "toes -0"),
    ],
)
def test_what_cannot_be_judged_is_refused(track: JointTrack, code: str, found: str) -> None:
    issue = refused(track)
    assert issue.code == code
    assert re.search(found, issue.found)


def test_standing_is_no_walk() -> None:
    track = walk(person_of(1))
    still = JointTrack(track.names, np.repeat(track.places[:1], 300, axis=0), 60.0)
    rough = JointTrack(track.names, still.places + np.random.default_rng(0).normal(0, 0.01, still.places.shape), 60.0)
    for one in (still, rough):
        assert refused(one).code == "MOTION_NO_STRIDE"


def test_walking_backwards_is_not_mirrored() -> None:
    track = walk(person_of(1))
    back = JointTrack(track.names, track.places[::-1], 60.0)
    assert gait_of(back).features[FEATURES.index("speed")] < -0.5


def test_gaps_are_bridged_up_to_a_fifth_of_a_second() -> None:
    track = walk(person_of(2), STILL)
    plain = gait_of(track).features
    for frames, readable in ((10, True), (20, False)):
        places = track.places.copy()
        places[100 : 100 + frames, CANONICAL.index("wrist_left")] = np.nan
        assert longest_gap(places) == frames
        gapped = JointTrack(track.names, places, track.fps)
        if readable:
            assert np.abs(gait_of(gapped).features - plain).max() < 3.0
        else:
            assert refused(gapped).code == "MOTION_GAP"


def test_a_body_of_no_size_is_refused() -> None:
    track = walk(person_of(2))
    for factor in (0.0, 0.001):
        issue = refused(replace(track, places=factor * track.places))
        assert issue.code == "MOTION_NO_BODY"
        assert issue.expected == "legs of 0.2 m or more"
    wild = track.places.copy()
    wild[:, 2] = np.inf
    assert refused(replace(track, places=wild)).code == "MOTION_GAP"


def test_a_joint_never_seen_is_a_gap_and_one_not_named_is_missing() -> None:
    track = walk(person_of(2))
    places = track.places.copy()
    places[:, 3] = np.nan
    assert refused(JointTrack(track.names, places, 60.0)).code == "MOTION_GAP"
    issue = refused(JointTrack(track.names[1:], track.places[:, 1:], 60.0))
    assert (issue.code, issue.found) == ("MOTION_JOINT_MISSING", "no pelvis")


def test_misuse_is_told() -> None:
    track = walk(person_of(2))
    with pytest.raises(ValueError, match="cutoff is 40 Hz at 60 frames/s; give 0, or less than half the rate"):
        body_motion(track, cutoff_hz=40)
    with pytest.raises(ValueError, match="channel 'nose' is none"):
        gait_of(track).channel("nose")


def test_resampling_keeps_a_smooth_path() -> None:
    time = np.arange(121) / 60
    path = np.stack([np.sin(3 * time), np.cos(2 * time), time], axis=1)[:, None]
    new = np.arange(61) / 30
    expected = np.stack([np.sin(3 * new), np.cos(2 * new), new], axis=1)[:, None]
    assert resampled(path, 60.0, 30.0) == pytest.approx(expected, abs=1e-6)
