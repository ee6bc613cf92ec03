"""Comparison within a session: what a still should measure, given its camera and its take and light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

Cell: TypeAlias = tuple[str, str]  # (row, column)

_ROUNDS = 10


def residuals(values: Mapping[Cell, float]) -> dict[Cell, float]:
    """What is left of each value after its row's and its column's effect (Tukey's median polish).

    With a single column this is the distance to the median of all rows. A table with fewer than three cells in both
    directions says nothing about which cell is wrong and gives no residuals.
    """
    rows = sorted({row for row, _ in values})
    columns = sorted({column for _, column in values})
    if max(len(rows), len(columns)) < 3:
        return {}
    table = np.full((len(rows), len(columns)), np.nan)
    for (row, column), value in values.items():
        table[rows.index(row), columns.index(column)] = value
    for _ in range(_ROUNDS):
        table -= np.nanmedian(table, axis=1, keepdims=True)
        table -= np.nanmedian(table, axis=0, keepdims=True)
    return {(row, column): float(table[rows.index(row), columns.index(column)]) for row, column in values}
