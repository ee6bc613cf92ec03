"""Bundle adjustment of a rig."""

from calibration.bundle.adjust import Fit, RobustFit, adjust, adjust_robustly
from calibration.bundle.normal import residuals
from calibration.bundle.problem import (
    BOARD,
    CAMERA,
    LENS,
    Bools,
    Ints,
    Problem,
    State,
    gauge_free,
    nothing_free,
    plain_problem,
    plain_state,
)

__all__ = [
    "BOARD",
    "CAMERA",
    "LENS",
    "Bools",
    "Fit",
    "Ints",
    "Problem",
    "RobustFit",
    "State",
    "adjust",
    "adjust_robustly",
    "gauge_free",
    "nothing_free",
    "plain_problem",
    "plain_state",
    "residuals",
]
