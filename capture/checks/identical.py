"""Identical pictures: the same bytes, or the same pixels in other bytes, in two places of the session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.issues import Issue, issue

if TYPE_CHECKING:
    from capture.validate import Context, Original


def check_identical(context: Context) -> Iterator[Issue]:
    """Two exposures differ by their noise, so equal pixels mean one picture stored twice.

    A picture without any detail proves nothing: two drawn, noiseless backdrops are rightly equal. Nor does one file
    that `[sources]` names for two purposes, as a clip that is the calibration too.
    """
    seen: dict[tuple[str, int], Original] = {}
    for original in context.originals:
        if all(n.focus == 0 for n in original.numbers):
            continue
        key = (original.pixels or original.sha256, original.frames)
        first = seen.setdefault(key, original)
        if first is not original and first.name_on_card != original.name_on_card:
            found = f"the same as {first.shot.stem}"
            yield issue("FRAME_IDENTICAL", where=original.shot.stem, expected="its own picture", found=found)
