"""Her walk as she goes somewhere: the walk on the spot, moved on so that the standing foot stays where it is."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.turns import local_turns
from capture.stage.body import rest_joints
from capture.stage.person import Person
from capture.stage.scene import Limb, Stance, bone_transforms
from capture.stage.walk import walk_stance

F64 = NDArray[np.float64]

_STEPS_PER_STRIDE = 256  # the way between them is straight: less than a tenth of a millimetre off
# The stage's joint of each canonical one, and the bone that it turns with. The neck lies between the shoulders.
_JOINTS = {
    "shoulder": "upper_arm",
    "elbow": "forearm",
    "wrist": "wrist",
    "hip": "thigh",
    "knee": "shin",
    "ankle": "foot",
}
_BONES = {"neck": "chest", "wrist": "forearm", "toe": "foot"}


def travel_stance(person: Person, time_s: float, *, facing_deg: float = 0.0) -> Stance:
    """The pose at a time in seconds of a walk that is at the origin at time 0 and goes the way she faces.

    The speed is the one at which the foot that bears her does not slide, so it beats twice in a stride. Her legs lean
    against the sway, for the same reason.
    """
    stance = _leaning(person, walk_stance(person, time_s, facing_deg=facing_deg))
    strides = person.gait.cadence_hz * time_s
    way = _way(person, strides + person.gait.phase) - _way(person, person.gait.phase)
    return replace(stance, offset_m=(way, *stance.offset_m[1:]))


def stride_length(person: Person) -> float:
    """Metres that she gets on by with one stride, two steps."""
    return float(_stride(person)[-1])


def walking_speed(person: Person) -> float:
    """Mean metres per second of her walk."""
    return stride_length(person) * person.gait.cadence_hz


def stage_skeleton(person: Person) -> Skeleton:
    """The canonical skeleton with her bones, as she stands at rest."""
    joints = rest_joints(person.shape)
    rest = np.array([_rest(joints, name) for name in CANONICAL])
    offsets = rest - rest[np.maximum(CANONICAL_PARENTS, 0)]
    return Skeleton(CANONICAL, CANONICAL_PARENTS, offsets)


def stage_clip(
    person: Person,
    *,
    seconds: float,
    fps: float = 30.0,
    facing_deg: float = 0.0,
    travel: bool = False,
    start_s: float = 0.0,
) -> MotionClip:
    """Her walk as a clip, exactly as the stage draws it: on the spot, or going where she faces with `travel`.

    ValueError for a length or a rate that gives no frame.
    """
    if not (seconds > 0 and fps > 0 and round(seconds * fps) >= 1):
        raise ValueError(f"clip of {seconds} s at {fps} frames per second has no frame; make it longer")
    walk = travel_stance if travel else walk_stance
    times = [start_s + k / fps for k in range(round(seconds * fps))]
    return clip_of([walk(person, time, facing_deg=facing_deg) for time in times], person, fps=fps)


def clip_of(stances: list[Stance], person: Person, *, fps: float) -> MotionClip:
    """Poses of the stage in a row as a clip on her canonical skeleton."""
    pelvis = rest_joints(person.shape)["pelvis"]
    turns, root = np.empty((len(stances), len(CANONICAL), 3, 3)), np.empty((len(stances), 3))
    for t, stance in enumerate(stances):
        bones = bone_transforms(person.shape, stance)
        root[t] = bones["pelvis"][:3, :3] @ pelvis + bones["pelvis"][:3, 3]
        for k, name in enumerate(CANONICAL):
            turns[t, k] = bones[_bone(name)][:3, :3]
    return MotionClip(stage_skeleton(person), local_turns(turns, CANONICAL_PARENTS), root, fps)


def _rest(joints: dict[str, F64], name: str) -> F64:
    if name == "neck":
        return np.asarray((joints["upper_arm_left"] + joints["upper_arm_right"]) / 2)
    return joints[stage_joint(name)]


def stage_joint(name: str) -> str:
    """What the stage calls a canonical joint; the neck, of which it has none, keeps its name."""
    joint, _, side = name.partition("_")
    return f"{_JOINTS.get(joint, joint)}_{side}" if side else name


def _bone(name: str) -> str:
    joint, _, side = name.partition("_")
    bone = _BONES.get(joint) or _JOINTS.get(joint, joint)
    return f"{bone}_{side}" if side else bone


def _leaning(person: Person, stance: Stance) -> Stance:
    """The same pose with both legs turned at the hips by what the pelvis has swayed, so that the feet stay in line."""
    joints = rest_joints(person.shape)
    below = joints["pelvis"][2] - joints["thigh_left"][2]
    leg = joints["thigh_left"][2] - joints["foot_left"][2]
    sway = stance.offset_m[1] + below * float(np.sin(np.radians(stance.roll_deg)))
    lean = float(np.degrees(np.arcsin(sway / leg)))
    left, right = stance.leg_left, stance.leg_right
    return replace(
        stance,
        leg_left=Limb(left.swing, left.raise_ - lean, left.bend),
        leg_right=Limb(right.swing, right.raise_ + lean, right.bend),
    )


def _way(person: Person, cycles: float) -> float:
    """Metres on from the start of a stride, after that many strides."""
    whole = float(np.floor(cycles))
    stride = _stride(person)
    at = np.linspace(0, 1, len(stride))
    return float(whole * stride[-1] + np.interp(cycles - whole, at, stride))


@lru_cache(maxsize=256)
def _stride(person: Person) -> tuple[float, ...]:
    """Metres on at equal steps of one stride: what the bearing foot goes back by under her, from step to step.

    It is the foot whose thigh swings back that bears her, on whichever of ankle and toe is lower.
    """
    gait, rest = person.gait, rest_joints(person.shape)
    places = np.empty((_STEPS_PER_STRIDE + 1, 2, 2, 3))  # step, left or right, ankle or toe
    for step in range(_STEPS_PER_STRIDE + 1):
        time = (step / _STEPS_PER_STRIDE - gait.phase) / gait.cadence_hz
        bones = bone_transforms(person.shape, _leaning(person, walk_stance(person, time)))
        for k, tag in enumerate(("left", "right")):
            for j, joint in enumerate((f"foot_{tag}", f"toe_{tag}")):
                bone = bones[f"foot_{tag}"]
                places[step, k, j] = bone[:3, :3] @ rest[joint] + bone[:3, 3] - (0, 0, rest[joint][2])
    middle = (np.arange(_STEPS_PER_STRIDE) + 0.5) / _STEPS_PER_STRIDE
    foot = np.where(np.cos(2 * np.pi * middle) < 0, 0, 1)
    low = np.argmin((places[1:] + places[:-1])[np.arange(_STEPS_PER_STRIDE), foot, :, 2], axis=1)
    back = (places[:-1] - places[1:])[np.arange(_STEPS_PER_STRIDE), foot, low, 0]
    return tuple(np.concatenate([[0.0], np.cumsum(back)]).tolist())
