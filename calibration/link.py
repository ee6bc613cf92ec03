"""Two groups of cameras that never see the same board, linked by a rigid set of two boards that moves before them.

One group sees one board, the other group the other, in the same shots. How the boards are fixed to each other is
unknown, and so is how the groups stand; both follow from how the set turns between shots, as a hand holding a camera
is calibrated to its robot (Park and Martin, "Robot sensor calibration: solving AX = XB on the Euclidean group", 1994).
The result is a start for bundle adjustment, where the second board is a further part of the first. From then on both
are one target, whose corners do not lie in one plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from calibration.detect import Corners, Detections, file_shot, shot_of
from calibration.pose import Pose, mean_rotation
from calibration.target import Target

MIN_SHOTS = 4
_MIN_TURN_DEG = 10.0  # of the set between two shots; below, its axis is mostly noise
_LOOSE = 0.2  # of how far the set moved: boards that disagree by more are not fixed to each other
_MIN_AXES = 0.05  # second singular value over the first of the axes of turning; about one axis alone nothing is fixed


@dataclass(frozen=True, eq=False)
class Link:
    """How two groups and two boards stand to each other."""

    first_from_second: Pose  # world of the first group from that of the second
    first_board_from_second: Pose
    spread_mm: float  # median disagreement of the shots about where the second board is on the first
    moved_mm: float  # median distance of the first board from its middle place
    shots: int

    @property
    def rigid(self) -> bool:
        """Whether the boards are fixed to each other. Boards moved by two hands disagree by as much as they move."""
        return self.spread_mm < _LOOSE * self.moved_mm


@dataclass(frozen=True, eq=False)
class JoinedTarget(Target):
    """Boards of which some are fixed to each other; these have their corners in the frame of the first of them."""

    plain: Target = field(kw_only=True)  # each board in its own frame
    sets: tuple[int, ...] = field(kw_only=True)  # of each board: the first of those that it is fixed to, or itself
    frames: tuple[Pose, ...] = field(kw_only=True)  # of each board: that first one's frame from its own

    @property
    def kinds(self) -> tuple[int, ...]:
        """Of each corner (N,): 0 on a first or a loose board, else which further part of its set."""
        further = [b for b, first in enumerate(self.sets) if first != b]
        return tuple(further.index(b) + 1 if b in further else 0 for b in _board_of(self.plain))

    def moved(self, parts: Sequence[Pose]) -> JoinedTarget:
        """The same with every further part moved within its set, about the middle of all corners."""
        middle = Pose(np.eye(3), self.centre)
        moves = [middle @ part @ middle.inverse() for part in parts]
        further = iter(moves)
        frames = [
            next(further) @ room if first != b else room
            for b, (first, room) in enumerate(zip(self.sets, self.frames, strict=True))
        ]
        return join(self.plain, dict(zip(range(len(frames)), zip(self.sets, frames, strict=True), strict=True)))


def join(target: Target, places: Mapping[int, tuple[int, Pose]]) -> JoinedTarget:
    """Boards of a target fixed to one another: board -> the first of its set, and that one's frame from its own."""
    boards = range(len(target.parts))
    sets = tuple(places[b][0] if b in places else b for b in boards)
    frames = tuple(places[b][1] if b in places else Pose.identity() for b in boards)
    rows = np.array(_board_of(target))
    points = target.points.copy()
    for b in boards:
        points[rows == b] = frames[b].apply(target.points[rows == b])
    return JoinedTarget(target.board, points, target.extra, plain=target, sets=sets, frames=frames)


def together(detections: Detections, target: JoinedTarget) -> dict[str, dict[str, Corners]]:
    """The views of each camera with boards of one set as one view, under the name of the set's first board."""
    result: dict[str, dict[str, Corners]] = {}
    board_of = _board_of(target.plain)
    for camera, views in detections.items():
        own = result.setdefault(camera, {})
        for shot, corners in views.items():
            first = target.sets[board_of[int(corners.ids[0])]]
            name = shot_of(file_shot(shot), first)
            own[name] = _both(own[name], corners) if name in own else corners
    return result


def apart(views: Mapping[str, Corners], target: Target) -> tuple[dict[str, Corners], Target]:
    """Views of one board each, and the target with every board in its own frame: what a lens is found from."""
    if not isinstance(target, JoinedTarget):
        return dict(views), target
    board_of = np.array(_board_of(target.plain))
    result: dict[str, Corners] = {}
    for shot, corners in views.items():
        for board in np.unique(board_of[corners.ids]):
            own = board_of[corners.ids] == board
            result[shot_of(file_shot(shot), int(board))] = Corners(corners.ids[own], corners.uv[own])
    return result, target.plain


def board_seen(corners: Corners, target: Target) -> int:
    """Which board a view of one board shows."""
    return _board_of(target)[int(corners.ids[0])]


def _both(one: Corners, other: Corners) -> Corners:
    ids, uv = np.concatenate([one.ids, other.ids]), np.concatenate([one.uv, other.uv])
    order = np.argsort(ids)
    return Corners(ids[order], uv[order])


def _board_of(target: Target) -> list[int]:
    """Of each corner (N,) its board."""
    return [b for b, (_, part) in enumerate(target.parts) for _ in range(len(part.points))]


def link_groups(first: Mapping[str, Pose], second: Mapping[str, Pose]) -> Link | None:
    """The link from world_from_board of the first board in the first group and of the second in the second group.

    None where fewer than four shots are shared, or the set never turned about two different axes.
    """
    shots = [shot for shot in first if shot in second]
    if len(shots) < MIN_SHOTS:
        return None
    turns, rows, right = [], [], []
    pairs = []
    for a, b in combinations(shots, 2):
        ours, theirs = first[a] @ first[b].inverse(), second[a] @ second[b].inverse()
        if min(ours.angle_deg, theirs.angle_deg) > _MIN_TURN_DEG:
            turns.append((ours.rotvec, theirs.rotvec))
            pairs.append((ours, theirs))
    if len(turns) < 2:
        return None
    ours_axes, theirs_axes = (np.array([pair[side] for pair in turns]) for side in (0, 1))
    size = np.linalg.svd(ours_axes, compute_uv=False)
    if size[1] < _MIN_AXES * size[0]:
        return None
    u, _, vt = np.linalg.svd(ours_axes.T @ theirs_axes)
    rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    for ours, theirs in pairs:  # ours (M x) = M (theirs x) for all x: linear in the translation of M
        rows.append(ours.rotation - np.eye(3))
        right.append(rotation @ theirs.translation - ours.translation)
    shift = np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0]
    move = Pose(rotation, shift)
    boards = [first[shot].inverse() @ move @ second[shot] for shot in shots]
    places = np.array([b.translation for b in boards])
    middle = np.median(places, axis=0)
    spread = float(1000 * np.median(np.linalg.norm(places - middle, axis=1)))
    stood = np.array([first[shot].translation for shot in shots])
    moved = float(1000 * np.median(np.linalg.norm(stood - np.median(stood, axis=0), axis=1)))
    return Link(move, Pose(mean_rotation([b.rotation for b in boards]), middle), spread, moved, len(shots))
