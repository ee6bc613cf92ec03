"""Flat printed things (boards, charts) drawn exactly: every sample's ray meets the plane and reads the print there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.lens import Box, StageCamera, StageLight, image_points, undistorted
from capture.stage.render import encoded
from capture.stage.tone import decode_table, encode_srgb

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

_SUPERSAMPLE = 2


@dataclass(frozen=True, eq=False)
class Print:
    """A print in its own frame: x right, y down on the paper, z into it; lengths in metres.

    `levels` holds the same picture, linear albedo (H, W, 3) or grey (H, W), at falling resolutions. The point x lies at
    pixel (x + origin_m) * pixels_per_m - 0.5, because pixel centres are integers and edges lie between pixels.
    """

    levels: tuple[F32, ...]
    pixels_per_m: tuple[float, ...]
    origin_m: tuple[float, float]  # where the frame's origin lies from the picture's upper left edge
    size_m: tuple[float, float]  # whole paper


def corners_world(paper: Print, world_from_print: F64) -> F64:
    """(4, 3) world positions of the paper's corners."""
    left, top = -paper.origin_m[0], -paper.origin_m[1]
    right, bottom = left + paper.size_m[0], top + paper.size_m[1]
    local = np.array([[left, top, 0], [right, top, 0], [right, bottom, 0], [left, bottom, 0]], dtype=np.float64)
    return local @ world_from_print[:3, :3].T + world_from_print[:3, 3]


def faces_camera(world_from_print: F64, camera: StageCamera) -> bool:
    """Whether the printed side is toward the camera."""
    view = camera.position - world_from_print[:3, 3]
    return bool(view @ world_from_print[:3, 2] < 0)


def draw_print(
    picture: NDArray[np.uint8], paper: Print, world_from_print: F64, camera: StageCamera, light: StageLight
) -> None:
    """Draw a print into the encoded picture (H, W, 3) of the empty studio, in place; its back is plain grey card."""
    pixels, depth = image_points(camera, corners_world(paper, world_from_print))
    if depth.min() < 0.05:
        return
    box = _box(pixels, camera)
    if box[2] <= box[0] or box[3] <= box[1]:
        return
    level = _level(paper, pixels)
    height, width = paper.levels[level].shape[:2]
    at = _print_pixels(paper, level, world_from_print, camera, box)
    inside = cv2.inRange(at, (-0.5, -0.5), (width - 0.5, height - 0.5))
    front = faces_camera(world_from_print, camera)
    if front:
        albedo = cv2.remap(paper.levels[level], at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        albedo = np.full(inside.shape, 0.25, dtype=np.float32)
    normal = world_from_print[:3, 2] * (-1 if front else 1)
    strength = light.ambient + light.intensity * max(float(normal @ light.direction), 0.0)
    size = (box[2] - box[0], box[3] - box[1])
    drawn = cv2.resize(cv2.copyTo(albedo, inside), size, interpolation=cv2.INTER_AREA)
    bands = cv2.split(drawn) * (3 if drawn.ndim == 2 else 1)
    lit = cv2.merge([cv2.multiply(band, strength * share) for band, share in zip(bands, light.colour, strict=True)])
    cover = cv2.resize(inside, size, interpolation=cv2.INTER_AREA)
    area = picture[box[1] : box[3], box[0] : box[2]]
    rows, cols = np.nonzero(cv2.inRange(cover, 1, 254))
    behind = decode_table()[area[rows, cols, ::-1]] * (1 - cover[rows, cols, None] / np.float32(255))
    cv2.copyTo(encoded(lit), cv2.inRange(cover, 255, 255), area)
    area[rows, cols] = encode_srgb(lit[rows, cols] + behind)[:, ::-1]


@lru_cache(maxsize=2)
def _nodes(camera: StageCamera) -> F64:
    """Normalised image coordinates (rows, columns, 2) of the middles of the 2 x 2 pixel cells, one more all round."""
    across, down = (camera.width + 1) // 2 + 2, (camera.height + 1) // 2 + 2
    u, v = np.meshgrid(-1.5 + 2.0 * np.arange(across), -1.5 + 2.0 * np.arange(down))
    nodes = undistorted(camera, np.stack([u, v], axis=-1).reshape(-1, 2)).reshape(down, across, 2)
    nodes.setflags(write=False)
    return nodes


def _print_pixels(paper: Print, level: int, world_from_print: F64, camera: StageCamera, box: Box) -> F32:
    """Pixel (x, y) of a print level at every sample of a box, 2 x 2 samples to a pixel; the box begins at even pixels.

    The rays through every second pixel are traced exactly; between them the map is so nearly linear that bilinear
    interpolation errs by less than a thousandth of a pixel even at 60 degrees of slant.
    """
    x0, y0, x1, y1 = box
    nodes = _nodes(camera)[y0 // 2 : (y1 + 1) // 2 + 2, x0 // 2 : (x1 + 1) // 2 + 2]
    turn = world_from_print[:3, :3].T @ camera.pose[:3, :3]
    origin = world_from_print[:3, :3].T @ (camera.position - world_from_print[:3, 3])
    rays = [nodes[..., 0] * row[0] + nodes[..., 1] * row[1] + row[2] for row in turn]
    # A ray along the paper or away from it misses; a large negative distance puts it outside.
    away = np.where(np.abs(rays[2]) > 1e-9, rays[2], 1e-9)
    distance = -origin[2] / away
    places = [origin[k] + paper.origin_m[k] + distance * rays[k] for k in (0, 1)]
    pixels = np.stack(places, axis=-1) * paper.pixels_per_m[level] - 0.5
    pixels[distance <= 0] = -1e6
    down, across = distance.shape
    step = 2 * _SUPERSAMPLE
    fine = cv2.resize(pixels.astype(np.float32), (across * step, down * step), interpolation=cv2.INTER_LINEAR)
    window = fine[step : step + (y1 - y0) * _SUPERSAMPLE, step : step + (x1 - x0) * _SUPERSAMPLE]
    return np.asarray(window, dtype=np.float32)


def _box(pixels: F64, camera: StageCamera) -> Box:
    low = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 2, 0)
    high = np.ceil(pixels.max(axis=0)).astype(int) + 3
    low -= low % 2
    return int(low[0]), int(low[1]), min(int(high[0]), camera.width), min(int(high[1]), camera.height)


def _level(paper: Print, corners: F64) -> int:
    """The coarsest level that still has a print pixel for every sample along the longest side."""
    longest = float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).max())
    wanted = longest * _SUPERSAMPLE / max(paper.size_m)
    enough = [k for k, density in enumerate(paper.pixels_per_m) if density >= wanted]
    return enough[-1] if enough else 0


def print_levels(full: F32, count: int) -> tuple[F32, ...]:
    """A picture and its halvings by exact 2 x 2 means; its sides must divide by 2**(count-1)."""
    levels = [np.ascontiguousarray(full)]
    for _ in range(count - 1):
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, dtype=np.float32))
    return tuple(levels)
