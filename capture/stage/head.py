"""Relief of the head: nose, eye sockets, lips, chin, ears and the volume of the hair, as offsets of the torso tube.

Also the hair line, which both the relief and the paint ask for. Lengths are at the reference height of 1.70 m.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from capture.stage.body import BodyShape

F = NDArray[np.floating]

HEAD_CENTRE_Z = 1.60
EYE_Z, EYE_Y = 1.598, 0.031
MOUTH_Z = 1.531
NOSE_TIP_Z = 1.561
EAR_Z = 1.583
COMBED = ("bun", "tail")  # combed back behind the ears
LOOSE = ("bob", "long", "swept")  # hair falls over the ears


def hair_level(azimuth: F, shape: BodyShape) -> F:
    """Height (m, reference scale) above which hair covers the head, for azimuths (radians, 0 = front)."""
    turn = np.degrees(np.abs(azimuth))
    loose = shape.hair_style in LOOSE
    nape = 1.492 if loose else 1.522
    side_start = 62.0 if loose else 74.0
    line = np.interp(
        turn,
        [0.0, 30.0, 50.0, side_start, side_start + 26.0, 180.0],
        [shape.hairline_m, shape.hairline_m - 0.003, 1.632, 1.598, nape + 0.012, nape],
    )
    if shape.hair_style in COMBED:
        line = np.interp(
            turn,
            [0.0, 30.0, 50.0, 72.0, 88.0, 108.0, 124.0, 180.0],
            [shape.hairline_m, shape.hairline_m - 0.003, 1.634, 1.614, 1.617, 1.606, 1.545, 1.520],
        )
    # Her parting lifts the line a little on one side only.
    parting = np.degrees(np.arctan2(shape.parting_y_m, 0.08))
    return line + (0.0 if shape.hair_style in COMBED else 0.006) * np.exp(
        -(((np.degrees(azimuth) - parting) / 9.0) ** 2)
    )


def hair_height(points: F, shape: BodyShape) -> F:
    """Metres above the hair line (negative = bare skin) of reference-scale points (..., 3)."""
    azimuth = np.arctan2(points[..., 1], points[..., 0])
    return points[..., 2] - hair_level(azimuth, shape)


def jaw_height(turn: F) -> F:
    """Height (m, reference scale) of the edge of the jaw at azimuths (radians, without sign): chin to ears."""
    return 1.4925 + 0.046 * np.clip(turn / 1.5, 0, 1.2) ** 2


def _bump(distance_y: F, distance_z: F, spread_y: float, spread_z: float) -> F:
    return np.exp(-((distance_y / spread_y) ** 2) - (distance_z / spread_z) ** 2)


def head_relief(points: F, shape: BodyShape) -> F:
    """(..., 3) offsets in metres at reference scale, zero away from the head."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    side = np.abs(y)
    face = np.clip((x - 0.01) / 0.03, 0, 1)
    face = face * face * (3 - 2 * face)
    # The nose widens and rises from the bridge to the tip and ends abruptly below it.
    fall = np.clip((1.606 - z) / (1.606 - NOSE_TIP_Z), 0, 1)
    below = np.clip((z - 1.547) / 0.010, 0, 1)
    width = (0.0065 + 0.0055 * fall) * shape.nose_width
    nose = shape.nose_m * fall**1.3 * below * np.exp(-((y / width) ** 2))
    nose = nose + 0.004 * _bump(side - 0.011 * shape.nose_width, z - 1.557, 0.006, 0.006)
    sockets = -0.0065 * _bump(side - EYE_Y, z - EYE_Z, 0.016, 0.010)
    brow = 0.003 * _bump(side - 0.028, z - 1.616, 0.022, 0.007)
    lips = 0.0045 * _bump(y, z - MOUTH_Z - 0.004, 0.019, 0.0045)
    lips = lips + 0.005 * _bump(y, z - MOUTH_Z + 0.005, 0.017, 0.005)
    chin = 0.006 * _bump(y, z - 1.505, 0.017, 0.011)
    cheeks = shape.cheeks_m * _bump(side - 0.042, z - 1.572, 0.018, 0.016)
    out: NDArray[np.floating] = np.zeros_like(points)
    out[..., 0] = face * (nose + sockets + brow + lips + chin + cheeks)
    radial = np.stack([x, y, np.zeros_like(x)], axis=-1)
    radial = radial / np.maximum(np.linalg.norm(radial, axis=-1, keepdims=True), 1e-6)
    turn = np.degrees(np.abs(np.arctan2(y, x)))
    ear = 0.015 * np.exp(-(((turn - 98.0) / 12.0) ** 2) - ((z - EAR_Z) / 0.025) ** 4)
    # The throat lies behind a line from the chin to the ears.
    jaw = z - jaw_height(np.radians(turn))
    throat = (
        np.clip((0.003 - jaw) / 0.014, 0, 1) * np.clip((z - 1.435) / 0.03, 0, 1) * np.clip((110.0 - turn) / 30.0, 0, 1)
    )
    out = out - radial * (0.0065 * throat)[..., None]
    above = hair_height(points, shape)
    # Beside the face the line is steep, and the rise must span several columns of the grid to look smooth.
    ramp = 0.026 + 0.022 * np.exp(-(((turn - (78.0 if shape.hair_style in LOOSE else 88.0)) / 18.0) ** 2))
    cover = np.clip(above / ramp, 0, 1)
    hair = shape.hair_volume_m * cover * cover * (3 - 2 * cover)
    # Hair falls over the ears; more of it gathers behind.
    ear = ear * (1 - cover)
    hair = hair * (1 + 0.6 * np.clip(-x / 0.08, 0, 1)) * (z > 1.45)
    up = np.clip((z - 1.64) / 0.05, 0, 1)[..., None]
    outward = radial * (1 - up) + np.array([0.0, 0.0, 1.0]) * up
    return out + radial * ear[..., None] + outward * hair[..., None]
