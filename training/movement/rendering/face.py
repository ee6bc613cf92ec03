"""Where nose, eyes and ears are on a head joint, which the skeleton does not have.

A head joint is the top of the neck, and its frame at rest is the world's: x where she looks, y to her left, z up. The
places are those of the stage's head, at an adult of 1.70 m; they turn with the joint and grow with the body.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import leg_length
from capture.motion.clip import MotionClip
from capture.stage.head import EAR_Z, EYE_Y, EYE_Z, HEAD_CENTRE_Z, NOSE_TIP_Z

F64 = NDArray[np.float64]

_JOINT_Z = 1.46  # the head joint of the stage's body
_LEG_M = 0.805  # thigh and shank of an adult of 1.70 m
_NOSE_X, _EYE_X, _EAR_X, _EAR_Y = 0.108, 0.086, -0.004, 0.074
PLACES: dict[str, tuple[float, float, float]] = {
    "centre": (0.0, 0.0, HEAD_CENTRE_Z - _JOINT_Z),
    "crown": (0.0, 0.0, 0.255),
    "nose": (_NOSE_X, 0.0, NOSE_TIP_Z - _JOINT_Z),
    "eye_left": (_EYE_X, EYE_Y, EYE_Z - _JOINT_Z),
    "eye_right": (_EYE_X, -EYE_Y, EYE_Z - _JOINT_Z),
    "ear_left": (_EAR_X, _EAR_Y, EAR_Z - _JOINT_Z),
    "ear_right": (_EAR_X, -_EAR_Y, EAR_Z - _JOINT_Z),
}
"""Metres from the head joint, in its frame."""
# Where each looks away from the head, degrees to her left, and how far off the camera may be before the head hides it.
# A detector of poses leaves hidden ones out, and a video base reads from that whether she comes or goes.
_LOOKS: dict[str, tuple[float, float]] = {
    "nose": (0.0, 100.0),
    "eye_left": (25.0, 95.0),
    "eye_right": (-25.0, 95.0),
    "ear_left": (95.0, 95.0),
    "ear_right": (-95.0, 95.0),
}


def body_size(clip: MotionClip) -> float:
    """How large a canonical clip's body is, 1 at 1.70 m, by its legs."""
    return leg_length(clip.track) / _LEG_M


def head_place(joint: F64, turn: F64, size: float, name: str) -> F64:
    """(3,) world metres of a place of PLACES; `joint` (3,) and `turn` (3, 3) of the head, `size` 1 at 1.70 m."""
    return np.asarray(joint + size * (turn @ np.array(PLACES[name])))


def faces_camera(joint: F64, turn: F64, camera: F64, name: str) -> bool:
    """Whether a nose, an eye or an ear is on the side of the head that a camera at (3,) world metres sees."""
    looks, limit = _LOOKS[name]
    view = turn.T @ (camera - joint)
    away = np.degrees(np.arctan2(view[1], view[0])) - looks
    return bool(abs((away + 180) % 360 - 180) < limit)
