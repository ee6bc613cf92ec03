"""Pose2Sim's Calib.toml: a table per camera under its name, metres, z up, rotation as a vector, four coefficients.

It writes four coefficients, reads any number, and passes them to OpenCV, so a third radial one is written where the
lens has it. It writes `fisheye = false` always and never asks it, so a fisheye would be projected as Brown's lens.
Reference: perfanalytics/pose2sim, `calibration.py` toml_write and `common.py` retrieve_calib_params.
"""

from __future__ import annotations

from pathlib import Path

from calibration.formats.camera_tables import Entry, camera_of, quoted, tables_of, written
from calibration.formats.reading import file_at, text_of, toml_of
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from capture import store

FILE = "Calib.toml"
_METADATA = "[metadata]\nadjusted = false\nerror = 0.0\n"


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a file or of the folder it lies in."""
    del hints  # the format fixes all
    data = toml_of(text_of(file_at(path, FILE)), path.name)
    tables = tables_of(data)
    if not tables:
        raise ValueError(f"{path.name} has no table of a camera; it holds {sorted(data)[:20]}")
    return RigFile(tuple(camera_of(key, table, key) for key, table in tables.items()))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the file; returns what it could not hold. Raises ValueError for a fisheye."""
    tables, notes = [], []
    for camera in rig.cameras:
        if camera.model == "fisheye":
            raise ValueError(f"camera {camera.id} is a fisheye, which Pose2Sim would project as Brown's lens")
        pose = camera.world_from_camera.inverse()
        third = bool(camera.distortion[4])
        if third:
            notes.append(f"camera {camera.id} has k3, a fifth coefficient, where Pose2Sim writes four; it reads five")
        values: dict[str, Entry] = {
            "name": camera.id,
            "size": [camera.width, camera.height],
            "matrix": camera.K,
            "distortions": camera.distortion if third else camera.distortion[:4],
            "rotation": pose.rotvec,
            "translation": pose.translation,
            "fisheye": False,
        }
        tables.append(written(quoted(camera.id), values))
    store.write_atomic(folder / FILE, "\n".join([*tables, _METADATA]))
    return tuple(notes)
