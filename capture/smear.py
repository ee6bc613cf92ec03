"""How sharp the edges of what moves are in a clip, by how fast they move across themselves: what a long shutter blurs.

A shutter that stays open smears an edge by as far as it moves across itself meanwhile, and not at all where it moves
along itself. So edges of the same moving things are compared: those that cross their own direction fast, with those
that hardly do. Defocus, a soft lens and compression take both alike.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from capture.decode.picture import Grey8

F32: TypeAlias = NDArray[np.float32]
Row: TypeAlias = tuple[int, int, float, float]  # edges, frames with any, fine energy, coarse energy

SPEEDS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # pixels of the half-size picture a frame; the last class has no end
_BLOCK = 4  # pixels of the half-size picture along the side of the blocks in which edges are judged
_LEAST_PX = 24  # of either picture; the flow needs some room
_MOVED = 1.0  # grey levels between two small pictures, from which a place counts as moving
_EXPLAINED = 0.5  # share of that change which the motion may leave unexplained
_ALONG = 0.25  # pixels of the half-size picture a frame; slower places have no direction
_COHERENT = 0.5  # share of the gradients that must lie in one direction
_EDGE = 5.0  # grey levels squared; weaker edges are noise


class SmearMeter:
    """Takes frames of a clip, each with the one before; `rows` has the sums of each class of speed.

    The flow between two small pictures is that of Kroeger et al., "Fast optical flow using dense inverse search", ECCV
    2016. The direction of an edge is that of the structure tensor (Bigun and Granlund, ICCV 1987) at an eighth of the
    picture's size. Across it the second derivative is taken at half size (fine) and at an eighth (coarse); their
    squares are summed up in classes of the speed across the edge.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._flow.setFinestScale(1)  # a quarter of the small picture is too coarse for an arm
        self._sums = np.zeros((len(SPEEDS), 4))

    def add(self, levels: Grey8, small: Grey8, before: Grey8) -> None:
        """The half-size picture (H, W), and the small one (h, w) of the same frame and of the one before."""
        height, width = (side // _BLOCK for side in levels.shape)
        if min(*small.shape, height * _BLOCK, width * _BLOCK) < _LEAST_PX or small.shape != before.shape:
            return
        size = (width, height)
        flow, tracked = self._motion(small, before)
        if not tracked.any():
            return
        flow = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * np.float32(width * _BLOCK / small.shape[1])
        moving = cv2.resize(tracked.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        coarse = cv2.resize(levels[: height * _BLOCK, : width * _BLOCK], size, interpolation=cv2.INTER_AREA)
        edge, normal = _edges(cast(Grey8, coarse), moving & (np.hypot(flow[..., 0], flow[..., 1]) > _ALONG))
        rough = _energy(cast(Grey8, coarse), edge, normal, step=1, side=3)
        strong = rough > _EDGE
        edge, normal = edge[strong], normal[strong]
        fine = _energy(levels, edge, normal, step=_BLOCK, side=_BLOCK)
        self._count(np.abs((flow[edge[:, 0], edge[:, 1]] * normal).sum(axis=1)), fine, rough[strong])

    def _motion(self, small: Grey8, before: Grey8) -> tuple[F32, NDArray[np.bool_]]:
        """Pixels (h, w, 2) from each place of the small picture back to where it was, and where that is borne out.

        Still things beside a moving one are given its motion, too; but it does not explain what they look like.
        """
        now, last = (cv2.GaussianBlur(own.astype(np.float32), (0, 0), 1.0) for own in (small, before))
        change = cv2.blur(cv2.absdiff(now, last), (3, 3))
        if not (change > _MOVED).any():
            return np.zeros((*small.shape, 2), np.float32), change > _MOVED
        flow = cast(F32, self._flow.calc(small, before, None))
        row, column = np.indices(small.shape, dtype=np.float32)
        came = cv2.remap(last, column + flow[..., 0], row + flow[..., 1], cv2.INTER_LINEAR)
        left = cv2.blur(cv2.absdiff(now, came), (3, 3))
        return flow, (change > _MOVED) & (left < _EXPLAINED * change)

    def _count(self, speed: F32, fine: F32, coarse: F32) -> None:
        kind = np.searchsorted(SPEEDS, speed, side="right") - 1
        number = np.bincount(kind, minlength=len(SPEEDS))
        sums = [np.bincount(kind, weights, minlength=len(SPEEDS)) for weights in (fine, coarse)]
        self._sums += np.stack([number, number > 0, *sums], axis=1)

    def rows(self) -> tuple[Row, ...]:
        """One for each of `SPEEDS`; empty when nothing moved."""
        if not self._sums.any():
            return ()
        return tuple((int(n), int(k), round(float(a), 1), round(float(b), 1)) for n, k, a, b in self._sums)


def _edges(grey: Grey8, where: NDArray[np.bool_]) -> tuple[NDArray[np.intp], F32]:
    """Places (N, 2) among those asked for that have one direction, row and column, and the unit vectors across."""
    across, down = (d.astype(np.float32) for d in cv2.spatialGradient(grey))
    xx, yy, xy = (cv2.blur(a * b, (3, 3)) for a, b in ((across, across), (down, down), (across, down)))
    one = where & (np.hypot(xx - yy, 2 * xy) > _COHERENT * (xx + yy))
    one[:2] = one[-2:] = False  # the derivatives need what lies around
    one[:, :2] = one[:, -2:] = False
    turn = 0.5 * np.arctan2(2 * xy[one], xx[one] - yy[one])
    return np.argwhere(one), np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def _energy(grey: Grey8, places: NDArray[np.intp], normal: F32, *, step: int, side: int) -> F32:
    """Mean squared second derivative (N,) across the edges, in a square of `side` pixels at each of the places.

    The place (row, column) lies at pixel (row, column) * step; the square begins there, or is centred on it at step 1.
    """
    before = 1 + (side - 1) // 2 * (step == 1)
    rows, columns = (places * step - before).T
    square = sliding_window_view(grey, (side + 2, side + 2))[rows, columns].astype(np.float32)
    middle = square[:, 1:-1, 1:-1]
    xx = square[:, 1:-1, 2:] + square[:, 1:-1, :-2] - 2 * middle
    yy = square[:, 2:, 1:-1] + square[:, :-2, 1:-1] - 2 * middle
    xy = (square[:, 2:, 2:] + square[:, :-2, :-2] - square[:, 2:, :-2] - square[:, :-2, 2:]) / 4
    x, y = normal.T[..., None, None]
    second = x * x * xx + y * y * yy + 2 * x * y * xy
    return cast(F32, (second * second).mean(axis=(1, 2)))
