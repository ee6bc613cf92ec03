"""What the TOML files of Caliscope, Anipose and Pose2Sim share: one table per camera with the same keys.

`rotation` and `translation` take world points into the camera, as a vector of radians or a matrix; `matrix` and
`distortions` are OpenCV's; `size` is width, height. They differ in the names of the tables and in what they know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from calibration.camera import Camera, LensModel
from calibration.formats.reading import array, brown, fisheye, lens, named, rotation, shown, whole
from calibration.pose import Floats, Pose
from capture.issues import JsonObject, JsonValue

Entry: TypeAlias = str | float | bool | Floats | list[int]
_KEYS = ("size", "matrix", "distortions", "rotation", "translation")


def camera_of(key: str, table: Mapping[str, JsonValue], fallback: str) -> Camera:
    """The camera of one table. `key` names the table, `fallback` the camera where the table does not.

    Raises ValueError that names the table and what is wrong in it; "null" stands for a value that was never found.
    """
    missing = [k for k in _KEYS if table.get(k, "null") == "null"]
    if missing:
        raise ValueError(f"rig toml table {key!r} has no {missing[0]!r}; a camera that is not placed cannot be read")
    where = f"rig toml table {key!r}"
    size = table["size"]
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError(f"{where} must have size as width, height, found {shown(size)}")
    width, height = (whole(v, f"{where} size") for v in size)
    flag = table.get("fisheye", False)
    if not isinstance(flag, bool):
        raise ValueError(f"{where} must have fisheye true or false, found {shown(flag)}")
    model: LensModel = "fisheye" if flag else "brown"
    coefficients = array(_flat(table["distortions"]), (-1,), f"{where} distortions")
    turned = _rotation(table["rotation"], f"{where} rotation")
    pose = Pose(turned, array(_flat(table["translation"]), (3,), f"{where} translation")).inverse()
    return Camera(
        named(table.get("name", fallback), f"{where} name"),
        width,
        height,
        *lens(array(table["matrix"], (3, 3), f"{where} matrix"), f"{where} matrix"),
        (fisheye if flag else brown)(coefficients, where),
        pose,
        model,
    )


def tables_of(data: JsonObject) -> dict[str, Mapping[str, JsonValue]]:
    """Every table on top that describes a camera: it has a matrix. Metadata, boards and settings have none."""
    return {key: table for key, table in data.items() if isinstance(table, dict) and "matrix" in table}


def written(key: str, values: Mapping[str, Entry]) -> str:
    """One table as text. Numbers keep all their digits."""
    return "\n".join([f"[{key}]", *(f"{name} = {_value(value)}" for name, value in values.items())]) + "\n"


def quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text)


def _value(value: Entry) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, np.ndarray):
        return _value_of_array(value)
    return repr(value)


def _value_of_array(values: Floats) -> str:
    if values.ndim == 0:
        return repr(float(values))
    return "[" + ", ".join(_value_of_array(row) for row in values) + "]"


def _flat(value: JsonValue) -> JsonValue:
    """A column [[a], [b]] or a row [[a, b]] as a plain list: numpy's arrays are stored in either form."""
    if isinstance(value, list) and len(value) <= 64 and all(isinstance(v, list) and len(v) <= 64 for v in value):
        return [v for row in value if isinstance(row, list) for v in row]
    return value


def _rotation(value: JsonValue, where: str) -> Floats:
    rows = value if isinstance(value, list) else []
    if len(rows) == 3 and all(isinstance(row, list) and len(row) == 3 for row in rows):
        return rotation(array(value, (3, 3), where), where)
    return Pose.from_rotvec(array(_flat(value), (3,), where), np.zeros(3)).rotation
