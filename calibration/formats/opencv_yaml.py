"""A rig in OpenCV's YAML, laid out as OpenCV's multiview calibration sample saves it.

`rvecs` and `Ts` take world points into the camera; `image_sizes` is width, height; `cam_ids` is one text with commas.
Pixels have their centres at whole numbers, as ours. Reference: opencv, `samples/python/multiview_calibration.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.camera import Camera, LensModel
from calibration.formats.file_storage import Storage, Writer
from calibration.formats.reading import brown, file_at, fisheye, lens, whole
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from calibration.pose import Floats, Pose
from capture import store

FILE = "cameras.yml"


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a file or of the folder it lies in."""
    del hints  # the file says all
    storage = Storage(file_at(path, FILE))
    if not storage.has("Ks"):
        raise ValueError(
            f"{storage.name} has no Ks, the lenses of a rig; it holds {list(storage.keys())[:20]}. One lens or a pair "
            "without places is no rig"
        )
    matrices = storage.matrix("Ks")
    count = len(matrices)
    matrices = _of(storage, "Ks", (count, 3, 3))
    vectors, places = _of(storage, "rvecs", (count, 3)), _of(storage, "Ts", (count, 3))
    sizes = _of(storage, "image_sizes", (count, 2))
    bent = storage.matrix("distortions").reshape(count, -1)
    flags = _of(storage, "is_fisheye", (count,)) if storage.has("is_fisheye") else np.zeros(count)
    names = storage.text("cam_ids").split(",") if storage.has("cam_ids") else [f"cam{i}" for i in range(count)]
    if len(names) != count:
        raise ValueError(f"{storage.name} has {len(names)} cam_ids and {count} lenses")
    cameras = []
    for i, name in enumerate(names):
        where = f"camera {name} of {storage.name}"
        model: LensModel = "fisheye" if flags[i] else "brown"
        pose = Pose.from_rotvec(vectors[i], places[i]).inverse()
        width, height = (whole(float(v), f"size of {where}") for v in sizes[i])
        coefficients = (fisheye if flags[i] else brown)(bent[i], where)
        cameras.append(Camera(name, width, height, *lens(matrices[i], where), coefficients, pose, model))
    return RigFile(tuple(cameras), ("the file names no unit of length and no upward axis; metres and z are assumed",))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the file; returns what it could not hold. Raises ValueError for a rig with both lens models."""
    models = {camera.model: camera.id for camera in rig.cameras}
    if len(models) > 1:
        raise ValueError(f"OpenCV's file holds one lens model; camera {models['fisheye']} is a fisheye, others are not")
    commas = [camera.id for camera in rig.cameras if "," in camera.id]
    if commas:
        raise ValueError(f"camera {commas[0]!r} has a comma in its name, which parts the names in OpenCV's file")
    poses = [camera.world_from_camera.inverse() for camera in rig.cameras]
    writer = Writer()
    writer.put("cam_ids", ",".join(camera.id for camera in rig.cameras))
    writer.put("Ks", np.stack([camera.K for camera in rig.cameras]))
    writer.put("distortions", np.stack([camera.distortion[None] for camera in rig.cameras]))
    writer.put("rvecs", np.stack([pose.rotvec[:, None] for pose in poses]))
    writer.put("Ts", np.stack([pose.translation[:, None] for pose in poses]))
    writer.put("image_sizes", np.array([(camera.width, camera.height) for camera in rig.cameras], dtype=np.int32))
    writer.put("is_fisheye", np.array([camera.model == "fisheye" for camera in rig.cameras], dtype=np.int32))
    store.write_atomic(folder / FILE, writer.text())
    return ("that z points up is not in the file",)


def _of(storage: Storage, key: str, shape: tuple[int, ...]) -> Floats:
    found = storage.matrix(key)
    if found.size != np.prod(shape):
        raise ValueError(f"{storage.name} {key} must be {' x '.join(map(str, shape))} numbers, found {found.shape}")
    return found.reshape(shape)
