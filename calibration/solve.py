"""From corners to a rig: lenses, start, bundle adjustment, the world frame, and the numbers that judge the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from calibration import findings
from calibration.bundle import residuals
from calibration.bundle.covariance import Covariance, covariance
from calibration.camera import Camera
from calibration.detect import Detections, natural_order
from calibration.facts import rig_facts
from calibration.findings import MIN_CELLS, MIN_DISTINCT, RMS_LIMIT_PX
from calibration.fitting import Fitted, Task, fit_rig
from calibration.groups import find_groups, group_issues
from calibration.intrinsics import MIN_VIEWS, Intrinsics, IntrinsicsFacts, calibrate_intrinsics
from calibration.judge import Judgement, judge
from calibration.link import JoinedTarget, together
from calibration.pose import Floats, Pose
from calibration.start import MIN_SHARED, Clock, Start, place_rig, view_poses
from calibration.target import WORLD_FROM_FLOOR_BOARD
from calibration.uncertainty import CameraSigma, camera_sigmas, determined, groups_of
from capture.issues import Issue, JsonObject, JsonValue, Report

HELD_SHARE = 0.25  # of the shots, one block of time

__all__ = ["MIN_CELLS", "MIN_DISTINCT", "RMS_LIMIT_PX", "Solution", "Task", "held_out", "solve_rig"]


@dataclass(frozen=True, eq=False)
class Solution:
    """A rig that was solved. Cameras in the order of the session."""

    cameras: tuple[Camera, ...]
    boards: Mapping[str, Pose]  # shot -> world_from_board
    world: str  # what the world frame was taken from
    verdict: Judgement
    facts: JsonObject
    issues: tuple[Issue, ...] = field(default=())
    clock: Clock = field(default_factory=Clock)
    sigmas: Mapping[str, CameraSigma] = field(default_factory=dict)  # of the cameras that their views determine
    # camera -> (N, 5) of every corner: where it was seen, projected minus seen, 1 where it was left out of the solve
    misses: Mapping[str, Floats] = field(default_factory=dict)
    fitted: Fitted | None = None  # as it was solved, in the frame of its first camera


def solve_rig(task: Task) -> tuple[Solution | None, Report]:
    """Solve a rig from its corners. The report has errors when a camera cannot be placed or does not fit.

    None comes back when not even two cameras share the board. Method: each lens alone, spanning tree of shared shots,
    joint adjustment with Huber's cost, trimming at four robust standard deviations, least squares; and the same again
    with a time offset per camera where the board moved.
    """
    usable = {n: v for n, v in task.detections.items() if len(v) >= MIN_VIEWS}
    issues = [findings.not_seen(n, len(v)) for n, v in task.detections.items() if n not in usable]
    lenses, lens_facts = _lenses(task, usable)
    start = _start(task, usable, lenses)
    if start.unlinked and task.target.extra:
        found = find_groups(lenses, usable, task.target)
        issues += [*group_issues(found, usable, list(task.detections))]
        if isinstance(found.target, JoinedTarget):
            task = replace(task, target=found.target, detections=together(task.detections, found.target))
            usable = {name: task.detections[name] for name in usable}
            start = _start(task, usable, lenses)
    else:
        issues += [findings.not_linked(name, usable) for name in start.unlinked]
    if len(start.cameras) < 2:
        facts: JsonObject = {"limit_px": RMS_LIMIT_PX, "pairs": _pairs(usable)}
        return None, Report("calibrate", tuple(issues), facts)
    solution = _solve_placed(task, usable, start, lens_facts)
    issues += solution.issues
    return solution, Report("calibrate", tuple(issues), solution.facts)


def _lenses(task: Task, detections: Detections) -> tuple[dict[str, Intrinsics], dict[str, IntrinsicsFacts]]:
    """Every lens alone."""
    lenses: dict[str, Intrinsics] = {}
    facts: dict[str, IntrinsicsFacts] = {}
    for name, views in detections.items():
        model = task.models.get(name, "brown")
        lenses[name], facts[name] = calibrate_intrinsics(views, task.sizes[name], task.target, model=model)
    return lenses, facts


def _start(task: Task, detections: Detections, lenses: Mapping[str, Intrinsics]) -> Start:
    """All cameras placed, the one first from which time offsets count: of the synchronous ones, else of all."""
    start = place_rig(lenses, detections, task.target, view_poses(lenses, detections, task.target))
    order = list(task.detections)
    cameras = sorted(start.cameras, key=lambda c: (c.id not in task.synchronous, order.index(c.id)))
    return replace(start, cameras=tuple(cameras))


def _solve_placed(
    task: Task, detections: Detections, start: Start, lens_facts: Mapping[str, IntrinsicsFacts]
) -> Solution:
    fitted = fit_rig(task, start, start.boards, detections)
    task = replace(task, target=fitted.target)
    found, sigmas, loose = _uncertainty(fitted)
    move, world = _world(fitted.cameras, fitted.boards, task)
    order = list(task.detections)
    cameras = tuple(
        sorted((c.placed(move @ c.world_from_camera) for c in fitted.cameras), key=lambda c: order.index(c.id))
    )
    boards = {shot: move @ pose for shot, pose in fitted.boards.items()}
    verdict = judge(cameras, detections, task.target, clock=fitted.clock)
    held = held_out(task)
    dropped = _dropped(fitted)
    facts = {
        "limit_px": RMS_LIMIT_PX,
        "world": world,
        "huber_px": task.huber_px,
        **rig_facts(fitted, (verdict, held), lens_facts, (found, sigmas), dropped),
        "pairs": _pairs(detections, cameras),
    }
    issues = (
        *findings.causes(task, fitted, verdict, lens_facts, (sigmas, loose)),
        *findings.judge_issues(verdict),
        *findings.view_issues(lens_facts, dropped),
        *findings.origin_issues(task, boards),
    )
    return Solution(cameras, boards, world, verdict, facts, issues, fitted.clock, sigmas, _misses(fitted), fitted)


def held_out(task: Task, *, share: float = HELD_SHARE) -> Judgement | None:
    """The last block of shots judged by a rig that was solved without them; None where the rest cannot carry it.

    A block and not every n-th shot: neighbours in time are nearly the same picture and would flatter the fit. Lenses,
    poses and time offsets are frozen, on the block only the boards are fitted.
    """
    views = {n: v for n, v in task.detections.items() if len(v) >= MIN_VIEWS}
    shots = natural_order({s for own in views.values() for s in own})
    counts = {s: sum(s in own for own in views.values()) for s in shots}
    shared = [s for s in shots if counts[s] >= 2]
    block = shared[len(shared) - int(len(shared) * share) :]
    if len(block) < 2:
        return None
    # frames that one camera saw belong to the block as well, or its path would be known from the fit
    late = set(shots[shots.index(block[0]) :])
    rest = {n: {s: c for s, c in own.items() if s not in late} for n, own in views.items()}
    if not all(sum(counts[s] >= 2 for s in own) >= max(MIN_VIEWS, MIN_SHARED) for own in rest.values()):
        return None
    start = _start(task, rest, _lenses(task, rest)[0])
    if start.unlinked:
        return None
    fitted = fit_rig(task, start, start.boards, rest)
    held = {n: {s: c for s, c in own.items() if s in late} for n, own in views.items()}
    times = {s: task.time_s[s] for s in late if s in task.time_s} if fitted.lagging else {}
    return judge(fitted.cameras, held, fitted.target, clock=replace(fitted.clock, time_s=times))


def _uncertainty(fitted: Fitted) -> tuple[Covariance | None, dict[str, CameraSigma], tuple[str, ...]]:
    """The covariance, the sigmas of the cameras that their views determine, and the names of the others."""
    groups = groups_of(fitted.problem, fitted.state)
    kept, free = determined(fitted.problem.only(fitted.fit.kept), fitted.state, fitted.free)
    # a camera of which nothing was kept is no loose one: its pictures contradict the rest
    fits = {int(row) for row in fitted.problem.camera[fitted.fit.kept.any(axis=1)]}
    loose = tuple(c.id for row, c in enumerate(fitted.cameras) if row in fits - {int(r) for r in kept.camera})
    try:
        found = covariance(kept, fitted.state, free=free, groups=groups)
    except (ValueError, np.linalg.LinAlgError):
        return None, {}, loose
    sigmas = camera_sigmas(kept, fitted.state, found, groups)
    return found, {c.id: s for c, s in zip(fitted.cameras, sigmas, strict=True) if s is not None}, loose


def _misses(fitted: Fitted) -> dict[str, Floats]:
    problem, result = fitted.problem, {}
    off = residuals(problem, fitted.state)
    for row, camera in enumerate(fitted.cameras):
        own = problem.camera == row
        seen = problem.seen[own]
        out = ~fitted.fit.kept[own][seen]
        result[camera.id] = np.column_stack([problem.uv[own][seen], off[own][seen], out])
    return result


def _world(cameras: Iterable[Camera], boards: Mapping[str, Pose], task: Task) -> tuple[Pose, str]:
    """What moves the solve's frame to the world, and where the world was taken from."""
    if task.origin in boards:
        return WORLD_FROM_FLOOR_BOARD @ boards[task.origin].inverse(), f"board in shot {task.origin}"
    listed = list(cameras)
    up = -np.sum([c.world_from_camera.rotation[:, 1] for c in listed], axis=0)
    up /= np.linalg.norm(up)
    origin = np.mean([p.apply(task.target.centre) for p in boards.values()], axis=0)
    ahead = listed[0].centre - origin
    x = ahead - up * (ahead @ up)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(up, x), up])
    return Pose(rotation, -rotation @ origin), "the cameras: z up by their mean, origin at the mean board"


def _dropped(fitted: Fitted) -> dict[str, dict[str, int]]:
    """Camera -> shot -> number of corners left out of the last solve."""
    problem, kept, shots = fitted.problem, fitted.fit.kept, list(fitted.boards)
    result: dict[str, dict[str, int]] = {}
    for row in np.flatnonzero((problem.seen & ~kept).any(axis=1)):
        lost = int((problem.seen[row] & ~kept[row]).sum())
        result.setdefault(fitted.cameras[problem.camera[row]].id, {})[shots[problem.board[row]]] = lost
    return result


def _pairs(detections: Detections, cameras: Iterable[Camera] = ()) -> list[JsonValue]:
    """Every pair of cameras: shots that both saw, and where both are placed, how they stand to each other."""
    names, placed = list(detections), {c.id: c.world_from_camera for c in cameras}
    pairs: list[JsonValue] = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            pair: JsonObject = {"a": a, "b": b, "shots": len(set(detections[a]) & set(detections[b]))}
            if a in placed and b in placed:
                gap = placed[a].inverse() @ placed[b]
                pair |= {"baseline_mm": float(1000 * np.linalg.norm(gap.translation)), "angle_deg": gap.angle_deg}
            pairs.append(pair)
    return pairs
