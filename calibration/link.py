"""Two groups of cameras that never see the same board, linked by a rigid set of two boards that moves before them.

One group sees one board, the other group the other, in the same shots. How the boards are fixed to each other is
unknown, and so is how the groups stand; both follow from how the set turns between shots, as a hand holding a camera
is calibrated to its robot (Park and Martin, "Robot sensor calibration: solving AX = XB on the Euclidean group", 1994).
The result is a start for bundle adjustment, where the second board is a further part of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from calibration.pose import Pose, mean_rotation

MIN_SHOTS = 4
_MIN_TURN_DEG = 10.0  # of the set between two shots; below, its axis is mostly noise
_MIN_AXES = 0.05  # second singular value over the first of the axes of turning; about one axis alone nothing is fixed


@dataclass(frozen=True, eq=False)
class Link:
    """How two groups and two boards stand to each other."""

    first_from_second: Pose  # world of the first group from that of the second
    first_board_from_second: Pose
    spread_mm: float  # median disagreement of the shots about where the second board is on the first


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
    return Link(move, Pose(mean_rotation([b.rotation for b in boards]), middle), spread)
