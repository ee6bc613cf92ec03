"""One thing that goes wrong on set, by name: an exact physical change of one shoot, written down in its truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.lens import StageCamera

FAULTS = {
    "missing-frame": "one camera did not fire under one light of one take",
    "truncated-file": "the last 40 % of one file were never written",
    "soft-focus": "one camera is out of focus for a whole take",
    "wrong-light": "under one light of one take another light was lit",
    "moved-camera": "one camera was pushed 25 mm and turned 1.5 degrees before the last take",
    "late-camera": "one camera's clips begin three frames late",
    "swapped-cameras": "the stills of two cameras carry each other's names",
    "mirrored-photo": "one camera's stills of one take are mirrored left to right",
    "second-person": "somebody else stands in the picture under one light of one take",
    "second-person-take": "somebody else stands in the picture under every light of one take",
    "middle-move": "one camera was pushed before a take in the middle and put back after it",
    "camera-ring": "the stills of three cameras carry the name of the next of them, as in a ring",
    "motion-blur": "one camera's clips are exposed for 1/8 s, as by a camera that adds up frames in too little light",
}
# What the frames of a clip alone do not show: cameras have to be compared through their calibration.
DRIFTS = {
    "turned-camera": "one camera was turned by 0.2 degrees during the first clip and stayed so",
    "frame-late": "one camera's clips begin one frame late",
}
_ALL = FAULTS | DRIFTS
LATE_FRAMES = 3
TURN_DEG = 0.2
_LATE = {"late-camera": LATE_FRAMES, "frame-late": 1}
EXPOSED_S = 1 / 8
MOMENTS = 4  # in each frame interval, whose light is added up
_BLUR_SHARE = 1 / 260  # radius of the blur disc as a share of the picture's width
_SECOND_SEED = 7919


@dataclass(frozen=True)
class Fault:
    """What is wrong and where. Fields that do not apply are empty; the name '' means nothing is wrong."""

    name: str = ""
    camera: str = ""
    other_camera: str = ""
    take: str = ""
    light: str = ""
    other_light: str = ""
    affected: tuple[str, ...] = field(default=())  # stems of the files that differ from a clean shoot
    ring: tuple[str, ...] = ()  # cameras whose stills carry the name of the next one
    since_frame: int = 0  # of the first clip
    degrees: float = 0.0
    late_frames: int = 0

    @property
    def what(self) -> str:
        """One sentence."""
        return _ALL.get(self.name, "nothing is wrong")

    def name_of(self, camera: str) -> str:
        """The name that the stills of a camera carry."""
        ring = (self.camera, self.other_camera) if self.name == "swapped-cameras" else self.ring
        return ring[(ring.index(camera) + 1) % len(ring)] if camera in ring else camera


@dataclass(frozen=True)
class Grid:
    """The names of a shoot, in order."""

    cameras: tuple[str, ...]
    lights: tuple[str, ...]
    takes: tuple[str, ...]
    clips: tuple[str, ...]
    clip_frames: int = 50


def make_fault(name: str | None, grid: Grid, *, seed: int) -> Fault:
    """A fault of that name at a place that the seed decides; ValueError if it cannot happen in this shoot."""
    if name is None:
        return Fault()
    if name not in _ALL:
        raise ValueError(f"fault is unknown: {name!r}; choose one of {', '.join(_ALL)}")
    needs = {
        "late-camera": grid.clips, "swapped-cameras": grid.cameras[1:], "wrong-light": grid.lights[1:],
        "camera-ring": grid.cameras[2:], "middle-move": grid.takes[2:], "motion-blur": grid.clips,
        "turned-camera": grid.clips, "frame-late": grid.clips,
    }  # fmt: skip
    if not needs.get(name, grid.takes) or not grid.takes:
        raise ValueError(f"fault {name!r} needs more takes, lights, cameras or clips than {grid}")
    rng = np.random.default_rng([seed, list(_ALL).index(name), 0xFA])
    order = [grid.cameras[int(k)] for k in rng.permutation(max(len(grid.cameras), 2)) % len(grid.cameras)]
    camera, other = order[:2]
    light_at = int(rng.integers(len(grid.lights)))
    light, next_light = grid.lights[light_at], grid.lights[(light_at + 1) % len(grid.lights)]
    takes = {"moved-camera": grid.takes[-1:], "middle-move": grid.takes[1:-1]}.get(name, grid.takes)
    take = takes[int(rng.integers(len(takes)))]
    whole_take = [f"stills/{take}/{lamp}/{camera}" for lamp in grid.lights]
    one = [f"stills/{take}/{light}/{camera}"]
    all_cameras = [f"stills/{take}/{light}/{c}" for c in grid.cameras]
    everybody = [f"stills/{take}/{lamp}/{c}" for lamp in grid.lights for c in grid.cameras]
    ring = tuple(order[:3]) if name == "camera-ring" else ()
    named = ring or (camera, other)
    swapped = [f"stills/{t}/{x}/{c}" for t in grid.takes for x in grid.lights for c in sorted(named)]
    own_clips = [f"clips/{clip}/{camera}" for clip in grid.clips]
    # camera, other camera, take, light, other light, affected files
    table: dict[str, tuple[str, str, str, str, str, list[str]]] = {
        "missing-frame": (camera, "", take, light, "", one),
        "truncated-file": (camera, "", take, light, "", one),
        "soft-focus": (camera, "", take, "", "", whole_take),
        "wrong-light": ("", "", take, light, next_light, all_cameras),
        "moved-camera": (camera, "", take, "", "", whole_take),
        "late-camera": (camera, "", "", "", "", own_clips),
        "swapped-cameras": (camera, other, "", "", "", swapped),
        "mirrored-photo": (camera, "", take, "", "", whole_take),
        "second-person": ("", "", take, light, "", all_cameras),
        "second-person-take": ("", "", take, "", "", everybody),
        "middle-move": (camera, "", take, "", "", whole_take),
        "camera-ring": ("", "", "", "", "", swapped),
        "motion-blur": (camera, "", "", "", "", own_clips),
        "turned-camera": (camera, "", "", "", "", own_clips),
        "frame-late": (camera, "", "", "", "", own_clips),
    }
    *where, affected = table[name]
    first, second, of_take, of_light, instead = where
    turns = name == "turned-camera"
    return Fault(
        name, first, second, of_take, of_light, instead, tuple(affected), ring,
        since_frame=int(grid.clip_frames * rng.uniform(0.3, 0.6)) if turns else 0,
        degrees=TURN_DEG if turns else 0.0,
        late_frames=_LATE.get(name, 0),
    )  # fmt: skip


def second_person_seed(person_seed: int) -> int:
    """The seed of whoever steps into the picture."""
    return person_seed + _SECOND_SEED


def moved(camera: StageCamera) -> StageCamera:
    """The camera after somebody bumped it: 25 mm sideways and 1.5 degrees of yaw."""
    turn, _ = cv2.Rodrigues(np.array([0.0, np.radians(1.5), 0.0]))
    shift = np.eye(4)
    shift[:3, :3] = turn
    shift[:3, 3] = [0.025, 0.0, 0.0]
    return camera.moved(camera.pose @ shift)


def turned(camera: StageCamera, degrees: float) -> StageCamera:
    """The camera after a tripod head gave way: mostly to the right, a little up, hardly rolled."""
    axis = np.array([0.3, 1.0, 0.2])
    turn, _ = cv2.Rodrigues(np.radians(degrees) * axis / np.linalg.norm(axis))
    whole = np.eye(4)
    whole[:3, :3] = turn
    return camera.moved(camera.pose @ whole)


def blurred(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """The light (H, W, 3) through a defocused lens: every point becomes a disc."""
    radius = max(linear.shape[1] * _BLUR_SHARE, 1.2)
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(cv2.filter2D(linear, -1, disc / disc.sum()), dtype=np.float32)


def truncated(data: bytes) -> bytes:
    """The first 60 % of a file."""
    return data[: int(len(data) * 0.6)]
