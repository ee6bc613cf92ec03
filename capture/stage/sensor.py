"""A camera's optics and sensor: a small blur, shot noise and read noise in linear light, then encoding.

The noise of one photograph follows from a seed, so that the same plan gives the same bytes. Figures are those of a
full-frame camera at its base ISO: a full well of about 50 000 electrons and a read noise of about 3 of them, summed
over the four photosites and more that make one pixel of a picture this small.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.tone import decode_table, encode_srgb

F32 = NDArray[np.float32]
Picture = NDArray[np.uint8]
_TILE = 1024  # pixels of the noise that is drawn once


@dataclass(frozen=True)
class Sensor:
    """Blur in pixels of a picture 1024 px wide; electrons at white and of read noise, per pixel."""

    blur_px: float = 0.5
    full_well: float = 50_000.0
    read_noise: float = 6.0

    def photograph(self, linear: F32, seed: int) -> Picture:
        """What the camera writes (H, W, 3) uint8 BGR of light (H, W, 3) linear RGB."""
        sigma = self.blur_px * linear.shape[1] / 1024
        if sigma > 0.1:
            linear = np.asarray(cv2.GaussianBlur(linear, (0, 0), sigma), dtype=np.float32)
        if self.full_well > 0:
            linear = linear + self._spread(linear) * grain(linear.shape[0], linear.shape[1], seed)
        return np.asarray(cv2.cvtColor(encode_srgb(linear), cv2.COLOR_RGB2BGR), dtype=np.uint8)

    def again(self, picture: Picture, seed: int) -> Picture:
        """The same for a picture (H, W, 3) uint8 BGR that was drawn without optics and noise."""
        return self.photograph(decode_table()[cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)], seed)

    def _spread(self, linear: F32) -> F32:
        """Standard deviation (H, W, 3) of the noise in linear light."""
        electrons = cv2.max(linear, 0.0) * np.float32(self.full_well) + np.float32(self.read_noise**2)
        return np.asarray(cv2.sqrt(electrons) * np.float32(1 / self.full_well), dtype=np.float32)


def photograph_seed(seed: int, stem: str) -> int:
    """The seed of one photograph of a shoot, by its place on the card."""
    return zlib.crc32(f"{seed}/{stem}".encode())


@cache
def _tile() -> F32:
    tile = np.random.default_rng(0x5E5).standard_normal((_TILE, _TILE, 3)).astype(np.float32)
    tile.setflags(write=False)
    return tile


def grain(height: int, width: int, seed: int) -> F32:
    """Noise (height, width, 3) of unit variance: a seeded place and way round of one drawn tile, repeated."""
    rng = np.random.default_rng([seed, 0x6A1])
    rows = (np.arange(height) * (1 - 2 * int(rng.integers(2))) + int(rng.integers(_TILE))) % _TILE
    cols = (np.arange(width) * (1 - 2 * int(rng.integers(2))) + int(rng.integers(_TILE))) % _TILE
    return _tile()[rows[:, None], cols[None]][..., rng.permutation(3)]
