"""Clothes by name: where they cover the body and what colour they are. Shoulders, neck and upper back stay bare."""

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
    """Colours are linear RGB; stripes is the period in metres, 0 = plain."""

    name: str
    top: Rgb
    shorts: Rgb
    straps: bool
    stripes: float


def _outfit(name: str, top: tuple[float, float, float], shorts: tuple[float, float, float],
            *, straps: bool = False, stripes: float = 0.0) -> Outfit:  # fmt: skip
    top_rgb, shorts_rgb = linear_from_lab(np.array(top)), linear_from_lab(np.array(shorts))
    return Outfit(name, rgb(top_rgb), rgb(shorts_rgb), straps, stripes)


OUTFITS = {
    outfit.name: outfit
    for outfit in (
        _outfit("black", (14, 0, 0), (16, 0, 0)),
        _outfit("white", (90, 0, 2), (86, 0, 2)),
        _outfit("red", (40, 58, 38), (30, 2, -4), straps=True),
        _outfit("blue", (34, 8, -42), (24, 4, -26)),
        _outfit("green", (46, -36, 22), (30, -18, 10), straps=True),
        _outfit("striped", (84, 0, 0), (28, 4, -24), stripes=0.03),
    )
}


def get_outfit(name: str) -> Outfit:
    """The outfit of that name; ValueError names the known ones."""
    if name not in OUTFITS:
        raise ValueError(f"outfit is unknown: {name!r}; choose one of {', '.join(OUTFITS)}")
    return OUTFITS[name]


def top_line(y: F) -> F:
    """Height (m, reference) of the upper edge of the top at sideways position y."""
    return TOP_LINE_M + 0.010 * np.cos(np.clip(np.abs(y) / 0.07, 0, 2) * np.pi / 2 - np.pi / 2) - 0.006


def cloth_height(part: str, points: F) -> tuple[F, F]:
    """Signed metres inside the top and inside the shorts (positive = covered) of reference-scale points (..., 3)."""
    z = points[..., 2]
    if part == "torso":
        top = np.minimum(top_line(points[..., 1]) - z, z - _TOP_BOTTOM_M)
        return top, _SHORTS_TOP_M - z
    if part.startswith("leg"):
        return np.full_like(z, -1.0), z - _SHORTS_BOTTOM_M
    return np.full_like(z, -1.0), np.full_like(z, -1.0)


def strap_depth(part: str, points: F) -> F:
    """Signed metres inside the shoulder straps (positive = covered)."""
    z, side = points[..., 2], np.abs(points[..., 1])
    if part != "torso":
        return np.full_like(z, -1.0)
    return np.minimum(0.009 - np.abs(side - 0.085), np.where((z > 1.2) & (z < 1.46), 1.0, -1.0))


def covered_by_any(part: str, points: F, margin_m: float) -> NDArray[np.bool_]:
    """Whether some outfit covers these reference-scale points or comes closer than margin_m."""
    top, shorts = cloth_height(part, points)
    return np.maximum(np.maximum(top, shorts), strap_depth(part, points)) > -margin_m
