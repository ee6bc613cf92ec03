"""What a bundle adjustment is given and what it looks for: views of a board, and the parameters that explain them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.pose import Floats, rotation_of

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LENS = 9  # fx fy cx cy k1 k2 p1 p2 k3, of a fisheye fx fy cx cy k1 k2 k3 k4 and one that is unused
POSE = slice(LENS, LENS + 6)  # step of rotation and translation, camera from world
OFFSET = LENS + 6  # seconds
CAMERA = LENS + 7
BOARD = 6
WARP = 3  # bowl along x, bowl along y, twist


@dataclass(frozen=True, eq=False)
class Problem:
    """What was seen: one row per view (a part of the board in a camera), padded to the most corners of a part."""

    points: Floats  # (Q, P, 3) metres, the corners of each part in its own frame
    camera: Ints  # (V,) which camera
    board: Ints  # (V,) which board placement
    uv: Floats  # (V, P, 2) pixels, anything where not seen
    seen: Bools  # (V, P)
    part: Ints  # (V,) which part of the board: rigid sets of several boards have more than one
    fisheye: Bools  # (C,) cameras with a fisheye lens
    time: Floats  # (B,) seconds at which a moving board was there; NaN where it stood still

    @property
    def moving(self) -> bool:
        """Whether a camera that lags sees the board somewhere else."""
        return bool(np.isfinite(self.time).any())

    def only(self, seen: Bools) -> Problem:
        """The same problem with fewer corners."""
        return replace(self, seen=self.seen & seen)

    def of_views(self, views: Ints | Bools | slice) -> Problem:
        """Some of the views; cameras and boards keep their numbers."""
        rows = (self.camera[views], self.board[views], self.uv[views], self.seen[views], self.part[views])
        return replace(self, camera=rows[0], board=rows[1], uv=rows[2], seen=rows[3], part=rows[4])


@dataclass(frozen=True, eq=False)
class State:
    """The unknowns."""

    lens: Floats  # (C, 9) fx fy cx cy and the distortion
    camera_rotation: Floats  # (C, 3, 3) camera from world
    camera_translation: Floats  # (C, 3) metres
    board_rotation: Floats  # (B, 3, 3) world from board
    board_translation: Floats  # (B, 3) metres
    offset: Floats  # (C,) seconds by which a camera sees what happens later than camera 0 does
    warp: Floats  # (3,) metres at the edge of the board: bowl along x, bowl along y, twist
    part_rotation: Floats  # (Q, 3, 3) board from part; the first part is the board
    part_translation: Floats  # (Q, 3) metres

    @property
    def shared(self) -> int:
        """How many parameters belong to the board and not to a camera: its warp, and the place of further parts."""
        return WARP + BOARD * (len(self.part_rotation) - 1)

    def stepped(self, cameras: Floats, boards: Floats) -> State:
        """The state after steps (C * 16 + shared,) of cameras and board, and (B, 6) of its placements."""
        count = len(self.lens)
        own, rest = cameras[: count * CAMERA].reshape(count, CAMERA), cameras[count * CAMERA :]
        parts = rest[WARP:].reshape(-1, BOARD)
        part_rotation, part_translation = self.part_rotation.copy(), self.part_translation.copy()
        part_rotation[1:] = rotation_of(parts[:, :3]) @ part_rotation[1:]
        part_translation[1:] += parts[:, 3:]
        return State(
            self.lens + own[:, :LENS],
            rotation_of(own[:, LENS : LENS + 3]) @ self.camera_rotation,
            self.camera_translation + own[:, LENS + 3 : OFFSET],
            rotation_of(boards[:, :3]) @ self.board_rotation,
            self.board_translation + boards[:, 3:],
            self.offset + own[:, OFFSET],
            self.warp + rest[:WARP],
            part_rotation,
            part_translation,
        )


def plain_problem(points: Floats, camera: Ints, board: Ints, uv: Floats, seen: Bools) -> Problem:
    """A flat stiff board of corners (P, 3) that stands still in cameras with Brown's lens."""
    cameras, boards = int(camera.max(initial=-1)) + 1, int(board.max(initial=-1)) + 1
    part = np.zeros(len(camera), dtype=np.int64)
    still = np.full(boards, np.nan)
    return Problem(points[None], camera, board, uv, seen, part, np.zeros(cameras, dtype=bool), still)


def plain_state(lens: Floats, cameras: tuple[Floats, Floats], boards: tuple[Floats, Floats]) -> State:
    """Lenses (C, 9), camera from world and world from board as rotations and translations; no lag, a stiff board."""
    one = (np.eye(3)[None], np.zeros((1, 3)))
    return State(lens, *cameras, *boards, np.zeros(len(lens)), np.zeros(WARP), *one)


def gauge_free(
    problem: Problem, state: State, *, lagging: Bools | None = None, warp: bool = False, lens: bool = True
) -> Bools:
    """Which of the (C * 16 + shared,) parameters may move: all but the pose of camera 0, which is the world.

    `lagging` (C,) are the cameras with a time offset of their own; camera 0 is the clock and never has one.
    """
    cameras = len(state.lens)
    free = np.ones((cameras, CAMERA), dtype=bool)
    free[:, :LENS] = lens
    free[problem.fisheye, LENS - 1] = False
    free[0, POSE] = False
    free[:, OFFSET] = lagging if lagging is not None and problem.moving else False
    free[0, OFFSET] = False
    shared = np.ones(state.shared, dtype=bool)
    shared[:WARP] = warp
    return np.concatenate([free.ravel(), shared])


def nothing_free(state: State) -> Bools:
    """The choice in which only the placements of the board may move."""
    return np.zeros(len(state.lens) * CAMERA + state.shared, dtype=bool)
