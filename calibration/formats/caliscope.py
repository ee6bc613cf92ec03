"""The TOML of Caliscope (also read by Pose2Sim and Anipose users): one table per camera.

`rotation` (a matrix) and `translation` take world points into the camera, metres; `matrix` and `distortions` are
OpenCV's. Caliscope counts its cameras, so the table is named by the count and our id is kept under `name`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from calibration.camera import Camera
from calibration.pose import Floats, Pose
from capture.issues import JsonValue


def to_toml(cameras: Sequence[Camera], rms_px: Mapping[str, float]) -> str:
    """The text of rig.toml. `rms_px` becomes `error`, where a camera has one."""
    return "\n".join(_table(i, camera, rms_px.get(camera.id)) for i, camera in enumerate(cameras))


def from_toml(text: str) -> tuple[Camera, ...]:
    """The cameras of a camera_array.toml or config.toml; a camera without `name` is called cam_<number>.

    Raises ValueError that names the table and the key for anything missing, and for a fisheye lens.
    """
    data = tomllib.loads(text)
    tables = data.get("cameras") or {k: v for k, v in data.items() if k.startswith("cam_")}
    if not tables:
        raise ValueError(f"rig toml has no [cameras.N] and no [cam_N] table; it holds {sorted(data)}")
    return tuple(_camera(str(key), table) for key, table in tables.items())


def _table(index: int, camera: Camera, error: float | None) -> str:
    pose = camera.world_from_camera.inverse()
    lines = [
        f"[cameras.{index}]",
        f"cam_id = {index}",
        f'name = "{camera.id}"',
        f"size = [{camera.width}, {camera.height}]",
        "rotation_count = 0",
        "ignore = false",
        f"matrix = {_rows(camera.K)}",
        f"distortions = {_row(camera.distortion)}",
        f"rotation = {_rows(pose.rotation)}",
        f"translation = {_row(pose.translation)}",
    ]
    if error is not None:
        lines.append(f"error = {float(error)!r}")
    return "\n".join(lines) + "\n"


def _camera(key: str, table: Mapping[str, JsonValue]) -> Camera:
    missing = [k for k in ("size", "matrix", "distortions", "rotation", "translation") if k not in table]
    if missing:
        raise ValueError(f"rig toml table {key!r} has no {missing[0]!r}; a camera that is not placed cannot be read")
    if table.get("fisheye", False):
        raise ValueError(f"rig toml table {key!r} is a fisheye lens; only Brown's model is read here")
    matrix = np.array(table["matrix"], dtype=np.float64)
    rotation = np.array(table["rotation"], dtype=np.float64)
    pose = Pose(rotation, np.array(table["translation"], dtype=np.float64)).inverse()
    width, height = cast("list[int]", table["size"])
    name = str(table.get("name") or f"cam_{table.get('cam_id', key)}")
    numbers = (float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2]))
    return Camera(name, width, height, *numbers, np.array(table["distortions"], dtype=np.float64), pose)


def _row(values: Floats) -> str:
    return "[" + ", ".join(repr(float(v)) for v in values) + "]"


def _rows(values: Floats) -> str:
    return "[" + ", ".join(_row(row) for row in values) + "]"
