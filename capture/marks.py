"""Birthmarks in photographs: dark or reddish blobs proposed on skin, and `marks.toml`, where a person
confirms them.

A proposal is cheap and may be wrong; only a person makes it a mark. Detection is a difference of Gaussians
over scales, computed as a normalised convolution inside the skin mask, so that the silhouette itself gives no
response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from capture.session import Name, Shot, ShotKind
from capture.store import write_atomic
from capture.toml_file import Record, read_toml

Bool = NDArray[np.bool_]
F32 = NDArray[np.float32]
Image = NDArray[np.uint8]

MIN_RADIUS_PX, MAX_RADIUS_PX = 1.6, 28.0
MIN_CONTRAST = 3.0  # CIELAB units; below it the survival score cannot tell a mark from noise
_CODES = np.arange(256) / 255.0
_LOG_LINEAR = np.log(np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4) + 0.004).astype(
    np.float32
)
_STEP = 2 ** (1 / 3)  # ratio of neighbouring scales
_MAX_HESSIAN_RATIO = 7.0  # a disc seen at 60 degrees is twice as long as wide: about 4; an edge is unbounded
_MIN_ROUND = 0.35  # darker than the skin at this share of directions around it, at least half as much as on average


@dataclass(frozen=True)
class Mark:
    """One birthmark in one photograph, found or drawn."""

    id: str
    shot: Shot
    u: float  # pixels, centres at integers
    v: float
    radius_px: float
    contrast: float  # how much darker than the skin around it, CIELAB L*


@dataclass(frozen=True)
class Blob:
    """One proposal in one image."""

    u: float  # pixels, centres at integers
    v: float
    radius_px: float
    contrast: float  # colour difference to the skin around it, CIELAB units
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)  # difference to that skin in L*, a*, b*


class MarkPhoto(Record):
    """`[[mark.photo]]`: where a mark is in one photograph."""

    take: Name
    camera: Name
    light: str = Field(default="", description="empty: in all lights of the take")
    u: float = Field(ge=0, description="pixels from the left, centres at integers")
    v: float = Field(ge=0, description="pixels from the top")
    radius_px: float = Field(gt=0)


class MarkEntry(Record):
    """`[[mark]]`: one mark on her body and the photographs that show it."""

    id: Name
    label: str = ""
    kind: Literal["mole", "birthmark", "scar", "freckles", "tattoo", "other"] = "mole"
    confirmed: bool = Field(default=False, description="true once a person has looked at it")
    photo: Annotated[tuple[MarkPhoto, ...], Field(min_length=1)]


class MarksFile(Record):
    """`marks.toml`. Ids are unique."""

    mark: tuple[MarkEntry, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> MarksFile:
        ids = [m.id for m in self.mark]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"mark {twice[0]!r} is there twice; give each mark its own id")
        return self

    def marks(self) -> tuple[Mark, ...]:
        """The confirmed marks, one for each photograph. Contrast is not stored in the file and is 0."""
        return tuple(
            Mark(m.id, Shot(ShotKind.STILL, p.camera, p.take, p.light), p.u, p.v, p.radius_px, 0.0)
            for m in self.mark
            if m.confirmed
            for p in m.photo
        )


def read_marks(path: Path) -> MarksFile:
    """Read a marks file. Raises TomlError naming every key that is wrong."""
    return read_toml(path, MarksFile)


def write_marks(path: Path, marks: MarksFile, *, heading: Sequence[str] = ()) -> None:
    """Write a marks file, with comment lines for the person who will edit it."""
    lines = [f"# {text}" for text in heading]
    for mark in marks.mark:
        lines += ["", "[[mark]]", f"id = {_quoted(mark.id)}", f"label = {_quoted(mark.label)}"]
        lines += [f"kind = {_quoted(mark.kind)}", f"confirmed = {str(mark.confirmed).lower()}"]
        for photo in mark.photo:
            lines += [
                "  [[mark.photo]]",
                f"  take = {_quoted(photo.take)}",
                f"  light = {_quoted(photo.light)}",
            ]
            lines += [f"  camera = {_quoted(photo.camera)}", f"  u = {photo.u:.2f}", f"  v = {photo.v:.2f}"]
            lines += [f"  radius_px = {photo.radius_px:.2f}"]
    write_atomic(path, "\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def to_lab(image: Image) -> F32:
    """CIELAB (D65) of a BGR sRGB image (H, W, 3): L* 0 to 100, a* and b* in their own units."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB), dtype=np.float32)


def blend_lights(images: Sequence[Image], skin: Bool) -> F32:
    """One CIELAB image (H, W, 3) of the skin as if it were lit evenly, from the same view under several
    lights.

    In every image the slow part of log colour (the light) is divided out; the median over the lights then
    drops cast shadows and highlights, which lie elsewhere under each light (Weiss 2001, intrinsic images by
    the median of filtered logs). Outside `skin` the result means nothing. Raises ValueError without images or
    of unequal sizes.
    """
    if not images:
        raise ValueError("blend_lights got no images; give one for each light")
    if any(i.shape != (*skin.shape, 3) for i in images):
        raise ValueError(f"image sizes {[i.shape for i in images]} differ from the skin mask {skin.shape}")
    box = _bounds(skin, 0)
    inside = skin[box].astype(np.float32)
    spread = max(12.0, 0.02 * max(skin.shape))
    weight = np.maximum(_blur(inside, spread), 1e-4)
    details, levels = [], []
    for image in images:
        log = _LOG_LINEAR[image[box]]
        slow = _blur(log * inside[..., None], spread) / weight[..., None]
        # Where the sensor clipped or saw next to nothing, this light says nothing about the skin.
        top = image[box].max(axis=2)
        unusable = (top > 252) | (top < 15)
        details.append(np.where(unusable[..., None], np.nan, log - slow))
        levels.append(np.median(log[inside > 0], axis=0) if inside.any() else np.zeros(3, np.float32))
    detail = details[0] if len(details) == 1 else _median(details)
    linear = np.exp(np.nan_to_num(detail) + np.max(levels, axis=0))
    lab = np.zeros((*skin.shape, 3), dtype=np.float32)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.clip(linear, 0, 1) ** (1 / 2.4) - 0.055)
    lab[box] = cv2.cvtColor(encoded.astype(np.float32), cv2.COLOR_BGR2LAB)
    return lab


def propose(image: Image | F32, skin: Bool) -> list[Blob]:
    """Blobs that may be birthmarks, strongest first, in a BGR image (uint8) or a CIELAB image (float32).

    Args:
        image: (H, W, 3).
        skin: (H, W), where her skin is.

    Raises ValueError when the sizes differ.
    """
    if image.shape != (*skin.shape, 3):
        raise ValueError(f"image is {image.shape}, the skin mask {skin.shape}; give both of one photograph")
    if not skin.any():
        return []
    lab = to_lab(image.astype(np.uint8)) if image.dtype == np.uint8 else image.astype(np.float32)
    box = _bounds(skin, 2)
    lab, inside = lab[box], skin[box].astype(np.uint8)
    core = np.asarray(cv2.erode(inside, np.ones((3, 3), np.uint8), borderValue=0), dtype=np.uint8)
    # Reddish marks are lighter in L* than they look; half of a* adds them without doubling the noise.
    response, radii = _scale_space(lab[..., 0] - 0.5 * lab[..., 1], core.astype(np.float32))
    peaks = _peaks(response, core.astype(bool))
    blobs = [b for p in peaks if (b := _blob(lab, core, response, radii, p)) is not None]
    blobs.sort(key=lambda b: -b.contrast * b.radius_px**0.5)
    kept: list[Blob] = []
    for b in blobs:
        if all(np.hypot(b.u - k.u, b.v - k.v) > 0.8 * max(b.radius_px, k.radius_px) + 1 for k in kept):
            kept.append(b)
    x0, y0 = box[1].start, box[0].start
    return [Blob(b.u + x0, b.v + y0, b.radius_px, b.contrast, b.colour) for b in kept]


def _bounds(mask: Bool, margin: int) -> tuple[slice, slice]:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(cols[0]) - margin), int(cols[-1]) + 1 + margin),
    )


def _blur(values: F32, sigma: float) -> F32:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)


def _smooth(values: F32, sigma: float) -> F32:
    """Gaussian blur, at half or quarter size where sigma allows it."""
    step = 1 if sigma < 5 else 2 if sigma < 10 else 4
    if step == 1:
        return _blur(values, sigma)
    rows, cols = values.shape
    size = (max(1, cols // step), max(1, rows // step))
    small = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    large = cv2.resize(_blur(small, sigma / step), (cols, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, dtype=np.float32)


def _median(layers: list[F32]) -> F32:
    """Median over the layers (each (H, W, 3)) that are not NaN; 0 where all are."""
    stack = np.sort(np.stack(layers), axis=0)  # NaN goes last
    count = np.isfinite(stack[..., 0]).sum(axis=0)[None, ..., None]
    low = np.take_along_axis(stack, np.maximum((count - 1) // 2, 0), axis=0)[0]
    high = np.take_along_axis(stack, np.maximum(count // 2, 0).clip(max=len(layers) - 1), axis=0)[0]
    return np.where(count[0] > 0, (low + high) / 2, 0).astype(np.float32)


def _scale_space(values: F32, weight: F32) -> tuple[F32, F32]:
    """(S, H, W) responses, positive for dark blobs, of discs of radii (S,) pixels; the value is about the
    contrast.
    """
    count = int(np.ceil(np.log(MAX_RADIUS_PX / MIN_RADIUS_PX) / np.log(_STEP))) + 2
    sigmas = MIN_RADIUS_PX / np.sqrt(2) * _STEP ** (np.arange(count + 1) - 1.0)
    levels = []
    for sigma in sigmas:
        share = _smooth(weight, sigma)
        levels.append(np.where(weight > 0, _smooth(values * weight, sigma) / np.maximum(share, 1e-6), 0))
    smooth = np.stack(levels)
    # exp(-1 / step) - exp(-step) = 0.17 is the peak for a disc of contrast 1; dividing makes the response a contrast.
    response = (smooth[1:] - smooth[:-1]) / np.float32(0.17)
    middle = np.sqrt(sigmas[1:] * sigmas[:-1])
    return response.astype(np.float32), (middle * np.sqrt(2)).astype(np.float32)


def _peaks(response: F32, core: Bool) -> list[tuple[int, int, int]]:
    """(scale, row, column) of local maxima over place and scale, inside the skin."""
    spread = np.stack([cv2.dilate(r, np.ones((3, 3), np.uint8)) for r in response])
    around = spread.copy()
    around[1:] = np.maximum(around[1:], spread[:-1])
    around[:-1] = np.maximum(around[:-1], spread[1:])
    found = (response >= around) & (response > 0.6 * MIN_CONTRAST) & core[None]
    found[0] = found[-1] = False
    return [(int(s), int(r), int(c)) for s, r, c in np.argwhere(found)]


def _blob(lab: F32, core: Image, response: F32, radii: F32, peak: tuple[int, int, int]) -> Blob | None:
    """Measure one peak; None when it is an edge, a line, or too faint against the skin around it."""
    scale, row, col = peak
    radius = float(radii[scale])
    if _is_edge(response[scale], row, col, radius):
        return None
    reach = int(np.ceil(2.6 * radius)) + 2
    rows = slice(max(0, row - reach), min(lab.shape[0], row + reach + 1))
    cols = slice(max(0, col - reach), min(lab.shape[1], col + reach + 1))
    y, x = np.mgrid[rows, cols]
    distance, skin = np.hypot(y - row, x - col), core[rows, cols] > 0
    centre, ring = _zones(distance, radius)
    centre, ring = centre & skin, ring & skin
    # Half the ring must be skin: beside hair, cloth or the silhouette nothing can be compared.
    if ring.sum() < 0.5 * np.pi * ((2.4 * radius + 1.5) ** 2 - (1.45 * radius + 0.5) ** 2):
        return None
    around = np.median(lab[rows, cols][ring], axis=0)
    colour = np.median(lab[rows, cols][centre], axis=0) - around
    contrast = float(np.linalg.norm(colour))
    noise = 1.4826 * float(np.median(np.abs(lab[rows, cols][ring][:, 0] - around[0])))
    if contrast < max(MIN_CONTRAST, 2.0 * noise) or colour[0] - 0.5 * colour[1] > -0.6 * MIN_CONTRAST:
        return None
    if not _is_round(lab[rows, cols], (y - row, x - col), skin, radius):
        return None
    du, dv = _centroid(lab[rows, cols], ring, skin, (x - col, y - row), radius)
    return Blob(col + du, row + dv, radius, contrast, (float(colour[0]), float(colour[1]), float(colour[2])))


def colour_at(image: Image, u: float, v: float, radius: float) -> tuple[F32, float] | None:
    """Colour (3,) of a mark less that of the skin around it, CIELAB, and L* of that skin; None at the picture's edge.

    `image` is (H, W, 3) BGR sRGB; the place is in pixels, its centre at integers.
    """
    reach = int(np.ceil(2.4 * radius)) + 2
    row, col = round(v), round(u)
    if not (reach <= row < image.shape[0] - reach and reach <= col < image.shape[1] - reach):
        return None
    rows, cols = slice(row - reach, row + reach + 1), slice(col - reach, col + reach + 1)
    y, x = np.mgrid[rows, cols]
    lab = to_lab(image[rows, cols])
    centre, ring = _zones(np.hypot(y - v, x - u), radius)
    around = np.median(lab[ring], axis=0)
    return np.asarray(np.median(lab[centre], axis=0) - around, dtype=np.float32), float(around[0])


def _zones(distance: NDArray[np.float64], radius: float) -> tuple[Bool, Bool]:
    """The middle of a mark and the ring of skin around it, from the distance to its centre in pixels."""
    ring = (distance >= 1.45 * radius + 0.5) & (distance <= 2.4 * radius + 1.5)
    return np.asarray(distance <= max(0.6 * radius, 1.0)), np.asarray(ring)


def _is_edge(response: F32, row: int, col: int, radius: float) -> bool:
    """True where the response is much longer than wide (ratio of the Hessian's eigenvalues)."""
    h = max(1, round(0.5 * radius))
    if not (h <= row < response.shape[0] - h and h <= col < response.shape[1] - h):
        return True
    r = response
    xx = r[row, col + h] - 2 * r[row, col] + r[row, col - h]
    yy = r[row + h, col] - 2 * r[row, col] + r[row - h, col]
    xy = (r[row + h, col + h] - r[row + h, col - h] - r[row - h, col + h] + r[row - h, col - h]) / 4
    low, high = np.sort(np.abs(np.linalg.eigvalsh(np.array([[xx, xy], [xy, yy]]))))
    return bool(xx * yy - xy * xy <= 0 or high > _MAX_HESSIAN_RATIO * low)


def _is_round(patch: F32, offset: tuple[NDArray[np.int_], NDArray[np.int_]], skin: Bool, radius: float) -> bool:
    """True when skin on every side is lighter than the middle: the end of a shadow has a dark side, a mark
    has none.
    """
    dy, dx = offset
    distance = np.hypot(dy, dx)
    tone = patch[..., 0] - 0.5 * patch[..., 1]
    middle = float(np.median(tone[skin & (distance <= max(0.6 * radius, 1.0))]))
    ring = skin & (distance >= 1.4 * radius + 0.5) & (distance <= 2.3 * radius + 1.5)
    sector = ((np.arctan2(dy, dx) + np.pi) / (2 * np.pi) * 8).astype(int) % 8
    rise = np.array([np.median(tone[ring & (sector == k)]) - middle for k in range(8) if (ring & (sector == k)).any()])
    return bool(len(rise) >= 5 and rise.min() > _MIN_ROUND * np.median(rise))


def _centroid(
    patch: F32, ring: Bool, skin: Bool, offset: tuple[NDArray[np.int_], NDArray[np.int_]], radius: float
) -> tuple[float, float]:
    """Sub-pixel centre (du, dv) by the darkness-weighted mean within 1.4 radii, against a plane through the ring."""
    dx, dy = offset
    tone = patch[..., 0] - 0.5 * patch[..., 1]
    # Shading that falls off across a mark would draw its centre to the dark side.
    plane = np.stack([np.ones_like(dx), dx, dy], axis=-1).astype(np.float64)
    coefficients = np.linalg.lstsq(plane[ring], tone[ring].astype(np.float64), rcond=None)[0]
    darker = plane @ coefficients - tone
    du = dv = 0.0
    for _ in range(2):
        near = skin & (np.hypot(dx - du, dy - dv) <= 1.4 * radius + 0.5)
        weight = np.where(near, np.maximum(darker - 0.25 * float(darker[near].max(initial=0.0)), 0), 0)
        total = float(weight.sum())
        if total <= 0:
            break
        du, dv = float((weight * dx).sum() / total), float((weight * dy).sum() / total)
    return du, dv
