"""Qualisys Track Manager's .qca.txt, which is XML. Read only.

Traps kept here: focal lengths, principal points and sensor are in 1/64 px, places in millimetres, but distortion has no
unit and is not divided (Pose2Sim divides it by 64 too; with the stills of its own demonstration the undivided numbers
fit better); the third radial coefficient comes first in OpenCV's last place; the rotation is written by columns and
the camera looks down its -z; a sensor of w pixels ends at 64 (w - 1), so pixel centres are at whole numbers.
Reference: perfanalytics/pose2sim, `calibration.py` calib_qca_fun.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from calibration.camera import Camera
from calibration.formats.reading import brown, bytes_of, file_at, named, number, rotation, whole
from calibration.formats.rig_file import Hints, RigFile
from calibration.pose import Pose
from capture.mhl.xml_text import XmlError, read_xml

FILE = "Calib.qca.txt"
_SUBPIXELS = 64.0
_MM = 1e-3
_VIDEO = ("video", "none")  # of the attribute model; other cameras see markers only
_SIDES = ("left", "right", "top", "bottom")
_LENGTHS = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
# In OpenCV's order. The spelling is Qualisys' own.
_COEFFICIENTS = (
    "radialDistortion1",
    "radialDistortion2",
    "tangentalDistortion1",
    "tangentalDistortion2",
    "radialDistortion3",
)
_OPENCV_FROM_QUALISYS = np.diag([1.0, -1.0, -1.0])


def read(path: Path, hints: Hints) -> RigFile:
    """The video cameras of a file; marker cameras are left out with a note, as their pictures are not recorded."""
    del hints  # the format fixes all
    if path.is_dir():
        found = sorted(path.glob("*.qca.txt"))
        if len(found) != 1:
            raise ValueError(f"folder {path.name} holds {len(found)} files *.qca.txt; name the one to read")
        path = found[0]
    bytes_of(file_at(path), 2 << 20)  # refuses what is too large for a rig before it is parsed
    try:
        root, _ = read_xml(path)
    except XmlError as err:
        raise ValueError(f"file {path.name} is no .qca.txt of Qualisys: it {err}") from None
    cameras, notes = [], []
    for tag in root.iter("camera"):
        name = named(tag.get("serial"), f"serial of a camera in {path.name}")
        kind = (tag.get("model") or "").lower()
        if not any(word in kind for word in _VIDEO):
            notes.append(f"camera {name} is a marker camera ({tag.get('model')}); it is left out")
            continue
        if tag.get("viewrotation", "0") not in ("0", ""):
            notes.append(
                f"camera {name} is shown turned by {tag.get('viewrotation')} degrees; its lens is of the sensor"
            )
        cameras.append(_camera(tag, name))
    if not cameras:
        raise ValueError(f"file {path.name} holds no video camera; it has {len(notes)} others")
    return RigFile(tuple(cameras), tuple(notes))


def _camera(tag: Element, name: str) -> Camera:
    field, lens, place = (_child(tag, child, name) for child in ("fov_video", "intrinsic", "transform"))
    left, right, top, bottom = (whole(field.get(k), f"fov_video {k} of camera {name}") for k in _SIDES)
    numbers = {k: number(lens.get(k), f"intrinsic {k} of camera {name}") for k in (*_LENGTHS, *_COEFFICIENTS)}
    if number(lens.get("skew", "0"), f"skew of camera {name}"):
        raise ValueError(f"camera {name} has skew, which no camera of this house has")
    fx, fy, cx, cy = (numbers[k] / _SUBPIXELS for k in _LENGTHS)
    rows = np.array([[number(place.get(f"r{i}{j}"), f"r{i}{j} of camera {name}") for j in "123"] for i in "123"])
    position = np.array([number(place.get(k), f"transform {k} of camera {name}") for k in "xyz"]) * _MM
    # Written by columns, so that the transpose of the rows takes the camera into the world.
    pose = Pose(rotation(rows.T, f"transform of camera {name}") @ _OPENCV_FROM_QUALISYS, position)
    coefficients = brown(np.array([numbers[k] for k in _COEFFICIENTS]), f"camera {name}")
    return Camera(name, right - left + 1, bottom - top + 1, fx, fy, cx - left, cy - top, coefficients, pose)


def _child(tag: Element, child: str, name: str) -> Element:
    found = tag.find(child)
    if found is None:
        raise ValueError(f"camera {name} has no {child}; export the calibration from QTM again")
    return found
