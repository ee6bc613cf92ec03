"""COLMAP's records and lens models, mapped exactly or not at all. Reference: COLMAP, `sensor/models.h`.

Its pixels count from the corner of the top left pixel, so a principal point is half a pixel more than OpenCV's. A model
with more terms than ours is ours where those terms are zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from calibration.camera import COEFFICIENTS, Camera, LensModel
from calibration.pose import Floats, Pose

HALF_PIXEL = 0.5
_UNIT_OFF = 1e-3  # a quaternion printed with four digits still passes


@dataclass(frozen=True)
class LensKind:
    """One of COLMAP's models."""

    number: int
    family: LensModel | None  # None: no setting of its parameters is a lens of ours
    parameters: tuple[str, ...]  # ours under our names


_PINHOLE, _PINHOLE_1 = ("fx", "fy", "cx", "cy"), ("f", "cx", "cy")
LENSES: dict[str, LensKind] = {
    "SIMPLE_PINHOLE": LensKind(0, "brown", _PINHOLE_1),
    "PINHOLE": LensKind(1, "brown", _PINHOLE),
    "SIMPLE_RADIAL": LensKind(2, "brown", (*_PINHOLE_1, "k1")),
    "RADIAL": LensKind(3, "brown", (*_PINHOLE_1, "k1", "k2")),
    "OPENCV": LensKind(4, "brown", (*_PINHOLE, "k1", "k2", "p1", "p2")),
    "OPENCV_FISHEYE": LensKind(5, "fisheye", (*_PINHOLE, "k1", "k2", "k3", "k4")),
    "FULL_OPENCV": LensKind(6, "brown", (*_PINHOLE, "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
    "FOV": LensKind(7, None, (*_PINHOLE, "omega")),
    "SIMPLE_RADIAL_FISHEYE": LensKind(8, "fisheye", (*_PINHOLE_1, "k1")),
    "RADIAL_FISHEYE": LensKind(9, "fisheye", (*_PINHOLE_1, "k1", "k2")),
    "THIN_PRISM_FISHEYE": LensKind(10, "fisheye", (*_PINHOLE, "k1", "k2", "p1", "p2", "k3", "k4", "sx1", "sy1")),
    "RAD_TAN_THIN_PRISM_FISHEYE": LensKind(
        11, "fisheye", (*_PINHOLE, "k1", "k2", "k3", "k4", "k5", "k6", "p0", "p1", "s0", "s1", "s2", "s3")
    ),
    "SIMPLE_DIVISION": LensKind(12, "brown", (*_PINHOLE_1, "division")),
    "DIVISION": LensKind(13, "brown", (*_PINHOLE, "division")),
    "SIMPLE_FISHEYE": LensKind(14, "fisheye", _PINHOLE_1),
    "FISHEYE": LensKind(15, "fisheye", _PINHOLE),
    "EUCM": LensKind(16, None, (*_PINHOLE, "alpha", "beta")),
    "EQUIRECTANGULAR": LensKind(17, None, ("w", "h")),
}
NAMES = {kind.number: name for name, kind in LENSES.items()}


@dataclass(frozen=True)
class ColmapLens:
    """One line of cameras.txt."""

    id: int
    model: str
    width: int
    height: int
    parameters: tuple[float, ...]


@dataclass(frozen=True)
class ColmapView:
    """One image: a lens at a place."""

    id: int
    quaternion: tuple[float, ...]  # (4,) w x y z, takes the world into the camera
    translation: tuple[float, ...]  # (3,)
    lens: int
    name: str


@dataclass(frozen=True, eq=False)
class ColmapRig:
    """What is written: lenses, images of one moment, and where each sensor is in the one rig."""

    lenses: tuple[ColmapLens, ...]
    views: tuple[ColmapView, ...]
    sensors: tuple[Pose, ...]  # sensor_from_rig; the first is the identity


def view_of(camera: Camera, number: int, picture: str) -> ColmapView:
    """The image of a camera; image and lens have the same number."""
    quaternion, translation = placed(camera.world_from_camera.inverse())
    return ColmapView(number, quaternion, translation, number, picture)


def placed(pose: Pose) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Quaternion w x y z and translation of a pose."""
    quaternion = Rotation.from_matrix(pose.rotation).as_quat(scalar_first=True)
    return tuple(float(v) for v in quaternion), tuple(float(v) for v in pose.translation)


def pose_of(view: ColmapView) -> Pose:
    """world_from_camera of an image. Raises ValueError for a quaternion that is none."""
    quaternion = np.array(view.quaternion)
    length = float(np.linalg.norm(quaternion))
    if not abs(length - 1) < _UNIT_OFF:
        raise ValueError(f"image {view.name} has a quaternion of length {length:.4g}, which must be 1")
    rotation = Rotation.from_quat(quaternion / length, scalar_first=True).as_matrix()
    return Pose(rotation, np.array(view.translation)).inverse()


def lens_of(camera: Camera, number: int) -> ColmapLens:
    """The smallest of COLMAP's models that holds the lens exactly."""
    k = [float(v) for v in camera.distortion]
    if camera.model == "fisheye":
        name, rest = "OPENCV_FISHEYE", k
    elif not any(k):
        name, rest = "PINHOLE", []
    elif not k[4]:
        name, rest = "OPENCV", k[:4]
    else:
        name, rest = "FULL_OPENCV", [*k, 0.0, 0.0, 0.0]
    place = (camera.cx + HALF_PIXEL, camera.cy + HALF_PIXEL)
    parameters = tuple(float(v) for v in (camera.fx, camera.fy, *place, *rest))
    return ColmapLens(number, name, camera.width, camera.height, parameters)


def camera_of(lens: ColmapLens, name: str, world_from_camera: Pose) -> Camera:
    """A placed camera of ours. Raises ValueError that names camera and model for a lens that ours cannot be."""
    kind = LENSES[lens.model]
    values = dict(zip(kind.parameters, lens.parameters, strict=True))
    if kind.family is None:
        raise ValueError(f"camera {name} has lens model {lens.model}, which has no exact equal here; undistort first")
    known = COEFFICIENTS[kind.family]
    other = [k for k, v in values.items() if v and k not in (*known, "f", *_PINHOLE)]
    if other:
        raise ValueError(
            f"camera {name} has lens model {lens.model} with {other[0]} = {values[other[0]]:.6g}, which has no exact "
            "equal here; undistort first, or refit it as OPENCV"
        )
    fx, fy = (values["f"], values["f"]) if "f" in values else (values["fx"], values["fy"])
    distortion: Floats = np.array([values.get(k, 0.0) for k in known])
    place = (values["cx"] - HALF_PIXEL, values["cy"] - HALF_PIXEL)
    return Camera(name, lens.width, lens.height, fx, fy, *place, distortion, world_from_camera, kind.family)
