"""From a track of joints to her skeleton in motion, wherever the track came from: cameras, markers or a suit.

Short gaps are filled, the track is brought to the canonical joints and smoothed, and a skeleton of constant bone
lengths is fitted over the longest stretch in which all of them are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.motion.contacts import Contacts, find_contacts
from calibration.motion.findings import gap_issues, joint_issues
from calibration.motion.fit import HELD, Fitted, fit_clip
from calibration.motion.gaps import CUTOFF_HZ, LONGEST_S, Gap, fill_gaps, known_of, runs, smooth
from calibration.motion.layouts import to_canonical
from capture.issues import Issue, JsonObject, issue
from capture.motion.canonical import CANONICAL
from capture.motion.clip import JointTrack, MotionClip

F64 = NDArray[np.float64]

LEAST_S = 0.5  # a step
BONES_MM = 30.0  # mean of a joint; detectors' joints keep within 20


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


@dataclass(frozen=True)
class Cleaning:
    """What is filled and what is smoothed away."""

    longest_gap_s: float = LONGEST_S
    cutoff_hz: float | None = CUTOFF_HZ  # None: nothing is smoothed


@dataclass(frozen=True, eq=False)
class Built:
    """A capture, and what was done to its track."""

    captured: Captured
    gaps: tuple[Gap, ...]  # left open
    filled: Mapping[str, int]  # canonical joint -> frames filled in; those without any are left out


def build_skeleton(track: JointTrack, how: Cleaning = Cleaning()) -> Built:  # noqa: B008 - frozen
    """Gaps filled, smoothed, brought to the canonical joints, and a skeleton over the longest whole stretch.

    The track may name its joints as any known rig or detector does; canonical joints that it lacks are NaN. ValueError
    for a cut-off that the frame rate cannot have.
    """
    seen = known_of(to_canonical(track.names, track.places))
    filled, _ = fill_gaps(track, longest_s=how.longest_gap_s)
    whole = JointTrack(CANONICAL, to_canonical(track.names, filled.places), track.fps)
    added = (known_of(whole.places) & ~seen).sum(axis=0)
    # A frame or two at either end are nothing to be told of.
    gaps = tuple(g for g in fill_gaps(whole, longest_s=0.0)[1] if g.frames > how.longest_gap_s * track.fps)
    if how.cutoff_hz is not None:
        whole = smooth(whole, cutoff_hz=how.cutoff_hz)
    counts = {name: int(n) for name, n in zip(CANONICAL, added, strict=True) if n}
    return Built(_captured(whole), gaps, counts)


def long_enough(frames: int, fps: float) -> bool:
    """Whether so many frames in a row hold a movement."""
    return frames >= max(3, LEAST_S * fps)


def skeleton_issues(built: Built, where: str, *, expected: str, bones_mm: float = BONES_MM) -> Iterator[Issue]:
    """Gaps that are left, joints never known, no stretch that is long enough, bones that do not keep their length.

    `expected` says of a joint what it takes to be known.
    """
    captured = built.captured
    yield from gap_issues(captured.track, built.gaps, where, expected=expected)
    yield from joint_issues(captured.track, where, expected=f"every joint {expected}")
    if captured.fitted is None:
        first, end = _longest_whole(captured.track)
        found = f"{end - first} of {len(captured.track)} frames at {captured.track.fps:g} a second"
        yield issue("MOTION_NO_SKELETON", where=where, expected=f"{LEAST_S:g} s with every joint known", found=found)
        return
    for name, error in captured.fitted.error_mm.items():
        if error > bones_mm:
            place, below = f"{where} {name}", f"below {bones_mm:g} mm"
            yield issue("MOTION_BONES_VARY", where=place, expected=below, found=f"{error:.0f} mm")


def skeleton_facts(built: Built) -> JsonObject:
    """Rate, lengths, how often each joint is known, how far the skeleton is from it, and how long each foot stands."""
    captured = built.captured
    known = known_of(captured.track.places)
    fitted, contacts = captured.fitted, captured.contacts
    stands = {"left": contacts.left, "right": contacts.right} if contacts else {}
    return {
        "frames": len(captured.track),
        "fps": captured.track.fps,
        "first": captured.first,
        "clip_frames": len(fitted.clip) if fitted else 0,
        "filled": dict(built.filled),
        "known": {name: round(float(known[:, k].mean()), 3) for k, name in enumerate(CANONICAL)},
        "fit_mm": {name: round(e, 2) for name, e in fitted.error_mm.items()} if fitted else {},
        "fit_mean_mm": round(fitted.mean_mm, 2) if fitted else None,
        "held": list(fitted.held) if fitted else [],
        "stands": {side: round(float(own.mean()), 3) for side, own in stands.items()},
    }


def _captured(track: JointTrack) -> Captured:
    first, end = _longest_whole(track)
    if not long_enough(end - first, track.fps):
        return Captured(track, None, first, None)
    fitted = fit_clip(JointTrack(CANONICAL, track.places[first:end], track.fps))
    return Captured(track, fitted, first, find_contacts(fitted.clip.track))


def _longest_whole(track: JointTrack) -> tuple[int, int]:
    """First frame of the longest stretch in which every joint that was ever seen, or is needed, is known; its end."""
    known = known_of(track.places)
    wanted = [k for k, name in enumerate(CANONICAL) if name not in HELD or known[:, k].any()]
    stretches = list(runs(np.asarray(known[:, wanted].all(axis=1))))
    return max(stretches, key=lambda run: run[1] - run[0], default=(0, 0))
