"""Her body in the studio, moved by a clip: the colour picture and the depth of every frame, from one camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import leg_length
from capture.motion.clip import MotionClip
from capture.stage.backdrop import background
from capture.stage.body import REFERENCE_HEIGHT_M, rest_joints
from capture.stage.lens import StageLight
from capture.stage.person import Person, make_person
from capture.stage.posed import BodyClip, body_clip
from capture.stage.render import encoded, render_depth, render_linear
from capture.stage.scene import PosedScene
from training.movement.rendering.pose_frames import depth_picture, keypoints
from training.movement.rendering.shot import Angle, Floor, Shot, floor_of, shot_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

_BODY_SEED = 1
_HEIGHTS_M = (1.55, 1.90)  # that the body of the stage is drawn for
_GRID_DARKENS = 0.22
_DEPTH_ROOM_M = 0.3  # of flesh, hands and hair before and behind the joints
# A large soft light at her side of the camera, and much light from all around: no part of her is lost in the dark.
_SIDE_DEG, _UP_DEG, _INTENSITY, _AMBIENT = 38.0, 48.0, 0.72, 0.46


def stand_in(clip: MotionClip) -> Person:
    """A body of the stage as tall as the clip's legs tell, without a birthmark: it stands for her, and is not her.

    Raises JointsMissing for a rig that lacks joints.
    """
    person = make_person(_BODY_SEED)
    rest = rest_joints(person.shape)
    hip, knee, ankle = (rest[f"{bone}_left"] for bone in ("thigh", "shin", "foot"))
    leg = float(np.linalg.norm(hip - knee) + np.linalg.norm(knee - ankle))
    height = float(np.clip(person.height_m * leg_length(clip.track) / leg, *_HEIGHTS_M))
    return replace(person, height_m=height, shape=replace(person.shape, height_m=height), marks=())


@dataclass(frozen=True, eq=False)
class BodyPictures:
    """A clip on a body before a camera. All pictures of a frame agree to the pixel."""

    body: BodyClip
    shot: Shot
    outfit: str = "black"
    backdrop: str = "grey"

    def __len__(self) -> int:
        return len(self.body)

    @cached_property
    def light(self) -> StageLight:
        """The one light, at her side of the camera."""
        x, y, _ = self.shot.camera.position
        azimuth = float(np.degrees(np.arctan2(y, x))) - _SIDE_DEG
        return StageLight("movement", azimuth, _UP_DEG, intensity=_INTENSITY, ambient=_AMBIENT)

    @cached_property
    def floor(self) -> Floor:
        """What the camera sees of the floor."""
        return floor_of(self.shot.camera)

    @cached_property
    def depths(self) -> tuple[float, float]:
        """Metres along the optical axis between which she is in the whole clip."""
        every = [self.shot.seen(places, k)[1] for k, places in enumerate(self.body.clip.world[1])]
        return float(np.min(every)) - _DEPTH_ROOM_M, float(np.max(every)) + _DEPTH_ROOM_M

    def scene(self, frame: int) -> PosedScene:
        """Her in a frame, in the middle of the studio."""
        bones = self.body.bones(frame, self.shot.offsets[frame])
        return PosedScene(self.body.person, bones, self.outfit, self.backdrop)

    def picture(self, scene: PosedScene, frame: int) -> U8:
        """(H, W, 3) uint8 BGR: her on the paper, with faint lines on the floor that pass under her."""
        behind = background(self.backdrop, self.shot.camera, self.light).copy()
        behind[self.floor.top :] *= 1 - _GRID_DARKENS * self.floor.grid(self.shot.offsets[frame])[..., None]
        return encoded(render_linear(scene, self.shot.camera, self.light, behind=behind))

    def depth(self, scene: PosedScene) -> U8:
        """(H, W) uint8, near is white, the same metres in every frame; see `depth_picture` and `depths`."""
        return depth_picture(render_depth(scene, self.shot.camera), *self.depths)

    def points(self, frame: int) -> F64:
        """(18, 3) OpenPose's points; see `keypoints`."""
        turns, places = self.body.clip.world
        size = self.body.person.height_m / REFERENCE_HEIGHT_M
        return keypoints(turns[frame], places[frame], self.shot, frame, size=size)


def body_pictures(clip: MotionClip, person: Person, angle: Angle = Angle()) -> BodyPictures:  # noqa: B008 - frozen
    """A clip of any known rig on a person of the stage, seen by a camera. Raises JointsMissing, ValueError."""
    body = body_clip(clip, person)
    return BodyPictures(body, shot_of(body.clip, angle))
