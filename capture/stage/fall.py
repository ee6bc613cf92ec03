"""Hair that leaves the head: a knot, a tail, hair down the back or over one shoulder; and the fingers of the hands.

Shapes are closed tubes at the reference height of 1.70 m. The hair that lies on the head is relief of the head itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from capture.stage.body import BodyShape

F64 = NDArray[np.float64]
STYLES = ("short", "bob", "bun", "long", "swept", "tail")

# x, y, z, half thickness, half width from the head to the tips.
_LONG = np.array(
    [
        [-0.040, 0.0, 1.580, 0.030, 0.050],
        [-0.046, 0.0, 1.540, 0.040, 0.066],
        [-0.052, 0.0, 1.490, 0.036, 0.074],
        [-0.062, 0.0, 1.450, 0.030, 0.080],
        [-0.080, 0.0, 1.415, 0.024, 0.086],
        [-0.098, 0.0, 1.380, 0.018, 0.086],
        [-0.108, 0.0, 1.345, 0.014, 0.078],
        [-0.112, 0.0, 1.325, 0.006, 0.066],
    ]
)
_SWEPT = np.array(
    [
        [-0.040, 0.040, 1.560, 0.022, 0.026],
        [-0.030, 0.058, 1.510, 0.024, 0.028],
        [-0.008, 0.070, 1.455, 0.022, 0.030],
        [0.030, 0.080, 1.415, 0.020, 0.032],
        [0.062, 0.080, 1.375, 0.018, 0.033],
        [0.086, 0.077, 1.330, 0.016, 0.031],
        [0.110, 0.074, 1.285, 0.013, 0.025],
        [0.128, 0.072, 1.252, 0.005, 0.012],
    ]
)
_TAIL = np.array(
    [
        [-0.080, 0.0, 1.640, 0.012, 0.012],
        [-0.118, 0.0, 1.645, 0.020, 0.022],
        [-0.146, 0.0, 1.610, 0.026, 0.030],
        [-0.150, 0.0, 1.550, 0.026, 0.032],
        [-0.146, 0.0, 1.480, 0.022, 0.028],
        [-0.142, 0.0, 1.420, 0.016, 0.020],
        [-0.140, 0.0, 1.370, 0.005, 0.008],
    ]
)


def fall_path(shape: BodyShape) -> F64 | None:
    """(N, 5) x, y, z, half thickness and half width of her hair that falls; None where none does."""
    table = {"long": _LONG, "swept": _SWEPT, "tail": _TAIL}.get(shape.hair_style)
    if table is None:
        return None
    # Over the shoulder away from the parting.
    side = -1.0 if shape.parting_y_m > 0 else 1.0
    return table * np.array([1.0, side, 1.0, 1.0, 1.0])


def fall_covers(points: NDArray[np.floating], shape: BodyShape, margin_m: float) -> NDArray[np.bool_]:
    """Whether hair hangs over these reference-scale points (..., 3) or comes closer than margin_m."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    path = fall_path(shape)
    if path is None:
        return np.zeros(z.shape, dtype=bool)
    rising = path[::-1]
    middle = np.interp(z, rising[:, 2], rising[:, 1])
    # A turning head takes the hair along: leave it room.
    half = np.interp(z, rising[:, 2], rising[:, 4]) + 0.012 + margin_m
    level = (z > path[-1, 2] - 0.012 - margin_m) & (z < path[0, 2] + 0.02)
    facing = x > -0.07 if shape.hair_style == "swept" else x < 0.03
    return level & facing & (np.abs(y - middle) < half)


# Start (along the hand, fore-aft, off the palm), length and thickness of thumb, index .. little finger, metres.
_FINGERS = (
    (0.606, 0.024, 0.004, 0.066, 0.0112),
    (0.644, 0.025, 0.002, 0.080, 0.0092),
    (0.648, 0.009, 0.000, 0.090, 0.0095),
    (0.646, -0.008, 0.000, 0.084, 0.0090),
    (0.636, -0.023, 0.001, 0.068, 0.0080),
)


def finger_path(number: int, down: F64, across: F64, start: F64) -> tuple[F64, F64]:
    """Points (R, 3) and radii (R, 2) of finger 0 (thumb) to 4 of a hand whose arm begins at `start` and runs `down`."""
    along, fore, off, length, thick = _FINGERS[number]
    ahead = np.array([1.0, 0.0, 0.0])
    t = np.array([-0.25, 0.0, 0.2, 0.4, 0.6, 0.8, 0.93, 1.0])
    spread = 0.75 if number == 0 else 0.10 * (2.5 - number)
    heading = down + spread * ahead
    heading = heading / np.linalg.norm(heading)
    # Relaxed fingers curl toward the palm, which faces the body.
    curl = -0.16 * length * np.maximum(t, 0) ** 2
    path = start + along * down + (fore + 0.035) * ahead + off * across
    points = path + length * t[:, None] * heading + curl[:, None] * across
    size = thick * np.array([0.9, 1.0, 0.97, 1.02, 0.92, 0.86, 0.62, 0.12])
    return points, np.column_stack([size, size])
