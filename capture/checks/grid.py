"""The grid: every take has a still of each of its cameras under each of its lights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context


def check_grid(context: Context) -> Iterator[Issue]:
    """Each still that session.toml promises and the card does not have."""
    for shot in context.missing:
        if shot.kind is ShotKind.STILL:
            expected = context.session.sources.get(shot.stem, f"{shot.stem}.*")
            yield issue("GRID_FRAME_MISSING", where=shot.stem, expected=expected, found="no file")
