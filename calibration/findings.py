"""What is wrong with a solved rig, as issues that say what the technician does now, causes before their effects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from calibration.bundle import residuals
from calibration.camera import Camera
from calibration.detect import Detections
from calibration.diagnosis.exchange import exchange_issues, exchanged_shots
from calibration.diagnosis.lens import lens_issues
from calibration.diagnosis.links import link_issues
from calibration.diagnosis.mirror import mirror_issues
from calibration.diagnosis.scale import board_scale_issues
from calibration.diagnosis.timing import offset_issues, still_issues
from calibration.fitting import Fitted, Task, fit_rig
from calibration.intrinsics import CELLS, MIN_VIEWS, IntrinsicsFacts
from calibration.judge import Judgement
from calibration.pose import Pose
from calibration.start import MIN_SHARED, Start
from calibration.uncertainty import CameraSigma
from capture.issues import Issue, issue

RMS_LIMIT_PX = 2.5  # of the rig and of every camera, nothing dropped
MIN_DISTINCT = 8  # poses of the board per camera
MIN_CELLS = 16  # of 48 cells of the picture
DROPPED_SHARE = 0.02  # of a camera's corners, above which it is worth a look
ALIKE_M, ALIKE_DEG = 2e-3, 0.2  # two cameras cannot stand nearer to each other than this
_SUSPECT_SHOT_PX = 5.0
_HEALED = 1.3  # times the error with a time offset that declared synchronism costs


def not_seen(name: str, views: int) -> Issue:
    """A camera with too few views for a lens."""
    return issue(
        "BOARD_NOT_FOUND",
        where=f"camera {name}",
        expected=f"at least {MIN_VIEWS} pictures with the board",
        found=f"{views}",
    )


def causes(
    task: Task,
    fitted: Fitted,
    verdict: Judgement,
    lenses: Mapping[str, IntrinsicsFacts],
    uncertainty: tuple[Mapping[str, CameraSigma], Collection[str]],
) -> Iterator[Issue]:
    """Known mistakes at the shoot, each by its own trace in the corners.

    `uncertainty` are the sigmas, and the cameras whose views do not determine them.
    """
    sigmas, loose = uncertainty
    cameras, placed = fitted.cameras, {c.id for c in fitted.cameras}
    mirrored = [*mirror_issues({name: facts for name, facts in lenses.items() if name in placed})]
    yield from mirrored
    yield from board_scale_issues(task.target, distances_m(fitted).values())
    yield from alike_issues(cameras)
    yield from _undetermined([c for c in cameras if c.id in loose], lenses)
    known = [c for c in cameras if c.id not in loose]
    yield from lens_issues(known, sigma_px={n: float(max(s.lens[2:4])) for n, s in sigmas.items()})
    # beside mirrored pictures nothing fits, and who disagrees with whom says no more
    odd = [s for s, rms in verdict.shot_rms_px.items() if rms > _SUSPECT_SHOT_PX and not mirrored]
    exchanges = exchanged_shots(cameras, task.detections, task.target, odd)
    yield from exchange_issues(exchanges)
    if fitted.lagging:
        late = {n: s.offset_s for n, s in sigmas.items()}
        # cameras on one trigger have none of their own: they see with the first, which is one of them
        together = {c.id for c in cameras} & task.synchronous
        offsets = {n: s for n, s in fitted.clock.offset_s.items() if n in fitted.lagging or n in together}
        yield from offset_issues(offsets, late, cameras[0].id, frame_s(task))
    elif not task.time_s and not exchanges and not mirrored:
        lens_px = {n: facts.rms_px for n, facts in lenses.items()}
        yield from still_issues(task, fitted, verdict, lens_px)
    yield from _not_together(task, fitted)
    yield from link_issues(task.detections, placed)


def judge_issues(verdict: Judgement) -> Iterator[Issue]:
    """Cameras, or the whole rig, whose error is above the limit."""
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


def view_issues(lenses: Mapping[str, IntrinsicsFacts], dropped: Mapping[str, Mapping[str, int]]) -> Iterator[Issue]:
    """Cameras with too few poses of the board, and those of which many corners were left out."""
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


def origin_issues(task: Task, boards: Mapping[str, Pose]) -> Iterator[Issue]:
    """A world shot that cannot be used."""
    if task.origin and task.origin not in boards:
        yield issue(
            "ORIGIN_NOT_SEEN",
            where=f"board shot {task.origin}",
            expected="the board on the floor, seen by a placed camera",
            found="no picture of it in which the board was found; the world is taken from the cameras instead",
        )


def not_linked(name: str, detections: Detections) -> Issue:
    """A camera that nothing ties to the others."""
    others = {s for other, views in detections.items() if other != name for s in views}
    shared = {o: len(detections[name].keys() & views.keys()) for o, views in detections.items() if o != name}
    best = max(shared, key=lambda o: shared[o], default="")
    nearest = f", most with {best}" if best and shared[best] else ""
    return issue(
        "CAMERA_NOT_LINKED",
        where=f"camera {name}",
        expected=f"at least {MIN_SHARED} shots shared with the cameras already placed",
        found=f"{len(others & set(detections[name]))} of its {len(detections[name])} shots are shared with any camera"
        + nearest,
    )


def alike_issues(cameras: Sequence[Camera]) -> Iterator[Issue]:
    """Pairs of cameras in one place with one direction, which no two cameras have."""
    for a, b in combinations(cameras, 2):
        between = a.world_from_camera.inverse() @ b.world_from_camera
        if np.linalg.norm(between.translation) < ALIKE_M and between.angle_deg < ALIKE_DEG:
            yield issue(
                "RIG_POSES_ALIKE",
                where=f"camera {b.id}",
                expected="a place of its own",
                found=f"place and direction of camera {a.id}",
            )


def distances_m(fitted: Fitted) -> dict[str, float]:
    """Median distance of the board from every camera that sees it, metres."""
    result = {}
    for row, camera in enumerate(fitted.cameras):
        boards = np.unique(fitted.problem.board[fitted.problem.camera == row])
        if len(boards):
            gaps = fitted.state.board_translation[boards] - camera.centre
            result[camera.id] = float(np.median(np.linalg.norm(gaps, axis=1)))
    return result


def frame_s(task: Task) -> float:
    """Time between the frames that were read, 0 where nothing was filmed."""
    steps = np.diff(sorted(set(task.time_s.values())))
    return float(steps.min()) if len(steps) else 0.0


def _undetermined(cameras: Sequence[Camera], lenses: Mapping[str, IntrinsicsFacts]) -> Iterator[Issue]:
    for camera in cameras:
        facts = lenses[camera.id]
        yield issue(
            "LENS_NOT_DETERMINED",
            where=f"camera {camera.id}",
            expected=f"{MIN_DISTINCT} distinct poses of the board",
            found=f"{facts.distinct_poses} in {facts.views} views; other lenses and places fit them as well",
        )


def _not_together(task: Task, fitted: Fitted) -> Iterator[Issue]:
    """Cameras that are declared to be triggered together, of a rig that is much better where they are not."""
    declared = task.synchronous & {c.id for c in fitted.cameras}
    if len(declared) < 2 or not task.time_s:
        return
    apart = replace(task, synchronous=frozenset())
    tried = fit_rig(apart, Start(fitted.cameras, fitted.boards, ()), fitted.boards, task.detections)
    if _rms_px(fitted) < _HEALED * _rms_px(tried):
        return
    offsets = {n: tried.clock.offset_s[n] for n in tried.lagging if n in declared}
    yield from offset_issues(offsets, {}, tried.cameras[0].id, frame_s(task))


def _rms_px(fitted: Fitted) -> float:
    """Of all corners, also of those that the solve left out."""
    square = (residuals(fitted.problem, fitted.state) ** 2).sum(axis=-1)[fitted.problem.seen]
    return float(np.sqrt(square.mean()))
