"""Time offsets by a recorder's own table of times: `timestamps.csv` with a camera and a time for each frame.

The columns are those of Caliscope: `cam_id` (older: `port`) and `frame_time` in seconds. A stamp says when a frame
arrived, not when it was exposed; what a camera and its cable hold back stays in it.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from capture.sync.evidence import Evidence, Method, Stream
from capture.sync.lags import Lag

FILE_NAME = "timestamps.csv"
_CAMERA = ("cam_id", "port", "camera")
_LEAST = 5  # frames
_DRIFT_FROM_S = 60.0
Floats: TypeAlias = NDArray[np.float64]


def read_stamps(path: Path) -> dict[str, Floats]:
    """Camera as the file names it -> (frames,) seconds. Raises ValueError naming what is wrong with the file."""
    found: dict[str, list[float]] = {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        rows = csv.DictReader(lines)
        names = rows.fieldnames or []
        camera = next((c for c in _CAMERA if c in names), "")
        if not camera or "frame_time" not in names:
            raise ValueError(f"{path.name} has columns {list(names)[:8]}; it needs cam_id and frame_time")
        for row in rows:
            try:
                seconds = float(row["frame_time"])
            except (TypeError, ValueError):
                seconds = math.nan
            if not math.isfinite(seconds):
                where = f"{path.name} line {rows.line_num}"
                raise ValueError(f"{where}: frame_time is {row['frame_time']!r}; give seconds as a number")
            found.setdefault(str(row[camera]), []).append(seconds)
    return {name: np.array(times) for name, times in found.items()}


def match_cameras(streams: Sequence[Stream], names: Sequence[str]) -> dict[str, str]:
    """Camera -> name in the table: the same, that of its file on the card, or the only one with its number."""
    found = {}
    for stream in streams:
        own = (stream.camera, PurePosixPath(stream.name_on_card).stem)
        exact = next((name for name in names if name in own), None)
        numbers = {_number(text) for text in own} - {""}
        alike = [name for name in names if _number(name) in numbers]
        if exact is not None or len(alike) == 1:
            found[stream.camera] = exact if exact is not None else alike[0]
    twice = [name for name in found.values() if list(found.values()).count(name) > 1]
    return {camera: name for camera, name in found.items() if name not in twice}


def _number(text: str) -> str:
    match = re.search(r"(\d+)$", text)
    return str(int(match[1])) if match else ""


def by_stamps(streams: Sequence[Stream], table: Mapping[str, Floats]) -> Evidence:
    """Offsets of the cameras whose every frame has a time: the median over the frames of how far they are apart."""
    names = match_cameras(streams, list(table))
    by_camera = {stream.camera: stream for stream in streams}
    starts = {}
    for camera, name in names.items():
        times = table[name]
        if len(times) == by_camera[camera].frames >= _LEAST and by_camera[camera].fps > 0:
            starts[camera] = times - np.arange(len(times)) / by_camera[camera].fps
    lags = []
    for one, two in combinations(starts, 2):
        length = min(len(starts[one]), len(starts[two]))
        apart = starts[two][:length] - starts[one][:length]
        middle = float(np.median(apart))
        spread = 1.4826 * float(np.median(np.abs(apart - middle)))
        lags.append(Lag(one, two, middle, max(spread / math.sqrt(length), 1e-4)))
    enough = starts if len(starts) > 1 else {}
    return Evidence(Method.STAMPS, tuple(lags), dict.fromkeys(enough, 0.98), _drift(starts, by_camera))


def _drift(starts: Mapping[str, Floats], streams: Mapping[str, Stream]) -> dict[str, float]:
    """Parts per million by which a camera's frames come slower than the mean of the cameras."""
    slopes = {}
    for camera, late in starts.items():
        if streams[camera].seconds >= _DRIFT_FROM_S:
            at = np.arange(len(late)) / streams[camera].fps
            slopes[camera] = float(np.polyfit(at, late, 1)[0]) * 1e6
    mean = float(np.mean(list(slopes.values()))) if slopes else 0.0
    return {camera: slope - mean for camera, slope in slopes.items()} if len(slopes) > 1 else {}
