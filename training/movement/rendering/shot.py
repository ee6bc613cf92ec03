"""The camera of a clip: it goes with her at the pace of her walk, without her steps, or stands and sees all of the way.

Everything is drawn with the walker in the middle of the studio and the world moving under her, so that the camera, and
with it the empty studio, is the same in every frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import CANONICAL
from capture.motion.clip import MotionClip
from capture.stage.lens import StageCamera, image_points, look_at, pose_tuple
from training.movement.rendering.face import body_size, head_place

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

DISTANCE_M = 4.0  # the paper of the studio is 4.5 m from its middle
_HEIGHT_M = 1.25  # of the lens: a little below her eyes, so that the floor is seen
_ROOM_M = 0.13  # around the joints for flesh and hands
_FILLED = 0.94  # of the picture
_PACE_S = 0.5  # standard deviation of the smoothing of her way: of a stride of a second under a hundredth is left
_TRAVELS_M = 0.5
_NEAREST_M = 0.8  # that she may come to a camera that stands


@dataclass(frozen=True)
class Angle:
    """Where the camera stands: degrees from where she goes, to her left; size of the picture in pixels."""

    width: int = 480
    height: int = 640
    azimuth_deg: float = 48.0
    follows: bool = True

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 32 or self.width % 2 or self.height % 2:
            raise ValueError(f"film of {self.width} x {self.height} px cannot be written; give even sizes from 32 up")


@dataclass(frozen=True, eq=False)
class Shot:
    """A camera, and where the world is moved in each frame so that she stays before it."""

    camera: StageCamera
    offsets: F64  # (T, 3) metres, added to world places; z is zero
    heading_deg: float  # where she goes, world

    def seen(self, places: F64, frame: int) -> tuple[F64, F64]:
        """Pixels (N, 2) and depths (N,) in metres of world places (N, 3) in a frame."""
        return image_points(self.camera, places + self.offsets[frame])


def shot_of(clip: MotionClip, angle: Angle = Angle()) -> Shot:  # noqa: B008 - frozen
    """The camera that sees all of a canonical clip, as large as the picture allows.

    ValueError for a clip whose way leads too near to a camera that stands.
    """
    turns, places = clip.world
    way = places[:, 0] * (1.0, 1.0, 0.0)
    seen = np.concatenate([places, _crown(clip)[:, None]], axis=1)
    heading = _heading(way, turns[:, 0, :, 0])
    middle = (
        _smooth(way, clip.fps) if angle.follows else np.tile((way.min(axis=0) + way.max(axis=0)) / 2, (len(way), 1))
    )
    where = np.radians(heading + angle.azimuth_deg)
    aim = np.array([0.0, 0.0, float(seen[..., 2].max() + seen[..., 2].min()) / 2])
    position = np.array([DISTANCE_M * np.cos(where), DISTANCE_M * np.sin(where), _HEIGHT_M])
    pose = pose_tuple(look_at(position, aim))
    unit = StageCamera("movement", angle.width, angle.height, 1.0, 1.0, 0.0, 0.0, world_from_camera=pose)
    tangents, depth = image_points(unit, (seen - middle[:, None]).reshape(-1, 3))
    if depth.min() < _NEAREST_M:
        raise ValueError(
            f"way of {np.linalg.norm(np.ptp(way, axis=0)):.1f} m leads past a camera that stands; let it follow her"
        )
    room = _ROOM_M / depth[:, None]
    low, high = (tangents - room).min(axis=0), (tangents + room).max(axis=0)
    focal = _FILLED * float(np.min(np.array([angle.width, angle.height]) / (high - low)))
    centre = np.array([angle.width - 1, angle.height - 1]) / 2 - focal * (low + high) / 2
    camera = replace(unit, fx=focal, fy=focal, cx=float(centre[0]), cy=float(centre[1]))
    return Shot(camera, -middle, heading)


def _crown(clip: MotionClip) -> F64:
    """(T, 3) the top of her head and hair."""
    turns, places = clip.world
    head, size = CANONICAL.index("head"), body_size(clip)
    return np.stack([head_place(places[t, head], turns[t, head], size, "crown") for t in range(len(clip))])


def _heading(way: F64, facing: F64) -> float:
    """Degrees of where she goes; where she looks, in the mean, if she hardly goes anywhere."""
    gone = way[-1] - way[0]
    if np.linalg.norm(gone) < _TRAVELS_M:
        gone = facing.mean(axis=0)
    return float(np.degrees(np.arctan2(gone[1], gone[0])))


def _smooth(way: F64, fps: float) -> F64:
    """(T, 3) her way without steps; beyond its ends it goes on as it came."""
    sigma = _PACE_S * fps
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    longer = np.pad(way, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(longer[:, k], kernel, mode="valid") for k in range(3)], axis=1)


@dataclass(frozen=True, eq=False)
class Floor:
    """The floor as a camera sees it, for the grid that tells how fast she goes. Rows from the first that sees it."""

    top: int
    x: F32  # (h, W) metres
    y: F32  # (h, W) metres
    pixel_x: F32  # (h, W) metres of x that a pixel spans
    pixel_y: F32  # (h, W) metres of y that a pixel spans
    near: F32  # (h, W) 1 under her, falling to 0 where the grid ends

    def grid(self, offset: F64, *, step_m: float = 0.5, line_m: float = 0.012) -> F32:
        """(h, W) how much of each pixel the lines cover when the world is moved by `offset` (3,) metres."""
        cover = np.zeros_like(self.x)
        for at, pixel, moved in ((self.x, self.pixel_x, offset[0]), (self.y, self.pixel_y, offset[1])):
            line = (at - np.float32(moved)) / np.float32(step_m)
            line = np.abs(line - np.rint(line)) * np.float32(step_m)
            edge = np.clip((np.float32(line_m) + pixel) / 2 - line, 0.0, None) / pixel
            np.maximum(cover, np.minimum(edge, np.minimum(1.0, np.float32(line_m) / pixel)), out=cover)
        return np.asarray(cover * self.near, dtype=np.float32)


def floor_of(camera: StageCamera, *, reach_m: float = 3.2) -> Floor:
    """What of the floor a camera without distortion sees, within some metres of the middle of the studio."""
    u = (np.arange(camera.width) - camera.cx) / camera.fx
    v = (np.arange(camera.height) - camera.cy) / camera.fy
    rays = np.stack([*np.meshgrid(u, v), np.ones((camera.height, camera.width))], axis=-1) @ camera.pose[:3, :3].T
    down = rays[..., 2] < -1e-3
    along = np.where(down, -camera.position[2] / np.where(down, rays[..., 2], -1.0), 1e3)
    places = camera.position + along[..., None] * rays
    near = np.clip(1.0 - np.hypot(places[..., 0], places[..., 1]) / reach_m, 0.0, 1.0) * down
    rows = np.flatnonzero((near > 0).any(axis=1))
    top = int(rows[0]) if len(rows) else camera.height - 2
    top = min(top, camera.height - 2)  # a gradient takes two rows
    x, y = places[top:, :, 0], places[top:, :, 1]
    spans = [np.maximum(np.hypot(*np.gradient(axis)), 1e-5) for axis in (x, y)]
    near = near[top:] * np.minimum(1.0, 2 * near[top:])
    return Floor(top, *(np.asarray(part, dtype=np.float32) for part in (x, y, *spans, near)))
