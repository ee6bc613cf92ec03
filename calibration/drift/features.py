"""Points of a picture that other cameras can find again, and how fast each of them moves.

Scale-invariant points (Lowe 2004) of the whole picture: birthmarks, eyes, seams and whatever a backdrop shows. A point
of a clip gets its speed by following it to the next frame and back to the one before (Lucas and Kanade 1981).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.pose import Floats
from capture.images import Picture

Grey: TypeAlias = NDArray[np.uint8]

_LONG_PX = 1280  # long side at which points are found; the lens is known no finer than a fraction of a pixel of it
_MOST = 500  # points of a picture
_CONTRAST = 0.02
_WINDOW = (15, 15)
_BACK_PX = 0.3  # a point that is followed there and back comes home within this


@dataclass(frozen=True, eq=False)
class Seen:
    """The points of one picture."""

    uv: Floats  # (N, 2) pixels of the file
    velocity: Floats  # (N, 2) pixels a frame; NaN where a point could not be followed, 0 in a still
    descriptor: NDArray[np.float32]  # (N, 128) of length 1


Moment: TypeAlias = Mapping[str, Seen]  # camera -> what it saw; one frame of a clip, or one take


def look(picture: Picture, *, neighbours: Sequence[Picture] = ()) -> Seen:
    """Points of a picture (H, W, 3). `neighbours` are the frame before and the one after, or none for a still."""
    grey, scale = _grey(picture)
    finder = cv2.SIFT_create(nfeatures=_MOST, contrastThreshold=_CONTRAST)
    points, rows = finder.detectAndCompute(grey, None)
    if rows is None or not len(points):
        return Seen(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 128), np.float32))
    uv = np.array([p.pt for p in points], dtype=np.float64)
    # One point of two orientations is listed twice.
    _, first = np.unique(np.round(uv, 2), axis=0, return_index=True)
    uv, rows = uv[np.sort(first)], rows[np.sort(first)]
    descriptor = np.sqrt(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9))  # Arandjelovic, Zisserman 2012
    velocity = np.zeros_like(uv)
    if neighbours:
        before, after = (_grey(p)[0] for p in neighbours)
        velocity = (_followed(grey, after, uv) - _followed(grey, before, uv)) / 2 / scale
    return Seen((uv + 0.5) / scale - 0.5, velocity, descriptor.astype(np.float32))


def scale_of(shape: Sequence[int]) -> float:
    """By how much a picture (height, width, ...) is made smaller before points are looked for."""
    return min(1.0, _LONG_PX / max(shape[:2]))


def _grey(picture: Picture) -> tuple[Grey, float]:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    scale = scale_of(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cast(Grey, grey), scale


def _followed(here: Grey, there: Grey, uv: Floats) -> Floats:
    """(N, 2) displacements of points from one picture to another; NaN where the way back does not lead home."""
    start = uv.astype(np.float32).reshape(-1, 1, 2)
    found, ok, _ = cv2.calcOpticalFlowPyrLK(here, there, start, None, winSize=_WINDOW, maxLevel=3)
    home, back, _ = cv2.calcOpticalFlowPyrLK(there, here, found, None, winSize=_WINDOW, maxLevel=3)
    lost = (ok.ravel() == 0) | (back.ravel() == 0) | (np.linalg.norm((home - start)[:, 0], axis=1) > _BACK_PX)
    moved = (found - start)[:, 0].astype(np.float64)
    moved[lost] = np.nan
    return moved
