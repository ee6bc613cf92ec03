"""Units of length that files of movement are in."""

from __future__ import annotations

import math

UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048, "CMU": 0.0254 / 0.45}
"""Metres of a unit. CMU's own files count 1/0.45 of an inch."""
_SPELT = {"meters": "m", "metres": "m", "centimeters": "cm", "millimeters": "mm", "inches": "in", "feet": "ft"}


def metres_of(unit: str | float) -> float:
    """Metres of a unit by its name, as files spell it too, or of one that is given in metres. ValueError otherwise."""
    if isinstance(unit, str):
        name = _SPELT.get(unit.strip().lower(), unit.strip())
        name = name if name in UNITS_M else name.lower()
        if name not in UNITS_M:
            raise ValueError(f"unit is unknown: {unit!r}; choose one of {', '.join(UNITS_M)} or give its metres")
        return UNITS_M[name]
    if not (math.isfinite(unit) and unit > 0):
        raise ValueError(f"unit must be metres above 0, found {unit}")
    return float(unit)
