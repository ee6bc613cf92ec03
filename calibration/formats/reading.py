"""What every reader asks of a file that others wrote. Whatever is wrong becomes a ValueError of one line."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

import numpy as np

from calibration.pose import Floats
from capture.issues import JsonValue

MAX_BYTES = 8 << 20  # a rig of a thousand cameras takes one; a hostile file cannot fill the memory
MAX_PIXELS = 1 << 20  # along one side
LARGEST = 1e12  # of any number; squares and products of such still are numbers
_ROTATION_OFF = 1e-3  # a matrix printed with four digits still passes
_SHOWN = 60  # characters of a wrong value


def file_at(path: Path, name: str = "") -> Path:
    """The file itself, or the one of that name where a folder was given."""
    found = path / name if name and path.is_dir() else path
    if not found.is_file():
        raise ValueError(f"file {found} is not there; name the file, or the folder that holds {name or 'it'}")
    return found


def bytes_of(path: Path, limit: int = MAX_BYTES) -> bytes:
    """All bytes of a file. Raises ValueError for one larger than the limit."""
    with file_at(path).open("rb") as stream:
        # not more than the file has: read() makes room for all that it is asked for
        data = stream.read(min(limit, path.stat().st_size) + 1)
    if len(data) > limit:
        raise ValueError(f"file {path.name} is larger than {limit >> 20} MiB; a rig takes less than one")
    return data


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, a byte order mark taken off, line ends as they are."""
    data = bytes_of(path)
    if b"\0" in data:
        raise ValueError(f"file {path.name} is no UTF-8 text: it holds zero bytes; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ValueError(f"file {path.name} is no UTF-8 text at byte {err.start}; save it as UTF-8") from None


def json_of(path: Path) -> dict[str, JsonValue]:
    """The object in a JSON file."""
    try:
        data = json.loads(text_of(path))
    except json.JSONDecodeError as err:
        raise ValueError(f"file {path.name} is no JSON: {err.msg} in line {err.lineno}") from None
    except RecursionError:
        raise ValueError(f"file {path.name} is nested too deeply for a rig") from None
    if not isinstance(data, dict):
        raise ValueError(f"file {path.name} must hold one JSON object, found {shown(data)}")
    return data


def toml_of(text: str, what: str) -> dict[str, JsonValue]:
    """The tables of a TOML text. `what` names it."""
    try:
        return cast("dict[str, JsonValue]", tomllib.loads(text))
    except tomllib.TOMLDecodeError as err:
        raise ValueError(f"{what} is no TOML: {err}") from None
    except RecursionError:
        raise ValueError(f"{what} is nested too deeply for a rig") from None


def shown(value: object) -> str:
    """A wrong value, short enough for one line."""
    text = repr(value) if not isinstance(value, list | dict) or len(value) < 20 else f"{len(value)} entries"
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def number(value: object, what: str) -> float:
    """A finite number, also where it is written as text. `what` names the place."""
    if isinstance(value, str) and "," in value:
        raise ValueError(f"{what} is {shown(value)}: a decimal comma; export with decimal points (English numbers)")
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} must be a number, found {shown(value)}") from None
    if not math.isfinite(found):
        raise ValueError(f"{what} is {found}, which is no number; the calibration that wrote it has failed")
    if abs(found) > LARGEST:
        raise ValueError(f"{what} is {found:.3g}, which no rig has; copy the file again, or have it exported again")
    return found


def whole(value: object, what: str, most: int = MAX_PIXELS) -> int:
    """A whole number from 0 to `most`; 1088.0 counts as one."""
    found = number(value, what)
    if found != int(found) or not 0 <= found <= most:
        raise ValueError(f"{what} must be a whole number from 0 to {most}, found {found:.17g}")
    return int(found)


def array(value: object, shape: tuple[int, ...], what: str) -> Floats:
    """Finite numbers of that shape from nested lists; -1 stands for any length up to 64."""
    if not shape:
        return np.array(number(value, what))
    fits = isinstance(value, list | tuple) and (len(value) == shape[0] or (shape[0] == -1 and len(value) <= 64))
    if not fits:
        wanted = " x ".join("n" if n < 0 else str(n) for n in shape)
        raise ValueError(f"{what} must be {wanted} numbers, found {shown(value)}")
    rows = [array(v, shape[1:], what) for v in cast("Sequence[object]", value)]
    return np.array(rows, dtype=np.float64).reshape((len(rows), *shape[1:]))


def rotation(matrix: Floats, what: str) -> Floats:
    """The rotation (3, 3) nearest to a matrix that was printed with few digits.

    Raises ValueError for one that is no rotation. A transposed one is a rotation too and cannot be told apart.
    """
    off = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    if off > _ROTATION_OFF or np.linalg.det(matrix) < 0:
        det = float(np.linalg.det(matrix))
        raise ValueError(f"{what} is no rotation: R Rᵀ is off by {off:.2g}, det R is {det:.3g}; export it again")
    u, _, vt = np.linalg.svd(matrix)
    return np.asarray(u @ vt)


def lens(matrix: Floats, what: str) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of a matrix of intrinsics (3, 3). Raises ValueError for skew, or where it is transposed."""
    rest = matrix.copy()
    rest[[0, 1, 0, 1], [0, 1, 2, 2]] = 0
    scale = max(1.0, float(np.abs(matrix).max()))
    if not np.allclose(rest, np.diag([0.0, 0.0, 1.0]), atol=1e-9 * scale):
        if abs(matrix[2, 0]) + abs(matrix[2, 1]) > 1:
            raise ValueError(f"{what} is transposed: its principal point stands in the last row; export it by rows")
        raise ValueError(f"{what} has skew or a last row other than 0 0 1, which no camera of this house has")
    return float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2])


def brown(coefficients: Floats, what: str) -> Floats:
    """Brown's five from OpenCV's order k1 k2 p1 p2 [k3 [k4 ...]]; the rest must be zero."""
    if len(coefficients) not in (0, 4, 5, 8, 12, 14):
        raise ValueError(f"{what} has {len(coefficients)} distortion coefficients; OpenCV has 4, 5, 8, 12 or 14")
    if np.any(coefficients[5:] != 0):
        raise ValueError(f"{what} has a rational, thin prism or tilted lens; only k1 k2 p1 p2 k3 are read here")
    return np.concatenate([coefficients[:5], np.zeros(5 - len(coefficients[:5]))])


def fisheye(coefficients: Floats, what: str) -> Floats:
    """The four of OpenCV's fisheye."""
    if len(coefficients) != 4:
        raise ValueError(f"{what} is a fisheye with {len(coefficients)} coefficients; k1 k2 k3 k4 are read here")
    return coefficients


def named(value: object, what: str) -> str:
    """The name of a camera as text: not empty, on one line, at most 200 characters."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or len(text) > 200 or not text.isprintable():
        raise ValueError(f"{what} must be a name, found {shown(value)}")
    return text


def names_of_pictures(paths: Sequence[str]) -> list[str]:
    """Names for cameras that are known by one picture each: `a/cam1.png` is cam1.

    Where the files are called alike in folders of their own, the folder's name; else the whole path.
    """
    stems = [PurePosixPath(path).stem for path in paths]
    folders = [PurePosixPath(path).parent.name for path in paths]
    for names in (stems, folders):
        if len(set(names)) == len(names) and all(names):
            return names
    return [str(PurePosixPath(path).with_suffix("")).replace("/", "_") if path.strip("/.") else path for path in paths]


def size_hinted(name: str, sizes: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Width and height of a camera whose file does not give them. `sizes` are those of `Hints`."""
    found = sizes.get(name)
    if found is None:
        raise ValueError(f"camera {name} has no size of its picture in the file; give width and height beside it")
    return whole(found[0], f"width of camera {name}"), whole(found[1], f"height of camera {name}")
