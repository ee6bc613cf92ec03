"""What a pose detector would find on the stage: her joints as she walks, projected, with its faults, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.motion.clip import JointTrack
from capture.stage.lens import StageCamera, image_points, look_at
from capture.stage.person import Person
from capture.stage.travel import clip_of, travel_stance
from capture.stage.walk import walk_stance

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_FLESH = {  # radius in metres around the bone between two joints: what hides a joint behind it
    ("pelvis", "neck"): 0.12,
    ("neck", "head"): 0.06,
    **{(f"shoulder_{s}", f"elbow_{s}"): 0.04 for s in ("left", "right")},
    **{(f"hip_{s}", f"knee_{s}"): 0.07 for s in ("left", "right")},
    **{(f"knee_{s}", f"ankle_{s}"): 0.045 for s in ("left", "right")},
}


@dataclass(frozen=True)
class Fault:
    """What a detector does wrong."""

    noise_px: float = 2.0  # one standard deviation in u and in v
    dropout: float = 0.0  # share of the points that it does not find
    occluded: bool = False  # joints behind her own body are not found


def walk_track(person: Person, times_s: F64, *, across: bool = False, facing_deg: float = 0.0) -> JointTrack:
    """The true places of her canonical joints at evenly spaced times: on the spot, or across the room without sliding.

    Raises ValueError for fewer than two times.
    """
    if len(times_s) < 2:
        raise ValueError(f"a walk needs two times at least, found {len(times_s)}")
    walk = travel_stance if across else walk_stance
    stances = [walk(person, float(t), facing_deg=facing_deg) for t in times_s]
    return clip_of(stances, person, fps=1.0 / float(times_s[1] - times_s[0])).track


def stand_back(
    cameras: Sequence[StageCamera], *, distance_m: float = 4.5, extent_m: float = 2.4
) -> tuple[StageCamera, ...]:
    """The cameras of a rig moved out on their own azimuth and aimed at her waist, so that all of her is in view."""
    target = np.array([0.0, 0.0, 0.92])
    out = []
    for camera in cameras:
        away = camera.position - np.array([0.0, 0.0, 1.42])
        position = target + distance_m * away / np.linalg.norm(away)
        # A camera of the lower ring would end below the knees.
        position[2] = max(position[2], 0.8)
        focal = camera.width * float(np.linalg.norm(position - target)) / extent_m
        out.append(replace(camera.moved(look_at(position, target)), fx=focal, fy=focal * camera.fy / camera.fx))
    return tuple(out)


def stage_keypoints(track: JointTrack, camera: StageCamera, fault: Fault, *, seed: int) -> tuple[F64, F64]:
    """Pixels (T, J, 2) and confidence (T, J) of the joints of a track as a detector finds them in one camera.

    What lies outside the picture or behind the camera, is dropped or occluded, is NaN with confidence 0.
    """
    rng = np.random.default_rng([seed, 0x4E7])
    shape = track.places.shape[:2]
    uv, depth = image_points(camera, track.places.reshape(-1, 3))
    uv = uv.reshape(*shape, 2) + rng.normal(0, fault.noise_px, (*shape, 2)) if fault.noise_px else uv.reshape(*shape, 2)
    inside = (uv > -0.5) & (uv < np.array([camera.width, camera.height]) - 0.5)
    found = inside.all(axis=2) & (depth.reshape(shape) > 0) & (rng.random(shape) >= fault.dropout)
    if fault.occluded:
        found &= ~hidden(track, camera)
    uv[~found] = np.nan
    return uv, np.where(found, rng.uniform(0.7, 1.0, shape), 0.0)


def hidden(track: JointTrack, camera: StageCamera) -> Bool:
    """(T, J) True where flesh around a bone that does not end at the joint stands between it and the camera."""
    places, out = track.places, np.zeros(track.places.shape[:2], dtype=bool)
    sight = places - camera.position
    for (first, second), radius in _FLESH.items():
        start, end = track.of(first)[:, None], track.of(second)[:, None]
        along, gap = _closest(sight, camera.position, start, end - start)
        own = np.array([_belongs(name, first, second) for name in track.names])
        out |= (gap < radius) & (along < 1.0) & ~own
    return out


def _belongs(joint: str, first: str, second: str) -> bool:
    trunk = first == "pelvis" and joint.split("_")[0] in ("shoulder", "hip", "chest", "head")
    return joint in (first, second) or trunk or (joint == "pelvis" and first.startswith("hip"))


def _closest(sight: F64, origin: F64, start: F64, bone: F64) -> tuple[F64, F64]:
    """Where along the lines of sight (T, J, 3), 0 to 1, they pass closest to the bones (T, 1, 3), and by how much."""
    between = origin - start
    a, b, c = (sight**2).sum(-1), (sight * bone).sum(-1), (bone**2).sum(-1)
    d, e = (sight * between).sum(-1), (bone * between).sum(-1)
    on_bone = np.clip((a * e - b * d) / np.maximum(a * c - b * b, 1e-12), 0.0, 1.0)
    on_sight = np.clip((b * on_bone - d) / a, 0.0, 1.0)
    gap = between + on_sight[..., None] * sight - on_bone[..., None] * bone
    return on_sight, np.asarray(np.linalg.norm(gap, axis=-1))
