"""Rotation matrices of many frames from angles about single axes, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def axis_turns(axis: int, radians: F64) -> F64:
    """(..., 3, 3) rotations about x (0), y (1) or z (2) by angles (...,)."""
    c, s = np.cos(radians), np.sin(radians)
    out = np.zeros((*np.shape(radians), 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    out[..., axis, axis] = 1
    out[..., one, one] = out[..., two, two] = c
    out[..., one, two], out[..., two, one] = -s, s
    return out


def angles_zxy(rotations: F64) -> F64:
    """(..., 3) radians a, b, c of (..., 3, 3) rotations Rz(a) Rx(b) Ry(c).

    Each angle is taken out before the next is read, so that where x stands at a right angle and z and y turn about
    one axis, their product still is the rotation.
    """
    a = np.arctan2(-rotations[..., 0, 1], rotations[..., 1, 1])
    rest = axis_turns(2, -a) @ rotations
    b = np.arctan2(rest[..., 2, 1], rest[..., 1, 1])
    c = np.arctan2(rest[..., 0, 2], rest[..., 0, 0])
    return np.stack([a, b, c], axis=-1)
