"""Orders in which pose detectors write their points, and the canonical joints that follow from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capture.motion.canonical import CANONICAL, map_names

F64 = NDArray[np.float64]

# As the detectors' own documentation numbers them: OpenPose's output.md, COCO's person keypoints, AlphaPose's HALPE.
LAYOUTS: dict[str, tuple[str, ...]] = {
    "COCO_17": (
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    "BODY_25": (
        "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip", "RHip", "RKnee",
        "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar", "LBigToe", "LSmallToe", "LHeel",
        "RBigToe", "RSmallToe", "RHeel",
    ),
    "HALPE_26": (
        "Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist",
        "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle", "Head", "Neck", "Hip", "LBigToe", "RBigToe", "LSmallToe",
        "RSmallToe", "LHeel", "RHeel",
    ),
}  # fmt: skip


def layout_of(count: int, name: str = "") -> tuple[str, ...]:
    """The order of a detector by its name, or by its number of points.

    Raises ValueError for a name or a number that none has, and for a name that does not have that number.
    """
    known = ", ".join(f"{n} ({len(points)})" for n, points in LAYOUTS.items())
    if name:
        if name not in LAYOUTS:
            raise ValueError(f"layout of keypoints is unknown: {name!r}; choose one of {known}")
        if len(LAYOUTS[name]) != count:
            raise ValueError(f"layout {name} has {len(LAYOUTS[name])} points, found {count}; name another of {known}")
        return LAYOUTS[name]
    for points in LAYOUTS.values():
        if len(points) == count:
            return points
    raise ValueError(f"number of keypoints is {count}, which no layout has; export one of {known}")


def to_canonical(names: tuple[str, ...], places: F64) -> F64:
    """Places (T, 18, 3) of the canonical joints from those (T, J, 3) of a detector; NaN for what it does not tell."""
    found = map_names(names).found
    out = np.full((len(places), len(CANONICAL), 3), np.nan)
    for k, joint in enumerate(CANONICAL):
        if joint in found:
            out[:, k] = places[:, [names.index(name) for name in found[joint]]].mean(axis=1)
    return out
