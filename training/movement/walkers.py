"""Simulated walkers to train a base on: people of the stage, slow to brisk, straight on, in bends and on the spot."""

from __future__ import annotations

import string
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from capture.issues import Issue
from capture.motion.canonical import canonical_track
from capture.motion.clip import MotionClip
from capture.stage.person import Person, make_person
from capture.stage.travel import stage_clip
from training.movement.features import decode, encode
from training.movement.gait import read_gait
from training.movement.windows import Take, take_of

F64 = NDArray[np.float64]

SECONDS = 5.0
LARGEST_BEND = 0.6  # radians per second: a standing foot then slides by as little as real ones do


def walker_takes(seed: int) -> list[Take]:
    """Two walks of one person of the stage, one of them in a bend, and at times one on the spot, each at a tempo."""
    rng = np.random.default_rng(seed)
    person, name = make_person(seed), name_of(rng)
    found = []
    for bends in (False, True):
        clip = stage_clip(at_tempo(person, rng), seconds=SECONDS, travel=True)
        found.append(named_take(bent(clip, _bends(len(clip), rng)) if bends else clip, "walk", name))
    if rng.random() < 0.25:
        found.append(named_take(stage_clip(at_tempo(person, rng), seconds=SECONDS), "tread", name))
    return found


def walker_fingerprints(seed: int, *, takes: int = 5, cutoff_hz: float = 0.0) -> F64:
    """(N, 212) fingerprints of one person of the stage, each walk at a tempo of its own and every other one in a bend.

    `cutoff_hz` as in `body_motion`: a cohort is filtered as the clips are that are judged among it.
    """
    rng = np.random.default_rng(seed)
    person, found = make_person(seed), []
    for take in range(takes):
        clip = stage_clip(at_tempo(person, rng), seconds=SECONDS, travel=True)
        walked = bent(clip, _bends(len(clip), rng)) if take % 2 else clip
        gait = read_gait(canonical_track(walked), where=f"walker {seed}", cutoff_hz=cutoff_hz)
        if isinstance(gait, Issue):
            raise ValueError(f"walk {take} of walker {seed} is no walk: {gait.code} {gait.found}")
        found.append(gait.fingerprint)
    return np.stack(found)


def at_tempo(person: Person, rng: np.random.Generator) -> Person:
    """The same style, slower with shorter steps or faster with longer ones, from another moment of the stride on."""
    person = paced(person, float(rng.uniform(0.75, 1.2)))
    return replace(person, gait=replace(person.gait, phase=float(rng.uniform(0, 1))))


def paced(person: Person, effort: float) -> Person:
    """The same style at another effort, 1 for the usual one: steps get longer and follow each other faster."""
    gait = person.gait
    faster = replace(
        gait,
        cadence_hz=gait.cadence_hz * effort**0.6,
        hip_swing_deg=gait.hip_swing_deg * effort,
        arm_swing_deg=(gait.arm_swing_deg[0] * effort, gait.arm_swing_deg[1] * effort),
    )
    return replace(person, gait=faster)


def bent(clip: MotionClip, rates: F64) -> MotionClip:
    """A clip whose way turns by (T,) radians per second more than it did."""
    features = encode(clip)
    return decode(replace(features, heading_rates=features.heading_rates + rates))


def _bends(frames: int, rng: np.random.Generator) -> F64:
    """(T,) radians per second of a steady bend, or of one that comes and goes."""
    if rng.random() < 0.5:
        return np.full(frames, rng.uniform(-LARGEST_BEND, LARGEST_BEND))
    phase, periods = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.5)
    turns = np.sin(2 * np.pi * periods * np.arange(frames) / frames + phase)
    return np.asarray(rng.uniform(0.2, LARGEST_BEND) * turns)


def named_take(clip: MotionClip, action: str, person: str) -> Take:
    """A clip as a take of somebody. ValueError where it is none."""
    take = take_of(clip, action=action, person=person)
    if isinstance(take, Issue):
        raise ValueError(f"take of {person} is no take: {take.code} {take.found}")
    return take


def name_of(rng: np.random.Generator) -> str:
    """A name that means nothing. A base that never met one could not be told of anybody later."""
    return "".join(rng.choice(list(string.ascii_lowercase), 3))
