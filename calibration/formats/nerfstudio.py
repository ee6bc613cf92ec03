"""nerfstudio's `transforms.json`: one frame per camera of the rig, or as many pictures as are named.

Traps kept here: its cameras look along -z with y up (OpenGL), and its principal point counts from the corner of the
top left pixel, half a pixel more than OpenCV's. A key given for one frame is given for all, and the lens model stands
once for the whole file. Its `OPENCV` model has the same five coefficients as ours, `OPENCV_FISHEYE` the same four.
Reference: nerfstudio, data conventions, `nerfstudio_dataparser` and `camera_utils.get_distortion_params`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from calibration.camera import COEFFICIENTS, Camera, LensModel
from calibration.formats.reading import (
    array,
    file_at,
    json_of,
    named,
    names_of_pictures,
    number,
    rotation,
    shown,
    whole,
)
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from calibration.pose import Pose
from capture import store
from capture.issues import JsonObject, JsonValue

FILE = "transforms.json"
_OPENGL_FROM_OPENCV = Pose(np.diag([1.0, -1.0, -1.0]), np.zeros(3))
_HALF_PIXEL = 0.5
_NAMES: dict[LensModel, str] = {"brown": "OPENCV", "fisheye": "OPENCV_FISHEYE"}
# The others that nerfstudio knows as perspective: fewer coefficients, which are then zero.
_BROWN = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "RADIAL", "SIMPLE_RADIAL")
_EVERY = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


def to_transforms(cameras: Sequence[Camera], images: Mapping[str, str]) -> JsonObject:
    """The content of transforms.json. `images` gives each camera's picture, relative to the file.

    Raises ValueError for a camera without a picture, because nerfstudio cannot read a frame without one, and for a rig
    with both lens models, because the file names one for all.
    """
    missing = [camera.id for camera in cameras if camera.id not in images]
    if missing:
        raise ValueError(f"transforms.json needs a picture for camera {missing[0]}; add it to images")
    models = {camera.model: camera.id for camera in cameras}
    if len(models) > 1:
        raise ValueError(f"transforms.json holds one lens model; {models['fisheye']} is a fisheye, others are not")
    frames: list[JsonValue] = [_frame(camera, images[camera.id]) for camera in cameras]
    identity: list[JsonValue] = [[float(v) for v in row] for row in np.eye(4)[:3]]
    model = _NAMES[cameras[0].model] if cameras else "OPENCV"
    return {"camera_model": model, "applied_transform": identity, "applied_scale": 1.0, "frames": frames}


def from_transforms(data: Mapping[str, JsonValue]) -> tuple[Camera, ...]:
    """The cameras of a transforms.json; numbers may stand per frame or once for all.

    A world that was turned, moved or scaled when the file was written (applied_transform, applied_scale) is put back.
    Raises ValueError for other lens models.
    """
    scale = number(data.get("applied_scale", 1.0), "applied_scale")
    if scale <= 0:
        raise ValueError(f"applied_scale must be above 0, found {scale}")
    applied = data.get("applied_transform")
    undo = Pose.identity()
    if applied is not None:
        rows = array(applied, (3, 4), "applied_transform")
        undo = Pose(rotation(rows[:, :3], "applied_transform"), rows[:, 3]).inverse()
    cameras = []
    frames = _frames(data)
    for index, (frame, name) in enumerate(zip(frames, _names(frames), strict=True)):
        camera = _camera({**data, **frame}, name, f"transforms.json frame {index}")
        pose = camera.world_from_camera
        cameras.append(camera.placed(undo @ Pose(pose.rotation, pose.translation / scale)))
    return tuple(cameras)


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a file or of the folder it lies in."""
    del hints  # the file says all
    data = json_of(file_at(path, FILE))
    notes = []
    if data.get("applied_transform") not in (None, np.eye(4)[:3].tolist()) or data.get("applied_scale", 1.0) != 1.0:
        notes.append("the world was moved or scaled when the file was written; it was put back")
    if "applied_scale" not in data:
        notes.append("the file names no scale; lengths are taken as metres")
    return RigFile(from_transforms(data), tuple(notes))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the file; nothing is lost."""
    store.write_json(folder / FILE, to_transforms(rig.cameras, rig.pictures))
    return ()


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
        **{key: float(v) for key, v in zip(COEFFICIENTS[camera.model], camera.distortion, strict=True)},
        "transform_matrix": rows,
    }


def _frames(data: Mapping[str, JsonValue]) -> list[JsonObject]:
    frames = data.get("frames", [])
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError(f"transforms.json must have a list of frames, found {shown(frames)}")
    return cast("list[JsonObject]", frames)


def _names(frames: Sequence[JsonObject]) -> list[str]:
    """Our own key where it tells the frames apart, else the pictures: nerfstudio has no names for cameras."""
    ids = [frame.get("camera_id") for frame in frames]
    if None not in ids and len({str(i) for i in ids}) == len(ids):
        return [named(i, f"transforms.json frame {n} camera_id") for n, i in enumerate(ids)]
    paths = [named(f.get("file_path", f"frame{n:04d}"), f"frame {n} file_path") for n, f in enumerate(frames)]
    return names_of_pictures(paths)


def _camera(frame: Mapping[str, JsonValue], name: str, where: str) -> Camera:
    wanted = ("w", "h", "fl_x", "fl_y", "cx", "cy", "transform_matrix")
    missing = [key for key in wanted if key not in frame]
    if missing:
        raise ValueError(f"{where} has no {missing[0]!r}; it holds {sorted(frame)}")
    model = _model(frame, where)
    fx, fy, cx, cy = (number(frame[key], f"{where} {key}") for key in ("fl_x", "fl_y", "cx", "cy"))
    numbers = {key: number(frame.get(key, 0.0), f"{where} {key}") for key in _EVERY}
    other = [key for key, value in numbers.items() if value and key not in COEFFICIENTS[model]]
    if other:
        raise ValueError(f"{where} has {other[0]} = {numbers[other[0]]}, which its lens model does not know here")
    rows = array(frame["transform_matrix"], (-1, 4), f"{where} transform_matrix")
    if len(rows) not in (3, 4):
        raise ValueError(f"{where} transform_matrix must be 3 x 4 or 4 x 4 numbers, found {len(rows)} rows")
    if len(rows) == 4 and not np.allclose(rows[3], (0, 0, 0, 1), atol=1e-9):
        raise ValueError(f"{where} transform_matrix must end with 0 0 0 1; it may be transposed")
    pose = Pose(rotation(rows[:3, :3], f"{where} transform_matrix"), rows[:3, 3]) @ _OPENGL_FROM_OPENCV
    size = [whole(frame[key], f"{where} {key}") for key in ("w", "h")]
    coefficients = np.array([numbers[key] for key in COEFFICIENTS[model]])
    place = (cx - _HALF_PIXEL, cy - _HALF_PIXEL)
    return Camera(name, size[0], size[1], fx, fy, *place, coefficients, pose, model)


def _model(frame: Mapping[str, JsonValue], where: str) -> LensModel:
    found = frame.get("camera_model", "OPENCV")
    if found == "OPENCV_FISHEYE":
        return "fisheye"
    if found in _BROWN:
        return "brown"
    raise ValueError(f"{where} has camera_model {found!r}; {', '.join(_BROWN)} and OPENCV_FISHEYE are read here")
