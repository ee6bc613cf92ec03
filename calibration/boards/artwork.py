"""What is black on a board: rectangles in metres, from which sheets are printed and tests draw their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calibration.boards.aprilgrid import tag_dictionary, tag_picture, tag_points
from calibration.pose import Floats
from calibration.target import charuco_of
from capture.session import Board

Rectangle: TypeAlias = tuple[float, float, float, float]  # left, top, width, height in metres


@dataclass(frozen=True, eq=False)
class Artwork:
    """The black of a board, x right and y down on the sheet; `size` reaches from the first to the last black edge."""

    size: tuple[float, float]  # metres
    black: Floats  # (N, 4) left, top, width, height in metres
    origin: tuple[float, float]  # where the origin of the board's frame lies


def artwork(board: Board) -> Artwork:
    """The black rectangles of any board, of an inverted one the white. Raises ValueError as `target_of` does."""
    if board.kind == "aprilgrid":
        return _grid(board)
    if board.kind == "charuco":
        return _charuco(board)
    return _chessboard(board)


def _chessboard(board: Board) -> Artwork:
    """One square more than inner corners each way; the first corner is the origin of the frame."""
    columns, rows, side = board.columns + 1, board.rows + 1, board.square_m
    squares = [(x * side, y * side, side, side) for y in range(rows) for x in range(columns) if (x + y) % 2 == 0]
    return Artwork((columns * side, rows * side), np.array(squares), (side, side))


def _charuco(board: Board) -> Artwork:
    made, side = charuco_of(board), board.square_m
    dictionary = made.getDictionary()
    size = (board.columns * side, board.rows * side)
    rectangles: list[Rectangle] = []
    marked: set[tuple[int, int]] = set()
    for number, corners in zip(np.ravel(made.getIds()), made.getObjPoints(), strict=True):
        centre = np.asarray(corners, dtype=np.float64).mean(axis=0)
        column, row = int(centre[0] / side), int(centre[1] / side)
        marked.add((column, row))
        left, top = ((at + 0.5) * side - board.marker_m / 2 for at in (column, row))
        cells = dictionary.markerSize + 2
        bits = np.asarray(dictionary.generateImageMarker(int(number), cells)) == 0
        rectangles += _cells(bits, left, top, board.marker_m / cells)
    everywhere = ((x, y) for y in range(board.rows) for x in range(board.columns))
    rectangles += [(x * side, y * side, side, side) for x, y in everywhere if (x, y) not in marked]
    return Artwork(size, np.array(rectangles), (0.0, 0.0))


def _grid(board: Board) -> Artwork:
    dictionary, gap = tag_dictionary(board), board.square_m - board.marker_m
    points = tag_points(board)[:, :2] + gap
    cell = board.marker_m / (dictionary.markerSize + 2)
    rectangles: list[Rectangle] = []
    for tag in range(board.columns * board.rows):
        left, top = points[4 * tag + 3]
        rectangles += _cells(tag_picture(dictionary, board.first_marker + tag), float(left), float(top), cell)
    rectangles += [
        (x * board.square_m, y * board.square_m, gap, gap)
        for y in range(board.rows + 1)
        for x in range(board.columns + 1)
    ]
    size = (board.columns * board.square_m + gap, board.rows * board.square_m + gap)
    return Artwork(size, np.array(rectangles), (gap, gap))


def _cells(black: NDArray[np.bool_], left: float, top: float, side: float) -> Iterator[Rectangle]:
    """Black cells as few rectangles: neighbours that only touch would show a hair line between them."""
    begun: dict[tuple[int, int], int] = {}  # run of columns -> its first row
    for row in range(len(black) + 1):
        runs = set(_runs(black[row])) if row < len(black) else set()
        for first, last in sorted(begun.keys() - runs):
            start = begun.pop((first, last))
            yield (left + first * side, top + start * side, (last - first) * side, (row - start) * side)
        for run in runs:
            begun.setdefault(run, row)


def _runs(line: Iterable[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(line, dtype=np.int8), [0]])))
    yield from ((int(a), int(b)) for a, b in edges.reshape(-1, 2))
