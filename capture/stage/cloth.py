"""Clothes as paint: cover, weave, folds and hems, on the skin of the rest-pose body."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capture.stage.outfit import cloth_height, get_outfit, strap_depth
from capture.stage.surface import Surface, bell, noise, step

F32 = NDArray[np.float32]
_SOFT_M = 0.0008


def clothes(surface: Surface, part: str, outfit_name: str, points: F32) -> None:
    """Dress a patch at reference-scale points (h, w, 3), in place."""
    outfit = get_outfit(outfit_name)
    top, shorts = (np.asarray(depth, dtype=np.float32) for depth in cloth_height(part, points, outfit.cut))
    cover = step(-_SOFT_M, _SOFT_M, top)
    straps = np.asarray(strap_depth(part, points), dtype=np.float32) if outfit.straps else np.full_like(top, -1.0)
    x, y, z = (np.ascontiguousarray(points[..., k], dtype=np.float32) for k in range(3))
    # Cloth shades the skin right beside it.
    edge = np.maximum(np.maximum(top, shorts), straps)
    surface.tint(0.45 * bell(np.minimum(edge, 0), 0.004), (0.62, 0.50, 0.48))
    seed = sum(outfit_name.encode())
    limb = part != "torso"
    around = np.arctan2(x, np.abs(y) - 0.1) * np.float32(0.08) if limb else np.arctan2(y, x) * np.float32(0.12)
    weave = noise(seed, around / np.float32(outfit.weave_m), z / np.float32(outfit.weave_m))
    folds = _folds(seed, around, y, z)
    colour = np.empty_like(surface.albedo)
    colour[:] = outfit.top
    if outfit.stripes > 0:
        dark = step(-0.08, 0.08, np.sin(z * np.float32(2 * np.pi / outfit.stripes)))
        colour += dark[..., None] * (np.array(outfit.shorts, dtype=np.float32) - colour)
    colour *= (1 + 0.035 * weave)[..., None]
    cover = np.maximum(cover, step(-_SOFT_M, _SOFT_M, straps))
    surface.lay(cover, colour, gloss=outfit.gloss, scatter=0.0)
    # A seam runs along the hem, and the cloth lies a little above the skin.
    hem = bell(np.minimum(top, 0.03) - 0.007, 0.0007) * cover + 0.6 * bell(np.minimum(top, 0.02), 0.0015) * cover
    surface.tint(0.45 * hem, (0.5, 0.5, 0.5))
    below = step(-_SOFT_M, _SOFT_M, shorts)
    trousers = np.array(outfit.shorts, dtype=np.float32) * (1 + 0.06 * weave)[..., None]
    surface.lay(below, trousers, gloss=0.35, scatter=0.0)
    waist = bell(np.minimum(shorts, 0.05) - 0.026, 0.0009) * below if not limb else np.zeros_like(below)
    surface.tint(0.5 * waist, (0.5, 0.5, 0.5))
    worn = np.maximum(cover, below)
    surface.height[:] *= 1 - worn
    surface.height[:] += worn * (0.0012 + outfit.folds * folds + 0.00003 * weave)


def _folds(seed: int, around: F32, y: F32, z: F32) -> F32:
    """Relief of folds in metres: pulled from the bust to the sides, and gathered at the waist."""
    slant = z + np.float32(0.35) * np.abs(y)
    pulled = noise(seed + 1, around / np.float32(0.10), slant / np.float32(0.028))
    gathered = noise(seed + 2, around / np.float32(0.022), z / np.float32(0.09)) * bell(z - 1.05, 0.05)
    crumpled = noise(seed + 3, around / np.float32(0.03), z / np.float32(0.022))
    return np.asarray(0.0016 * pulled + 0.0016 * gathered + 0.0005 * crumpled, dtype=np.float32)
