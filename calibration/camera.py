"""The one camera of the house: OpenCV axes, integer pixel centres, and a lens after Brown or a fisheye."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from calibration.fisheye import distort_fisheye, fisheye_fold_angle, undistort_fisheye
from calibration.pose import Floats, Pose
from capture.issues import JsonObject, JsonValue

LensModel: TypeAlias = Literal["brown", "fisheye"]
COEFFICIENTS: dict[LensModel, tuple[str, ...]] = {  # as OpenCV orders them
    "brown": ("k1", "k2", "p1", "p2", "k3"),
    "fisheye": ("k1", "k2", "k3", "k4"),
}
_NEWTON_STEPS = 50
_NEWTON_DONE = 1e-13  # in normalised image units: 1e-10 px for the longest lens


@dataclass(frozen=True, eq=False)
class Camera:
    """A placed camera. x right, y down, z forward; distortion as OpenCV orders it.

    Model "brown" has (k1, k2, p1, p2, k3), "fisheye" has (k1, k2, k3, k4) of `cv2.fisheye`.
    """

    id: str
    width: int  # pixels
    height: int
    fx: float  # pixels
    fy: float
    cx: float  # pixels; the centre of the top left pixel is (0, 0)
    cy: float
    distortion: Floats  # (5,), of a fisheye (4,)
    world_from_camera: Pose
    model: LensModel = "brown"

    def __post_init__(self) -> None:
        distortion = np.array(self.distortion, dtype=np.float64)
        if self.model not in COEFFICIENTS:
            raise ValueError(f"camera {self.id} has lens model {self.model!r}; it must be one of {list(COEFFICIENTS)}")
        names = COEFFICIENTS[self.model]
        if distortion.shape != (len(names),):
            raise ValueError(f"camera {self.id} needs distortion ({', '.join(names)}), got {distortion.shape}")
        numbers = (self.fx, self.fy, self.cx, self.cy, *distortion)
        if not all(math.isfinite(n) for n in numbers) or min(self.fx, self.fy) <= 0:
            raise ValueError(f"camera {self.id} has intrinsics that no lens has: {[float(n) for n in numbers]}")
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"camera {self.id} has a picture of {self.width} x {self.height}; give both in pixels")
        distortion.setflags(write=False)
        object.__setattr__(self, "distortion", distortion)

    @property
    def K(self) -> Floats:  # noqa: N802 - the field's own name
        """Matrix of intrinsics (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def centre(self) -> Floats:
        """Position (3,) of the camera in the world, metres."""
        return self.world_from_camera.translation

    @property
    def fold_radius(self) -> float:
        """Distance from the axis (normalised, x / z) past which the lens model folds back; inf where it never does."""
        if self.model == "brown":
            return fold_radius(self.distortion)
        angle = fisheye_fold_angle(self.distortion)
        return math.tan(angle) if angle < math.pi / 2 else math.inf

    def placed(self, world_from_camera: Pose) -> Camera:
        """The same camera somewhere else."""
        return replace(self, world_from_camera=world_from_camera)

    def project(self, p_world: ArrayLike) -> tuple[Floats, Floats]:
        """Pixels (N, 2) and depths (N,) in metres of points (N, 3).

        Pixels are NaN behind the camera, and so far off the axis that the lens model folds back.
        """
        x_camera = self.world_from_camera.inverse().apply(np.asarray(p_world, dtype=np.float64).reshape(-1, 3))
        depth = x_camera[:, 2]
        front = depth > 0
        xy = np.full((len(depth), 2), np.nan)
        xy[front] = x_camera[front, :2] / depth[front, None]
        with np.errstate(over="ignore", invalid="ignore"):
            xy[(xy**2).sum(axis=1) >= self.fold_radius**2] = np.nan
            bent = (distort if self.model == "brown" else distort_fisheye)(xy, self.distortion)
            uv = bent * (self.fx, self.fy) + (self.cx, self.cy)
        return uv, depth

    def rays(self, uv: ArrayLike) -> Floats:
        """Unit directions (N, 3) in the world of pixels (N, 2); NaN where no direction reaches that pixel."""
        pixels = np.asarray(uv, dtype=np.float64).reshape(-1, 2)
        bent = (pixels - (self.cx, self.cy)) / (self.fx, self.fy)
        xy = (undistort if self.model == "brown" else undistort_fisheye)(bent, self.distortion)
        direction = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return direction @ self.world_from_camera.rotation.T

    def to_json(self) -> JsonObject:
        """All numbers under plain keys; the pose as rows of a homogeneous matrix."""
        rows: list[JsonValue] = [[float(v) for v in row] for row in self.world_from_camera.matrix]
        return {
            "id": self.id,
            "width": self.width,
            "height": self.height,
            "fx": float(self.fx),
            "fy": float(self.fy),
            "cx": float(self.cx),
            "cy": float(self.cy),
            "model": self.model,
            "distortion": [float(v) for v in self.distortion],
            "world_from_camera": rows,
        }

    @staticmethod
    def from_json(data: Mapping[str, JsonValue]) -> Camera:
        """Read what `to_json` wrote, without "model" as Brown's. Raises ValueError that names a missing key."""
        wanted = ("id", "width", "height", "fx", "fy", "cx", "cy", "distortion", "world_from_camera")
        missing = [key for key in wanted if key not in data]
        if missing:
            raise ValueError(f"camera json has no {missing[0]!r}; it holds {sorted(data)}")
        size = [int(str(data[key])) for key in ("width", "height")]
        fx, fy, cx, cy = (float(str(data[key])) for key in ("fx", "fy", "cx", "cy"))
        pose = Pose.from_matrix(np.array(data["world_from_camera"], dtype=np.float64))
        distortion = np.array(data["distortion"], dtype=np.float64)
        model = cast(LensModel, str(data.get("model", "brown")))
        return Camera(str(data["id"]), size[0], size[1], fx, fy, cx, cy, distortion, pose, model)


def distort(xy: Floats, distortion: Floats) -> Floats:
    """Brown's model on normalised image points (..., 2), lenses (..., 5): where the lens really puts them."""
    k1, k2, p1, p2, k3 = np.moveaxis(distortion, -1, 0)
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([bent_x, bent_y], axis=-1)


def distortion_jacobian(xy: Floats, distortion: Floats) -> Floats:
    """Derivative (..., 2, 2) of `distort` with respect to the point."""
    k1, k2, p1, p2, k3 = np.moveaxis(distortion, -1, 0)
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3))  # d radial / d r2, doubled: d r2 / dx = 2 x
    jacobian = np.empty((*xy.shape, 2))
    jacobian[..., 0, 0] = radial + x * x * slope + 2 * p1 * y + 6 * p2 * x
    jacobian[..., 0, 1] = jacobian[..., 1, 0] = x * y * slope + 2 * (p1 * x + p2 * y)
    jacobian[..., 1, 1] = radial + y * y * slope + 6 * p1 * y + 2 * p2 * x
    return jacobian


def undistort(xy: Floats, distortion: Floats) -> Floats:
    """The inverse of `distort` by Newton's method, (N, 2); NaN where it has none.

    OpenCV's fixed-point iteration stops early on strong lenses; Newton converges to rounding in a few steps.
    """
    if not distortion.any():
        return xy.copy()
    guess = xy.copy()
    limit = fold_radius(distortion)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(_NEWTON_STEPS):
            error = distort(guess, distortion) - xy
            if not (np.abs(error) > _NEWTON_DONE).any():
                break
            a, b, d = _symmetric(distortion_jacobian(guess, distortion))
            det = a * d - b * b
            step = np.stack([d * error[:, 0] - b * error[:, 1], a * error[:, 1] - b * error[:, 0]], axis=1)
            guess = guess - step / det[:, None]
            radius = np.linalg.norm(guess, axis=1)
            # a step past the fold would converge to the wrong branch: pull it back inside
            outside = radius > 0.999 * limit
            guess[outside] *= (0.999 * limit / radius[outside])[:, None]
        bad = ~(np.abs(distort(guess, distortion) - xy).max(axis=1) < 1e-9)
    guess[bad] = np.nan
    return guess


def fold_radius(distortion: Floats) -> float:
    """Distance from the axis (normalised) past which the radial model turns back; inf where it never does."""
    return _fold_radius(float(distortion[0]), float(distortion[1]), float(distortion[4]))


@lru_cache(maxsize=1024)
def _fold_radius(k1: float, k2: float, k3: float) -> float:
    roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1.0])
    real = roots[np.abs(roots.imag) < 1e-9 * np.maximum(1.0, np.abs(roots.real))].real
    positive = real[real > 0]
    return float(np.sqrt(positive.min())) if len(positive) else math.inf


def _symmetric(jacobian: Floats) -> tuple[Floats, Floats, Floats]:
    return jacobian[:, 0, 0], jacobian[:, 0, 1], jacobian[:, 1, 1]
