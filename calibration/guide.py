"""What to show next, and to which camera: how much of a rig's calibration the board shots so far can carry.

Poses are judged by a rough lens (a field of view of 50 degrees), because the real one is not known yet; that is
enough to tell a board that was moved from one that was not, and one that was tilted from one that was held flat.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.detect import Corners, Detections
from calibration.intrinsics import CELLS, MIN_VIEWS, count_distinct
from calibration.pose import Floats, Pose
from calibration.start import MIN_SHARED
from calibration.target import Target

ENOUGH_POSES = 12  # distinct ones per camera: half as many again as a calibration must have
ENOUGH_CELLS = 32  # of 48 cells of the picture
ENOUGH_SHARED = 6  # shots that a camera shares with the rig
TILTED_DEG = 20.0  # a board held flatter than this leaves the focal length open
_TILTS = ("left", "right", "up", "down")
_TURNED = {
    "left": "its left side turned away", "right": "its right side turned away",
    "up": "its top turned away", "down": "its bottom turned away",
}  # fmt: skip
_ROUGH_VIEW_DEG = 50.0
_REGIONS = (
    ("upper left", "upper middle", "upper right"),
    ("middle left", "middle", "middle right"),
    ("lower left", "lower middle", "lower right"),
)


@dataclass(frozen=True)
class CameraGuide:
    """What one camera has seen."""

    name: str
    views: int
    distinct_poses: int
    covered: frozenset[tuple[int, int]]  # column and row of CELLS
    tilts: frozenset[str]  # of left, right, up, down: the side of the board that was turned away
    shared: int  # shots that another camera saw too

    @property
    def enough(self) -> bool:
        """True when more shots for this camera would gain little."""
        return (
            self.distinct_poses >= ENOUGH_POSES
            and len(self.covered) >= ENOUGH_CELLS
            and len(self.tilts) >= 2
            and self.shared >= ENOUGH_SHARED
        )


@dataclass(frozen=True)
class Instruction:
    """One thing to do with the board, the camera that gains by it, and why."""

    camera: str
    do: str
    why: str


@dataclass(frozen=True)
class Guide:
    """How far the shots carry, and what to do next, the most needed first."""

    cameras: tuple[CameraGuide, ...]
    groups: tuple[tuple[str, ...], ...]  # cameras that are linked with one another
    next: tuple[Instruction, ...]

    @property
    def done(self) -> bool:
        """True when every camera has enough and all are linked."""
        return not self.next


def guide(detections: Detections, sizes: Mapping[str, tuple[int, int]], target: Target) -> Guide:
    """Judge the shots so far. `sizes` names every camera of the session with the (width, height) of its pictures."""
    seen_by: dict[str, int] = {}
    for views in detections.values():
        for shot in views:
            seen_by[shot] = seen_by.get(shot, 0) + 1
    cameras = tuple(_camera(name, detections.get(name, {}), size, target, seen_by) for name, size in sizes.items())
    groups = linked(detections, list(sizes))
    steps = [
        *_links(groups, {c.name for c in cameras if c.views >= MIN_VIEWS}),
        *(step for camera in cameras for step in _steps(camera)),
    ]
    order = {step: (_urgency(step, cameras), place) for place, step in enumerate(steps)}
    return Guide(cameras, groups, tuple(sorted(order, key=lambda step: order[step])))


def linked(detections: Detections, names: list[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of cameras that can be placed in one world, largest first: each shares enough shots with its group."""
    left, groups = list(names), []
    while left:
        group = [left.pop(0)]
        while True:
            shots = {shot for name in group for shot in detections.get(name, {})}
            joins = [n for n in left if len(shots & detections.get(n, {}).keys()) >= MIN_SHARED]
            if not joins:
                break
            group += joins
            left = [name for name in left if name not in joins]
        groups.append(tuple(name for name in names if name in group))
    return tuple(sorted(groups, key=len, reverse=True))


def _camera(
    name: str, views: Mapping[str, Corners], size: tuple[int, int], target: Target, seen_by: Mapping[str, int]
) -> CameraGuide:
    poses = [pose for corners in views.values() if (pose := _rough_pose(corners, size, target)) is not None]
    covered = frozenset(cell for corners in views.values() for cell in _cells(corners, size))
    tilts = frozenset(side for pose in poses if (side := _tilt(pose)))
    shared = sum(seen_by[shot] > 1 for shot in views)
    return CameraGuide(name, len(views), count_distinct(poses), covered, tilts, shared)


def _rough_pose(corners: Corners, size: tuple[int, int], target: Target) -> Pose | None:
    focal = 0.5 * max(size) / math.tan(math.radians(_ROUGH_VIEW_DEG) / 2)
    lens = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
    found, turn, shift = cv2.solvePnP(target.points[corners.ids], corners.uv, lens, None, flags=cv2.SOLVEPNP_IPPE)
    finite = found and np.isfinite(turn).all() and np.isfinite(shift).all()  # a sliver of the board fixes nothing
    return Pose.from_rotvec(turn, shift) if finite else None


def _tilt(camera_from_board: Pose) -> str:
    """The side of the board that is farther away than the others, as the camera sees it; nothing for a flat board."""
    away = camera_from_board.rotation[:, 2]  # into the print
    # against the picture and not the line of sight: only a print that is not parallel to the picture tells the focal
    # length; a board that points into itself to the right has its left side farther away
    if away[2] > math.cos(math.radians(TILTED_DEG)):
        return ""
    across, down = float(away[0]), float(away[1])
    if abs(across) >= abs(down):
        return "left" if across > 0 else "right"
    return "up" if down > 0 else "down"


def _cells(corners: Corners, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    at: Floats = np.clip(np.floor((corners.uv + 0.5) / size * CELLS), 0, np.array(CELLS) - 1)
    yield from {(int(x), int(y)) for x, y in at}


def _links(groups: tuple[tuple[str, ...], ...], seen: set[str]) -> Iterator[Instruction]:
    """Every group but the largest has to be joined to it, once its cameras have `seen` the board at all."""
    for group in groups[1:]:
        if not seen >= {group[0], groups[0][0]}:
            continue
        main = ", ".join(groups[0][:3]) + (" ..." if len(groups[0]) > 3 else "")
        yield Instruction(
            group[0],
            f"Hold the board where {group[0]} and one of {main} both see it, in {MIN_SHARED} places or more",
            f"{_few(group)} cannot be placed beside {_few(groups[0])} yet",
        )


def _steps(camera: CameraGuide) -> Iterator[Instruction]:
    name = camera.name
    if camera.views < MIN_VIEWS:
        yield Instruction(name, f"Show the board to {name}", f"it has seen it {camera.views} times")
        return
    region, bare = _barest(camera.covered)
    missing = [side for side in _TILTS if side not in camera.tilts]
    tilted = f", {_TURNED[missing[0]]}" if missing and len(camera.tilts) < 2 else ""
    if camera.enough:
        return
    if len(camera.covered) < ENOUGH_CELLS:
        why = f"{bare} of the cells there are still bare; {len(camera.covered)} of {ENOUGH_CELLS} wanted are covered"
        yield Instruction(name, f"Hold the board in the {region} of {name}'s picture{tilted}", why)
    elif tilted:
        yield Instruction(name, f"Hold the board before {name}{tilted}", "flat boards leave the focal length open")
    elif camera.distinct_poses < ENOUGH_POSES:
        why = f"{camera.distinct_poses} of {ENOUGH_POSES} distinct poses wanted"
        yield Instruction(name, f"Move and turn the board before {name}", why)
    else:
        why = f"{camera.shared} of {ENOUGH_SHARED} shots wanted are shared with another camera"
        yield Instruction(name, f"Hold the board where {name} and its neighbour both see it", why)


def _barest(covered: frozenset[tuple[int, int]]) -> tuple[str, int]:
    """The third of the picture, each way, with most cells that hold no corner; and how many they are."""
    bare = np.zeros((3, 3), dtype=int)
    for column in range(CELLS[0]):
        for row in range(CELLS[1]):
            if (column, row) not in covered:
                bare[row * 3 // CELLS[1], column * 3 // CELLS[0]] += 1
    at = np.unravel_index(int(bare.argmax()), bare.shape)
    return _REGIONS[int(at[0])][int(at[1])], int(bare.max())


def _urgency(step: Instruction, cameras: tuple[CameraGuide, ...]) -> tuple[int, float]:
    """First what has hardly been seen, then what is not linked, then the camera that lacks most."""
    camera = next(c for c in cameras if c.name == step.camera)
    if camera.views < MIN_VIEWS:
        return (0, float(camera.views))
    if "cannot be placed" in step.why:
        return (1, 0.0)
    return (2, min(len(camera.covered) / ENOUGH_CELLS, camera.distinct_poses / ENOUGH_POSES))


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
