"""Bare skin: zones of colour, mottling, pores, freckles and veins, as functions of the place on the rest-pose body."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capture.stage.body import Tube
from capture.stage.head import EAR_Z, NOSE_TIP_Z, jaw_height
from capture.stage.person import Person
from capture.stage.surface import Surface, bell, noise, step

F32 = NDArray[np.float32]

_RED, _PALE, _BLUE = (1.10, 0.91, 0.90), (1.02, 1.03, 0.93), (0.90, 0.98, 1.05)
_PORE_M, _MOTTLE_M, _BLOTCH_M = 0.0011, 0.007, 0.030


def skin(surface: Surface, person: Person, tube: Tube, points: F32) -> None:
    """Paint a patch as bare skin at reference-scale points (h, w, 3), in place."""
    x, y, z = (np.ascontiguousarray(points[..., k]) for k in range(3))
    # A cylinder unrolled: noise has no seam but at the back, where the columns begin.
    across, along = _unrolled(tube, points)
    seed = 16 * person.seed + 3 * len(tube.name)
    _mottle(surface, seed, across, along)
    if tube.name == "torso":
        _zones(surface, x, y, z)
    elif tube.name.startswith("arm"):
        surface.tint(0.7 * bell(z - 1.06, 0.035) + step(0.86, 0.80, z), _RED)
    elif tube.name.startswith("finger"):
        surface.tint(np.full_like(z, 0.8), _RED)
    if tube.name in ("torso", "arm_left", "arm_right"):
        _freckles(surface, person, seed, (across, along), z)
        _veins(surface, person, tube, points)


def _unrolled(tube: Tube, points: F32) -> tuple[F32, F32]:
    """Metres around the tube and along it, (h, w) each."""
    middle = points.mean(axis=1, keepdims=True)
    radius = np.linalg.norm(points - middle, axis=2).mean(axis=1)
    width = points.shape[1]
    # One radius for all rows, or the noise would shear where the body widens; that of the neck, to suit the face.
    turn = np.linspace(-np.pi, np.pi, width, dtype=np.float32)
    radius = np.full_like(radius, min(float(np.median(radius)), 0.08))
    seam = np.linalg.norm(np.diff(middle[:, 0], axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(seam)]).astype(np.float32)
    return np.outer(radius, turn).astype(np.float32), np.repeat(along[:, None], width, axis=1)


def _mottle(surface: Surface, seed: int, across: F32, along: F32) -> None:
    def layer(k: int, cell: float) -> F32:
        return noise(seed + k, across / np.float32(cell), along / np.float32(cell))

    pores, mottle, blotch = layer(1, _PORE_M), layer(2, _MOTTLE_M), layer(3, _BLOTCH_M)
    red = 0.6 * layer(4, 0.016) + 0.4 * layer(5, 0.004)
    shade = 1 + 0.012 * pores + 0.012 * mottle + 0.016 * blotch
    surface.albedo[:] *= shade[..., None]
    for channel, by in enumerate((0.014, -0.018, -0.014)):
        surface.albedo[..., channel] *= 1 + np.float32(by) * red
    surface.height[:] += np.float32(0.000018) * pores + np.float32(0.00004) * mottle
    surface.gloss[:] *= 1 + 0.10 * mottle


def _zones(surface: Surface, x: F32, y: F32, z: F32) -> None:
    """Forehead yellower; cheeks, nose, ears, chin and chest redder; the lower face a little greyer."""
    side, front = np.abs(y), step(0.0, 0.04, x)
    cheek = bell(side - 0.042, 0.020) * bell(z - 1.566, 0.020)
    nose = bell(y, 0.013) * bell(z - NOSE_TIP_Z, 0.015)
    chin = bell(y, 0.016) * bell(z - 1.503, 0.011)
    ear = step(0.055, 0.066, side) * bell(z - EAR_Z, 0.026) * bell(x, 0.035)
    _ear(surface, x, side, z)
    # Under the jaw, from ear to ear, it is always darker.
    jaw = jaw_height(np.abs(np.arctan2(y, x)))
    under = step(0.001, -0.009, z - jaw) * step(1.435, 1.470, z) * step(-0.02, 0.02, x)
    surface.tint(0.55 * under, (0.70, 0.62, 0.60))
    surface.height[:] -= 0.0022 * step(0.004, -0.006, z - jaw) * step(1.44, 1.47, z) * step(-0.01, 0.02, x)
    surface.tint(front * np.clip(0.75 * cheek + 0.85 * nose + 0.4 * chin, 0, 1) + ear, _RED)
    surface.tint(0.35 * front * step(1.42, 1.37, z) * step(1.26, 1.31, z), _RED)
    surface.tint(front * step(1.610, 1.632, z) * step(1.665, 1.65, z), _PALE)
    surface.tint(0.6 * front * bell(side - 0.026, 0.022) * bell(z - 1.512, 0.016), _BLUE)
    oil = front * (bell(y, 0.022) * bell(z - 1.636, 0.018) + bell(y, 0.007) * bell(z - 1.570, 0.026))
    surface.gloss[:] += oil * 1.3 + 0.5 * front * bell(side - 0.040, 0.014) * bell(z - 1.580, 0.012)
    surface.gloss[:] += 0.4 * front * bell(z - 1.375, 0.02) + 0.3 * step(0.10, 0.13, side) * bell(z - 1.37, 0.03)


def _ear(surface: Surface, x: F32, side: F32, z: F32) -> None:
    """Rim, hollow and shade behind of both ears; hair that lies over them is painted later."""
    fore, up = (x + np.float32(0.010)) / np.float32(0.0165), (z - np.float32(EAR_Z)) / np.float32(0.029)
    here = step(0.050, 0.060, side)
    radius = np.hypot(fore + 0.18 * up, up)
    rim = bell(radius - 0.86, 0.20) * step(0.75, 0.35, fore) * here
    hollow = bell(np.hypot(fore - 0.12, 1.25 * (up + 0.05)), 0.42) * here
    groove = bell(radius - 0.60, 0.13) * step(0.35, -0.1, fore) * step(-0.5, -0.1, up) * here
    surface.height[:] += 0.0022 * rim - 0.0028 * hollow - 0.0010 * groove
    surface.tint(0.65 * hollow + 0.45 * groove, (0.60, 0.46, 0.43))
    behind = bell(radius - 1.18, 0.14) * step(0.1, -0.4, fore) * here
    surface.tint(0.55 * behind, (0.60, 0.48, 0.46))


def _freckles(surface: Surface, person: Person, seed: int, at: tuple[F32, F32], z: F32) -> None:
    """Small, low in contrast, dense on the nose, cheeks and shoulders; fewer on dark skin."""
    if person.freckles <= 0:
        return
    across, along = at
    here = 0.25 + 0.75 * bell(z - 1.572, 0.022) + 0.5 * bell(z - 1.36, 0.06)
    total = np.zeros_like(z)
    # Peaks of noise at two sizes are spots of 1 to 2.5 mm.
    for k, (cell, weight) in enumerate(((0.0016, 1.0), (0.0024, 0.8))):
        spots = noise(seed + 8 + k, across / np.float32(cell), along / np.float32(cell))
        limit = np.float32(3.0) - np.float32(1.5 * person.freckles) * here.astype(np.float32)
        total += np.float32(weight) * np.clip((spots - limit) * np.float32(1.1), 0, 1)
    surface.tint(np.clip(total, 0, 1), (0.90, 0.83, 0.77))


def _veins(surface: Surface, person: Person, tube: Tube, points: F32) -> None:
    """Branching blue-green lines: inner forearm, hand, neck and temple; nearly gone on dark skin."""
    strength = 0.75 * np.clip((person.skin_lab[0] - 35) / 45, 0.05, 1)
    rng = np.random.default_rng([person.seed, len(tube.name), 0x7E1])
    lines = np.zeros(points.shape[:2], dtype=np.float32)
    for start, heading, length in _vein_paths(tube.name, person.shape.limbs):
        _grow(lines, points, (np.array(start), np.array(heading)), length, rng)
    surface.tint(np.clip(lines, 0, 1) * np.float32(strength), (0.86, 0.955, 0.97))


def _vein_paths(name: str, limbs: float) -> tuple[tuple[tuple[float, ...], tuple[float, ...], float], ...]:
    """Start and heading (reference metres) and length of each vein of a tube."""
    if name == "torso":
        return (
            ((0.045, 0.062, 1.628), (0.4, -0.1, -1.0), 0.030), ((0.045, -0.062, 1.625), (0.5, 0.1, -1.0), 0.026),
            ((0.02, 0.050, 1.47), (0.1, 0.2, -1.0), 0.06), ((0.03, -0.048, 1.46), (0.1, -0.3, -1.0), 0.05),
            ((0.07, 0.05, 1.33), (0.0, 0.5, -1.0), 0.07), ((0.07, -0.06, 1.34), (0.0, -0.6, -1.0), 0.06),
        )  # fmt: skip
    side = 1.0 if name == "arm_left" else -1.0
    return (
        ((0.03, side * 0.245, 1.02), (0.06, side * 0.25, -1.0), 0.17 * limbs),
        ((0.05, side * 0.265, 1.00), (0.05, side * 0.3, -1.0), 0.15 * limbs),
        ((0.04, side * 0.36, 0.80), (0.1, side * 0.2, -1.0), 0.06),
    )


def _grow(
    lines: F32, points: F32, start: tuple[NDArray[np.float64], NDArray[np.float64]], length: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Draw one wandering line with a branch, where the surface lies nearest to it."""
    at, heading = start
    heading = heading / np.linalg.norm(heading)
    for k in range(max(int(length / 0.003), 2)):
        heading = heading + rng.normal(0, 0.16, 3)
        heading /= np.linalg.norm(heading)
        at = at + 0.003 * heading
        if k == 0:
            flat = np.abs(points[::4, ::4] - at.astype(np.float32)).sum(axis=2)
            row, col = np.unravel_index(int(flat.argmin()), flat.shape)
            place = (int(row) * 4, int(col) * 4)
        place = _nearest(points, at, place)
        at = points[place].astype(np.float64)
        _dab(lines, points, place, 0.6 + 0.4 * float(np.sin(0.5 * k + 1)))


def _nearest(points: F32, at: NDArray[np.float64], place: tuple[int, int]) -> tuple[int, int]:
    r0, c0 = max(place[0] - 8, 0), max(place[1] - 8, 0)
    near = points[r0 : place[0] + 9, c0 : place[1] + 9] - at.astype(np.float32)
    row, col = np.unravel_index(int((near**2).sum(axis=2).argmin()), near.shape[:2])
    return r0 + int(row), c0 + int(col)


def _dab(lines: F32, points: F32, place: tuple[int, int], weight: float) -> None:
    r0, c0 = max(place[0] - 5, 0), max(place[1] - 5, 0)
    window = np.s_[r0 : place[0] + 6, c0 : place[1] + 6]
    distance = np.linalg.norm(points[window] - points[place], axis=2)
    lines[window] = np.maximum(lines[window], np.float32(weight) * bell(distance, 0.0019))
