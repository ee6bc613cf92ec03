"""Noise: stills with more grain than their camera, take and light let expect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.checks.relative import residuals
from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original

_FLOOR = 0.25  # grey levels: rounding to 8 bits leaves 0.29 at full size and half of it at half resolution
# Within one camera real recordings stay below 1.27 (two stereo cameras, four webcams, four sports cameras); two stops
# more sensitivity double the grain.
_TIMES = 1.5


def check_noise(context: Context) -> Iterator[Issue]:
    """Relative to the session: a camera that always works at a high sensitivity is no fault."""
    stills = [o for o in context.originals if o.shot.kind is ShotKind.STILL and o.numbers[0].noise > 0]
    left = residuals({_cell(o): math.log2(o.numbers[0].noise + _FLOOR) for o in stills})
    for original in stills:
        times = 2.0 ** left.get(_cell(original), 0.0)
        if times > _TIMES:
            found = f"{times:.1f} times the grain that this camera and light let expect"
            yield issue("NOISE_HIGH", where=original.shot.stem, expected=f"at most {_TIMES:g} times", found=found)


def _cell(original: Original) -> tuple[str, str]:
    return original.shot.camera, f"{original.shot.group}/{original.shot.light}"
