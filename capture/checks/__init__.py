"""The checks of a session, one family per file: each takes the context and yields issues, and stops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capture.checks.blur import check_motion_blur
from capture.checks.bodies import check_bodies
from capture.checks.clock import check_clock
from capture.checks.exposure import check_exposure
from capture.checks.files import check_files
from capture.checks.focus import check_focus
from capture.checks.frames import check_frames
from capture.checks.grid import check_grid
from capture.checks.identical import check_identical
from capture.checks.light import check_light
from capture.checks.noise import check_noise
from capture.checks.plates import check_plates
from capture.checks.privacy import check_privacy
from capture.checks.settings import check_settings
from capture.checks.subject import check_subject
from capture.checks.sync import check_sync

if TYPE_CHECKING:
    from capture.validate import Check

CHECKS: tuple[Check, ...] = (
    check_files,
    check_grid,
    check_settings,
    check_bodies,
    check_clock,
    check_privacy,
    check_identical,
    check_exposure,
    check_focus,
    check_noise,
    check_plates,
    check_light,
    check_subject,
    check_frames,
    check_motion_blur,
    check_sync,
)
