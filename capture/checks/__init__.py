"""The checks of a session, one family per file: each takes the context and yields issues, and stops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capture.checks.exposure import check_exposure
from capture.checks.files import check_files
from capture.checks.focus import check_focus
from capture.checks.grid import check_grid
from capture.checks.identical import check_identical
from capture.checks.settings import check_settings

if TYPE_CHECKING:
    from capture.validate import Check

CHECKS: tuple[Check, ...] = (
    check_files,
    check_grid,
    check_settings,
    check_identical,
    check_exposure,
    check_focus,
)
