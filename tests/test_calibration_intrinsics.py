"""One lens is recovered from synthetic views, and from the published stereo set as well as OpenCV published it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.detect import Corners, make_finder
from calibration.intrinsics import calibrate_intrinsics, count_distinct, covered_cells, spread
from calibration.pose import Pose
from calibration.target import target_of
from capture.images import read_image
from capture.session import Board

CHESS = Board(kind="chessboard", columns=9, rows=6, square_m=0.025)
TARGET = target_of(CHESS)
SIZE = (640, 480)
NOISE_PX = 0.1


def views_of(camera: Camera, count: int) -> dict[str, Corners]:
    rng = np.random.default_rng(0)
    views: dict[str, Corners] = {}
    while len(views) < count:
        pose = Pose.from_rotvec(rng.normal(0, 0.4, 3), rng.uniform((-0.2, -0.15, 0.3), (0.05, 0.05, 0.6)))
        uv, _ = camera.project(pose.apply(TARGET.points))
        if ((uv > 0) & (uv < SIZE)).all():
            views[str(len(views))] = Corners(np.arange(len(uv)), uv + rng.normal(0, NOISE_PX, uv.shape))
    return views


def test_a_lens_is_recovered() -> None:
    lens = np.array([-0.27, 0.06, 0.001, -0.0005, 0.0])
    truth = Camera("c", *SIZE, 535.0, 537.0, 342.0, 235.0, lens, Pose.identity())
    found, facts = calibrate_intrinsics(views_of(truth, 25), SIZE, TARGET)
    assert facts.rms_px == pytest.approx(NOISE_PX * np.sqrt(2), rel=0.05)
    assert facts.views == facts.distinct_poses == 25
    assert np.abs(found.K - truth.K).max() < 0.6
    assert found.distortion[:2] == pytest.approx(lens[:2], abs=0.03)
    grid = np.stack(np.meshgrid(np.linspace(40, 600, 8), np.linspace(40, 440, 6)), axis=-1).reshape(-1, 2)
    there = found.at("c", Pose.identity())
    off = there.project(truth.rays(grid))[0] - grid
    assert np.abs(off).max() < 1.0  # where corners were seen, lens and focal length may only trade


def test_too_few_views_are_refused() -> None:
    truth = Camera("c", *SIZE, 535.0, 537.0, 342.0, 235.0, np.zeros(5), Pose.identity())
    with pytest.raises(ValueError, match="need 3 views of the board, found 2"):
        calibrate_intrinsics(views_of(truth, 2), SIZE, TARGET)


def test_the_published_stereo_set_is_matched(data_dir: Path) -> None:
    folder = data_dir / "opencv-stereo-chess"
    if not folder.is_dir():
        pytest.skip(f"no stereo set at {folder}")
    find = make_finder(TARGET)
    found = {p.stem: find(read_image(p)) for p in sorted(folder.glob("left*.jpg"))}
    views = {name: corners for name, corners in found.items() if corners is not None}
    lens, facts = calibrate_intrinsics(views, SIZE, TARGET)
    assert facts.views == 13
    assert facts.rms_px <= 0.45  # OpenCV published 0.393, with a corner window of its own for this set
    assert lens.K[0, 0] == pytest.approx(535.9, rel=0.01)


def test_spread_takes_the_far_ones_first() -> None:
    line = np.array([[0.0], [0.1], [5.0], [0.2], [10.0]])
    assert spread(line, 3) == [0, 2, 4]
    assert spread(line, 99) == [0, 1, 2, 3, 4]


def test_poses_that_differ_by_less_than_5_mm_count_once() -> None:
    poses = [Pose.from_rotvec((0, 0, 0), (x, 0, 0)) for x in (0.0, 0.004, 0.012)]
    assert count_distinct(poses) == 2
    assert count_distinct([Pose.identity(), Pose.from_rotvec((0, 0, 0.05), (0, 0, 0))]) == 2


def test_cells_count_where_corners_were_seen() -> None:
    corners = Corners(np.arange(2), np.array([[1.0, 1.0], [639.0, 479.0]]))
    assert covered_cells([corners], SIZE) == 2
    assert covered_cells([], SIZE) == 0
