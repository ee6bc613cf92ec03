"""Frames of a clip: those that never reached the file, and those that are the one before once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context


def check_frames(context: Context) -> Iterator[Issue]:
    """One issue for each clip with gaps in its time stamps, one for each clip that stands still in places."""
    seen: set[str] = set()
    for original in context.originals:
        if original.shot.kind not in (ShotKind.CLIP, ShotKind.BOARD) or original.sha256 in seen:
            continue  # one file that `[sources]` names for two purposes is judged once
        seen.add(original.sha256)
        lost = sum(count for _, count in original.gaps)
        if lost:
            at, count = original.gaps[0]
            found = f"{_frames(lost)} missing in {len(original.gaps)} places, first {count} before frame {at}"
            yield issue("FRAME_DROPPED", where=original.shot.stem, expected="no gap between time stamps", found=found)
        if original.frozen:
            same = sum(last - first for first, last in original.frozen)
            first, last = original.frozen[0]
            found = f"{_frames(same)} like the one before, first {first} to {last}"
            yield issue("FRAME_FROZEN", where=original.shot.stem, expected="a new picture each frame", found=found)


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count != 1 else ''}"
