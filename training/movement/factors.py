"""Speed, direction and place taken out of a movement so that clips can be compared and learned from, and put back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from capture.motion.canonical import canonical_track
from capture.motion.clip import JointTrack, MotionClip
from capture.motion.euler import axis_turns
from training.movement.features import heading_of, rotation_of, six_of

F64 = NDArray[np.float64]

_STRIDE_HZ = (0.4, 2.2)  # a stride is two steps: from a stroll to a sprint
_LEAST_STRIDES = 2.0


@dataclass(frozen=True)
class Place:
    """Where a movement begins: metres on the floor, and radians that it heads to the left of x."""

    x_m: float
    y_m: float
    heading: float


def facing_x(clip: MotionClip) -> tuple[MotionClip, Place]:
    """The clip begun at the origin and heading along x, and what was taken out. `placed` puts it back."""
    place = Place(float(clip.root[0, 0]), float(clip.root[0, 1]), float(heading_of(clip)[0]))
    shifted = clip.root - (place.x_m, place.y_m, 0.0)
    return _turned(MotionClip(clip.skeleton, clip.rotations, shifted, clip.fps), -place.heading), place


def placed(clip: MotionClip, place: Place) -> MotionClip:
    """A clip from the origin along x put to a place; the inverse of `facing_x`."""
    out = _turned(clip, place.heading)
    return MotionClip(out.skeleton, out.rotations, out.root + (place.x_m, place.y_m, 0.0), out.fps)


def stride_hz(source: MotionClip | JointTrack) -> float:
    """Strides per second: the peak of the spectrum of how far one ankle is before the other, square to the hips.

    Raises JointsMissing for a rig that lacks joints, ValueError for a clip of less than two strides.
    """
    track = canonical_track(source)
    line = track.of("hip_left") - track.of("hip_right")
    forward = np.stack([line[:, 1], -line[:, 0]], axis=1)
    forward /= np.maximum(np.linalg.norm(forward, axis=1, keepdims=True), 1e-9)
    apart = np.einsum("ti,ti->t", forward, (track.of("ankle_left") - track.of("ankle_right"))[:, :2])
    size = 1 << max(14, int(np.ceil(np.log2(8 * len(apart)))))
    spectrum = np.abs(np.fft.rfft((apart - apart.mean()) * np.hanning(len(apart)), size))
    hertz = np.fft.rfftfreq(size, 1 / track.fps)
    inside = (hertz >= _STRIDE_HZ[0]) & (hertz <= _STRIDE_HZ[1])
    found = float(hertz[inside][np.argmax(spectrum[inside])])
    strides = found * len(track) / track.fps
    if strides < _LEAST_STRIDES:
        raise ValueError(f"clip holds {strides:.1f} strides; {_LEAST_STRIDES:g} are the least that a cadence needs")
    return found


def at_cadence(clip: MotionClip, wanted_hz: float, *, found_hz: float | None = None) -> tuple[MotionClip, float]:
    """The clip slowed down or sped up to a cadence in strides per second, at the same rate of frames.

    Also gives how many times as long it takes; `stretched` with one over it puts the speed back. `found_hz` is the
    clip's own cadence where it is known. ValueError for a clip or a cadence without strides.
    """
    if not (np.isfinite(wanted_hz) and wanted_hz > 0):
        raise ValueError(f"cadence must be strides per second above 0, found {wanted_hz}")
    out = stretched(clip, (found_hz or stride_hz(clip)) / wanted_hz)
    return out, (len(out) - 1) / (len(clip) - 1)


def stretched(clip: MotionClip, times: float) -> MotionClip:
    """The movement taking so many times as long, from its first frame to its last, at the same rate of frames.

    The way stays the same and the speed changes. ValueError for a factor that is not positive or leaves one frame.
    """
    frames = round((len(clip) - 1) * times) + 1 if np.isfinite(times) and times > 0 else 0
    if frames < 2:
        raise ValueError(f"clip of {len(clip)} frames cannot be taken at {times} times its length; give one above 0")
    return _sampled(clip, np.linspace(0, len(clip) - 1, frames), clip.fps)


def at_rate(clip: MotionClip, fps: float) -> MotionClip:
    """The same movement at another rate of frames. ValueError for a rate that is not positive."""
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"frame rate is not positive: {fps}")
    if fps == clip.fps:
        return clip
    # The last frame may lie a rounding error behind the end.
    frames = int(np.floor((len(clip) - 1) / clip.fps * fps + 1e-6)) + 1
    return _sampled(clip, np.minimum(np.arange(frames) * clip.fps / fps, len(clip) - 1), fps)


def _sampled(clip: MotionClip, at: F64, fps: float) -> MotionClip:
    """The clip at fractional frames (N,): root and rotations along cubic splines, these in their six numbers."""
    if len(clip) < 2:
        return MotionClip(clip.skeleton, clip.rotations, clip.root, fps)
    frames = np.arange(len(clip))
    root = np.asarray(CubicSpline(frames, clip.root, axis=0)(at))
    six = np.asarray(CubicSpline(frames, six_of(clip.rotations), axis=0)(at))
    return MotionClip(clip.skeleton, rotation_of(six), root, fps)


def _turned(clip: MotionClip, radians: float) -> MotionClip:
    """The clip turned about the vertical through the origin."""
    turn = axis_turns(2, np.asarray(radians))
    rotations = clip.rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    return MotionClip(clip.skeleton, rotations, clip.root @ turn.T, clip.fps)
