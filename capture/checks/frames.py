"""Frames of a clip: those that never reached the file, and those that are the one before once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original


def check_frames(context: Context) -> Iterator[Issue]:
    """One issue for each clip with gaps in its time stamps, one for each clip that stands still in places."""
    for original in recordings(context):
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


def recordings(context: Context) -> Iterator[Original]:
    """Clips, and boards that were filmed: a file that `[sources]` names for two purposes only once."""
    seen: set[str] = set()
    for original in context.originals:
        # A file that is still on its card has no digest yet.
        own = original.sha256 or original.shot.stem
        if original.shot.kind in (ShotKind.CLIP, ShotKind.BOARD) and own not in seen:
            seen.add(own)
            yield original


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count != 1 else ''}"
