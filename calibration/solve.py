"""From corners to a rig: lenses, start, bundle adjustment, the world frame, and the numbers that judge the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from calibration import bundle
from calibration.camera import Camera
from calibration.detect import Corners, Detections, natural_order
from calibration.intrinsics import CELLS, MIN_VIEWS, Intrinsics, IntrinsicsFacts, calibrate_intrinsics
from calibration.judge import Judgement, judge
from calibration.pose import Pose
from calibration.start import MIN_SHARED, Start, pack, place_rig, unpack, view_poses
from calibration.target import WORLD_FROM_FLOOR_BOARD, Target
from capture.issues import Issue, JsonObject, JsonValue, Report, issue

RMS_LIMIT_PX = 2.5  # of the rig and of every camera, nothing dropped
HELD_SHARE = 0.25  # of the shots, one block of time
MIN_DISTINCT = 8  # poses of the board per camera
MIN_CELLS = 16  # of 48 cells of the picture
DROPPED_SHARE = 0.02  # of a camera's corners, above which it is worth a look


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be solved."""

    detections: Detections  # camera -> shot -> corners
    sizes: Mapping[str, tuple[int, int]]  # camera -> (width, height)
    target: Target
    origin: str = ""  # shot in which the board lies on the floor
    huber_px: float = 1.0  # 2 where the board moves while cameras that are not synchronous look at it


@dataclass(frozen=True, eq=False)
class Solution:
    """A rig that was solved. Cameras in the order of the session."""

    cameras: tuple[Camera, ...]
    boards: Mapping[str, Pose]  # shot -> world_from_board
    world: str  # what the world frame was taken from
    verdict: Judgement
    facts: JsonObject
    issues: tuple[Issue, ...] = field(default=())


def solve_rig(task: Task) -> tuple[Solution | None, Report]:
    """Solve a rig from its corners. The report has errors when a camera cannot be placed or does not fit.

    None comes back when not even two cameras share the board. Method: calibrateCamera per camera, spanning tree of
    shared shots, joint adjustment with Huber's cost, trimming at four robust standard deviations, least squares.
    """
    usable = {n: v for n, v in task.detections.items() if len(v) >= MIN_VIEWS}
    issues = [
        issue(
            "BOARD_NOT_FOUND",
            where=f"camera {name}",
            expected=f"at least {MIN_VIEWS} pictures with the board",
            found=f"{len(views)}",
        )
        for name, views in task.detections.items()
        if name not in usable
    ]
    lenses: dict[str, Intrinsics] = {}
    lens_facts: dict[str, IntrinsicsFacts] = {}
    for name, views in usable.items():
        lenses[name], lens_facts[name] = calibrate_intrinsics(views, task.sizes[name], task.target)
    poses = view_poses(lenses, usable, task.target)
    start = place_rig(lenses, usable, task.target, poses)
    issues += [_not_linked(name, usable) for name in start.unlinked]
    if len(start.cameras) < 2:
        facts: JsonObject = {"limit_px": RMS_LIMIT_PX, "pairs": _pairs(usable)}
        return None, Report("calibrate", tuple(issues), facts)
    solution = _solve_placed(task, usable, start, lens_facts)
    issues += solution.issues
    return solution, Report("calibrate", tuple(issues), solution.facts)


def _solve_placed(
    task: Task, detections: Detections, start: Start, lens_facts: Mapping[str, IntrinsicsFacts]
) -> Solution:
    problem, state = pack(start.cameras, start.boards, detections, task.target)
    free = bundle.gauge_free(len(start.cameras))
    fit = bundle.adjust_robustly(problem, state, free=free, huber_px=task.huber_px)
    sigma = bundle.sigmas(problem.only(fit.kept), fit.state, free=free)
    cameras, boards = unpack(fit.state, start.cameras, start.boards)
    move, world = _world(cameras, boards, task)
    order = list(task.detections)
    placed = tuple(sorted((c.placed(move @ c.world_from_camera) for c in cameras), key=lambda c: order.index(c.id)))
    boards = {shot: move @ pose for shot, pose in boards.items()}
    verdict = judge(placed, detections, task.target)
    held = _held_out(task, detections, start)
    dropped = _dropped(problem, fit.kept, [c.id for c in cameras], list(boards))
    per_camera: JsonObject = {}
    for camera in placed:
        facts = lens_facts[camera.id]
        row = [c.id for c in cameras].index(camera.id)
        per_camera[camera.id] = {
            **{("intrinsic_rms_px" if k == "rms_px" else k): v for k, v in asdict(facts).items()},
            "rms_px": verdict.rms_px.get(camera.id),
            "held_out_rms_px": held.rms_px.get(camera.id) if held else None,
            "dropped": sum(dropped.get(camera.id, {}).values()),
            "sigma_focal_px": float(sigma[row, :2].max()),
            "shared_shots": len({s for s in detections[camera.id] if s in verdict.boards}),
        }
    facts_all: JsonObject = {
        "limit_px": RMS_LIMIT_PX,
        "rig_rms_px": verdict.rig_rms_px,
        "held_out_rms_px": held.rig_rms_px if held else None,
        "held_out_shots": _names(held.boards) if held else [],
        "distance_rmse_mm": verdict.distance_rmse_mm,
        "shots": verdict.shots,
        "world": world,
        "huber_px": task.huber_px,
        "iterations": fit.iterations,
        "converged": fit.converged,
        "dropped_corners": int((problem.seen & ~fit.kept).sum()),
        "used_corners": int(fit.kept.sum()),
        "dropped": {name: dict(shots) for name, shots in dropped.items()},
        "pairs": _pairs(detections),
        "cameras": per_camera,
    }
    found = (*_judge_issues(verdict), *_view_issues(lens_facts, dropped), *_origin_issues(task, boards))
    return Solution(placed, boards, world, verdict, facts_all, found)


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


def _held_out(task: Task, detections: Detections, start: Start) -> Judgement | None:
    """The last block of shots judged by a rig that was fitted on the rest; None where the rest cannot carry it.

    A block and not every n-th shot: neighbours in time are nearly the same picture and would flatter the fit.
    """
    names = [c.id for c in start.cameras]
    counts = {s: sum(s in detections[n] for n in names) for s in start.boards}
    shared = natural_order(s for s in start.boards if counts[s] >= 2)
    block = set(shared[len(shared) - int(len(shared) * HELD_SHARE) :])
    rest = {s: p for s, p in start.boards.items() if s not in block}
    kept = {n: {s: c for s, c in detections[n].items() if s in rest} for n in names}
    linked = all(sum(counts[s] >= 2 for s in kept[n]) >= max(MIN_VIEWS, MIN_SHARED) for n in names)
    if len(block) < 2 or not linked:
        return None
    problem, state = pack(start.cameras, rest, kept, task.target)
    fit = bundle.adjust_robustly(problem, state, free=bundle.gauge_free(len(names)), huber_px=task.huber_px)
    cameras, _ = unpack(fit.state, start.cameras, rest)
    held: dict[str, dict[str, Corners]] = {n: {s: c for s, c in detections[n].items() if s in block} for n in names}
    return judge(cameras, held, task.target)


def _judge_issues(verdict: Judgement) -> Iterator[Issue]:
    for name, rms in verdict.rms_px.items():
        if rms > RMS_LIMIT_PX:
            yield issue(
                "REPROJECTION_HIGH",
                where=f"camera {name}",
                expected=f"at most {RMS_LIMIT_PX} px",
                found=f"{rms:.2f} px over {verdict.corners[name]} corners, none left out",
            )
    if verdict.rig_rms_px > RMS_LIMIT_PX:
        yield issue(
            "REPROJECTION_HIGH",
            where="the whole rig",
            expected=f"at most {RMS_LIMIT_PX} px",
            found=f"{verdict.rig_rms_px:.2f} px over {sum(verdict.corners.values())} corners, none left out",
        )


def _view_issues(lenses: Mapping[str, IntrinsicsFacts], dropped: Mapping[str, Mapping[str, int]]) -> Iterator[Issue]:
    for name, facts in lenses.items():
        if facts.distinct_poses < MIN_DISTINCT or facts.cells < MIN_CELLS:
            yield issue(
                "POSES_TOO_FEW",
                where=f"camera {name}",
                expected=f"{MIN_DISTINCT} distinct poses over {MIN_CELLS} of {CELLS[0] * CELLS[1]} picture cells",
                found=f"{facts.distinct_poses} poses over {facts.cells} cells",
            )
        shots = dropped.get(name, {})
        count = sum(shots.values())
        if count > DROPPED_SHARE * facts.corners:
            worst = sorted(shots, key=lambda s: -shots[s])[:5]
            yield issue(
                "OBSERVATIONS_DROPPED",
                where=f"camera {name}",
                expected=f"at most {DROPPED_SHARE:.0%} of its corners",
                found=f"{count} of {facts.corners}, most in " + ", ".join(f"{s} ({shots[s]})" for s in worst),
            )


def _origin_issues(task: Task, boards: Mapping[str, Pose]) -> Iterator[Issue]:
    if task.origin and task.origin not in boards:
        yield issue(
            "ORIGIN_NOT_SEEN",
            where=f"board shot {task.origin}",
            expected="the board on the floor, seen by a placed camera",
            found="no picture of it in which the board was found; the world is taken from the cameras instead",
        )


def _not_linked(name: str, detections: Detections) -> Issue:
    others = {s for other, views in detections.items() if other != name for s in views}
    return issue(
        "CAMERA_NOT_LINKED",
        where=f"camera {name}",
        expected=f"at least {MIN_SHARED} shots shared with the cameras already placed",
        found=f"{len(others & set(detections[name]))} of its {len(detections[name])} shots are shared with any camera",
    )


def _dropped(
    problem: bundle.Problem, kept: bundle.Bools, cameras: list[str], shots: list[str]
) -> dict[str, dict[str, int]]:
    """Camera -> shot -> number of corners left out of the last solve."""
    result: dict[str, dict[str, int]] = {}
    for row in np.flatnonzero((problem.seen & ~kept).any(axis=1)):
        lost = int((problem.seen[row] & ~kept[row]).sum())
        result.setdefault(cameras[problem.camera[row]], {})[shots[problem.board[row]]] = lost
    return result


def _pairs(detections: Detections) -> list[JsonValue]:
    names = list(detections)
    return [
        {"a": a, "b": b, "shots": len(set(detections[a]) & set(detections[b]))}
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    ]


def _names(shots: Iterable[str]) -> list[JsonValue]:
    return list(natural_order(shots))
