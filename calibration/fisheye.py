"""The fisheye lens of OpenCV: the angle to the axis, bent by a polynomial, is the distance in the picture.

Kannala and Brandt, "A generic camera model and calibration method for conventional, wide-angle, and fish-eye lenses",
2006, without its tangential part. Points are normalised (x / z, y / z), so they lie in front of the lens.
"""

from __future__ import annotations

import math

import numpy as np

from calibration.pose import Floats

_NEWTON_STEPS = 30
_NEWTON_DONE = 1e-15  # radians
_ON_AXIS = 1e-9  # nearer than this the picture of a fisheye is that of a pinhole to rounding


def distort_fisheye(xy: Floats, distortion: Floats) -> Floats:
    """Where lenses (..., 4) put normalised points (..., 2)."""
    radius = np.linalg.norm(xy, axis=-1)
    value, _ = _bend(np.arctan(radius), distortion)
    near = radius < _ON_AXIS
    scale = np.where(near, 1.0, value / np.where(near, 1.0, radius))
    return xy * scale[..., None]


def undistort_fisheye(xy: Floats, distortion: Floats) -> Floats:
    """The inverse of `distort_fisheye` (N, 2); NaN where no direction in front of the lens is put there."""
    bent = np.linalg.norm(xy, axis=1)
    limit = min(fisheye_fold_angle(distortion), math.pi / 2)
    theta = np.minimum(bent, 0.999 * limit)
    for _ in range(_NEWTON_STEPS):
        value, slope = _bend(theta, distortion)
        # a step past the fold would converge to the wrong branch: pull it back inside
        step = np.clip(theta - (value - bent) / slope, 0.0, 0.5 * (theta + limit))
        done = np.abs(step - theta) <= _NEWTON_DONE
        theta = step
        if done.all():
            break
    bad = ~(np.abs(_bend(theta, distortion)[0] - bent) < 1e-9)
    result = xy * (np.tan(theta) / np.maximum(bent, _ON_AXIS))[:, None]
    result[bent < _ON_AXIS] = xy[bent < _ON_AXIS]
    result[bad] = np.nan
    return result


def fisheye_fold_angle(distortion: Floats) -> float:
    """Angle to the axis, radians, past which the polynomial turns back; inf where it never does."""
    k1, k2, k3, k4 = (float(k) for k in distortion)
    roots = np.roots([9 * k4, 7 * k3, 5 * k2, 3 * k1, 1.0])  # in the square of the angle
    real = roots[np.abs(roots.imag) < 1e-9 * np.maximum(1.0, np.abs(roots.real))].real
    positive = real[real > 0]
    return float(np.sqrt(positive.min())) if len(positive) else math.inf


def _bend(theta: Floats, distortion: Floats) -> tuple[Floats, Floats]:
    """The bent angle and its derivative, for angles (...) and lenses (..., 4) or (4,)."""
    k1, k2, k3, k4 = np.moveaxis(distortion, -1, 0)
    t2 = theta * theta
    value = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
    return value, slope
