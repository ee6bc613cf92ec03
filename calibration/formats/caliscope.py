"""The TOML of Caliscope: tables [cameras.N], metres, fisheye or not.

Caliscope counts its cameras, so a table is named by the count and our id is kept under `name`, which it ignores. Its
rotation is a matrix in old files and a vector of radians in new ones, which read both. Its older config.toml has tables
[cam_N]. Reference: mprib/caliscope, `cameras/camera_array.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from calibration.camera import Camera
from calibration.formats.camera_tables import camera_of, tables_of, written
from calibration.formats.reading import file_at, text_of, toml_of
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from capture import store
from capture.issues import JsonObject

FILE = "camera_array.toml"


def to_toml(cameras: Sequence[Camera], rms_px: Mapping[str, float]) -> str:
    """The text of rig.toml. `rms_px` becomes `error`, where a camera has one."""
    return "\n".join(_table(i, camera, rms_px.get(camera.id)) for i, camera in enumerate(cameras))


def from_toml(text: str) -> tuple[Camera, ...]:
    """The cameras of a camera_array.toml or config.toml; a camera without `name` is called cam_<number>.

    Raises ValueError that names the table and the key for anything missing or wrong.
    """
    return tuple(camera_of(key, table, _name(key, table)) for key, table in _tables(text).items())


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a file or of the folder it lies in, also those that Caliscope was told to ignore."""
    del hints  # the file says all
    text = text_of(file_at(path, FILE))
    notes = []
    for key, table in _tables(text).items():
        if table.get("ignore") is True:
            notes.append(f"camera {_name(key, table)} is set to be ignored in Caliscope; it is read")
        if table.get("rotation_count"):
            notes.append(
                f"camera {_name(key, table)} is turned for display in Caliscope; its lens is of the file as shot"
            )
    return RigFile(from_toml(text), tuple(notes))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the file; returns what it could not hold."""
    store.write_atomic(folder / FILE, to_toml(rig.cameras, rig.rms_px))
    return ("that z points up is not in the file; Caliscope numbers the cameras and ignores their names",)


def _tables(text: str) -> dict[str, JsonObject]:
    data = toml_of(text, "rig toml")
    cameras = data.get("cameras")
    if isinstance(cameras, dict) and all(isinstance(table, dict) for table in cameras.values()) and cameras:
        return {str(key): table for key, table in cameras.items() if isinstance(table, dict)}
    tables = tables_of(data)
    if not tables:
        raise ValueError(f"rig toml has no [cameras.N] and no [cam_N] table; it holds {sorted(data)[:20]}")
    return {key: dict(table) for key, table in tables.items()}


def _name(key: str, table: JsonObject) -> str:
    return str(table.get("name") or f"cam_{table.get('cam_id', key)}")


def _table(index: int, camera: Camera, error: float | None) -> str:
    pose = camera.world_from_camera.inverse()
    return written(
        f"cameras.{index}",
        {
            "cam_id": index,
            "name": camera.id,
            "size": [camera.width, camera.height],
            "rotation_count": 0,
            "ignore": False,
            "matrix": camera.K,
            "distortions": camera.distortion,
            "rotation": pose.rotation,
            "translation": pose.translation,
            "fisheye": camera.model == "fisheye",
            **({} if error is None else {"error": np.array(error)}),
        },
    )
