"""A ColorChecker in a picture: found by OpenCV, then held to rules of our own before anybody believes it.

OpenCV fits its model of the whole card to whatever squares it sees, so that a card with a missing row comes back with
24 patches too, and a mirrored one in the right order. The gate asks whether these 24 colours can be that card at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.colour.fit import Fit, fit_colours
from calibration.colour.reference import GREYS, PATCHES, published
from calibration.pose import Floats
from capture.decode.picture import Picture
from capture.issues import Issue, issue
from capture.stage.tone import linear_from_srgb

_SIDE = 2000  # pixels; a card is looked for in a picture of at most this size and measured in the full one
_INNER = 0.5  # of a patch's width: away from its rim, its shadow and what the lens mixes in
# Six real photographs and 96 of the stage: mean at most 4.2 and worst patch 9.8. With one row painted over: mean 9.3
# and more, worst patch 34 and more (96 tries, light and dark paint).
MAX_MEAN, MAX_WORST = 6.5, 18.0  # CIEDE2000 of the fit
_FLAT = 15.0  # grey levels of deviation inside a patch; whole patches have under 5, half-covered ones over 40
_CLIPPED = 250  # of 255: the curve of a camera bends before its end
_MOST_CLIPPED = 6
_SQUARE = np.cos(np.radians(30.0))  # a measured tilt below it is not believed
_CORNERS = (0, 5, 23, 18)  # patches, clockwise on the print


@dataclass(frozen=True, eq=False)
class Card:
    """The patches as one picture shows them, row by row from dark skin to black."""

    outlines: Floats  # (24, 4, 2) pixels
    linear: Floats  # (24, 3) mean linear RGB
    spread: Floats  # (24,) deviation inside the patch, grey levels
    clipped: NDArray[np.bool_]  # (24,) brighter than the camera can say

    @property
    def centres(self) -> Floats:
        """Middle (24, 2) of each patch, pixels."""
        return np.asarray(self.outlines.mean(axis=1))


def read_chart(picture: Picture, *, where: str) -> tuple[Fit | None, Card | None, tuple[Issue, ...]]:
    """The card in a picture (H, W, 3) BGR sRGB and the colours fitted to it, or None and the issue that says why."""
    card = find_card(picture)
    if card is None:
        return None, None, (issue("CHART_NOT_FOUND", where=where, expected="24 patches", found="no card"),)
    refused = refusal(card, where=where)
    if refused is not None:
        return None, card, (refused,)
    fit = fit_colours(card.linear, usable=~card.clipped)
    worst, mean = float(fit.errors.max()), float(fit.errors.mean())
    if mean > MAX_MEAN or worst > MAX_WORST:
        names = [published().names[k] for k in np.argsort(-fit.errors)[:6]]
        limits = f"at most {MAX_MEAN:g} CIEDE2000 on average and {MAX_WORST:g} in one patch"
        found = f"{mean:.1f} and {worst:.1f} after the best matrix; farthest: {', '.join(names)}"
        return None, card, (issue("CHART_INCOMPLETE", where=where, expected=limits, found=found),)
    return fit, card, tuple(_remarks(card, where))


def find_card(picture: Picture) -> Card | None:
    """What OpenCV takes for the card, measured in the full picture; nothing is judged yet."""
    scale = min(1.0, _SIDE / max(picture.shape[:2]))
    small = picture if scale == 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detector = cv2.mcc.CCheckerDetector.create()
    detector.setColorChartType(cv2.mcc.MCC24)
    if not detector.process(small, 1):
        return None
    corners = np.array(detector.getBestColorChecker().getColorCharts(), dtype=np.float64)
    if corners.shape != (4 * PATCHES, 2):
        return None
    outlines = (corners.reshape(PATCHES, 4, 2) + 0.5) / scale - 0.5
    values = [_patch(picture, outline) for outline in outlines]
    if any(len(v) == 0 for v in values):
        return None
    return Card(
        outlines,
        np.array([linear_from_srgb(v / 255).mean(axis=0) for v in values]),
        np.array([v.std(axis=0).max() for v in values]),
        np.array([(v.mean(axis=0) >= _CLIPPED).any() for v in values]),
    )


def refusal(card: Card, *, where: str) -> Issue | None:
    """The first reason why a card cannot be read at all, None where there is none."""
    a, b, _, d = (card.centres[k] for k in _CORNERS)
    right, down = b - a, d - a
    if right[0] * down[1] - right[1] * down[0] < 0:
        return issue("CHART_MIRRORED", where=where, expected="dark skin to the left of bluish green", found="mirrored")
    uneven = np.flatnonzero(card.spread > _FLAT)
    if len(uneven):
        names = ", ".join(published().names[k] for k in uneven[:4])
        found = f"{len(uneven)} patches of more than one colour: {names}"
        return issue("CHART_INCOMPLETE", where=where, expected="24 patches of one colour each", found=found)
    if card.clipped.sum() > _MOST_CLIPPED:
        found = f"{card.clipped.sum()} of {PATCHES} patches brighter than the camera can say"
        return issue("CHART_CLIPPED", where=where, expected=f"at most {_MOST_CLIPPED}", found=found)
    greys = card.linear[list(GREYS)].mean(axis=1)
    whole = ~card.clipped[list(GREYS)]
    if (np.diff(greys[whole]) >= 0).any():
        found = " ".join(f"{255 * g:.0f}" for g in greys)
        return issue("CHART_INCOMPLETE", where=where, expected="six greys from white to black", found=f"linear {found}")
    return None


def facing(card: Card, camera: Camera) -> Floats | None:
    """Unit vector (3,) in the world out of the print, from how the patches lie in the picture; None where it fails.

    The size of the card does not matter. Held nearly square to the camera, as it should be, a card shows too little of
    its tilt (the stage's came out 7 to 26 degrees wrong): then it counts as square.
    """
    line = camera.rays(card.centres.mean(axis=0)[None])[0]
    rays = camera.rays(card.centres) @ camera.world_from_camera.rotation
    grid = np.stack([*np.divmod(np.arange(PATCHES), 6)[::-1], np.zeros(PATCHES)], axis=1).astype(np.float64)
    places = rays[:, :2] / rays[:, 2:]
    if not np.isfinite(places).all():
        return None
    done, turns, _, _ = cv2.solvePnPGeneric(grid, places, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
    if not done:
        return None
    normal = camera.world_from_camera.rotation @ -cv2.Rodrigues(turns[0])[0][:, 2]  # the first of two fits better
    return np.asarray(-line if -line @ normal > _SQUARE else normal)


def _remarks(card: Card, where: str) -> Iterator[Issue]:
    if card.clipped.any():
        names = ", ".join(published().names[k] for k in np.flatnonzero(card.clipped))
        yield issue("CHART_CLIPPED", where=where, expected="no patch at the end of the scale", found=names)


@cache
def _inside(side: int) -> Floats:
    """A grid (side * side, 2) over the inner part of a unit square."""
    axis = 0.5 + _INNER * ((np.arange(side) + 0.5) / side - 0.5)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def _patch(picture: Picture, outline: Floats) -> Floats:
    """Pixels (N, 3) RGB 0 to 255 of the inner part of a patch; none where it leaves the picture."""
    side = float(np.linalg.norm(np.roll(outline, 1, axis=0) - outline, axis=1).mean())
    at = _inside(int(np.clip(side * _INNER, 3, 40)))
    a, b, c, d = outline
    s, t = at[:, :1], at[:, 1:]
    places = np.rint((1 - s) * (1 - t) * a + s * (1 - t) * b + s * t * c + (1 - s) * t * d).astype(int)
    height, width = picture.shape[:2]
    if (places < 0).any() or (places >= (width, height)).any():
        return np.empty((0, 3))
    return picture[places[:, 1], places[:, 0], ::-1].astype(np.float64)
