"""Walkers of the stage that travel: what the tests of movement start from. Truth is in the parameters of their gait."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from capture.issues import Issue
from capture.motion.canonical import canonical_track
from capture.motion.clip import JointTrack
from capture.stage.gait import GaitStyle, another_take
from capture.stage.person import Person, make_person
from capture.stage.scene import Scene
from capture.stage.walk import walk_stance
from training.movement.gait import Gait, read_gait

F64 = NDArray[np.float64]

PHASES = 12  # samples of one stride; the walk is periodic, so the rest is a Fourier series


@dataclass(frozen=True)
class Walk:
    """How a take is made from a person: metres per second come from the steps, noise is of every joint."""

    seconds: float = 5.0
    fps: float = 60.0
    tempo: float = 1.0
    heading_deg: float = 0.0
    turn_deg_s: float = 0.0
    noise_m: float = 0.001
    travels: bool = True
    seed: int = 0


PLAIN = Walk()


@cache
def person_of(seed: int) -> Person:
    return make_person(seed)


@cache
def one_stride(person: Person) -> tuple[tuple[str, ...], F64]:
    """Joint names and places (PHASES, 18, 3) over one stride on the spot, heading +x."""
    still = replace(person, gait=replace(person.gait, phase=0.0))
    times = np.arange(PHASES) / PHASES / person.gait.cadence_hz
    frames = [Scene(still, walk_stance(still, float(t))).joints_world() for t in times]
    track = canonical_track(JointTrack(tuple(frames[0]), np.stack([np.stack(list(f.values())) for f in frames]), 30))
    return track.names, track.places


def walk(person: Person, how: Walk = PLAIN) -> JointTrack:
    """A take of a person as a canonical track."""
    names, stride = one_stride(person)
    series = np.fft.rfft(stride, axis=0) / PHASES
    series[1:-1] *= 2
    hz = how.tempo * person.gait.cadence_hz
    time = np.arange(int(how.seconds * how.fps)) / how.fps
    phase = 2 * np.pi * (hz * time + person.gait.phase)
    waves = np.exp(1j * np.outer(phase, np.arange(len(series))))
    places = np.einsum("tk,kjx->tjx", waves, series).real
    heading = np.radians(how.heading_deg + how.turn_deg_s * time)
    reach = float(
        np.linalg.norm(stride[:, names.index("hip_left")] - stride[:, names.index("ankle_left")], axis=1).mean()
    )
    speed = 4 * reach * np.sin(np.radians(person.gait.hip_swing_deg)) * hz if how.travels else 0.0
    path = np.cumsum(speed / how.fps * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    turned = places.copy()
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    turned[..., 0] = cos * places[..., 0] - sin * places[..., 1] + path[:, :1]
    turned[..., 1] = sin * places[..., 0] + cos * places[..., 1] + path[:, 1:]
    turned += np.random.default_rng(how.seed).normal(0, how.noise_m, turned.shape)
    return JointTrack(names, turned, how.fps)


def varied(person: Person, seed: int, *, share: float = 0.05, degrees: float = 0.8) -> Person:
    """The same person in another take: speed +-5 %, every parameter a little off, another phase."""
    rng = np.random.default_rng([seed, 0x7A4E])
    return replace(person, gait=another_take(person.gait, rng, share=share, degrees=degrees))


def blended(person: Person, others: list[Person], share: float) -> Person:
    """Her gait moved toward the mean of all people's: share 0 is herself, 1 the mean walker on her body."""
    mixed: dict[str, float | tuple[float, float]] = {}
    for item in fields(GaitStyle):
        own = np.array(getattr(person.gait, item.name))
        mean = np.mean([getattr(p.gait, item.name) for p in others], axis=0)
        value = own if item.name == "phase" else (1 - share) * own + share * mean
        mixed[item.name] = float(value) if value.ndim == 0 else (float(value[0]), float(value[1]))
    return replace(person, gait=GaitStyle(**mixed))  # type: ignore[arg-type]


def gait_of(track: JointTrack) -> Gait:
    """The gait of a track that must be readable."""
    gait = read_gait(track)
    assert not isinstance(gait, Issue), gait
    return gait


@cache
def takes_of(seed: int, count: int = 5) -> tuple[Gait, ...]:
    """Takes of a person, each a little different."""
    person = person_of(seed)
    return tuple(gait_of(walk(varied(person, 100 * seed + k), Walk(seed=k))) for k in range(count))


def fingerprints_of_takes(seed: int, count: int = 5) -> F64:
    """The same as (count, 212) numbers."""
    return np.stack([gait.fingerprint for gait in takes_of(seed, count)])
