"""Movement that is asked for: an action along a path at a speed, by the base alone or as one person moves.

What comes out is what the base made, smoothed as recorded takes are. Feet are put where they stand only where that is
asked for, and it is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture import consent
from capture.errors import IncompleteInput
from capture.issues import JsonObject
from capture.motion.canonical import leg_length
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.skeletons import canonical_skeleton, retarget
from capture.session import read_session
from capture.vault import SessionFolder
from training.movement.adapter import load_adapter, read_provenance
from training.movement.base import MovementBase, base_digest, load_base, make_schedule
from training.movement.body import SHORTEST_S, low_passed
from training.movement.conditions import PATH, PERSON, Conditions
from training.movement.factors import at_rate
from training.movement.features import FEET, PER_ROOT, MotionFeatures, decode, encode, in_legs
from training.movement.learn import MovementTwin, load_movement_twin
from training.movement.path import Route, route_of
from training.movement.plausibility import floor_of
from training.movement.sampling import Held, Sampling, sample
from training.movement.windows import replace_root

F64 = NDArray[np.float64]

LONGEST_S = 120.0
SMOOTH_HZ = 6.0  # what takes of walks are filtered at; at 8 simulated people came out with 1.3 times their jerk
_OVERLAP = 32  # frames that a window takes over from the one before
_LOOP = 15  # frames over which the end of a loop becomes its beginning
_POSE = 10  # frames that are taken over from the clips it begins and ends with, at most


@dataclass(frozen=True, eq=False)
class Wish:
    """What is asked for. Speed and way are left to the base where they are not given."""

    action: str
    seconds: float | None = None  # may be left out where path and speed tell it
    speed_m_s: float | None = None
    path: F64 | None = None  # (N, 2) metres on the floor, from the first point to the last
    begins: MotionClip | None = None  # its last frames are the first ones
    ends: MotionClip | None = None  # its first frames are the last ones, wherever she has got to by then
    loop: bool = False  # the frame after the last is the first, further on
    plant_feet: bool = False  # move the root so that standing feet do not slide
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, eq=False)
class Mover:
    """Whose movement it is, and on which body."""

    skeleton: Skeleton = field(default_factory=canonical_skeleton)  # of an adult of 1.70 m
    word: str = PERSON  # the class word, or the trigger of the adapter that is attached
    actions: tuple[str, ...] = ()  # that the adapter knows beside those of the base
    standing_m: float = 0.0  # height of the floor


@dataclass(frozen=True, eq=False)
class Generated:
    """A movement that was made, and how."""

    clip: MotionClip
    contacts: F64  # (T, 4) how surely each joint of FEET stands, 0 to 1
    facts: JsonObject


def generate(wish: Wish, model: MovementBase, mover: Mover | None = None) -> Generated:
    """The movement that is wished for; without a mover that of anybody, on an adult's body.

    Raises ValueError for a wish that no movement fulfils: an action that is unknown, a path too short for speed and
    length.
    """
    mover = mover or Mover()
    _check(wish, model, mover)
    body = mover.skeleton
    leg = leg_length(MotionClip(body, np.tile(np.eye(3), (1, len(body.names), 1, 1)), np.zeros((1, 3)), 1.0).track)
    route = route_of(
        wish.path, seconds=wish.seconds, speed_m_s=wish.speed_m_s, rate=model.config.rate_hz, least_s=SHORTEST_S
    )
    if len(route) > LONGEST_S * model.config.rate_hz:
        raise ValueError(f"movement of {len(route) / model.config.rate_hz:.0f} s is too long; ask for {LONGEST_S:g} s")
    rows = _rows(wish, model, route.in_units(leg), mover.word)
    start = np.array([*route.start_m, route.heading])
    features = MotionFeatures(
        body, rows[:, PER_ROOT:].reshape(len(rows), -1, 6), rows[:, :2], rows[:, 2], rows[:, 3],
        np.clip(rows[:, 4:PER_ROOT], 0, 1), start, model.config.rate_hz, leg,
    )  # fmt: skip
    clip = decode(features)
    clip = MotionClip(clip.skeleton, clip.rotations, clip.root + (0.0, 0.0, mover.standing_m), clip.fps)
    facts: JsonObject = {
        "action": wish.action, "person": mover.word, "seconds": len(clip) / clip.fps, "seed": wish.sampling.seed,
        "sampling_steps": wish.sampling.steps, "calm": wish.sampling.calm, "guidance": wish.sampling.guidance,
        "loop": wish.loop, "smoothed_hz": SMOOTH_HZ,
        "changed_afterwards": ["plant_feet"] if wish.plant_feet else [],
    }  # fmt: skip
    if wish.plant_feet:
        clip = planted(clip, features.contacts)
    if wish.path is not None:
        facts["off_path_m"] = float(np.linalg.norm(clip.root[:, :2] - route.places[: len(clip)], axis=1).max())
    return Generated(clip, features.contacts, facts)


def generate_twin(session: SessionFolder, twin: str, wish: Wish, *, base: Path) -> Generated:
    """The movement that is wished for, as she does it. Each one is a render of hers, and needs her consent to that.

    Raises ConsentRefused, IncompleteInput (no adapter, or one of another base), ValueError as `generate` does.
    """
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.RENDER)
    made = load_movement_twin(session, twin)
    model = twin_model(made, base)
    mover = Mover(made.skeleton, made.trigger, made.actions, made.standing_m)
    generated = generate(wish, model, mover)
    facts: JsonObject = {
        "twin": twin, "consent": permit.consent, "adapter": made.adapter_digest, "base": made.base_digest,
        "generated": "AI twin: generated movement, not a recording",
    }  # fmt: skip
    return replace(generated, facts=generated.facts | facts)


def twin_model(twin: MovementTwin, base: Path) -> MovementBase:
    """The base with her adapter. Raises IncompleteInput for another base than it was trained on."""
    if base_digest(base) != twin.base_digest:
        raise IncompleteInput(
            f"movement of twin {twin.name!r} was trained on another base; name that one, or train again"
        )
    if read_provenance(twin.adapter).get("consent") != twin.consent:
        raise IncompleteInput(f"movement adapter of twin {twin.name!r} names another consent; train it again")
    model = load_base(base)
    load_adapter(model, twin.folder)
    return model


def planted(clip: MotionClip, contacts: F64) -> MotionClip:
    """The clip with its root moved along the floor so that joints of FEET with contacts (T, 4) above 0.5 do not slide.

    Where both feet stand, it is their mean that does not. Poses stay as they are, the way gets other.
    """
    feet = clip.world[1][:, [clip.skeleton.index(name) for name in FEET], :2]
    stands = (contacts[1:] > 0.5) & (contacts[:-1] > 0.5)
    slides = (np.diff(feet, axis=0) * stands[..., None]).sum(axis=1) / np.maximum(stands.sum(axis=1), 1)[:, None]
    root = clip.root.copy()
    root[1:, :2] -= np.cumsum(slides, axis=0)
    return MotionClip(clip.skeleton, clip.rotations, root, clip.fps)


def _check(wish: Wish, model: MovementBase, mover: Mover) -> None:
    known = sorted({word for word in model.vocabulary.words if word != PERSON} | set(mover.actions))
    if not wish.action.strip() or (wish.action not in known and not model.vocabulary.knows(wish.action)):
        raise ValueError(
            f"action {wish.action!r} is unknown to the base; choose of {', '.join(known)}, or train an adapter on it"
        )
    if wish.loop and (wish.begins is not None or wish.ends is not None):
        raise ValueError("loop cannot begin or end with another clip; ask for one of the two")


def _rows(wish: Wish, model: MovementBase, route: Route, person: str) -> F64:
    """(T, ROW) plain rows of the whole length, window by window, each taking over the last frames of the one before."""
    window, schedule = model.config.window, make_schedule()
    overlap, ring = min(_OVERLAP, window // 3), min(_LOOP, window // 4) if wish.loop else 0
    total = len(route) + ring
    fixed, known = _known(wish, model, total)
    done = torch.zeros(total, model.mean.shape[0])
    start, made = 0, 0
    while made < total:
        # The last window is moved back so that it is a whole one: the base has seen few short ones.
        start = max(0, min(made - overlap if made else 0, total - window))
        stop = min(start + window, total)
        rows, held = fixed[start:stop].clone(), known[start:stop].clone()
        if made:
            rows[: made - start], held[: made - start] = done[start:made], True
        closing = ring if stop == total and start == 0 else 0
        if ring and stop == total and start:
            rows[-ring:], held[-ring:] = done[:ring], True
        asked = _asked(wish, model, route, slice(start, stop), person)
        how = replace(wish.sampling, seed=wish.sampling.seed + 7919 * start)
        frames = sample(model, schedule, asked, how, held=Held(rows[None], held[None], closing))[0]
        done[start:stop] = frames.cpu()
        made = stop
    plain = np.asarray(model.plain(done.to(model.mean.device)).cpu().double().numpy())[: len(route)]
    return np.where(known[: len(route), None].numpy(), plain, _calmed(plain, model.config.rate_hz, loop=wish.loop))


def _calmed(rows: F64, rate: float, *, loop: bool) -> F64:
    """The rows without the tremor that is left of the noise; a loop has no ends to smooth toward."""
    if loop:
        return low_passed(np.tile(rows, (3, 1)), SMOOTH_HZ, rate)[len(rows) : 2 * len(rows)]
    return low_passed(rows, SMOOTH_HZ, rate)


def _asked(wish: Wish, model: MovementBase, route: Route, part: slice, person: str) -> Conditions:
    frames = part.stop - part.start
    at = np.arange(part.start, part.stop) % len(route) if wish.loop else np.arange(part.start, part.stop)
    way = torch.from_numpy(route.way[np.minimum(at, len(route) - 1)]).float()[None]
    speed = way[..., 0].mean(dim=1)
    words = model.vocabulary.spell
    action, who = (torch.tensor([words(text)]) for text in (wish.action, person))
    return Conditions(
        action=action, person=who, path=way.reshape(1, frames, PATH), path_open=torch.tensor([wish.path is None]),
        speed=speed, speed_open=torch.tensor([wish.speed_m_s is None and wish.path is None]),
        seconds=torch.tensor([frames / model.config.rate_hz]), seconds_open=torch.tensor([False]),
        mask=torch.ones(1, frames, dtype=torch.bool),
    ).to(model.mean.device)  # fmt: skip


def _known(wish: Wish, model: MovementBase, total: int) -> tuple[Tensor, Tensor]:
    """(T, ROW) normalised rows and (T,) which of them are known, of the clips that it begins and ends with."""
    rows, known = torch.zeros(total, model.mean.shape[0]), torch.zeros(total, dtype=torch.bool)
    for clip, at_end in ((wish.begins, False), (wish.ends, True)):
        if clip is None:
            continue
        own = at_rate(retarget(clip), model.config.rate_hz)
        # Rows stand on the floor, as takes do; where it is under her is put back with the rest.
        own = replace_root(own, own.root - (0.0, 0.0, floor_of([own.track]).z))
        features = in_legs(encode(own))
        plain = torch.from_numpy(features.array).float().to(model.mean.device)
        poses = model.normalised(plain).cpu()
        count = min(_POSE, len(poses), total // 3)
        if at_end:
            rows[total - count :], known[total - count :] = poses[:count], True
        else:
            rows[:count], known[:count] = poses[-count:], True
    return rows, known
