"""Cameras that look at another moment than the others, or from another place than before.

Film tells by how much: the solve has an offset for every camera. Stills of a board that moved only show that a camera
disagrees: the board as a whole lies elsewhere in its pictures, each time in another direction. A camera that was
pushed disagrees as well, but from one shot on and always by about the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from calibration.detect import natural_order
from calibration.fitting import Fitted, Task, fit_rig
from calibration.intrinsics import calibrate_intrinsics
from calibration.judge import Judgement, judge
from calibration.pose import Floats, Pose
from calibration.start import Start, place_camera, view_poses
from capture.issues import Issue, issue

LATE_FRAMES, LATE_S = 0.25, 0.04  # a share of the time between frames, at most this; she moves 4 cm in it
_SIGMAS = 4.0
_SUSPECT = 3.0  # times the error of its lens alone, above which a camera may disagree with the others
_SUSPECT_PX = 0.8
_TRIED = 4
_HEALED = 0.5  # of the rig's error that the others keep without it
_SHIFTED = 4.0  # times the lens' own error, by which a whole board must lie elsewhere
_WHOLE = 0.5  # of the shift that may differ within the board
_OFTEN = 0.25  # of the shots
_STEP = 0.8  # of the variance that one step in time explains
_LEAST_SHOTS = 6


def offset_issues(
    offsets_s: Mapping[str, float], sigmas_s: Mapping[str, float], clock: str, frame_s: float
) -> Iterator[Issue]:
    """Filmed boards: cameras whose offset stands out from the others'. `frame_s` is the time between frames read."""
    all_s = {clock: 0.0, **offsets_s}
    # with two cameras nobody can say which is late, and the first is the clock
    middle = float(np.median(list(all_s.values()))) if len(all_s) > 2 else 0.0
    limit = min(LATE_FRAMES * frame_s, LATE_S) if frame_s > 0 else LATE_S
    for name, offset in all_s.items():
        late, sigma = offset - middle, sigmas_s.get(name, 0.0)
        if abs(late) > max(limit, _SIGMAS * sigma):
            digits = 1 if 1000 * sigma < 2 else 0
            how_much = f"{1000 * abs(late):.{digits}f}" + (f" ± {1000 * sigma:.{digits}f}" if sigma else "")
            when = "later" if late > 0 else "earlier"
            frames = f", {abs(late) / frame_s:.1f} frames" if frame_s > 0 else ""
            yield issue(
                "CAMERA_NOT_SYNCHRONOUS",
                where=f"camera {name}",
                expected=f"at most {1000 * limit:.0f} ms",
                found=f"sees {how_much} ms {when} than the others{frames}",
            )


@dataclass(frozen=True, eq=False)
class _Shifts:
    """How far the board lies off in the pictures of one camera, by the boards of the others."""

    shots: tuple[str, ...]
    mean: Floats  # (S, 2) pixels, without what all shots share
    within: Floats  # (S,) RMS of what differs within the board


def still_issues(task: Task, fitted: Fitted, verdict: Judgement, lens_px: Mapping[str, float]) -> Iterator[Issue]:
    """Stills: the camera without which the others agree, and whether it was late or was moved. At most one."""
    over = {n: rms / max(_SUSPECT * lens_px.get(n, 0.0), _SUSPECT_PX) for n, rms in verdict.rms_px.items()}
    suspects = sorted((n for n in over if over[n] > 1), key=lambda n: -over[n])[:_TRIED]
    if not suspects or len(fitted.cameras) < 3:
        return
    others = {n: rest for n in suspects if (rest := _without(task, fitted, n)) is not None}
    if not others:
        return
    name = min(others, key=lambda n: others[n][0])
    if others[name][0] > _HEALED * verdict.rig_rms_px:
        return
    shifts = _shifts(name, task, others[name][1])
    if len(shifts.shots) < _LEAST_SHOTS:
        return
    own = max(lens_px.get(name, 0.0), 0.1)
    length = np.linalg.norm(shifts.mean, axis=1)
    whole = (length > _SHIFTED * own) & (shifts.within < _WHOLE * length)
    moved = _step(shifts.mean)
    if moved is not None and moved[1] > _STEP and moved[2] > _SHIFTED * own:
        yield issue(
            "CAMERA_MOVED_MEANWHILE",
            where=f"camera {name}",
            expected="one place during all board shots",
            found=f"from shot {shifts.shots[moved[0]]} on its pictures are shifted by {moved[2]:.1f} px",
        )
    elif whole.mean() > _OFTEN:
        worst = [shifts.shots[i] for i in np.argsort(-length)[:3]]
        yield issue(
            "CAMERA_NOT_SYNCHRONOUS",
            where=f"camera {name}",
            expected=f"the board where the others see it, within {_SHIFTED * own:.1f} px",
            found=f"in {int(whole.sum())} of {len(whole)} shots it lies elsewhere as a whole, by up to"
            f" {length.max():.0f} px ({', '.join(worst)}); lens and other cameras are in order",
        )


def _without(task: Task, fitted: Fitted, name: str) -> tuple[float, Mapping[str, Pose]] | None:
    """The rig solved again without a camera: its error with nothing dropped, and its boards. None: too few are left."""
    cameras = tuple(c for c in fitted.cameras if c.id != name)
    left = {c.id: task.detections[c.id] for c in cameras}
    seen = {shot for views in left.values() for shot in views}
    boards = {shot: pose for shot, pose in fitted.boards.items() if shot in seen}
    if len([s for s in seen if sum(s in v for v in left.values()) >= 2]) < _LEAST_SHOTS:
        return None
    rest = fit_rig(task, Start(cameras, boards, ()), boards, left)
    return judge(rest.cameras, left, rest.target).rig_rms_px, rest.boards


def _shifts(name: str, task: Task, boards: Mapping[str, Pose]) -> _Shifts:
    """Of the camera with its own lens, which bent in the solve to meet both sides, placed where most shots agree."""
    target, views = task.target, task.detections[name]
    lens, _ = calibrate_intrinsics(views, task.sizes[name], target, model=task.models.get(name, "brown"))
    camera = place_camera(lens, name, views, target, (view_poses({name: lens}, {name: views}, target)[name], boards))
    shots = [s for s in natural_order(views) if s in boards]
    means, within = [], []
    for shot in shots:
        corners = views[shot]
        uv, _ = camera.project(boards[shot].apply(target.points[corners.ids]))
        off = corners.uv - uv
        off = off[np.isfinite(off[:, 0])] if np.isfinite(off[:, 0]).any() else np.zeros((1, 2))
        means.append(off.mean(axis=0))
        within.append(np.sqrt(((off - off.mean(axis=0)) ** 2).sum(axis=1).mean()))
    mean = np.array(means).reshape(-1, 2)
    return _Shifts(tuple(shots), mean - np.median(mean, axis=0) if len(mean) else mean, np.array(within))


def _step(mean: Floats) -> tuple[int, float, float] | None:
    """Where one step explains the shifts (S, 2) best: first shot after it, share of variance, length of the step."""
    total = float(((mean - mean.mean(axis=0)) ** 2).sum())
    best: tuple[int, float, float] | None = None
    for k in range(2, len(mean) - 1):
        before, after = mean[:k].mean(axis=0), mean[k:].mean(axis=0)
        left = float(((mean[:k] - before) ** 2).sum() + ((mean[k:] - after) ** 2).sum())
        share = 1 - left / total if total > 0 else 0.0
        if best is None or share > best[1]:
            best = (k, share, float(np.linalg.norm(after - before)))
    return best
