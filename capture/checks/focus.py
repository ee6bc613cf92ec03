"""Focus: stills softer than their camera, take and light let expect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.checks.relative import residuals
from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original

# Blur of sigma 1 px leaves 0.40 of the measure on photographs (median of 14, at most 0.45 but for one that was soft
# already) and 0.30 on simulated shoots, whose sharp pictures keep 0.69 or more of what camera and light let expect
# (300 pictures, six outfits).
SHARE_LEFT = 0.58


def check_focus(context: Context) -> Iterator[Issue]:
    """Stills that keep too little of the sharpness that is expected of them."""
    for original, share in sharpness_kept(context):
        if share < SHARE_LEFT:
            found = f"{share:.0%} of the sharpness that this camera and light let expect"
            expected = f"at least {SHARE_LEFT:.0%}"
            yield issue("FOCUS_SOFT", where=original.shot.stem, expected=expected, found=found)


def sharpness_kept(context: Context) -> Iterator[tuple[Original, float]]:
    """Every still that can be compared, with the share of the sharpness that its camera, take and light let expect.

    Pictures without any detail, such as black ones, are left to the exposure check.
    """
    stills = [o for o in context.originals if o.shot.kind is ShotKind.STILL and o.numbers[0].focus > 0]
    left = residuals({_cell(o): math.log2(o.numbers[0].focus) for o in stills})
    for original in stills:
        if _cell(original) in left:
            yield original, 2.0 ** left[_cell(original)]


def _cell(original: Original) -> tuple[str, str]:
    return original.shot.camera, f"{original.shot.group}/{original.shot.light}"
