"""Corners of the board in pictures and videos. A place on the board is a corner id, a view is a camera and a shot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.boards.aprilgrid import GridFinder
from calibration.pose import Floats
from calibration.target import Target
from capture.images import read_image
from capture.session import ShotKind
from capture.store import sha256_text, write_json
from capture.video import read_frames

if TYPE_CHECKING:
    from capture.issues import JsonObject
    from capture.validate import Original, ValidatedSession

Picture: TypeAlias = NDArray[np.uint8]

MIN_CORNERS = 6
MAX_FRAMES = 300  # of one board video; more of them only repeat each other
_THREADS = 4
# Half the side of the window in which a corner is refined: a share of the shortest square, because a window that holds
# a part of the next corner is drawn to it. On OpenCV's stereo pair the usual 11 px leave 0.445 px, this leaves 0.199.
_REACH_SHARE, _REACH_PX = 0.3, (2, 11)
_COARSE_SIDE = 1600  # pixels; a chessboard is searched in a picture of this size and refined in the full one
_CACHE_SCHEMA = 1
_BOARD = "+"  # in `000+2`, the second board of shot 000


@dataclass(frozen=True, eq=False)
class Corners:
    """The corners found in one view."""

    ids: NDArray[np.int64]  # (N,) rows of Target.points
    uv: Floats  # (N, 2) pixels


Detections: TypeAlias = Mapping[str, Mapping[str, Corners]]  # camera -> shot -> corners
Finder: TypeAlias = Callable[[Picture], "Corners | None"]


def make_finder(target: Target) -> Finder:
    """A function that finds the board in a picture (H, W, 3) BGR or (H, W) grey.

    It returns None where fewer than six corners are found or all lie on one line, which fixes no pose. Not to be
    shared between threads.
    """
    finders = {"charuco": _charuco_finder, "chessboard": _chessboard_finder, "aprilgrid": _aprilgrid_finder}
    search = finders[target.board.kind](target)

    def find(picture: Picture) -> Corners | None:
        grey = picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        if target.board.inverted:
            grey = np.asarray(255 - grey, dtype=np.uint8)
        found = search(grey)
        return found if found is not None and _fixes_a_pose(target.points[found.ids]) else None

    return find


def detect_frames(frames: Iterable[tuple[int, Picture]], target: Target) -> dict[str, Corners]:
    """Corners in the frames of one video: frame index as text -> corners."""
    find = make_finder(target)
    found = ((str(index), find(picture)) for index, picture in frames)
    return {shot: corners for shot, corners in found if corners is not None}


def detect_session(
    validated: ValidatedSession, target: Target, *, cache: Path | None = None
) -> dict[str, dict[str, Corners]]:
    """Corners of every board picture and board video of a session, by camera and shot, in the order of names.

    Cameras without a view have an empty entry. Of long videos every n-th frame is read, the same for every camera.
    A further board of a still is a shot of its own, `000+2`, because it may be moved by itself. `cache` names a JSON
    file that spares the search for files that did not change.
    """
    originals = sorted(validated.of_kind(ShotKind.BOARD), key=lambda o: (o.shot.camera, _natural(o.shot.group)))
    every = -(-max((o.frames for o in originals), default=1) // MAX_FRAMES)
    known = _read_cache(cache)
    keys = [sha256_text(f"{o.sha256} {every} {target.settings}") for o in originals]

    def search(task: tuple[str, Original]) -> dict[str, Corners]:
        key, original = task
        return known[key] if key in known else detect_original(original, target, every)

    # OpenCV leaves the interpreter free while it searches, so threads are enough; map keeps the order
    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(search, zip(keys, originals, strict=True)))
    detections: dict[str, dict[str, Corners]] = {camera.id: {} for camera in validated.session.camera}
    for original, result in zip(originals, results, strict=True):
        detections.setdefault(original.shot.camera, {}).update(result)
    if cache is not None:
        _write_cache(cache, dict(zip(keys, results, strict=True)))
    return detections


def detect_original(original: Original, target: Target, every: int) -> dict[str, Corners]:
    """Corners in one file by shot: a still and its further boards, or every n-th frame of a film."""
    if original.frames > 1:  # of a film the first board alone: a path through time belongs to one board
        return detect_frames(read_frames(original.path, every=every), target.parts[0][1])
    picture = read_image(original.path)
    found: dict[str, Corners] = {}
    for place, (first, part) in enumerate(target.parts, 1):
        corners = make_finder(part)(picture)
        if corners is not None:
            found[shot_of(original.shot.group, place - 1)] = Corners(corners.ids + first, corners.uv)
    return found


def _charuco_finder(target: Target) -> Finder:
    detector = target.detector()

    def search(grey: Picture) -> Corners | None:
        uv, ids, _, _ = detector.detectBoard(grey)
        if ids is None or len(ids) < MIN_CORNERS:
            return None
        order = np.argsort(ids.ravel())
        return Corners(ids.ravel()[order].astype(np.int64), uv.reshape(-1, 2)[order].astype(np.float64))

    return search


def _chessboard_finder(target: Target) -> Finder:
    size = (target.board.columns, target.board.rows)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-4)

    def search(grey: Picture) -> Corners | None:
        scale = min(1.0, _COARSE_SIDE / max(grey.shape))
        small = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found, uv = cv2.findChessboardCorners(small, size)
        if not found:
            return None
        full = (np.asarray(uv, dtype=np.float32) + 0.5) / scale - 0.5  # keeps pixel centres at integers
        grid = full.reshape(target.board.rows, target.board.columns, 2)
        pitch = min(float(np.linalg.norm(np.diff(grid, axis=axis), axis=-1).min()) for axis in (0, 1))
        reach = int(np.clip(_REACH_SHARE * pitch, *_REACH_PX))
        refined = cv2.cornerSubPix(grey, full.astype(np.float32), (reach, reach), (-1, -1), stop)
        return Corners(np.arange(len(refined)), np.asarray(refined, dtype=np.float64).reshape(-1, 2))

    return search


def _aprilgrid_finder(target: Target) -> Finder:
    grid = GridFinder(target.board)

    def search(grey: Picture) -> Corners | None:
        ids, uv = grid.find(grey)
        return Corners(ids, uv) if len(ids) else None

    return search


def _fixes_a_pose(points: Floats) -> bool:
    if len(points) < MIN_CORNERS:
        return False
    widths = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(widths[1] > 0.05 * widths[0])


def _natural(name: str) -> tuple[int, str]:
    """Sorts 2 before 10, and a further board of a shot after the first."""
    number = file_shot(name)
    return (int(number) if number.isdigit() else -1, name)


def shot_of(group: str, board: int) -> str:
    """The name of the view of a board, counted from 0, in the file of a shot: `000`, `000+2`."""
    return group if not board else f"{group}{_BOARD}{board + 1}"


def file_shot(shot: str) -> str:
    """The shot of the file that a view was found in: `000` of `000+2`."""
    return shot.partition(_BOARD)[0]


def natural_order(shots: Iterable[str]) -> list[str]:
    """Shot names in the order in which they were taken: numbers by value, other names by letter."""
    return sorted(shots, key=_natural)


def _read_cache(path: Path | None) -> dict[str, dict[str, Corners]]:
    if path is None or not path.is_file():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.get("schema") != _CACHE_SCHEMA or data.get("opencv") != cv2.__version__:
        return {}
    return {key: dict(_corners_from_json(shots)) for key, shots in data["files"].items()}


def _corners_from_json(shots: Mapping[str, Mapping[str, list[float]]]) -> Iterator[tuple[str, Corners]]:
    for shot, value in shots.items():
        yield shot, Corners(np.array(value["ids"], dtype=np.int64), np.array(value["uv"], dtype=np.float64))


def _write_cache(path: Path, results: Mapping[str, Mapping[str, Corners]]) -> None:
    files: JsonObject = {
        key: {shot: {"ids": c.ids.tolist(), "uv": c.uv.tolist()} for shot, c in shots.items()}
        for key, shots in results.items()
    }
    write_json(path, {"schema": _CACHE_SCHEMA, "opencv": cv2.__version__, "files": files})
