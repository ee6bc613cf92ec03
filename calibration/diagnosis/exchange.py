"""Board shots under the name of another camera: two cameras that fit each other's pictures and not their own.

Where two cameras carry each other's name in all shots of a solve, their corners alone cannot tell: lens and place are
found for each as they are named. Three things can tell: shots of both kinds in one solve, a rig from elsewhere that is
judged on the shots, and an earlier rig of the session. Plates of the empty studio tell as well; ingest looks at those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from calibration.camera import Camera
from calibration.detect import Corners, Detections, natural_order
from calibration.pose import Pose
from calibration.start import intrinsics_of, place_boards, view_poses
from calibration.target import Target
from capture.issues import Issue, issue

_WRONG_PX = 8.0  # of a view; a board that moves between cameras that lag is nearer than that
_FITS = 0.2  # of the error that an exchange must leave at most
_SUSPECTS = 6  # cameras whose pairs are tried, the worst first
_SHOTS = 20  # that a given rig is judged on
_PAIRS = 3  # exchanges that are looked for in one rig
_SAME_M, _SAME_DEG = 0.05, 3.0  # a camera that was not touched is found again within this
_LEAST_SAME = 2  # cameras that must stand as before, or nothing can be compared
_SHOWN = 4


@dataclass(frozen=True)
class Exchange:
    """Two cameras whose views fit when they are exchanged."""

    cameras: tuple[str, str]
    shots: tuple[str, ...]
    before_px: float  # median error of the two cameras as they are named
    after_px: float  # and exchanged


def exchanged_shots(
    cameras: Sequence[Camera], detections: Detections, target: Target, suspects: Sequence[str]
) -> list[Exchange]:
    """Pairs of cameras that carry each other's name in some of the shots named in `suspects`.

    The cameras must be right for most shots: a solve that left out what does not fit has found the larger part.
    """
    named = {camera.id: camera for camera in cameras}
    found: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for shot in suspects:
        views = {name: detections[name][shot] for name in named if shot in detections.get(name, {})}
        errors = _errors(named, {name: {shot: c} for name, c in views.items()}, target)
        wrong = sorted((n for n in errors if errors[n] > _WRONG_PX), key=lambda n: -errors[n])[:_SUSPECTS]
        best: tuple[float, tuple[str, str], float] | None = None
        # the other of the two may not have seen the board at all
        for pair in {tuple(sorted((a, b))) for a in wrong for b in named if b != a and (b in wrong or b not in views)}:
            swapped = _swapped(views, (pair[0], pair[1]))
            after = _errors(named, {name: {shot: c} for name, c in swapped.items()}, target)
            worst = max((after[n] for n in pair if n in after), default=np.inf)
            rest = max((after[n] for n in after), default=np.inf)
            if best is None or rest < best[0]:
                best = (rest, (pair[0], pair[1]), worst)
        before = max((errors[n] for n in wrong), default=0.0)
        if best is not None and best[0] < max(_FITS * before, 1.0) and best[0] < _WRONG_PX:
            found.setdefault(best[1], []).append((shot, before, best[2]))
    return [
        Exchange(pair, tuple(s for s, _, _ in seen), *(float(np.median([e[k] for e in seen])) for k in (1, 2)))
        for pair, seen in found.items()
    ]


def exchanged_cameras(cameras: Sequence[Camera], detections: Detections, target: Target) -> list[Exchange]:
    """Pairs of cameras of a given rig that fit each other's board shots and not their own."""
    named = {camera.id: camera for camera in cameras}
    own = {name: dict(detections.get(name, {})) for name in named}
    counts: dict[str, int] = {}
    for views in own.values():
        for shot in views:
            counts[shot] = counts.get(shot, 0) + 1
    shots = natural_order({shot for shot, n in counts.items() if n >= 2})
    chosen = {shots[int(i)] for i in np.linspace(0, len(shots) - 1, min(len(shots), _SHOTS))} if shots else set()
    now = {name: {s: c for s, c in views.items() if s in chosen} for name, views in own.items()}
    result: list[Exchange] = []
    for _ in range(_PAIRS):
        errors = _errors(named, now, target)
        worst = sorted((n for n in errors if errors[n] > _WRONG_PX), key=lambda n: -errors[n])[:_SUSPECTS]
        tried = []
        for a, b in combinations(worst, 2):
            after = _errors(named, {**now, a: now[b], b: now[a]}, target)
            tried.append((after.get(a, np.inf) + after.get(b, np.inf), a, b))
        if not tried:
            break
        left, a, b = min(tried)
        a, b = sorted((a, b), key=list(named).index)
        if left > _FITS * (errors[a] + errors[b]) or left > 2 * _WRONG_PX:
            break
        result.append(Exchange((a, b), (), (errors[a] + errors[b]) / 2, left / 2))
        now = {**now, a: now[b], b: now[a]}
    return result


def exchanged_since(cameras: Sequence[Camera], earlier: Sequence[Camera]) -> list[tuple[str, str]]:
    """Pairs of cameras that stand where the other stood in an earlier rig, while others stand as before.

    The worlds of the two rigs need not be the same: they are laid on each other by the camera that most others agree
    with.
    """
    before = {camera.id: camera.world_from_camera for camera in earlier}
    now = {c.id: c.world_from_camera for c in cameras if c.id in before}
    best: tuple[list[str], Pose] = ([], Pose.identity())
    for name in now:
        move = before[name] @ now[name].inverse()
        same = [other for other in now if _stands(move @ now[other], before[other])]
        if len(same) > len(best[0]):
            best = (same, move)
    same, move = best
    if len(same) < _LEAST_SAME:
        return []
    moved = [name for name in now if name not in same]
    return [
        (a, b)
        for a, b in combinations(moved, 2)
        if _stands(move @ now[a], before[b]) and _stands(move @ now[b], before[a])
    ]


def exchange_issues(found: Sequence[Exchange]) -> Iterator[Issue]:
    """One issue per pair of cameras."""
    for exchange in found:
        a, b = exchange.cameras
        shots = exchange.shots
        more = f" and {len(shots) - _SHOWN} more" if len(shots) > _SHOWN else ""
        which = f"in shots {', '.join(shots[:_SHOWN])}{more}" if shots else "in all shots"
        yield issue(
            "CAMERAS_EXCHANGED",
            where=f"cameras {a} and {b}",
            expected="each camera's own board pictures",
            found=f"{which} they miss the board by {exchange.before_px:.0f} px, exchanged {exchange.after_px:.1f} px",
        )


def since_issues(pairs: Sequence[tuple[str, str]]) -> Iterator[Issue]:
    """One issue per pair that stands exchanged against an earlier rig."""
    for a, b in pairs:
        yield issue(
            "CAMERAS_EXCHANGED_SINCE",
            where=f"cameras {a} and {b}",
            expected="where they stood in the last rig of this session",
            found="each where the other stood, while the rest stand as before",
        )


def _errors(
    cameras: Mapping[str, Camera], views: Mapping[str, Mapping[str, Corners]], target: Target
) -> dict[str, float]:
    """Median over the shots of every camera's mean error, px, with the boards where most cameras see them."""
    seen = {name: cameras[name] for name in cameras if views.get(name)}
    own = {name: views[name] for name in seen}
    poses = view_poses({name: intrinsics_of(c) for name, c in seen.items()}, own, target)
    boards = place_boards(seen, own, target, poses)
    result = {}
    for name, camera in seen.items():
        lengths = []
        for shot, corners in own[name].items():
            if shot in boards:
                uv, _ = camera.project(boards[shot].apply(target.points[corners.ids]))
                away = float(np.linalg.norm(uv - corners.uv, axis=1).mean())
                lengths.append(away if np.isfinite(away) else 1e4)
        if lengths:
            result[name] = float(np.median(lengths))
    return result


def _swapped(views: Mapping[str, Corners], pair: tuple[str, str]) -> dict[str, Corners]:
    a, b = pair
    result = {name: corners for name, corners in views.items() if name not in pair}
    if b in views:
        result[a] = views[b]
    if a in views:
        result[b] = views[a]
    return result


def _stands(pose: Pose, known: Pose) -> bool:
    gap = known.inverse() @ pose
    return float(np.linalg.norm(gap.translation)) < _SAME_M and gap.angle_deg < _SAME_DEG
