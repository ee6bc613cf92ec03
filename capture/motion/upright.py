"""Which axis of a file points up, and places turned so that it is z."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.motion.clip import JointTrack
from capture.motion.reading import MotionFileError

F64 = NDArray[np.float64]

UPWARD = {  # world_from_file: a proper rotation that brings the axis to +z
    "x": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "-x": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
}
# Joints, and markers as gait laboratories name them (Helen Hayes, Cleveland Clinic, CMU).
_HIGH = re.compile(r"head|neck|shoulder|chest|pelvis|spine|clav|strn|[lr][fb]hd|[lr]?[ap]sis?\b|[lr]sho|c7|iliac", re.I)
_LOW = re.compile(r"ankle|heel|toe|foot|[lr]ank|[lr]hee|mt[15]", re.I)


def world_from_file(up: str) -> F64:
    """(3, 3) rotation that brings a file's up axis to +z. ValueError for an unknown axis."""
    if up not in UPWARD:
        raise ValueError(f"up axis is unknown: {up!r}; choose one of {', '.join(UPWARD)}")
    return np.array(UPWARD[up], dtype=np.float64)


def axis_of(rise: F64) -> str | None:
    """The axis along which a way (3,) goes furthest, with its sign; None for no way."""
    axis = int(np.argmax(np.abs(rise)))
    if not np.isfinite(rise).all() or not rise[axis]:
        return None
    return ("-" if rise[axis] < 0 else "") + "xyz"[axis]


def stood_up(path: Path, track: JointTrack, up: str | None) -> JointTrack:
    """A track as a file holds it, turned to z up.

    Without an axis it is told by the markers of head and trunk above those of the feet, over all frames in which they
    were seen. Raises MotionFileError where names or places do not tell it.
    """
    found = up
    if up is None:
        seen = np.isfinite(track.places).all(axis=2).sum(axis=0)  # (J,) frames
        high = [k for k, name in enumerate(track.names) if seen[k] and _HIGH.search(name)]
        low = [k for k, name in enumerate(track.names) if seen[k] and not _HIGH.search(name) and _LOW.search(name)]
        if high and low:
            top, bottom = (np.nanmedian(track.places[:, group], axis=0).mean(axis=0) for group in (high, low))
            found = axis_of(top - bottom)
        if found is None:
            raise MotionFileError(path, "its up axis cannot be told from the names of its markers; say the up axis")
    return JointTrack(track.names, track.places @ world_from_file(str(found)).T, track.fps)
