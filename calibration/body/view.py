"""One camera's picture as the body room sees it: straightened to a pinhole, of working size, with her mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.pose import Floats, Pose
from capture.decode.picture import Picture
from capture.stage.tone import decode_table, encode_srgb

Bool = NDArray[np.bool_]
F32 = NDArray[np.float32]
WORK_PX = 768  # long side: 1.3 mm a pixel where a picture spans a metre
_ROW = 1024  # points are sampled in rows of this length; cv2.remap takes fewer than 32767 of either side


@dataclass(frozen=True, eq=False)
class BodyView:
    """A pinhole camera, its light and her mask in it."""

    camera: Camera  # without distortion, at working size
    light: F32  # (H, W, 3) linear RGB
    mask: Bool  # (H, W)
    seen: Bool  # (H, W) False where the straightened picture shows nothing

    @property
    def id(self) -> str:
        """The camera's id."""
        return self.camera.id

    @cached_property
    def outline(self) -> F32:
        """Distance (H, W) to her outline in pixels, positive inside; smoothed over the stairs of the mask."""
        inside, outside = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (self.mask, ~self.mask))
        # A pixel's centre lies half a pixel from the edge that divides it from its neighbour.
        signed = np.where(self.mask, np.minimum(inside, 1e4) - 0.5, 0.5 - np.minimum(outside, 1e4))
        return np.asarray(cv2.GaussianBlur(signed.astype(np.float32), (0, 0), 0.9), dtype=np.float32)

    @cached_property
    def grey(self) -> F32:
        """Brightness (H, W) on the sRGB scale, 0 to 255: its steps are as fine in her shadows as in her lights."""
        encoded = encode_srgb(self.light).astype(np.float32)
        return np.asarray(encoded @ np.array([0.299, 0.587, 0.114], np.float32), dtype=np.float32)

    @cached_property
    def matrix(self) -> F32:
        """(3, 4) that takes homogeneous world points to homogeneous pixels; the third number is the depth."""
        inverse = self.camera.world_from_camera.inverse()
        return (self.camera.K @ np.column_stack([inverse.rotation, inverse.translation])).astype(np.float32)

    def project(self, points: F32) -> tuple[F32, F32, F32]:
        """Columns u and v (...) in pixels and depths (...) in metres of world points (..., 3); depth 1e-6 behind."""
        m = self.matrix
        u, v, depth = (points @ m[k, :3] + m[k, 3] for k in range(3))
        depth = np.maximum(depth, np.float32(1e-6))
        return u / depth, v / depth, depth

    def inside(self, u: F32, v: F32, margin: float | F32 = 0.0) -> Bool:
        """Which pixels lie in the picture, or at most `margin` pixels beyond its border."""
        width, height = self.camera.width, self.camera.height
        across = (u >= -margin) & (u <= width - 1 + margin)
        return np.asarray(across & (v >= -margin) & (v <= height - 1 + margin))

    def rays(self) -> F32:
        """Directions (H, W, 3) in the world of all pixels, of length 1 along the optical axis."""
        height, width = self.mask.shape
        x = (np.arange(width, dtype=np.float32) - self.camera.cx) / self.camera.fx
        y = (np.arange(height, dtype=np.float32) - self.camera.cy) / self.camera.fy
        local = np.stack([*np.meshgrid(x, y), np.ones((height, width))], axis=-1)
        return (local @ self.camera.world_from_camera.rotation.T).astype(np.float32)


def sample(plane: F32, u: F32, v: F32, *, nearest: bool = False, beyond: float | None = None) -> F32:
    """A picture plane (H, W) or (H, W, K) at N pixels; past the border its nearest value, or `beyond`."""
    count = u.size
    rows = max(1, -(-count // _ROW))
    maps = np.zeros((2, rows * _ROW), dtype=np.float32)
    limit = 4.0 * max(plane.shape[:2])
    # far off the picture fixed-point places would wrap around
    maps[0, :count], maps[1, :count] = (np.clip(a.ravel(), -limit, limit) for a in (u, v))
    border = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
    across, down = maps.reshape(2, rows, _ROW)
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    value = 0.0 if beyond is None else beyond
    found = [
        cv2.remap(plane, across[k : k + 30_000], down[k : k + 30_000], how, borderMode=border, borderValue=value)
        for k in range(0, rows, 30_000)
    ]
    flat = np.concatenate(found).reshape(rows * _ROW, *plane.shape[2:])
    return np.asarray(flat[:count].reshape(*u.shape, *plane.shape[2:]), dtype=np.float32)


def make_view(camera: Camera, pictures: Sequence[Picture], mask: Bool, *, work_px: int = WORK_PX) -> BodyView:
    """The view of one camera from its pictures (H, W, 3) of one pose, one for each light, and her mask (H, W).

    The pictures are averaged in linear light, which is the picture with all lights on: fewer shadows, less noise.
    Raises ValueError without pictures or where sizes differ.
    """
    if not pictures:
        raise ValueError(f"view of camera {camera.id} has no picture; give one for each light")
    size = (camera.height, camera.width)
    odd = [a.shape[:2] for a in (*pictures, mask) if a.shape[:2] != size]
    if odd:
        raise ValueError(f"camera {camera.id} takes pictures of {size}, found {odd[0]}; give picture and mask of it")
    scale = min(1.0, work_px / max(size))
    straight = _pinhole(camera, scale)
    u, v = _source(camera, straight, scale)
    small = (straight.width, straight.height)
    light = np.zeros((*size, 3), dtype=np.float32)
    for picture in pictures:
        light += decode_table()[picture[..., ::-1]]
    light /= len(pictures)
    soft = mask.astype(np.float32)
    if scale < 1:
        light, soft = (cv2.resize(a, small, interpolation=cv2.INTER_AREA) for a in (light, soft))
    seen = (u > -0.5) & (u < light.shape[1] - 0.5) & (v > -0.5) & (v < light.shape[0] - 0.5)
    return BodyView(straight, sample(light, u, v), (sample(soft, u, v, beyond=0.0) > 0.5) & seen, np.asarray(seen))


def _pinhole(camera: Camera, scale: float) -> Camera:
    """The camera without its distortion and with pictures of another size, in the same place."""
    return Camera(
        id=camera.id,
        width=max(1, round(camera.width * scale)),
        height=max(1, round(camera.height * scale)),
        fx=camera.fx * scale,
        fy=camera.fy * scale,
        cx=(camera.cx + 0.5) * scale - 0.5,
        cy=(camera.cy + 0.5) * scale - 0.5,
        distortion=np.zeros(5),
        world_from_camera=camera.world_from_camera,
    )


def _source(camera: Camera, straight: Camera, scale: float) -> tuple[F32, F32]:
    """Columns and rows (H, W) of the scaled picture that the pixels of the straightened one come from."""
    x, y = np.meshgrid(np.arange(straight.width), np.arange(straight.height))
    local: Floats = np.stack([(x - straight.cx) / straight.fx, (y - straight.cy) / straight.fy, np.ones(x.shape)], -1)
    pixels, _ = camera.placed(Pose.identity()).project(local.reshape(-1, 3))
    # past the fold of the lens there is no picture
    pixels = np.nan_to_num((pixels + 0.5) * scale - 0.5, nan=-1e4)
    u, v = pixels.T.reshape(2, *x.shape).astype(np.float32)
    return u, v
