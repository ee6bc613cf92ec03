"""NeRSemble v2's camera_params.json: one lens for all cameras, and a matrix from world to camera for each.

Traps kept here: the matrices are rows of 4 x 4, world to camera, OpenCV's axes; the size of the picture is not in the
file: 2200 wide and 3208 high in that set, which its own texts write as height x width. Ours is kept beside, under
`image_size`, a key that its reader passes over. Pixel centres are taken as OpenCV's, as its axes are.
Reference: tobias-kirschstein/nersemble-data, README and `data/nersemble_data.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.camera import Camera
from calibration.formats.reading import array, file_at, json_of, lens, named, rotation, shown, whole
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from calibration.pose import Pose
from capture import store
from capture.issues import JsonObject, JsonValue

FILE = "camera_params.json"
_SIZE = (2200, 3208)  # of all pictures of that set, width x height


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a file or of the folder it lies in. Sizes: the file's, else those of `hints`, else the set's."""
    file = file_at(path, FILE)
    data = json_of(file)
    poses = data.get("world_2_cam")
    if not isinstance(poses, dict) or "intrinsics" not in data:
        raise ValueError(f"{file.name} needs world_2_cam, a table, and intrinsics; it holds {sorted(data)[:20]}")
    place = lens(array(data["intrinsics"], (3, 3), f"{file.name} intrinsics"), f"{file.name} intrinsics")
    cameras, assumed = [], []
    for name, matrix in poses.items():
        name = named(name, f"camera in {file.name}")
        if "image_size" in data:
            size = array(data["image_size"], (2,), f"{file.name} image_size")
        elif name in hints.sizes:
            size = np.array(hints.sizes[name])
        else:
            size = np.array(_SIZE)
            assumed.append(name)
        width, height = (whole(float(v), f"size of camera {name}") for v in size)
        cameras.append(Camera(name, width, height, *place, np.zeros(5), _pose(matrix, f"camera {name} of {file.name}")))
    notes = [f"sizes of {', '.join(assumed)} are not in the file; {_SIZE[0]} x {_SIZE[1]} assumed"] if assumed else []
    return RigFile(tuple(cameras), (*notes, "the file names no upward axis; z is assumed"))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the file; returns what it could not hold. Raises ValueError where one lens is not enough for all."""
    first = rig.cameras[0]
    for camera in rig.cameras:
        if camera.model == "fisheye" or camera.distortion.any():
            raise ValueError(
                f"camera {camera.id} has a lens that bends, which NeRSemble's file cannot hold; undistort first"
            )
        if not np.array_equal(camera.K, first.K) or (camera.width, camera.height) != (first.width, first.height):
            raise ValueError(
                f"camera {camera.id} differs from {first.id} in lens or size; NeRSemble's file has one for all"
            )
    poses: JsonObject = {camera.id: _rows(camera.world_from_camera.inverse().matrix) for camera in rig.cameras}
    intrinsics: JsonValue = _rows(first.K)
    size: JsonValue = [first.width, first.height]
    store.write_json(folder / FILE, {"world_2_cam": poses, "intrinsics": intrinsics, "image_size": size})
    return ("that z points up is not in the file",)


def _pose(value: JsonValue, where: str) -> Pose:
    rows = array(value, (4, 4), where)
    if not np.allclose(rows[3], (0, 0, 0, 1), atol=1e-9):
        raise ValueError(f"{where} must end with 0 0 0 1, found {shown(rows[3].tolist())}; it may be transposed")
    return Pose(rotation(rows[:3, :3], where), rows[:3, 3]).inverse()


def _rows(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> JsonValue:
    return [[float(v) for v in row] for row in matrix]
