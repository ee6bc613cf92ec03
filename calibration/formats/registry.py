"""The formats by name, and the checks and notes that are the same for all of them.

`read_rig` and `write_rig` are the two doors: every camera that passes is the camera of `calibration.camera`, in metres,
z up, pixel centres at whole numbers. What a format cannot hold is an error where points would land elsewhere, and a
note otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration.camera import Camera
from calibration.formats import (
    actorshq,
    anipose,
    caliscope,
    colmap,
    easymocap,
    nerfstudio,
    nersemble,
    opencv_yaml,
    pose2sim,
    qualisys,
    usd,
)
from calibration.formats.reading import MAX_PIXELS
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from calibration.pose import Pose

_FAR_M = 100.0  # no studio is larger: metres and millimetres were mixed up
_Z_UP_FROM = {
    "z": np.eye(3),
    "y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
    "-y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}


@dataclass(frozen=True)
class Format:
    """One outside format."""

    name: str  # as `--format` takes it
    title: str
    files: tuple[str, ...]  # what is written, or what is looked for
    read: Callable[[Path, Hints], RigFile] | None
    write: Callable[[RigToWrite, Path], tuple[str, ...]] | None  # returns notes
    refuses: str  # what it cannot hold, so that writing it is an error
    drops: str  # what is left out with a note


_NO_FISHEYE = "fisheye lenses"
_NO_WORLD = "that z points up, time offsets"

FORMATS: tuple[Format, ...] = (
    Format(
        "nerfstudio",
        "nerfstudio transforms.json",
        (nerfstudio.FILE,),
        nerfstudio.read,
        nerfstudio.write,
        "Brown's and fisheye lenses in one rig; cameras without a picture",
        "time offsets, reprojection errors",
    ),
    Format(
        "colmap",
        "COLMAP text",
        colmap.TEXT_FILES,
        colmap.read_text,
        colmap.write_text,
        "names with spaces",
        f"names of cameras other than their pictures', {_NO_WORLD}, reprojection errors",
    ),
    Format(
        "colmap-bin",
        "COLMAP binary",
        colmap.BINARY_FILES,
        colmap.read_binary,
        colmap.write_binary,
        "",
        f"names of cameras other than their pictures', {_NO_WORLD}, reprojection errors",
    ),
    Format(
        "opencv",
        "OpenCV YAML, as its multiview sample writes it",
        (opencv_yaml.FILE,),
        opencv_yaml.read,
        opencv_yaml.write,
        "Brown's and fisheye lenses in one rig; names with commas",
        f"{_NO_WORLD}, reprojection errors",
    ),
    Format(
        "easymocap",
        "EasyMocap intri.yml and extri.yml",
        easymocap.FILES,
        easymocap.read,
        easymocap.write,
        f"{_NO_FISHEYE}; names with other than letters, digits, '-' and '_'",
        f"{_NO_WORLD}, reprojection errors",
    ),
    Format(
        "caliscope",
        "Caliscope camera_array.toml",
        (caliscope.FILE,),
        caliscope.read,
        caliscope.write,
        "",
        _NO_WORLD,
    ),
    Format(
        "anipose",
        "Anipose calibration.toml",
        (anipose.FILE,),
        anipose.read,
        anipose.write,
        "",
        f"{_NO_WORLD}, reprojection errors",
    ),
    Format(
        "pose2sim",
        "Pose2Sim Calib.toml",
        (pose2sim.FILE,),
        pose2sim.read,
        pose2sim.write,
        _NO_FISHEYE,
        "time offsets, reprojection errors",
    ),
    Format(
        "qualisys",
        "Qualisys .qca.txt",
        (qualisys.FILE,),
        qualisys.read,
        None,
        "everything: it is read only",
        "",
    ),
    Format(
        "actorshq",
        "ActorsHQ calibration.csv",
        (actorshq.FILE,),
        actorshq.read,
        actorshq.write,
        f"any distortion, {_NO_FISHEYE}",
        f"{_NO_WORLD}, reprojection errors",
    ),
    Format(
        "nersemble",
        "NeRSemble v2 camera_params.json",
        (nersemble.FILE,),
        nersemble.read,
        nersemble.write,
        f"any distortion, {_NO_FISHEYE}, cameras that differ in lens or size",
        f"{_NO_WORLD}, reprojection errors",
    ),
    Format(
        "usd",
        "USD stage, as text",
        (usd.FILE,),
        usd.read,
        usd.write,
        _NO_FISHEYE,
        "distortion for all readers but this one, time offsets, reprojection errors",
    ),
)


def format_named(name: str) -> Format:
    """The format of that name. Raises ValueError that lists the names there are."""
    for found in FORMATS:
        if found.name == name:
            return found
    raise ValueError(f"format {name!r} is not known; it must be one of {', '.join(f.name for f in FORMATS)}")


def read_rig(path: Path, name: str, hints: Hints | None = None) -> RigFile:
    """Read the cameras of an outside file: metres, z up, in the order of the file.

    Raises ValueError of one line for anything in the file that is wrong, missing or not representable here, for two
    cameras of one name, for sizes given as height and width, and for a rig so large that its unit must be wrong.
    """
    reader = format_named(name).read
    if reader is None:
        raise ValueError(f"format {name} is only written here; name another")
    hints = hints or Hints()
    found = reader(path, hints)
    if not found.cameras:
        raise ValueError(f"{path.name} holds no camera")
    _check_names(found.cameras)
    for camera in found.cameras:
        _check_size(camera)
    cameras = tuple(_to_house(camera, hints) for camera in found.cameras)
    for camera in cameras:
        if np.linalg.norm(camera.centre) > _FAR_M:
            metres = float(np.linalg.norm(camera.centre))
            raise ValueError(
                f"camera {camera.id} stands {metres:.0f} m from the origin; if the file is in millimetres, say so"
                " (--unit mm), else move its origin into the studio"
            )
    return RigFile(cameras, found.notes)


def write_rig(rig: RigToWrite, name: str, folder: Path) -> tuple[str, ...]:
    """Write a rig into a folder, which is made; returns what the format could not hold, a sentence each.

    Raises ValueError, before anything is written, where points would project elsewhere on reading back.
    """
    writer = format_named(name).write
    if writer is None:
        raise ValueError(f"format {name} is only read here; name another")
    if not rig.cameras:
        raise ValueError("rig has no camera; nothing was written")
    _check_names(rig.cameras)
    return (*writer(rig, folder), *_left_out(rig, name))


def _left_out(rig: RigToWrite, name: str) -> Iterator[str]:
    late = [c for c, offset in rig.offsets_s.items() if offset]
    if late:
        yield f"time offsets of {', '.join(late)} are not in the file"
    if rig.rms_px and name != "caliscope":
        yield "reprojection errors are not in the file"


def _check_names(cameras: tuple[Camera, ...]) -> None:
    seen: set[str] = set()
    for camera in cameras:
        if camera.id in seen:
            raise ValueError(f"camera {camera.id} is there twice; give each camera a name of its own")
        seen.add(camera.id)


def _check_size(camera: Camera) -> None:
    """A size given as height and width puts the principal point far off, and the other way round near the middle."""
    if max(camera.width, camera.height) > MAX_PIXELS:
        raise ValueError(f"camera {camera.id} has a picture of {camera.width} x {camera.height} pixels; correct it")
    as_is, turned = _off_centre(camera, turned=False), _off_centre(camera, turned=True)
    if as_is > 0.1 and turned < as_is / 3:
        raise ValueError(
            f"camera {camera.id} has its middle at ({camera.cx:.0f}, {camera.cy:.0f}) in a picture of {camera.width} x "
            f"{camera.height}; width and height are exchanged in the file"
        )


def _off_centre(camera: Camera, *, turned: bool) -> float:
    width, height = (camera.height, camera.width) if turned else (camera.width, camera.height)
    return max(abs(camera.cx / width - 0.5), abs(camera.cy / height - 0.5))


def _to_house(camera: Camera, hints: Hints) -> Camera:
    if hints.unit_m == 1.0 and hints.up == "z":
        return camera
    pose, turn = camera.world_from_camera, _Z_UP_FROM[hints.up]
    return replace(camera, world_from_camera=Pose(turn @ pose.rotation, turn @ pose.translation * hints.unit_m))
