"""What no body could do: sliding feet, feet in the floor, jerks, joints beyond their limits; each beside real takes.

Feet after the measure of GMD and LoRA-MDM (a toe joint near the floor in two frames running that moves faster than half
a metre a second skates), with the height taken from where the joint stands in real takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.issues import Issue, JsonObject, Report, issue
from capture.motion.canonical import SIDES, leg_length
from capture.motion.clip import JointTrack
from training.movement.body import BodyMotion, body_motion, resampled
from training.movement.gait import between

F64 = NDArray[np.float64]

CONTACT_M = 0.05  # a toe lower than that over where it stands is on the floor (GMD, LoRA-MDM)
SKATING_M_S = 0.5  # and slides when it moves faster than that (the same source)
SHOWN_M = 0.01  # deeper in the floor than markers and shoes are uncertain by
_RATE_HZ = 30.0  # third differences grow with the frame rate, so that both sides are measured at one
_FEET = tuple(f"{part}_{side}" for part in ("ankle", "toe") for side in SIDES)
_HANGING_DEG = 60.0  # of the vertical: an arm raised higher may be turned so that its elbow bends any way


@dataclass(frozen=True)
class Limit:
    """Range of a joint in degrees, as measured on healthy adults, and what is granted beyond it."""

    name: str
    low: float
    high: float


# American Academy of Orthopaedic Surgeons, Joint Motion: Method of Measuring and Recording (1965): knee 0 to 135 with
# up to 10 of hyperextension, elbow 0 to 150 with up to 10, hip flexion 120 and extension 30, abduction 45 and adduction
# 30, shoulder flexion 180 and extension 60.
LIMITS = (
    Limit("knee", -10, 135),
    Limit("elbow", -10, 150),
    Limit("hip flexion", -30, 120),
    Limit("hip abduction", -30, 45),
    Limit("shoulder flexion", -60, 180),
)
GRANTED_DEG = 15.0  # deep squats, supple dancers, and joint centres that are 2 cm off on a 40 cm bone (3 degrees)
_UPRIGHT_DEG = 60.0  # past it swing and spread of a bone mix: forward and sideways angles are read on bones nearer down


@dataclass(frozen=True)
class Plausibility:
    """One clip in numbers."""

    skated_m: float  # metres that toes slid while on the floor, per second of the clip
    skating_share: float  # of the frames with a toe on the floor, those in which it skates
    contact_share: float  # of all frames, those with a toe on the floor
    deepest_m: float  # of any foot joint below where it stands; 0 where none is
    in_floor_share: float  # of frames with a foot deeper than 10 mm
    jerk_mean: float  # m/s^3, over all joints and frames
    jerk_peak: float  # m/s^3, the 99.9th percentile
    jerk_mean_legs: float  # leg lengths/s^3
    jerk_peak_legs: float
    beyond_deg: float  # furthest that a joint goes beyond its limit, 0 where none does
    beyond_joint: str  # which one, or nothing
    beyond_share: float  # of frames with a joint beyond its limit and what is granted


@dataclass(frozen=True)
class Floor:
    """Where the floor is and how high the foot joints stand over it, from takes that are known to be real."""

    z: float  # metres
    standing: tuple[float, float]  # metres of ankle and toe over the floor


def floor_of(takes: Sequence[JointTrack], *, z: float | None = None) -> Floor:
    """The floor under real canonical takes. Without `z` (metres) it is where their lowest foot joints stand.

    Raises ValueError without takes.
    """
    if not takes:
        raise ValueError("no takes given; the floor is read from one real take or more")
    low = [_lowest(takes, part) for part in ("ankle", "toe")]
    level = min(low) if z is None else z
    return Floor(level, (low[0] - level, low[1] - level))


def _lowest(takes: Sequence[JointTrack], part: str) -> float:
    """The height at which that joint stands: a robust minimum, the 2nd percentile of both feet."""
    return float(np.nanpercentile(np.concatenate([t.of(f"{part}_{s}")[:, 2] for t in takes for s in SIDES]), 2))


def measure(track: JointTrack, floor: Floor) -> Plausibility | Issue:
    """Measure a canonical track (18 joints, world metres, z up) on a floor, or the issue that keeps it from that."""
    motion = body_motion(track)
    if isinstance(motion, Issue):
        return motion
    places = resampled(np.stack([track.of(name) for name in track.names], axis=1), track.fps, _RATE_HZ)
    even = JointTrack(track.names, places, _RATE_HZ)
    skated, skating, contact = _skating(even, floor)
    deepest, in_floor = _penetration(even, floor)
    jerk = np.linalg.norm(np.diff(places, n=3, axis=0), axis=2) * _RATE_HZ**3
    leg = leg_length(track)
    beyond, joint, share = _beyond(motion)
    mean, peak = float(jerk.mean()), float(np.percentile(jerk, 99.9))
    return Plausibility(
        skated, skating, contact, deepest, in_floor, mean, peak, mean / leg, peak / leg, beyond, joint, share
    )


def _heights(track: JointTrack, floor: Floor) -> F64:
    """(T, 4) metres of ankles and toes over where each stands."""
    standing = np.repeat(floor.standing, len(SIDES))
    return np.stack([track.of(name)[:, 2] for name in _FEET], axis=1) - floor.z - standing


def _skating(track: JointTrack, floor: Floor) -> tuple[float, float, float]:
    toes = np.stack([track.of(f"toe_{side}") for side in SIDES], axis=1)
    low = _heights(track, floor)[:, len(SIDES) :] < CONTACT_M
    down = low[1:] & low[:-1]
    steps = np.linalg.norm(np.diff(toes[..., :2], axis=0), axis=2)
    slides = down & (steps * track.fps > SKATING_M_S)
    touching = down.any(axis=1)
    skating = float(slides.any(axis=1).sum() / max(int(touching.sum()), 1))
    return float(steps[slides].sum() / (len(steps) / track.fps)), skating, float(touching.mean())


def _penetration(track: JointTrack, floor: Floor) -> tuple[float, float]:
    depth = np.maximum(-_heights(track, floor), 0.0)
    return float(depth.max()), float((depth > SHOWN_M).any(axis=1).mean())


def joint_angles(motion: BodyMotion) -> dict[str, F64]:
    """(T,) degrees of every limited joint and side, signed: negative is hyperextension, extension, adduction.

    NaN where a bone is so far from hanging that the angle has no sign.
    """
    out: dict[str, F64] = {}
    for side in SIDES:
        sign = 1.0 if side == "right" else -1.0
        thigh, shank = motion.bone(f"hip_{side}", f"knee_{side}"), motion.bone(f"knee_{side}", f"ankle_{side}")
        arm, forearm = motion.bone(f"shoulder_{side}", f"elbow_{side}"), motion.bone(f"elbow_{side}", f"wrist_{side}")
        out[f"knee {side}"] = between(thigh, shank) * _bend_sign(shank, thigh, forward=False)
        out[f"elbow {side}"] = between(arm, forearm) * _bend_sign(forearm, arm, forward=True)
        out[f"hip flexion {side}"] = _angle(thigh[:, 0], thigh)
        out[f"hip abduction {side}"] = _angle(sign * thigh[:, 1], thigh)
        out[f"shoulder flexion {side}"] = np.where(
            np.abs(arm[:, 1]) < np.abs(arm[:, 0]), _angle(arm[:, 0], arm), np.nan
        )
    return out


def _bend_sign(outer: F64, inner: F64, *, forward: bool) -> F64:
    """(T,) -1 where a joint bends against its way: mostly fore-aft, and of a bone that hangs."""
    turn = np.cross(inner, outer)  # axes: forward, right, up; that order is left-handed
    across = turn[:, 1] if forward else -turn[:, 1]
    clear = np.abs(turn[:, 1]) > 0.7 * np.linalg.norm(turn, axis=1)
    hangs = between(inner, np.tile([0.0, 0.0, -1.0], (len(inner), 1))) < _HANGING_DEG
    return np.where(clear & hangs & (across > 0), -1.0, 1.0)


def _angle(part: F64, bone: F64) -> F64:
    other = bone.copy()
    other[:, 2] = 0
    sideways = np.sqrt(np.maximum((other**2).sum(axis=1) - part**2, 0.0))
    flat = sideways > np.tan(np.radians(_UPRIGHT_DEG)) * np.maximum(np.hypot(part, bone[:, 2]), 1e-9)
    return np.where(flat, np.nan, np.degrees(np.arctan2(part, -bone[:, 2])))


def _beyond(motion: BodyMotion) -> tuple[float, str, float]:
    furthest, named = 0.0, ""
    over = np.zeros(len(motion), dtype=bool)
    angles = joint_angles(motion)
    for limit in LIMITS:
        for side in SIDES:
            values = angles[f"{limit.name} {side}"]
            past = np.nan_to_num(np.maximum(values - limit.high, limit.low - values), nan=0.0)
            over |= past > GRANTED_DEG
            if past.max() > furthest:
                furthest, named = float(past.max()), f"{limit.name} {side}"
    return furthest, named, float(over.mean())


# What a clip may have of what the real takes have, and what is granted where theirs is next to nothing.
_JERK_TIMES = 2.0
_SKATING_MORE = 0.10  # of the contact frames
_IN_FLOOR_MORE = 0.05  # of the frames


@dataclass(frozen=True)
class Comparison:
    """A clip beside real takes."""

    clip: Plausibility
    real: tuple[Plausibility, ...]
    own_floor: bool = False  # whether the clip was measured on a floor read from itself, where theirs is not under it

    def __post_init__(self) -> None:
        if not self.real:
            raise ValueError("no real takes to compare with; give one or more")

    def usual(self, name: str) -> float:
        """Median of a number over the real takes. ValueError for a name that is none of their numbers."""
        values = [getattr(take, name, None) for take in self.real]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if len(numbers) != len(values):
            raise ValueError(f"{name!r} is no number of Plausibility")
        return float(np.median(numbers))

    def ratio(self, name: str) -> float | None:
        """The clip's number as a multiple of the real takes', or None where theirs is zero."""
        usual = self.usual(name)
        return float(getattr(self.clip, name)) / usual if usual > 1e-9 else None

    @property
    def report(self) -> Report:
        """The numbers, the ratios, and what is worse than in the real takes."""
        facts: JsonObject = {}
        for name in NUMBERS:
            ratio = self.ratio(name)
            facts[name] = round(float(getattr(self.clip, name)), 5)
            facts[f"{name}_real"] = round(self.usual(name), 5)
            facts[f"{name}_ratio"] = None if ratio is None else round(ratio, 3)
        return Report("plausibility", tuple(self._issues()), facts)

    def _issues(self) -> Iterator[Issue]:
        clip = self.clip
        if clip.beyond_share > 0:
            found = f"{clip.beyond_joint} {clip.beyond_deg:.0f} deg past its limit, {clip.beyond_share:.0%} of frames"
            yield issue("JOINT_BEYOND_LIMIT", where="clip", expected=f"up to {GRANTED_DEG:g} deg past", found=found)
        skating = self.usual("skating_share") + _SKATING_MORE
        if clip.skating_share > skating:
            found = f"{clip.skating_share:.0%} of contact frames, {clip.skated_m:.2f} m per second"
            yield issue("FOOT_SKATING", where="clip", expected=f"up to {skating:.0%}", found=found)
        sunk = self.usual("in_floor_share") + _IN_FLOOR_MORE
        if clip.in_floor_share > sunk:
            found = f"{1000 * clip.deepest_m:.0f} mm, {clip.in_floor_share:.0%} of frames"
            yield issue("FOOT_IN_FLOOR", where="clip", expected=f"up to {sunk:.0%}", found=found)
        jerk = _JERK_TIMES * self.usual("jerk_mean_legs")
        if clip.jerk_mean_legs > jerk:
            found = f"{clip.jerk_mean_legs:.0f} leg lengths/s^3"
            yield issue("MOTION_JERKY", where="clip", expected=f"up to {jerk:.0f}", found=found)


NUMBERS = (
    "skated_m", "skating_share", "deepest_m", "in_floor_share",
    "jerk_mean", "jerk_peak", "jerk_mean_legs", "jerk_peak_legs", "beyond_deg",
)  # fmt: skip
"""Numbers of Plausibility that are compared with those of real takes."""
