"""The mirror ball: its rim in a picture, and from the rims of one or more cameras its place in the world.

The rim of a sphere is a cone of rays about its centre: `ray . centre = cos(alpha) |centre|` with sin(alpha) = radius
over distance, which is linear in centre / cos(alpha) and holds for every lens. One camera gives the place already,
because the diameter is known; several make it certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from calibration.camera import Camera
from calibration.pose import Floats
from capture.decode.picture import Picture

_SIDE = 1200  # pixels; circles are looked for in a picture of this size
_ANGLES = 240  # places on the rim
_REACH = 0.12  # of the radius, inward and outward, in which the rim is looked for
_CLOSE_PX = 1.0  # a place on the rim that fits
_LEAST_SHARE = 0.5  # of the rim that must be seen as one cone; balls of the stage have 0.8 and more
_CANDIDATES = 12
_EDGE_BIAS_PX = 0.15  # measured on the stage: 0.17
_FLOOR = 8.0  # grey levels: keeps the logarithm of dark noise small
_SLOW_CELLS = 31  # of 64 across the picture: the ball fills less than half of such a window
_LEVELS = 80.0  # grey levels for a factor of e
_AGREE = 0.05  # of the distance: how far the cameras may put the ball apart


@dataclass(frozen=True, eq=False)
class Rim:
    """The outline of the ball in one picture."""

    camera: Camera
    uv: Floats  # (N, 2) pixels
    centre: Floats  # (2,) pixels
    radius_px: float
    share: float  # of the rim that was found


@dataclass(frozen=True, eq=False)
class Ball:
    """The ball in the world."""

    centre: Floats  # (3,) metres
    radius_m: float
    sigma_m: float  # standard deviation of the centre along its least certain axis
    rms_px: float  # of the rims


def find_rim(picture: Picture, camera: Camera, plate: Picture | None = None) -> Rim | None:
    """The rim of the ball in a picture (H, W, 3) BGR: the rounder of the circles in it, None where none is a cone.

    `plate`, the empty studio from the same camera under any light, takes a painted canvas off: what is left of the
    ratio of both pictures is the ball.
    """
    greys = [np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)]
    if plate is not None and plate.shape == picture.shape:
        greys.append(_beside_plate(picture, plate))
    best: Rim | None = None
    for grey in greys:
        for circle in _circles(grey):
            rim = _refined(grey, camera, circle)
            if rim is not None and (best is None or rim.share * rim.radius_px > best.share * best.radius_px):
                best = rim
    return best


def _beside_plate(picture: Picture, plate: Picture) -> NDArray[np.uint8]:
    """The logarithm of picture over plate as grey levels, less the slow part, which is the change of light."""
    logs = [np.log(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) + _FLOOR) for image in (picture, plate)]
    ratio = logs[0] - logs[1]
    # a median at a small size: the ball itself must not pull the slow part
    small = cv2.resize(ratio, (64, max(1, round(64 * ratio.shape[0] / ratio.shape[1]))), interpolation=cv2.INTER_AREA)
    low, high = float(small.min()), float(small.max())
    levels = np.clip((small - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    slow = cv2.medianBlur(levels, _SLOW_CELLS).astype(np.float32) / 255 * (high - low) + low
    slow = cv2.resize(slow, ratio.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + _LEVELS * (ratio - slow), 0, 255).astype(np.uint8)


def place_ball(rims: Sequence[Rim], diameter_m: float) -> tuple[Ball, tuple[Rim, ...]]:
    """The place of a ball from its rims in one or more cameras, and the rims that agree on it.

    Least squares of the angle between each ray of the rim and the cone of the ball, robust (soft L1). Raises ValueError
    without a rim.
    """
    if not rims:
        raise ValueError("ball cannot be placed without a rim; give at least one picture in which it was found")
    radius = diameter_m / 2
    guesses = [_guess(rim, radius) for rim in rims]
    middle = np.median(guesses, axis=0)
    agreeing = tuple(
        rim
        for rim, guess in zip(rims, guesses, strict=True)
        if np.linalg.norm(guess - middle) < _AGREE * np.linalg.norm(rim.camera.centre - middle)
    )
    # With two that differ the median lies between them: the one whose rim is rounder counts.
    used = agreeing or (max(rims, key=lambda r: r.share),)
    rays = [rim.camera.rays(rim.uv) for rim in used]

    def misfit(centre: Floats) -> Floats:
        parts = []
        for rim, directions in zip(used, rays, strict=True):
            offset = centre - rim.camera.centre
            distance = float(np.linalg.norm(offset))
            cosine = np.clip(directions @ offset / distance, -1, 1)
            parts.append((np.arccos(cosine) - np.arcsin(min(radius / distance, 0.99))) * rim.camera.fx)
        return np.concatenate(parts)

    start = middle if agreeing else _guess(used[0], radius)
    solved = least_squares(misfit, start, loss="soft_l1", f_scale=0.5)
    rms = float(np.sqrt(np.mean(solved.fun**2)))
    # Neighbours on the rim share their error (lens, blur): about a tenth of the places are independent.
    inverse = np.linalg.pinv(solved.jac)
    spread = inverse @ inverse.T * max(rms, 0.05) ** 2 * 10
    # All edges of a camera lie too far out or in by the same part of a pixel, which one camera takes for distance.
    shift = inverse @ np.full(len(solved.fun), _EDGE_BIAS_PX)
    sigma = float(np.sqrt(np.linalg.eigvalsh(spread)[-1] + shift @ shift))
    return Ball(np.asarray(solved.x), radius, sigma, rms), used


def _circles(grey: NDArray[np.uint8]) -> list[tuple[float, float, float]]:
    """Circles that may be the ball, as centre and radius in pixels of the full picture."""
    scale = min(1.0, _SIDE / max(grey.shape))
    small = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # The ball may stand out from paper of the same grey by a few levels only.
    stretched = cv2.createCLAHE(4.0, (4, 4)).apply(cv2.GaussianBlur(small, (0, 0), 1.0))
    side = min(small.shape)
    found = cv2.HoughCircles(
        stretched, cv2.HOUGH_GRADIENT_ALT, 1.5, side / 20, param1=60, param2=0.7,
        minRadius=max(side // 80, 5), maxRadius=side // 2,
    )  # fmt: skip
    if found is None:
        return []
    circles = np.asarray(found, dtype=np.float64).reshape(-1, 3)[:_CANDIDATES]
    return [((x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5, r / scale) for x, y, r in circles]


def _refined(grey: NDArray[np.uint8], camera: Camera, circle: tuple[float, float, float]) -> Rim | None:
    """The strongest edges along the radii of a circle, those that lie on one cone of rays; None where too few do."""
    x, y, radius = circle
    angle = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    reach = max(_REACH * radius, 3.0)
    along = np.arange(-reach, reach + 0.25, 0.25)
    distance = radius + along
    u = (x + np.cos(angle)[:, None] * distance).astype(np.float32)
    v = (y + np.sin(angle)[:, None] * distance).astype(np.float32)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 0.8)
    profile = cv2.remap(smooth, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)
    slope = np.abs(np.gradient(profile, axis=1))
    at = slope[:, 1:-1].argmax(axis=1) + 1
    rows = np.arange(_ANGLES)
    before, peak, after = (slope[rows, at + k] for k in (-1, 0, 1))
    bend = before - 2 * peak + after
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (before - after) / np.where(bend == 0, 1, bend), 0.0)
    place = distance[at] + 0.25 * np.clip(shift, -0.5, 0.5)
    uv = np.stack([x + np.cos(angle) * place, y + np.sin(angle) * place], axis=1)
    inside = ((uv >= 0) & (uv <= (camera.width - 1, camera.height - 1))).all(axis=1) & (peak > 0.3)
    return _on_a_cone(camera, uv[inside]) if inside.sum() > _LEAST_SHARE * _ANGLES else None


def _on_a_cone(camera: Camera, uv: Floats) -> Rim | None:
    """The places (N, 2) that lie on one cone of rays, by reweighting."""
    rays = camera.rays(uv)
    uv, rays = uv[np.isfinite(rays).all(axis=1)], rays[np.isfinite(rays).all(axis=1)]
    weight: Floats = np.ones(len(rays))
    off: Floats = np.zeros(len(rays))
    axis: Floats = np.zeros(3)
    for _ in range(20):
        root = np.sqrt(weight)[:, None]
        apex = np.asarray(np.linalg.lstsq(rays * root, root[:, 0], rcond=None)[0], dtype=np.float64)
        length = float(np.linalg.norm(apex))
        if length <= 1:  # no cone: the rays fill more than half of space
            return None
        axis = apex / length
        angle = np.arccos(np.clip(rays @ axis, -1, 1))
        off = np.asarray((angle - np.arccos(1 / length)) * camera.fx, dtype=np.float64)
        weight = 1 / np.maximum(np.abs(off), 0.1)
    close = np.abs(off) < _CLOSE_PX
    share = float(close.sum()) / _ANGLES
    if share < _LEAST_SHARE:
        return None
    centre = camera.project((camera.centre + axis)[None])[0][0]
    radius = float(np.linalg.norm(uv[close] - centre, axis=1).mean())
    return Rim(camera, uv[close], centre, radius, share)


def _guess(rim: Rim, radius: float) -> Floats:
    """The ball's centre (3,) by one camera: the axis of its cone, as far as its size says."""
    rays = rim.camera.rays(rim.uv)
    apex, *_ = np.linalg.lstsq(rays, np.ones(len(rays)), rcond=None)
    length = float(np.linalg.norm(apex))
    sine = float(np.sqrt(max(1 - 1 / length**2, 1e-8)))
    return np.asarray(rim.camera.centre + apex / length * radius / sine)
