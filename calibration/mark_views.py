"""From the photographs of a take to what its cameras contribute to the map of marks: masks, skin and
proposals.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.mark_points import View
from calibration.rig import RigCalibration
from capture.images import ImageError, read_image
from capture.issues import Issue, issue
from capture.marks import blend_lights, propose
from capture.mask import skin_mask
from capture.session import Take
from capture.take_masks import spread_lights, stills_of, take_masks
from capture.validate import Original, ValidatedSession

Bool = NDArray[np.bool_]

_MASK_PX = 1024
_THREADS = 2


def see_take(
    validated: ValidatedSession, rig: RigCalibration, take: Take, *, with_proposals: bool
) -> tuple[list[View], list[Issue]]:
    """The views of one take and what kept other cameras out. Without proposals only the masks are made."""
    views: list[View] = []
    issues: list[Issue] = []
    placed = {c.id for c in rig.cameras}
    try:
        masks = take_masks(validated, take)
    except ImageError as err:
        return views, [issue(err.code, where=f"stills/{take.id}", found=err.detail)]
    seen: list[tuple[str, list[Original], Bool]] = []
    for name in validated.session.cameras_of(take):
        originals = stills_of(validated, take, name)
        if name not in placed or not originals:
            continue  # calibration and ingest have named the camera or the files already
        if name not in masks:
            issues.append(issue("PLATE_MISSING", where=f"plates/{name}", found=f"no marks are looked for in {name}"))
            continue
        seen.append((name, originals, masks[name]))

    def look(item: tuple[str, list[Original], Bool]) -> View | Issue:
        name, originals, mask = item
        try:
            return _see(originals, mask, rig, with_proposals=with_proposals)
        except ImageError as err:
            return issue(err.code, where=f"stills/{take.id}/*/{name}", found=err.detail)

    with ThreadPoolExecutor(_THREADS) as pool:
        for (name, _, mask), found in zip(seen, pool.map(look, seen), strict=True):
            if isinstance(found, Issue):
                issues.append(found)
                continue
            views.append(found)
            if not mask.any():
                issues.append(issue("PERSON_NOT_FOUND", where=f"stills/{take.id}/*/{name}"))
    return views, issues


def _see(originals: list[Original], mask: Bool, rig: RigCalibration, *, with_proposals: bool) -> View:
    camera = rig.camera(originals[0].shot.camera)
    chosen = originals if with_proposals else spread_lights(originals)
    images = [read_image(o.path) for o in chosen]
    best = max(range(len(images)), key=lambda k: float(images[k][mask].mean()) if mask.any() else 0.0)
    blobs = []
    if with_proposals and mask.any():
        spread = [images[chosen.index(o)] for o in spread_lights(originals)]
        skin = np.sum([skin_mask(image, mask) for image in spread], axis=0) * 2 >= len(spread)
        blobs = propose(blend_lights(images, skin), skin)
    scale = min(1.0, _MASK_PX / max(mask.shape))
    size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
    small = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 127
    return View(camera, tuple(blobs), np.asarray(small), str(chosen[best].path))
