"""Real footage of a man who balances, four cameras with a calibration of their own and no keypoints: his turquoise cap.

The set holds neither keypoints nor a 3-D track, so that joints cannot be judged on it. The cap is one point that every
camera sees; its middle as seen from each side differs by a few centimetres, which is the noise here.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.formats.qualisys import read
from calibration.formats.rig_file import Hints
from calibration.motion.keypoints import Keypoints
from calibration.motion.timing import camera_errors, find_lags, strangers
from calibration.motion.triangulate import triangulate
from capture.video import read_frames

EVERY = 2  # 60 frames a second are decoded, 30 looked at
FRAMES = 50
LIMIT_PX = 16.0  # 0.015 of the width, as for joints

Seen = tuple[tuple[Camera, ...], NDArray[np.float64]]


def middle_of_cap(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(2,) pixels, NaN where there is none: the largest patch of turquoise; the mats are of a deeper blue."""
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV))
    is_cap = ((hue >= 84) & (hue <= 103) & (saturation > 110) & (value > 60)).astype(np.uint8)
    is_cap = cv2.morphologyEx(is_cap, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, _, stats, middles = cv2.connectedComponentsWithStats(is_cap)
    return np.array(middles[1 + stats[1:, 4].argmax()]) if count > 1 else np.full(2, np.nan)


@pytest.fixture(scope="module")
def seen(data_dir: Path) -> Seen:
    """Cameras, and the cap (4, T, 1, 2) in each."""
    folder = data_dir / "pose2sim-single"
    if not (folder / "videos" / "cam01.mp4").is_file():
        pytest.skip(f"no footage at {folder}; set LIKENESS_DATA")
    cameras = read(folder / "calibration" / "Calib.qca.txt", Hints()).cameras
    uv = np.full((len(cameras), FRAMES, 1, 2), np.nan)
    for c, camera in enumerate(cameras):
        for index, picture in read_frames(folder / "videos" / f"{camera.id}.mp4", every=EVERY):
            uv[c, index // EVERY, 0] = middle_of_cap(picture)
    return cameras, uv


def keypoints(cameras: tuple[Camera, ...], uv: NDArray[np.float64]) -> dict[str, Keypoints]:
    return {
        c.id: Keypoints(("cap",), uv[k], np.isfinite(uv[k, ..., 0]).astype(np.float64)) for k, c in enumerate(cameras)
    }


@pytest.mark.slow
def test_the_cap_has_one_place_in_every_frame(seen: Seen) -> None:
    cameras, uv = seen
    found = triangulate(cameras, uv, np.isfinite(uv[..., 0]).astype(np.float64), limit_px=LIMIT_PX)
    place = found.places[:, 0]
    assert np.isfinite(place).all()
    # Measured 6.3 px; a centimetre is 4 px here.
    assert np.sqrt((found.residual_px**2).mean()) < 8
    assert found.views.mean() > 2.9
    # The head of a man who leans and comes up again, without a jump.
    assert 1.3 < place[:, 2].min() < place[:, 2].max() < 1.8
    assert np.linalg.norm(np.diff(place, axis=0), axis=1).max() < 0.08
    # In one frame the largest turquoise patch of cam02 is something else.
    assert 1 <= found.left_out[1].sum() <= 2


@pytest.mark.slow
def test_the_camera_that_its_own_calibration_does_not_fit_is_named(seen: Seen) -> None:
    cameras, uv = seen
    found = triangulate(cameras, uv, np.isfinite(uv[..., 0]).astype(np.float64), limit_px=LIMIT_PX)
    errors = camera_errors(cameras, keypoints(cameras, uv), found.places)
    assert list(strangers(errors)) == ["cam03"]
    # Two cameras exchanged cannot be brought together.
    exchanged = uv[[1, 0, 2, 3]]
    none = triangulate(cameras, exchanged, np.isfinite(exchanged[..., 0]).astype(np.float64), limit_px=LIMIT_PX)
    assert np.isnan(none.places).any()


@pytest.mark.slow
@pytest.mark.parametrize("late", [0, 3])
def test_a_camera_shown_three_frames_late_is_found_and_none_else(seen: Seen, late: int) -> None:
    cameras, uv = seen
    moved = uv.copy()
    moved[1, : FRAMES - late] = uv[1, late:]
    moved[1, FRAMES - late :] = np.nan
    lags = find_lags(cameras, keypoints(cameras, moved), limit_px=LIMIT_PX)
    assert lags == ({"cam02": pytest.approx(late, abs=0.4)} if late else {})
