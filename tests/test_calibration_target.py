"""Boards as geometry: frame, ids, dictionary pools, and boards that cannot work."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.pose import Pose
from calibration.target import WORLD_FROM_FLOOR_BOARD, small_pool, target_of
from capture.session import Board

CHARUCO = Board(kind="charuco", columns=4, rows=5, square_m=0.054, marker_m=0.0405, dictionary="DICT_4X4_1000")


def test_charuco_corners_lie_on_the_grid_of_the_print() -> None:
    points = target_of(CHARUCO).points
    assert points.shape == (12, 3)
    assert points[0] == pytest.approx([0.054, 0.054, 0.0], abs=1e-15)
    assert points[-1] == pytest.approx([3 * 0.054, 4 * 0.054, 0.0], abs=1e-15)
    assert target_of(CHARUCO).centre == pytest.approx([0.108, 0.135, 0])


def test_chessboard_corners_start_at_the_first_inner_corner() -> None:
    points = target_of(Board(kind="chessboard", columns=9, rows=6, square_m=0.025)).points
    assert points.shape == (54, 3)
    assert points[0].tolist() == [0, 0, 0]
    assert points[1] == pytest.approx([0.025, 0, 0])
    assert points[9] == pytest.approx([0, 0.025, 0])


def test_a_board_on_the_floor_faces_up() -> None:
    pose = WORLD_FROM_FLOOR_BOARD
    assert np.array_equal(pose.rotation @ [1, 0, 0], [1, 0, 0])
    assert np.array_equal(pose.rotation @ [0, 1, 0], [0, -1, 0])
    assert np.array_equal(pose.rotation @ [0, 0, 1], [0, 0, -1])
    assert isinstance(pose, Pose)


@pytest.mark.parametrize(
    ("named", "markers", "pool"),
    [
        ("DICT_4X4_1000", 10, "DICT_4X4_50"),
        ("DICT_4X4_1000", 51, "DICT_4X4_100"),
        ("DICT_5X5_250", 120, "DICT_5X5_250"),
        ("DICT_4X4_50", 50, "DICT_4X4_50"),
        ("DICT_APRILTAG_36h11", 10, "DICT_APRILTAG_36h11"),
    ],
)
def test_the_smallest_pool_that_holds_the_board_is_used(named: str, markers: int, pool: str) -> None:
    assert small_pool(named, markers) == pool


def test_boards_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="'DICT_9X9_50' is not one of OpenCV's"):
        small_pool("DICT_9X9_50", 10)
    with pytest.raises(ValueError, match="board has 60 markers, but DICT_4X4_50 holds 50"):
        small_pool("DICT_4X4_50", 60)
    with pytest.raises(ValueError, match="8 x 6 inner corners looks the same upside down"):
        target_of(Board(kind="chessboard", columns=8, rows=6, square_m=0.025))
