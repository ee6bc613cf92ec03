"""Photographs of a scene: OpenCV's software rasteriser, shading in linear light, one directional light with a shadow.

Lens distortion, unequal focal lengths and any principal point are exact per vertex: the rasteriser is given points
whose pinhole image is the true distorted image at the true depth. Only the part of the picture that the person or her
shadow can change is drawn; the rest is the empty studio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.backdrop import background, blend_shadow
from capture.stage.body import ATLAS
from capture.stage.lens import Box, StageCamera, StageLight, image_points
from capture.stage.raster import FIELD_OF_VIEW, culled, screen_vertices
from capture.stage.scene import Scene
from capture.stage.shading import highlights, lit_texture, shadow_map
from capture.stage.tone import encode_srgb

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Picture = NDArray[np.uint8]

_NEAR, _FAR = 0.1, 60.0
_EDGE = 0.006  # step in u or v (of 1) between samples of one pixel that betrays two surfaces


@dataclass(frozen=True, eq=False)
class _View:
    """A scene as one camera projects it."""

    scene: Scene
    camera: StageCamera
    pixels: F64  # (V, 2)
    depth: F64  # (V,) metres


def _view(scene: Scene, camera: StageCamera) -> _View:
    pixels, depth = image_points(camera, scene.vertices.astype(np.float64))
    return _View(scene, camera, pixels, np.maximum(depth, 1e-3))


def _box_of(pixels: F64, camera: StageCamera) -> Box:
    """Pixel box x0, y0, x1, y1 (half open) around points (N, 2), inside the picture; empty boxes have x1 <= x0."""
    low = np.maximum(np.floor(np.clip(pixels.min(axis=0), -1e6, 1e6)).astype(int) - 1, 0)
    high = np.ceil(np.clip(pixels.max(axis=0), -1e6, 1e6)).astype(int) + 2
    return int(low[0]), int(low[1]), min(int(high[0]), camera.width), min(int(high[1]), camera.height)


def _empty(box: Box) -> bool:
    return box[2] <= box[0] or box[3] <= box[1]


def _shadow_box(view: _View, light: StageLight) -> Box:
    """Where her shadow on the floor can fall: the vertices slid along the light down to the floor."""
    camera, toward = view.camera, light.direction
    if toward[2] <= 0:
        return (0, 0, 0, 0)
    feet = view.scene.vertices[::3].astype(np.float64)
    feet = feet - feet[:, 2:] / toward[2] * toward
    pixels, depth = image_points(camera, feet)
    if depth.min() < 0.1:
        return (0, 0, camera.width, camera.height)
    x0, y0, x1, y1 = _box_of(pixels, camera)
    # Every third vertex is drawn, and the edge of the shadow is soft: leave room for both.
    room = 2 + camera.width // 64
    return max(x0 - room, 0), max(y0 - room, 0), min(x1 + room, camera.width), min(y1 + room, camera.height)


def _union(a: Box, b: Box) -> Box:
    if _empty(a) or _empty(b):
        return b if _empty(a) else a
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


@dataclass(frozen=True, eq=False)
class _Samples:
    """What the rasteriser saw at each sub-pixel sample of a box of the picture."""

    texel: F32  # (h*s, w*s, 3) u, v in [0, 1] and the highlight
    hit: NDArray[np.bool_]  # (h*s, w*s)


def _rasterise(view: _View, gloss: F32, box: Box, step: int) -> _Samples:
    x0, y0, x1, y1 = box
    texel = np.zeros(((y1 - y0) * step, (x1 - x0) * step, 3), dtype=np.float32)
    buffer = np.full(texel.shape[:2], _FAR, dtype=np.float32)
    cv2.triangleRasterize(
        screen_vertices(view.pixels - (x0, y0), view.depth, (x1 - x0, y1 - y0)), view.scene.faces,
        np.column_stack([view.scene.uv, gloss]), texel, buffer, np.eye(4, dtype=np.float32),
        FIELD_OF_VIEW, _NEAR, _FAR, culled(),
    )  # fmt: skip
    # Untouched depths come back changed in the last digits.
    return _Samples(texel, buffer < _FAR - 1.0)


def _shade(texture: F32, texel: F32, colour: F32) -> F32:
    map_x = texel[..., 0] * np.float32(ATLAS) - np.float32(0.5)
    map_y = texel[..., 1] * np.float32(ATLAS) - np.float32(0.5)
    body = cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return body + texel[..., 2:] * colour


def _shrunk(image: F32, size: tuple[int, int]) -> F32:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _resolve(samples: _Samples, step: int, shade: Callable[[F32], F32]) -> tuple[F32, F32]:
    """Mean light (h, w, 3), zero off the body, and coverage (h, w) of each pixel.

    Texels are about as large as pixels, so inside one patch of skin the mean of the samples is the light at their mean
    texel; only where surfaces meet is every sample shaded.
    """
    hit = samples.hit.astype(np.float32)
    if step == 1:
        return shade(samples.texel) * hit[..., None], hit
    size = (hit.shape[1] // step, hit.shape[0] // step)
    coverage = _shrunk(hit, size)
    if step != 2:
        body = _shrunk(shade(samples.texel) * hit[..., None], size)
        return body, coverage
    texel = samples.texel
    corners = [np.ascontiguousarray(texel[i::2, j::2]) for i in (0, 1) for j in (0, 1)]
    step_uv = cv2.max(cv2.absdiff(corners[0], corners[3]), cv2.absdiff(corners[1], corners[2]))
    edge = (step_uv[..., 0] > _EDGE) | (step_uv[..., 1] > _EDGE) | ((coverage > 0) & (coverage < 1))
    body = shade((corners[0] + corners[1] + corners[2] + corners[3]) * np.float32(0.25))
    body *= coverage[..., None]
    rows, cols = np.nonzero(edge)
    if len(rows):
        texels = np.stack([corner[rows, cols] for corner in corners], axis=1)
        hits = np.stack([samples.hit[2 * rows + i, 2 * cols + j] for i in (0, 1) for j in (0, 1)], axis=1)
        body[rows, cols] = (shade(texels) * hits[..., None]).mean(axis=1)
    return body, coverage


def _draw(view: _View, light: StageLight, box: Box, shadow: bool, step: int) -> tuple[F32, F32]:
    """Light (h, w, 3) and coverage (h, w) of the person inside a box of the picture."""
    texture, share = lit_texture(view.scene, light, shadow)
    colour = np.array(light.colour, dtype=np.float32)
    samples = _rasterise(view, highlights(view.scene, view.camera, light, share), box, step)
    return _resolve(samples, step, lambda texel: _shade(texture, texel, colour))


def _changed(view: _View, light: StageLight, shadow: bool, step: int, under: F32) -> tuple[Box, F32]:
    """The box in which the picture differs from the empty studio, and the linear picture inside it."""
    body = _box_of(view.pixels, view.camera)
    box = _union(body, _shadow_box(view, light)) if shadow else body
    area = under[box[1] : box[3], box[0] : box[2]].copy() if not _empty(box) else np.zeros((0, 0, 3), np.float32)
    if shadow and not _empty(box):
        blend_shadow(area, box, view.camera, light, shadow_map(view.scene, light).lookup)
    if not _empty(body):
        drawn, coverage = _draw(view, light, body, shadow, step)
        inner = area[body[1] - box[1] : body[3] - box[1], body[0] - box[0] : body[2] - box[0]]
        inner *= (1 - coverage)[..., None]
        inner += drawn
    return box, area


def render_linear(
    scene: Scene,
    camera: StageCamera,
    light: StageLight,
    *,
    shadow: bool = True,
    supersample: int = 2,
    behind: F32 | None = None,
) -> F32:
    """The picture (H, W, 3) in linear RGB before the camera's encoding.

    The person is drawn over the empty studio, or over `behind`, another such picture of the same camera.
    """
    under = background(scene.backdrop, camera, light) if behind is None else behind
    box, area = _changed(_view(scene, camera), light, shadow, supersample, under)
    picture = under.copy()
    if not _empty(box):
        picture[box[1] : box[3], box[0] : box[2]] = area
    return picture


def encoded(linear: F32) -> Picture:
    """Linear RGB (H, W, 3) as the camera writes it: uint8 BGR, sRGB."""
    return np.asarray(cv2.cvtColor(encode_srgb(linear), cv2.COLOR_RGB2BGR), dtype=np.uint8)


@lru_cache(maxsize=32)
def render_empty(backdrop: str, camera: StageCamera, light: StageLight) -> Picture:
    """The empty studio (H, W, 3) uint8 BGR, read-only."""
    picture = encoded(background(backdrop, camera, light))
    picture.setflags(write=False)
    return picture


def render(
    scene: Scene, camera: StageCamera, light: StageLight, *, shadow: bool = True, supersample: int = 2
) -> Picture:
    """The photograph (H, W, 3) uint8 BGR, sRGB encoded: the person on floor and backdrop.

    `supersample` is the number of samples across a pixel; 1 leaves stairs at edges.
    """
    under = background(scene.backdrop, camera, light)
    box, area = _changed(_view(scene, camera), light, shadow, supersample, under)
    picture = render_empty(scene.backdrop, camera, light).copy()
    if not _empty(box):
        picture[box[1] : box[3], box[0] : box[2]] = encoded(area)
    return picture


def render_depth(scene: Scene, camera: StageCamera) -> F32:
    """Depth (H, W) along the optical axis in metres at pixel centres, +inf where the person is not."""
    view = _view(scene, camera)
    depth = np.full((camera.height, camera.width), _FAR, dtype=np.float32)
    cv2.triangleRasterizeDepth(
        screen_vertices(view.pixels, view.depth, (camera.width, camera.height)), scene.faces, depth,
        np.eye(4, dtype=np.float32), FIELD_OF_VIEW, _NEAR, _FAR, culled(),
    )  # fmt: skip
    return np.where(depth < _FAR - 1.0, depth, np.float32(np.inf))


def render_mask(scene: Scene, camera: StageCamera) -> NDArray[np.bool_]:
    """Where the person is seen, (H, W)."""
    return np.isfinite(render_depth(scene, camera))
