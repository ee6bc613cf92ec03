"""The canonical skeleton of 18 joints, with the lengths of one person, and any rig's movement put upon it.

At rest she stands with her arms down and looks along x, y to her left, z up; every joint's frame is the world's then.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS, canonical_track, full_map, leg_length
from capture.motion.clip import JointTrack, MotionClip, Skeleton
from capture.motion.turns import local_turns, shortest_arc

F64 = NDArray[np.float64]

# Where the joints of an adult of 1.70 m stand at rest, metres; the left side, the right one mirrors it.
_REST_M = {
    "pelvis": (0.0, 0.0, 0.92),
    "chest": (0.0, 0.0, 1.06),
    "neck": (0.0, 0.0, 1.36),
    "head": (0.0, 0.0, 1.46),
    "shoulder": (0.0, 0.17, 1.36),
    "elbow": (0.0, 0.22, 1.08),
    "wrist": (0.025, 0.26, 0.85),
    "hip": (0.0, 0.09, 0.88),
    "knee": (-0.005, 0.1, 0.48),
    "ankle": (-0.005, 0.1, 0.075),
    "toe": (0.14, 0.1, 0.02),
}
_CHILD = {"neck": "head"} | {
    f"{joint}_{side}": f"{child}_{side}"
    for joint, child in (
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("hip", "knee"),
        ("knee", "ankle"),
        ("ankle", "toe"),
    )
    for side in ("left", "right")
}
_SET_DEG = 30.0  # the furthest that a hinge is off the normal of its bones
_BEND_DEG = 4.0  # below this mean bend a knee or an elbow does not tell which way it faces


def canonical_skeleton(person: JointTrack | MotionClip | None = None) -> Skeleton:
    """The canonical skeleton of an adult of 1.70 m, or with a person's lengths.

    A length is the median over all frames in which both its ends were seen, the mean of both sides; the directions at
    rest are the same for everybody. Raises JointsMissing for a rig that lacks joints, ValueError for a length that
    no frame shows.
    """
    rest = np.array([_rest(name) for name in CANONICAL])
    offsets = rest - rest[np.maximum(CANONICAL_PARENTS, 0)]
    if person is None:
        return Skeleton(CANONICAL, CANONICAL_PARENTS, offsets)
    places = canonical_track(person).places
    lengths = np.zeros(len(CANONICAL))
    for k, parent in enumerate(CANONICAL_PARENTS):
        way = np.linalg.norm(places[:, k] - places[:, parent], axis=1)
        if parent >= 0 and np.isnan(way).all():
            raise ValueError(
                f"length from {CANONICAL[parent]} to {CANONICAL[k]} is seen in no frame; track both joints"
            )
        lengths[k] = 0.0 if parent < 0 else float(np.nanmedian(way))
    for k, name in enumerate(CANONICAL):
        if name.endswith("_left"):  # the right one stands next to it
            lengths[k : k + 2] = lengths[k : k + 2].mean()
    scale = np.ones(len(CANONICAL))
    scale[1:] = lengths[1:] / np.linalg.norm(offsets[1:], axis=1)
    return Skeleton(CANONICAL, CANONICAL_PARENTS, offsets * scale[:, None])


def retarget(clip: MotionClip, skeleton: Skeleton | None = None) -> MotionClip:
    """The movement of any known rig on a canonical skeleton; None for one with the clip's own lengths.

    Limbs and neck point as they do in the clip, their turn about themselves follows the rig's own joints; pelvis and
    chest turn as the rig's do. The way and the height of the hips scale with the legs, so that feet stay on the
    floor. Wrists and toes, beyond which no joint lies, keep still; where another rig holds the head level is not
    known, so its mean is taken for that. A clip that is on a canonical skeleton keeps its rotations exactly.
    Raises JointsMissing for a rig that lacks joints, ValueError for another skeleton than a canonical one.
    """
    if _is_canonical(clip.skeleton):
        clip = in_order(clip, CANONICAL)
    track = canonical_track(clip)
    skeleton = skeleton or (clip.skeleton if _is_canonical(clip.skeleton) else canonical_skeleton(track))
    if skeleton.names != CANONICAL or skeleton.parents != CANONICAL_PARENTS:
        raise ValueError("skeleton to put movement on must be canonical; make it with canonical_skeleton")
    ratio = _leg(skeleton) / leg_length(track)
    if _is_canonical(clip.skeleton):
        local = clip.rotations
    else:
        local = local_turns(_world_turns(clip, track, skeleton), CANONICAL_PARENTS)
    # Rigs differ in where between hips and waist the pelvis lies: the hips are what the legs stand under.
    hips = (track.of("hip_left") + track.of("hip_right")) / 2 * ratio
    below = skeleton.offsets[[CANONICAL.index("hip_left"), CANONICAL.index("hip_right")]].mean(axis=0)
    return MotionClip(skeleton, local, hips - local[:, 0] @ below, clip.fps)


def in_order(clip: MotionClip, names: tuple[str, ...]) -> MotionClip:
    """The same clip with its joints in another order, in which parents still come first; files have an order of theirs.

    ValueError for other names than the clip's, or an order that puts a child before its parent.
    """
    old = clip.skeleton
    if sorted(names) != sorted(old.names):
        raise ValueError(f"order must name each joint once; the clip has {', '.join(old.names)}")
    if names == old.names:
        return clip
    at = [old.index(name) for name in names]
    parents = tuple(-1 if old.parents[k] < 0 else names.index(old.names[old.parents[k]]) for k in at)
    return MotionClip(Skeleton(names, parents, old.offsets[at]), clip.rotations[:, at], clip.root, clip.fps)


def _is_canonical(skeleton: Skeleton) -> bool:
    """Whether a skeleton is one of ours in any order: the names, the tree and, nearly, the directions at rest."""
    if set(skeleton.names) != set(CANONICAL):
        return False
    ours = canonical_skeleton()
    for k, name in enumerate(CANONICAL[1:], 1):
        own = skeleton.index(name)
        above = skeleton.parents[own]
        if above < 0 or skeleton.names[above] != CANONICAL[CANONICAL_PARENTS[k]]:
            return False
        if float(skeleton.offsets[own] @ ours.offsets[k]) < 0.7 * skeleton.lengths[own] * ours.lengths[k]:
            return False
    return True


def _rest(name: str) -> tuple[float, float, float]:
    x, y, z = _REST_M[name.removesuffix("_left").removesuffix("_right")]
    return (x, -y, z) if name.endswith("_right") else (x, y, z)


def _leg(skeleton: Skeleton) -> float:
    lengths = dict(zip(skeleton.names, skeleton.lengths.tolist(), strict=True))
    return sum(lengths[f"{joint}_{side}"] for joint in ("knee", "ankle") for side in ("left", "right")) / 2


def _world_turns(clip: MotionClip, track: JointTrack, skeleton: Skeleton) -> F64:
    """(T, 18, 3, 3) world rotations of the canonical joints."""
    found = full_map(clip.skeleton.names).found
    world = clip.world[0]
    out = np.empty((len(clip), len(CANONICAL), 3, 3))
    for k, name in enumerate(CANONICAL):
        parent = CANONICAL_PARENTS[k]
        if name.startswith(("wrist", "toe")):
            out[:, k] = out[:, parent]
            continue
        own = world[:, clip.skeleton.index(found[name][0])]
        if name in ("pelvis", "chest"):
            out[:, k] = own @ _constant(own, _trunk(track, name, skeleton))
        elif name == "head":
            out[:, k] = own @ _constant(own, out[:, parent])
        else:
            child = CANONICAL.index(_CHILD[name])
            rest = skeleton.offsets[child] / np.linalg.norm(skeleton.offsets[child])
            along = _unit(track.places[:, child] - track.places[:, k])
            turned = own @ _limb(own, along, rest, out[:, parent, :, 1])
            if name.startswith(("shoulder", "hip")):
                turned = turned @ _twist(turned, rest, *_bending(track, name, skeleton))
            out[:, k] = shortest_arc(turned @ rest, along) @ turned
    return out


def _trunk(track: JointTrack, name: str, skeleton: Skeleton) -> F64:
    """(T, 3, 3) world rotation of pelvis or chest as hips or shoulders and the joint above tell it."""
    pair, above = ("hip", "chest") if name == "pelvis" else ("shoulder", "neck")
    now = _frame(track.of(f"{pair}_left") - track.of(f"{pair}_right"), track.of(above) - track.of(name))
    at = {joint: skeleton.offsets[CANONICAL.index(joint)] for joint in (f"{pair}_left", f"{pair}_right", above)}
    return now @ _frame(at[f"{pair}_left"] - at[f"{pair}_right"], at[above]).T


def _limb(own: F64, along: F64, rest: F64, beside: F64) -> F64:
    """(3, 3) constant between a rig's joint and ours: the limb lies along it, its y as near as may be to `beside`."""
    here = [np.einsum("tji,tj->i", own, way) for way in (along, beside)]
    return np.asarray(_frame(here[0], here[1]) @ _frame(rest, np.array([0.0, 1.0, 0.0])).T)


def _bending(track: JointTrack, name: str, skeleton: Skeleton) -> tuple[F64, F64, F64]:
    """Of the limb below elbow or knee: where it points (T, 3), where at rest (3,), and about what it bends (T, 3).

    The axis is as long as the sine of the bend, and points to her left at rest.
    """
    joint, _, side = name.partition("_")
    chain = ("shoulder", "elbow", "wrist") if joint == "shoulder" else ("hip", "knee", "ankle")
    a, b, c = (track.of(f"{one}_{side}") for one in chain)
    axis = np.cross(_unit(b - a), _unit(c - b))
    return (
        _unit(c - b),
        _unit(skeleton.offsets[CANONICAL.index(f"{chain[2]}_{side}")]),
        -axis if chain[2] == "wrist" else axis,
    )


def _twist(turned: F64, rest: F64, lower: F64, lower_rest: F64, axis: F64) -> F64:
    """(3, 3) turn about the upper limb at rest after which elbow or knee bends about y.

    First y is brought near the axis of the bends, of which the far ones count; then to where the lower limb stays at
    the angle to y that it has at rest, because bones that are set at an angle bend about another axis than their
    normal. A limb that hardly bends tells nothing and is left as it is.
    """
    if float(np.linalg.norm(axis, axis=1).mean()) < np.sin(np.radians(_BEND_DEG)):
        return np.eye(3)
    hinge = np.einsum("t,tji,tj->i", np.linalg.norm(axis, axis=1) ** 2, turned, axis)
    upright = np.array([0.0, 1.0, 0.0])
    first = _frame(rest, hinge) @ _frame(rest, upright).T
    here = np.einsum("tji,tj->ti", turned @ first, lower)
    angles = np.radians(np.linspace(-_SET_DEG, _SET_DEG, 601))[:, None]
    aside = np.cross(rest, here)[:, 1], (here @ rest) * rest[1]
    y = here[:, 1] * np.cos(angles) - aside[0] * np.sin(angles) + aside[1] * (1 - np.cos(angles))
    best = float(angles[np.argmin(((y - lower_rest[1]) ** 2).sum(axis=1)), 0])
    about = np.array([[0, -rest[2], rest[1]], [rest[2], 0, -rest[0]], [-rest[1], rest[0], 0]])
    return np.asarray(first @ (np.eye(3) + np.sin(best) * about + (1 - np.cos(best)) * about @ about))


def _frame(along: F64, beside: F64) -> F64:
    """(..., 3, 3) axes: first along, second as near to `beside` as a right angle allows."""
    first = _unit(along)
    third = _unit(np.cross(first, beside))
    return np.stack([first, np.cross(third, first), third], axis=-1)


def _constant(own: F64, wanted: F64) -> F64:
    """(3, 3) the rotation C for which own @ C comes nearest to what is wanted, over all frames."""
    total = np.einsum("tji,tjk->ik", own, wanted)
    u, _, vt = np.linalg.svd(total)
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)


def _unit(vectors: F64) -> F64:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
