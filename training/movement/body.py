"""One clip seen from her own body: lengths in leg lengths, axes that turn with her, and no bone length left in it.

Every bone keeps its direction and gets the length of one common body, so that what follows sees how she moves and not
how tall or broad she is. Left and right come from the joints' names; travel and toes must agree with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt

from capture.issues import Issue, issue
from capture.motion.canonical import CANONICAL, SIDES, leg_length
from capture.motion.clip import JointTrack

F64 = NDArray[np.float64]

RATE_HZ = 30.0  # every clip is brought to one rate: mean speeds of a joint depend on it
# The body frame follows turns of the walker. Half a hertz lies below every stride: at 1 Hz half of the pelvis's own
# rotation goes into the frame, and how much of it depends on her cadence.
HEADING_HZ = 0.5
LONGEST_GAP_S = 0.2  # a fifth of a stride: what a spline can bridge without inventing a movement
SHORTEST_S = 1.0  # below, not even one stride of the slowest walker fits
_SHORTEST_LEG_M = 0.2  # a small child's; below it the unit is wrong, or all joints lie in one place
_TRAVELS = 0.3  # leg lengths per second: slower is a drift of the track or a walk on the spot

# Bones of the common body: joint, parent, length as a share of thigh + shank. After Winter, Biomechanics and Motor
# Control of Human Movement (4th ed. 2009, fig. 4.1): thigh and shank 0.491, upper arm 0.186, forearm 0.146 of height.
COMMON_BONES = (
    ("chest", "pelvis", 0.28), ("neck", "chest", 0.31), ("head", "neck", 0.20),
    *((f"{part}_{side}", f"{parent}_{side}", length) for side in SIDES for part, parent, length in (
        ("elbow", "shoulder", 0.379), ("wrist", "elbow", 0.297),
        ("knee", "hip", 0.499), ("ankle", "knee", 0.501), ("toe", "ankle", 0.22),
    )),
)  # fmt: skip
_HALF_WIDTH = {"hip": 0.10, "shoulder": 0.263}  # leg lengths from the middle of the line to one side


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """A clip on the common body. Lengths in leg lengths, time in seconds; the frame turns with her heading."""

    places: F64  # (T, 18, 3) leg lengths, world directions, in the order of CANONICAL
    right: F64  # (T, 3) unit, horizontal
    forward: F64  # (T, 3) unit, horizontal
    heading: F64  # (T,) radians of `forward` about z, unwrapped
    leg_m: float  # metres of thigh and shank, before they were taken out
    rate: float  # frames per second

    def __len__(self) -> int:
        return len(self.places)

    def of(self, name: str) -> F64:
        """(T, 3) places of a joint."""
        return np.asarray(self.places[:, CANONICAL.index(name)])

    def bone(self, start: str, end: str) -> F64:
        """(T, 3) from one joint to another in her axes: forward, right, up."""
        return self.in_her_axes(self.of(end) - self.of(start))

    def in_her_axes(self, vectors: F64) -> F64:
        """(T, 3) world vectors as forward, right, up."""
        forward = np.einsum("ti,ti->t", vectors, self.forward)
        right = np.einsum("ti,ti->t", vectors, self.right)
        return np.stack([forward, right, vectors[:, 2]], axis=1)


def body_motion(track: JointTrack, *, where: str = "clip", cutoff_hz: float = 0.0) -> BodyMotion | Issue:
    """Bring a canonical track (18 joints, world metres, z up) onto the common body, or say why that cannot be done.

    `cutoff_hz` is of a zero-phase Butterworth filter of order 2, 4-6 Hz for markerless data; 0 filters nothing.
    Raises ValueError for a cutoff that the frame rate cannot carry.
    """
    if cutoff_hz < 0 or cutoff_hz >= track.fps / 2:
        raise ValueError(f"cutoff is {cutoff_hz:g} Hz at {track.fps:g} frames/s; give 0, or less than half the rate")
    missing = [name for name in CANONICAL if name not in track.names]
    if missing:
        return issue(
            "MOTION_JOINT_MISSING", where=where, expected=", ".join(CANONICAL), found=f"no {', '.join(missing)}"
        )
    if len(track) < SHORTEST_S * track.fps:
        found = f"{len(track) / track.fps:.2f} s"
        return issue("MOTION_TOO_SHORT", where=where, expected=f"at least {SHORTEST_S:g} s", found=found)
    places = np.stack([track.of(name) for name in CANONICAL], axis=1)
    places[~np.isfinite(places)] = np.nan
    gap = longest_gap(places) / track.fps
    if gap > LONGEST_GAP_S:
        return issue("MOTION_GAP", where=where, expected=f"gaps up to {LONGEST_GAP_S:g} s", found=f"one of {gap:.2f} s")
    leg_m = leg_length(JointTrack(CANONICAL, places, track.fps))
    if leg_m < _SHORTEST_LEG_M:
        expected = f"legs of {_SHORTEST_LEG_M:g} m or more"
        return issue("MOTION_NO_BODY", where=where, expected=expected, found=f"{leg_m:.2g} m")
    if cutoff_hz:
        # Before the rate goes down: noise is averaged over all frames there are.
        places = low_passed(resampled(places, track.fps, track.fps), cutoff_hz, track.fps)
    places = resampled(places, track.fps, RATE_HZ)
    motion = _with_axes(on_common_body(places, leg_m), leg_m)
    return motion if _faces_forward(motion) else issue("MOTION_MIRRORED", where=where, found=_seen_facing(motion))


def longest_gap(places: F64) -> int:
    """Frames of the longest run in which a joint was not seen; the whole clip where it never was."""
    missing = np.asarray(np.isnan(places).any(axis=2))
    longest, run = np.zeros(missing.shape[1], dtype=np.int64), np.zeros(missing.shape[1], dtype=np.int64)
    for row in missing:
        run = np.where(row, run + 1, 0)
        longest = np.maximum(longest, run)
    return int(longest.max(initial=0))


def resampled(places: F64, fps: float, rate: float) -> F64:
    """(T', J, 3) at another rate by cubic splines, gaps bridged; the ends stay where they were."""
    time = np.arange(len(places)) / fps
    new = np.arange(int(np.floor(time[-1] * rate + 1e-6)) + 1) / rate
    seen = np.asarray(~np.isnan(places).any(axis=2))
    if seen.all():
        return np.asarray(CubicSpline(time, places)(new))
    out = np.empty((len(new), *places.shape[1:]))
    for joint in range(places.shape[1]):
        ok = seen[:, joint]
        inside = np.clip(new, time[ok][0], time[ok][-1])  # a spline beyond its ends runs away
        out[:, joint] = CubicSpline(time[ok], places[ok, joint])(inside)
    return out


def low_passed(values: F64, cutoff_hz: float, rate: float) -> F64:
    """The same without what is faster than the cutoff: Butterworth of order 2 forth and back, no shift in time."""
    sections = butter(2, min(cutoff_hz / (rate / 2), 0.99), output="sos")
    return np.asarray(sosfiltfilt(sections, values, axis=0, padlen=min(len(values) - 1, int(rate / cutoff_hz))))


def on_common_body(places: F64, leg_m: float) -> F64:
    """(T, 18, 3) leg lengths of (T, 18, 3) metres: every bone in its own direction with the common body's length."""
    at = CANONICAL.index
    out = np.empty_like(places)
    out[:, at("pelvis")] = places[:, at("pelvis")] / leg_m
    _place_pair(out, places, "hip", centre=out[:, at("pelvis")])
    done = False
    for joint, parent, length in COMMON_BONES:
        if parent.startswith("shoulder") and not done:
            _place_pair(out, places, "shoulder", centre=out[:, at("neck")])
            done = True
        out[:, at(joint)] = out[:, at(parent)] + length * _unit(places[:, at(joint)] - places[:, at(parent)])
    # The height of the pelvis becomes that of the pose: over the lower ankle, not over a floor under other shoes.
    ankles = np.minimum(out[:, at("ankle_left"), 2], out[:, at("ankle_right"), 2])
    out[..., 2] -= np.percentile(ankles, 5)
    return out


def _place_pair(out: F64, places: F64, name: str, *, centre: F64) -> None:
    left, right = CANONICAL.index(f"{name}_left"), CANONICAL.index(f"{name}_right")
    line = _HALF_WIDTH[name] * _unit(places[:, right] - places[:, left])
    out[:, right], out[:, left] = centre + line, centre - line


def _unit(vectors: F64) -> F64:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def _with_axes(places: F64, leg_m: float) -> BodyMotion:
    line = places[:, CANONICAL.index("hip_right")] - places[:, CANONICAL.index("hip_left")]
    # The right hand of someone who faces along x points along -y: her heading is a quarter turn on from it.
    raw = np.unwrap(np.arctan2(line[:, 1], line[:, 0]) + np.pi / 2)
    heading = low_passed(raw, HEADING_HZ, RATE_HZ)
    zero = np.zeros_like(heading)
    forward = np.stack([np.cos(heading), np.sin(heading), zero], axis=1)
    right = np.stack([np.sin(heading), -np.cos(heading), zero], axis=1)
    return BodyMotion(places, right, forward, heading, leg_m, RATE_HZ)


def _faces_forward(motion: BodyMotion) -> bool:
    # Toes tell it on the spot too; travel alone would call a walk backwards a mistake.
    return _toes_ahead(motion) > 0 or travel_speed(motion) > _TRAVELS


def _toes_ahead(motion: BodyMotion) -> float:
    return float(np.mean([motion.bone(f"ankle_{s}", f"toe_{s}")[:, 0].mean() for s in SIDES]))


def travel_speed(motion: BodyMotion) -> float:
    """Leg lengths per second along her heading, averaged over the clip."""
    steps = np.diff(motion.of("pelvis"), axis=0) * motion.rate
    return float(np.mean(np.einsum("ti,ti->t", steps, motion.forward[1:])))


def _seen_facing(motion: BodyMotion) -> str:
    return f"toes {_toes_ahead(motion):+.2f} and travel {travel_speed(motion):+.2f} leg lengths ahead of her hips"
