"""The lamp in the mirror ball: the brightest spot on it, and from where its light must have come.

Chrome-sphere method: Woodham, "Photometric method for determining surface orientation from multiple images", 1980, in
the form of the University of Washington's course notes, L = 2 (n . v) n - v. There v is the optical axis; here the rig
is calibrated, so that v is the true ray of every pixel and n the true normal where it meets the sphere.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.lights.ball import Ball
from calibration.pose import Floats
from capture.decode.picture import Picture
from capture.stage.tone import decode_table

_BRIGHT = 0.9  # of the brightest pixel on the ball
_ABOVE = 2.0  # the spot against the median of the ball; soft lamps on the stage give 5 and more
_RIVAL = 0.5  # of the spot's size: a second one of it is a second lamp
_SIGMA_PX = 0.15  # of the middle of a spot: measured on the stage, 0.05 to 0.2
_FLOOR_RAD = np.radians(0.05)  # what the place of the ball leaves
_INNER = 0.995  # of the radius; the outermost ring mixes with what is behind


@dataclass(frozen=True, eq=False)
class Highlight:
    """One lamp as one camera sees it in the ball."""

    camera: str
    uv: Floats  # (2,) pixels, middle of the spot
    point: Floats  # (3,) metres, where on the ball
    direction: Floats  # (3,) unit vector from there toward the lamp
    covariance: Floats  # (3, 3) of the direction, radians squared
    rival: bool  # there is a second spot of about that size


def find_highlight(picture: Picture, camera: Camera, ball: Ball) -> Highlight | None:
    """The lamp in a picture (H, W, 3) BGR of the ball; None where nothing on the ball is bright enough."""
    box = _box(camera, ball)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    u, v = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
    uv = np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float64)
    points, _, hit = reflect(camera, ball, uv, shrink=_INNER)
    linear = decode_table()[picture[y0:y1, x0:x1]].max(axis=2).astype(np.float64)
    on_ball = hit.reshape(linear.shape)
    if on_ball.sum() < 50:
        return None
    top = float(linear[on_ball].max())
    if top < _ABOVE * float(np.median(linear[on_ball])):
        return None
    bright = ((linear >= _BRIGHT * top) & on_ball).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    sizes = stats[1:count, cv2.CC_STAT_AREA]
    largest = int(sizes.argmax()) + 1
    rival = bool((np.delete(sizes, largest - 1) > _RIVAL * sizes[largest - 1]).any())
    spot = (labels == largest).ravel()
    return _seen(camera, ball, uv[spot], linear.ravel()[spot], rival)


def reflect(camera: Camera, ball: Ball, uv: Floats, *, shrink: float = 1.0) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Where pixels (N, 2) meet the ball (N, 3), from where light comes there (N, 3), and whether they meet it (N,)."""
    rays = np.nan_to_num(camera.rays(uv))
    offset = ball.centre - camera.centre
    along = rays @ offset
    inside = along**2 - (offset @ offset - ball.radius_m**2)
    near = offset @ offset - along**2 < (shrink * ball.radius_m) ** 2
    distance = along - np.sqrt(np.maximum(inside, 0))
    points = camera.centre + distance[:, None] * rays
    normals = (points - ball.centre) / np.linalg.norm(points - ball.centre, axis=1, keepdims=True)
    mirrored = rays - 2 * np.sum(rays * normals, axis=1, keepdims=True) * normals
    return points, mirrored, near & (along > 0)


def _seen(camera: Camera, ball: Ball, uv: Floats, level: Floats, rival: bool) -> Highlight:
    """The lamp whose spot covers pixels (N, 2): the mean direction, each pixel by the solid angle that it mirrors."""
    step = 0.25
    _, direction, _ = reflect(camera, ball, uv)
    across = (reflect(camera, ball, uv + (step, 0))[1] - reflect(camera, ball, uv - (step, 0))[1]) / (2 * step)
    down = (reflect(camera, ball, uv + (0, step))[1] - reflect(camera, ball, uv - (0, step))[1]) / (2 * step)
    angle = np.linalg.norm(np.cross(across, down), axis=1)
    weight = level * angle
    mean = (direction * weight[:, None]).sum(axis=0) / weight.sum()
    mean /= np.linalg.norm(mean)
    nearest = int((direction @ mean).argmax())
    point, _, _ = reflect(camera, ball, uv[nearest][None])
    jacobian = np.stack([across[nearest], down[nearest]], axis=1)
    # One pixel of a spot that mirrors a wide angle says little: the covariance tells good places from bad ones.
    covariance = _SIGMA_PX**2 * jacobian @ jacobian.T + _FLOOR_RAD**2 * np.eye(3)
    return Highlight(camera.id, uv[nearest], point[0], mean, covariance, rival)


def _box(camera: Camera, ball: Ball) -> tuple[int, int, int, int] | None:
    middle, depth = camera.project(ball.centre[None])
    if depth[0] <= ball.radius_m or not np.isfinite(middle).all():
        return None
    reach = 1.2 * ball.radius_m / float(depth[0]) * max(camera.fx, camera.fy)
    x0, y0 = (int(max(value - reach, 0)) for value in middle[0])
    x1, y1 = (int(min(v + reach + 1, s)) for v, s in zip(middle[0], (camera.width, camera.height), strict=True))
    return (x0, y0, x1, y1) if x1 - x0 > 4 and y1 - y0 > 4 else None
