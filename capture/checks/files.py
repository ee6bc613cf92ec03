"""Files: what was found wrong while they were located, copied and decoded, and what is not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context


def check_files(context: Context) -> Iterator[Issue]:
    """Faults of single files, and missing clips, calibration shots and plates. Missing stills are the grid's."""
    yield from context.faults
    for shot in context.missing:
        if shot.kind is ShotKind.PLATE:
            yield issue("PLATE_MISSING", where=shot.stem)
        elif shot.kind is not ShotKind.STILL:
            expected = context.session.sources.get(shot.stem, f"{shot.stem}.*")
            yield issue("FILE_MISSING", where=shot.stem, expected=expected, found="no file")
