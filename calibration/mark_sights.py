"""Which photographs show which mark: turned away, hidden, outside, in the dark, too faint, or seen and how strongly.

A mark that nobody could have seen is never called lost, and a light under which none of her marks shows is worth
knowing while she is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from calibration.birthmarks import F64, Birthmark, Place, Sight, Verdict
from calibration.camera import Camera
from calibration.mark_points import View, inside_hull
from calibration.rig import RigCalibration
from capture.images import ImageError, Picture, read_image
from capture.marks import MIN_CONTRAST, MIN_RADIUS_PX, colour_at
from capture.session import Take
from capture.take_masks import stills_of
from capture.validate import Original, ValidatedSession

_FACING = 0.2  # seen flatter than 78 degrees a mark is a line
_DARK_L = 12.0  # L* of the skin around, below which a camera records noise
_STEPS_M = np.arange(0.02, 1.2, 0.01)  # along the way to the camera, for what hides her own skin from it
_MIN_INSIDE = 2  # steps in a row inside her: one may be the roundness of the hull
_THREADS = 2


def sights_of_take(
    validated: ValidatedSession, rig: RigCalibration, take: Take, places: Mapping[str, tuple[Place, float]],
    views: Sequence[View],
) -> dict[str, tuple[list[Sight], list[F64]]]:  # fmt: skip
    """For each mark (place and diameter in mm) its sights in all photographs of a take, and its colours where seen."""
    found: dict[str, tuple[list[Sight], list[F64]]] = {name: ([], []) for name in places}
    jobs: list[tuple[Original, dict[str, Sight]]] = []
    for name in validated.session.cameras_of(take):
        if name not in {camera.id for camera in rig.cameras}:
            continue
        camera = rig.camera(name)
        expected = {m: _expected(take.id, camera, place, size, views) for m, (place, size) in places.items()}
        jobs += [(original, expected) for original in stills_of(validated, take, name)]

    def look(job: tuple[Original, dict[str, Sight]]) -> dict[str, tuple[Sight, F64 | None]]:
        original, expected = job
        named = {m: replace(sight, light=original.shot.light) for m, sight in expected.items()}
        if all(sight.verdict != "seen" for sight in named.values()):
            return {m: (sight, None) for m, sight in named.items()}
        try:
            image = read_image(original.path)
        except ImageError:  # ingest has named it
            return {}
        camera = rig.camera(original.shot.camera)
        return {m: _measured(sight, image, camera, places[m][0]) for m, sight in named.items()}

    with ThreadPoolExecutor(_THREADS) as pool:
        for measured in pool.map(look, jobs):
            for mark, (sight, colour) in measured.items():
                found[mark][0].append(sight)
                if colour is not None:
                    found[mark][1].append(colour)
    return found


def with_sights(mark: Birthmark, sights: Iterable[Sight], colours: Sequence[F64]) -> Birthmark:
    """The mark with its sights, and the median of its colour differences."""
    colour = np.median(colours, axis=0) if len(colours) else np.zeros(3)
    return replace(mark, sights=tuple(sights), colour=(float(colour[0]), float(colour[1]), float(colour[2])))


def _expected(take: str, camera: Camera, place: Place, size_mm: float, views: Sequence[View]) -> Sight:
    """What geometry alone says: whether the mark faces the camera, lies in its picture, and is not behind her arm."""
    away = camera.centre - place.position
    distance = float(np.linalg.norm(away))
    facing = float(away @ place.normal) / distance
    size_px = size_mm / 1000 / distance * (camera.fx + camera.fy) / 2
    uv, depth = camera.project(place.position[None])
    verdict: Verdict = "seen"
    inside = np.isfinite(uv).all() and (uv[0] >= 0).all() and (uv[0] <= (camera.width - 1, camera.height - 1)).all()
    if facing < _FACING:
        verdict = "turned away"
    elif depth[0] <= 0 or not inside:
        verdict = "outside"
    elif _hidden(place, away / distance, views):
        verdict = "hidden"
    return Sight(take, camera.id, "", size_px, facing, 0.0, verdict)


def _hidden(place: Place, direction: F64, views: Sequence[View]) -> bool:
    """True when the way to the camera enters her visual hull again after it has left the skin."""
    way = place.position + 0.01 * place.normal + _STEPS_M[:, None] * direction
    inside = inside_hull(way, views, slack_px=0.0)
    left = np.flatnonzero(~inside)
    if not len(left):
        return False
    again = inside[left[0] :].astype(int)
    return bool((np.convolve(again, np.ones(_MIN_INSIDE, dtype=int)) >= _MIN_INSIDE).any())


def _measured(sight: Sight, image: Picture, camera: Camera, place: Place) -> tuple[Sight, F64 | None]:
    if sight.verdict != "seen":
        return sight, None
    uv, _ = camera.project(place.position[None])
    radius = max(sight.diameter_px / 2 * float(np.sqrt(max(sight.facing, 0.35))), MIN_RADIUS_PX)
    found = colour_at(image, float(uv[0, 0]), float(uv[0, 1]), radius)
    if found is None:
        return replace(sight, verdict="outside"), None
    difference, skin = found
    contrast = float(np.linalg.norm(difference))
    if skin < _DARK_L:
        return replace(sight, contrast=contrast, verdict="dark"), None
    if contrast < MIN_CONTRAST:
        return replace(sight, contrast=contrast, verdict="faint"), None
    return replace(sight, contrast=contrast), difference.astype(np.float64)
