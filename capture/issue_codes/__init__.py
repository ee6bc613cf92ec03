"""The catalogue: the only place where a code gets its severity, reason and remedy; one file per part of the work."""

from __future__ import annotations

from capture.issue_codes.entry import Entry, Severity
from capture.issue_codes.movement import MOVEMENT
from capture.issue_codes.movement_style import MOVEMENT_STYLE
from capture.issue_codes.rig import RIG
from capture.issue_codes.shoot import SHOOT
from capture.issue_codes.twin import TWIN

__all__ = ["CATALOGUE", "Entry", "Severity"]

CATALOGUE: dict[str, Entry] = {**SHOOT, **RIG, **TWIN, **MOVEMENT, **MOVEMENT_STYLE}
