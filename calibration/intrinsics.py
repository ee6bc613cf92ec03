"""One camera alone: its lens from views of the board, after Zhang, and how much of the picture the views cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.camera import Camera, LensModel
from calibration.detect import Corners
from calibration.link import apart
from calibration.one_lens import refine_lens, start_fisheye
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
    distortion: Floats  # (5,) k1 k2 p1 p2 k3, of a fisheye (4,) k1 k2 k3 k4
    model: LensModel = "brown"

    def at(self, name: str, world_from_camera: Pose) -> Camera:
        """The camera of that name with these intrinsics, placed in the world."""
        fx, fy, cx, cy = self.K[0, 0], self.K[1, 1], self.K[0, 2], self.K[1, 2]
        numbers = (float(fx), float(fy), float(cx), float(cy))
        return Camera(name, self.width, self.height, *numbers, self.distortion, world_from_camera, self.model)


@dataclass(frozen=True)
class IntrinsicsFacts:
    """What the views of one camera were worth."""

    rms_px: float  # of the views used, each with its own board pose, nothing dropped
    views: int
    corners: int
    distinct_poses: int  # more than 5 mm or 2 degrees apart
    cells: int  # of 48 that hold a corner
    focal_px: float = 0.0
    sigma_alone_px: float = 0.0  # of the focal length from this camera's views alone, inflated; inf: not determined
    inflation_alone: float = 1.0
    dropped_alone: int = 0  # corners that do not fit the lens
    from_behind: int = 0  # of the views used, those that show the board mirrored
    coverage: tuple[int, ...] = ()  # corners in each of the 48 cells, row by row


def calibrate_intrinsics(
    views: Mapping[str, Corners], size: tuple[int, int], target: Target, *, model: LensModel = "brown"
) -> tuple[Intrinsics, IntrinsicsFacts]:
    """Lens of a camera with pictures of `size` (width, height), from at most 60 of its views.

    Raises ValueError for fewer than three views, and for a fisheye that fits at no focal length. A low RMS over few
    distinct poses proves nothing: read both.
    """
    views, target = apart(views, target)
    if len(views) < MIN_VIEWS:
        raise ValueError(f"intrinsics need {MIN_VIEWS} views of the board, found {len(views)}; show it again")
    shots = list(views)
    chosen = [views[shots[i]] for i in spread(_features(list(views.values()), size), MAX_VIEWS)]
    start, poses = _start(chosen, size, target) if model == "brown" else start_fisheye(chosen, size, target)
    found = refine_lens(start, poses, chosen, target, model=model)
    fx, fy, cx, cy = found.lens[:4]
    facts = IntrinsicsFacts(
        rms_px=found.rms_px,
        views=len(views),
        corners=sum(len(c.ids) for c in views.values()),
        distinct_poses=count_distinct(list(found.poses)),
        cells=covered_cells(views.values(), size),
        focal_px=float((fx + fy) / 2),
        sigma_alone_px=float(found.sigma[:2].max()),
        inflation_alone=found.inflation,
        dropped_alone=found.dropped,
        from_behind=sum(bool(pose.rotation[:, 2] @ pose.translation < 0) for pose in found.poses),
        coverage=counted_cells(views.values(), size),
    )
    matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return Intrinsics(*size, matrix, found.lens[4:], model), facts


def _start(views: list[Corners], size: tuple[int, int], target: Target) -> tuple[Floats, list[Pose]]:
    objects = [target.points[v.ids].astype(np.float32) for v in views]
    images = [v.uv.astype(np.float32) for v in views]
    with _one_thread():
        _, matrix, distortion, rotvecs, shifts = cv2.calibrateCamera(objects, images, size, np.eye(3), np.zeros(5))
    lens = np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], *np.ravel(distortion)[:5]])
    return lens, [Pose.from_rotvec(r, t) for r, t in zip(rotvecs, shifts, strict=True)]


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
        if all(is_distinct(known, pose) for known in kept):
            kept.append(pose)
    return len(kept)


def is_distinct(first: Pose, second: Pose) -> bool:
    """Whether two poses differ by more than 5 mm or 2 degrees."""
    gap = first.inverse() @ second
    return bool(np.linalg.norm(gap.translation) > _DISTINCT_M) or gap.angle_deg > _DISTINCT_DEG


def covered_cells(views: Iterable[Corners], size: tuple[int, int]) -> int:
    """Cells of an 8 x 6 grid over the picture in which at least one corner was seen."""
    return sum(n > 0 for n in counted_cells(views, size))


def counted_cells(views: Iterable[Corners], size: tuple[int, int]) -> tuple[int, ...]:
    """Corners seen in each cell of an 8 x 6 grid over the picture, row by row: 48 numbers."""
    found = [c.uv for c in views]
    counts = np.zeros(CELLS[::-1], dtype=int)
    if found:
        cell = np.floor((np.concatenate(found) + 0.5) / size * CELLS).astype(int)
        cell = np.clip(cell, 0, np.array(CELLS) - 1)
        np.add.at(counts, (cell[:, 1], cell[:, 0]), 1)
    return tuple(int(n) for n in counts.ravel())


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
