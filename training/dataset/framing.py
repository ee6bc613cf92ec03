"""Framings: metric crops of the person, seen by a virtual camera that looks straight at her.

A crop shares its centre with the real camera, so that going from one picture to the other is an exact rotation of rays:
lens distortion, roll and off-centre perspective are gone, and every crop of a framing shows the same metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.pose import Pose

_SUPERSAMPLE = 3


@dataclass(frozen=True)
class Framing:
    """A square of `side_m` metres around an aimed point; the name is what captions call it."""

    name: str
    side_m: float


BUST = Framing("head and shoulders", side_m=0.48)
CLOSE_UP = Framing("close-up", side_m=0.24)
BUST_BELOW_CROWN_M = 0.23
FACE_BELOW_CROWN_M = 0.115


def look_at(centre: NDArray[np.float64], aim: NDArray[np.float64]) -> Pose:
    """world_from_camera of a camera at `centre` (3,) that looks at `aim` (3,), its picture upright (z up)."""
    forward = (aim - centre) / np.linalg.norm(aim - centre)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) < 1e-6:
        raise ValueError("camera looks straight up or down, so that no side is up; move it or the aimed point")
    right /= np.linalg.norm(right)
    return Pose(np.stack([right, np.cross(forward, right), forward], axis=1), centre)


def crop_camera(
    name: str, centre: NDArray[np.float64], aim: NDArray[np.float64], framing: Framing, pixels: int
) -> Camera:
    """The virtual pinhole of `pixels` squared that shows a framing around the aimed point."""
    focal = pixels * float(np.linalg.norm(aim - centre)) / framing.side_m
    middle = (pixels - 1) / 2
    return Camera(name, pixels, pixels, focal, focal, middle, middle, np.zeros(5), look_at(centre, aim))


def crop_map(source: Camera, crop: Camera) -> NDArray[np.float32]:
    """Where each sub-pixel of the crop lies in the source picture: (S H, S W, 2) pixels, S = 3."""
    step = 1.0 / _SUPERSAMPLE
    axis = np.arange(crop.width * _SUPERSAMPLE) * step - 0.5 + step / 2
    u, v = np.meshgrid(axis, axis)
    directions = crop.rays(np.stack([u.ravel(), v.ravel()], axis=1))
    pixels, _ = source.project(source.centre + directions)
    return pixels.reshape(*u.shape, 2).astype(np.float32)


def cut(picture: NDArray[np.uint8], mapping: NDArray[np.float32], pixels: int) -> NDArray[np.uint8]:
    """The crop (pixels, pixels, …) of a source picture; what lies outside the picture is black.

    Sources much finer than the crop are smoothed first, so that fine texture does not alias.
    """
    spacing = float(np.median(np.abs(np.diff(mapping[..., 0], axis=1))))
    if spacing > 1.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * spacing).astype(np.uint8)
    fine = cv2.remap(picture, mapping[..., 0], mapping[..., 1], cv2.INTER_LINEAR, borderValue=0)
    return np.asarray(cv2.resize(fine, (pixels, pixels), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def coverage(mapping: NDArray[np.float32], width: int, height: int) -> float:
    """Share of the crop that the source picture really shows."""
    u, v = mapping[..., 0], mapping[..., 1]
    return float(np.mean((u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)))
