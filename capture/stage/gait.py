"""How she walks: a few parameters per person and the joint angles they give at a time.

The model is a sum of the first harmonics of the stride cycle, the part of human gait that carries personal style in
point-light walkers (Troje 2002, Journal of Vision 2:371). Angles in degrees, time in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class GaitStyle:
    """One person's walk; a stride is two steps. Left and right differ: asymmetry is part of the style."""

    cadence_hz: float  # strides per second
    hip_swing_deg: float
    knee_bend_deg: float
    arm_swing_deg: tuple[float, float]  # left, right
    elbow_deg: tuple[float, float]
    arm_raise_deg: float
    bob_m: float
    sway_m: float
    pelvis_roll_deg: float
    torso_twist_deg: float
    phase: float  # cycles


def make_gait(rng: np.random.Generator) -> GaitStyle:
    """A random style inside the range of comfortable adult walking."""
    swing = float(rng.uniform(10, 30))
    skew = float(rng.normal(0, 4))
    elbow = float(rng.uniform(8, 35))
    return GaitStyle(
        cadence_hz=float(rng.uniform(0.75, 1.05)),
        hip_swing_deg=float(rng.uniform(18, 28)),
        knee_bend_deg=float(rng.uniform(40, 62)),
        arm_swing_deg=(swing + skew, swing - skew),
        elbow_deg=(elbow + float(rng.normal(0, 3)), elbow + float(rng.normal(0, 3))),
        arm_raise_deg=float(rng.uniform(-8, 2)),
        bob_m=float(rng.uniform(0.010, 0.030)),
        sway_m=float(rng.uniform(0.008, 0.030)),
        pelvis_roll_deg=float(rng.uniform(1, 7)),
        torso_twist_deg=float(rng.uniform(2, 10)),
        phase=float(rng.uniform(0, 1)),
    )


def another_take(gait: GaitStyle, rng: np.random.Generator, *, share: float = 0.05, degrees: float = 0.8) -> GaitStyle:
    """The same walk in another take: tempo within `share`, angles off by `degrees` (1 sigma), another phase."""

    def angle(value: float, spread: float = degrees) -> float:
        return value + float(rng.normal(0, spread))

    def size(value: float, off: float) -> float:
        return value * float(rng.uniform(1 - off, 1 + off))

    return replace(
        gait,
        cadence_hz=size(gait.cadence_hz, share),
        hip_swing_deg=angle(gait.hip_swing_deg),
        knee_bend_deg=angle(gait.knee_bend_deg),
        arm_swing_deg=(angle(gait.arm_swing_deg[0]), angle(gait.arm_swing_deg[1])),
        elbow_deg=(angle(gait.elbow_deg[0]), angle(gait.elbow_deg[1])),
        arm_raise_deg=angle(gait.arm_raise_deg),
        bob_m=size(gait.bob_m, 0.1),
        sway_m=size(gait.sway_m, 0.1),
        pelvis_roll_deg=angle(gait.pelvis_roll_deg, 0.3),
        torso_twist_deg=angle(gait.torso_twist_deg, 0.4),
        phase=float(rng.uniform(0, 1)),
    )
