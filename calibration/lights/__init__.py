"""Where the lights stand and how strong they are: by a mirror ball, a colour chart, and her own shading as a check."""

from calibration.lights.lamp import Lamp
from calibration.lights.step import calibrate_lights, load_lights

__all__ = ["Lamp", "calibrate_lights", "load_lights"]
