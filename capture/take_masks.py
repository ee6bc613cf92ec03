"""Her mask in every camera of a take, made once: marks and data set both need it, and it is the slowest thing they do.

Masks are kept as pictures in `derived/masks/`, named by the digest of the photographs, the plate and the code that made
them, so that a stale one cannot be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import mask as mask_module
from capture.images import read_image, write_png
from capture.mask import person_mask_of_lights
from capture.session import Shot, ShotKind, Take
from capture.store import sha256_file, sha256_text
from capture.validate import Original, ValidatedSession

Bool = NDArray[np.bool_]

LIGHTS = 3  # enough for a vote among lights; each one costs a whole mask
_THREADS = 2


def stills_of(validated: ValidatedSession, take: Take, camera: str) -> list[Original]:
    """The photographs of one camera and take that decode, in the order of the lights."""
    shots = [Shot(ShotKind.STILL, camera, take.id, light) for light in validated.session.lights_of(take)]
    return [o for shot in shots if (o := validated.find(shot)) is not None]


def spread_lights(originals: Sequence[Original]) -> list[Original]:
    """Up to LIGHTS of the photographs, spread over the lights."""
    places = np.linspace(0, len(originals) - 1, min(len(originals), LIGHTS)).round().astype(int)
    return [originals[k] for k in places]


def take_masks(validated: ValidatedSession, take: Take) -> dict[str, Bool]:
    """Her mask (H, W) by camera, for the cameras of a take that have photographs and a plate.

    Raises ImageError when a photograph that ingest decoded cannot be read any more.
    """
    jobs = []
    for camera in validated.session.cameras_of(take):
        plate = validated.find(Shot(ShotKind.PLATE, camera))
        originals = stills_of(validated, take, camera)
        if plate is not None and originals:
            jobs.append((camera, spread_lights(originals), plate))
    code = sha256_file(Path(str(mask_module.__file__)))

    def one(job: tuple[str, list[Original], Original]) -> Bool:
        camera, originals, plate = job
        key = sha256_text("|".join([code, plate.sha256, *(o.sha256 for o in originals)]))[:16]
        path = validated.folder.derived("masks") / f"{take.id}-{camera}-{key}.png"
        if path.is_file():
            return read_image(path)[..., 0] > 127
        found = person_mask_of_lights([read_image(o.path) for o in originals], read_image(plate.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, found)
        return found

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip((job[0] for job in jobs), pool.map(one, jobs), strict=True))
