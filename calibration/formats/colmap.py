"""A rig as a COLMAP sparse model, text or binary: cameras, images, points3D, and rigs and frames of COLMAP 4.

Traps kept here: poses take the world into the camera, quaternions begin with w, pixels count from the corner. A camera
of ours is an image of COLMAP's with a lens of its own, and images have no other name than their picture's. The poses of
the images say all about a rig at one moment, so rigs and frames are written for COLMAP's own use and never read.
Reference: COLMAP documentation, "Output Format", and `reconstruction_io_{text,binary}.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from calibration.formats import colmap_binary, colmap_text
from calibration.formats.colmap_model import ColmapLens, ColmapRig, ColmapView, camera_of, lens_of, pose_of, view_of
from calibration.formats.reading import names_of_pictures
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from capture import store

_TABLES = ("cameras", "images", "points3D", "rigs", "frames")
TEXT_FILES = tuple(f"{name}.txt" for name in _TABLES)
BINARY_FILES = tuple(f"{name}.bin" for name in _TABLES)


def read_text(path: Path, hints: Hints) -> RigFile:
    """The images of a model as cameras. `path` is its folder or a file in it."""
    del hints  # the files say all
    folder = path if path.is_dir() else path.parent
    return _rig(colmap_text.read_lenses(folder / "cameras.txt"), colmap_text.read_views(folder / "images.txt"))


def read_binary(path: Path, hints: Hints) -> RigFile:
    """The images of a model as cameras. `path` is its folder or a file in it."""
    del hints  # the files say all
    folder = path if path.is_dir() else path.parent
    return _rig(colmap_binary.read_lenses(folder / "cameras.bin"), colmap_binary.read_views(folder / "images.bin"))


def write_text(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the model as text; returns what it could not hold."""
    model, notes = _model(rig)
    spaced = [view.name for view in model.views if len(view.name.split()) != 1]
    if spaced:
        raise ValueError(
            f"picture {spaced[0]!r} has a space in its name, which COLMAP's text cannot hold; use colmap-bin"
        )
    for name, text in colmap_text.tables(model).items():
        store.write_atomic(folder / f"{name}.txt", text)
    return notes


def write_binary(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the model as binary; returns what it could not hold."""
    model, notes = _model(rig)
    for name, data in colmap_binary.tables(model).items():
        store.write_atomic(folder / f"{name}.bin", data)
    return notes


def _model(rig: RigToWrite) -> tuple[ColmapRig, tuple[str, ...]]:
    pictures = [rig.pictures.get(camera.id, f"{camera.id}.png") for camera in rig.cameras]
    notes = []
    if names_of_pictures(pictures) != [camera.id for camera in rig.cameras]:
        notes.append("names of cameras are not in the file: they come back as the names of their pictures")
    lenses = tuple(lens_of(camera, number) for number, camera in enumerate(rig.cameras, 1))
    views = tuple(
        view_of(camera, number, picture)
        for number, (camera, picture) in enumerate(zip(rig.cameras, pictures, strict=True), 1)
    )
    first = rig.cameras[0].world_from_camera
    sensors = tuple(camera.world_from_camera.inverse() @ first for camera in rig.cameras)
    return ColmapRig(lenses, views, sensors), (*notes, "that z points up is not in the file")


def _rig(lenses: Mapping[int, ColmapLens], views: Sequence[ColmapView]) -> RigFile:
    for view in views:
        if view.lens not in lenses:
            raise ValueError(f"image {view.name} has camera {view.lens}, which the cameras file does not hold")
    names = names_of_pictures([view.name for view in views])
    cameras = tuple(camera_of(lenses[v.lens], name, pose_of(v)) for v, name in zip(views, names, strict=True))
    return RigFile(cameras, ("COLMAP names no unit of length and no upward axis; metres and z are assumed",))
