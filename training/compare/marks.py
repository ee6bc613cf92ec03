"""One verdict per birthmark: kept, faded, moved, lost, or not observable, with the numbers that decided it.

The score is the scale-normalised Laplacian of Gaussian of L*, at the mark's own size, in the render over the same in
the photograph. It separates a kept from a painted-out mark where whole-image metrics are blind. The search radius is
0.75 diameters but at least 0.3 % of the picture's long side (6 px of 2,000, 2 px of small pictures): what is left of
registration error scales with the picture, and 6 px would be a whole mark at 96 px.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.compare.colour import U8, Bool, to_lab
from training.compare.thresholds import Thresholds
from training.dataset.frames import MarkSeen

F64 = NDArray[np.float64]

TOO_SMALL = "too small"  # how the reason begins that a higher resolution would cure
DISC_RESPONSE = 2 / math.e  # of a disc at the matched scale, per L* of contrast: sigma = diameter / sqrt(8)
_NOISE_FLOOR = 0.15  # L*, the response of 8-bit steps on perfectly even skin: keeps z finite
_FADED_Z = 2.0  # below it what is left of a mark is not told from the skin around
_MIN_SAMPLES = 24  # pixels of skin around a mark for a median that means something
_SURROUND = 4.0  # diameters
_COUNTERPART = 0.5  # of a response: what the photograph shows this strongly at a place is its own


class Verdict(StrEnum):
    """What became of a registered mark in one render."""

    KEPT = "kept"
    FADED = "faded"
    MOVED = "moved"
    LOST = "lost"
    NOT_OBSERVABLE = "not observable"


@dataclass(frozen=True)
class MarkVerdict:
    """The verdict on one mark in one pair. Places are pixels of the render; ratio and z are 0 when not observable."""

    mark: str
    verdict: Verdict
    reason: str
    u: float  # where it is expected
    v: float
    diameter_px: float
    found: tuple[int, int] | None = None  # where its strongest response is, for kept, faded and moved
    ratio: float = 0.0
    z: float = 0.0
    response: float = 0.0  # in the photograph, L*
    sign: int = 1  # 1 darker than the skin around, -1 lighter


@dataclass(frozen=True, eq=False)
class Surface:
    """Lightness of a picture of her, prepared for scoring."""

    lightness: F64  # (H, W) L*, continued outward from the trusted part so that no silhouette answers
    trusted: Bool  # (H, W) her bare skin, marks included, less its edge


@dataclass(frozen=True, eq=False)
class _Window:
    response: F64  # (S, S), NaN outside the picture
    free: Bool  # (S, S) skin that is clear of other marks
    distance: F64  # (S, S) px from the place of the mark
    slack: float  # px


@dataclass(frozen=True)
class _Scale:
    sign: int
    response: float  # in the photograph
    diameter: float  # px
    least_z: float


def slack_px(shape: tuple[int, ...]) -> float:
    """Registration slack of a picture of that shape, px: 0.3 % of its long side, at least 2."""
    return max(2.0, 0.003 * max(shape[:2]))


def surface(image: U8, mask: Bool, skin: Bool, marks: Sequence[MarkSeen], *, loose_px: float = 0.0) -> Surface:
    """Prepare a picture (H, W, 3) BGR with her mask and her skin (H, W).

    `marks` are her marks in this picture, which a skin mask may leave out. `loose_px` is how far the masks may be off
    because they are those of a neighbouring view. Raises ValueError for unequal sizes.
    """
    if not image.shape[:2] == mask.shape == skin.shape:
        raise ValueError(f"picture is {image.shape}, mask {mask.shape}, skin {skin.shape}; give masks of this picture")
    rows, cols = np.mgrid[: mask.shape[0], : mask.shape[1]]
    bare = skin.copy()
    for mark in marks:
        if mark.visible:
            bare |= np.hypot(cols - mark.u, rows - mark.v) <= mark.radius_px + 1
    steps = math.ceil(slack_px(mask.shape) + loose_px)
    trusted = ndimage.binary_erosion(bare & mask, iterations=steps, border_value=0)
    lightness = to_lab(image)[..., 0]
    if trusted.any():
        nearest = ndimage.distance_transform_edt(~trusted, return_distances=False, return_indices=True)
        lightness = lightness[tuple(nearest)]
    return Surface(lightness, trusted)


def sigma_of(diameter_px: float) -> float:
    """Scale of the filter that answers most to a disc of that diameter."""
    return max(diameter_px / math.sqrt(8), 1.0)


def search_px(diameter_px: float, shape: tuple[int, ...]) -> float:
    """How far from its place a mark may be found and still counts as being there."""
    return max(slack_px(shape), 0.75 * diameter_px)


def score_marks(
    reference: Surface,
    reference_marks: Sequence[MarkSeen],
    render: Surface,
    render_marks: Sequence[MarkSeen],
    limits: Thresholds,
) -> tuple[MarkVerdict, ...]:
    """The verdict on every mark of the request, in order.

    `reference_marks` are the places in the photograph, `render_marks` those in the render; a mark that only one of
    them knows is not observable. The render's mask may be the photograph's own when both show the same pixels.
    """
    known = {m.id: m for m in reference_marks}
    out = []
    for mark in render_marks:
        counterpart = known.get(mark.id)
        reason = "the photograph does not know it" if counterpart is None else _hidden(counterpart, mark, limits)
        if counterpart is None or reason:
            out.append(_unseen(mark, reason))
            continue
        diameter = 2 * counterpart.radius_px
        there = _window(reference, counterpart, diameter, reference_marks)
        here = _window(render, mark, diameter, render_marks)
        if there is None or here is None:
            out.append(_unseen(mark, "at the edge of her skin or of the picture"))
        else:
            out.append(_judge(there, here, mark, diameter, limits))
    return tuple(out)


def _hidden(reference: MarkSeen, mark: MarkSeen, limits: Thresholds) -> str:
    """Why geometry alone says that the mark cannot be judged, '' when it can."""
    if not (reference.visible and mark.visible):
        return "hidden from this view"
    if 2 * min(reference.radius_px, mark.radius_px) < limits.min_px:
        return f"{TOO_SMALL}: {2 * mark.radius_px:.1f} px across, needs {limits.min_px:g}"
    facing = max(reference.facing_deg, mark.facing_deg)
    if facing > limits.max_facing_deg:
        return f"turned away {facing:.0f} deg, limit {limits.max_facing_deg:g}"
    return ""


def _unseen(mark: MarkSeen, reason: str) -> MarkVerdict:
    return MarkVerdict(mark.id, Verdict.NOT_OBSERVABLE, reason, mark.u, mark.v, 2 * mark.radius_px)


def _window(skin: Surface, mark: MarkSeen, diameter: float, others: Sequence[MarkSeen]) -> _Window | None:
    """Dark response around a mark, a square of 4 diameters each way; None when skin or picture ends there."""
    height, width = skin.trusted.shape
    column, row = round(mark.u), round(mark.v)
    margin = min(column, row, width - 1 - column, height - 1 - row)
    if margin < 0.5 * diameter or not skin.trusted[row, column]:
        return None
    half, sigma = math.ceil(_SURROUND * diameter) + 2, sigma_of(diameter)
    pad = half + math.ceil(4 * sigma)
    top, left = max(0, row - pad), max(0, column - pad)
    patch = skin.lightness[top : row + pad + 1, left : column + pad + 1]
    dark = sigma**2 * ndimage.gaussian_laplace(patch, sigma, mode="nearest")
    rows, cols = np.mgrid[row - half : row + half + 1, column - half : column + half + 1]
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    response = np.full(rows.shape, np.nan)
    response[inside] = dark[rows[inside] - top, cols[inside] - left]
    free = np.zeros(rows.shape, dtype=bool)
    free[inside] = skin.trusted[rows[inside], cols[inside]]
    for other in others:
        if other.id != mark.id and other.visible:
            free &= np.hypot(cols - other.u, rows - other.v) > other.radius_px + sigma
    return _Window(response, free, np.hypot(cols - mark.u, rows - mark.v), slack_px((height, width)))


def _judge(there: _Window, here: _Window, mark: MarkSeen, diameter: float, limits: Thresholds) -> MarkVerdict:
    place = there.distance <= _place_px(diameter)
    dark, light = _strongest(there.response, place), _strongest(-there.response, place)
    sign = 1 if dark >= light else -1
    response = max(dark, light)
    reference_z = _z(response, sign * there.response, there, diameter)
    if reference_z is None:
        return _unseen(mark, "too little skin around it")
    if response < DISC_RESPONSE * limits.min_contrast:
        shown = response / DISC_RESPONSE
        return _unseen(mark, f"the photograph does not show it: {shown:.1f} L*, needs {limits.min_contrast:g}")
    if reference_z < limits.min_z:
        return _unseen(mark, f"the photograph does not set it off: z {reference_z:.1f}, needs {limits.min_z:g}")
    # A mark that the photograph itself barely sets off may lose as much of its z as of its response.
    enough = min(limits.min_z, limits.kept_ratio * reference_z)
    verdict, peak, z, found = _outcome(there, here, _Scale(sign, response, diameter, enough), limits)
    where = None if verdict is Verdict.LOST else (round(mark.u) + found[0], round(mark.v) + found[1])
    return MarkVerdict(mark.id, verdict, "", mark.u, mark.v, diameter, where, peak / response, z, response, sign)


def _outcome(
    there: _Window, here: _Window, scale: _Scale, limits: Thresholds
) -> tuple[Verdict, float, float, tuple[int, int]]:
    """Verdict, peak, z, and the place as a step (right, down) from the expected one."""
    signed, diameter, response = scale.sign * here.response, scale.diameter, scale.response
    radius = max(here.slack, 0.75 * diameter)
    # What the photograph shows beside the mark as well (a nostril, an eyebrow) is not the mark, wherever it is found.
    known = ndimage.maximum_filter(np.nan_to_num(scale.sign * there.response, nan=0.0), size=5)
    fresh = known < _COUNTERPART * np.nan_to_num(signed, nan=0.0)
    at_place = (here.distance <= radius) & (fresh | (here.distance <= _place_px(diameter)))
    peak = _strongest(signed, at_place)
    z = _z(peak, signed, here, diameter) or 0.0
    at = _place(signed, at_place)
    if peak >= limits.kept_ratio * response and z >= scale.least_z:
        return Verdict.KEPT, peak, z, at
    if peak >= limits.faded_ratio * response and z >= scale.least_z:
        return Verdict.FADED, peak, z, at
    reach = (here.distance > radius) & (here.distance <= limits.moved_diameters * diameter) & here.free & fresh
    moved = _strongest(signed, reach)
    moved_z = _z(moved, signed, here, diameter) or 0.0
    if moved >= limits.kept_ratio * response and moved_z >= scale.least_z:
        return Verdict.MOVED, moved, moved_z, _place(signed, reach)
    if peak >= limits.faded_ratio * response and z >= _FADED_Z:
        return Verdict.FADED, peak, z, at
    return Verdict.LOST, peak, z, at


def _place_px(diameter: float) -> float:
    """Radius of the mark's own place: the corners of a 5 x 5 window, more for large marks."""
    return max(2.0, 0.25 * diameter) * math.sqrt(2)


def _strongest(response: F64, where: Bool) -> float:
    values = response[where & np.isfinite(response)]
    return float(values.max()) if values.size else 0.0


def _place(response: F64, where: Bool) -> tuple[int, int]:
    half = response.shape[0] // 2
    masked = np.where(where & np.isfinite(response), response, -np.inf)
    row, column = np.unravel_index(int(np.argmax(masked)), masked.shape)
    return int(column) - half, int(row) - half


def _z(peak: float, signed: F64, window: _Window, diameter: float) -> float | None:
    """Robust deviations of a peak over the skin around, its own place left out; None with too little skin."""
    values = signed[window.free & (window.distance > diameter) & np.isfinite(signed)]
    if values.size < _MIN_SAMPLES:
        return None
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return (peak - middle) / max(spread, _NOISE_FLOOR)
