"""A way on the floor as a base is asked for it: where she is at every frame, how fast, and how fast she turns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

F64 = NDArray[np.float64]

_CORNER_S = 0.3  # standard deviation: a walker rounds a corner within a step or two
_FASTEST_M_S = 12.0  # of a sprint


@dataclass(frozen=True, eq=False)
class Route:
    """A way, frame by frame."""

    places: F64  # (T, 2) metres
    way: F64  # (T, 3) forward and left per second in the unit, radians per second
    start_m: tuple[float, float]
    heading: float  # radians at the first frame, 0 along x

    def __len__(self) -> int:
        return len(self.way)

    def in_units(self, unit_m: float) -> Route:
        """The same with speeds in another unit than metres."""
        return replace(self, way=self.way / (unit_m, unit_m, 1.0))


def route_of(path: F64 | None, *, seconds: float | None, speed_m_s: float | None, rate: float, least_s: float) -> Route:
    """The way along a path (N, 2) metres at a steady speed; without a path straight on from the origin along x.

    Of length and speed one may be left out where the path tells it. Corners are rounded as a walker rounds them, over
    half a second. Raises ValueError for a path without a length, one too short for speed and length, or neither given.
    """
    for name, value, top in (("seconds", seconds, 1e4), ("speed_m_s", speed_m_s, _FASTEST_M_S)):
        if value is not None and not 0 < value <= top:
            raise ValueError(f"{name} must be above 0 and at most {top:g}, found {value}")
    if path is None:
        if seconds is None:
            raise ValueError("length is not told; give seconds, or a path and a speed")
        points = np.array([[0.0, 0.0], [max((speed_m_s or 0.0) * seconds, 1e-6), 0.0]])
    else:
        points = _checked(path)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if path is not None and seconds is None and speed_m_s is None:
        raise ValueError("path is given without seconds or speed; give one of the two")
    length = float(along[-1])
    seconds = seconds if seconds is not None else length / float(speed_m_s or 1.0)
    if seconds < least_s:
        raise ValueError(f"movement of {seconds:.2f} s is too short; ask for {least_s:g} s or more")
    if path is not None and speed_m_s is not None and speed_m_s * seconds > length * 1.001 + 0.01:
        way = f"{speed_m_s * seconds:.2f} m at {speed_m_s:g} m/s for {seconds:g} s"
        raise ValueError(f"path is {length:.2f} m long, too short for {way}; make it longer, or leave out the seconds")
    frames = round(seconds * rate)
    speed = speed_m_s if speed_m_s is not None else (length / seconds if path is not None else 0.0)
    return _walked(points, along, frames=frames, speed=speed, rate=rate)


def _walked(points: F64, along: F64, *, frames: int, speed: float, rate: float) -> Route:
    far = speed * np.arange(frames) / rate
    places = np.stack([np.interp(far, along, points[:, k]) for k in range(2)], axis=1)
    sigma = _CORNER_S * rate
    ahead = np.gradient(places, axis=0) * rate if frames > 1 else np.zeros((frames, 2))
    first = points[np.searchsorted(along, 1e-9, side="left")] - points[0]
    still = np.linalg.norm(ahead, axis=1) < 1e-6
    ahead[still] = 1e-6 * first / np.linalg.norm(first)
    smooth = gaussian_filter1d(ahead, sigma, axis=0, mode="nearest")
    heading = np.unwrap(np.arctan2(smooth[:, 1], smooth[:, 0]))
    turning = np.gradient(heading) * rate if frames > 1 else np.zeros(frames)
    forward = np.full(frames, speed)
    way = np.stack([forward, np.zeros(frames), turning], axis=1)
    return Route(places, way, (float(points[0, 0]), float(points[0, 1])), float(heading[0]))


def _checked(path: F64) -> F64:
    """The path without points that stand twice in a row."""
    if path.ndim != 2 or path.shape[1] != 2 or len(path) < 2 or not np.isfinite(path).all():
        raise ValueError(f"path is {path.shape}; give two points or more, (N, 2) finite metres")
    kept = np.concatenate([[True], np.linalg.norm(np.diff(path, axis=0), axis=1) > 1e-6])
    points = np.asarray(path[kept], dtype=np.float64)
    if len(points) < 2:
        raise ValueError("path has no length; give two points that lie apart")
    return points
