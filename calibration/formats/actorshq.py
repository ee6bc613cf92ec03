"""ActorsHQ's calibration.csv: a line per camera.

Traps kept here: the rotation is a vector from camera to world, where most files go from world to camera; focal length
and principal point are shares of width and height, counted from the corner of the picture, so that they hold at every
scale (its own exporter hands them to COLMAP as they are). No distortion: its pictures are undistorted.
Reference: synthesiaresearch/humanrf, `actorshq/dataset/camera_data.py` and `toolbox/export_colmap.py`.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from calibration.camera import Camera
from calibration.formats.reading import file_at, named, number, text_of, whole
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from calibration.pose import Pose
from capture import store

FILE = "calibration.csv"
_COLUMNS = ("name", "w", "h", "rx", "ry", "rz", "tx", "ty", "tz", "fx", "fy", "px", "py")
_HALF_PIXEL = 0.5
_MOST_LINES = 10_000


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a file or of the folder it lies in."""
    del hints  # the format fixes all but the axis
    file = file_at(path, FILE)
    lines = text_of(file).splitlines()
    if len(lines) > _MOST_LINES or any(len(line) > 10_000 for line in lines):
        raise ValueError(f"{file.name} has more or longer lines than a rig")
    first = lines[0] if lines else ""
    if first.count(";") > first.count(","):
        raise ValueError(f"{file.name} is parted by semicolons, with decimal commas; export it in English numbers")
    try:
        rows = list(csv.reader(lines, strict=True))
    except csv.Error as err:
        raise ValueError(f"{file.name} is no CSV: {err}") from None
    head = [column.strip() for column in rows[0]] if rows else []
    missing = [column for column in _COLUMNS if column not in head]
    if missing:
        raise ValueError(f"{file.name} has no column {missing[0]!r}; it has {head[:20]}")
    cameras = []
    for line, row in enumerate(rows[1:], 2):
        if row:
            if len(row) != len(head):
                raise ValueError(f"{file.name} line {line} has {len(row)} values for {len(head)} columns")
            cameras.append(_camera(dict(zip(head, row, strict=True)), f"{file.name} line {line}"))
    return RigFile(tuple(cameras), ("the file names no upward axis; z is assumed",))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the file; returns what it could not hold. Raises ValueError for a lens that bends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for camera in rig.cameras:
        if camera.model == "fisheye" or camera.distortion.any():
            raise ValueError(
                f"camera {camera.id} has a lens that bends, which ActorsHQ's file cannot hold; undistort first"
            )
        width, height = camera.width, camera.height
        pose = camera.world_from_camera
        shares = (
            camera.fx / width,
            camera.fy / height,
            (camera.cx + _HALF_PIXEL) / width,
            (camera.cy + _HALF_PIXEL) / height,
        )
        numbers = [repr(float(v)) for v in (*pose.rotvec, *pose.translation, *shares)]
        writer.writerow([camera.id, width, height, *numbers])
    store.write_atomic(folder / FILE, text.getvalue())
    return ("that z points up is not in the file",)


def _camera(row: dict[str, str], where: str) -> Camera:
    numbers = {k: number(row[k], f"{where} {k}") for k in _COLUMNS[3:]}
    width, height = (whole(row[k], f"{where} {k}") for k in ("w", "h"))
    pose = Pose.from_rotvec([numbers[k] for k in ("rx", "ry", "rz")], [numbers[k] for k in ("tx", "ty", "tz")])
    return Camera(
        named(row["name"], f"{where} name"),
        width,
        height,
        numbers["fx"] * width,
        numbers["fy"] * height,
        numbers["px"] * width - _HALF_PIXEL,
        numbers["py"] * height - _HALF_PIXEL,
        np.zeros(5),
        pose,
    )
