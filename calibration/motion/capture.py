"""`capture_motion`: what calibrated cameras saw of her joints, to one clip of a skeleton; what is wrong is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.motion.associate import Associated, associate
from calibration.motion.contacts import Contacts, find_contacts
from calibration.motion.findings import gap_issues, joint_issues, named_frames
from calibration.motion.fit import HELD, Fitted, fit_clip
from calibration.motion.gaps import CUTOFF_HZ, LONGEST_S, Gap, fill_gaps, known_of, runs, smooth
from calibration.motion.keypoints import People, in_time
from calibration.motion.layouts import to_canonical
from calibration.motion.timing import camera_errors, find_lags, stacked, strangers
from calibration.motion.triangulate import Triangulated, triangulate
from capture.issues import Issue, JsonObject, Report, issue
from capture.motion.canonical import CANONICAL
from capture.motion.clip import JointTrack, MotionClip

F64 = NDArray[np.float64]

LIMIT_SHARE = 0.015  # of the width of the picture: detectors err by 2 to 6 px of 1000
_LEAST_S = 0.5  # a step
_OTHERS_SHARE = 0.1  # of her frames; whoever is seen for less passed by
_BONES_MM = 30.0  # mean of a joint; detectors' joints keep within 20


@dataclass(frozen=True)
class Settings:
    """What decides a capture besides cameras and keypoints."""

    fps: float
    offsets: Mapping[str, float] = field(default_factory=dict)  # camera -> frames by which it shows later moments
    longest_gap_s: float = LONGEST_S
    cutoff_hz: float | None = CUTOFF_HZ  # None: nothing is smoothed


@dataclass(frozen=True, eq=False)
class Captured:
    """The movement of one person in one recording."""

    track: JointTrack  # the canonical joints over the whole recording; NaN where they are not known
    fitted: Fitted | None  # over the longest stretch in which all joints are known; None where there is none
    first: int  # frame of the recording with which the clip begins
    contacts: Contacts | None  # of the clip

    @property
    def motion(self) -> MotionClip | JointTrack:
        """The clip, or the bare track where no skeleton could be fitted."""
        return self.fitted.clip if self.fitted else self.track


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
    captured, gaps = _skeleton(her[used[0].id].names, points, settings)
    issues += gap_issues(captured.track, gaps, where)
    issues += _poor(captured, where)
    facts = _facts(points, captured, errors, lags)
    return captured, Report("motion", tuple(issues), {**facts, "people": [p.name for p in who.people]})


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


def _skeleton(names: tuple[str, ...], points: Triangulated, settings: Settings) -> tuple[Captured, tuple[Gap, ...]]:
    """Gaps filled, smoothed, brought to the canonical joints, and a skeleton over the longest whole stretch."""
    filled, _ = fill_gaps(JointTrack(names, points.places, settings.fps), longest_s=settings.longest_gap_s)
    track = JointTrack(CANONICAL, to_canonical(names, filled.places), settings.fps)
    # A frame or two at either end are nothing to be told of.
    gaps = tuple(g for g in fill_gaps(track, longest_s=0.0)[1] if g.frames > settings.longest_gap_s * settings.fps)
    if settings.cutoff_hz is not None:
        track = smooth(track, cutoff_hz=settings.cutoff_hz)
    first, end = _longest_whole(track)
    if end - first < max(3, _LEAST_S * settings.fps):
        return Captured(track, None, first, None), gaps
    fitted = fit_clip(JointTrack(CANONICAL, track.places[first:end], settings.fps))
    return Captured(track, fitted, first, find_contacts(fitted.clip.track)), gaps


def _longest_whole(track: JointTrack) -> tuple[int, int]:
    """First frame of the longest stretch in which every joint that was ever seen, or is needed, is known; its end."""
    known = known_of(track.places)
    wanted = [k for k, name in enumerate(CANONICAL) if name not in HELD or known[:, k].any()]
    stretches = list(runs(np.asarray(known[:, wanted].all(axis=1))))
    return max(stretches, key=lambda run: run[1] - run[0], default=(0, 0))


def _poor(captured: Captured, where: str) -> Iterator[Issue]:
    yield from joint_issues(captured.track, where)
    if captured.fitted is None:
        first, end = _longest_whole(captured.track)
        expected = f"{_LEAST_S:g} s with every joint known"
        found = f"{end - first} of {len(captured.track)} frames at {captured.track.fps:g} a second"
        yield issue("MOTION_NO_SKELETON", where=where, expected=expected, found=found)
        return
    for name, error in captured.fitted.error_mm.items():
        if error > _BONES_MM:
            expected = f"below {_BONES_MM:g} mm"
            yield issue("MOTION_BONES_VARY", where=f"{where} {name}", expected=expected, found=f"{error:.0f} mm")


def _facts(
    points: Triangulated, captured: Captured, errors: Mapping[str, float], lags: Mapping[str, float]
) -> JsonObject:
    known = known_of(captured.track.places)
    fitted = captured.fitted
    residual = points.residual_px[np.isfinite(points.residual_px)]
    return {
        "frames": len(captured.track),
        "fps": captured.track.fps,
        "first": captured.first,
        "clip_frames": len(fitted.clip) if fitted else 0,
        "residual_px": round(float(np.sqrt((residual**2).mean())), 3) if len(residual) else None,
        "views": round(float(points.views[points.views > 0].mean()), 2) if points.views.any() else 0.0,
        "left_out": int(points.left_out.sum()),
        "camera_px": {name: round(e, 2) for name, e in errors.items()},
        "late_frames": {name: round(lag, 2) for name, lag in lags.items()},
        "known": {name: round(float(known[:, k].mean()), 3) for k, name in enumerate(CANONICAL)},
        "fit_mm": {name: round(e, 2) for name, e in fitted.error_mm.items()} if fitted else {},
        "fit_mean_mm": round(fitted.mean_mm, 2) if fitted else None,
        "held": list(fitted.held) if fitted else [],
    }
