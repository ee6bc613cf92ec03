"""CSV files of joints: one row a frame, three columns a joint, headed NAME_x, NAME_y, NAME_z."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.motion.clip import JointTrack
from capture.motion.reading import MotionFileError, check_size, number, rate_of, shown, text_of
from capture.motion.units import metres_of
from capture.motion.upright import world_from_file

F64 = NDArray[np.float64]

_SECONDS = ("seconds", "time", "time_s", "t")
_UNEVEN = 0.2  # of a frame; cameras that skip one are off by a whole one


def read_joint_csv(path: Path, *, fps: float | None = None, unit: str | float = "m", up: str = "z") -> JointTrack:
    """The joints of a file in world metres, z up; NaN where one of its cells is empty.

    The rate comes from a column of seconds, or is given as `fps`; unit and up axis are not written in such files.
    Columns that belong to no joint are left out. Raises MotionFileError for whatever is wrong with the file,
    ValueError for an unknown unit or axis.
    """
    metres, turn = metres_of(unit), world_from_file(up)
    if fps is not None and not fps > 0:
        raise ValueError(f"frame rate is not positive: {fps}")
    try:
        rows = [row for row in csv.reader(text_of(path).removeprefix("ï»¿").splitlines()) if any(map(str.strip, row))]
    except csv.Error as err:
        raise MotionFileError(path, f"file is no CSV: {err}; export it again") from None
    if len(rows) < 2:
        raise MotionFileError(path, "it holds no frame below its header; record or export it again")
    head = [cell.strip() for cell in rows.pop(0)]
    columns = _columns(path, head)
    check_size(path, len(columns), len(rows))
    for k, row in enumerate(rows, 1):
        if len(row) != len(head):
            raise MotionFileError(path, f"frame {k} has {len(row)} cells for {len(head)}; copy or export it again")
    places = np.array(
        [[[_cell(path, row[c], k) for c in at] for at in columns.values()] for k, row in enumerate(rows, 1)]
    )
    clock = next((k for k, name in enumerate(head) if name.lower() in _SECONDS), None)
    if fps is None:
        if clock is None or len(rows) < 2:
            raise MotionFileError(path, f"its rate cannot be told without two rows of {_SECONDS[0]}; say the rate")
        fps = _rate(path, np.array([number(path, row[clock], f"time of frame {k}") for k, row in enumerate(rows, 1)]))
    return JointTrack(tuple(columns), places @ turn.T * metres, float(fps))


def write_joint_csv(track: JointTrack, path: Path) -> None:
    """A track in metres, z up, with a column of seconds; cells of what was not seen stay empty."""
    with path.open("w", newline="", encoding="latin-1", errors="replace") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["seconds", *(f"{name}_{axis}" for name in track.names for axis in "xyz")])
        for k, row in enumerate(track.places.reshape(len(track), -1).tolist()):
            cells = ("" if value != value else f"{value:.9f}" for value in row)
            table.writerow([f"{k / track.fps:.9f}", *cells])


def _columns(path: Path, head: list[str]) -> dict[str, tuple[int, int, int]]:
    """The columns of each joint, in the order of the file."""
    at: dict[str, int] = {}
    for k, name in enumerate(head):
        if name in at:
            raise MotionFileError(path, f"column {shown(name)} stands twice; rename one and export it again")
        at[name] = k
    found = {}
    for name in head:
        joint, mark, axis = name[:-2], name[-2:-1], name[-1:]
        if joint and mark in ("_", ".", " ") and axis in ("x", "X"):
            others = [f"{joint}{mark}{one if axis == 'x' else one.upper()}" for one in "yz"]
            lacking = [other for other in others if other not in at]
            if lacking:
                raise MotionFileError(path, f"joint {shown(joint)} has no column {lacking[0]}; export it again")
            if joint in found:
                raise MotionFileError(path, f"joint {shown(joint)} stands twice; rename one and export it again")
            found[joint] = (at[name], at[others[0]], at[others[1]])
    if not found:
        raise MotionFileError(path, "its header names no joint as NAME_x, NAME_y, NAME_z; export it with such a header")
    return found


def _cell(path: Path, text: str, frame: int) -> float:
    text = text.strip()
    return float("nan") if text.lower() in ("", "nan") else number(path, text, f"frame {frame}")


def _rate(path: Path, seconds: F64) -> float:
    """Frames per second of times that are even to a fifth of a frame."""
    step = float(seconds[-1] - seconds[0]) / (len(seconds) - 1)
    if step <= 0:
        raise MotionFileError(path, "its times do not rise; sort its rows, or say the rate")
    off = np.abs(np.diff(seconds) - step) / step
    if float(off.max()) > _UNEVEN:
        frame = int(np.argmax(off)) + 2
        raise MotionFileError(path, f"frame {frame} does not follow at the others' pace; export it at an even rate")
    return rate_of(path, 1 / step)
