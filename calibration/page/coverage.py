"""The picture of a camera as a grid of cells, filled where the board was seen."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from calibration.intrinsics import CELLS

_CELL_PX = 13
_EMPTY, _SEEN = "#dddddd", ("#bfe3cd", "#6cc191", "#22aa77")  # few corners to many
_MANY = (4, 16)  # corners in a cell, from which the darker colours begin


def cell_map(name: str, counts: Sequence[int]) -> Markup:
    """SVG of the 8 x 6 cells of a picture; `counts` are the corners in each, row by row."""
    width, height = CELLS[0] * _CELL_PX, CELLS[1] * _CELL_PX
    cells = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>').format(
            place % CELLS[0] * _CELL_PX, place // CELLS[0] * _CELL_PX, _CELL_PX - 1, _CELL_PX - 1, _colour(count)
        )
        for place, count in enumerate(counts)
    )
    label = f"{name}: {sum(n > 0 for n in counts)} of {len(counts)} cells"
    return Markup('<svg width="{}" height="{}" role="img" aria-label="{}">{}</svg>').format(width, height, label, cells)


def _colour(count: int) -> str:
    return _EMPTY if count == 0 else _SEEN[sum(count >= many for many in _MANY)]
