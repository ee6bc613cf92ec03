"""From the measured patches of a card to exposure, white balance and a colour matrix, all in linear light.

The matrix is Cheung's plain one of three terms (Cheung, Westland, Connah, Ripamonti, "A comparative study of the
characterisation of colour cameras by means of neural networks and polynomial transforms", 2004) or Finlayson's
root-polynomial of degree two (Finlayson, Mackiewicz, Hurlbert, "Color correction using root-polynomial regression",
2015). The plain one is the rule: on the six real photographs the root-polynomial does better on some and worse on
others when a patch is left out, and its six terms are fitted to two skin patches only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calibration.colour.reference import GREYS, LUMINANCE, PATCHES, delta_e, lab_of, published, science
from calibration.pose import Floats

LINEAR, ROOT = 3, 6  # terms of a matrix


@dataclass(frozen=True, eq=False)
class Fit:
    """What one picture of the card says of its camera and light."""

    exposure: float  # factor that brings the greys to the published luminance
    white: Floats  # (3,) linear RGB of the light as the camera sees it, luminance 1
    matrix: Floats  # (3, T) from terms of exposed linear RGB to reflectance in linear sRGB
    measured: Floats  # (24, 3) exposed linear RGB
    usable: NDArray[np.bool_]  # (24,)

    @property
    def errors(self) -> Floats:
        """CIEDE2000 (N,) of the usable patches after the matrix. What the fit says of itself: never report it alone."""
        found = lab_of(expand(self.measured[self.usable], self.matrix.shape[1]) @ self.matrix.T)
        return delta_e(found, published().lab[self.usable])

    @cached_property
    def left_out(self) -> Floats:
        """CIEDE2000 (N,) of each usable patch after a matrix that was fitted without it."""
        terms = self.matrix.shape[1]
        places = np.flatnonzero(self.usable)
        found = []
        for place in places:
            others = self.usable.copy()
            others[place] = False
            matrix = _matrix(self.measured[others], published().linear[others], terms)
            found.append(expand(self.measured[place], terms) @ matrix.T)
        return delta_e(lab_of(np.array(found)), published().lab[places])

    @property
    def raw(self) -> Floats:
        """CIEDE2000 (N,) of the usable patches with exposure alone."""
        return delta_e(lab_of(self.measured[self.usable]), published().lab[self.usable])


def fit_colours(linear: Floats, *, usable: NDArray[np.bool_] | None = None, terms: int = LINEAR) -> Fit:
    """Fit patches (24, 3) of linear RGB, row by row from dark skin to black; `usable` (24,) leaves clipped ones out.

    Raises ValueError for another shape, other numbers of terms, or fewer than three usable greys.
    """
    keep = np.ones(PATCHES, dtype=bool) if usable is None else np.asarray(usable, dtype=bool)
    if linear.shape != (PATCHES, 3) or keep.shape != (PATCHES,) or terms not in (LINEAR, ROOT):
        raise ValueError(f"patches have shape {linear.shape} and {terms} terms; give (24, 3), and 3 or 6 terms")
    greys = [k for k in GREYS if keep[k]]
    if len(greys) < 3:
        raise ValueError(f"{len(greys)} greys are usable, 3 are needed; expose the card darker")
    known = published().linear
    # One factor for each channel, by least squares: bright greys, which are measured best, count most.
    share = (linear[greys] * known[greys]).sum(axis=0) / (known[greys] ** 2).sum(axis=0)
    level = float(share @ LUMINANCE)
    measured = linear / level
    return Fit(1 / level, share / level, _matrix(measured[keep], known[keep], terms), measured, keep)


def expand(linear: Floats, terms: int) -> Floats:
    """Linear RGB (..., 3) as the terms (..., T) of a matrix; the roots of negative light are 0."""
    if terms == LINEAR:
        return linear
    r, g, b = np.moveaxis(np.maximum(linear, 0), -1, 0)
    return np.concatenate([linear, np.sqrt(np.stack([r * g, g * b, r * b], axis=-1))], axis=-1)


def _matrix(measured: Floats, known: Floats, terms: int) -> Floats:
    correct = science().characterisation.matrix_colour_correction
    if terms == LINEAR:
        return np.asarray(correct(measured, known, method="Cheung 2004", terms=3), dtype=np.float64)
    found = correct(measured, known, method="Finlayson 2015", degree=2, root_polynomial_expansion=True)
    return np.asarray(found, dtype=np.float64)
