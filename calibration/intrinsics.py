"""One camera alone: its lens from views of the board, after Zhang, and how much of the picture the views cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.camera import Camera
from calibration.detect import Corners
from calibration.pose import Floats, Pose
from calibration.target import Target

MIN_VIEWS = 3  # of a flat board; fewer leave the lens open
MAX_VIEWS = 60  # more only cost time
CELLS = (8, 6)  # columns and rows of the picture in which coverage is counted
_DISTINCT_M = 0.005
_DISTINCT_DEG = 2.0


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """What a camera keeps wherever it stands."""

    width: int  # pixels
    height: int
    K: Floats  # (3, 3) pixels
    distortion: Floats  # (5,) k1 k2 p1 p2 k3

    def at(self, name: str, world_from_camera: Pose) -> Camera:
        """The camera of that name with these intrinsics, placed in the world."""
        fx, fy, cx, cy = self.K[0, 0], self.K[1, 1], self.K[0, 2], self.K[1, 2]
        numbers = (float(fx), float(fy), float(cx), float(cy))
        return Camera(name, self.width, self.height, *numbers, self.distortion, world_from_camera)


@dataclass(frozen=True)
class IntrinsicsFacts:
    """What the views of one camera were worth."""

    rms_px: float  # of the views used, each with its own board pose
    views: int
    corners: int
    distinct_poses: int  # more than 5 mm or 2 degrees apart
    cells: int  # of 48 that hold a corner


def calibrate_intrinsics(
    views: Mapping[str, Corners], size: tuple[int, int], target: Target
) -> tuple[Intrinsics, IntrinsicsFacts]:
    """Lens of a camera with pictures of `size` (width, height), from at most 60 of its views.

    Raises ValueError for fewer than three views. A low RMS over few distinct poses proves nothing: read both.
    """
    if len(views) < MIN_VIEWS:
        raise ValueError(f"intrinsics need {MIN_VIEWS} views of the board, found {len(views)}; show it again")
    shots = list(views)
    chosen = [shots[i] for i in spread(_features(list(views.values()), size), MAX_VIEWS)]
    objects = [target.points[views[s].ids].astype(np.float32) for s in chosen]
    images = [views[s].uv.astype(np.float32) for s in chosen]
    blank = np.eye(3)
    with _one_thread():
        rms, matrix, distortion, rotvecs, translations = cv2.calibrateCamera(objects, images, size, blank, np.zeros(5))
    poses = [Pose.from_rotvec(r, t) for r, t in zip(rotvecs, translations, strict=True)]
    facts = IntrinsicsFacts(
        rms_px=float(rms),
        views=len(views),
        corners=sum(len(c.ids) for c in views.values()),
        distinct_poses=count_distinct(poses),
        cells=covered_cells(views.values(), size),
    )
    lens = np.array(matrix, dtype=np.float64)
    return Intrinsics(*size, lens, np.array(distortion, dtype=np.float64).ravel()[:5]), facts


def spread(features: Floats, most: int) -> list[int]:
    """Rows of `features` (N, D), at most that many, each the farthest from those before it, in ascending order."""
    chosen = [0]
    distance = np.linalg.norm(features - features[0], axis=1)
    while len(chosen) < min(most, len(features)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
        distance[chosen] = -1.0
    return sorted(chosen)


def count_distinct(poses: list[Pose]) -> int:
    """How many of the poses differ from one another by more than 5 mm or 2 degrees."""
    kept: list[Pose] = []
    for pose in poses:
        gaps = (known.inverse() @ pose for known in kept)
        if all(np.linalg.norm(g.translation) > _DISTINCT_M or g.angle_deg > _DISTINCT_DEG for g in gaps):
            kept.append(pose)
    return len(kept)


def covered_cells(views: Iterable[Corners], size: tuple[int, int]) -> int:
    """Cells of an 8 x 6 grid over the picture in which at least one corner was seen."""
    found = [c.uv for c in views]
    if not found:
        return 0
    cell = np.floor((np.concatenate(found) + 0.5) / size * CELLS).astype(int)
    cell = np.clip(cell, 0, np.array(CELLS) - 1)
    return len({(int(x), int(y)) for x, y in cell})


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV adds up in the order in which its threads end; with one of them the last digits are always the same."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _features(views: list[Corners], size: tuple[int, int]) -> Floats:
    """Where the board is in the picture, how large and how skewed: (N, 5), about equal in scale."""
    rows = []
    for view in views:
        scaled = view.uv / max(size)
        covariance = np.cov(scaled.T)
        rows.append([*scaled.mean(axis=0), *(4 * np.sqrt(np.diag(covariance))), 4 * covariance[0, 1]])
    return np.array(rows)
