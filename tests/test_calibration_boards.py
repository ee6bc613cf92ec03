"""Boards as they are printed: what the sheet shows is what the finder finds, in true size."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.boards.aprilgrid import GridFinder, tag_points
from calibration.boards.artwork import artwork
from calibration.boards.sheet import PAPERS_MM, lay_out, to_pdf, to_svg
from calibration.detect import detect_original, make_finder, natural_order
from calibration.target import target_of
from capture.images import write_png
from capture.session import Board, Calibration, Shot, ShotKind
from capture.validate import Original

CHARUCO = Board(kind="charuco", columns=5, rows=7, square_m=0.04, marker_m=0.03, dictionary="DICT_4X4_1000")
BOARDS = {
    "charuco": CHARUCO,
    "legacy": CHARUCO.model_copy(update={"legacy": True, "rows": 6}),
    "inverted": CHARUCO.model_copy(update={"inverted": True}),
    "chessboard": Board(kind="chessboard", columns=9, rows=6, square_m=0.025),
    "aprilgrid": Board(kind="aprilgrid", columns=6, rows=5, square_m=0.0286, marker_m=0.022),
}
RIM = 40  # pixels of white around a drawing


def drawn(board: Board, px_per_m: float) -> NDArray[np.uint8]:
    """The board in grey, (H, W), with a rim; pixel edges of the sheet's rectangles are rounded."""
    art = artwork(board)
    size = [round(side * px_per_m) + 2 * RIM for side in art.size]
    paper, ink = (0, 255) if board.inverted else (255, 0)
    image = np.full((size[1], size[0]), 255 if not board.inverted else paper, dtype=np.uint8)
    for left, top, width, height in art.black:
        x, y = (round(v * px_per_m) + RIM for v in (left, top))
        right, bottom = (round(v * px_per_m) + RIM for v in (left + width, top + height))
        image[y:bottom, x:right] = ink
    return image


def seen_obliquely(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The sheet in perspective, soft and noisy, and the homography (3, 3) that bent it."""
    height, width = image.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    target = np.array([[260, 120], [930, 60], [1010, 720], [190, 640]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    bent = cv2.warpPerspective(image, matrix, (1280, 800), borderValue=(128,), flags=cv2.INTER_AREA)
    noisy = cv2.GaussianBlur(bent, (0, 0), 0.8) * 0.8 + 20 + np.random.default_rng(0).normal(0, 2, bent.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), np.asarray(matrix)


def where(board: Board, ids: NDArray[np.int64], px_per_m: float) -> NDArray[np.float64]:
    """Corners (N, 2) in pixels of the drawing; a pixel's centre is at an integer."""
    origin = np.array(artwork(board).origin)
    return (target_of(board).points[ids, :2] + origin) * px_per_m + RIM - 0.5


@pytest.mark.parametrize("name", BOARDS)
def test_what_is_printed_is_what_is_found(name: str) -> None:
    board = BOARDS[name]
    scale = 5000.0
    found = make_finder(target_of(board))(drawn(board, scale))
    assert found is not None
    assert len(found.ids) == len(target_of(board).points)
    assert np.abs(found.uv - where(board, found.ids, scale)).max() < 0.5


def test_a_grid_in_perspective() -> None:
    board = BOARDS["aprilgrid"]
    picture, bent = seen_obliquely(drawn(board, 5000.0))
    ids, uv = GridFinder(board).find(picture)
    true = cv2.perspectiveTransform(where(board, ids, 5000.0)[None], bent)[0]
    assert len(ids) > 0.9 * 4 * 30
    assert np.sqrt(((uv - true) ** 2).sum(axis=1).mean()) < 0.2  # the outline of the tags alone is 3 px off here
    assert np.linalg.norm(uv - true, axis=1).max() < 1.0


def test_half_a_grid_is_a_view() -> None:
    board = BOARDS["aprilgrid"]
    picture, _ = seen_obliquely(drawn(board, 5000.0))
    picture[:, 600:] = 128
    found = make_finder(target_of(board))(picture)
    assert found is not None
    assert 30 < len(found.ids) < 90
    assert make_finder(target_of(board))(np.full((800, 1280), 128, np.uint8)) is None


def test_tags_are_counted_from_the_bottom_left() -> None:
    board = BOARDS["aprilgrid"]
    points = tag_points(board)
    np.testing.assert_allclose(points[0], [0, 4 * 0.0286 + 0.022, 0])
    np.testing.assert_allclose(points[1], [0.022, 4 * 0.0286 + 0.022, 0])
    np.testing.assert_allclose(points[4 * 29 + 2], [5 * 0.0286 + 0.022, 0, 0])


def test_another_detector_reads_the_tags_upright() -> None:
    apriltags = pytest.importorskip("pupil_apriltags")
    board = BOARDS["aprilgrid"]
    seen = apriltags.Detector(families="tag36h11").detect(drawn(board, 5000.0))
    assert len(seen) > 20
    for tag in seen:  # counted from the bottom left, against the clock; pixel edges, not centres
        ids = 4 * tag.tag_id + np.arange(4)
        assert np.abs(tag.corners - 0.5 - where(board, ids, 5000.0)).max() < 2.0


def test_boards_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="an aprilgrid needs marker_m, the side of a tag, smaller than square_m"):
        Board(kind="aprilgrid", columns=6, rows=6, square_m=0.02, marker_m=0.022)
    with pytest.raises(ValueError, match="board has 900 tags, but DICT_APRILTAG_36h11 holds 587; print fewer"):
        target_of(Board(kind="aprilgrid", columns=30, rows=30, square_m=0.03, marker_m=0.02))
    with pytest.raises(ValueError, match="dictionary 'DICT_4X4_50' is no AprilTag family; give one of DICT_APRILTAG"):
        target_of(BOARDS["aprilgrid"].model_copy(update={"dictionary": "DICT_4X4_50"}))


@pytest.mark.parametrize("name", BOARDS)
def test_sheets_are_in_true_size(name: str) -> None:
    board = BOARDS[name]
    sheet = lay_out(board, "A3")
    art = artwork(board)
    rectangles = np.array(sheet.white if board.inverted else sheet.rectangles)
    np.testing.assert_allclose(rectangles[:, 2:], art.black[:, 2:] * 1000)
    np.testing.assert_allclose(np.ptp(rectangles[:, 0]), np.ptp(art.black[:, 0]) * 1000)
    assert sorted((sheet.width, sheet.height)) == list(PAPERS_MM["A3"])
    svg = to_svg(sheet)
    assert f'width="{sheet.width:.3f}mm"' in svg
    in_svg = np.array(re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/>', svg), float)
    assert {tuple(row) for row in rectangles.round(4).tolist()} <= {tuple(row) for row in in_svg.tolist()}
    in_pdf = np.array(re.findall(r"^([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re$", to_pdf(sheet).decode(), re.M), float)
    np.testing.assert_allclose(np.array([*sheet.rectangles, *sheet.white]), in_pdf, atol=1e-4)


def test_the_pdf_points_to_its_own_objects() -> None:
    data = to_pdf(lay_out(CHARUCO, "A3"))
    start = int(data[data.rindex(b"startxref") + 9 :].split()[0])
    assert data[start:].startswith(b"xref\n0 6\n")
    for number, line in enumerate(data[start:].splitlines()[3:8], 1):
        assert data[int(line[:10]) :].startswith(f"{number} 0 obj\n".encode())
    assert b"/MediaBox [0 0 841.8898 1190.5512]" in data  # A3 in points
    assert b"/PrintScaling /None" in data


def test_paper_that_is_too_small_names_the_one_that_is_not() -> None:
    with pytest.raises(ValueError, match="paper A4 is too small for a board of 216 x 310 mm; A3 holds it"):
        lay_out(CHARUCO, "A4")
    with pytest.raises(ValueError, match="paper 'Letter' is unknown; give one of A4, A3"):
        lay_out(CHARUCO, "Letter")
    assert lay_out(CHARUCO).width == pytest.approx(216)


SECOND = Board(kind="charuco", columns=6, rows=4, square_m=0.05, marker_m=0.0375, dictionary="DICT_4X4_1000",
               first_marker=17)  # fmt: skip


def test_two_boards_in_one_picture_are_two_shots(tmp_path: Path) -> None:
    target = target_of(CHARUCO, (SECOND,))
    assert len(target.points) == 24 + 15
    left, right = drawn(CHARUCO, 2500.0), drawn(SECOND, 2560.0)
    picture = np.full((900, 1500, 3), 255, dtype=np.uint8)
    picture[20 : 20 + left.shape[0], 20 : 20 + left.shape[1]] = left[..., None]
    picture[100 : 100 + right.shape[0], 650 : 650 + right.shape[1]] = right[..., None]
    write_png(tmp_path / "cam1.png", picture)
    shot = Shot(ShotKind.BOARD, "cam1", "007")
    original = Original(shot, tmp_path / "cam1.png", "x", 1, "", 1500, 900, 1, 0.0)
    found = detect_original(original, target, every=1)
    assert list(found) == ["007", "007+2"]
    assert found["007"].ids.max() < 24 <= found["007+2"].ids.min()
    ids = found["007+2"].ids
    true = target.points[ids, :2] * 2560.0 + (650 + RIM - 0.5, 100 + RIM - 0.5)
    assert np.abs(found["007+2"].uv - true).max() < 0.5
    assert natural_order(["10", "007+2", "9", "007"]) == ["007", "007+2", "9", "10"]


def test_boards_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="boards share markers 0 to 16; give first_marker a number from 17 on"):
        Calibration(board=CHARUCO, extra_boards=(CHARUCO,))
    with pytest.raises(ValueError, match="a chessboard cannot be told from other boards; use boards with markers"):
        Calibration(board=CHARUCO, extra_boards=(BOARDS["chessboard"],))
    with pytest.raises(ValueError, match=r"extra_boards need \[calibration.board\]"):
        Calibration(extra_boards=(SECOND,))
    assert Calibration(board=CHARUCO, extra_boards=(SECOND, BOARDS["aprilgrid"])).extra_boards[0] is SECOND
