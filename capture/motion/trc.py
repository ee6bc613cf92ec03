"""TRC files, markers as tabbed text: what OpenSim and Pose2Sim read and write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.motion.clip import JointTrack
from capture.motion.reading import MotionFileError, check_size, number, numbered, rate_of, text_of, whole
from capture.motion.units import metres_of
from capture.motion.upright import stood_up, world_from_file

F64 = NDArray[np.float64]

_HEADER = 5  # lines: type, names of settings, settings, markers, axes


def read_trc(path: Path, *, up: str | None = None) -> JointTrack:
    """The markers of a file in world metres, z up; NaN where one of its cells is empty.

    `up` is the file's axis that points up, such as "y"; None tells it by the markers' names. A name
    that stands twice gets a number. Raises MotionFileError
    for whatever is wrong with the file.
    """
    lines = text_of(path).splitlines()
    if len(lines) < _HEADER or not lines[0].startswith("PathFileType"):
        raise MotionFileError(path, "file does not open with the five lines of a TRC; copy or export it again")
    settings = dict(zip((cell.strip() for cell in lines[1].split("\t")), lines[2].split("\t"), strict=False))
    absent = [name for name in ("DataRate", "NumFrames", "NumMarkers", "Units") if not settings.get(name, "").strip()]
    if absent:
        raise MotionFileError(path, f"its header lacks {', '.join(absent)}; export it again")
    rate = rate_of(path, number(path, settings["DataRate"], "DataRate"))
    frames = whole(path, settings["NumFrames"], "NumFrames")
    try:
        metres = metres_of(settings["Units"])
    except ValueError as err:
        raise MotionFileError(path, str(err)) from None
    names = tuple(cell.strip() for cell in lines[3].split("\t")[2:] if cell.strip())
    count = whole(path, settings["NumMarkers"], "NumMarkers")
    if not 0 < count <= len(names):
        found = f"it declares {count} markers and names {len(names)}"
        raise MotionFileError(path, f"{found}; copy or export it again")
    rows = [row for row in lines[_HEADER:] if row.strip()]
    check_size(path, len(names), len(rows))
    if len(rows) != frames or not rows:
        raise MotionFileError(path, f"it declares {frames} frames and holds {len(rows)}; copy or export it again")
    values = np.stack([_row(path, row, k, 3 * len(names)) for k, row in enumerate(rows, 1)])
    places = values.reshape(frames, -1, 3) * metres
    # Cortex names its virtual markers behind the declared ones, with places or without.
    kept = [k for k in range(len(names)) if k < count or np.isfinite(places[:, k]).any()]
    return stood_up(path, JointTrack(numbered(names[k] for k in kept), places[:, kept], rate), up)


def write_trc(track: JointTrack, path: Path, *, unit: str = "mm", up: str = "y") -> None:
    """A track as a TRC; OpenSim expects y up. Cells of what was not seen stay empty.

    ValueError for names that hold a tab or a line end, and for an unknown unit or axis.
    """
    for name in track.names:
        if not name.strip() or set(name) & set("\t\r\n") or name != name.strip():
            raise ValueError(f"marker {name!r} cannot be written to a TRC; use a name without tabs and line ends")
    places = track.places @ world_from_file(up) / metres_of(unit)
    rate, frames, count = f"{track.fps:.10g}", len(track), len(track.names)
    axes = "\t".join(f"{axis}{k}" for k in range(1, count + 1) for axis in "XYZ")
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{count}\t{unit}\t{rate}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(track.names) + "\t\t",
        "\t\t" + axes,
    ]
    for k, row in enumerate(places.reshape(frames, -1).tolist()):
        cells = ("" if value != value else f"{value:.7f}" for value in row)
        lines.append(f"{k + 1}\t{k / track.fps:.6f}\t" + "\t".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="latin-1", errors="replace")


def _row(path: Path, row: str, frame: int, width: int) -> F64:
    """(3 N,) one frame's numbers. Programs leave out the tabs of empty cells at the end, or write some too many."""
    cells = [cell.strip() for cell in row.split("\t")[2:]]
    if any(cells[width:]):
        raise MotionFileError(path, f"frame {frame} has {len(cells)} cells for {width}; copy or export it again")
    values = np.full(width, np.nan)
    for k, cell in enumerate(cells[:width]):
        if cell and cell.lower() != "nan":
            values[k] = number(path, cell, f"frame {frame}")
    return values
