"""Hair as paint: strands that follow the comb, a soft ragged hair line with fine hairs before it, a parting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capture.stage.head import COMBED, hair_height
from capture.stage.person import Person
from capture.stage.surface import Surface, bell, noise, step

F32 = NDArray[np.float32]
_STRAND_M, _LOCK_M = 0.0011, 0.008


def head_hair(surface: Surface, person: Person, points: F32) -> None:
    """Paint the hair that lies on the head at reference-scale points (h, w, 3) of the torso, in place."""
    x, y, z = (np.ascontiguousarray(points[..., k], dtype=np.float32) for k in range(3))
    across, along = _comb(person, x, y, z)
    above = hair_height(points, person.shape).astype(np.float32)
    above = np.where(z > 1.45, above, np.float32(-1.0))
    seed = 16 * person.seed + 5
    strands = _strands(seed, across, along)
    ragged = 0.0022 * noise(seed + 5, across / np.float32(0.012), along / np.float32(0.05))
    # Each strand begins at a place of its own, so that the line is a fringe and not an edge.
    root = noise(seed + 4, across / np.float32(0.0009), along / np.float32(0.012))
    root += 0.7 * noise(seed + 7, across / np.float32(0.0021), along / np.float32(0.02))
    depth = (above + ragged) / np.float32(0.0052) + np.float32(
        0.36 if person.shape.hair_style in COMBED else 0.6
    ) * root
    cover = step(-0.75, 1.0, depth)
    # Before the line single fine hairs, and the scalp's shade under the first of them.
    fine = step(0.55, 1.5, noise(seed + 6, across / np.float32(0.0010), along / np.float32(0.02)))
    cover = np.maximum(cover, 0.30 * fine * step(-0.012, -0.001, above + ragged))
    surface.tint(0.30 * bell(np.minimum(above, 0), 0.008), (0.74, 0.66, 0.64))
    parting = np.float32(person.shape.parting_y_m)
    gap = bell(y - parting, 0.0016) * step(1.655, 1.67, z) * step(-0.045, -0.02, x)
    gap = gap if person.shape.hair_style not in COMBED else np.zeros_like(gap)
    _lay(surface, person, strands, cover * (1 - 0.75 * gap))
    # Hair is darkest where it lifts off the parting and where it dives under itself at the ends.
    surface.tint(cover * 0.35 * bell(np.abs(y - parting) - 0.004, 0.003) * step(1.655, 1.67, z), (0.7, 0.7, 0.7))
    surface.tint(cover * 0.28 * bell(np.maximum(above, 0), 0.006), (0.62, 0.6, 0.58))


def loose_hair(surface: Surface, person: Person, points: F32) -> None:
    """Paint a tube of hair (knot, tail or fall) at reference-scale points (h, w, 3), in place."""
    height, width = points.shape[:2]
    around = np.linspace(0, 0.36, width, dtype=np.float32)[None].repeat(height, axis=0)
    along = np.linspace(0, 0.35, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    drift = 0.006 * noise(person.seed + 3, around / np.float32(0.05), along / np.float32(0.08))
    strands = _strands(16 * person.seed + 9, around + drift, along)
    _lay(surface, person, strands, np.ones((height, width), dtype=np.float32))


def _comb(person: Person, x: F32, y: F32, z: F32) -> tuple[F32, F32]:
    """Metres across the strands (one value per strand) and along them."""
    if person.shape.hair_style in COMBED:
        # From the brow backward: a strand keeps its angle around an axis through the head.
        return np.arctan2(y, z - np.float32(1.575)) * np.float32(0.075), x
    parting = np.float32(person.shape.parting_y_m)
    crown = np.float32(-0.03)
    # Away from the parting and down; behind the crown the strands fan out.
    fan = np.arctan2(np.minimum(x - crown, 0), np.abs(y - parting) + np.float32(0.004))
    across = np.maximum(x, crown) + np.float32(0.075) * fan + np.where(y > parting, np.float32(0.9), np.float32(0.0))
    along = np.hypot(y - parting, np.minimum(x - crown, 0)) - (z - np.float32(1.70))
    # Ahead of the crown the hair leans back as it falls.
    return (across + np.float32(0.25) * (np.float32(1.66) - z)).astype(np.float32), along.astype(np.float32)


def _strands(seed: int, across: F32, along: F32) -> F32:
    """Light and dark strands in locks, about unit variance."""
    fine = noise(seed, across / np.float32(_STRAND_M), along / np.float32(0.05))
    middle = noise(seed + 1, across / np.float32(0.0030), along / np.float32(0.07))
    lock = noise(seed + 2, across / np.float32(_LOCK_M), along / np.float32(0.10))
    return np.asarray(0.55 * fine + 0.5 * middle + 0.55 * lock, dtype=np.float32)


def _lay(surface: Surface, person: Person, strands: F32, cover: F32) -> None:
    base = np.array(person.hair, dtype=np.float32)
    shade = np.clip(1 + 0.30 * strands, 0.35, 2.0)
    hair = base * shade[..., None]
    # Light strands are also paler.
    hair += (0.10 * np.clip(strands, 0, 2) * float(base.mean()))[..., None]
    surface.lay(cover, hair.astype(np.float32), gloss=1.3, scatter=0.25)
    surface.height[:] *= 1 - cover
    surface.height[:] += cover * (0.0008 + 0.00045 * strands)
