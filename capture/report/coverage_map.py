"""The reshoot list and the coverage map, as parts of a page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from capture.coverage import Cell, Coverage
from capture.report import environment
from capture.reshoot import Line

LINES = 12  # of the reshoot list on the page; all are in report.json


def reshoot_list(lines: Sequence[Line]) -> Markup:
    """What must be shot again, best first and numbered, then what is worth a look."""
    must = [line for line in lines if line.must]
    look = [line for line in lines if not line.must]
    template = environment().get_template("reshoot.html.j2")
    return Markup(template.render(must=must, look=look, most=LINES).strip())


def coverage_map(covered: Coverage) -> Markup:
    """Views downwards, lights across; each cell has a colour, a sign and how many usable files of how many."""
    lights = list(dict.fromkeys(cell.light for cell in covered.cells))
    rows: dict[str, dict[str, list[Cell]]] = {}
    for cell in covered.cells:
        rows.setdefault(cell.row, {}).setdefault(cell.light, []).append(cell)
    table = [{"name": row, "cells": [_shown(cells.get(light, [])) for light in lights]} for row, cells in rows.items()]
    template = environment().get_template("coverage.html.j2")
    return Markup(template.render(lights=lights, rows=table, covered=covered).strip())


def _shown(cells: Sequence[Cell]) -> dict[str, str]:
    """Tone, sign and count of one field of the map; several entries of a plan may share it."""
    wanted, short = sum(c.wanted for c in cells), sum(c.short for c in cells)
    if not wanted:
        return {"tone": "idle", "sign": "–", "count": ""}
    usable = sum(c.usable for c in cells)
    tone, sign = ("good", "✓") if not short else ("warn", "◐") if short < wanted else ("bad", "✕")
    return {"tone": tone, "sign": sign, "count": f"{usable}/{wanted}"}
