"""Frames that pose a video base: the 18 points of OpenPose's COCO model, drawn in its colours, and as its JSON.

Order, limbs and colours are those published with OpenPose and taken over by ControlNet, Wan-Animate and their
converters; they agree on the first 18 points. Neck is the middle of the shoulders, as OpenPose was trained to find it;
nose, eyes and ears come from the turn of the head (see face.py), and those that the head hides have confidence 0, as a
detector leaves them out.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.issues import JsonObject
from capture.motion.canonical import CANONICAL
from training.movement.rendering.face import faces_camera, head_place
from training.movement.rendering.shot import Shot

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

POINTS: tuple[str, ...] = (
    "nose", "neck",
    "shoulder_right", "elbow_right", "wrist_right", "shoulder_left", "elbow_left", "wrist_left",
    "hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left",
    "eye_right", "eye_left", "ear_right", "ear_left",
)  # fmt: skip
"""Our names in OpenPose's order."""
LIMBS: tuple[tuple[int, int], ...] = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLOURS: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""RGB: of limb k, at 0.6 of its brightness, and of point k."""
_STICK_PX, _AT_PX = 4, 512  # half width of a limb and radius of a point, at that shorter side
_DIM = 0.6
_FACE = ("nose", "eye_left", "eye_right", "ear_left", "ear_right")


def keypoints(turns: F64, places: F64, shot: Shot, frame: int, *, size: float) -> F64:
    """(18, 3) pixels and confidence, 1 or 0, of one frame; rows of zeros for what the head hides.

    `turns` (18, 3, 3) and `places` (18, 3) are of the canonical joints in world axes; `size` is 1 at 1.70 m.
    """
    head = CANONICAL.index("head")
    joint, turn = places[head], turns[head]
    eye = shot.camera.position - shot.offsets[frame]
    world, seen = np.empty((len(POINTS), 3)), np.ones(len(POINTS))
    for k, name in enumerate(POINTS):
        if name in _FACE:
            world[k] = head_place(joint, turn, size, name)
            seen[k] = faces_camera(joint, turn, eye, name)
        elif name == "neck":
            world[k] = (places[CANONICAL.index("shoulder_left")] + places[CANONICAL.index("shoulder_right")]) / 2
        else:
            world[k] = places[CANONICAL.index(name)]
    pixels, depth = shot.seen(world, frame)
    inside = ((pixels > -0.5) & (pixels < (shot.camera.width - 0.5, shot.camera.height - 0.5))).all(axis=1)
    seen *= inside & (depth > 0)
    return np.column_stack([pixels, np.ones(len(POINTS))]) * seen[:, None]


def pose_picture(points: F64, width: int, height: int) -> U8:
    """(H, W, 3) uint8 BGR on black: limbs as flat ellipses, then points; what has confidence 0 is left out."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    stick = max(1, round(_STICK_PX * min(width, height) / _AT_PX))
    for (a, b), colour in zip(LIMBS, COLOURS, strict=False):
        if points[a, 2] == 0 or points[b, 2] == 0:
            continue
        middle, way = (points[a, :2] + points[b, :2]) / 2, points[b, :2] - points[a, :2]
        axes = (int(np.hypot(*way) / 2), stick)
        angle = int(np.degrees(np.arctan2(way[1], way[0])))
        outline = cv2.ellipse2Poly((int(middle[0]), int(middle[1])), axes, angle, 0, 360, 1)
        cv2.fillConvexPoly(picture, outline, _bgr(colour, _DIM))
    for point, colour in zip(points, COLOURS, strict=True):
        if point[2]:
            cv2.circle(picture, (int(point[0]), int(point[1])), stick, _bgr(colour, 1.0), -1)
    return picture


def openpose_json(points: F64, width: int, height: int) -> JsonObject:
    """The points of one person as OpenPose writes them, with the size of the picture as its web tools do."""
    flat = [round(float(value), 3) for value in points.ravel()]
    none: list[float] = []
    person: JsonObject = {
        "person_id": [-1],
        "pose_keypoints_2d": [*flat],
        "face_keypoints_2d": [*none],
        "hand_left_keypoints_2d": [*none],
        "hand_right_keypoints_2d": [*none],
        "pose_keypoints_3d": [*none],
        "face_keypoints_3d": [*none],
        "hand_left_keypoints_3d": [*none],
        "hand_right_keypoints_3d": [*none],
    }
    return {"version": 1.3, "people": [person], "canvas_width": width, "canvas_height": height}


def depth_picture(depth: F32, near_m: float, far_m: float) -> U8:
    """(H, W) uint8: 255 at `near_m`, 1 at `far_m`, linear between, 0 where nobody is (depth inf)."""
    if not far_m > near_m:
        raise ValueError(f"depth from {near_m} to {far_m} m has no room; give the nearer one first")
    level = 1 + 254 * np.clip((far_m - depth) / (far_m - near_m), 0.0, 1.0)
    return np.where(np.isfinite(depth), np.rint(level), 0).astype(np.uint8)


def _bgr(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    red, green, blue = (int(value * share) for value in colour)
    return blue, green, red
