"""The 18 canonical joints, and where the common rigs and detectors keep them under names of their own.

A rig is chosen by the names that are found. Where it has no joint of its own (a detector gives no pelvis) the mean of
several stands in, the same in every frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from capture.motion.clip import JointTrack, MotionClip

TRUNK = ("pelvis", "chest", "neck", "head")
LIMB = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe")
SIDES = ("left", "right")
CANONICAL: tuple[str, ...] = (*TRUNK, *(f"{joint}_{side}" for joint in LIMB for side in SIDES))
"""The order of every canonical track: trunk upwards, then each joint left and right, arms before legs."""
CANONICAL_PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 1, 1, 4, 5, 6, 7, 0, 0, 10, 11, 12, 13, 14, 15)
"""Index of each one's parent in CANONICAL; the chest bears neck and shoulders, the pelvis the hips."""

_LISTED = 12  # names in an error


class JointsMissing(ValueError):
    """A rig that lacks canonical joints; `missing` names them."""

    def __init__(self, missing: tuple[str, ...], rig: str, names: Iterable[str]) -> None:
        some = list(names)
        listed = ", ".join(some[:_LISTED]) + (f" and {len(some) - _LISTED} more" if len(some) > _LISTED else "")
        super().__init__(
            f"joints not found: {', '.join(missing)} (read as rig {rig}); the names given are {listed}; "
            "rename them, or name which joint is which"
        )
        self.missing = missing
        self.rig = rig


@dataclass(frozen=True)
class CanonicalMap:
    """Which of some names stand for which canonical joints; several for the mean of them."""

    rig: str
    found: dict[str, tuple[str, ...]]

    @property
    def missing(self) -> tuple[str, ...]:
        """Canonical joints that nothing stands for, in their order."""
        return tuple(name for name in CANONICAL if name not in self.found)


# Spelling of an entry: names in the order of preference, parted by "|"; "+" for the mean of several; in limbs, {} is
# the side. Compared without case, marks and prefixes.
_RIGS: dict[str, tuple[tuple[str, str], tuple[str, ...], tuple[str, ...]]] = {
    "canonical": (("left", "right"), TRUNK, tuple(joint + "_{}" for joint in LIMB)),
    "stage": (
        ("left", "right"),
        ("pelvis", "chest", "neck|upper_arm_left+upper_arm_right", "head"),
        ("upper_arm_{}", "forearm_{}", "wrist_{}", "thigh_{}", "shin_{}", "foot_{}", "toe_{}"),
    ),
    "Character Creator": (
        ("L", "R"),
        ("CC_Base_Hip|CC_Base_Pelvis", "CC_Base_Spine02", "CC_Base_NeckTwist01", "CC_Base_Head"),
        tuple("CC_Base_{}_" + part for part in ("Upperarm", "Forearm", "Hand", "Thigh", "Calf", "Foot", "ToeBase")),
    ),
    "CMU in 3ds Max": (
        ("Left", "Right"),
        ("Hips", "Chest2|Chest", "Neck", "Head"),
        ("{}Shoulder", "{}Elbow", "{}Wrist", "{}Hip", "{}Knee", "{}Ankle", "{}Toe"),
    ),
    "CMU in ASF": (
        ("l", "r"),
        ("root", "thorax", "neck|lowerneck", "head"),
        ("{}humerus", "{}radius", "{}hand|{}wrist", "{}femur", "{}tibia", "{}foot", "{}toes"),
    ),
    "DAZ": (
        ("l", "r"),
        ("hip|pelvis", "chest", "neck", "head"),
        ("{}Shldr", "{}ForeArm", "{}Hand", "{}Thigh", "{}Shin", "{}Foot", "{}Toe|{}Foot_end"),
    ),
    "Mixamo": (
        ("Left", "Right"),
        ("Hips", "Spine2|Spine3|Spine1|Spine", "Neck", "Head"),
        ("{}Arm", "{}ForeArm", "{}Hand", "{}UpLeg", "{}Leg", "{}Foot", "{}ToeBase|{}Toe|{}Foot_end"),
    ),
    "Unity humanoid": (
        ("L", "R"),
        ("Hips", "UpperChest|Chest|Spine", "Neck", "Head"),
        ("UpperArm_{}", "LowerArm_{}", "Hand_{}", "UpperLeg_{}", "LowerLeg_{}", "Foot_{}", "Toes_{}|Toe_{}"),
    ),
    "SMPL": (
        ("left", "right"),
        ("pelvis", "spine3", "neck", "head"),
        ("{}_shoulder", "{}_elbow", "{}_wrist", "{}_hip", "{}_knee", "{}_ankle", "{}_foot"),
    ),
    "Kinect": (
        ("Left", "Right"),
        ("SpineBase", "SpineMid", "Neck|SpineShoulder", "Head"),
        ("Shoulder{}", "Elbow{}", "Wrist{}", "Hip{}", "Knee{}", "Ankle{}", "Foot{}"),
    ),
    # OpenPose BODY_25 (MidHip), HALPE_26 and Pose2Sim (Hip). The top of the head is the last choice for the head.
    "OpenPose": (
        ("L", "R"),
        ("Hip|MidHip|RHip+LHip", "RHip+LHip+RShoulder+LShoulder", "Neck|RShoulder+LShoulder", "REar+LEar|Nose|Head"),
        ("{}Shoulder", "{}Elbow", "{}Wrist", "{}Hip", "{}Knee", "{}Ankle", "{}BigToe"),
    ),
    "COCO": (
        ("left", "right"),
        (
            "right_hip+left_hip",
            "right_hip+left_hip+right_shoulder+left_shoulder",
            "neck|right_shoulder+left_shoulder",
            "right_ear+left_ear|nose",
        ),
        ("{}_shoulder", "{}_elbow", "{}_wrist", "{}_hip", "{}_knee", "{}_ankle", "{}_big_toe"),
    ),
}
_PREFIX = re.compile(r"^(?:.*:|mixamorig\d*_?)")


def map_names(names: Iterable[str]) -> CanonicalMap:
    """The rig whose joints are found among the names best, and what stands for each canonical joint of it.

    Nothing is raised for a rig that lacks some; see `CanonicalMap.missing`.
    """
    given: dict[str, str] = {}
    for name in names:
        given.setdefault(_plain(name), name)
    best = CanonicalMap("unknown", {})
    for rig in _RIGS:
        found = _found(rig, given)
        if len(found) > len(best.found):
            best = CanonicalMap(rig, found)
    return best


def full_map(names: Iterable[str]) -> CanonicalMap:
    """The same with all 18 joints. Raises JointsMissing, which lists what was not found."""
    listed = tuple(names)
    found = map_names(listed)
    if found.missing:
        raise JointsMissing(found.missing, found.rig, listed)
    return found


def canonical_track(source: MotionClip | JointTrack) -> JointTrack:
    """The 18 canonical joints of a clip or a track, named and ordered as in CANONICAL.

    Raises JointsMissing, which lists what was not found. A mean of joints is NaN where one of them was not seen.
    """
    track = source.track if isinstance(source, MotionClip) else source
    if track.names == CANONICAL:
        return track
    chosen = full_map(track.names).found
    at = {name: k for k, name in enumerate(track.names)}
    places = np.stack(
        [track.places[:, [at[one] for one in chosen[name]]].mean(axis=1) for name in CANONICAL],
        axis=1,
    )
    return JointTrack(CANONICAL, places, track.fps)


def leg_length(track: JointTrack) -> float:
    """Metres of thigh and shank: the median over frames of each, the mean of both sides."""
    track = canonical_track(track)
    sides = []
    for side in SIDES:
        hip, knee, ankle = (track.of(f"{joint}_{side}") for joint in ("hip", "knee", "ankle"))
        thigh, shank = np.linalg.norm(knee - hip, axis=1), np.linalg.norm(ankle - knee, axis=1)
        sides.append(float(np.nanmedian(thigh) + np.nanmedian(shank)))
    return sum(sides) / len(sides)


def _plain(name: str) -> str:
    """A name without prefix, case and marks."""
    return re.sub(r"[^a-z0-9]", "", _PREFIX.sub("", name.strip()).lower())


def _found(rig: str, given: dict[str, str]) -> dict[str, tuple[str, ...]]:
    sides, trunk, limbs = _RIGS[rig]
    wanted = dict(zip(TRUNK, trunk, strict=True))
    for ours, theirs in zip(SIDES, sides, strict=True):
        wanted |= {f"{j}_{ours}": entry.replace("{}", theirs) for j, entry in zip(LIMB, limbs, strict=True)}
    found: dict[str, tuple[str, ...]] = {}
    for joint, entry in wanted.items():
        for choice in entry.split("|"):
            parts = [_plain(part) for part in choice.split("+")]
            if all(part in given for part in parts):
                found[joint] = tuple(given[part] for part in parts)
                break
    return found
