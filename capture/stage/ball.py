"""The mirror ball of the stage: a chrome sphere in which the light shows where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.backdrop import background, surroundings
from capture.stage.lens import StageCamera, StageLight, image_points, pixel_rays
from capture.stage.render import encoded

F64 = NDArray[np.float64]

_SUPERSAMPLE = 3
_REFLECTANCE = 0.75
_LAMP_RADIUS_DEG = 5.0  # a soft box of 0.6 m at 3.5 m


@dataclass(frozen=True)
class StageBall:
    """A sphere: centre in world metres."""

    centre: tuple[float, float, float] = (0.0, 0.0, 1.42)
    diameter_m: float = 0.15


def highlight_pixel(ball: StageBall, camera: StageCamera, light: StageLight) -> F64:
    """(2,) pixel of the lamp's reflection: where the normal halves the angle of lamp and camera."""
    centre = np.array(ball.centre)
    point = centre
    for _ in range(20):
        view = camera.position - point
        half = view / np.linalg.norm(view) + light.direction
        point = centre + ball.diameter_m / 2 * half / np.linalg.norm(half)
    return image_points(camera, point[None])[0][0]


def render_ball(
    ball: StageBall, camera: StageCamera, light: StageLight, *, backdrop: str = "grey"
) -> NDArray[np.uint8]:
    """The picture (H, W, 3) uint8 BGR of the ball in the empty studio."""
    picture = background(backdrop, camera, light)
    radius = ball.diameter_m / 2
    middle, depth = image_points(camera, np.array([ball.centre]))
    reach = 1.3 * radius / float(depth[0]) * max(camera.fx, camera.fy)
    low = np.maximum(np.floor(middle[0] - reach).astype(int), 0)
    high = np.minimum(np.ceil(middle[0] + reach).astype(int) + 1, (camera.width, camera.height))
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    if box[2] <= box[0] or box[3] <= box[1]:
        return encoded(picture)
    rays = pixel_rays(camera, box, _SUPERSAMPLE)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    toward = (np.array(ball.centre) - camera.position).astype(np.float32)
    along = rays @ toward
    inside = along**2 - (toward @ toward - np.float32(radius**2))
    hit = inside > 0
    distance = along - np.sqrt(np.maximum(inside, 0))
    points = camera.position.astype(np.float32) + distance[..., None] * rays
    normals = (points - np.array(ball.centre, dtype=np.float32)) / np.float32(radius)
    mirrored = rays - 2 * np.sum(rays * normals, axis=-1, keepdims=True) * normals
    seen = surroundings(backdrop, points, mirrored, light) * np.float32(_REFLECTANCE)
    lamp = mirrored @ light.direction.astype(np.float32) > np.cos(np.radians(_LAMP_RADIUS_DEG))
    seen[lamp] = 4.0
    size = (box[2] - box[0], box[3] - box[1])
    cover = cv2.resize(hit.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    drawn = cv2.resize((seen * hit[..., None]).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    area = picture[box[1] : box[3], box[0] : box[2]]
    area *= (1 - cover)[..., None]
    area += drawn
    return encoded(picture)
