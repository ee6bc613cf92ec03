"""The calibration.toml of Anipose and FreeMoCap: a table per camera, rotation as a vector, and [metadata].

Its unit is that of the board that was calibrated with, mostly millimetres, so the unit is a hint of the reader's; ours
are metres. Anipose sorts its cameras by the name of the table: numbers are filled up with zeros.
Reference: lambdaloop/aniposelib, `cameras.py`.
"""

from __future__ import annotations

from pathlib import Path

from calibration.formats.camera_tables import Entry, camera_of, tables_of, written
from calibration.formats.reading import file_at, text_of, toml_of
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from capture import store

FILE = "calibration.toml"
_METADATA = "[metadata]\nadjusted = true\nerror = 0.0\n"


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a file or of the folder it lies in."""
    data = toml_of(text_of(file_at(path, FILE)), path.name)
    tables = tables_of(data)
    if not tables:
        raise ValueError(f"{path.name} has no table of a camera; it holds {sorted(data)[:20]}")
    cameras = tuple(camera_of(key, table, key) for key, table in tables.items())
    notes = ["the file names no upward axis; z is assumed"] if hints.up == "z" else []
    if hints.unit_m == 1.0:
        notes.append("the file names no unit of length; metres are assumed")
    return RigFile(cameras, tuple(notes))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the file in metres; returns what it could not hold."""
    digits = len(str(len(rig.cameras) - 1))
    tables = []
    for index, camera in enumerate(rig.cameras):
        pose = camera.world_from_camera.inverse()
        values: dict[str, Entry] = {
            "name": camera.id,
            "size": [camera.width, camera.height],
            "matrix": camera.K,
            "distortions": camera.distortion,
            "rotation": pose.rotvec,
            "translation": pose.translation,
            "fisheye": camera.model == "fisheye",
        }
        tables.append(written(f"cam_{index:0{digits}d}", values))
    store.write_atomic(folder / FILE, "\n".join([*tables, _METADATA]))
    return ("that z points up, and that lengths are metres, is not in the file",)
