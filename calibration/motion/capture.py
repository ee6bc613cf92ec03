"""`capture_motion`: what calibrated cameras saw of her joints, to one clip of a skeleton; what is wrong is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibration.camera import Camera
from calibration.motion.associate import Associated, associate
from calibration.motion.findings import named_frames
from calibration.motion.gaps import CUTOFF_HZ, LONGEST_S
from calibration.motion.keypoints import People, in_time
from calibration.motion.skeleton import Captured, Cleaning, build_skeleton, skeleton_facts, skeleton_issues
from calibration.motion.timing import camera_errors, find_lags, stacked, strangers
from calibration.motion.triangulate import Triangulated, triangulate
from capture.issues import Issue, JsonObject, Report, issue
from capture.motion.clip import JointTrack

LIMIT_SHARE = 0.015  # of the width of the picture: detectors err by 2 to 6 px of 1000
_OTHERS_SHARE = 0.1  # of her frames; whoever is seen for less passed by


@dataclass(frozen=True)
class Settings:
    """What decides a capture besides cameras and keypoints."""

    fps: float
    offsets: Mapping[str, float] = field(default_factory=dict)  # camera -> frames by which it shows later moments
    longest_gap_s: float = LONGEST_S
    cutoff_hz: float | None = CUTOFF_HZ  # None: nothing is smoothed


def capture_motion(
    cameras: Sequence[Camera], seen: Mapping[str, People], settings: Settings, *, where: str = "clip"
) -> tuple[Captured | None, Report]:
    """From keypoints of each camera (by its id) to a clip. None where no two cameras saw anybody.

    Frames of one index are one moment but for `settings.offsets`. Issues name: cameras without keypoints, unknown,
    late, or at odds with the others; joints never seen, gaps left open; other people, and people who may be exchanged.
    Raises ValueError for layouts that differ between cameras.
    """
    issues = [*_unmatched(cameras, seen, where)]
    used = [camera for camera in cameras if camera.id in seen]
    if len(used) < 2:
        found = f"keypoints of {len(used)} cameras"
        return None, _failed(where, issues, found)
    limit = LIMIT_SHARE * float(np.median([camera.width for camera in used]))
    who = associate(used, _whole_frames(used, seen, settings.offsets), fps=settings.fps)
    if not who.people:
        return None, _failed(where, issues, "nobody whom two cameras saw at once")
    her = {name: in_time(own, _part(settings.offsets.get(name, 0.0))) for name, own in who.people[0].keypoints.items()}
    used = [camera for camera in used if (her[camera.id].confidence > 0).any()]
    issues += _company(who, where)
    uv, confidence = stacked(used, her)
    points = triangulate(used, uv, confidence, limit_px=limit)
    lags = find_lags(used, her, limit_px=limit)
    issues += _late(lags, settings, where)
    errors = camera_errors(used, her, points.places)
    odd = {name: e for name, e in strangers(errors).items() if name not in lags}
    issues += _disagreeing(odd, errors, where)
    track = JointTrack(her[used[0].id].names, points.places, settings.fps)
    built = build_skeleton(track, Cleaning(settings.longest_gap_s, settings.cutoff_hz))
    issues += skeleton_issues(built, where, expected="seen by two cameras")
    facts = {**skeleton_facts(built), **_facts(points, errors, lags)}
    return built.captured, Report("motion", tuple(issues), {**facts, "people": [p.name for p in who.people]})


def _unmatched(cameras: Sequence[Camera], seen: Mapping[str, People], where: str) -> Iterator[Issue]:
    known = {camera.id for camera in cameras}
    for camera in cameras:
        if camera.id not in seen:
            yield issue("MOTION_CAMERA_WITHOUT_KEYPOINTS", where=f"{where}/{camera.id}", found="none")
    for name in sorted(set(seen) - known):
        yield issue(
            "MOTION_CAMERA_UNKNOWN", where=f"{where}/{name}", expected=f"one of {', '.join(sorted(known))}", found=name
        )


def _failed(where: str, issues: list[Issue], found: str) -> Report:
    short = issue("MOTION_NO_SKELETON", where=where, expected="her joints in two cameras or more", found=found)
    return Report("motion", (*issues, short))


def _part(frames: float) -> float:
    return frames - round(frames)


def _whole_frames(
    cameras: Sequence[Camera], seen: Mapping[str, People], offsets: Mapping[str, float]
) -> dict[str, People]:
    """Everybody, shifted by whole frames and of one length: enough to tell who is who."""
    count = max(len(seen[camera.id]) for camera in cameras)
    out = {}
    for camera in cameras:
        own, late = seen[camera.id], round(offsets.get(camera.id, 0.0))
        index = np.arange(count) - late
        inside = (index >= 0) & (index < len(own))
        places = np.full((count, *own.places.shape[1:]), np.nan)
        confidence = np.zeros((count, *own.confidence.shape[1:]))
        places[inside], confidence[inside] = own.places[index[inside]], own.confidence[index[inside]]
        out[camera.id] = People(own.names, places, confidence)
    return out


def _company(who: Associated, where: str) -> Iterator[Issue]:
    her = who.people[0]
    others = [p for p in who.people[1:] if p.frames >= max(2.0, _OTHERS_SHARE * her.frames)]
    if others:
        listed = ", ".join(f"{p.name} in {p.frames} frames" for p in others)
        found = f"{listed}; {her.name}, who is used, in {her.frames}"
        yield issue("MOTION_OTHERS_SEEN", where=where, expected="one person", found=found)
    near: dict[str, set[int]] = {}
    for t, a, b in who.doubtful:
        if her.name in (a, b):
            near.setdefault(b if a == her.name else a, set()).add(t)
    for other, frames in near.items():
        found = f"{her.name} and {other} in {named_frames(sorted(frames))}"
        yield issue("MOTION_PEOPLE_SWAPPED", where=where, expected="two people apart", found=found)


def _late(lags: Mapping[str, float], settings: Settings, where: str) -> Iterator[Issue]:
    for name, lag in lags.items():
        given = settings.offsets.get(name, 0.0)
        word = "later" if lag > 0 else "earlier"
        found = f"{abs(lag):.1f} frames {word} than the others; --offset {name}={lag + given:.1f}"
        expected = f"in time with the others, with the offset of {given:g} frames that was given"
        yield issue("MOTION_CAMERA_LATE", where=f"{where}/{name}", expected=expected, found=found)


def _disagreeing(odd: Mapping[str, float], errors: Mapping[str, float], where: str) -> Iterator[Issue]:
    for name, error in odd.items():
        usual = float(np.median([e for n, e in errors.items() if n not in odd] or [np.nan]))
        yield issue(
            "MOTION_CAMERA_DISAGREES",
            where=f"{where}/{name}",
            expected=f"about {usual:.1f} px, as the others",
            found=f"{error:.1f} px off in the middle",
        )


def _facts(points: Triangulated, errors: Mapping[str, float], lags: Mapping[str, float]) -> JsonObject:
    residual = points.residual_px[np.isfinite(points.residual_px)]
    return {
        "residual_px": round(float(np.sqrt((residual**2).mean())), 3) if len(residual) else None,
        "views": round(float(points.views[points.views > 0].mean()), 2) if points.views.any() else 0.0,
        "left_out": int(points.left_out.sum()),
        "camera_px": {name: round(e, 2) for name, e in errors.items()},
        "late_frames": {name: round(lag, 2) for name, lag in lags.items()},
    }
