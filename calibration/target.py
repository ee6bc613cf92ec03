"""The printed board as geometry: which corners it has, where they lie, and how OpenCV finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.boards.aprilgrid import tag_dictionary, tag_points
from calibration.pose import Floats, Pose
from capture.session import Board

# OpenCV's pools of one marker size are prefixes of one another; a smaller pool is searched up to nine times faster
_POOLS = (50, 100, 250, 1000)
WORLD_FROM_FLOOR_BOARD = Pose(np.diag([1.0, -1.0, -1.0]), np.zeros(3))  # face up: print y and z point to -y and -z


@dataclass(frozen=True, eq=False)
class Target:
    """The boards of a session. Corner ids are rows of `points`, in OpenCV's board frame (z into the print).

    Corners of further boards follow those of the first, each board in its own frame: no view holds two of them.
    """

    board: Board
    points: Floats  # (N, 3) metres, board frame, z = 0
    extra: tuple[Board, ...] = ()

    @property
    def centre(self) -> Floats:
        """Middle (3,) of the corners in the board frame, metres."""
        return np.asarray(self.points.mean(axis=0))

    @property
    def parts(self) -> tuple[tuple[int, Target], ...]:
        """Each board as a target of its own, with the id of its first corner."""
        first, parts = 0, []
        for board in (self.board, *self.extra):
            part = target_of(board)
            parts.append((first, part))
            first += len(part.points)
        return tuple(parts)

    @property
    def settings(self) -> str:
        """Everything that decides what is found in a picture, as one line."""
        return " ".join(b.model_dump_json(exclude={"origin"}, exclude_defaults=True) for b in (self.board, *self.extra))

    def detector(self) -> cv2.aruco.CharucoDetector:
        """A ChArUco detector. Not to be shared between threads."""
        return cv2.aruco.CharucoDetector(charuco_of(self.board))


def target_of(board: Board, extra: Sequence[Board] = ()) -> Target:
    """The geometry of a session's board, or boards.

    Raises ValueError for an unknown dictionary, for a board or grid with more markers than its dictionary, and for a
    chessboard that looks the same when turned by 180 degrees, because two cameras could then not agree on it.
    """
    if extra:
        points = np.concatenate([target_of(one).points for one in (board, *extra)])
        return Target(board, points, tuple(extra))
    if board.kind == "charuco":
        points = np.asarray(charuco_of(board).getChessboardCorners(), dtype=np.float64)
        # OpenCV returns float32: put the corners back on the exact grid of the print
        points = np.round(points / board.square_m) * board.square_m
    elif board.kind == "aprilgrid":
        tag_dictionary(board)
        points = tag_points(board)
    else:
        if (board.columns + board.rows) % 2 == 0:
            raise ValueError(
                f"chessboard of {board.columns} x {board.rows} inner corners looks the same upside down, so cameras "
                "cannot agree on it; use one with an odd and an even side, or a charuco board"
            )
        grid = np.mgrid[0 : board.columns, 0 : board.rows].T.reshape(-1, 2)
        points = np.concatenate([grid * board.square_m, np.zeros((len(grid), 1))], axis=1)
    return Target(board, points)


def small_pool(dictionary: str, markers: int) -> str:
    """The smallest dictionary with the same first markers: DICT_4X4_1000 with 10 markers is DICT_4X4_50."""
    if not hasattr(cv2.aruco, dictionary) or not dictionary.startswith("DICT_"):
        known = sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_"))
        raise ValueError(f"board dictionary {dictionary!r} is not one of OpenCV's: {', '.join(known)}")
    family, _, size = dictionary.rpartition("_")
    sizes = [n for n in _POOLS if size == str(n) or (size.isdigit() and n <= int(size))]
    if family.removeprefix("DICT_") not in ("4X4", "5X5", "6X6", "7X7") or not sizes:
        return dictionary
    fitting = [n for n in sizes if n >= markers]
    if not fitting:
        raise ValueError(f"board has {markers} markers, but {dictionary} holds {size}; name the dictionary printed")
    return f"{family}_{fitting[0]}"


def charuco_of(board: Board) -> cv2.aruco.CharucoBoard:
    """OpenCV's own description of a ChArUco board, with the smallest dictionary that holds its markers."""
    pool = small_pool(board.dictionary, board.markers.stop)
    dictionary = cv2.aruco.getPredefinedDictionary(int(getattr(cv2.aruco, pool)))
    ids = np.array(board.markers, dtype=np.int32)
    made = cv2.aruco.CharucoBoard((board.columns, board.rows), board.square_m, board.marker_m, dictionary, ids)
    made.setLegacyPattern(board.legacy)
    return made
