"""The fingerprint of a walk: 29 channels with 8 numbers each, locked to the clock of her strides, and 9 of the whole.

Method: harmonics of the stride after Troje (2002, Journal of Vision 2:371), channels as angles so that no body size is
in them. 241 numbers a clip; degrees, seconds and leg lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.issues import Issue, issue
from capture.motion.canonical import SIDES
from capture.motion.clip import JointTrack
from training.movement.body import BodyMotion, body_motion, low_passed, travel_speed

F64 = NDArray[np.float64]

STRIDE_HZ = (0.4, 2.2)  # of the slowest stroll and of a sprint
MIN_STRIDES = 2.0
_MIN_SEPARATION = 0.05  # leg lengths, sd of the ankles' fore-aft distance: a standing person sways by 0.01
_MIN_PEAK = 0.35  # share of that distance's variance that the strides must explain; walks have 0.8 and more

_SIDE_CHANNELS = (
    "knee", "hip flexion", "hip abduction", "shank sagittal", "ankle", "toe-out",
    "elbow", "arm sagittal", "arm abduction", "hand lateral",
)  # fmt: skip
_TRUNK_CHANNELS = (
    "lean sagittal", "lean frontal", "head sagittal", "head frontal", "pelvis list", "shoulder list",
    "pelvis rotation", "shoulder rotation", "twist",
)  # fmt: skip
CHANNELS = (*(f"{name} {side}" for side in SIDES for name in _SIDE_CHANNELS), *_TRUNK_CHANNELS)
NUMBERS = ("mean", "sd", "range", "speed", "cos 1", "sin 1", "cos 2", "sin 2")
WHOLE = (
    "stride frequency", "speed", "stride length", "ankle separation", "step width",
    "pelvis bob", "head bob", "sway", "pelvis height",
)  # fmt: skip
FEATURES = (*(f"{channel}: {number}" for channel in CHANNELS for number in NUMBERS), *WHOLE)
"""Names of the 241 numbers, in their order."""
SCORED = np.array([not name.endswith(": speed") for name in FEATURES])
"""(241,) bool: numbers that a score compares. The mean speeds of the channels would count the cadence 29 times."""

# What a number can be off by in a clip whose joints are good to about 5 mm: of a channel in degrees, of the hands in
# leg lengths, in the order of NUMBERS and WHOLE. People who differ by less are not told apart by it.
_CHANNEL_RESOLUTION = np.array([1.0, 1.0, 3.0, 15.0, 0.7, 0.7, 0.7, 0.7])
_HANDS_FACTOR = 0.01
_WHOLE_RESOLUTION = (0.01, 0.03, 0.03, 0.01, 0.01, 0.005, 0.005, 0.005, 0.01)
RESOLUTION = np.concatenate(
    [*(_CHANNEL_RESOLUTION * (_HANDS_FACTOR if name.startswith("hand") else 1) for name in CHANNELS), _WHOLE_RESOLUTION]
)
"""(241,) in the unit of each number."""


@dataclass(frozen=True)
class StrideClock:
    """The frequency of her strides and the phase at the first frame: 0 where the left ankle is farthest ahead."""

    hz: float
    phase: float  # radians at time 0

    def at(self, frames: int, rate: float) -> F64:
        """(T,) radians of the stride at every frame."""
        return np.asarray(self.phase + 2 * np.pi * self.hz * np.arange(frames) / rate)


@dataclass(frozen=True, eq=False)
class Gait:
    """A walk that was read: the motion on the common body, its channels, its clock and its fingerprint."""

    motion: BodyMotion
    channels: F64  # (T, 29) degrees; of the hands leg lengths
    clock: StrideClock
    features: F64  # (241,) in the order of FEATURES

    @property
    def fingerprint(self) -> F64:
        """(212,) the numbers that a score compares."""
        return np.asarray(self.features[SCORED])

    @property
    def strides(self) -> float:
        """Strides in the clip."""
        return self.clock.hz * len(self.motion) / self.motion.rate

    def channel(self, name: str) -> F64:
        """(T,) one channel. ValueError for a name that is none."""
        if name not in CHANNELS:
            raise ValueError(f"channel {name!r} is none; there are {', '.join(CHANNELS)}")
        return np.asarray(self.channels[:, CHANNELS.index(name)])


def read_gait(track: JointTrack, *, where: str = "clip", cutoff_hz: float = 0.0) -> Gait | Issue:
    """The gait of a canonical track (18 joints, world metres, z up), or the issue that keeps it from being read.

    At least two strides are needed. `cutoff_hz` as in `body_motion`.
    """
    motion = body_motion(track, where=where, cutoff_hz=cutoff_hz)
    if isinstance(motion, Issue):
        return motion
    separation = motion.bone("ankle_right", "ankle_left")[:, 0]
    clock, explained = stride_clock(separation, motion.rate)
    spread = float(separation.std())
    if spread < _MIN_SEPARATION or explained < _MIN_PEAK:
        found = f"ankles part by {spread:.2f} leg lengths, {explained:.0%} of it in a steady stride"
        expected = f"at least {_MIN_SEPARATION:g} leg lengths and {_MIN_PEAK:.0%}"
        return issue("MOTION_NO_STRIDE", where=where, expected=expected, found=found)
    strides = clock.hz * len(motion) / motion.rate
    if strides < MIN_STRIDES:
        found = f"{strides:.1f} strides in {len(motion) / motion.rate:.1f} s"
        return issue("MOTION_TOO_SHORT", where=where, expected=f"at least {MIN_STRIDES:g} strides", found=found)
    values = channels(motion)
    numbers = np.concatenate([channel_numbers(values, clock, motion.rate).ravel(), whole_numbers(motion, clock)])
    return Gait(motion, values, clock, numbers)


def stride_clock(separation: F64, rate: float) -> tuple[StrideClock, float]:
    """The clock of the strides and the share of the variance that its wave explains.

    `separation` (T,) is how far the left ankle is ahead of the right one. Spectral peak under a Hann window, padded
    with zeros to a grid of 0.002 Hz or finer.
    """
    frames = len(separation)
    centred = separation - separation.mean()
    window = np.hanning(frames + 2)[1:-1]
    size = 1 << int(np.ceil(np.log2(max(rate / 0.002, 2 * frames))))
    spectrum = np.fft.rfft(window * centred, size)
    hz = np.fft.rfftfreq(size, 1 / rate)
    inside = (hz >= STRIDE_HZ[0]) & (hz <= STRIDE_HZ[1])
    best = int(np.flatnonzero(inside)[np.argmax(np.abs(spectrum[inside]))])
    clock = StrideClock(float(hz[best]), float(np.angle(spectrum[best])))
    wave = _waves(clock.at(frames, rate), 1)
    left = centred - wave @ np.linalg.lstsq(wave, centred, rcond=None)[0]
    return clock, float(1 - left.var() / max(centred.var(), 1e-12))


def channels(motion: BodyMotion) -> F64:
    """(T, 29) the channels in the order of CHANNELS: degrees, of the hands leg lengths outward from the pelvis."""
    sides = [_side_channels(motion, side) for side in SIDES]
    return np.stack([*(c for side in sides for c in side), *_trunk_channels(motion)], axis=1)


def _side_channels(motion: BodyMotion, side: str) -> list[F64]:
    out = 1.0 if side == "right" else -1.0
    thigh, shank = motion.bone(f"hip_{side}", f"knee_{side}"), motion.bone(f"knee_{side}", f"ankle_{side}")
    foot = motion.bone(f"ankle_{side}", f"toe_{side}")
    arm, forearm = motion.bone(f"shoulder_{side}", f"elbow_{side}"), motion.bone(f"elbow_{side}", f"wrist_{side}")
    hand = motion.bone("pelvis", f"wrist_{side}")
    return [
        between(thigh, shank),
        _hanging(thigh[:, 0], thigh),
        _hanging(out * thigh[:, 1], thigh),
        _hanging(shank[:, 0], shank),
        between(shank, foot) - 90,
        # The sine of the turn and not its tangent: at push-off the foot stands upright and has no heading.
        _tilt(out * foot[:, 1], foot),
        between(arm, forearm),
        _hanging(arm[:, 0], arm),
        _hanging(out * arm[:, 1], arm),
        out * hand[:, 1],
    ]


def _trunk_channels(motion: BodyMotion) -> list[F64]:
    trunk, head = motion.bone("pelvis", "neck"), motion.bone("neck", "head")
    hips, shoulders = motion.bone("hip_left", "hip_right"), motion.bone("shoulder_left", "shoulder_right")
    pelvis_turn, shoulder_turn = (np.degrees(np.arctan2(line[:, 0], line[:, 1])) for line in (hips, shoulders))
    return [
        *(np.degrees(np.arctan2(bone[:, axis], bone[:, 2])) for bone in (trunk, head) for axis in (0, 1)),
        _tilt(hips[:, 2], hips),
        _tilt(shoulders[:, 2], shoulders),
        pelvis_turn,
        shoulder_turn,
        shoulder_turn - pelvis_turn,
    ]


def between(first: F64, second: F64) -> F64:
    """(T,) degrees between two bones (T, 3): 0 where they are in line."""
    cosine = np.einsum("ti,ti->t", first, second)
    sine = np.linalg.norm(np.cross(first, second), axis=1)
    return np.degrees(np.arctan2(sine, cosine))


def _hanging(sideways: F64, bone: F64) -> F64:
    """Degrees by which a hanging bone leaves the vertical to one side."""
    return np.degrees(np.unwrap(np.arctan2(sideways, -bone[:, 2])))


def _tilt(part: F64, bone: F64) -> F64:
    return np.degrees(np.arcsin(np.clip(part / np.maximum(np.linalg.norm(bone, axis=1), 1e-9), -1, 1)))


def channel_numbers(values: F64, clock: StrideClock, rate: float) -> F64:
    """(C, 8) of channels (T, C): the numbers in the order of NUMBERS."""
    waves = _waves(clock.at(len(values), rate), 2)
    parts = np.linalg.lstsq(waves, values, rcond=None)[0][1:]  # (4, C)
    low, high = np.percentile(values, [5, 95], axis=0)
    speed = np.abs(np.diff(values, axis=0)).mean(axis=0) * rate
    return np.stack([values.mean(axis=0), values.std(axis=0), high - low, speed, *parts], axis=1)


def _waves(phase: F64, harmonics: int) -> F64:
    """(T, 1 + 2 H) a constant and the cosines and sines of the harmonics, in pairs."""
    turns = [wave(k * phase) for k in range(1, harmonics + 1) for wave in (np.cos, np.sin)]
    return np.stack([np.ones_like(phase), *turns], axis=1)


def whole_numbers(motion: BodyMotion, clock: StrideClock) -> F64:
    """(9,) in the order of WHOLE: Hz, leg lengths per second, leg lengths."""
    ankles = motion.bone("ankle_left", "ankle_right")
    pelvis, head = motion.of("pelvis"), motion.of("head")
    speed = travel_speed(motion)
    slow = min(0.5 * clock.hz, 0.45 * motion.rate)
    # Sway and bob are what her strides add to the path: the path itself, and turns of it, are taken out.
    rest = np.stack([points - low_passed(points, slow, motion.rate) for points in (pelvis, head)])
    sway = np.einsum("ti,ti->t", rest[0], motion.right)
    return np.array(
        [
            clock.hz,
            speed,
            speed / clock.hz,
            ankles[:, 0].std(),
            ankles[:, 1].mean(),
            rest[0][:, 2].std(),
            rest[1][:, 2].std(),
            sway.std(),
            pelvis[:, 2].mean(),
        ]
    )
