"""Her body moved by a clip: any rig's movement as the transforms of the stage's bones, the way back from `clip_of`.

Bones keep the lengths of the body; where the clip walks is scaled with the legs, and her soles are put on the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.skeletons import in_order, retarget
from capture.motion.turns import local_turns, shortest_arc
from capture.stage.body import BONES, rest_joints
from capture.stage.person import Person
from capture.stage.scene import rotation
from capture.stage.travel import stage_joint, stage_skeleton

F64 = NDArray[np.float64]

_SAME_M = 1e-6  # skeletons whose offsets differ by less are one
# Of a clip, the share of frames in which her lower foot may be under the floor: someone who runs or jumps is in the air
# for half of the time, a walker never is, and neither may sink by more than a foot bends.
_UNDER_SHARE = 0.05
_STANDS_SHARE = 0.15  # of the frames, the slowest: a foot of a walker lies flat for twice as long
_FEWEST = 10  # frames in which a foot can be told to stand
# The joint at the far end of each limb, by which it points.
_FAR = {"shoulder": "elbow", "elbow": "wrist", "hip": "knee", "knee": "ankle", "ankle": "toe", "neck": "head"}
_CANONICAL_OF = {stage_joint(name): k for k, name in enumerate(CANONICAL)}


@dataclass(frozen=True, eq=False)
class BodyClip:
    """A clip on the skeleton of one person of the stage."""

    person: Person
    clip: MotionClip  # canonical, on stage_skeleton(person)
    lift_m: float  # what her soles were moved up by to stand on the floor

    def __len__(self) -> int:
        return len(self.clip)

    def bones(self, frame: int, offset: F64 | None = None) -> dict[str, F64]:
        """World (4, 4) transforms of the stage's bones in a frame, moved by `offset` (3,) metres."""
        turns, places = self.clip.world
        out = {}
        rest_of = rest_joints(self.person.shape)
        for name in BONES:
            k, rest = _CANONICAL_OF[name], rest_of[name]
            bone = np.eye(4)
            bone[:3, :3] = turns[frame, k]
            bone[:3, 3] = places[frame, k] - turns[frame, k] @ rest + (0.0 if offset is None else offset)
            out[name] = bone
        return out


def body_clip(clip: MotionClip, person: Person) -> BodyClip:
    """A clip of any rig that `retarget` knows on a person's body. Raises JointsMissing for a rig that lacks joints.

    A clip of hers (`stage_clip`) stays exactly as it is. In any other, limbs point as they do in the clip, and the
    whole clip is moved up or down once so that her soles meet the floor.
    """
    hers = stage_skeleton(person)
    moved = _pointing(clip, retarget(clip, hers))
    if _same(clip.skeleton, hers):
        return BodyClip(person, moved, 0.0)
    moved = _flat_footed(moved, person)
    lift = -float(np.quantile(_lowest(moved, person), _UNDER_SHARE))
    return BodyClip(person, MotionClip(hers, moved.rotations, moved.root + (0.0, 0.0, lift), moved.fps), lift)


def _same(one: Skeleton, other: Skeleton) -> bool:
    if one.names != other.names or one.parents != other.parents:
        return False
    return float(np.abs(one.offsets - other.offsets).max()) < _SAME_M


def _pointing(given: MotionClip, moved: MotionClip) -> MotionClip:
    """The clip with limbs that point as in a given one whose skeleton rests otherwise.

    `retarget` keeps the rotations of canonical skeletons, and one that rests with its arms further out would bear
    them further out all the way.
    """
    names = sorted(given.skeleton.names) == sorted(CANONICAL)
    if not names or not np.array_equal(in_order(given, CANONICAL).rotations, moved.rotations):
        return moved
    turns = moved.world[0].copy()
    for k, name in enumerate(CANONICAL):
        joint, _, side = name.partition("_")
        far = _FAR.get(joint)
        if far:
            end = f"{far}_{side}" if side else far
            theirs, ours = _way(given.skeleton, end), _way(moved.skeleton, end)
            turns[:, k] = turns[:, k] @ shortest_arc(ours, theirs)
    return MotionClip(moved.skeleton, local_turns(turns, CANONICAL_PARENTS), moved.root, moved.fps)


def _way(skeleton: Skeleton, joint: str) -> F64:
    """(3,) unit, the direction of a joint from its parent at rest."""
    offset = skeleton.offsets[skeleton.index(joint)]
    return np.asarray(offset / max(float(np.linalg.norm(offset)), 1e-12))


def _flat_footed(moved: MotionClip, person: Person) -> MotionClip:
    """The clip with feet that lie flat while they stand: rigs differ in how high over the sole their toes are.

    A foot stands where its ankle and toe are slowest; its pitch there becomes what it is at rest.
    """
    track, rest, rotations = moved.track, rest_joints(person.shape), moved.rotations.copy()
    if len(moved) < _FEWEST:
        return moved
    for side in ("left", "right"):
        ankle, toe = track.of(f"ankle_{side}"), track.of(f"toe_{side}")
        speed = np.linalg.norm(np.gradient(ankle, axis=0), axis=1) + np.linalg.norm(np.gradient(toe, axis=0), axis=1)
        stands = speed <= np.quantile(speed, _STANDS_SHARE)
        now = float(np.median(_pitch(toe - ankle)[stands]))
        turn = rotation("y", float(_pitch(rest[f"toe_{side}"] - rest[f"foot_{side}"])) - now)
        k = CANONICAL.index(f"ankle_{side}")
        rotations[:, k] = rotations[:, k] @ turn
    return MotionClip(moved.skeleton, rotations, moved.root, moved.fps)


def _pitch(ways: F64) -> F64:
    """Degrees by which directions (..., 3) point down."""
    return np.asarray(-np.degrees(np.arctan2(ways[..., 2], np.hypot(ways[..., 0], ways[..., 1]))))


def _lowest(moved: MotionClip, person: Person) -> F64:
    """(T,) metres by which the lower foot stands above (or under) where it stands at rest."""
    rest, track = rest_joints(person.shape), moved.track
    feet = [f"{joint}_{side}" for joint in ("ankle", "toe") for side in ("left", "right")]
    return np.asarray(np.min([track.of(foot)[:, 2] - rest[stage_joint(foot)][2] for foot in feet], axis=0))
