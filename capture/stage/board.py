"""The ChArUco board of the stage, its poses, and its pictures.

The board's frame is OpenCV's: x right and y down on the print, z into the board, origin at the outer corner of the
first square. In the origin shot ('000') the board lies face up on the floor: its print x axis along world +x, its print
y axis along world -y, so board z is world -z; world_from_board = diag(1, -1, -1, 1), and the board's origin is the
world's origin. In the other shots it is held where she will stand, turned toward a different part of the rig each time.
It is as large as an A0 sheet: it fills the pictures into their corners, where rotation, principal point and tangential
distortion of a long lens part, and cameras on both sides see it, which fixes its tilt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.lens import StageCamera, StageLight, image_points
from capture.stage.plane import Print, draw_print, faces_camera, print_levels
from capture.stage.render import render_empty

F64 = NDArray[np.float64]

ORIGIN_SHOT = "000"
_PIXELS_PER_SQUARE = 96  # a multiple of 24: cells of the markers keep whole pixels at every level
_MARGIN_SQUARES = 0.25
_TILTS_DEG = (-25.0, 0.0, 25.0, 50.0)  # of the held board against the vertical, in turn
_FORWARD_M = 0.30  # how far the technician steps toward the cameras that the board faces
_SCATTER_M = 0.25  # of the board's middle about that place, along each axis


@dataclass(frozen=True)
class StageBoard:
    """The printed target: squares along x and y, sizes in metres."""

    columns: int = 14
    rows: int = 10
    square_m: float = 0.080
    marker_m: float = 0.060
    dictionary: str = "DICT_4X4_100"

    def charuco(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's description of this board."""
        code = getattr(cv2.aruco, self.dictionary)
        dictionary = cv2.aruco.getPredefinedDictionary(code)
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_m, self.marker_m, dictionary)

    def inner_corners(self) -> F64:
        """(N, 3) inner chessboard corners in the board's frame, in the order of their ids."""
        return np.asarray(self.charuco().getChessboardCorners(), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class BoardShot:
    """One synchronous picture of the board by all cameras."""

    id: str
    world_from_board: F64  # (4, 4)


@lru_cache(maxsize=4)
def board_print(board: StageBoard) -> Print:
    """The board's paper as linear albedo: ink 0.03, paper 0.85, a white margin of a quarter square."""
    pixels = _PIXELS_PER_SQUARE
    drawn = board.charuco().generateImage((board.columns * pixels, board.rows * pixels), marginSize=0)
    margin = int(_MARGIN_SQUARES * pixels)
    grey = cv2.copyMakeBorder(drawn, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=255)
    albedo = np.where(grey > 127, np.float32(0.85), np.float32(0.03))
    levels = print_levels(albedo.astype(np.float32), 3)
    density = pixels / board.square_m
    border = _MARGIN_SQUARES * board.square_m
    return Print(
        levels=levels,
        pixels_per_m=tuple(density / 2**k for k in range(len(levels))),
        origin_m=(border, border),
        size_m=(board.columns * board.square_m + 2 * border, board.rows * board.square_m + 2 * border),
    )


def board_poses(board: StageBoard, count: int, *, seed: int) -> tuple[BoardShot, ...]:
    """The origin shot and count - 1 held ones; ValueError for fewer than 1."""
    if count < 1:
        raise ValueError(f"number of board shots is {count}; give at least 1, the origin shot")
    rng = np.random.default_rng([seed, count, 0xB0A2D])
    shots = [BoardShot(ORIGIN_SHOT, np.diag([1.0, -1.0, -1.0, 1.0]))]
    for k in range(1, count):
        # The golden angle spreads the directions evenly whatever the number of shots.
        azimuth = np.radians(137.508 * k + float(rng.uniform(-8, 8)))
        tilt = np.radians(_TILTS_DEG[k % len(_TILTS_DEG)] + float(rng.uniform(-8, 8)))
        outward = np.array([np.cos(tilt) * np.cos(azimuth), np.cos(tilt) * np.sin(azimuth), np.sin(tilt)])
        right = np.cross([0.0, 0.0, 1.0], outward)
        right /= np.linalg.norm(right)
        down = np.cross(-outward, right)
        spin = np.radians(float(rng.uniform(-30, 30)))
        pose = np.eye(4)
        pose[:3, 0] = np.cos(spin) * right + np.sin(spin) * down
        pose[:3, 1] = np.cos(spin) * down - np.sin(spin) * right
        pose[:3, 2] = -outward
        middle = np.array([board.columns * board.square_m / 2, board.rows * board.square_m / 2, 0.0])
        forward = _FORWARD_M * np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        centre = np.array([0.0, 0.0, 1.42]) + forward + rng.uniform(-_SCATTER_M, _SCATTER_M, 3)
        pose[:3, 3] = centre - pose[:3, :3] @ middle
        shots.append(BoardShot(f"{k:03d}", pose))
    return tuple(shots)


def corner_pixels(board: StageBoard, shot: BoardShot, camera: StageCamera) -> tuple[NDArray[np.int32], F64]:
    """Ids (M,) and exact pixels (M, 2) of the corners inside the picture; empty when the board shows its back."""
    pose = shot.world_from_board
    if not faces_camera(pose, camera):
        return np.zeros(0, np.int32), np.zeros((0, 2))
    world = board.inner_corners() @ pose[:3, :3].T + pose[:3, 3]
    pixels, depth = image_points(camera, world)
    size = np.array([camera.width, camera.height])
    inside = (depth > 0) & (pixels >= -0.5).all(axis=1) & (pixels <= size - 0.5).all(axis=1)
    return np.flatnonzero(inside).astype(np.int32), pixels[inside]


def board_visible(board: StageBoard, shot: BoardShot, camera: StageCamera) -> bool:
    """Whether a camera sees at least eight corners, and the middle of the board less obliquely than 70 degrees."""
    pose = shot.world_from_board
    middle = np.array([board.columns, board.rows, 0.0]) * board.square_m / 2
    view = camera.position - (pose[:3, :3] @ middle + pose[:3, 3])
    slant = float(-view @ pose[:3, 2] / np.linalg.norm(view))
    return slant > np.cos(np.radians(70)) and len(corner_pixels(board, shot, camera)[0]) >= 8


def render_board(
    board: StageBoard, shot: BoardShot, camera: StageCamera, light: StageLight, *, backdrop: str = "grey"
) -> NDArray[np.uint8]:
    """The picture (H, W, 3) uint8 BGR of the board in the empty studio."""
    picture = render_empty(backdrop, camera, light).copy()
    draw_print(picture, board_print(board), shot.world_from_board, camera, light)
    return picture
