"""Whatever a picture shows that the empty studio does not, coarsely and fast: for checks that look at every still."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from capture.images import Picture
    from capture.session import Shot
    from capture.validate import Context

F32: TypeAlias = NDArray[np.float32]
Bool: TypeAlias = NDArray[np.bool_]

SMALL_PX = 96  # long side at which pictures are compared
_FLOOR = 0.004  # linear light of noise
_HUE = 0.2  # log chromaticity that no change of light brings about within one picture
_LIGHTER = 0.45  # log brightness; a backdrop is never lit more than its surroundings by so much
_DARKER = float(np.log(0.13))  # a shadow keeps more light than this
_ROUNDS = 6
LEAST = 0.004  # share of the picture; less is dirt


def _linear_of_levels() -> F32:
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _linear_of_levels()  # (256,) linear light of each level


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
    return np.asarray(part_sizes(opened, round(LEAST * opened.size)) > 0)


@lru_cache(maxsize=16)
def _smooth_light(rows: int, cols: int) -> F32:
    """(rows, cols, 6): 1, x, y, x x, x y, y y of places from -1 to 1; read-only."""
    y, x = np.mgrid[-1 : 1 : complex(rows), -1 : 1 : complex(cols)].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    basis.setflags(write=False)
    return cast(F32, basis)


def part_sizes(mask: NDArray[np.uint8], least: int) -> NDArray[np.int32]:
    """Area of the part that each pixel belongs to, 0 outside and in parts smaller than `least`."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    areas[areas < least] = 0
    return cast(NDArray[np.int32], areas[labels])
