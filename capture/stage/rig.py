"""The rig of the stage: rings of cameras around her bust, and states of the studio lights by name.

Most cameras frame the upper body from two rings. A few hang high with wider lenses: they also see the floor, where
the origin board lies, and so tie the rings to the world.
"""

from __future__ import annotations

import numpy as np

from capture.stage.lens import StageCamera, StageLight, look_at, pose_tuple

BUST_HEIGHT_M = 1.42
_LIGHTS = (
    StageLight("key-left", 50.0, 35.0, (1.00, 0.95, 0.88), 0.72, 0.20),
    StageLight("key-right", -55.0, 30.0, (0.92, 0.97, 1.00), 0.72, 0.20),
    StageLight("top", 10.0, 75.0, (1.00, 1.00, 1.00), 0.66, 0.24),
    StageLight("front", 0.0, 12.0, (1.00, 0.98, 0.95), 0.62, 0.26),
    StageLight("back-left", 140.0, 30.0, (0.98, 0.96, 1.00), 0.70, 0.24),
    StageLight("back-right", -140.0, 30.0, (1.00, 0.94, 0.90), 0.70, 0.24),
    StageLight("back", 180.0, 20.0, (0.95, 0.97, 1.00), 0.64, 0.26),
    StageLight("soft", 20.0, 50.0, (1.00, 0.99, 0.97), 0.40, 0.45),
)


def make_lights(count: int) -> tuple[StageLight, ...]:
    """The first count states of the lights, at most eight; ValueError beyond."""
    if not 1 <= count <= len(_LIGHTS):
        raise ValueError(f"number of lights is {count}; choose 1 to {len(_LIGHTS)}")
    return _LIGHTS[:count]


def _overhead(n_cameras: int) -> int:
    return 0 if n_cameras < 3 else 1 if n_cameras < 6 else 2 if n_cameras <= 14 else 3


def make_rig(n_cameras: int, *, seed: int, image_size: int, arc_deg: float = 360.0) -> tuple[StageCamera, ...]:
    """Cameras cam01.. of square pictures of image_size pixels; ValueError for fewer than 1 camera or 32 pixels.

    Two rings at elevations near 2 and 20 degrees, 2.2 to 3.0 m away, alternate around her, or over an arc of arc_deg
    degrees before her; the last cameras (1 of 3 to
    5, 2 of 6 to 14, 3 beyond) hang at about 48 degrees and see both her bust and the floor at the origin.
    """
    if n_cameras < 1 or image_size < 32:
        raise ValueError(f"rig of {n_cameras} cameras of {image_size} px cannot be built; give >= 1 and >= 32")
    rng = np.random.default_rng([seed, n_cameras, 0xCA3])
    high = _overhead(n_cameras)
    ring = n_cameras - high
    cameras = []
    for k in range(n_cameras):
        overhead = k >= ring
        place, of = (k - ring, high) if overhead else (k, ring)
        azimuth = _azimuth(place, of, arc_deg, overhead=overhead) + float(rng.uniform(-5, 5))
        if overhead:
            elevation, distance = 48.0 + float(rng.uniform(-3, 3)), float(rng.uniform(2.3, 2.5))
            target, extent = np.array([0.0, 0.0, 1.05]), 1.75
        else:
            elevation = (2.0 if place % 2 == 0 else 20.0) + float(rng.uniform(-3, 3))
            distance = float(rng.uniform(2.2, 3.0))
            target = np.array([0.0, 0.0, BUST_HEIGHT_M]) + rng.normal(0, 0.012, 3)
            extent = float(rng.uniform(0.92, 1.04))
        cameras.append(_camera(f"cam{k + 1:02d}", (azimuth, elevation, distance), (target, extent), image_size, rng))
    return tuple(cameras)


def _azimuth(place: int, of: int, arc_deg: float, *, overhead: bool) -> float:
    """Where camera `place` of a ring of `of` stands: evenly around her, or from one end of an arc to the other."""
    if arc_deg >= 360.0:
        return 360.0 * place / of + (25.0 if overhead else 0.0)
    return arc_deg * ((place + 0.5) / of - 0.5)


def _camera(
    name: str,
    place: tuple[float, float, float],
    frame: tuple[np.ndarray, float],
    image_size: int,
    rng: np.random.Generator,
) -> StageCamera:
    """A camera at (azimuth, elevation, distance) around her bust; its picture spans extent metres at the target."""
    azimuth, elevation = np.radians(place[0]), np.radians(place[1])
    target, extent = frame
    centre = np.array([0.0, 0.0, BUST_HEIGHT_M])
    away = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    position = centre + place[2] * away
    focal = image_size * float(np.linalg.norm(position - target)) / extent
    middle = (image_size - 1) / 2 + rng.normal(0, 0.006 * image_size, 2)
    # Mild barrel distortion at the corners, as of a good lens: 1 to 3 px of 1024.
    corner = (image_size * 0.7 / focal) ** 2
    k1 = float(rng.uniform(-0.004, 0.002)) / corner
    k2 = float(rng.uniform(-0.001, 0.001)) / corner**2
    tangential = rng.normal(0, 0.0003, 2)
    return StageCamera(
        id=name,
        width=image_size,
        height=image_size,
        fx=focal,
        fy=focal * float(1 + rng.normal(0, 0.0008)),
        cx=float(middle[0]),
        cy=float(middle[1]),
        distortion=(k1, k2, float(tangential[0]), float(tangential[1]), 0.0),
        world_from_camera=pose_tuple(look_at(position, target, float(rng.normal(0, 1.5)))),
    )
