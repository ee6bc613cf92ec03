"""The unit of the board: a rig has the size that the printed square is said to have, and no picture contradicts it.

What does contradict it is the studio. A board that is eleven metres long, or cameras four millimetres from it, are a
slip of the unit; and a rig of another program, whose unit is its own, can be measured on the board.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from calibration.camera import Camera
from calibration.detect import Detections
from calibration.judge import Judgement, judge, triangulate
from calibration.pose import Floats, Pose
from calibration.start import intrinsics_of, pack, place_boards, view_poses
from calibration.target import Target
from capture.issues import Issue, issue

BOARD_M = (0.1, 2.2)  # long side of the corners of boards that a hand or a stand can show
AWAY_M = (0.3, 10.0)  # from a camera to the board
_TYPICAL_BOARD_M, _TYPICAL_AWAY_M = 0.5, 2.0
_SLIPS = {
    1e-3: "millimetres were given for metres",
    1e-2: "centimetres were given for metres",
    0.0254: "inches were given for metres",
    0.1: "a decimal place too many",
    10.0: "a decimal place too few",
    100.0: "metres were divided by a hundred",
    1000.0: "metres were divided by a thousand",
}
_MENDED = 0.5  # of the error, that the right scale may leave
_SAME = 0.02  # print and rig agree better than this; paper shrinks by less
_VIEWS = 30  # shots that the scale of another program's rig is taken from
_LEAST = 20  # distances


def board_scale_issues(target: Target, away_m: Iterable[float]) -> Iterator[Issue]:
    """A declared board that puts the rig at a size that no studio has. `away_m`: median distance of every camera.

    Both the board and its distance out of the usual is an error, where the unit repairs both; one alone a warning.
    """
    distances = [d for d in away_m if math.isfinite(d) and d > 0]
    board = _long_side(target.points)
    if not distances or not board:
        return
    away = float(np.median(distances))
    odd = _out(board, BOARD_M), _out(away, AWAY_M)
    if odd == (0, 0):
        return
    slip = min(
        _SLIPS, key=lambda f: abs(math.log(board * f / _TYPICAL_BOARD_M)) + abs(math.log(away * f / _TYPICAL_AWAY_M))
    )
    repaired = not _out(board * slip, BOARD_M) and not _out(away * slip, AWAY_M)
    found = f"a board {_length(board)} long that stands {_length(away)} from the cameras"
    if repaired:
        found += f"; perhaps {_SLIPS[slip]}, and square_m should be {target.board.square_m * slip:.4g}"
    certain = odd[0] == odd[1] and repaired
    yield issue(
        "BOARD_SCALE_WRONG" if certain else "BOARD_SCALE_ODD",
        where="the whole rig",
        expected=f"a board of {BOARD_M[0]:g} to {BOARD_M[1]:g} m, {AWAY_M[0]:g} to {AWAY_M[1]:g} m away",
        found=found,
    )


def rig_scale_issues(
    cameras: Sequence[Camera], detections: Detections, target: Target, verdict: Judgement
) -> Iterator[Issue]:
    """A given rig whose metre is not the board's: with its lengths divided by the scale it fits much better."""
    scale = scale_of(cameras, detections, target)
    if math.isnan(scale) or abs(math.log(scale)) < _SAME:
        return
    poses = [camera.world_from_camera for camera in cameras]
    resized = [c.placed(Pose(p.rotation, p.translation / scale)) for c, p in zip(cameras, poses, strict=True)]
    # a camera that was turned changes triangulated lengths as well, but no scale mends it
    if judge(resized, detections, target).rig_rms_px > _MENDED * verdict.rig_rms_px:
        return
    unit = min((1e-3, 1e-2, 0.0254, 1.0), key=lambda f: abs(math.log(scale * f)))
    exact = abs(math.log(scale * unit)) < _SAME and unit != 1.0
    names = {1e-3: "millimetres", 1e-2: "centimetres", 0.0254: "inches"}
    hint = f"its numbers are {names[unit]}" if exact else f"every length is off by {scale - 1:+.1%}"
    yield issue(
        "RIG_SCALE_WRONG",
        where="the whole rig",
        expected="distances on the board as they are printed",
        found=f"{scale:.4g} times as long: {hint}",
    )


def scale_of(cameras: Sequence[Camera], detections: Detections, target: Target) -> float:
    """How long the rig sees a printed metre: corners triangulated by the cameras alone, whatever their unit.

    NaN where fewer than twenty distances could be measured.
    """
    named = {camera.id: camera for camera in cameras}
    own = {name: detections.get(name, {}) for name in named}
    counts: dict[str, int] = {}
    for seen in own.values():
        for shot in seen:
            counts[shot] = counts.get(shot, 0) + 1
    shots = [shot for shot, n in counts.items() if n >= 2]
    chosen = {shots[int(i)] for i in np.linspace(0, len(shots) - 1, min(len(shots), _VIEWS))} if shots else set()
    views = {name: {s: c for s, c in all_of.items() if s in chosen} for name, all_of in own.items()}
    if not chosen:
        return math.nan
    poses = view_poses({name: intrinsics_of(c) for name, c in named.items()}, views, target)
    boards = place_boards(named, views, target, poses)
    problem, state = pack(cameras, boards, views, target)
    # rays meet in the frame of the board as placed; a rigid frame changes no distance
    points, known = triangulate(cameras, problem, state)
    first, second = np.triu_indices(len(target.points), 1)
    real = np.linalg.norm(target.points[first] - target.points[second], axis=1)
    far = real > 0.4 * real.max()  # short distances are mostly noise
    first, second, real = first[far], second[far], real[far]
    both = known[:, first] & known[:, second]
    ratio = (np.linalg.norm(points[:, first] - points[:, second], axis=-1) / real)[both]
    return float(np.median(ratio)) if len(ratio) >= _LEAST else math.nan


def _long_side(points: Floats) -> float:
    return float(np.ptp(points, axis=0).max())


def _out(value: float, limits: tuple[float, float]) -> int:
    return -1 if value < limits[0] else 1 if value > limits[1] else 0


def _length(metres: float) -> str:
    return f"{metres:.3g} m" if metres >= 0.1 else f"{1000 * metres:.3g} mm"
