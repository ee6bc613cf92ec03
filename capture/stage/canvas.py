"""A canvas as portrait photographers hang it: painted by hand in soft blotches, so that every part of it is a place.

The paint is a sum of waves in world metres, exact at any point and from any camera, with no wave so short that a
picture of a few hundred pixels would lose it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.stage.tone import Rgb

F32 = NDArray[np.float32]

_TONES, _TONE = 24, 0.05  # waves of light and dark, and the log light of each: blotches of 0.17, standard deviation
_TONE_M = (0.15, 1.0)
# Warm and cold paint, far weaker than the hue by which anybody would be taken for a person.
_TINTS, _TINT = 6, 0.012
_TINT_M = (0.4, 1.2)


@dataclass(frozen=True)
class Canvas:
    """One canvas: its mean albedo (linear RGB) and the seed of the painter's hand."""

    albedo: Rgb
    seed: int


CANVASES: dict[str, Canvas] = {"canvas": Canvas((0.37, 0.36, 0.34), 7)}


def mottle(canvas: Canvas, points: F32) -> F32:
    """The paint at world points (H, W, 3) in metres: a factor (H, W, 3) of the mean albedo, RGB, around 1."""
    tones, tints = _waves(canvas.seed)
    tone, tint = _sum(tones, points) * np.float32(_TONE), _sum(tints, points) * np.float32(_TINT)
    return np.exp(np.stack([tone + tint, tone, tone - tint], axis=-1))


@lru_cache(maxsize=4)
def _waves(seed: int) -> tuple[F32, F32]:
    """Waves (N, 4) of tone and of tint: radians per metre along x, y and z, and the phase. Read-only."""
    rng = np.random.default_rng([seed, 0xCA7])
    found = []
    for count, (shortest, longest) in ((_TONES, _TONE_M), (_TINTS, _TINT_M)):
        lengths = np.exp(rng.uniform(np.log(shortest), np.log(longest), count))
        directions = rng.normal(size=(count, 3))
        directions *= 2 * np.pi / (np.linalg.norm(directions, axis=1) * lengths)[:, None]
        waves = np.column_stack([directions, rng.uniform(0, 2 * np.pi, count)]).astype(np.float32)
        waves.setflags(write=False)
        found.append(waves)
    return found[0], found[1]


def _sum(waves: F32, points: F32) -> F32:
    """(H, W): one wave after the other, because all of them at once would fill the memory."""
    x, y, z = (np.ascontiguousarray(points[..., k]) for k in range(3))
    total = np.zeros_like(x)
    for wave in waves:
        total += np.sin(x * wave[0] + y * wave[1] + z * wave[2] + wave[3])
    return total
