"""Birthmarks and moles as paint and relief: each with its centroid exactly at the mark's position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capture.stage.body import Tube
from capture.stage.person import Person, StageMark
from capture.stage.surface import Surface, noise

F32 = NDArray[np.float32]

_HARD = 0.00045  # metres, the softest edge of the smallest mark
# Share of the radius over which the edge of each kind fades, and how uneven its colour is.
_SOFT = {"mole": 0.10, "raised": 0.10, "pale": 0.16, "faint": 0.22, "cafe-au-lait": 0.07, "port-wine": 0.12}
_UNEVEN = {"mole": 0.10, "raised": 0.06, "pale": 0.0, "faint": 0.0, "nevus": 0.22, "port-wine": 0.14}
_RELIEF = {"raised": 0.17, "mole": 0.03, "nevus": 0.012}  # height at the middle, in diameters
_RELIEF_M = 0.0016


def _tangent(mark: StageMark, points: F32) -> tuple[F32, F32, F32]:
    """Offsets of canonical points (..., 3) from a mark: across, along the skin, and out of it; metres."""
    offset = points - np.array(mark.position, dtype=np.float32)
    normal = np.array(mark.normal)
    pole = np.array([0.0, 0.0, 1.0]) if abs(normal[2]) < 0.8 else np.array([1.0, 0.0, 0.0])
    e1 = np.cross(pole, normal)
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(normal, e1)
    across, along, out = (offset @ axis.astype(np.float32) for axis in (e1, e2, normal))
    return across, along, out


def _distance(mark: StageMark, points: F32) -> tuple[F32, F32]:
    """Metres from the middle of the blot, and the radius of its outline that way."""
    across, along, depth = _tangent(mark, points)
    turns = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    outline = mark.diameter_m / 2 * _outline(mark, turns.astype(np.float32))
    # Moved so that the centroid of the blot, not the centre of its angles, is the mark's position.
    weight = outline**3 / (1.5 * float((outline**2).sum()))
    across += float((weight * np.cos(turns)).sum())
    along += float((weight * np.sin(turns)).sum())
    radius = mark.diameter_m / 2 * _outline(mark, np.arctan2(along, across))
    # On a curved body the straight distance counts, so that nothing is painted on the far side.
    return np.sqrt(across**2 + along**2 + depth**2), radius


def mark_alpha(mark: StageMark, points: F32) -> F32:
    """Opacity in [0, 1] of a mark at canonical points (..., 3) in metres, by distance along the tangent plane."""
    distance, radius = _distance(mark, points)
    soft = max(_HARD, _SOFT.get(mark.kind, 0.07) * mark.diameter_m / 2)
    return (1 / (1 + np.exp(np.clip((distance - radius) / soft, -30, 30)))).astype(np.float32)


def _outline(mark: StageMark, angle: F32) -> F32:
    """Radius of the outline at angles, as a factor around 1: a few harmonics of falling size."""
    rng = np.random.default_rng(mark.outline_seed)
    size = 0.04 if mark.diameter_m < 0.013 else 0.11
    factor = np.ones_like(angle)
    for k in range(2, 12):
        amplitude, phase = float(rng.normal(0, size) * (2 / k) ** 1.1), float(rng.uniform(0, 2 * np.pi))
        factor += amplitude * np.cos(k * angle + phase)
    return np.clip(factor, 0.6, 1.5)


def _colour(mark: StageMark, points: F32) -> F32:
    """The mark's colour (h, w, 3), uneven in a way that is the same on opposite sides and so moves no centroid."""
    uneven = _UNEVEN.get(mark.kind, 0.10)
    across, along, _ = _tangent(mark, points)
    cell = np.float32(max(0.0022, mark.diameter_m / 9))
    seed = mark.outline_seed % 65521
    here = noise(seed, across / cell, along / cell) + noise(seed, -across / cell, -along / cell)
    shade = np.clip(1 + np.float32(0.5 * uneven) * here, 0.6, 1.5)
    return np.asarray(shade[..., None] * np.array(mark.colour, dtype=np.float32), dtype=np.float32)


def paint_marks(surface: Surface, person: Person, tube: Tube, points: F32) -> None:
    """Paint her marks on a patch of canonical points (h, w, 3), in place."""
    for mark in person.marks:
        if mark.part != tube.name:
            continue
        reach = 0.8 * mark.diameter_m + 0.004
        near = np.max(np.abs(points[::4, ::4] - np.array(mark.position, dtype=np.float32)), axis=-1) < reach + 0.012
        rows, cols = np.flatnonzero(near.any(axis=1)) * 4, np.flatnonzero(near.any(axis=0)) * 4
        if len(rows) == 0:
            continue
        window = np.s_[max(rows[0] - 4, 0) : rows[-1] + 5, max(cols[0] - 4, 0) : cols[-1] + 5]
        part, here = surface.part(window), points[window]
        part.lay(mark_alpha(mark, here), _colour(mark, here), gloss=1.5 if mark.kind == "raised" else 1.0)
        rise = min(_RELIEF.get(mark.kind, 0.0) * mark.diameter_m, _RELIEF_M)
        if rise > 0:
            distance, radius = _distance(mark, here)
            part.height[:] += np.float32(rise) * np.sqrt(np.clip(1 - np.square(distance / radius), 0, 1))
