"""Photometric stereo: surface normals and albedo of each pixel from stills of one pose under several known lights.

Woodham 1980, with two additions. Paper and skin are also lit from everywhere: the ambient share, which the chart
measured, is part of the model. And shadows and shine are no noise: each round weighs an equation by one over its error
(least absolute deviations by reweighting, after Wu et al., "Robust photometric stereo via low-rank matrix completion
and recovery", 2010), and what stays far off is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.pose import Floats

ROUNDS = 30
_LEAST = 0.01  # of the pixel's median light: an error below it counts as this
_SHADOW, _SHINE = 0.6, 1.6  # of what the model says: darker is shadow, brighter is shine
_STEADY = 1e-3  # pull to the last estimate, where too few lights reach a pixel
_LEAST_SPREAD = 0.02  # smallest eigenvalue of the lights that reach a pixel: three within 15 degrees have less


@dataclass(frozen=True, eq=False)
class Lighting:
    """The lights of a stack of pictures, one row each."""

    directions: Floats  # (L, 3) unit vectors toward the lights
    intensity: Floats  # (L,) light on a surface that faces it
    ambient: Floats  # (L,) light from everywhere


@dataclass(frozen=True, eq=False)
class Surface:
    """What the shading of N pixels says of the surface there."""

    normals: Floats  # (N, 3) unit vectors, world
    albedo: Floats  # (N,)
    misfit: Floats  # (N,) median error of the equations, relative to the pixel's median light
    certain: NDArray[np.bool_]  # (N,) three lights or more in general position fit

    def shading(self, direction: Floats, intensity: float, ambient: float) -> Floats:
        """Light (N,) that these pixels would send back under one light; cast shadows are not known."""
        return np.asarray(self.albedo * (intensity * np.maximum(self.normals @ direction, 0) + ambient))


def fit_normals(
    light: Floats, usable: NDArray[np.bool_], lighting: Lighting, view: Floats, *, rounds: int = ROUNDS
) -> Surface:
    """Normals of N pixels from linear light (L, N) under L lights; `usable` (L, N) is False where a picture is clipped.

    `view` (3,) points from her to the camera: what is seen is turned to it. Raises ValueError for fewer than three
    lights or arrays that do not belong together.
    """
    count = len(lighting.directions)
    if count < 3 or light.shape != usable.shape or light.shape[0] != count:
        raise ValueError(
            f"photometric stereo has {count} lights and pictures of shape {light.shape} and {usable.shape}; "
            "give at least three lights and one row for each"
        )
    scale = np.maximum(np.median(light, axis=0), 1e-4)
    whole = float(np.mean(lighting.intensity + lighting.ambient))
    b = (scale / whole)[:, None] * view
    keep = usable.copy()
    for turn in range(rounds):
        model, predicted = _model(b, lighting)
        error = light - predicted
        if turn >= rounds // 3:  # by then the estimate is near enough to judge
            ratio = light / np.maximum(predicted, 1e-6)
            keep = usable & (ratio > _SHADOW) & (ratio < _SHINE)
        weight = keep / np.maximum(np.abs(error) / scale, _LEAST)
        b = _turned(_solve(model, light, weight, b), view)
    model, predicted = _model(b, lighting)
    error = np.where(keep, np.abs(light - predicted) / scale, np.nan)
    reached = keep & (lighting.directions @ b.T > 0)
    spread = np.einsum("ln,li,lj->nij", reached.astype(float), lighting.directions, lighting.directions)
    certain = (keep.sum(axis=0) >= 3) & (np.linalg.eigvalsh(spread)[:, 0] > _LEAST_SPREAD)
    albedo = np.linalg.norm(b, axis=1)
    misfit = np.full(light.shape[1], np.inf)
    known = keep.any(axis=0)
    misfit[known] = np.nanmedian(error[:, known], axis=0)
    return Surface(b / albedo[:, None], albedo, misfit, certain)


def rank_lights(
    light: Floats, usable: NDArray[np.bool_], surface: Surface, lamps: Mapping[str, tuple[Floats, float, float]]
) -> dict[str, float]:
    """How badly each lamp explains one picture: linear light (N,) at the pixels of a surface, best lamp first.

    `lamps` gives direction, intensity and ambient light by name. Brightness as a whole is free, so that a lamp is told
    by where it comes from. The misfit is the median relative error; cast shadows are a minority.
    """
    keep = usable & surface.certain
    misfits = {}
    for name, (direction, intensity, ambient) in lamps.items():
        expected = surface.shading(direction, intensity, ambient)
        good = keep & (expected > 1e-5)
        if good.sum() < 50:
            continue
        gain = float(np.median(light[good] / expected[good]))
        misfits[name] = float(np.median(np.abs(light[good] / (gain * expected[good]) - 1)))
    return dict(sorted(misfits.items(), key=lambda item: item[1]))


def lighting_of(lamps: Sequence[tuple[Floats, float, float]]) -> Lighting:
    """Directions, intensities and ambient lights as arrays."""
    directions, intensity, ambient = zip(*lamps, strict=True)
    return Lighting(np.array(directions), np.array(intensity), np.array(ambient))


def _model(b: Floats, lighting: Lighting) -> tuple[Floats, Floats]:
    """The equations (L, N, 3) that are linear in b (N, 3) near it, and what they predict (L, N)."""
    normal = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-9)
    lit = (lighting.directions @ normal.T > 0)[..., None]
    model = lighting.intensity[:, None, None] * lit * lighting.directions[:, None, :]
    model = model + lighting.ambient[:, None, None] * normal[None]
    return model, np.einsum("lni,ni->ln", model, b)


def _solve(model: Floats, light: Floats, weight: Floats, b: Floats) -> Floats:
    matrix = np.einsum("ln,lni,lnj->nij", weight, model, model)
    right = np.einsum("ln,lni,ln->ni", weight, model, light)
    pull = _STEADY * np.trace(matrix, axis1=1, axis2=2) / 3 + 1e-9
    matrix += pull[:, None, None] * np.eye(3)
    return np.asarray(np.linalg.solve(matrix, (right + pull[:, None] * b)[..., None])[..., 0])


def _turned(b: Floats, view: Floats) -> Floats:
    """b (N, 3) with the part that would turn away from the camera taken off."""
    away = np.minimum(b @ view - 0.02 * np.linalg.norm(b, axis=1), 0)
    return b - away[:, None] * view
