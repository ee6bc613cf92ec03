"""C3D files, the binary markers of motion-capture systems, through ezc3d (the extra "movement")."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

import capture
from capture.motion.clip import JointTrack
from capture.motion.reading import LARGEST, MAX_BYTES, MotionFileError, check_size, numbered, rate_of
from capture.motion.units import metres_of
from capture.motion.upright import UPWARD, stood_up, world_from_file

F64 = NDArray[np.float64]

_PATIENCE_S = 120
_MAGIC = 0x50  # the second byte of every C3D
_BIG_ENDIAN = b"\x56"  # the parameters' fourth byte, in files of MIPS machines
_MOST_FRAMES = 65535  # that the header can count; a longer take has its number in the parameters alone


def read_c3d(path: Path, *, up: str | None = None) -> JointTrack:
    """The markers of a file in world metres, z up; NaN where one was not seen.

    `up` is the file's axis that points up; None takes the one that the file names (POINT:Y_SCREEN), or tells it by the
    markers' names. A name that stands twice gets a number; a subject's name before all of them goes. Raises
    MotionFileError for whatever is wrong with the file, ValueError where ezc3d is not installed.
    """
    _library()
    declared = _declared_frames(path)
    found = _read_apart(path)
    marks, residuals = (found[name].astype(np.float64) for name in ("points", "residuals"))  # (3, N, T), (N, T)
    count, frames = marks.shape[1:]
    check_size(path, count, frames)
    if not count or not frames:
        raise MotionFileError(path, f"it holds {count} markers in {frames} frames; record or export it again")
    if frames < declared:
        raise MotionFileError(path, f"it declares {declared} frames and holds {frames}; copy or export it again")
    try:
        metres = metres_of(str(found["unit"]))
    except ValueError as err:
        raise MotionFileError(path, str(err)) from None
    marks[:, residuals < 0] = np.nan
    if np.nanmax(np.abs(marks), initial=0) > LARGEST:
        raise MotionFileError(path, "markers lie where no studio reaches, so the file is damaged; copy it again")
    places = marks.transpose(2, 1, 0) * metres
    track = JointTrack(_names(found["labels"].tolist(), count), places, rate_of(path, float(found["rate"])))
    axis = str(found["screen"]).strip().lower().removeprefix("+")
    return stood_up(path, track, up or (axis if axis in UPWARD else None))


def write_c3d(track: JointTrack, path: Path, *, unit: str = "mm", up: str = "z") -> None:
    """A track as a C3D. Its numbers have 24 bits: a thousandth of a millimetre within ten metres.

    ValueError for an unknown unit or axis, and where ezc3d is not installed.
    """
    if unit not in ("m", "cm", "mm"):
        raise ValueError(f"unit is unknown to a C3D: {unit!r}; choose one of m, cm, mm")
    library = _library()
    places = track.places @ world_from_file(up) / metres_of(unit)
    unseen = np.isnan(places).any(axis=2).T  # (N, T)
    points = np.ones((4, len(track.names), len(track)))
    points[:3] = places.transpose(2, 1, 0)
    points[:3, unseen] = np.nan
    data = library.c3d()
    data.add_parameter("POINT", "Y_SCREEN", [("-" if up.startswith("-") else "+") + up[-1].upper()])
    for key, value in (("RATE", [track.fps]), ("UNITS", [unit]), ("LABELS", list(track.names))):
        data["parameters"]["POINT"][key]["value"] = value
    data["data"]["points"] = points
    data["data"]["meta_points"]["residuals"] = np.where(unseen, -1.0, 0.0)[None]
    data["data"]["meta_points"]["camera_masks"] = np.zeros((7, *unseen.shape), dtype=bool)
    data.write(str(path))


def require_library() -> None:
    """ValueError, which says what to install, where ezc3d is not."""
    _library()


def _library() -> ModuleType:
    try:
        import ezc3d
    except ImportError:
        raise ValueError("C3D needs ezc3d, which is not installed; install likeness[movement]") from None
    module: ModuleType = ezc3d
    return module


def _declared_frames(path: Path) -> int:
    """Frames that the header counts, which ezc3d replaces by those it found. Refuses what is no C3D."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(512)
            stream.seek(512 * (max(head[0], 1) - 1) + 3 if head else 0)
            processor = stream.read(1)
    except OSError as err:
        raise MotionFileError(path, f"file cannot be opened ({err.strerror}); name one that is there") from None
    if size > MAX_BYTES:
        raise MotionFileError(path, f"file is larger than {MAX_BYTES >> 20} MiB; cut the take into pieces")
    if len(head) < 512 or head[1] != _MAGIC:
        raise MotionFileError(path, "file does not open like a C3D; name another file, or copy it again")
    first, last = struct.unpack_from(">HH" if processor == _BIG_ENDIAN else "<HH", head, 6)
    return int(last) - int(first) + 1 if last < _MOST_FRAMES else 0


def _read_apart(path: Path) -> dict[str, NDArray[np.generic]]:
    """What the worker finds, in a process of its own so that a file that crashes the library ends as an error."""
    root = str(Path(capture.__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.npz"
        # -P: a folder called `capture` where the command was typed must not be taken for this one.
        command = [sys.executable, "-P", "-m", "capture.motion.c3d_worker", str(path.resolve()), str(out)]
        environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(command, capture_output=True, env=environment, timeout=_PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            raise MotionFileError(path, f"file is not read within {_PATIENCE_S} s; copy or export it again") from None
        if done.returncode or not out.is_file():
            said = done.stdout.decode(errors="replace").strip() or f"the reader ended with code {done.returncode}"
            raise MotionFileError(path, f"file cannot be read as C3D ({said}); copy or export it again")
        with np.load(out, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}


def _names(labels: list[str], count: int) -> tuple[str, ...]:
    """One name for each marker, none twice."""
    given = [labels[k].strip() if k < len(labels) else "" for k in range(count)]
    subjects = {name.partition(":")[0] for name in given if ":" in name}
    if len(subjects) == 1 and all(":" in name for name in given):
        given = [name.partition(":")[2] for name in given]
    return numbered(name or f"marker_{k}" for k, name in enumerate(given, 1))
