"""Cameras as a USD stage in text (.usda), written and read without the USD library.

Traps kept here: cameras look along -z with y up; matrices multiply rows, so a translation stands in the last row;
apertures and focal length are in tenths of the stage's unit, and only their ratio projects; pixels are squeezed by the
ratio of the apertures; the principal point moves the aperture the other way. The stage is in metres, z up. USD has no
lens distortion and no size of a picture: both are kept as attributes of our own, which other readers pass over.
Reference: OpenUSD, UsdGeomCamera and UsdGeomXformable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.camera import Camera
from calibration.formats.reading import (
    array,
    brown,
    file_at,
    named,
    number,
    rotation,
    shown,
    size_hinted,
    text_of,
    whole,
)
from calibration.formats.rig_file import Hints, RigFile, RigToWrite
from calibration.formats.usda_text import Prim, UsdaText
from calibration.pose import Floats, Pose, rotation_of
from capture import store

FILE = "rig.usda"
_HALF_PIXEL = 0.5
_WIDTH_MM = 36.0  # of the aperture: the pitch of the sensor is not known, and a lens shows as on full frame
_TENTHS_PER_MM = 0.01  # on a stage in metres
_CLIPPING_M = (0.01, 1000.0)
_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0])
# What USD takes where an attribute is not written.
_DEFAULTS = {
    "focalLength": 50.0,
    "horizontalAperture": 20.955,
    "verticalAperture": 15.2908,
    "horizontalApertureOffset": 0.0,
    "verticalApertureOffset": 0.0,
}
_Z_UP_FROM_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class _Placed:
    """A camera prim and where it hangs."""

    prim: Prim
    world: Floats  # (4, 4), multiplies rows


def write(rig: RigToWrite, folder: Path) -> tuple[str, ...]:
    """Write the stage; returns what it could not hold. Raises ValueError for a fisheye."""
    names: set[str] = set()
    prims, notes = [], []
    for camera in rig.cameras:
        if camera.model == "fisheye":
            raise ValueError(f"camera {camera.id} is a fisheye, which a USD camera would show as a pinhole")
        if camera.distortion.any():
            notes.append(camera.id)
        name = _identifier(camera.id, names)
        names.add(name)
        prims.append(_prim(camera, name))
    head = '#usda 1.0\n(\n    defaultPrim = "rig"\n    metersPerUnit = 1\n    upAxis = "Z"\n)\n'
    store.write_atomic(folder / FILE, f'{head}\ndef Xform "rig"\n{{\n' + "\n".join(prims) + "}\n")
    bent = f"USD has no distortion: that of {', '.join(notes)} is kept for this house alone, others see a pinhole"
    return (bent,) if notes else ()


def read(path: Path, hints: Hints) -> RigFile:
    """The cameras of a stage; `path` is the file or its folder. Sizes that are missing come from `hints`."""
    file = file_at(path, FILE)
    parser = UsdaText(text_of(file), file.name)
    prims = parser.prims()
    unit = number(parser.metadata.get("metersPerUnit", 0.01), f"{file.name} metersPerUnit")
    axis = parser.metadata.get("upAxis", "Y")
    if axis not in ("Y", "Z") or unit <= 0:
        raise ValueError(
            f"{file.name} has upAxis {shown(axis)} and metersPerUnit {unit}; they must be Y or Z, and above 0"
        )
    turn = np.eye(3) if axis == "Z" else _Z_UP_FROM_Y_UP
    notes = [] if axis == "Z" else ["the stage has y up; it was turned so that z is up"]
    found = []
    for placed in _cameras(prims, np.eye(4)):
        camera = _camera(placed, hints)
        pose = camera.world_from_camera
        found.append(camera.placed(Pose(turn @ pose.rotation, turn @ pose.translation * unit)))
        if "likeness:distortion" not in placed.prim.attributes:
            notes.append(f"camera {camera.id} is a pinhole in the file; its lens distortion is not known")
    return RigFile(tuple(found), tuple(notes))


def _prim(camera: Camera, name: str) -> str:
    width, height = camera.width, camera.height
    across = _WIDTH_MM * _TENTHS_PER_MM
    focal = camera.fx * across / width
    up = height * focal / camera.fy
    offsets = (
        (width / 2 - (camera.cx + _HALF_PIXEL)) * across / width,
        ((camera.cy + _HALF_PIXEL) - height / 2) * up / height,
    )
    full = np.eye(4)
    full[:3, :3] = (camera.world_from_camera.rotation @ _OPENGL_FROM_OPENCV).T
    full[3, :3] = camera.centre
    lines = (
        f"float2 clippingRange = ({_CLIPPING_M[0]!r}, {_CLIPPING_M[1]!r})",
        f"float focalLength = {focal!r}",
        f"float horizontalAperture = {across!r}",
        f"float horizontalApertureOffset = {float(offsets[0])!r}",
        f"float verticalAperture = {float(up)!r}",
        f"float verticalApertureOffset = {float(offsets[1])!r}",
        'token projection = "perspective"',
        f"custom string likeness:name = {json.dumps(camera.id)}",
        f"custom int2 likeness:imageSize = ({width}, {height})",
        f"custom double[] likeness:distortion = [{', '.join(repr(float(v)) for v in camera.distortion)}]",
        f"matrix4d xformOp:transform = ({', '.join(_row(row) for row in full)})",
        'uniform token[] xformOpOrder = ["xformOp:transform"]',
    )
    return f'    def Camera "{name}"\n    {{\n' + "".join(f"        {line}\n" for line in lines) + "    }\n"


def _row(values: Floats) -> str:
    return "(" + ", ".join(repr(float(v)) for v in values) + ")"


def _identifier(name: str, taken: set[str]) -> str:
    """A name that USD allows: letters, digits and _, no digit first, not taken."""
    base = re.sub(r"\W", "_", name, flags=re.ASCII)
    base = base if re.match(r"[A-Za-z_]", base) else f"_{base}"
    found, count = base, 1
    while found in taken:
        count += 1
        found = f"{base}_{count}"
    return found


def _cameras(prims: list[Prim], parent: Floats) -> Iterator[_Placed]:
    for prim in prims:
        moves = [m for m in prim.moving if m.startswith("xformOp")]
        if moves:
            raise ValueError(f"prim {prim.name} moves over time ({moves[0]}); export one frame")
        world = _local(prim) @ parent if _order(prim)[:1] != ["!resetXformStack!"] else _local(prim)
        if prim.kind == "Camera":
            yield _Placed(prim, world)
        yield from _cameras(prim.children, world)


def _order(prim: Prim) -> list[str]:
    order = prim.attributes.get("xformOpOrder")
    return [str(op) for op in order] if isinstance(order, list) else []


def _local(prim: Prim) -> Floats:
    """The matrix of a prim's operations, which multiplies rows: the last of the order is applied first."""
    full = np.eye(4)
    for op in _order(prim):
        if op == "!resetXformStack!":
            continue
        where = f"{op} of prim {prim.name}"
        value, kind, step = prim.attributes.get(op), op.split(":")[1] if ":" in op else op, np.eye(4)
        if kind == "transform":
            step = array(value, (4, 4), where)
            if not np.allclose(step[:, 3], (0, 0, 0, 1), atol=1e-9):
                raise ValueError(f"{where} must have 0 0 0 1 in its last column; it may be transposed")
        elif kind == "translate":
            step[3, :3] = array(value, (3,), where)
        elif kind == "scale":
            step[:3, :3] = np.diag(array(value, (3,), where))
        elif kind in ("rotateX", "rotateY", "rotateZ"):
            step[:3, :3] = _turned(kind[-1], number(value, where)).T
        elif kind == "rotateXYZ":
            angles = array(value, (3,), where)
            step[:3, :3] = (_turned("Z", angles[2]) @ _turned("Y", angles[1]) @ _turned("X", angles[0])).T
        else:
            raise ValueError(f"{where} is not read; write the transform as one matrix (xformOp:transform)")
        full = step @ full
    return full


def _turned(axis: str, degrees: float) -> Floats:
    return rotation_of(np.eye(3)["XYZ".index(axis)] * np.radians(degrees))


def _camera(placed: _Placed, hints: Hints) -> Camera:
    prim, held = placed.prim, placed.prim.attributes
    if prim.moving:
        raise ValueError(
            f"camera {prim.name} moves or is put together from elsewhere ({sorted(prim.moving)[0]}); flatten it"
        )
    name = named(held.get("likeness:name", prim.name), f"name of camera {prim.name}")
    if held.get("projection", "perspective") != "perspective":
        raise ValueError(f"camera {name} has projection {shown(held['projection'])}; perspective is read here")
    sizes = held.get("likeness:imageSize")
    if sizes is None:
        width, height = size_hinted(name, hints.sizes)
    else:
        width, height = (
            whole(float(v), f"size of camera {name}") for v in array(sizes, (2,), f"size of camera {name}")
        )
    focal, across, up, right, lift = (number(held.get(k, v), f"{k} of camera {name}") for k, v in _DEFAULTS.items())
    if min(focal, across, up) <= 0:
        raise ValueError(f"camera {name} has focal length {focal} and apertures {across} x {up}; all must be above 0")
    bent = array(held.get("likeness:distortion", [0.0] * 5), (-1,), f"distortion of camera {name}")
    scale = float(np.cbrt(np.linalg.det(placed.world[:3, :3])))
    if scale <= 0:
        raise ValueError(f"camera {name} is mirrored or flattened by a scale; apply it before the export")
    turned = rotation(placed.world[:3, :3].T / scale, f"transform of camera {name}") @ _OPENGL_FROM_OPENCV
    place = (width / 2 - right * width / across - _HALF_PIXEL, height / 2 + lift * height / up - _HALF_PIXEL)
    pose = Pose(turned, placed.world[3, :3])
    lens = (focal * width / across, focal * height / up, *place)
    return Camera(name, width, height, *lens, brown(bent, f"camera {name}"), pose)
