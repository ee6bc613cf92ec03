"""Clothes by name: where they cover the body, what colour they are and how the cloth falls.

Under the outfits of a shoot (BARE_OUTFITS) shoulders, neck and upper back stay bare; the others cover more, and with
it some marks, which `worn_over` tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.stage.tone import Rgb, linear_from_lab, rgb

F = NDArray[np.floating]

TOP_LINE_M = 1.250  # upper edge of the top at reference height
_TOP_BOTTOM_M, _SHORTS_TOP_M, _SHORTS_BOTTOM_M = 1.035, 0.965, 0.735


@dataclass(frozen=True)
class Outfit:
    """Colours are linear RGB; stripes is the period in metres, 0 = plain; folds the relief in standard folds."""

    name: str
    top: Rgb
    shorts: Rgb
    straps: bool = False
    stripes: float = 0.0
    cut: str = "band"
    gloss: float = 0.35
    folds: float = 1.0
    weave_m: float = 0.0024


Lab = tuple[float, float, float]


def _outfit(name: str, top: Lab, shorts: Lab, cut: str = "band", *, straps: bool = False,
            stripes: float = 0.0, cloth: tuple[float, float, float] = (0.35, 1.0, 0.0024)) -> Outfit:  # fmt: skip
    top_rgb, shorts_rgb = linear_from_lab(np.array(top)), linear_from_lab(np.array(shorts))
    return Outfit(name, rgb(top_rgb), rgb(shorts_rgb), straps, stripes, cut, *cloth)


_SATIN, _KNIT = (1.6, 1.3, 0.0016), (0.10, 0.8, 0.0040)
# The first eight cover no more than a band, straps and shorts; people's marks keep clear of those.
OUTFITS = {
    outfit.name: outfit
    for outfit in (
        _outfit("black", (14, 0, 0), (16, 0, 0)),
        _outfit("white", (90, 0, 2), (86, 0, 2)),
        _outfit("red", (40, 58, 38), (30, 2, -4), straps=True),
        _outfit("blue", (34, 8, -42), (24, 4, -26)),
        _outfit("green", (46, -36, 22), (30, -18, 10), straps=True),
        _outfit("striped", (84, 0, 0), (28, 4, -24), stripes=0.03),
        _outfit("plum", (24, 26, -10), (18, 8, -6), "sweetheart", cloth=_SATIN),
        _outfit("camel", (62, 8, 26), (40, 4, 10), "sweetheart", straps=True, cloth=_KNIT),
        _outfit("tank", (72, 0, -2), (30, 0, -12), "tank", cloth=_KNIT),
        _outfit("tee", (92, 0, 3), (34, -2, -20), "tee"),
        _outfit("v-neck", (30, 4, -22), (62, 4, 14), "v-neck"),
        _outfit("sleeves", (12, 0, 0), (46, 0, -4), "sleeves", cloth=_KNIT),
    )
}
# Outfits under which every mark of every person stays bare.
BARE_OUTFITS: tuple[str, ...] = tuple(name for name, outfit in OUTFITS.items() if outfit.cut in ("band", "sweetheart"))


def get_outfit(name: str) -> Outfit:
    """The outfit of that name; ValueError names the known ones."""
    if name not in OUTFITS:
        raise ValueError(f"outfit is unknown: {name!r}; choose one of {', '.join(OUTFITS)}")
    return OUTFITS[name]


def top_line(y: F) -> F:
    """Height (m, reference) of the upper edge of the top at sideways position y."""
    return TOP_LINE_M + 0.010 * np.cos(np.clip(np.abs(y) / 0.07, 0, 2) * np.pi / 2 - np.pi / 2) - 0.006


def _neckline(cut: str, points: F) -> F:
    """Height (m, reference) of the upper edge of a cut on the torso."""
    side, band = np.abs(points[..., 1]), top_line(points[..., 1])
    if cut == "band":
        return band
    if cut == "sweetheart":
        return band - 0.030 * np.exp(-((side / 0.028) ** 2)) * (points[..., 0] > 0) - 0.004
    front = np.clip(points[..., 0] / 0.04 + 0.5, 0, 1)
    if cut == "v-neck":
        ahead = 1.262 + 1.50 * side
    elif cut == "tank":
        ahead = 1.300 + 0.105 * (side / 0.08) ** 2
    else:
        ahead = 1.352 + 0.055 * (side / 0.08) ** 2
    behind = (1.345 if cut == "tank" else 1.412) + 0.03 * (side / 0.08) ** 2
    return front * ahead + (1 - front) * behind


_SLEEVE_END_M = {"tee": 1.205, "v-neck": 1.215, "sleeves": 0.875}


def cloth_height(part: str, points: F, cut: str = "band") -> tuple[F, F]:
    """Signed metres inside the top and inside the shorts (positive = covered) of reference-scale points (..., 3)."""
    z, nowhere = points[..., 2], np.full_like(points[..., 2], -1.0)
    if part == "torso":
        top = np.minimum(_neckline(cut, points) - z, z - (_TOP_BOTTOM_M if cut in ("band", "sweetheart") else 0.985))
        if cut == "tank":
            # The arm holes are cut in above the bust.
            top = np.minimum(top, np.where(z > 1.25, 0.112 - 0.25 * (z - 1.25) - np.abs(points[..., 1]), 1.0))
        return top, _SHORTS_TOP_M - z
    if part.startswith("leg"):
        return nowhere, z - _SHORTS_BOTTOM_M
    if part.startswith("arm") and cut in _SLEEVE_END_M:
        return z - _SLEEVE_END_M[cut] - 0.3 * (np.abs(points[..., 1]) - 0.22), nowhere
    return nowhere, nowhere


def strap_depth(part: str, points: F) -> F:
    """Signed metres inside the shoulder straps (positive = covered)."""
    z, side = points[..., 2], np.abs(points[..., 1])
    if part != "torso":
        return np.full_like(z, -1.0)
    return np.minimum(0.009 - np.abs(side - 0.085), np.where((z > 1.2) & (z < 1.46), 1.0, -1.0))


def covered_by_any(part: str, points: F, margin_m: float) -> NDArray[np.bool_]:
    """Whether an outfit of BARE_OUTFITS covers these reference-scale points or comes closer than margin_m."""
    top, shorts = cloth_height(part, points)
    return np.maximum(np.maximum(top, shorts), strap_depth(part, points)) > -margin_m


def worn_over(outfit: Outfit, part: str, points: F) -> F:
    """Signed metres inside whatever an outfit covers (positive = covered) of reference-scale points (..., 3)."""
    top, shorts = cloth_height(part, points, outfit.cut)
    straps = strap_depth(part, points) if outfit.straps else np.full_like(top, -1.0)
    return np.maximum(np.maximum(top, shorts), straps)
