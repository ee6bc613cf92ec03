"""What is wrong with a solved rig, as issues that say what the technician does now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from calibration.detect import Detections
from calibration.fitting import Task
from calibration.intrinsics import CELLS, MIN_VIEWS, IntrinsicsFacts
from calibration.judge import Judgement
from calibration.pose import Pose
from calibration.start import MIN_SHARED
from capture.issues import Issue, issue

RMS_LIMIT_PX = 2.5  # of the rig and of every camera, nothing dropped
MIN_DISTINCT = 8  # poses of the board per camera
MIN_CELLS = 16  # of 48 cells of the picture
DROPPED_SHARE = 0.02  # of a camera's corners, above which it is worth a look


def not_seen(name: str, views: int) -> Issue:
    """A camera with too few views for a lens."""
    return issue(
        "BOARD_NOT_FOUND",
        where=f"camera {name}",
        expected=f"at least {MIN_VIEWS} pictures with the board",
        found=f"{views}",
    )


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
    return issue(
        "CAMERA_NOT_LINKED",
        where=f"camera {name}",
        expected=f"at least {MIN_SHARED} shots shared with the cameras already placed",
        found=f"{len(others & set(detections[name]))} of its {len(detections[name])} shots are shared with any camera",
    )
