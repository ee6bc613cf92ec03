"""The solve of a placed rig: what the task allows to move, and what its views can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from calibration.bundle import Bools, Problem, RobustFit, State, adjust_robustly, gauge_free
from calibration.bundle.motion import stretches
from calibration.camera import Camera, LensModel
from calibration.detect import Detections
from calibration.link import JoinedTarget
from calibration.pose import Pose, mean_rotation
from calibration.start import Clock, Start, pack, unpack
from calibration.target import Target

LEAST_LAG_VIEWS = 12  # views of a camera within moving stretches; fewer say too little about when it saw
_LEAST_STRETCH = 4  # placements, so that there is a path to be early or late on


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be solved."""

    detections: Detections  # camera -> shot -> corners
    sizes: Mapping[str, tuple[int, int]]  # camera -> (width, height)
    target: Target
    origin: str = ""  # shot in which the board lies on the floor
    huber_px: float = 1.0  # 3 where the board moves while cameras that are not synchronous look at it
    time_s: Mapping[str, float] = field(default_factory=dict)  # shot -> seconds, of the frames of a clip
    synchronous: frozenset[str] = frozenset()  # cameras that need no time offset of their own
    models: Mapping[str, LensModel] = field(default_factory=dict)  # camera -> lens, where it is not Brown's
    warp: bool = False  # whether the print may be bent


@dataclass(frozen=True, eq=False)
class Fitted:
    """A solved rig in the frame of its first camera, and the problem it solves."""

    cameras: tuple[Camera, ...]
    boards: dict[str, Pose]  # shot -> world_from_board
    clock: Clock
    problem: Problem
    state: State
    free: Bools  # (C * 16 + shared,)
    fit: RobustFit
    lagging: tuple[str, ...]  # cameras whose time offset was solved for
    target: Target  # with boards that are fixed to each other where the solve found them


def fit_rig(task: Task, start: Start, boards: Mapping[str, Pose], detections: Detections) -> Fitted:
    """Lenses, poses, boards and, where the task allows, time offsets and warp, from a start.

    The first camera is the gauge and the clock: offsets count from when it sees.
    """
    clock = Clock({shot: task.time_s[shot] for shot in boards if shot in task.time_s})
    problem, state = pack(start.cameras, boards, detections, task.target, clock=clock)
    lags = _lags(task, problem, start.cameras)
    if not lags.any():
        problem, state = pack(start.cameras, boards, detections, task.target)
    free = gauge_free(problem, state, lagging=lags, warp=task.warp)
    fit = adjust_robustly(problem, state, free=free, huber_px=task.huber_px)
    lagging = tuple(c.id for c, lag in zip(start.cameras, lags, strict=True) if lag)
    cameras, solved = unpack(fit.state, start.cameras, boards, task.target)
    offsets = {c.id: float(s) for c, s in zip(cameras, fit.state.offset, strict=True)} if lagging else {}
    warp = (float(fit.state.warp[0]), float(fit.state.warp[1]), float(fit.state.warp[2]))
    known = Clock(clock.time_s if lagging else {}, offsets, warp)
    return Fitted(cameras, solved, known, problem, fit.state, free, fit, lagging, _found(task.target, fit.state))


def _found(target: Target, state: State) -> Target:
    if not isinstance(target, JoinedTarget):
        return target
    parts = zip(state.part_rotation[1:], state.part_translation[1:], strict=True)
    return target.moved([Pose(mean_rotation([turn]), shift) for turn, shift in parts])


def _lags(task: Task, problem: Problem, cameras: tuple[Camera, ...]) -> Bools:
    """Cameras (C,) that may lag and whose views tell by how much; never the first, which is the clock."""
    order, stretch = stretches(problem.time)
    moving = np.zeros(len(problem.time), dtype=bool)
    if len(order):
        moving[order] = np.bincount(stretch)[stretch] >= _LEAST_STRETCH
    views = np.bincount(problem.camera[moving[problem.board]], minlength=len(cameras))
    lags = np.array([c.id not in task.synchronous for c in cameras]) & (views >= LEAST_LAG_VIEWS)
    # where the first camera is none of the synchronous ones, they share one offset that this does not model
    lags[0] = False
    return np.asarray(lags)
