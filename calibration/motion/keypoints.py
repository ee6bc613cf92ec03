"""Keypoints of one camera over time: of one person, or of all that a detector found, and the folders that hold them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.motion.layouts import layout_of

F64 = NDArray[np.float64]

_MOST_BYTES = 4 << 20  # of one frame: a hundred people with hands and face stay below
_MOST_PEOPLE = 64
_MOST_FRAMES = 200_000
_MOST_PX = 1e5
_NUMBER = re.compile(r"(\d+)(?=\D*$)")  # the last digits of a name: `clip_000000000012_keypoints.json`


@dataclass(frozen=True, eq=False)
class Keypoints:
    """One person as one camera saw her."""

    names: tuple[str, ...]
    places: F64  # (T, J, 2) pixels; NaN where a point was not found
    confidence: F64  # (T, J) 0 to 1; 0 where it was not found

    def __post_init__(self) -> None:
        if self.places.shape != (len(self.places), len(self.names), 2):
            raise ValueError(f"keypoints of {len(self.names)} names have places {self.places.shape}, not (T, J, 2)")
        if self.confidence.shape != self.places.shape[:2]:
            raise ValueError(f"keypoints have confidence {self.confidence.shape}, places {self.places.shape}")

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, eq=False)
class People:
    """Everybody whom one camera saw; the order of people within a frame means nothing."""

    names: tuple[str, ...]
    places: F64  # (T, P, J, 2) pixels; NaN where a point was not found or a frame has fewer people
    confidence: F64  # (T, P, J) 0 to 1

    def __post_init__(self) -> None:
        if self.places.ndim != 4 or self.places.shape[2:] != (len(self.names), 2):
            raise ValueError(f"people of {len(self.names)} names have places {self.places.shape}, not (T, P, J, 2)")
        if self.confidence.shape != self.places.shape[:3]:
            raise ValueError(f"people have confidence {self.confidence.shape}, places {self.places.shape}")

    def __len__(self) -> int:
        return len(self.places)

    @staticmethod
    def of(person: Keypoints) -> People:
        """A camera that saw one person only."""
        return People(person.names, person.places[:, None], person.confidence[:, None])


def read_folder(folder: Path, *, layout: str = "", first: int = 0) -> People:
    """Keypoints of one camera from a folder with one JSON a frame, as OpenPose, RTMPose and Pose2Sim write them.

    Frames are numbered by the last digits of the file names, of which `first` is the first frame of the clip; frames
    without a file, and files without people, are frames in which nobody was found. Raises ValueError, naming the file,
    for what is no such file: too large, no JSON, points that are no numbers, or of another layout than the others.
    """
    files = numbered(folder)
    count = max(files) - first + 1
    if min(files) < first or count > _MOST_FRAMES:
        limits = f"{first} to {first + _MOST_FRAMES - 1}"
        raise ValueError(f"folder {folder.name} has frames {min(files)} to {max(files)}; they must lie in {limits}")
    frames = {number - first: read_frame(path) for number, path in files.items()}
    return _stacked(folder.name, frames, count, layout)


def numbered(folder: Path) -> dict[int, Path]:
    """The keypoint files of a folder by frame number. Raises ValueError for none, or two of one number."""
    files: dict[int, Path] = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        found = _NUMBER.search(path.stem)
        if found is None:
            raise ValueError(f"keypoint file {path.name} has no frame number in its name; export one file a frame")
        number = int(found[1])
        if number in files:
            raise ValueError(f"keypoint files {files[number].name} and {path.name} are both of frame {number}")
        files[number] = path
    if not files:
        raise ValueError(f"folder {folder.name} holds no keypoint files *.json; give the folder of one camera")
    return files


def read_frame(path: Path) -> F64:
    """People (P, J, 3) of one JSON file as x, y, confidence. Raises ValueError for a file that is none."""
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"keypoint file {path.name} has {size} bytes, more than {_MOST_BYTES}; it is no single frame")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as err:
        raise ValueError(f"keypoint file {path.name} is no JSON ({type(err).__name__}); export it again") from None
    people = data.get("people") if isinstance(data, dict) else None
    if not isinstance(people, list):
        raise ValueError(f'keypoint file {path.name} has no list "people"; export it as OpenPose does')
    if len(people) > _MOST_PEOPLE:
        raise ValueError(f"keypoint file {path.name} has {len(people)} people, more than {_MOST_PEOPLE}")
    found = [_person(item, f"person {k} of {path.name}") for k, item in enumerate(people)]
    if len({len(person) for person in found}) > 1:
        raise ValueError(f"people of {path.name} have {sorted({len(p) for p in found})} points; all need the same")
    return np.stack(found) if found else np.zeros((0, 0, 3))


def _person(item: object, where: str) -> F64:
    listed = item.get("pose_keypoints_2d") if isinstance(item, dict) else None
    if not isinstance(listed, list):
        raise ValueError(f'{where} has no list "pose_keypoints_2d"')
    if not listed or len(listed) % 3:
        raise ValueError(f"{where} has {len(listed)} numbers; x, y and confidence of each point are wanted")
    for value in listed:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_sane(value):
            raise ValueError(f"{where} has {str(value)[:40]!r} where a number of pixels below {_MOST_PX:g} is wanted")
    return np.array(listed, dtype=np.float64).reshape(-1, 3)


def _is_sane(value: float) -> bool:
    """A number that a picture can have; compared before it is made a float, as an integer may be too long for one."""
    return abs(value) <= _MOST_PX and math.isfinite(value)


def _stacked(where: str, frames: dict[int, F64], count: int, layout: str) -> People:
    counts = sorted({people.shape[1] for people in frames.values() if len(people)})
    if not counts:
        raise ValueError(f"folder {where} has {len(frames)} keypoint files and nobody in them")
    if len(counts) > 1:
        raise ValueError(f"folder {where} mixes layouts of {counts} points; export all frames by one detector")
    names = layout_of(counts[0], layout)
    most = max(len(people) for people in frames.values())
    full = np.full((count, most, len(names), 3), np.nan)
    for number, people in frames.items():
        if len(people):
            full[number, : len(people)] = people
    confidence = np.clip(np.nan_to_num(full[..., 2]), 0.0, 1.0)
    # OpenPose writes 0 0 0 for a point that it did not find.
    confidence[(full[..., 0] == 0) & (full[..., 1] == 0)] = 0.0
    places = full[..., :2].copy()
    places[confidence == 0] = np.nan
    return People(names, places, confidence)


def in_time(seen: Keypoints, frames_late: float) -> Keypoints:
    """The points where they were at the common time, of a camera whose frame k shows the moment k + frames_late.

    Cubic between four neighbours, linear where only two stand around the moment; a moment before the first frame, after
    the last or beside a frame without the point stays unknown.
    """
    if frames_late == 0:
        return seen
    count = len(seen)
    moment = np.arange(count) - frames_late
    before = np.floor(moment).astype(int)
    share = (moment - before)[:, None, None]

    def at(index: NDArray[np.int64]) -> tuple[F64, F64]:
        inside = (index >= 0) & (index < count)
        taken = np.clip(index, 0, count - 1)
        places = np.where(inside[:, None, None], seen.places[taken], np.nan)
        return places, np.where(inside[:, None], seen.confidence[taken], 0.0)

    (p0, _), (p1, c1), (p2, c2), (p3, _) = (at(before + k) for k in (-1, 0, 1, 2))
    # A moment that falls on a frame is that frame, whatever stands behind it.
    p2, c2 = np.where(share == 0, p1, p2), np.where(share[..., 0] == 0, c1, c2)
    straight = p1 + share * (p2 - p1)
    bent = p1 + 0.5 * share * (p2 - p0 + share * (2 * p0 - 5 * p1 + 4 * p2 - p3 + share * (3 * (p1 - p2) + p3 - p0)))
    places = np.where(np.isfinite(bent), bent, straight)
    known = np.isfinite(places).all(axis=-1)
    places[~known] = np.nan
    return Keypoints(seen.names, places, np.where(known, np.minimum(c1, c2), 0.0))
