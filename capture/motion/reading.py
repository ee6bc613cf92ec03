"""What every reader of movement asks of a file that others wrote, and its one kind of error."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

MAX_BYTES = 512 << 20  # twenty minutes of a body with hands at 120 frames per second take half of it
MAX_JOINTS = 1000  # a body with hands, face and twist bones has 142
MAX_PLACES = 8_000_000  # joints x frames; their rotations in memory take 576 MB
LARGEST = 1e7  # of any number in any unit; far beyond a studio in millimetres
_SHOWN = 40  # characters of a wrong value
# Rates are written as frame times of few digits: .016667 stands for 60 per second. 29.97 is twice as far from 30.
_RATE_OFF = 5e-4


class MotionFileError(ValueError):
    """A file of movement that cannot be read; one line that names the file, what is wrong and what to do."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path.name}: {problem}")
        self.path = path
        self.problem = problem


def text_of(path: Path) -> str:
    """The text of a file in Latin-1, which every byte can be. Raises MotionFileError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MotionFileError(path, f"file is larger than {MAX_BYTES >> 20} MiB; cut the take into pieces")
        data = path.read_bytes()
    except OSError as err:
        raise MotionFileError(path, f"file cannot be opened ({err.strerror}); name one that is there") from None
    if b"\0" in data:
        raise MotionFileError(path, "file holds zero bytes and is no text; copy or export it again")
    return data.decode("latin-1")


def check_size(path: Path, joints: int, frames: int) -> None:
    """Refuse what would fill the memory, before any of it is reserved."""
    if joints > MAX_JOINTS:
        raise MotionFileError(path, f"it has {joints} joints, more than {MAX_JOINTS}; export the body alone")
    if joints * frames > MAX_PLACES:
        raise MotionFileError(path, f"{frames} frames of {joints} joints are too many; cut the take into pieces")


def number(path: Path, text: str, what: str) -> float:
    """One finite number. `what` names its place."""
    try:
        found = float(text)
    except ValueError:
        raise MotionFileError(path, f"{what} must be a number, found {shown(text)}; export it again") from None
    if not np.isfinite(found) or abs(found) > LARGEST:
        raise MotionFileError(path, f"{what} is {shown(text)}, which no movement has; export it again")
    return found


def whole(path: Path, text: str, what: str) -> int:
    """One whole number from 0 on."""
    found = number(path, text, what)
    if found != int(found) or found < 0:
        raise MotionFileError(path, f"{what} must be a whole number from 0 on, found {shown(text)}; export it again")
    return int(found)


def rate_of(path: Path, rate: float) -> float:
    """Frames per second, rounded where few digits made it uneven."""
    if not 0.5 <= rate <= 10_000:
        raise MotionFileError(path, f"frame rate is {rate:.6g} per second, which no recording has; export it again")
    even = round(rate)
    return float(even) if even and abs(rate - even) <= _RATE_OFF * even else rate


def numbered(names: Iterable[str]) -> tuple[str, ...]:
    """The same names, a number behind each that stood before."""
    found: dict[str, None] = {}
    for name in names:
        one, count = name, 2
        while one in found:
            one, count = f"{name}_{count}", count + 1
        found[one] = None
    return tuple(found)


def shown(text: str) -> str:
    """A wrong value, short enough for one line."""
    found = repr(text)
    return found if len(found) <= _SHOWN else found[: _SHOWN - 3] + "..."
