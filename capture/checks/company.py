"""Whether somebody stands beside her, told from outlines: how much more of the picture is taken, and how many heads.

She moves, turns and changes her clothes between takes, which changes her outline by her arms and her sides; whoever
stands beside her adds a part as thick as a body, and a second head. Sizes are measured against her own trunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

Bool: TypeAlias = NDArray[np.bool_]

# Measured on outlines of 16 simulated rigs of 3 to 8 cameras before 7 backdrops, takes in pairs. In most cameras,
# somebody beside her adds 0.48 to 1.2 of her trunk's radius and another facing, outfit or arm at most 0.28. With these
# numbers none of 896 pairs without company was named and 5 of 256 in which she raises her arms over her head; of those
# with somebody 0.5 m beside her 98 %, with somebody 0.4 to 0.8 m away at any side, partly out of the picture, 80 %.
_USUAL = 0.34  # share of the other takes in which she covers a place
_GROWN = 1.1  # area of her outline over that of the other takes
_THICK = 0.38  # radius of the part that is new, over that of her trunk
_LEFT = 0.6  # likewise of the part that she left: then she stands elsewhere, and new parts prove nothing
_HEAD = 0.45  # radius of the thinnest head, over that of her trunk; raised arms have 0.3
_APART = 0.6  # how far a head rises above what is between it and the next, in radii of her trunk
_HIGH = 0.6  # how high a second head is at least, in heights of the first


@dataclass(frozen=True, eq=False)
class Usual:
    """Her outline in the other takes of one camera."""

    cover: Bool  # (h, w) where she is in more than a third of them
    trunk: float  # pixels, thickness of her body
    area: float  # pixels


def usual(masks: Mapping[str, Bool]) -> dict[str, Usual]:
    """For each take, what the other takes show; `masks` (h, w) of one camera by take, of one size. Needs two."""
    if len(masks) < 2:
        return {}
    total = np.sum(list(masks.values()), axis=0)
    trunks = {take: thickness(mask) for take, mask in masks.items()}
    areas = {take: float(mask.sum()) for take, mask in masks.items()}
    found = {}
    for take, mask in masks.items():
        cover = (total - mask) / (len(masks) - 1) > _USUAL
        trunk, area = (float(np.median([v for t, v in sizes.items() if t != take])) for sizes in (trunks, areas))
        found[take] = Usual(cover, trunk, area)
    return found


def thickness(mask: Bool) -> float:
    """Radius in pixels of the largest disc inside an outline (h, w); the picture's border does not bound it."""
    if not mask.any():
        return 0.0
    wider = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return float(cv2.distanceTransform(wider, cv2.DIST_L2, 5).max())


def has_grown(mask: Bool, others: Usual) -> bool:
    """Whether an outline (h, w) is that of the other takes and, beside it, a part as thick as a body."""
    new, left = mask & ~_near(others.cover), others.cover & ~_near(mask)
    more = float(mask.sum()) > _GROWN * others.area
    return more and thickness(new) > _THICK * others.trunk and thickness(left) <= _LEFT * others.trunk


def _near(mask: Bool) -> Bool:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def count_heads(mask: Bool, trunk: float) -> int:
    """How many heads stand out of an outline (h, w), hers included; `trunk` is the thickness of her body in pixels.

    Whatever is thinner than a head, such as arms, is taken off first; what rises only from the lower part of the
    outline is no head.
    """
    reach = max(1, round(_HEAD * trunk))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    # Whoever is cut by the border goes on behind it.
    wider = cv2.copyMakeBorder(mask.astype(np.uint8), reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    solid = cv2.morphologyEx(wider, cv2.MORPH_OPEN, disc)[reach:-reach, reach:-reach] > 0
    if not solid.any():
        return 0
    foot = int(np.flatnonzero(solid.any(axis=1))[-1])
    height = np.where(solid.any(axis=0), foot + 1 - solid.argmax(axis=0), 0)
    return len(find_peaks(np.pad(height, 1), prominence=_APART * trunk, height=_HIGH * height.max())[0])
