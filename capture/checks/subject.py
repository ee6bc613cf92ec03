"""Who is in the picture: she holds her pose under all lights of a take, so whoever comes or goes stands out.

Whoever stays for a whole take stands out against the other takes, by an outline that has grown by a body and a second
head; in the only take, by the second head alone. A prop of that size is declared by an `[[ignore]]` of its take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.checks.company import Usual, count_heads, has_grown, thickness, usual
from capture.checks.foreground import LEAST, foreground, look, part_sizes
from capture.checks.views import contradicts, view_of
from capture.issues import Issue, issue
from capture.session import Shot, ShotKind, Take

if TYPE_CHECKING:
    from capture.validate import Context

Bool: TypeAlias = NDArray[np.bool_]
ByLight: TypeAlias = Mapping[str, Bool]  # (h, w) where she is, in one camera and take
Outlines: TypeAlias = dict[str, dict[str, Bool]]  # camera -> take -> (h, w) where anybody is under most lights

_EXTRA = 0.10  # of her area: a part that only this light shows is somebody
_EXTRA_PICTURE = 0.012  # and of the picture
_GONE = 0.3  # of her usual area; clothes of the backdrop's colour vanish under some lights, all of her does not
_AGREE = 0.5  # share of the cameras; whoever stands behind her hides from some
_STEADY = 0.34  # share of the lights: one of three is her shadow or somebody who is named already
_FULL = 0.8  # of the picture
_HEADS = 1 / 3  # share of the cameras that see more, in which a second head must stand out


def check_subject(context: Context) -> Iterator[Issue]:
    """Each light of each take against its other lights, each take against the others.

    A camera without a plate has no say.
    """
    outlines: Outlines = {}
    for take in context.session.take:
        masks = {camera: _masks(context, take, camera) for camera in context.session.cameras_of(take)}
        masks = {camera: by_light for camera, by_light in masks.items() if by_light}
        odd = set()
        for light, item in _judge(context, take, masks):
            odd.add(light)
            yield item
        for camera, by_light in masks.items():
            steady = [mask for light, mask in by_light.items() if light not in odd]
            if steady:
                outlines.setdefault(camera, {})[take.id] = np.asarray(np.mean(steady, axis=0) > _STEADY)
    yield from _company(context, outlines)


def _masks(context: Context, take: Take, camera: str) -> dict[str, Bool]:
    plate = look(context, Shot(ShotKind.PLATE, camera))
    found = {}
    for light in context.session.lights_of(take):
        picture = look(context, Shot(ShotKind.STILL, camera, take.id, light))
        if plate is not None and picture is not None and picture.shape == plate.shape:
            found[light] = foreground(picture, plate)
    return found


def _judge(context: Context, take: Take, masks: Mapping[str, ByLight]) -> Iterator[tuple[str, Issue]]:
    """The lights under which somebody comes or goes."""
    for light in context.session.lights_of(take):
        seeing = [camera for camera, by_light in masks.items() if light in by_light]
        extra = [camera for camera in seeing if is_extra(masks[camera], light)]
        gone = [camera for camera in seeing if is_gone(masks[camera], light)]
        where = f"stills/{take.id}/{light}"
        if seeing and len(extra) > _AGREE * len(seeing):
            found = f"{len(extra)} of {len(seeing)} cameras show more than under the other lights: {', '.join(extra)}"
            expected = "the same picture but for the light"
            yield light, issue("SUBJECT_EXTRA", where=where, expected=expected, found=found)
        if seeing and len(gone) > _AGREE * len(seeing):
            found = f"{len(gone)} of {len(seeing)} cameras show nobody: {', '.join(gone)}"
            yield light, issue("SUBJECT_MISSING", where=where, expected="her, as under the other lights", found=found)


def _company(context: Context, outlines: Outlines) -> Iterator[Issue]:
    """The takes in which somebody stands beside her under every light."""
    others = {camera: usual(_of_one_size(by_take)) for camera, by_take in outlines.items()}
    for take in context.session.take:
        seeing = {camera: by_take[take.id] for camera, by_take in outlines.items() if take.id in by_take}
        compared = {camera: others[camera][take.id] for camera in seeing if take.id in others[camera]}
        cameras = _joined(seeing, compared) if compared else _two_heads(seeing)
        if not cameras:
            continue
        # A camera that shows another place than its plate shows "more" everywhere.
        cameras = [camera for camera in cameras if not _elsewhere(context, camera, take)]
        if len(cameras) > _AGREE * len(seeing):
            found = f"{len(cameras)} of {len(seeing)} cameras show somebody beside her"
            found += f" whom the other takes do not: {', '.join(cameras)}" if compared else f": {', '.join(cameras)}"
            yield issue("SUBJECT_EXTRA", where=f"stills/{take.id}", expected="her alone", found=found)


def _of_one_size(by_take: Mapping[str, Bool]) -> dict[str, Bool]:
    shape = next(iter(by_take.values())).shape
    return {take: mask for take, mask in by_take.items() if mask.shape == shape}


def _joined(seeing: Mapping[str, Bool], compared: Mapping[str, Usual]) -> list[str]:
    """The cameras in which her outline has grown by a body, if enough of them see a second head."""
    grown = [camera for camera, other in compared.items() if has_grown(seeing[camera], other)]
    heads = [camera for camera in grown if count_heads(seeing[camera], compared[camera].trunk) > 1]
    return grown if heads and len(heads) >= _HEADS * len(grown) else []


def _two_heads(seeing: Mapping[str, Bool]) -> list[str]:
    """A mask that fills the picture is no outline: she is very near, or the plate shows another set."""
    outlines = {camera: mask for camera, mask in seeing.items() if mask.mean() < _FULL}
    return [camera for camera, mask in outlines.items() if count_heads(mask, thickness(mask)) > 1]


def _elsewhere(context: Context, camera: str, take: Take) -> bool:
    plate = view_of(context, Shot(ShotKind.PLATE, camera))
    shots = [Shot(ShotKind.STILL, camera, take.id, light) for light in context.session.lights_of(take)]
    views = [view for shot in shots if (view := view_of(context, shot)) is not None]
    return plate is not None and contradicts(views, plate)


def is_extra(masks: ByLight, light: str) -> bool:
    """Whether one light shows a part of a person's size that no other light of this camera and take shows."""
    others = [mask for name, mask in masks.items() if name != light]
    if not others:
        return False
    usual_part = np.mean(others, axis=0) > _STEADY
    near = cv2.dilate(usual_part.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    rest = cv2.morphologyEx((masks[light] & ~near).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    largest = int(part_sizes(rest, 1).max())
    return bool(largest > max(_EXTRA * usual_part.sum(), _EXTRA_PICTURE * usual_part.size))


def is_gone(masks: ByLight, light: str) -> bool:
    """Whether nobody is there under one light; a take under a single light is compared with an empty picture."""
    others = [float(mask.mean()) for name, mask in masks.items() if name != light]
    usual_share = float(np.median(others)) if others else _EXTRA_PICTURE
    return bool(masks[light].mean() < max(_GONE * usual_share, LEAST))
