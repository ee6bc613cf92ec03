"""Corners of drawn boards are found where they were drawn; what is no board is not found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.detect import Corners, detect_frames, make_finder, natural_order
from calibration.target import Target, target_of
from capture.session import Board
from capture.stage import board as stage_board
from capture.stage.rig import make_lights, make_rig

Picture = NDArray[np.uint8]
CHARUCO = Board(kind="charuco", columns=9, rows=6, square_m=0.07, marker_m=0.0525, dictionary="DICT_4X4_1000")
CHESS = Board(kind="chessboard", columns=9, rows=6, square_m=0.025)
SQUARE_PX = 48


def drawn(board: Board, *, invert: bool = False) -> Picture:
    """The print seen straight on, one square 48 pixels, with a white margin of one square."""
    if board.kind == "charuco":
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        size = (board.columns, board.rows)
        made = cv2.aruco.CharucoBoard(size, board.square_m, board.marker_m, dictionary)
        made.setLegacyPattern(board.legacy)
        face = made.generateImage((board.columns * SQUARE_PX, board.rows * SQUARE_PX), marginSize=0)
    else:
        cells = np.indices((board.rows + 1, board.columns + 1)).sum(axis=0) % 2
        face = np.kron(cells, np.ones((SQUARE_PX, SQUARE_PX))).astype(np.uint8) * 255
    picture = np.asarray(
        cv2.copyMakeBorder(np.asarray(face), SQUARE_PX, SQUARE_PX, SQUARE_PX, SQUARE_PX, cv2.BORDER_CONSTANT, value=255)
    )
    return np.asarray(255 - picture if invert else picture, dtype=np.uint8)


def expected(target: Target, corners: Corners) -> NDArray[np.float64]:
    """Where the corners were drawn: pixel centres are integers, so an edge lies half a pixel before a pixel."""
    extra = 2 if target.board.kind == "chessboard" else 1  # a chessboard counts from its first inner corner
    return target.points[corners.ids, :2] / target.board.square_m * SQUARE_PX + extra * SQUARE_PX - 0.5


@pytest.mark.parametrize("board", [CHARUCO, CHARUCO.model_copy(update={"legacy": True})])
def test_charuco_corners_are_where_they_were_drawn(board: Board) -> None:
    target = target_of(board)
    corners = make_finder(target)(drawn(board))
    assert corners is not None
    assert corners.ids.tolist() == list(range(40))
    assert np.abs(corners.uv - expected(target, corners)).max() < 0.1


def test_chessboard_corners_are_where_they_were_drawn_up_to_a_half_turn() -> None:
    target = target_of(CHESS)
    corners = make_finder(target)(drawn(CHESS))
    assert corners is not None
    turned = Corners(corners.ids[::-1], corners.uv)
    off = [np.abs(c.uv - expected(target, c)).max() for c in (corners, turned)]
    assert min(off) < 0.1


def test_every_view_of_a_chessboard_starts_at_the_same_corner() -> None:
    find, picture = make_finder(target_of(CHESS)), drawn(CHESS)
    first = find(picture)
    turned = find(np.ascontiguousarray(picture[::-1, ::-1]))
    assert first is not None
    assert turned is not None
    back = np.array(picture.shape[::-1]) - 1 - turned.uv
    assert np.abs(back - first.uv).max() < 0.1


def test_a_large_chessboard_picture_keeps_its_pixel_centres() -> None:
    big = np.asarray(cv2.resize(drawn(CHESS), None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    small, large = make_finder(target_of(CHESS))(drawn(CHESS)), make_finder(target_of(CHESS))(big)
    assert small is not None
    assert large is not None
    assert np.abs((small.uv + 0.5) * 4 - 0.5 - large.uv).max() < 0.3


def test_an_inverted_board_is_found_only_when_the_session_says_so() -> None:
    picture = drawn(CHARUCO, invert=True)
    upright = make_finder(target_of(CHARUCO))(picture)
    inverted = make_finder(target_of(CHARUCO.model_copy(update={"inverted": True})))(picture)
    assert inverted is not None
    assert len(inverted.ids) == 40
    assert upright is None


def test_five_corners_or_one_line_of_them_are_no_view() -> None:
    find, picture = make_finder(target_of(CHARUCO)), drawn(CHARUCO)
    line = picture.copy()
    line[int(SQUARE_PX * 3.2) :] = 255  # one row of eight corners is left
    assert find(line) is None
    assert find(np.full((480, 640, 3), 128, dtype=np.uint8)) is None


def test_frames_of_a_video_are_named_by_their_index() -> None:
    blank = np.full((200, 300), 255, dtype=np.uint8)
    found = detect_frames([(0, drawn(CHARUCO)), (3, blank), (6, drawn(CHARUCO))], target_of(CHARUCO))
    assert list(found) == ["0", "6"]


def test_shots_sort_as_people_count() -> None:
    assert natural_order(["10", "9", "2"]) == ["2", "9", "10"]
    assert natural_order(["b", "a"]) == ["a", "b"]


def test_corners_of_the_stage_are_found_within_a_tenth_of_a_pixel() -> None:
    stage = stage_board.StageBoard(9, 6, 0.07, 0.0525, "DICT_4X4_50")
    camera = make_rig(4, seed=3, image_size=640)[0]
    shots = stage_board.board_poses(stage, 12, seed=3)
    seen = [s for s in shots if stage_board.board_visible(stage, s, camera)][:3]
    assert seen
    find, off = make_finder(target_of(CHARUCO)), []
    for shot in seen:
        corners = find(stage_board.render_board(stage, shot, camera, make_lights(1)[0]))
        ids, pixels = stage_board.corner_pixels(stage, shot, camera)
        assert corners is not None
        truth = dict(zip(ids.tolist(), pixels, strict=True))
        off += [float(np.linalg.norm(uv - truth[i])) for i, uv in zip(corners.ids.tolist(), corners.uv, strict=True)]
    assert np.median(off) < 0.08
