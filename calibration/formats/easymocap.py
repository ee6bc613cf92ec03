"""EasyMocap's intri.yml and extri.yml, which EasyVolcap, 4K4D and Neural Body read too. Metres, OpenCV's conventions.

Traps kept here: `R_<name>` is a rotation vector and `Rot_<name>` the matrix, both from world to camera, printed with
six digits; lists of names hold "none" for cameras that are not there; the size of the picture, `H_` and `W_`, is often
missing. No fisheye. Reference: zju3dv/EasyMocap, `mytools/camera_utils.py`, issue 2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.camera import Camera
from calibration.formats.file_storage import Storage, Writer
from calibration.formats.reading import brown, file_at, lens, rotation, size_hinted, whole
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from calibration.pose import Floats, Pose, rotation_of
from capture import store

FILES = ("intri.yml", "extri.yml")
_AGREE = 1e-4  # of vector and matrix, which are printed with six digits


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a folder with both files; `path` may be one of them. Sizes that are missing come from `hints`."""
    folder = path if path.is_dir() else path.parent
    intri, extri = (Storage(file_at(folder, name)) for name in FILES)
    cameras = tuple(_camera(name, intri, extri, hints) for name in intri.names("names"))
    guessed = [c.id for c in cameras if not _has_size(intri, c.id)]
    notes = [f"sizes of {', '.join(guessed)} are not in the file; those given beside it are used"] if guessed else []
    return RigFile(cameras, (*notes, "the files name no upward axis; z is assumed"))


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write both files; returns what they could not hold. Raises ValueError for a fisheye."""
    intri, extri = Writer(), Writer()
    names = tuple(camera.id for camera in rig.cameras)
    for writer in (intri, extri):
        writer.put_names("names", names)
    for camera in rig.cameras:
        if camera.model == "fisheye":
            raise ValueError(f"camera {camera.id} is a fisheye, which EasyMocap's files cannot say")
        if camera.id == "none":
            raise ValueError("a camera is called none, which stands for no camera in EasyMocap's files; rename it")
        pose = camera.world_from_camera.inverse()
        intri.put(f"K_{camera.id}", camera.K)
        intri.put(f"dist_{camera.id}", camera.distortion[None])
        intri.put(f"H_{camera.id}", camera.height)
        intri.put(f"W_{camera.id}", camera.width)
        extri.put(f"R_{camera.id}", pose.rotvec[:, None])
        extri.put(f"Rot_{camera.id}", pose.rotation)
        extri.put(f"T_{camera.id}", pose.translation[:, None])
    for name, writer in zip(FILES, (intri, extri), strict=True):
        store.write_atomic(folder / name, writer.text())
    return ("that z points up is not in the files",)


def _camera(name: str, intri: Storage, extri: Storage, hints: Hints) -> Camera:
    where = f"camera {name} of {intri.name}"
    if _has_size(intri, name):
        size = (whole(intri.real(f"W_{name}"), f"W of {where}"), whole(intri.real(f"H_{name}"), f"H of {where}"))
    else:
        size = size_hinted(name, hints.sizes)
    matrix = intri.matrix(f"K_{name}")
    if matrix.shape != (3, 3):
        raise ValueError(f"K of {where} must be 3 x 3 numbers, found {matrix.shape}")
    key = next((k for k in (f"dist_{name}", f"D_{name}") if intri.has(k)), None)
    coefficients = brown(intri.matrix(key).ravel() if key else np.zeros(0), where)
    place = extri.matrix(f"T_{name}").ravel()
    if place.shape != (3,):
        raise ValueError(f"T of {where} must be 3 numbers, found {len(place)}")
    pose = Pose(_rotation(name, extri), place).inverse()
    return Camera(name, *size, *lens(matrix, where), coefficients, pose)


def _has_size(intri: Storage, name: str) -> bool:
    return intri.has(f"H_{name}") and intri.has(f"W_{name}")


def _rotation(name: str, extri: Storage) -> Floats:
    """Of the vector, which loses nothing by its few digits; it must agree with the matrix where both are there."""
    where = f"rotation of camera {name} in {extri.name}"
    key = f"R_{name}" if extri.has(f"R_{name}") else f"Rot_{name}"
    found = extri.matrix(key)
    if found.shape == (3, 3):
        return rotation(found, where)
    if found.size != 3:
        raise ValueError(f"{where} must be a vector of 3 numbers or a matrix, found {found.shape}")
    turned = rotation_of(found.ravel())
    if extri.has(f"Rot_{name}"):
        matrix = extri.matrix(f"Rot_{name}")
        if matrix.shape != (3, 3) or np.abs(matrix - turned).max() > _AGREE:
            raise ValueError(f"{where} has R_ and Rot_ that differ; one is transposed or of another camera")
    return turned
