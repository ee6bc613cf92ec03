"""Joints that were not seen, and gaps that stay open, said so that a person knows what to record again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from calibration.motion.fit import HELD
from calibration.motion.gaps import Gap
from capture.issues import Issue, issue
from capture.motion.canonical import CANONICAL
from capture.motion.clip import JointTrack

_LISTED = 6


def joint_issues(track: JointTrack, where: str, *, expected: str) -> Iterator[Issue]:
    """One issue for all joints that are known in no frame."""
    never = [name for name in CANONICAL if not np.isfinite(track.of(name)).any()]
    if never:
        held = " (held still)" if set(never) <= set(HELD) else ""
        yield issue(
            "MOTION_JOINT_NOT_SEEN",
            where=where,
            expected=expected,
            found=f"{', '.join(never)}{held}",
        )


def gap_issues(track: JointTrack, gaps: Sequence[Gap], where: str, *, expected: str) -> Iterator[Issue]:
    """One issue for all joints that share the same open gaps, between the first frame that shows her and the last."""
    seen = np.flatnonzero(np.isfinite(track.places).any(axis=(1, 2)))
    if not len(seen):
        return
    shared: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for name in track.names:
        if np.isfinite(track.of(name)).any():
            own = [(max(g.first, seen[0]), min(g.first + g.frames, seen[-1] + 1)) for g in gaps if g.joint == name]
            cut = tuple((int(a), int(b)) for a, b in own if a < b)
            if cut:
                shared.setdefault(cut, []).append(name)
    for cut, names in shared.items():
        frames = [t for a, b in cut for t in range(a, b)]
        yield issue(
            "MOTION_GAP_TOO_LONG",
            where=f"{where} {', '.join(names)}",
            expected=expected,
            found=f"hidden in {named_frames(frames)}, {len(frames) / track.fps:.1f} s together",
        )


def named_frames(frames: Sequence[int]) -> str:
    """Ascending frames as runs: "frames 3 to 9, 12"."""
    groups: list[list[int]] = []
    for t in frames:
        if groups and t == groups[-1][1] + 1:
            groups[-1][1] = t
        else:
            groups.append([t, t])
    listed = [f"{a}" if a == b else f"{a} to {b}" for a, b in groups[:_LISTED]]
    more = f" and {len(groups) - _LISTED} more" if len(groups) > _LISTED else ""
    return f"frame{'s' if len(frames) > 1 else ''} {', '.join(listed)}{more}"
