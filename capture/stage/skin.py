"""Paint on the body: skin, face, hair, clothes and birthmarks, in linear albedo on one texture atlas.

Every feature is a function of the true position of a texel on the rest-pose body, so sizes are in metres and marks are
round on the skin whatever the texture does.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.body import ATLAS, Tube, build_body
from capture.stage.head import EYE_Y, EYE_Z, MOUTH_Z, NOSE_TIP_Z, hair_height
from capture.stage.outfit import cloth_height, get_outfit, strap_depth
from capture.stage.person import Person, StageMark
from capture.stage.tone import Rgb

F32 = NDArray[np.float32]


def _step(edge0: float, edge1: float, x: F32) -> F32:
    t = np.clip((x - edge0) / (edge1 - edge0), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def _blend(image: F32, alpha: F32, colour: Rgb) -> None:
    """image = image*(1-alpha) + colour*alpha, in place."""
    image += alpha[..., None] * (np.array(colour, dtype=np.float32) - image)


def spread_to_patch(grid: NDArray[np.floating], tube: Tube, step: int = 1) -> F32:
    """Values of a tube grid (R, C, K) at every texel of its patch (h/step, w/step, K), bilinear."""
    rows, cols = grid.shape[:2]
    x0, y0, width, height = tube.patch
    first, last = tube.uv[0, 0], tube.uv[-1, -1]
    u = (np.arange(width // step) + 0.5) * step - 0.5 + x0
    v = (np.arange(height // step) + 0.5) * step - 0.5 + y0
    column = np.clip((u - first[0]) / (last[0] - first[0]), 0, 1) * (cols - 1)
    row = np.clip((v - first[1]) / (last[1] - first[1]), 0, 1) * (rows - 1)
    maps = np.meshgrid(column.astype(np.float32), row.astype(np.float32))
    spread = cv2.remap(grid.astype(np.float32), maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(spread, dtype=np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> F32:
    """Smooth noise of about unit variance, (h, w), with the given number of cells down and across."""
    coarse = rng.standard_normal(cells).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _skin(person: Person, patch_shape: tuple[int, int], rng: np.random.Generator) -> F32:
    base = np.array(person.skin, dtype=np.float32)
    cells = (max(patch_shape[0] // 60, 3), max(patch_shape[1] // 60, 3))
    shade = 1 + 0.025 * _noise(rng, patch_shape, cells)
    fine = 1 + 0.010 * _noise(rng, patch_shape, (patch_shape[0] // 6, patch_shape[1] // 6))
    image = base * (shade * fine)[..., None]
    red = 0.03 * _noise(rng, patch_shape, cells)
    image[..., 0] *= 1 + red
    image[..., 2] *= 1 - red
    return image.astype(np.float32)


def _paint_eyes(image: F32, person: Person, x: F32, y: F32, z: F32) -> None:
    for index, side in enumerate((1.0, -1.0)):
        dy, dz = side * y - EYE_Y, z - EYE_Z
        width = person.face.eye_width * (1.0 + 0.03 * side)
        reach = np.clip(1 - (dy / width) ** 2, 0, 1)
        # The outer corner sits a little higher than the inner one.
        lift = dz - 0.06 * dy
        upper, lower = 0.0068 * reach, -0.0048 * reach
        inside = _step(-0.0005, 0.0005, np.minimum(upper - lift, lift - lower).astype(np.float32))
        inside *= (np.abs(dy) < width).astype(np.float32)
        socket = 0.30 * np.exp(-((dy / 0.019) ** 2) - ((dz - 0.003) / 0.011) ** 2).astype(np.float32)
        _blend(image, socket, tuple(0.45 * c for c in person.skin))  # type: ignore[arg-type]
        _blend(image, inside, (0.72, 0.70, 0.68))
        radius = np.hypot(dy, lift - 0.0006)
        _blend(image, inside * _step(0.0066, 0.0058, radius.astype(np.float32)), person.face.iris)
        _blend(image, inside * _step(0.0030, 0.0024, radius.astype(np.float32)), (0.005, 0.005, 0.005))
        lash = _step(0.0016, 0.0007, np.abs(lift - upper - 0.0003).astype(np.float32))
        lash *= _step(width + 0.002, width, np.abs(dy).astype(np.float32))
        _blend(image, 0.9 * lash, (0.012, 0.009, 0.008))
        arch = EYE_Z + person.face.brow_height[index] + 0.004 * (1 - ((dy - 0.004) / 0.020) ** 2)
        brow = _step(0.0030, 0.0014, np.abs(z - arch).astype(np.float32))
        brow *= _step(0.022, 0.018, np.abs(dy - 0.001).astype(np.float32))
        _blend(image, 0.85 * brow, tuple(0.6 * c for c in person.hair))  # type: ignore[arg-type]


def _paint_mouth_and_nose(image: F32, person: Person, y: F32, z: F32) -> None:
    across = y / person.face.lip_width
    level = z - MOUTH_Z - person.face.mouth_tilt * y
    reach = np.clip(1 - across**2, 0, 1)
    # A cupid's bow: the upper lip dips in the middle.
    upper = (0.0078 - 0.0018 * np.exp(-((y / 0.004) ** 2))) * reach
    lips = _step(-0.0006, 0.0006, np.minimum(upper - level, level + 0.0090 * reach**0.7).astype(np.float32))
    lips *= (np.abs(across) < 1).astype(np.float32)
    _blend(image, lips, person.face.lips)
    line = _step(0.0011, 0.0004, np.abs(level).astype(np.float32)) * (np.abs(across) < 1.02)
    _blend(image, 0.8 * line.astype(np.float32), tuple(0.25 * c for c in person.face.lips))  # type: ignore[arg-type]
    nostril = np.hypot((np.abs(y) - 0.0070) / 0.0042, (z - NOSE_TIP_Z + 0.0085) / 0.0026)
    _blend(image, 0.75 * _step(1.2, 0.7, nostril.astype(np.float32)), tuple(0.18 * c for c in person.skin))  # type: ignore[arg-type]
    wing = np.exp(-(((np.abs(y) - 0.016) / 0.0035) ** 2) - ((z - NOSE_TIP_Z) / 0.009) ** 2)
    _blend(image, 0.30 * wing.astype(np.float32), tuple(0.4 * c for c in person.skin))  # type: ignore[arg-type]
    blush = np.exp(-(((np.abs(y) - 0.045) / 0.018) ** 2) - ((z - 1.570) / 0.016) ** 2)
    _blend(image, person.face.blush * blush.astype(np.float32), person.face.lips)


def _paint_face(image: F32, person: Person, points: F32) -> None:
    """Eyes, brows, mouth, nose shadow and blush on reference-scale torso points (h, w, 3), in place."""
    here = (points[..., 2] > 1.49) & (points[..., 2] < 1.64) & (points[..., 0] > 0.02)
    rows, cols = np.flatnonzero(here.any(axis=1)), np.flatnonzero(here.any(axis=0))
    window = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    x, y, z = (points[window][..., k] for k in range(3))
    part = image[window]
    _paint_eyes(part, person, x, y, z)
    _paint_mouth_and_nose(part, person, y, z)


def _paint_hair(image: F32, person: Person, points: F32, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    ragged = 0.0025 * _noise(rng, (height, width), (24, 160))
    strands = _noise(rng, (height, width), (10, 220))
    above = hair_height(points, person.shape).astype(np.float32) + ragged
    cover = _step(-0.0015, 0.0025, above) * (points[..., 2] > 1.45)
    parting = np.exp(-(((points[..., 1] - person.shape.parting_y_m) / 0.003) ** 2)) * (points[..., 2] > 1.66)
    shade = (1 + 0.22 * strands) * (1 - 0.35 * parting * (points[..., 0] > -0.04))
    hair = np.array(person.hair, dtype=np.float32) * np.clip(shade, 0.4, 1.8)[..., None].astype(np.float32)
    image += cover[..., None] * (hair - image)


def _paint_clothes(image: F32, part: str, outfit_name: str, points: F32) -> None:
    outfit = get_outfit(outfit_name)
    top, shorts = cloth_height(part, points)
    soft = 0.0008
    cover = _step(-soft, soft, top.astype(np.float32))
    colour = np.broadcast_to(np.array(outfit.top, dtype=np.float32), image.shape).copy()
    if outfit.stripes > 0:
        dark = _step(-0.08, 0.08, np.sin(points[..., 2] * 2 * np.pi / outfit.stripes).astype(np.float32))
        _blend(colour, dark, outfit.shorts)
    if outfit.straps:
        cover = np.maximum(cover, _step(-soft, soft, strap_depth(part, points).astype(np.float32)))
    image += cover[..., None] * (colour - image)
    # A darker seam along the hem keeps the edge readable when cloth and skin are alike.
    hem = np.exp(-((np.minimum(top, 0.02) / 0.003 - 1) ** 2)).astype(np.float32) * cover
    _blend(image, 0.35 * hem, tuple(0.4 * c for c in outfit.top))  # type: ignore[arg-type]
    _blend(image, _step(-soft, soft, shorts.astype(np.float32)), outfit.shorts)


def mark_alpha(mark: StageMark, points: F32) -> F32:
    """Opacity in [0, 1] of a mark at canonical points (..., 3) in metres, by distance along the tangent plane."""
    offset = points - np.array(mark.position, dtype=np.float32)
    normal = np.array(mark.normal)
    helper = np.array([0.0, 0.0, 1.0]) if abs(normal[2]) < 0.8 else np.array([1.0, 0.0, 0.0])
    e1 = np.cross(helper, normal)
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(normal, e1)
    across, along = offset @ e1.astype(np.float32), offset @ e2.astype(np.float32)
    turns = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    outline = mark.diameter_m / 2 * _outline(mark, turns.astype(np.float32))
    # Moved so that the centroid of the blot, not the centre of its angles, is the mark's position.
    weight = outline**3 / (1.5 * float((outline**2).sum()))
    across += float((weight * np.cos(turns)).sum())
    along += float((weight * np.sin(turns)).sum())
    radius = mark.diameter_m / 2 * _outline(mark, np.arctan2(along, across))
    # On a curved body the straight distance counts, so that nothing is painted on the far side.
    depth = offset @ normal.astype(np.float32)
    distance = np.sqrt(across**2 + along**2 + depth**2)
    soft = max(0.00045, 0.045 * mark.diameter_m / 2)
    return (1 / (1 + np.exp(np.clip((distance - radius) / soft, -30, 30)))).astype(np.float32)


def _outline(mark: StageMark, angle: F32) -> F32:
    """Radius of the outline at angles, as a factor around 1: a few harmonics of falling size."""
    rng = np.random.default_rng(mark.outline_seed)
    size = 0.04 if mark.kind == "mole" else 0.11
    factor = np.ones_like(angle)
    for k in range(2, 10):
        amplitude, phase = float(rng.normal(0, size) * (2 / k) ** 1.1), float(rng.uniform(0, 2 * np.pi))
        factor += amplitude * np.cos(k * angle + phase)
    return np.clip(factor, 0.6, 1.5)


def _paint_marks(image: F32, person: Person, tube: Tube, points: F32) -> None:
    for mark in person.marks:
        if mark.part != tube.name:
            continue
        reach = 0.8 * mark.diameter_m + 0.004
        near = np.max(np.abs(points[::4, ::4] - np.array(mark.position, dtype=np.float32)), axis=-1) < reach + 0.012
        rows, cols = np.flatnonzero(near.any(axis=1)) * 4, np.flatnonzero(near.any(axis=0)) * 4
        if len(rows) == 0:
            continue
        window = np.s_[max(rows[0] - 4, 0) : rows[-1] + 5, max(cols[0] - 4, 0) : cols[-1] + 5]
        _blend(image[window], mark_alpha(mark, points[window]), mark.colour)


@lru_cache(maxsize=6)
def paint(person: Person, outfit_name: str) -> F32:
    """The texture atlas (1024, 1024, 3) of a dressed person: linear RGB albedo, read-only."""
    atlas = np.zeros((ATLAS, ATLAS, 3), dtype=np.float32)
    for index, tube in enumerate(build_body(person.shape)):
        rng = np.random.default_rng([person.seed, 7, index])
        x0, y0, width, height = tube.patch
        points = spread_to_patch(tube.points, tube)
        reference = points / np.float32(person.shape.scale)
        image = _skin(person, (height, width), rng)
        if tube.name == "bun":
            image[:] = np.array(person.hair, dtype=np.float32)
            image *= np.clip(1 + 0.2 * _noise(rng, (height, width), (6, 60)), 0.4, 1.8)[..., None]
        if tube.name == "torso":
            _paint_face(image, person, reference)
        _paint_marks(image, person, tube, points)
        if tube.name == "torso":
            # Rows run from the crown down: hair above the collar bones, cloth below the chin.
            collar = int(np.argmax(reference[:, 0, 2] < 1.40))
            chin = int(np.argmax(reference[:, 0, 2] < 1.47))
            _paint_hair(image[:collar], person, reference[:collar], rng)
            _paint_clothes(image[chin:], tube.name, outfit_name, reference[chin:])
        if tube.name.startswith("leg"):
            _paint_clothes(image, tube.name, outfit_name, reference)
        atlas[y0 : y0 + height, x0 : x0 + width] = image
    np.clip(atlas, 0.0, 1.0, out=atlas)
    atlas.setflags(write=False)
    return atlas
