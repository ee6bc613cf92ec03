"""Colour arithmetic of the stage: CIE Lab (D65), linear sRGB primaries and the sRGB transfer curve.

Colours are linear-light RGB triples with white at (1, 1, 1) unless a name says Lab or BGR.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Rgb = tuple[float, float, float]

# IEC 61966-2-1, D65 white.
_XYZ_FROM_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_RGB_FROM_XYZ = np.linalg.inv(_XYZ_FROM_RGB)
_WHITE = _XYZ_FROM_RGB.sum(axis=1)
_ENCODE_STEPS = 65535


def linear_from_lab(lab: FloatArray) -> NDArray[np.float64]:
    """Linear RGB of CIE Lab colours (..., 3); values outside the sRGB gamut are clipped to [0, 1]."""
    lab = np.asarray(lab, dtype=np.float64)
    fy = (lab[..., 0] + 16.0) / 116.0
    f = np.stack([fy + lab[..., 1] / 500.0, fy, fy - lab[..., 2] / 200.0], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _WHITE
    return np.clip(xyz @ _RGB_FROM_XYZ.T, 0.0, 1.0)


def lab_from_linear(rgb: FloatArray) -> NDArray[np.float64]:
    """CIE Lab (D65) of linear RGB colours (..., 3)."""
    xyz = np.asarray(rgb, dtype=np.float64) @ _XYZ_FROM_RGB.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def linear_from_srgb(encoded: FloatArray) -> NDArray[np.float64]:
    """Linear value in [0, 1] of an sRGB-encoded value in [0, 1]."""
    encoded = np.asarray(encoded, dtype=np.float64)
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


@cache
def _encode_table() -> NDArray[np.uint8]:
    linear = np.arange(_ENCODE_STEPS + 1) / _ENCODE_STEPS
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    table = np.round(srgb * 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def encode_srgb(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """8-bit sRGB of linear values; out-of-range values clip, as a sensor does."""
    if linear.size == 0:
        return np.zeros(linear.shape, dtype=np.uint8)
    # A table of all 16-bit numbers is finer than one 8-bit step even at the dark end (slope 12.92).
    index = cv2.multiply(linear, 1.0, scale=_ENCODE_STEPS, dtype=cv2.CV_16U)  # rounds, and clips as it converts
    return np.asarray(cv2.LUT(index, _encode_table()), dtype=np.uint8)


@cache
def decode_table() -> NDArray[np.float32]:
    """(256,) linear values of the 8-bit sRGB numbers, read-only."""
    table = linear_from_srgb(np.arange(256) / 255).astype(np.float32)
    table.setflags(write=False)
    return table


def rgb(colour: FloatArray) -> Rgb:
    """A hashable triple of floats."""
    return (float(colour[0]), float(colour[1]), float(colour[2]))
