"""Cameras that show other moments than the rest, and cameras that see her elsewhere: told by her movement itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.motion.keypoints import Keypoints, in_time
from calibration.motion.triangulate import reprojected, triangulate

F64 = NDArray[np.float64]

LATE_FRAMES = 0.5  # cameras in time come out within 0.11: 8 stage walks of 1 s, 5 cameras each, 2 px noise
_MOST_FRAMES, _MOST_JOINTS = 180, 8
_REACH_FRAMES = 12.0
_STEPS = 6
_GAIN = 0.9  # a lag is real when the error falls to less than this with it
_HUBER_PX = 4.0
_OTHER = 3.0  # times the error of the others
_LEAST_PX = 6.0


def find_lags(cameras: Sequence[Camera], seen: Mapping[str, Keypoints], *, limit_px: float) -> dict[str, float]:
    """Camera -> frames by which it shows later moments than the others; only cameras that are late or early.

    The camera whose shift lowers the error most is corrected first, then the next, while the error falls. Needs three
    cameras; with fewer nobody can tell.
    """
    ids = [camera.id for camera in cameras]
    if len(ids) < 3:
        return {}
    own = _telling([_middle(seen[name]) for name in ids], ids)
    found: dict[str, float] = {}
    error = _error(cameras, own, limit_px)
    for _ in range(len(ids) - 2):
        trials = {}
        for k, name in enumerate(ids):
            lag = 0.0 if name in found else _lag(cameras, own, k, limit_px)
            if abs(lag) >= LATE_FRAMES:
                moved = {**own, name: in_time(own[name], lag)}
                trials[name] = (_error(cameras, moved, limit_px), lag, moved)
        if not trials:
            break
        best = min(trials, key=lambda name: trials[name][0])
        if trials[best][0] > _GAIN * error:
            break
        error, found[best], own = trials[best]
    return found


def strangers(errors: Mapping[str, float]) -> dict[str, float]:
    """Of the median error in pixels of each camera, those far above what the others have. Needs three cameras."""
    if len(errors) < 3:
        return {}
    usual = {name: float(np.median([e for n, e in errors.items() if n != name])) for name in errors}
    return {name: e for name, e in errors.items() if e > max(_OTHER * usual[name], _LEAST_PX)}


def camera_errors(cameras: Sequence[Camera], seen: Mapping[str, Keypoints], places: F64) -> dict[str, float]:
    """Camera -> median distance in pixels from its points to those of places (T, J, 3), left out or not."""
    shown = reprojected(cameras, places)
    out = {}
    for c, camera in enumerate(cameras):
        gap = np.linalg.norm(seen[camera.id].places - shown[c], axis=2)
        if np.isfinite(gap).any():
            out[camera.id] = float(np.nanmedian(gap))
    return out


def stacked(cameras: Sequence[Camera], seen: Mapping[str, Keypoints]) -> tuple[F64, F64]:
    """Points (C, T, J, 2) and confidence (C, T, J) in the order of the cameras."""
    return (
        np.stack([seen[camera.id].places for camera in cameras]),
        np.stack([seen[camera.id].confidence for camera in cameras]),
    )


def _middle(seen: Keypoints) -> Keypoints:
    start = max(0, (len(seen) - _MOST_FRAMES) // 2)
    part = slice(start, start + _MOST_FRAMES)
    return Keypoints(seen.names, seen.places[part], seen.confidence[part])


def _telling(seen: Sequence[Keypoints], ids: Sequence[str]) -> dict[str, Keypoints]:
    """The joints that move most: what stands still does not tell the time."""
    steps = np.stack([np.linalg.norm(np.diff(own.places, axis=0), axis=2) for own in seen])
    known = np.isfinite(steps)
    speed = np.where(known, steps, 0.0).sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1)
    # A joint that is hardly ever seen moves by its noise.
    speed *= known.mean(axis=(0, 1))
    best = np.sort(np.argsort(-speed)[:_MOST_JOINTS])
    names = tuple(seen[0].names[k] for k in best)
    return {
        name: Keypoints(names, own.places[:, best], own.confidence[:, best])
        for name, own in zip(ids, seen, strict=True)
    }


def _error(cameras: Sequence[Camera], seen: Mapping[str, Keypoints], limit_px: float) -> float:
    """Mean error in pixels, of views that were left out the limit: what a right offset lowers."""
    uv, confidence = stacked(cameras, seen)
    found = triangulate(cameras, uv, confidence, limit_px=limit_px)
    gap = np.linalg.norm(uv - reprojected(cameras, found.places), axis=3)
    gap = np.where(np.isfinite(gap), np.minimum(gap, limit_px), limit_px)
    return float(gap[confidence > 0].mean()) if (confidence > 0).any() else limit_px


def _lag(cameras: Sequence[Camera], seen: Mapping[str, Keypoints], which: int, limit_px: float) -> float:
    """Frames by which one camera is later than what the others see, 0 where they do not tell."""
    others = [camera for k, camera in enumerate(cameras) if k != which]
    uv, confidence = stacked(others, seen)
    places = triangulate(others, uv, confidence, limit_px=limit_px).places
    shown = reprojected([cameras[which]], places)[0]
    track = Keypoints(seen[cameras[which].id].names, shown, np.isfinite(shown).all(axis=2).astype(np.float64))
    target, lag = seen[cameras[which].id].places, 0.0
    for _ in range(_STEPS):
        now = in_time(track, -lag).places
        if len(now) < 3:
            return 0.0
        speed = np.gradient(now, axis=0)
        gap = target - now
        known = np.isfinite(gap).all(axis=2) & np.isfinite(speed).all(axis=2)
        if known.sum() < 30:
            return 0.0
        length = np.linalg.norm(gap[known], axis=1)
        weight = np.minimum(1.0, _HUBER_PX / np.maximum(length, 1e-9))
        motion = float((weight[:, None] * speed[known] ** 2).sum())
        step = float((weight[:, None] * gap[known] * speed[known]).sum()) / max(motion, 1e-9)
        lag += float(np.clip(step, -3.0, 3.0))
        if abs(lag) > _REACH_FRAMES:
            return 0.0
        if abs(step) < 1e-3:
            break
    return lag
