"""The painted surface of one patch of the body: colour, relief, gloss and scatter per texel, and noise laid on it.

Noise is read from small random tiles at coordinates in metres, so that a pore has the same size on a cheek and an arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.body import Tube
from capture.stage.tone import Rgb

F32 = NDArray[np.float32]
Plane = NDArray[np.floating]
_TILE = 256  # cells of a tile of noise, across and down
_TILES = 16


@dataclass(frozen=True, eq=False)
class Surface:
    """One patch while it is painted; every array is written in place."""

    albedo: F32  # (h, w, 3) linear RGB
    height: F32  # (h, w) metres above the mesh
    gloss: F32  # (h, w) strength of the highlight, 1 = dry skin
    scatter: F32  # (h, w) how far light spreads under it, 1 = skin, 0 = cloth

    def part(self, window: tuple[slice, slice]) -> Surface:
        """A part of the patch, sharing its memory."""
        return Surface(self.albedo[window], self.height[window], self.gloss[window], self.scatter[window])

    def lay(
        self, alpha: Plane, colour: Rgb | Plane, *, gloss: float | None = None, scatter: float | None = None
    ) -> None:
        """Paint over with a colour (one, or one per texel) at an opacity (h, w)."""
        paint = np.asarray(colour, dtype=np.float32)
        self.albedo[:] += alpha[..., None] * (paint - self.albedo)
        for layer, value in ((self.gloss, gloss), (self.scatter, scatter)):
            if value is not None:
                layer += alpha * (np.float32(value) - layer)

    def tint(self, alpha: Plane, factor: Rgb) -> None:
        """Multiply the colour by a factor per channel where alpha is 1, and by less where it is less."""
        alpha = alpha.astype(np.float32, copy=False)
        for channel, value in enumerate(factor):
            self.albedo[..., channel] *= 1 + alpha * np.float32(value - 1)


def bare_surface(height: int, width: int, colour: Rgb) -> Surface:
    """A flat patch (height, width) of one colour, with the gloss and scatter of skin."""
    albedo = np.empty((height, width, 3), dtype=np.float32)
    albedo[:] = colour
    flat = np.zeros((height, width), dtype=np.float32)
    return Surface(albedo, flat, np.ones_like(flat), np.ones_like(flat))


def step(edge0: float, edge1: float, x: Plane) -> F32:
    """0 below edge0, 1 above edge1, cubic between; edge0 may exceed edge1."""
    t = np.clip((x - np.float32(edge0)) * np.float32(1 / (edge1 - edge0)), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def bell(x: Plane, spread: float) -> F32:
    """exp(-(x / spread)^2)."""
    return np.exp(-np.square(x * np.float32(1 / spread))).astype(np.float32)


@lru_cache(maxsize=_TILES)
def _tile(seed: int) -> F32:
    cells = np.random.default_rng([seed, 0x401]).standard_normal((_TILE, _TILE)).astype(np.float32)
    cells = np.asarray(np.pad(cells, ((0, 1), (0, 1)), mode="wrap"), dtype=np.float32)
    cells.setflags(write=False)
    return cells


def noise(seed: int, across: Plane, along: Plane) -> F32:
    """Smooth noise of about unit variance (h, w) at coordinates counted in cells; it repeats after 256 of them."""
    # Each seed reads one of a few tiles from a start of its own.
    start = np.random.default_rng([seed, 0x402]).uniform(0, _TILE, 2)
    u, v = _cell(across, float(start[0])), _cell(along, float(start[1]))
    found = cv2.remap(_tile(seed % _TILES), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    # Interpolation takes half of the variance away, on average.
    return np.asarray(found * np.float32(1.4), dtype=np.float32)


def _cell(at: Plane, start: float) -> F32:
    """Place on a tile, eased inside each cell: straight interpolation would show its facets in relief."""
    at = np.add(at, np.float32(start), dtype=np.float32)
    whole = np.floor(at)
    at -= whole
    ease = at * np.float32(-2)
    ease += np.float32(3)
    ease *= at
    at *= ease
    whole -= np.float32(_TILE) * np.floor(whole * np.float32(1 / _TILE))
    whole += at
    return np.asarray(whole, dtype=np.float32)


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
