"""What chart, board and mirror ball add to a calibrated rig: colours of the cameras and the lights of the studio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.colour import calibrate_colour
from calibration.lights import calibrate_lights
from capture.issues import Report
from capture.session import ShotKind

if TYPE_CHECKING:
    from calibration.rig import RigCalibration
    from capture.validate import ValidatedSession


def calibrate_studio(
    validated: ValidatedSession, rig: RigCalibration, report: Report, *, force: bool = False
) -> Report:
    """Measure colours where the session has a chart or board pictures, lights where it has a ball.

    Writes derived/colour and derived/lights; returns the report of the rig with the issues and facts of both added.
    """
    issues, facts = list(report.issues), dict(report.facts)
    colours = None
    # A board that was filmed says nothing of colour: frames of a moving print are not alike in two cameras.
    boards = any(o.frames == 1 for o in validated.of_kind(ShotKind.BOARD))
    if boards or validated.of_kind(ShotKind.CHART):
        colours, found = calibrate_colour(validated, rig, force=force)
        issues += found.issues
        facts["colour"] = found.facts
    if validated.of_kind(ShotKind.BALL):
        _, found = calibrate_lights(validated, rig, colours, force=force)
        issues += found.issues
        facts["lights"] = found.facts
    return Report(report.step, tuple(issues), facts)
