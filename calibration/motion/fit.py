"""A skeleton with constant bone lengths fitted to a track of the canonical joints.

Rest pose: that of the canonical skeleton, arms down, facing x. Twist convention: the pelvis turns as its hips and the
chest above it say, the chest as its shoulders and the neck; every other bone swings from its rest direction by the
shortest arc in its parent's frame and has no twist about itself, and head, wrists and toes turn with their parents.
Places of joints alone do not tell more. `refine` then moves all angles of a frame together until the places fit best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from calibration.motion.gaps import known_of
from calibration.pose import cross_matrix, rotation_of
from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS, SIDES
from capture.motion.clip import JointTrack, MotionClip, Skeleton
from capture.motion.skeletons import canonical_skeleton
from capture.motion.turns import local_turns, shortest_arc

F64 = NDArray[np.float64]

HELD = ("head", "toe_left", "toe_right")  # leaves that some detectors do not mark; without them there is still a clip
_AT = {name: k for k, name in enumerate(CANONICAL)}
_FOOT_SHARE, _HEAD_SHARE = 0.19, 0.2  # of leg and trunk, of bones that nobody saw
_STEPS = 8
_DAMPING = 1e-4  # m2; twists that the places do not tell stay as they are
_DONE = 1e-7
_AT_ONCE = 4000  # frames; each takes 50 kB while it is refined, and a suit records for minutes at 120 a second


@dataclass(frozen=True, eq=False)
class Fitted:
    """A clip, and how far its joints are from the track."""

    clip: MotionClip
    error_mm: Mapping[str, float]  # joint -> mean distance over the frames; joints that were held have none
    worst_mm: Mapping[str, float]  # joint -> 95th percentile
    held: tuple[str, ...]  # joints that the track does not have: they stay at rest against their parent

    @property
    def mean_mm(self) -> float:
        """Mean over the joints."""
        return float(np.mean(list(self.error_mm.values())))


def fit_skeleton(track: JointTrack) -> Skeleton:
    """The skeleton of a canonical track: median bone lengths, hips and shoulders where they sit in pelvis and chest.

    Frames with unknown joints are passed over. Raises ValueError for another set of joints, and when a joint other
    than head and toes is never known together with its parent.
    """
    places = _canonical(track)
    offsets = np.zeros((len(CANONICAL), 3))
    frames = {_AT["pelvis"]: _pelvis(places), _AT["chest"]: _chest(places)}
    for k, parent in enumerate(CANONICAL_PARENTS[1:], 1):
        bone = places[:, k] - places[:, parent]
        inside = np.einsum("tji,tj->ti", frames[parent], bone) if parent in frames else bone
        known = known_of(inside)
        if not known.any():
            if CANONICAL[k] not in HELD:
                raise ValueError(f"joint {CANONICAL[k]} is never known together with {CANONICAL[parent]}; see its gaps")
            continue
        direction = np.median(inside[known], axis=0) if parent in frames else _rest(k)
        length = float(np.median(np.linalg.norm(bone[known], axis=1)))
        offsets[k] = direction * (length / max(float(np.linalg.norm(direction)), 1e-9))
    _unseen(offsets)
    return Skeleton(CANONICAL, CANONICAL_PARENTS, offsets)


def fit_clip(track: JointTrack, *, skeleton: Skeleton | None = None, refine: bool = True) -> Fitted:
    """Rotations and root of a skeleton (her own, unless given) that bring its joints to those of the track.

    Every joint must be known in every frame, but for head and toes, which may be unknown throughout. Raises ValueError
    where one is not.
    """
    places = _canonical(track)
    known = known_of(places)
    held = tuple(name for name in HELD if not known[:, _AT[name]].any())
    lacking = [name for name in CANONICAL if name not in held and not known[:, _AT[name]].all()]
    if lacking or not len(track):
        raise ValueError(
            f"track of {len(track)} frames lacks {', '.join(lacking) or 'all'} in some; fit a whole stretch"
        )
    skeleton = skeleton or fit_skeleton(track)
    clip = MotionClip(skeleton, _analytic(places, skeleton), places[:, 0].copy(), track.fps)
    if refine:
        clip = _refined(clip, places)
    gap = np.linalg.norm(clip.world[1] - places, axis=2) * 1e3
    seen = [name for name in CANONICAL if name not in held]
    mean = {name: float(gap[:, _AT[name]].mean()) for name in seen}
    worst = {name: float(np.percentile(gap[:, _AT[name]], 95)) for name in seen}
    return Fitted(clip, mean, worst, held)


def _canonical(track: JointTrack) -> F64:
    if track.names != CANONICAL:
        raise ValueError(f"skeleton is fitted to the {len(CANONICAL)} canonical joints, found {', '.join(track.names)}")
    return track.places


def _rest(joint: int) -> F64:
    """Unit direction (3,) from a joint's parent to it at rest."""
    return _unit(canonical_skeleton().offsets[joint])


def _unseen(offsets: F64) -> None:
    """Bones that nobody saw, in proportion to those that are known; the other side's where that one is."""
    length = np.linalg.norm(offsets, axis=1)
    trunk = length[_AT["chest"]] + length[_AT["neck"]]
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        toe = _AT[f"toe_{side}"]
        leg = length[_AT[f"knee_{side}"]] + length[_AT[f"ankle_{side}"]]
        if not length[toe]:
            offsets[toe] = _rest(toe) * (length[_AT[f"toe_{other}"]] or _FOOT_SHARE * leg)
    if not length[_AT["head"]]:
        offsets[_AT["head"]] = _rest(_AT["head"]) * _HEAD_SHARE * trunk


def _pelvis(places: F64) -> F64:
    side = places[:, _AT["hip_left"]] - places[:, _AT["hip_right"]]
    return _frame(side, places[:, _AT["chest"]] - places[:, _AT["pelvis"]])


def _chest(places: F64) -> F64:
    side = places[:, _AT["shoulder_left"]] - places[:, _AT["shoulder_right"]]
    return _frame(side, places[:, _AT["neck"]] - places[:, _AT["chest"]])


def _frame(left: F64, up: F64) -> F64:
    """Rotations (T, 3, 3) whose y is `left`, and whose z is the part of `up` across it."""
    y = _unit(left)
    z = _unit(up - (up * y).sum(axis=1, keepdims=True) * y)
    return np.stack([np.cross(y, z), y, z], axis=2)


def _unit(vectors: F64) -> F64:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def _analytic(places: F64, skeleton: Skeleton) -> F64:
    """Local rotations (T, J, 3, 3) from directions alone."""
    count = len(CANONICAL)
    world = np.empty((len(places), count, 3, 3))
    world[:, 0] = _pelvis(places)
    for k, parent in enumerate(CANONICAL_PARENTS[1:], 1):
        above = world[:, parent]
        child = next((c for c, p in enumerate(CANONICAL_PARENTS) if p == k), None)
        if k == _AT["chest"]:
            world[:, k] = _chest(places)
        elif child is None or not np.isfinite(places[:, child]).all():
            world[:, k] = above
        else:
            rest = above @ (skeleton.offsets[child] / max(float(skeleton.lengths[child]), 1e-9))
            world[:, k] = shortest_arc(rest, _unit(places[:, child] - places[:, k])) @ above
    return local_turns(world, CANONICAL_PARENTS)


def _refined(clip: MotionClip, places: F64) -> MotionClip:
    """Gauss-Newton over root and all angles of each frame; bone lengths stay."""
    rotations, root = clip.rotations.copy(), clip.root.copy()
    for first in range(0, len(clip), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        piece = MotionClip(clip.skeleton, clip.rotations[part], clip.root[part], clip.fps)
        best = _refined_at_once(piece, places[part])
        rotations[part], root[part] = best.rotations, best.root
    return MotionClip(clip.skeleton, rotations, root, clip.fps)


def _refined_at_once(clip: MotionClip, places: F64) -> MotionClip:
    below = _descendants()
    turning = [k for k in range(len(CANONICAL)) if below[k].any()]
    known = known_of(places)
    width = 3 + 3 * len(turning)
    for _ in range(_STEPS):
        turns, now = clip.world
        residual = np.where(known[..., None], now - np.nan_to_num(places), 0.0)
        jacobian = np.zeros((*now.shape, width))
        jacobian[..., :3] = np.eye(3)
        for n, k in enumerate(turning):
            arms = now[:, below[k]] - now[:, k : k + 1]
            jacobian[:, below[k], :, 3 + 3 * n : 6 + 3 * n] = -cross_matrix(arms)
        jacobian[~known] = 0.0
        rows = jacobian.reshape(len(now), -1, width)
        normal = np.swapaxes(rows, 1, 2) @ rows + _DAMPING * np.eye(width)
        pull = np.swapaxes(rows, 1, 2) @ residual.reshape(len(now), -1, 1)
        step = -np.linalg.solve(normal, pull)[..., 0]
        rotations = clip.rotations.copy()
        for n, k in enumerate(turning):
            turn = rotation_of(step[:, 3 + 3 * n : 6 + 3 * n])
            above = turns[:, CANONICAL_PARENTS[k]] if k else np.broadcast_to(np.eye(3), turn.shape)
            rotations[:, k] = np.swapaxes(above, 1, 2) @ turn @ above @ rotations[:, k]
        clip = MotionClip(clip.skeleton, rotations, clip.root + step[:, :3], clip.fps)
        if np.abs(step).max() < _DONE:
            break
    return clip


@cache
def _descendants() -> NDArray[np.bool_]:
    """(J, J) True where the second joint hangs below the first."""
    below = np.zeros((len(CANONICAL), len(CANONICAL)), dtype=bool)
    for k, parent in enumerate(CANONICAL_PARENTS):
        while parent >= 0:
            below[parent, k] = True
            parent = CANONICAL_PARENTS[parent]
    return below
