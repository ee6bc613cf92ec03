"""Colour of every camera under every light: read from a chart, else from the calibration board, and corrected.

`calibrate_colour` measures and writes derived/colour, `load_colours` reads it, `apply` corrects one picture. Light is
added up in linear sRGB throughout; originals stay as they are.
"""

from calibration.colour.correction import Correction, apply
from calibration.colour.step import Colours, calibrate_colour, load_colours

__all__ = ["Colours", "Correction", "apply", "calibrate_colour", "load_colours"]
