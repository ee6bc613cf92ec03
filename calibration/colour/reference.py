"""The published colours of the 24 patches and the arithmetic of colour, by colour-science.

The library takes a second to load and warns when no plotting library is there, so that it is loaded on first use.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np

from calibration.pose import Floats

CHART = (
    "ColorChecker24 - After November 2014"  # older cards differ from it by 1.6 CIEDE2000 on average, light skin by 3.4
)
PATCHES = 24
GREYS = tuple(range(18, 24))  # white to black
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # (3,) of linear sRGB


@dataclass(frozen=True, eq=False)
class Reference:
    """What a perfect camera sees of the card in daylight (D65)."""

    names: tuple[str, ...]
    linear: Floats  # (24, 3) linear sRGB, reflectance
    lab: Floats  # (24, 3) CIELAB, D65


@cache
def science() -> ModuleType:
    """The library, loaded once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour
    return colour


@cache
def published() -> Reference:
    """The patches row by row from dark skin to black, adapted from D50 to D65 (Bradford)."""
    colour = science()
    checker = colour.CCS_COLOURCHECKERS[CHART]
    xyz = colour.xyY_to_XYZ(np.array(list(checker.data.values())))
    space = colour.RGB_COLOURSPACES["sRGB"]
    linear = colour.XYZ_to_RGB(xyz, space, checker.illuminant, "Bradford", apply_cctf_encoding=False)
    array = np.asarray(linear, dtype=np.float64)
    array.setflags(write=False)
    return Reference(tuple(checker.data), array, lab_of(array))


def lab_of(linear: Floats) -> Floats:
    """CIELAB (D65) of linear sRGB colours (..., 3); negative light counts as none."""
    colour = science()
    space = colour.RGB_COLOURSPACES["sRGB"]
    xyz = colour.RGB_to_XYZ(np.maximum(linear, 0), space, apply_cctf_decoding=False)
    return np.asarray(colour.XYZ_to_Lab(xyz, space.whitepoint), dtype=np.float64)


def delta_e(first: Floats, second: Floats) -> Floats:
    """CIEDE2000 (...) between CIELAB colours (..., 3), after Sharma, Wu and Dalal 2005."""
    return np.asarray(science().delta_E(first, second, method="CIE 2000"), dtype=np.float64)
