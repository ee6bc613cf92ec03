"""The control image: where on her each pixel lies, as colours, drawn from the hull of her outlines.

Normalised coordinates of the object as colours (NOCS; Wang et al. 2019), in her own frame: origin at the crown, axes
forward, left and up as she faces; each a slow ramp with a fine wave on it. One hull serves a whole instant, so that the
same place on her has the same colour from every camera, also from one that took no picture. What the hull gets wrong is
wrong alike in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy import ndimage

from calibration.body.hull import Vote, inside_distance
from calibration.body.view import make_view
from calibration.camera import Camera

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]

VOXEL_M = 0.012
_WORK_PX = 384  # long side of the outlines: 2.6 mm a pixel where a picture spans a metre
_BOX_M = ((-0.50, 0.50), (-0.50, 0.50), (-0.66, 0.06))  # around the crown: what head-and-shoulders framings can show
# Metres from black to white, and the level at the crown: forward, left, up.
_SPAN_M = (0.60, 0.90, 0.72)
_CROWN_LEVEL = (0.5, 0.5, 0.95)
# Each axis has a fine wave too: a network takes much longer to tell apart places that differ by a little in a slow ramp
# than by the phase of a wave (Tancik et al. 2020, Fourier features).
_WAVE_M = 0.07
_RAMP, _WAVE = 0.50, 0.23  # shares of black to white
# What a colour means, for those who keep maps: another code is another data set, and needs another base.
CODE = f"ramp {_RAMP:g} over {_SPAN_M} m from {_CROWN_LEVEL}, wave {_WAVE:g} of {_WAVE_M:g} m"
_STEPS = 48
_LEAST_STEP_M = 0.0015
_ON_SURFACE_M = 0.0005


@dataclass(frozen=True, eq=False)
class BodyField:
    """How far places around her head and shoulders are from the hull of her outlines, at one instant."""

    inside: F32  # (X, Y, Z) metres, positive inside, at the corners of voxels
    low: F64  # (3,) world place of the first corner
    crown: F64  # (3,) top of her head, world metres
    facing_deg: float

    def draw(self, camera: Camera) -> Picture:
        """The body map (H, W, 3) uint8 BGR of a pinhole; black where she is not."""
        u, v = np.meshgrid(np.arange(camera.width, dtype=np.float64), np.arange(camera.height, dtype=np.float64))
        rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1))
        rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        depth = self._meet(camera.centre, rays)
        hit = np.isfinite(depth)
        colours = np.zeros((len(rays), 3), np.uint8)
        colours[hit] = self.colours(camera.centre + rays[hit] * depth[hit, None])
        return colours.reshape(camera.height, camera.width, 3)

    def colours(self, points: F64) -> Picture:
        """Colours (N, 3) uint8 BGR of world places (N, 3)."""
        turn = np.radians(self.facing_deg)
        c, s = np.cos(turn), np.sin(turn)
        offset = points - self.crown
        local = np.stack([c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0], offset[:, 2]], 1)
        level = np.clip(np.array(_CROWN_LEVEL) + local / np.array(_SPAN_M), 0.0, 1.0)
        level = 0.5 + _RAMP * (level - 0.5) + _WAVE * np.sin(2 * np.pi / _WAVE_M * local)
        return np.rint(level * 255).astype(np.uint8)

    def _meet(self, origin: F64, rays: F64) -> F64:
        """Distance (N,) along unit rays (N, 3) to her surface, infinite for a miss: sphere tracing (Hart 1996)."""
        high = self.low + (np.array(self.inside.shape) - 1) * VOXEL_M
        with np.errstate(divide="ignore", invalid="ignore"):
            sides = np.stack([(self.low - origin) / rays, (high - origin) / rays])
        near, far = np.nanmax(sides.min(axis=0), axis=1), np.nanmin(sides.max(axis=0), axis=1)
        depth = np.full(len(rays), np.inf)
        going = np.flatnonzero(far > np.maximum(near, 0))
        along = np.maximum(near[going], 0)
        for _ in range(_STEPS):
            outside = -self._at(origin + rays[going] * along[:, None])
            met = outside <= _ON_SURFACE_M
            depth[going[met]] = along[met] + outside[met]  # back out of what the last step overshot
            along = along + np.maximum(0.9 * outside, _LEAST_STEP_M)
            keep = ~met & (along < far[going])
            going, along = going[keep], along[keep]
            if not len(going):
                break
        return depth

    def _at(self, points: F64) -> F32:
        places = ((points - self.low) / VOXEL_M).T
        return np.asarray(ndimage.map_coordinates(self.inside, places, order=1, mode="nearest"), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write as safetensors, distances in half precision: to a tenth of a millimetre at the surface."""
        place = np.concatenate([self.low, self.crown, [self.facing_deg]])
        save_file({"inside": self.inside.astype(np.float16), "place": place}, path)

    @staticmethod
    def load(path: Path) -> BodyField:
        """Read what `save` wrote."""
        parts = load_file(path)
        place = parts["place"]
        return BodyField(parts["inside"].astype(np.float32), place[:3], place[3:6], float(place[6]))


def body_field(cameras: Sequence[Camera], masks: Mapping[str, Mask], *, crown: F64, facing_deg: float) -> BodyField:
    """The field of one instant from masks (H, W) by camera id. Raises ValueError for fewer than two masks."""
    used = [camera for camera in cameras if camera.id in masks]
    if len(used) < 2:
        raise ValueError(f"body map needs the outlines of two cameras or more, got {len(used)}")
    views = []
    for camera in used:
        mask = masks[camera.id]
        views.append(make_view(camera, [np.zeros((*mask.shape, 3), np.uint8)], mask, work_px=_WORK_PX))
    low = crown + [span[0] for span in _BOX_M]
    axes = [np.arange(a, b + VOXEL_M, VOXEL_M) for a, b in _BOX_M]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) + crown
    vote = Vote(views=min(3, len(views)))
    inside = inside_distance(views, grid.reshape(-1, 3).astype(np.float32), vote)
    # A place that too few cameras see says nothing of how near she is.
    inside = np.maximum(inside, -0.05).reshape(grid.shape[:3])
    return BodyField(inside, low, np.asarray(crown, np.float64), facing_deg)
