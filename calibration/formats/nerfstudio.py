"""nerfstudio's `transforms.json`: one frame per camera of the rig, or as many pictures as are named.

Traps kept here: its cameras look along -z with y up (OpenGL), and its principal point counts from the corner of the
top left pixel, half a pixel more than OpenCV's. A key given for one frame is given for all. Its `OPENCV` model has the
same five coefficients as ours. Reference: nerfstudio, data conventions and `camera_utils.get_distortion_params`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from calibration.camera import Camera
from calibration.pose import Pose
from capture.issues import JsonObject, JsonValue

_OPENGL_FROM_OPENCV = Pose(np.diag([1.0, -1.0, -1.0]), np.zeros(3))
_HALF_PIXEL = 0.5
_COEFFICIENTS = ("k1", "k2", "p1", "p2", "k3")


def to_transforms(cameras: Sequence[Camera], images: Mapping[str, str]) -> JsonObject:
    """The content of transforms.json. `images` gives each camera's picture, relative to the file.

    Raises ValueError for a camera without a picture, because nerfstudio cannot read a frame without one.
    """
    missing = [camera.id for camera in cameras if camera.id not in images]
    if missing:
        raise ValueError(f"transforms.json needs a picture for camera {missing[0]}; add it to images")
    frames: list[JsonValue] = [_frame(camera, images[camera.id]) for camera in cameras]
    identity: list[JsonValue] = [[float(v) for v in row] for row in np.eye(4)[:3]]
    return {"camera_model": "OPENCV", "applied_transform": identity, "applied_scale": 1.0, "frames": frames}


def from_transforms(data: Mapping[str, JsonValue]) -> tuple[Camera, ...]:
    """The cameras of a transforms.json; numbers may stand per frame or once for all.

    Raises ValueError for another lens model, and for a file whose poses were recentred or scaled.
    """
    model = data.get("camera_model", "OPENCV")
    if model not in ("OPENCV", "PINHOLE"):
        raise ValueError(f"transforms.json has camera_model {model!r}; OPENCV and PINHOLE are read here")
    applied = np.array(data.get("applied_transform", np.eye(4)[:3].tolist()), dtype=np.float64)
    if not np.array_equal(applied, np.eye(4)[:3]) or data.get("applied_scale", 1.0) != 1.0:
        raise ValueError("transforms.json was moved or scaled (applied_transform, applied_scale); export it without")
    frames = cast("list[Mapping[str, JsonValue]]", data.get("frames", []))
    return tuple(_camera({**data, **frame}, index) for index, frame in enumerate(frames))


def _frame(camera: Camera, image: str) -> JsonObject:
    pose = camera.world_from_camera @ _OPENGL_FROM_OPENCV
    rows: list[JsonValue] = [[float(v) for v in row] for row in pose.matrix]
    return {
        "file_path": image,
        "camera_id": camera.id,
        "w": camera.width,
        "h": camera.height,
        "fl_x": float(camera.fx),
        "fl_y": float(camera.fy),
        "cx": float(camera.cx + _HALF_PIXEL),
        "cy": float(camera.cy + _HALF_PIXEL),
        **{key: float(v) for key, v in zip(_COEFFICIENTS, camera.distortion, strict=True)},
        "transform_matrix": rows,
    }


def _camera(frame: Mapping[str, JsonValue], index: int) -> Camera:
    wanted = ("w", "h", "fl_x", "fl_y", "cx", "cy", "transform_matrix")
    missing = [key for key in wanted if key not in frame]
    if missing:
        raise ValueError(f"transforms.json frame {index} has no {missing[0]!r}; it holds {sorted(frame)}")
    fx, fy, cx, cy = (float(str(frame[key])) for key in ("fl_x", "fl_y", "cx", "cy"))
    distortion = np.array([float(str(frame.get(key, 0.0))) for key in _COEFFICIENTS])
    pose = Pose.from_matrix(np.array(frame["transform_matrix"], dtype=np.float64)) @ _OPENGL_FROM_OPENCV
    name = str(frame.get("camera_id", f"frame{index:04d}"))
    size = (round(float(str(frame["w"]))), round(float(str(frame["h"]))))
    return Camera(name, *size, fx, fy, cx - _HALF_PIXEL, cy - _HALF_PIXEL, distortion, pose)
