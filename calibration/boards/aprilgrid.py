"""Grids of AprilTags as Kalibr prints them: rows of tags, and black squares in the gaps at every corner of a tag.

Tag 0 is at the bottom left, numbers go to the right and then up; of each tag the corners are counted from its bottom
left one against the clock. OpenCV's own dictionary holds the tags of AprilTag turned by 180 degrees.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.pose import Floats
from capture.session import Board

# A tag as it stands on the sheet: where OpenCV's four corners, clockwise from the first bit of its own tag, lie.
_OURS_OF_OPENCV = (1, 0, 3, 2)  # bottom right, bottom left, top left, top right
_PARTED_PX = (3, 5, 1)  # widths of the white that is tried, the one that finds most first
_NEAR = 12  # corners around one that say where it should be
_OFF_SHARE = 0.04  # of the side of a tag: lens and bent paper stay below, a wrong corner is far above
_OFF_PX = 1.0
_CELL_PX = 6  # side of a cell of a tag where its bits are read
_MIN_CONTRAST = 20.0  # grey levels between black and white
_STOP = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-4)


def tag_dictionary(board: Board) -> cv2.aruco.Dictionary:
    """The tags of a grid. Raises ValueError for what is no AprilTag family, and for a grid of more tags than it has."""
    family = board.dictionary or "DICT_APRILTAG_36h11"
    if not hasattr(cv2.aruco, family) or not family.startswith("DICT_APRILTAG_"):
        known = sorted({n for n in dir(cv2.aruco) if n.startswith("DICT_APRILTAG_") and n[-1] != "H"})
        raise ValueError(f"board dictionary {family!r} is no AprilTag family; give one of {', '.join(known)}")
    dictionary = cv2.aruco.getPredefinedDictionary(int(getattr(cv2.aruco, family)))
    if board.markers.stop > len(dictionary.bytesList):
        raise ValueError(
            f"board has {board.markers.stop} tags, but {family} holds {len(dictionary.bytesList)}; print fewer"
        )
    return dictionary


def tag_points(board: Board) -> Floats:
    """Corners (4 * tags, 3) in metres, board frame: x right and y down on the sheet, origin at the top left tag."""
    rows = []
    side = board.marker_m
    for row in range(board.rows):
        for column in range(board.columns):
            left, top = column * board.square_m, (board.rows - 1 - row) * board.square_m
            rows += [(left, top + side), (left + side, top + side), (left + side, top), (left, top)]
    return np.concatenate([np.array(rows, dtype=np.float64), np.zeros((len(rows), 1))], axis=1)


def tag_picture(dictionary: cv2.aruco.Dictionary, tag: int) -> NDArray[np.bool_]:
    """True where the tag is black, (cells, cells) with its border, as it stands on the sheet."""
    cells = dictionary.markerSize + 2
    drawn = np.asarray(dictionary.generateImageMarker(tag, cells))
    return np.asarray(np.rot90(drawn, 2) == 0)


class GridFinder:
    """Finds the corners of one grid in grey pictures. Not to be shared between threads."""

    def __init__(self, board: Board) -> None:
        dictionary = tag_dictionary(board)
        self._first, self._tags = board.first_marker, len(board.markers)
        self._gap_share = board.square_m / board.marker_m - 1
        self._cell_share = 1 / (dictionary.markerSize + 2)
        self._dictionary = dictionary
        self._detector = cv2.aruco.ArucoDetector(dictionary, cv2.aruco.DetectorParameters())
        self._points = tag_points(board)[:, :2]

    def find(self, grey: NDArray[np.uint8]) -> tuple[NDArray[np.int64], Floats]:
        """Ids (N,) and pixels (N, 2) of the corners that were found, by id.

        A tag ends where its border meets the black square in the gap, which pulls the outline of the tag: every corner
        is refined as the saddle that it is, and dropped where it is not where its neighbours put it.
        """
        tags = {tag: self._refined(grey, corners, _side(corners)) for tag, corners in self._tags_in(grey).items()}
        if len(tags) < 2:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 2))
        for _ in range(2):  # a tag that was filled in leads to the next one
            tags |= self._between(grey, tags)
        ids: list[int] = []
        uv: list[Floats] = []
        sides: list[float] = []
        for tag, corners in tags.items():
            ids += [4 * tag + k for k in _OURS_OF_OPENCV]
            uv += list(corners)
            sides += [_side(corners)] * 4
        order = np.argsort(ids)
        number, pixels, side_px = np.array(ids)[order], np.array(uv)[order], np.array(sides)[order]
        for _ in range(2):  # a corner that was mended may be what another one is judged by
            expected = self._expected(number, pixels)
            off = np.linalg.norm(pixels - expected, axis=1) > np.maximum(_OFF_PX, _OFF_SHARE * side_px)
            for at in np.flatnonzero(off):
                pixels[at] = self._refined(grey, expected[at : at + 1], side_px[at])[0]
        expected = self._expected(number, pixels)
        good = np.linalg.norm(pixels - expected, axis=1) <= np.maximum(_OFF_PX, _OFF_SHARE * side_px)
        return number[good], pixels[good]

    def _tags_in(self, grey: NDArray[np.uint8]) -> dict[int, Floats]:
        """Outlines (4, 2) by tag. Where a soft picture ties tags to the squares in the gaps, wider white parts them."""
        found: dict[int, Floats] = {}
        for width in _PARTED_PX:
            parted = grey if width == 1 else cv2.dilate(grey, np.ones((width, width), np.uint8))
            quads, tags, _ = self._detector.detectMarkers(parted)
            for quad, tag in zip(quads, [] if tags is None else np.ravel(tags).tolist(), strict=True):
                if 0 <= tag - self._first < self._tags:
                    found.setdefault(int(tag) - self._first, np.asarray(quad, dtype=np.float64).reshape(4, 2))
            if len(found) == self._tags:
                break
        return found

    def _between(self, grey: NDArray[np.uint8], tags: Mapping[int, Floats]) -> dict[int, Floats]:
        """Outlines of further tags: where those around them put them, and the bits there are the tag's own."""
        ids = np.array([4 * tag + k for tag in tags for k in _OURS_OF_OPENCV])
        uv = np.concatenate(list(tags.values()))
        found: dict[int, Floats] = {}
        for tag in range(self._tags):
            wanted = np.array([4 * tag + k for k in _OURS_OF_OPENCV])
            if tag in tags:
                continue
            near = self._nearest(ids, self._points[wanted].mean(axis=0))
            matrix, _ = cv2.findHomography(self._points[ids[near]], uv[near], cv2.LMEDS)
            if matrix is None:
                continue
            corners = cv2.perspectiveTransform(self._points[wanted][None], matrix)[0]
            inside = (corners > 0).all() and (corners < np.array(grey.shape[::-1]) - 1).all()
            if inside and self._reads(grey, corners, tag):
                found[tag] = self._refined(grey, corners, _side(corners))
        return found

    def _reads(self, grey: NDArray[np.uint8], corners: Floats, tag: int) -> bool:
        """True where the bits inside the outline are those of the tag, but for one in twenty."""
        black = np.rot90(tag_picture(self._dictionary, self._first + tag), 2)
        cells = len(black)
        square = np.array([[0, 0], [cells, 0], [cells, cells], [0, cells]], dtype=np.float32) * _CELL_PX - 0.5
        bend = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
        flat = cv2.warpPerspective(grey, bend, (cells * _CELL_PX, cells * _CELL_PX), flags=cv2.INTER_LINEAR)
        level = flat.reshape(cells, _CELL_PX, cells, _CELL_PX)[:, 1:-1, :, 1:-1].mean(axis=(1, 3))
        dark, bright = level[black].mean(), level[~black].mean()
        right = (level < (dark + bright) / 2) == black
        return bool(bright - dark > _MIN_CONTRAST and right.mean() >= 0.95)

    def _nearest(self, ids: NDArray[np.int64], place: Floats) -> NDArray[np.int64]:
        distance = np.linalg.norm(self._points[ids] - place, axis=1)
        return np.argsort(distance, kind="stable")[:_NEAR]

    def _refined(self, grey: NDArray[np.uint8], corners: Floats, side: float) -> Floats:
        """Saddles near the corners: the window holds neither the next cell of the tag nor the end of the gap."""
        reach = max(2, min(11, int(side * min(self._gap_share, self._cell_share) * 0.8)))
        start = corners.reshape(-1, 1, 2).astype(np.float32)
        return np.asarray(cv2.cornerSubPix(grey, start, (reach, reach), (-1, -1), _STOP), np.float64).reshape(-1, 2)

    def _expected(self, ids: NDArray[np.int64], uv: Floats) -> Floats:
        """Where each corner should be by the plane through the corners of other tags around it."""
        expected = uv.copy()
        place = self._points[ids]
        for at, tag in enumerate(ids // 4):
            others = np.flatnonzero(ids // 4 != tag)
            near = others[self._nearest(ids[others], place[at])]
            matrix, _ = cv2.findHomography(place[near], uv[near], cv2.LMEDS)
            if matrix is not None:
                expected[at] = cv2.perspectiveTransform(place[at].reshape(1, 1, 2), matrix).ravel()
        return expected


def _side(corners: Floats) -> float:
    """Shortest side of an outline (4, 2), pixels."""
    return float(np.linalg.norm(np.roll(corners, 1, axis=0) - corners, axis=1).min())
