"""Her walk on the spot: the stance at a time, from the parameters of her gait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from capture.stage.body import rest_joints
from capture.stage.person import Person
from capture.stage.scene import Limb, Stance, bone_transforms


def walk_stance(person: Person, time_s: float, *, facing_deg: float = 0.0) -> Stance:
    """The pose at a time in seconds: the lower foot stays on the floor, as on a treadmill."""
    style = person.gait
    phase = 2 * np.pi * (style.cadence_hz * time_s + style.phase)
    swing, forward = float(np.sin(phase)), float(np.cos(phase))
    left_arm, right_arm = style.arm_swing_deg
    stance = Stance(
        facing_deg=facing_deg,
        leg_left=Limb(style.hip_swing_deg * swing, 0.0, 4 + style.knee_bend_deg * max(forward, 0.0) ** 2),
        leg_right=Limb(-style.hip_swing_deg * swing, 0.0, 4 + style.knee_bend_deg * max(-forward, 0.0) ** 2),
        arm_left=Limb(-left_arm * swing, style.arm_raise_deg, style.elbow_deg[0] - 0.25 * left_arm * swing),
        arm_right=Limb(right_arm * swing, style.arm_raise_deg, style.elbow_deg[1] + 0.25 * right_arm * swing),
        twist_deg=style.torso_twist_deg * swing,
        head_turn_deg=-0.8 * style.torso_twist_deg * swing,
        roll_deg=style.pelvis_roll_deg * forward,
    )
    lift = style.bob_m * (0.5 + 0.5 * float(np.cos(2 * phase)))
    offset = (0.0, style.sway_m * forward, lift - _lowest_foot(person, stance))
    return replace(stance, offset_m=offset)


def _lowest_foot(person: Person, stance: Stance) -> float:
    """Metres by which the lower foot stands above (or below) where it stands at rest."""
    rest, bones = rest_joints(person.shape), bone_transforms(person.shape, stance)
    rises = []
    for tag in ("left", "right"):
        bone = bones[f"foot_{tag}"]
        for joint in (f"foot_{tag}", f"toe_{tag}"):
            rises.append(float((bone[:3, :3] @ rest[joint] + bone[:3, 3])[2] - rest[joint][2]))
    return min(rises)
