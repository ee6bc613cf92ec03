"""The learned representation of movement, for any skeleton, and back to a clip without inverse kinematics.

Rotations as six numbers (Zhou et al. 2019, arXiv 1812.07035): continuous, so that a network's small error is a small
turn. The root moves in the frame of her heading, so that a walk is the same walk wherever and whichever way she goes.
Bone lengths are kept once, beside the frames: they are her body and not her movement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from capture.motion.canonical import JointsMissing, leg_length, map_names
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.euler import axis_turns

F64 = NDArray[np.float64]

FEET = ("ankle_left", "toe_left", "ankle_right", "toe_right")
"""The order of the contacts."""
_HIPS = ("hip_left", "hip_right")
PER_ROOT = 8  # numbers in a row before the rotations
# Her hips turn with every stride, which is movement; where she is going is what remains below 1 Hz (half power).
_HEADING_SIGMA_S = 0.1325


@dataclass(frozen=True)
class ContactRule:
    """When a foot stands: near its lowest and slow, both."""

    height_m: float = 0.05  # above the height that the joint has where it stands
    speed_m_s: float = 0.4  # a swinging foot reaches 3; the heel of a standing one rolls with 0.2


@dataclass(frozen=True, eq=False)
class MotionFeatures:
    """A clip as numbers to learn from. Frame t of speeds and heading rates tells the way from t - 1 to t.

    Frame 0 of these repeats frame 1 and is not used in decoding. Lengths are in units of `unit_m`.
    """

    skeleton: Skeleton  # bone lengths, once per person; always in metres
    rotations: F64  # (T, J, 6) first two columns of parent_from_joint; of the root: heading_from_root
    speeds: F64  # (T, 2) units per second forward and to the left, in the heading of the frame before
    heights: F64  # (T,) units, of the root above the floor
    heading_rates: F64  # (T,) radians per second, positive to the left
    contacts: F64  # (T, 4) 1 where a joint of FEET stands, else 0
    start: F64  # (3,) metres x and y, radians heading (0 looks along x), of frame 0
    fps: float
    unit_m: float = 1.0

    def __len__(self) -> int:
        return len(self.heights)

    @property
    def array(self) -> F64:
        """(T, 8 + 6 J) one row a frame: speeds, height, heading rate, contacts, rotations of joint after joint."""
        root = [self.speeds, self.heights[:, None], self.heading_rates[:, None], self.contacts]
        return np.concatenate([*root, self.rotations.reshape(len(self), -1)], axis=1)

    def with_array(self, rows: F64) -> MotionFeatures:
        """The same skeleton, rate, unit and start with other frames. ValueError for rows of another width."""
        width = PER_ROOT + 6 * len(self.skeleton.names)
        if rows.ndim != 2 or rows.shape[1] != width or not len(rows):
            raise ValueError(f"rows of features are {rows.shape}; this skeleton takes (frames, {width})")
        turns = rows[:, PER_ROOT:].reshape(len(rows), -1, 6)
        return replace(
            self,
            speeds=rows[:, :2],
            heights=rows[:, 2],
            heading_rates=rows[:, 3],
            contacts=rows[:, 4:8],
            rotations=turns,
        )


def six_of(rotations: F64) -> F64:
    """(..., 6) the first two columns of rotations (..., 3, 3), one after the other."""
    return np.concatenate([rotations[..., 0], rotations[..., 1]], axis=-1)


def rotation_of(six: F64) -> F64:
    """(..., 3, 3) the rotation nearest to the first column, then to the second, of any six numbers (Gram-Schmidt).

    Numbers that give no direction, zeros or two columns along one line, give a rotation all the same.
    """
    first = _unit(six[..., :3], np.array([1.0, 0.0, 0.0]))
    second = six[..., 3:] - np.einsum("...i,...i->...", first, six[..., 3:])[..., None] * first
    # Any axis that the first column does not lie along does as a stand-in.
    aside = np.eye(3)[np.argmin(np.abs(first), axis=-1)]
    second = _unit(second, np.cross(first, aside))
    second = _unit(second, second)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def heading_of(clip: MotionClip, *, joints: Mapping[str, str] | None = None) -> F64:
    """(T,) radians, without jumps: where she is going, square to her hips, low-passed at 1 Hz. 0 looks along x.

    `joints` names the hips of a rig that is not known. Raises JointsMissing where they are not found.
    """
    left, right = (clip.world[1][:, clip.skeleton.index(name)] for name in _named(clip, _HIPS, joints))
    line = left - right
    raw = np.unwrap(np.arctan2(-line[:, 0], line[:, 1]))
    return np.asarray(gaussian_filter1d(raw, _HEADING_SIGMA_S * clip.fps, mode="nearest"))


def contacts_of(clip: MotionClip, *, rule: ContactRule | None = None, joints: Mapping[str, str] | None = None) -> F64:
    """(T, 4) 1 where a joint of FEET stands: near the height that it has when it stands, and slow.

    That height is the 5th percentile over the clip. On the spot, as on a treadmill, no foot stands still.
    """
    rule = rule or ContactRule()
    names = _named(clip, FEET, joints)
    places = clip.world[1][:, [clip.skeleton.index(name) for name in names]]
    low = places[..., 2] - np.percentile(places[..., 2], 5, axis=0) < rule.height_m
    if len(clip) < 2:
        return low.astype(np.float64)
    speed = np.linalg.norm(np.gradient(places, axis=0), axis=-1) * clip.fps
    return (low & (speed < rule.speed_m_s)).astype(np.float64)


def encode(
    clip: MotionClip, *, rule: ContactRule | None = None, joints: Mapping[str, str] | None = None
) -> MotionFeatures:
    """A clip of any skeleton as features, in metres.

    `joints` names hips, ankles and toes (hip_left, ankle_left, toe_left, ... -> the rig's names) where the rig is not
    one of the known. Raises JointsMissing where they are not found.
    """
    heading = heading_of(clip, joints=joints)
    back = axis_turns(2, -heading)
    local = clip.rotations.copy()
    local[:, 0] = back @ local[:, 0]
    steps = np.zeros((len(clip), 2))
    steps[1:] = np.einsum("tij,tj->ti", back[:-1, :2, :2], np.diff(clip.root[:, :2], axis=0))
    turns = np.diff(heading, prepend=heading[0])
    if len(clip) > 1:
        steps[0], turns[0] = steps[1], turns[1]
    return MotionFeatures(
        clip.skeleton,
        six_of(local),
        steps * clip.fps,
        clip.root[:, 2].copy(),
        turns * clip.fps,
        contacts_of(clip, rule=rule, joints=joints),
        np.array([*clip.root[0, :2], heading[0]]),
        clip.fps,
    )


def decode(features: MotionFeatures) -> MotionClip:
    """The clip of features, also of ones that a network made: its rotations need not be exact."""
    turns = features.heading_rates / features.fps
    turns[0] = features.start[2]
    heading = np.cumsum(turns)
    world = axis_turns(2, heading)
    steps = features.speeds * features.unit_m / features.fps
    root = np.empty((len(features), 3))
    root[0, :2] = features.start[:2]
    root[1:, :2] = np.einsum("tij,tj->ti", world[:-1, :2, :2], steps[1:])
    root[:, :2] = np.cumsum(root[:, :2], axis=0)
    root[:, 2] = features.heights * features.unit_m
    local = rotation_of(features.rotations)
    local[:, 0] = world @ local[:, 0]
    return MotionClip(features.skeleton, local, root, features.fps)


def in_legs(features: MotionFeatures) -> MotionFeatures:
    """Heights and speeds in lengths of her leg (thigh and shank): two bodies that move alike give like numbers.

    Raises JointsMissing for a rig whose legs are not known.
    """
    still = np.tile(np.eye(3), (1, len(features.skeleton.names), 1, 1))
    return in_units(features, leg_length(MotionClip(features.skeleton, still, np.zeros((1, 3)), 1.0).track))


def in_units(features: MotionFeatures, unit_m: float) -> MotionFeatures:
    """Heights and speeds in another unit; 1.0 for metres. ValueError for a unit that is no length."""
    if not (np.isfinite(unit_m) and unit_m > 0):
        raise ValueError(f"unit of features must be metres above 0, found {unit_m}")
    ratio = features.unit_m / unit_m
    return replace(features, speeds=features.speeds * ratio, heights=features.heights * ratio, unit_m=unit_m)


def _named(clip: MotionClip, wanted: tuple[str, ...], joints: Mapping[str, str] | None) -> list[str]:
    """The clip's names of some canonical joints."""
    found = map_names(clip.skeleton.names)
    known = {joint: names[0] for joint, names in found.found.items() if len(names) == 1} | dict(joints or {})
    missing = tuple(joint for joint in wanted if joint not in known)
    if missing:
        raise JointsMissing(missing, found.rig, clip.skeleton.names)
    return [known[joint] for joint in wanted]


def _unit(vectors: F64, instead: F64) -> F64:
    """Vectors (..., 3) at length 1; `instead` where one has no length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), instead)
