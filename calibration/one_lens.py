"""One lens refined on its own views: a rig of one camera, robust against wrong corners, with honest sigmas.

`cv2.calibrateCamera` minimises squares, so one corner that was found wrong bends the lens; its result is only the
start here. A fisheye starts from a search over focal lengths, because OpenCV's solver fails on few views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.bundle import LENS, Bools, Problem, RobustFit, State, adjust, adjust_robustly, gauge_free, residuals
from calibration.bundle.covariance import Covariance, covariance
from calibration.bundle.problem import WARP
from calibration.camera import LensModel
from calibration.detect import MIN_CORNERS, Corners
from calibration.fisheye import undistort_fisheye
from calibration.pose import Floats, Pose, mean_rotation
from calibration.target import Target

HUBER_PX = 1.0
_FOCALS = np.geomspace(0.2, 1.2, 13)  # of a fisheye, in widths of the picture


@dataclass(frozen=True, eq=False)
class OneLens:
    """A lens and what its views say about it."""

    lens: Floats  # (4 + 5,) or (4 + 4,) fx fy cx cy and the distortion
    poses: tuple[Pose, ...]  # camera_from_board of every view
    rms_px: float  # of the best lens for all corners, nothing dropped
    dropped: int
    sigma: Floats  # (4 + n,) one standard deviation, inflated to what the views show
    inflation: float  # how many times larger that is than noise alone would give
    groups: int


def refine_lens(
    lens: Floats, poses: Sequence[Pose], views: Sequence[Corners], target: Target, *, model: LensModel = "brown"
) -> OneLens:
    """The lens that fits these views best, from a start (4 + n,) and the poses camera_from_board of the views."""
    problem, state = _pack(lens, poses, views, target, fisheye=model == "fisheye")
    free = gauge_free(problem, state)
    fit = adjust_robustly(problem, state, free=free, huber_px=HUBER_PX)
    plain = adjust(problem, fit.state, free=free).state
    square = (residuals(problem, plain) ** 2).sum(axis=-1)[problem.seen]
    sigma, inflation, groups = _sigma(problem, fit, free)
    middle = Pose(np.eye(3), -target.centre)
    solved = [
        Pose(mean_rotation([r]), t) @ middle
        for r, t in zip(fit.state.board_rotation, fit.state.board_translation, strict=True)
    ]
    count = len(lens)
    return OneLens(
        fit.state.lens[0, :count],
        tuple(solved),
        float(np.sqrt(square.mean())),
        int((problem.seen & ~fit.kept).sum()),
        sigma[:count],
        inflation,
        groups,
    )


def inflation_of(noise: Floats, shown: Floats) -> float:
    """How many times larger than noise alone the data show errors to be, at least 1, from variances (N,).

    One factor for all parameters of a camera: from few placements each ratio by itself is uncertain.
    """
    known = noise > 0
    return float(np.sqrt(max(1.0, float((shown[known] / noise[known]).mean())))) if known.any() else 1.0


def start_fisheye(views: Sequence[Corners], size: tuple[int, int], target: Target) -> tuple[Floats, list[Pose]]:
    """A fisheye without distortion (8,) and the poses camera_from_board, by trying focal lengths.

    Raises ValueError when at no focal length every view has a pose.
    """
    best: tuple[float, Floats, list[Pose]] | None = None
    for focal in _FOCALS * size[0]:
        lens = np.array([focal, focal, (size[0] - 1) / 2, (size[1] - 1) / 2, 0.0, 0.0, 0.0, 0.0])
        found = [_pose_in(lens, view, target) for view in views]
        poses = [f[1] for f in found if f is not None]
        if len(poses) == len(views):
            misfit = float(np.median([f[0] for f in found if f is not None]))
            if best is None or misfit < best[0]:
                best = (misfit, lens, poses)
    if best is None:
        raise ValueError(f"fisheye of {size[0]} x {size[1]} fits the board at no focal length; is it a fisheye?")
    return best[1], best[2]


def _pose_in(lens: Floats, view: Corners, target: Target) -> tuple[float, Pose] | None:
    xy = undistort_fisheye((view.uv - lens[2:4]) / lens[:2], lens[4:])
    inside = np.isfinite(xy[:, 0])
    if inside.sum() < MIN_CORNERS:
        return None
    points = target.points[view.ids[inside]]
    _, rotvecs, shifts, errors = cv2.solvePnPGeneric(
        points, xy[inside], np.eye(3), np.zeros(5), flags=cv2.SOLVEPNP_IPPE
    )
    if not len(rotvecs) or not (np.isfinite(rotvecs[0]).all() and np.isfinite(shifts[0]).all()):
        return None
    return float(errors[0][0]) * float(lens[0]), Pose.from_rotvec(rotvecs[0], shifts[0])


def _pack(
    lens: Floats, poses: Sequence[Pose], views: Sequence[Corners], target: Target, *, fisheye: bool
) -> tuple[Problem, State]:
    count = len(views)
    uv, seen = np.zeros((count, len(target.points), 2)), np.zeros((count, len(target.points)), dtype=bool)
    for row, view in enumerate(views):
        uv[row, view.ids], seen[row, view.ids] = view.uv, True
    whole = np.zeros((1, LENS))
    whole[0, : len(lens)] = lens
    one = (np.eye(3)[None], np.zeros((1, 3)))
    state = State(
        whole,
        *one,
        np.array([p.rotation for p in poses]),
        np.array([p.apply(target.centre) for p in poses]),
        np.zeros(1),
        np.zeros(WARP),
        *one,
    )
    zeros = np.zeros(count, dtype=np.int64)
    points = (target.points - target.centre)[None]
    still = np.full(count, np.nan)
    return Problem(points, zeros, np.arange(count), uv, seen, zeros, np.array([fisheye]), still), state


def _sigma(problem: Problem, fit: RobustFit, free: Bools) -> tuple[Floats, float, int]:
    """Sigma of the lens (9,), its inflation, and the number of views; inf where the views do not determine it."""
    try:
        found: Covariance = covariance(
            problem.only(fit.kept), fit.state, free=free, groups=np.arange(len(problem.board))
        )
    except ValueError:
        return np.full(LENS, np.inf), 1.0, len(problem.board)
    noise, shown = np.diag(found.noise)[:LENS], np.diag(found.shown)[:LENS]
    inflation = inflation_of(noise, shown)
    return np.sqrt(noise) * inflation, inflation, found.groups
