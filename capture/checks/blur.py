"""Motion blur: clips in which whatever moves is smeared along its motion, because the shutter stayed open too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from capture.checks.frames import recordings
from capture.issues import Issue, issue
from capture.smear import SPEEDS, Row

if TYPE_CHECKING:
    from capture.validate import Context

# Edges that move fast keep 0.83 or more of the sharpness of slow ones in real clips that look sharp (three webcams) and
# 0.62 or more on simulated shoots (20 views, the worst in a striped outfit). They keep 0.49 and less in those real ones
# whose limbs or board are seen to be smeared (seven cameras), and half or less of it on simulated shoots exposed for
# 1/25 or 1/8 s. A lens out of focus takes from both alike.
SHARE_LEFT = 0.55
_SLOW, _FAST = 1.0, 2.0  # pixels of the half-size picture a frame; between them a half-open shutter hardly shows
_EDGES = 30  # of each kind; fewer say nothing
_FRAMES = 4


def check_motion_blur(context: Context) -> Iterator[Issue]:
    """One issue for each recording whose fast edges keep too little of the sharpness that its slow ones have."""
    for original in recordings(context):
        share = sharpness_in_motion(original.smear)
        if share is not None and share < SHARE_LEFT:
            found = f"edges that move {2 * _FAST:g} px or more a frame keep {share:.0%} of the sharpness of slow ones"
            yield issue("MOTION_BLUR", where=original.shot.stem, expected=f"at least {SHARE_LEFT:.0%}", found=found)


def sharpness_in_motion(rows: Sequence[Row]) -> float | None:
    """Fine over coarse energy of the fast edges over that of the slow ones; None where too few of either move."""
    slow = [row for row, speed in zip(rows, SPEEDS, strict=False) if speed < _SLOW]
    fast = [row for row, speed in zip(rows, SPEEDS, strict=False) if speed >= _FAST]
    kept = []
    for kind in (slow, fast):
        edges, frames = sum(row[0] for row in kind), max((row[1] for row in kind), default=0)
        if edges < _EDGES or frames < _FRAMES:
            return None
        kept.append(sum(row[2] for row in kind) / sum(row[3] for row in kind))
    return kept[1] / kept[0] if kept[0] > 0 else None
