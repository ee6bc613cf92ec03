"""Motion blur: clips in which whatever moves is smeared along its motion, because the shutter stayed open too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from capture.checks.frames import recordings
from capture.issues import Issue, issue
from capture.smear import SPEEDS, Row

if TYPE_CHECKING:
    from capture.validate import Context, Original

# Edges that move fast keep 0.83 or more of the sharpness of slow ones in real clips that look sharp (three webcams) and
# 0.52 or more on simulated shoots (40 views). They keep 0.49 and less in those real ones whose limbs or board are seen
# to be smeared (seven cameras). Exposed for 1/8 s, simulated views keep 0.24 to 0.74, the most where she hardly moves
# across the picture; there, what moves has 0.15 to 0.45 of the sharpness that the other cameras of the clip give it,
# and 0.75 or more in all others. A lens out of focus takes from fast and slow edges alike.
SHARE_LEFT = 0.5
_BESIDE_OTHERS = 0.5
_SLOWED_ONLY = 0.85  # beside the others' sharpness, a camera's own must also fall with speed
_SLOW, _FAST = 1.0, 2.0  # pixels of the half-size picture a frame; between them a half-open shutter hardly shows
_EDGES = 30  # of each kind; fewer say nothing
_FRAMES = 4


def check_motion_blur(context: Context) -> Iterator[Issue]:
    """One issue for each recording whose fast edges keep too little of the sharpness that its slow ones have.

    Among three cameras of a clip or more, what moves is compared with what the others make of it too.
    """
    clips: dict[str, list[Original]] = {}
    for original in recordings(context):
        clips.setdefault(original.shot.stem.rpartition("/")[0], []).append(original)
    for members in clips.values():
        moving = {o.shot.camera: sharpness(o.smear, _SLOW) for o in members}
        for original in members:
            share = sharpness_in_motion(original.smear)
            others = [v for camera, v in moving.items() if camera != original.shot.camera and v is not None]
            own = moving[original.shot.camera]
            beside = own / float(np.median(others)) if own is not None and len(others) > 1 else 1.0
            if share is not None and share < SHARE_LEFT:
                found = (
                    f"edges that move {2 * _FAST:g} px or more a frame keep {share:.0%} of the sharpness of slow ones"
                )
                yield issue("MOTION_BLUR", where=original.shot.stem, expected=f"at least {SHARE_LEFT:.0%}", found=found)
            elif share is not None and share < _SLOWED_ONLY and beside < _BESIDE_OTHERS:
                found = f"what moves has {beside:.0%} of the sharpness that the other cameras give it"
                expected = f"at least {_BESIDE_OTHERS:.0%}"
                yield issue("MOTION_BLUR", where=original.shot.stem, expected=expected, found=found)


def sharpness(rows: Sequence[Row], above: float) -> float | None:
    """Fine over coarse energy of the edges that move `above` that speed or faster; None where too few do."""
    fast = [row for row, speed in zip(rows, SPEEDS, strict=False) if speed >= above]
    if sum(row[0] for row in fast) < _EDGES or max((row[1] for row in fast), default=0) < _FRAMES:
        return None
    return sum(row[2] for row in fast) / sum(row[3] for row in fast)


def sharpness_in_motion(rows: Sequence[Row]) -> float | None:
    """Fine over coarse energy of the fast edges over that of the slow ones; None where too few of either move."""
    slow = sharpness([row for row, speed in zip(rows, SPEEDS, strict=False) if speed < _SLOW], 0.0)
    fast = sharpness(rows, _FAST)
    return fast / slow if fast is not None and slow else None
