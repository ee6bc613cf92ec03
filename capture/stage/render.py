"""Photographs of a scene: OpenCV's software rasteriser, shading in linear light, one directional light with a shadow.

Lens distortion, unequal focal lengths and any principal point are exact per vertex: the rasteriser is given points
whose pinhole image is the true distorted image at the true depth. Only the part of the picture that the person or her
shadow can change is drawn; the rest is the empty studio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.backdrop import background, shadowed
from capture.stage.body import ATLAS
from capture.stage.lens import Box, StageCamera, StageLight, image_points
from capture.stage.raster import FIELD_OF_VIEW, culled, screen_vertices
from capture.stage.scene import Scene
from capture.stage.shading import floor_shadow, highlights, lit_texture
from capture.stage.tone import Rgb, decode_table, encode_srgb

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Picture = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Index = NDArray[np.int32]
Number = TypeVar("Number", np.float32, np.uint8)

_NEAR, _FAR = 0.1, 60.0
_BLOCK = 16384  # mixed pixels shaded at once; cv2.remap takes fewer than 32767 rows
_EDGE = 0.012  # step in u or v (of 1) from one pixel to the next that betrays two surfaces


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


def _window(picture: NDArray[Number], box: Box) -> NDArray[Number]:
    """The part of a picture inside a box, sharing its memory."""
    return picture[box[1] : box[3], box[0] : box[2]]


def _rasterise(view: _View, gloss: F32, box: Box, step: int, faces: NDArray[np.int32]) -> F32:
    """u, v in [0, 1] and the highlight, (h*s, w*s, 3), at s x s samples per pixel of a box; zeros off the faces."""
    x0, y0, x1, y1 = box
    texel = np.zeros(((y1 - y0) * step, (x1 - x0) * step, 3), dtype=np.float32)
    buffer = np.full(texel.shape[:2], _FAR, dtype=np.float32)
    cv2.triangleRasterize(
        screen_vertices(view.pixels - (x0, y0), view.depth, (x1 - x0, y1 - y0)), faces,
        np.column_stack([view.scene.uv, gloss]), texel, buffer, np.eye(4, dtype=np.float32),
        FIELD_OF_VIEW, _NEAR, _FAR, culled(),
    )  # fmt: skip
    return texel


def _shade(texture: F32, colour: Rgb, planes: Sequence[F32]) -> F32:
    """Light (h, w, 3) at samples given as planes (h, w) of u, v and highlight; black off the body, where all are 0."""
    map_x, map_y = (cv2.addWeighted(plane, ATLAS, plane, 0.0, -0.5) for plane in planes[:2])
    body = cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    shine = cv2.merge([cv2.multiply(planes[2], share) for share in colour])
    return np.asarray(cv2.add(body, shine, body), dtype=np.float32)


def _edges(planes: Sequence[F32], hit: Mask) -> Mask:
    """Pixels (h, w), 255 or 0, in which the body ends or two of its surfaces meet, by the samples at the centres."""
    edge = cv2.morphologyEx(hit, cv2.MORPH_GRADIENT, np.ones((3, 3), dtype=np.uint8))
    for one, other in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        apart = cv2.max(*(cv2.absdiff(plane[one], plane[other]) for plane in planes[:2]))
        jump = cv2.compare(apart, _EDGE, cv2.CMP_GT)
        for side in (edge[one], edge[other]):
            cv2.bitwise_or(side, jump, side)
    return np.asarray(edge, dtype=np.uint8)


def _faces_at(view: _View, box: Box, mask: Mask) -> NDArray[np.int32]:
    """The triangles whose rectangle in the picture touches a pixel of the mask (h, w) of a box."""
    count = cv2.integral(mask)
    place = np.clip(view.pixels - (box[0], box[1]) + 0.5, 0, (mask.shape[1], mask.shape[0])).astype(np.int32)
    corners = [place[view.scene.faces[:, k]] for k in range(3)]
    left, top = np.minimum(np.minimum(corners[0], corners[1]), corners[2]).T
    right, bottom = np.minimum(np.maximum(np.maximum(corners[0], corners[1]), corners[2]) + 1, mask.shape[::-1]).T
    touched = count[bottom, right] - count[top, right] - count[bottom, left] + count[top, left] > 0
    return view.scene.faces[touched]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The person in a box of the picture: pixels that are hers alone, and mixed ones, where surfaces meet."""

    light: F32  # (h, w, 3) linear RGB
    whole: Mask  # (h, w) 255 where a pixel is hers alone
    rows: Index  # (N,) mixed pixels
    cols: Index  # (N,)
    mixed: F32  # (N, 3) light of her part of them
    cover: F32  # (N, 1) how large that part is

    def over(self, under: F32) -> F32:
        """The mixed pixels (N, 3) over what was there before, (N, 3) linear RGB."""
        return np.asarray(under * (1 - self.cover) + self.mixed, dtype=np.float32)


def _draw(view: _View, light: StageLight, box: Box, shadow: bool, step: int) -> _Drawn:
    """The person inside a box of the picture.

    Texels are about as large as pixels, so inside one patch of skin the mean of a pixel's samples is the light at its
    centre; only where surfaces meet is every sample drawn, from the triangles that touch those pixels.
    """
    texture, share = lit_texture(view.scene, light, shadow)
    gloss = highlights(view.scene, view.camera, light, share)
    planes = cv2.split(_rasterise(view, gloss, box, 1, view.scene.faces))
    body = _shade(texture, light.colour, planes)
    whole = cv2.compare(planes[0], 0.0, cv2.CMP_GT)
    edge = _edges(planes, whole) if step > 1 else np.zeros((1, 1), dtype=np.uint8)
    places = cv2.findNonZero(edge)
    if places is None:
        none = np.zeros(0, dtype=np.int32)
        return _Drawn(body, whole, none, none, np.zeros((0, 3), np.float32), np.zeros((0, 1), np.float32))
    cols, rows = np.asarray(places, dtype=np.int32).reshape(-1, 2).T
    fine = _rasterise(view, gloss, box, step, _faces_at(view, box, edge))
    height, width = whole.shape
    samples = fine.reshape(height, step, width, step, 3)[rows, :, cols].reshape(len(rows), step * step, 3)
    whole[rows, cols] = 0
    mixed, cover = np.zeros((len(rows), 3), np.float32), np.zeros((len(rows), 1), np.float32)
    for k in range(0, len(rows), _BLOCK):
        part = cv2.split(samples[k : k + _BLOCK])
        column = (1, len(part[0]))
        mean = cv2.resize(_shade(texture, light.colour, part), column, interpolation=cv2.INTER_AREA)
        mixed[k : k + _BLOCK] = mean[:, 0]
        hit = (part[0] > 0).astype(np.float32)
        cover[k : k + _BLOCK] = cv2.resize(hit, column, interpolation=cv2.INTER_AREA)
    return _Drawn(body, whole, rows, cols, mixed, cover)


def _shadowed(view: _View, light: StageLight) -> tuple[Box, F32]:
    """A box of the picture and the factor (h, w) by which her shadow darkens the studio in it."""
    box = _shadow_box(view, light)
    if _empty(box):
        return box, np.zeros((0, 0), dtype=np.float32)
    return shadowed(view.camera, light, box, *floor_shadow(view.scene, light))


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
    picture = background(scene.backdrop, camera, light) if behind is None else behind.copy()
    view = _view(scene, camera)
    if shadow:
        box, factor = _shadowed(view, light)
        if not _empty(box):
            _window(picture, box)[:] *= factor[..., None]
    box = _box_of(view.pixels, camera)
    if not _empty(box):
        drawn, inner = _draw(view, light, box, shadow, supersample), _window(picture, box)
        cv2.copyTo(drawn.light, drawn.whole, inner)
        inner[drawn.rows, drawn.cols] = drawn.over(inner[drawn.rows, drawn.cols])
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

    `supersample` is the number of samples across a pixel where surfaces meet; 1 leaves stairs at edges.
    """
    picture = render_empty(scene.backdrop, camera, light).copy()
    view = _view(scene, camera)
    if shadow:
        box, factor = _shadowed(view, light)
        if not _empty(box):
            under = background(scene.backdrop, camera, light, box)
            _window(picture, box)[:] = encoded(cv2.multiply(under, cv2.merge([factor] * 3)))
    box = _box_of(view.pixels, camera)
    if not _empty(box):
        drawn, inner = _draw(view, light, box, shadow, supersample), _window(picture, box)
        cv2.copyTo(encoded(drawn.light), drawn.whole, inner)
        # What is behind her edge is read from the picture itself: to half a step of 8 bits it is the light there.
        behind = decode_table()[inner[drawn.rows, drawn.cols, ::-1]]
        inner[drawn.rows, drawn.cols] = encode_srgb(drawn.over(behind))[:, ::-1]
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
