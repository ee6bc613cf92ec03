"""The second witness of a move: what a camera shows of the studio behind her, against its own plate or first picture.

It needs no other camera, and sees a move also where nobody stands; plain paper says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from calibration.camera import Camera
from calibration.pose import Floats
from capture.checks.foreground import log_small
from capture.checks.moved import MOVED_PX
from capture.checks.views import View, free_background
from capture.images import Picture
from capture.shift import measure_shift

_LONG_PX = 2000  # long side at which pictures are compared
_LEAST_TILES = 5
_LEAST_SEEN = 0.5  # share of the moments after a move in which it must be measured
_CAP_PX = 3.0  # of one moment's word against a move


@dataclass(frozen=True)
class Step:
    """A lasting move of a camera's background."""

    since: int  # moment
    x: float  # pixels of the file: the content lies so far to the right
    y: float  # and down
    spread_px: float  # median distance of the moments from it

    @property
    def length_px(self) -> float:
        """How far the content moved."""
        return float(np.hypot(self.x, self.y))


class Backdrop:
    """The empty studio as a camera saw it once, with which later pictures are compared."""

    def __init__(self, reference: Picture) -> None:
        self._shape = reference.shape
        self._full = _reduced(reference)
        self._small = View(log_small(reference), reference)

    def shift(self, picture: Picture) -> Floats:
        """(2,) pixels of the file by which the background lies to the right and down; NaN where it does not tell."""
        if picture.shape != self._shape:
            return np.full(2, np.nan)
        small = View(log_small(picture), picture)
        full = _reduced(picture)
        free = free_background(small, self._small).astype(np.uint8)
        size = (full.shape[1], full.shape[0])
        found = measure_shift(self._full, full, cv2.resize(free, size, interpolation=cv2.INTER_NEAREST) > 0)
        if found is None or found.tiles < _LEAST_TILES:
            return np.full(2, np.nan)
        return np.array([found.x, found.y]) * picture.shape[1] / full.shape[1]


def find_step(shift: Floats, *, least_px: float = MOVED_PX) -> Step | None:
    """The move that stays, in shifts (M, 2) of one camera's moments; None where there is none or too little is seen."""
    seen = np.isfinite(shift[:, 0])
    best: tuple[float, int, Floats] | None = None
    for since in range(len(shift)):
        after = seen & (np.arange(len(shift)) >= since)
        if after.sum() < max(1.0, _LEAST_SEEN * (len(shift) - since)):
            continue
        middle = np.median(shift[after], axis=0)
        off = np.hypot(*(shift[seen] - np.where(after[seen, None], middle, 0)).T)
        cost = float(np.minimum(off, _CAP_PX).sum())
        if np.hypot(*middle) > least_px and (best is None or cost < best[0] - 1e-9):
            best = (cost, since, middle)
    if best is None or best[0] >= float(np.minimum(np.hypot(*shift[seen].T), _CAP_PX).sum()):
        return None
    _, since, middle = best
    after = seen & (np.arange(len(shift)) >= since)
    spread = float(np.median(np.hypot(*(shift[after] - middle).T)))
    return Step(since, float(middle[0]), float(middle[1]), spread)


def degrees_of(shift_px: Floats, camera: Camera) -> float:
    """The turn that moves the middle of a camera's picture by a shift (2,), through its lens."""
    middle = np.array([camera.cx, camera.cy])
    one, two = camera.rays(np.stack([middle, middle + shift_px]))
    return float(np.degrees(np.arccos(np.clip(one @ two, -1, 1))))


def _reduced(picture: Picture) -> Picture:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    scale = min(1.0, _LONG_PX / max(grey.shape))
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cast(Picture, grey)
