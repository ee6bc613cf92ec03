"""Traits that a person can see: each with its unit, and each against how much she varies from take to take herself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.movement.body import low_passed
from training.movement.gait import CHANNELS, FEATURES, Gait

F64 = NDArray[np.float64]

OFF_AT = 3.0  # times her own spread: one take in 370 of a normally varying person, for one trait
_TURN_HZ = 0.5  # a turn takes a second or more; what is faster belongs to the stride
_SINE = 100 * 2 * math.sqrt(2)  # percent from top to bottom of a sine, by its standard deviation
_GRAVITY = 9.81  # m/s^2


@dataclass(frozen=True)
class Trait:
    """One number of a walk. Differences below the resolution are never called a deviation."""

    name: str
    unit: str
    resolution: float  # what a take-to-take spread of joints good to about 5 mm can hold, in the unit
    circular: bool = False  # degrees of a cycle: 359 and 1 are 2 apart


@dataclass(frozen=True)
class Deviation:
    """A trait of one clip against her takes."""

    trait: Trait
    value: float
    hers: float  # mean over her takes
    spread: float  # her standard deviation from take to take, never below the resolution

    @property
    def difference(self) -> float:
        """Clip less her, in the unit; of a circular trait the short way round."""
        raw = self.value - self.hers
        return (raw + 180) % 360 - 180 if self.trait.circular else raw

    @property
    def ratio(self) -> float:
        """Times her own spread, without a sign."""
        return abs(self.difference) / self.spread

    @property
    def off(self) -> bool:
        """True when no take of hers is likely to look like that."""
        return self.ratio > OFF_AT

    def __str__(self) -> str:
        unit = f" {self.trait.unit}" if self.trait.unit else ""
        return f"{self.trait.name} {self.value:.3g}{unit}, hers {self.hers:.3g}: {self.ratio:.1f} x her own spread"


_PERCENT = "% of leg length"
TRAITS = (
    Trait("cadence", "steps/min", 1.0),
    Trait("walking speed", "leg lengths/s", 0.03),
    Trait("stride length", "leg lengths", 0.03),
    Trait("step width", _PERCENT, 1.0),
    Trait("arm swing left", "deg", 1.5),
    Trait("arm swing right", "deg", 1.5),
    Trait("arm swing asymmetry", "%", 4.0),
    Trait("elbow bend", "deg", 1.5),
    Trait("hip sway", _PERCENT, 0.4),
    Trait("pelvis list", "deg", 0.7),
    Trait("pelvis turn", "deg", 0.8),
    Trait("shoulder against pelvis", "deg", 1.0),
    Trait("vertical bounce", _PERCENT, 0.3),
    Trait("trunk lean", "deg", 0.7),
    Trait("head pitch", "deg", 1.5),
    Trait("knee lift", "deg", 1.5),
    Trait("toe-out", "deg", 1.5),
    Trait("turn speed", "deg/s", 5.0),
    Trait("arm behind leg left", "deg of a stride", 4.0, circular=True),
    Trait("arm behind leg right", "deg of a stride", 4.0, circular=True),
    Trait("trunk twist behind leg", "deg of a stride", 5.0, circular=True),
)


def trait_values(gait: Gait) -> dict[str, float]:
    """The value of every trait of one walk, by its name; units in TRAITS."""
    number = _numbers(gait)
    swing = [number(f"arm sagittal {side}: range") for side in ("left", "right")]
    forward = _circular(gait, "hip flexion left"), _circular(gait, "hip flexion right")
    # An arm swings with the other side's leg, and the trunk turns left when the left leg is ahead.
    return {
        "cadence": 120 * number("stride frequency"),
        "walking speed": number("speed"),
        "stride length": number("stride length"),
        "step width": 100 * number("step width"),
        "arm swing left": swing[0],
        "arm swing right": swing[1],
        "arm swing asymmetry": 100 * (swing[0] - swing[1]) / max(sum(swing), 1e-6),
        "elbow bend": _both(number, "elbow {}: mean"),
        "hip sway": _SINE * number("sway"),
        "pelvis list": number("pelvis list: range"),
        "pelvis turn": number("pelvis rotation: range"),
        "shoulder against pelvis": number("twist: range"),
        "vertical bounce": _SINE * number("pelvis bob"),
        "trunk lean": number("lean sagittal: mean"),
        "head pitch": number("head sagittal: mean"),
        "knee lift": float(np.mean([np.percentile(gait.channel(f"knee {s}"), 95) for s in ("left", "right")])),
        "toe-out": _both(number, "toe-out {}: mean"),
        "turn speed": _turn_speed(gait),
        "arm behind leg left": (_circular(gait, "arm sagittal left") - forward[1] + 180) % 360 - 180,
        "arm behind leg right": (_circular(gait, "arm sagittal right") - forward[0] + 180) % 360 - 180,
        "trunk twist behind leg": (_circular(gait, "twist") - forward[0] + 180) % 360 - 180,
    }


def froude(gait: Gait) -> float:
    """Speed^2 / (g leg length): walks of unlike bodies are alike at the same value; people run from about 0.5 on."""
    speed = float(gait.features[FEATURES.index("speed")]) * gait.motion.leg_m
    return speed**2 / (_GRAVITY * gait.motion.leg_m)


def deviations(clip: Gait, hers: Sequence[Gait]) -> tuple[Deviation, ...]:
    """Every trait of the clip against her takes, the furthest off first. ValueError with fewer than two takes."""
    if len(hers) < 2:
        raise ValueError(f"{len(hers)} of her takes given; a spread from take to take needs two or more, better five")
    mine, takes = trait_values(clip), [trait_values(take) for take in hers]
    found = [_deviation(trait, mine[trait.name], np.array([t[trait.name] for t in takes])) for trait in TRAITS]
    return tuple(sorted(found, key=lambda d: -d.ratio))


def _deviation(trait: Trait, value: float, hers: F64) -> Deviation:
    mean = float(hers.mean())
    if trait.circular:
        mean = float(np.degrees(np.angle(np.exp(1j * np.radians(hers)).mean())))
        hers = mean + (hers - mean + 180) % 360 - 180
    # Her mean is itself uncertain by a share of her spread: a new take of hers varies by the sum of both.
    spread = float(np.std(hers, ddof=1)) * math.sqrt(1 + 1 / len(hers))
    return Deviation(trait, value, mean, max(spread, trait.resolution))


def _numbers(gait: Gait) -> Callable[[str], float]:
    def number(name: str) -> float:
        return float(gait.features[FEATURES.index(name)])

    return number


def _both(number: Callable[[str], float], name: str) -> float:
    return (number(name.format("left")) + number(name.format("right"))) / 2


def _circular(gait: Gait, channel: str) -> float:
    """Degrees of the stride at which a channel's first harmonic has its peak."""
    at = 8 * CHANNELS.index(channel)
    return float(np.degrees(np.arctan2(gait.features[at + 5], gait.features[at + 4])))


def _turn_speed(gait: Gait) -> float:
    """The 95th percentile of how fast her heading turns, without the stride's own rotation."""
    heading = low_passed(gait.motion.heading, _TURN_HZ, gait.motion.rate)
    return float(np.percentile(np.degrees(np.abs(np.diff(heading))) * gait.motion.rate, 95))
