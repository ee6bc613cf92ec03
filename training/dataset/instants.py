"""The moments of a session as all cameras saw them, one at a time in memory: pictures, and a mask for each camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.colour.profile import read_srgb
from capture.decode.picture import ImageError
from capture.images import read_image
from capture.issues import issue
from capture.mask import estimate_plate, person_mask
from capture.session import Clip, Shot, ShotKind, Take
from capture.take_masks import take_masks
from capture.validate import ValidatedSession
from capture.video import read_frames
from training.dataset.census import Census

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Instant:
    """One moment: pictures by (light, camera), one mask for each camera."""

    group: Take | Clip
    index: int
    pictures: dict[tuple[str, str], tuple[Shot, Picture]]
    masks: dict[str, Mask]


def read_instants(validated: ValidatedSession, *, clip_every: int, census: Census) -> Iterator[Instant]:
    """Every moment of the session; frames that cannot be read are left out by name."""
    plates = {o.shot.camera: read_image(o.path) for o in validated.of_kind(ShotKind.PLATE)}
    for take in validated.session.take:
        yield _of_take(validated, take, census)
    for clip in validated.session.clip:
        yield from _of_clip(validated, clip, plates, clip_every, census)


def _of_take(validated: ValidatedSession, take: Take, census: Census) -> Instant:
    pictures: dict[tuple[str, str], tuple[Shot, Picture]] = {}
    for camera in validated.session.cameras_of(take):
        for light in validated.session.lights_of(take):
            shot = Shot(ShotKind.STILL, camera, take.id, light)
            census.offered += 1
            if (original := validated.find(shot)) is None:
                census.leave_out(shot.stem, "it is missing or does not decode (see the ingest report)")
            else:
                try:
                    pictures[light, camera] = (shot, read_srgb(original.path))
                except ImageError as err:
                    census.leave_out(shot.stem, err.detail)
    return Instant(take, 0, pictures, take_masks(validated, take))


def _of_clip(
    validated: ValidatedSession, clip: Clip, plates: dict[str, Picture], every: int, census: Census
) -> Iterator[Instant]:
    frames: dict[str, dict[int, Picture]] = {}
    for camera in validated.session.cameras_of(clip):
        original = validated.find(Shot(ShotKind.CLIP, camera, clip.id))
        if original is None:
            census.offered += 1
            census.leave_out(f"clips/{clip.id}/{camera}", "it is missing or does not decode (see the ingest report)")
            continue
        frames[camera] = dict(read_frames(original.path, every=every))
        census.offered += len(frames[camera])
        if camera not in plates:
            plates[camera] = estimate_plate(list(frames[camera].values()))
            census.issues.append(issue("PLATE_MISSING", where=f"clips/{clip.id}/{camera}"))
    for index in sorted({i for of_camera in frames.values() for i in of_camera}):
        pictures = {
            (clip.light, camera): (Shot(ShotKind.CLIP, camera, clip.id), of_camera[index])
            for camera, of_camera in frames.items()
            if index in of_camera
        }
        masks = {c: person_mask(picture, plates[c]) for (_, c), (_, picture) in pictures.items()}
        yield Instant(clip, index, pictures, masks)
