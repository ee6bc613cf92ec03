"""The page on a calibration for people: one file that needs no other, with the rig to turn, and what is wrong first."""

from calibration.page.rig_view import outline_of
from calibration.page.sheet import Shown, first_cause, render_page

__all__ = ["Shown", "first_cause", "outline_of", "render_page"]
