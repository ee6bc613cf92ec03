"""Who is in the picture: she holds her pose under all lights of a take, so whoever comes or goes stands out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.issues import Issue, issue
from capture.session import Shot, ShotKind, Take

if TYPE_CHECKING:
    from capture.images import Picture
    from capture.validate import Context

F32: TypeAlias = NDArray[np.float32]
Bool: TypeAlias = NDArray[np.bool_]

SMALL_PX = 96  # long side at which pictures are compared
_FLOOR = 0.004  # linear light of noise
_HUE = 0.2  # log chromaticity that no change of light brings about within one picture
_LIGHTER = 0.45  # log brightness; a backdrop is never lit more than its surroundings by so much
_DARKER = float(np.log(0.13))  # a shadow keeps more light than this
_ROUNDS = 6
_LEAST = 0.004  # share of the picture; less is dirt
_EXTRA = 0.10  # of her area: a part that only this light shows is somebody
_EXTRA_PICTURE = 0.012  # and of the picture
_GONE = 0.3  # of her usual area; clothes of the backdrop's colour vanish under some lights, all of her does not
_AGREE = 0.5  # share of the cameras; whoever stands behind her hides from some


def _linear_of_levels() -> F32:
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _linear_of_levels()  # (256,) linear light of each level


def check_subject(context: Context) -> Iterator[Issue]:
    """Each light of each take against the other lights of it; a camera without a plate has no say."""
    for take in context.session.take:
        masks = {camera: _masks(context, take, camera) for camera in context.session.cameras_of(take)}
        masks = {camera: by_light for camera, by_light in masks.items() if by_light}
        if masks:
            yield from _judge(context, take, masks)


def log_small(picture: Picture) -> F32:
    """A picture as log linear light (h, w, 3) at SMALL_PX: a gain of the light is a sum here."""
    scale = min(1.0, SMALL_PX / max(picture.shape[:2]))
    size = (max(8, round(picture.shape[1] * scale)), max(8, round(picture.shape[0] * scale)))
    linear = cv2.resize(cv2.LUT(picture, _LINEAR), size, interpolation=cv2.INTER_AREA)
    return np.log(linear + np.float32(_FLOOR))


def look(context: Context, shot: Shot) -> F32 | None:
    """`log_small` of a shot's thumbnail, or None where it did not decode."""
    return log_small(context.thumbnails.picture(shot)) if shot in context.thumbnails else None


def foreground(picture: F32, plate: F32) -> Bool:
    """Where `picture` shows something that `plate` does not, (h, w); both of `log_small`, under any light.

    The light of an empty studio changes smoothly from place to place: a quadratic in each channel, fitted to what
    looks like background, is taken out. Coarser and twenty times faster than `capture.mask.person_mask`.
    """
    rest = picture - plate
    basis = _smooth_light(rest.shape[0], rest.shape[1])
    a, b = basis[::3, ::3].reshape(-1, 6), rest[::3, ::3].reshape(-1, 3)
    # She is rarely at the left and right border: the fit starts from there.
    weight = np.asarray(np.abs(a[:, 1]) > 0.7, dtype=np.float32)
    coefficients = np.zeros((6, 3), dtype=np.float32)
    for _ in range(_ROUNDS):
        weighted = a * weight[:, None]
        normal = weighted.T @ a + 1e-3 * np.eye(6, dtype=np.float32)
        coefficients = np.asarray(np.linalg.solve(normal, weighted.T @ b), dtype=np.float32)
        size = np.linalg.norm(b - a @ coefficients, axis=1)
        sigma = max(1.4826 * float(np.median(size[weight > 0.1])), 0.02) if (weight > 0.1).any() else 0.02
        weight = (1 / (1 + (size / (2 * sigma)) ** 2)).astype(np.float32)
    even = cv2.GaussianBlur(rest - basis @ coefficients, (0, 0), 0.7)
    blue, green, red = even[..., 0], even[..., 1], even[..., 2]
    light = (blue + green + red) / 3
    hue = np.hypot(red - blue, green - (red + blue) / 2)
    seen = (hue > _HUE) | (light > _LIGHTER) | (light < _DARKER)
    opened = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(_parts(opened, round(_LEAST * opened.size)) > 0)


@lru_cache(maxsize=16)
def _smooth_light(rows: int, cols: int) -> F32:
    """(rows, cols, 6): 1, x, y, x x, x y, y y of places from -1 to 1; read-only."""
    y, x = np.mgrid[-1 : 1 : complex(rows), -1 : 1 : complex(cols)].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    basis.setflags(write=False)
    return cast(F32, basis)


def _parts(mask: NDArray[np.uint8], least: int) -> NDArray[np.int32]:
    """Area of the part that each pixel belongs to, 0 outside and in parts smaller than `least`."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    areas[areas < least] = 0
    return cast(NDArray[np.int32], areas[labels])


def _masks(context: Context, take: Take, camera: str) -> dict[str, Bool]:
    plate = look(context, Shot(ShotKind.PLATE, camera))
    found = {}
    for light in context.session.lights_of(take):
        picture = look(context, Shot(ShotKind.STILL, camera, take.id, light))
        if plate is not None and picture is not None and picture.shape == plate.shape:
            found[light] = foreground(picture, plate)
    return found


def _judge(context: Context, take: Take, masks: Mapping[str, Mapping[str, Bool]]) -> Iterator[Issue]:
    for light in context.session.lights_of(take):
        seeing = [camera for camera, by_light in masks.items() if light in by_light]
        extra = [camera for camera in seeing if is_extra(masks[camera], light)]
        gone = [camera for camera in seeing if is_gone(masks[camera], light)]
        where = f"stills/{take.id}/{light}"
        if seeing and len(extra) > _AGREE * len(seeing):
            found = f"{len(extra)} of {len(seeing)} cameras show more than under the other lights: {', '.join(extra)}"
            yield issue("SUBJECT_EXTRA", where=where, expected="the same picture but for the light", found=found)
        if seeing and len(gone) > _AGREE * len(seeing):
            found = f"{len(gone)} of {len(seeing)} cameras show nobody: {', '.join(gone)}"
            yield issue("SUBJECT_MISSING", where=where, expected="her, as under the other lights", found=found)


def is_extra(masks: Mapping[str, Bool], light: str) -> bool:
    """Whether one light shows a part of a person's size that no other light of this camera and take shows."""
    others = [mask for name, mask in masks.items() if name != light]
    if not others:
        return False
    usual = np.mean(others, axis=0) > 0.34
    near = cv2.dilate(usual.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    rest = cv2.morphologyEx((masks[light] & ~near).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    largest = int(_parts(rest, 1).max())
    return bool(largest > max(_EXTRA * usual.sum(), _EXTRA_PICTURE * usual.size))


def is_gone(masks: Mapping[str, Bool], light: str) -> bool:
    """Whether nobody is there under one light; a take under a single light is compared with an empty picture."""
    others = [float(mask.mean()) for name, mask in masks.items() if name != light]
    usual = float(np.median(others)) if others else _EXTRA_PICTURE
    return bool(masks[light].mean() < max(_GONE * usual, _LEAST))
