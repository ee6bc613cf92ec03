"""Marks that a render shows and her photograph does not: blobs on skin with no counterpart at their place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from training.compare.colour import Bool
from training.compare.marks import F64, MarkVerdict, Surface, Verdict, search_px, sigma_of
from training.compare.thresholds import Thresholds

_ROUND = 0.35  # smaller over larger principal curvature; a wrinkle or a strap is near 0, a disc is 1
_COUNTERPART = 0.5  # of the blob's response: what the photograph shows this strongly there is not invented


def invented(
    reference: Surface, render: Surface, verdicts: Sequence[MarkVerdict], limits: Thresholds
) -> tuple[tuple[float, float, float], ...] | None:
    """Invented marks of one aligned pair as (u, v, diameter in px), strongest first.

    A blob counts when it is on her skin, round, stronger than the weakest observable mark of the registry in the
    photograph, well set off from the skin around, and without half its response in the photograph. None when no
    registered mark is observable, because then no strength is given from which on a blob is a mark.
    """
    seen = [v for v in verdicts if v.verdict is not Verdict.NOT_OBSERVABLE]
    if not seen:
        return None
    weakest = min(v.response for v in seen)
    allowed = reference.trusted & render.trusted & ~_registered(verdicts, render.trusted.shape)
    found: list[tuple[float, float, float, float]] = []
    diameters = sorted(v.diameter_px for v in seen)
    for diameter in sorted({diameters[0], diameters[len(diameters) // 2], diameters[-1]}):
        for sign in {v.sign for v in seen}:
            found += _blobs(reference, render, allowed, (diameter, sign, weakest), limits)
    kept: list[tuple[float, float, float]] = []
    for _, u, v, diameter in sorted(found, reverse=True):
        if all(math.hypot(u - a, v - b) > max(diameter, other) for a, b, other in kept):
            kept.append((u, v, diameter))
    return tuple(kept)


def _registered(verdicts: Sequence[MarkVerdict], shape: tuple[int, ...]) -> Bool:
    """Where the registry has a mark, observable or not, and where a moved one was found."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    taken = np.zeros(shape, dtype=bool)
    for verdict in verdicts:
        places: list[tuple[float, float]] = [(verdict.u, verdict.v)]
        if verdict.verdict is Verdict.MOVED and verdict.found is not None:
            places.append(verdict.found)
        radius = search_px(verdict.diameter_px, shape) + verdict.diameter_px / 2
        for u, v in places:
            taken |= np.hypot(cols - u, rows - v) <= radius
    return taken


def _blobs(
    reference: Surface,
    render: Surface,
    allowed: Bool,
    kind: tuple[float, int, float],
    limits: Thresholds,
) -> list[tuple[float, float, float, float]]:
    """Blobs of one (diameter, sign, least response) as (response, u, v, diameter)."""
    diameter, sign, least = kind
    # A filter of sigma 3 or more loses nothing on a picture shrunk by sigma / 3, and 4k pictures stay quick.
    shrink = max(1, int(sigma_of(diameter) // 3))
    first, second, place = (_shrunk(a, shrink) for a in (reference.lightness, render.lightness, allowed))
    sigma, skin = sigma_of(diameter) / shrink, _shrunk(reference.trusted & render.trusted, shrink) > 0.5
    answer = sign * sigma**2 * ndimage.gaussian_laplace(second, sigma, mode="nearest")
    before = sign * sigma**2 * ndimage.gaussian_laplace(first, sigma, mode="nearest")
    reach = 2 * math.ceil(search_px(diameter, allowed.shape) / shrink) + 1
    counterpart = ndimage.maximum_filter(before, size=reach)
    around = answer[skin]
    middle = float(np.median(around)) if around.size else 0.0
    spread = 1.4826 * float(np.median(np.abs(around - middle))) if around.size else 0.0
    peak = answer == ndimage.maximum_filter(answer, size=2 * math.ceil(sigma) + 1)
    strong = (answer >= least) & (answer - middle >= limits.min_z * spread)
    chosen = (place > 0.5) & peak & strong & (counterpart < _COUNTERPART * answer) & _round(second, sigma, sign)
    middle_px = (shrink - 1) / 2  # of the block that one shrunk pixel stands for
    return [
        (float(answer[r, c]), shrink * float(c) + middle_px, shrink * float(r) + middle_px, diameter)
        for r, c in np.argwhere(chosen)
    ]


def _shrunk(values: F64 | Bool, factor: int) -> F64:
    """Means over blocks of factor x factor; what does not fill a block at the far edges is left out."""
    rows, cols = values.shape[0] // factor, values.shape[1] // factor
    whole = np.asarray(values, dtype=np.float64)[: rows * factor, : cols * factor]
    return np.asarray(whole.reshape(rows, factor, cols, factor).mean(axis=(1, 3)))


def _round(lightness: F64, sigma: float, sign: int) -> Bool:
    """Where both principal curvatures have the sign of a blob and are of like size."""
    yy, xx, xy = (
        sign * ndimage.gaussian_filter(lightness, sigma, order=order, mode="nearest")
        for order in ((2, 0), (0, 2), (1, 1))
    )
    middle, swing = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return np.asarray((middle - swing > 0) & (middle - swing >= _ROUND * (middle + swing)))
