"""Colour of a render against its photograph: CIELAB and CIEDE2000 inside her mask.

scikit-image computes both: it is well kept, imports in a second and its CIEDE2000 gives the published test values;
colour-science agrees to 2e-5 and takes longer to load, so that it stays the cross-check. The same library brings the
SSIM of `quality`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]


def to_lab(image: U8) -> F64:
    """CIELAB (H, W, 3) under D65 of an sRGB picture (H, W, 3) in BGR order."""
    from skimage.color import rgb2lab

    return np.asarray(rgb2lab(image[..., ::-1]), dtype=np.float64)


def delta_e_2000(first: F64, second: F64) -> F64:
    """CIEDE2000 colour difference of two arrays of CIELAB (..., 3)."""
    from skimage.color import deltaE_ciede2000

    return np.asarray(deltaE_ciede2000(first, second), dtype=np.float64)


def mean_delta_e(reference: U8, render: U8, mask: Bool) -> float:
    """Mean CIEDE2000 over the mask. Raises ValueError for unequal sizes or an empty mask."""
    if reference.shape != render.shape or mask.shape != reference.shape[:2]:
        raise ValueError(f"pictures are {reference.shape} and {render.shape}, mask {mask.shape}; give equal sizes")
    if not mask.any():
        raise ValueError("mask is empty: no pixel to compare; give the mask of the person")
    return float(delta_e_2000(to_lab(reference)[mask], to_lab(render)[mask]).mean())
