"""What is measured: focus, grain, motion and stillness find what was done to a picture and nothing else."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import texture
from numpy.typing import NDArray

from capture import measure as measures
from capture.checks.focus import SHARE_LEFT
from capture.checks.relative import residuals
from capture.decode_worker import pack, unpack
from capture.images import ImageError, Picture, decode_image, encode_jpeg, read_image
from capture.measure import THUMBNAIL_PX, decode, measure
from capture.sync.motion import motion_of
from capture.video import VideoError, write_video

SIDE = 512  # pixels of a session's frames


def linear(image: Picture) -> NDArray[np.float32]:
    return measures._LINEAR[image].astype(np.float32)


def encoded(light: NDArray[np.float32]) -> Picture:
    value = np.clip(light, 0, 1)
    level = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.round(255 * level).astype(np.uint8)


def blurred(image: Picture, sigma: float) -> Picture:
    """As a lens blurs it: in linear light."""
    return encoded(cv2.GaussianBlur(linear(image), (0, 0), sigma).astype(np.float32))


def through_jpeg(image: Picture) -> Picture:
    return decode_image(encode_jpeg(image, 92))


@pytest.fixture(scope="module")
def sharp(data_dir: Path) -> list[Picture]:
    """Photographs of at least 1.5 megapixels, but for two that were taken out of focus or without detail."""
    found = []
    for path in sorted((data_dir / "photographs").glob("*.jpg")):
        try:
            image = read_image(path)
        except ImageError:
            continue
        if image.size >= 3 * 1_500_000 and measure(image).focus > 0.05:
            found.append(image)
    assert len(found) >= 8
    return found[:12]


def session_of(image: Picture, rng: np.random.Generator) -> list[Picture]:
    """Frames of one camera in eight takes: crops that move by up to a tenth of the frame, in other light."""
    height, width = image.shape[:2]
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    frames = []
    for _ in range(8):
        dy, dx = rng.integers(-SIDE // 10, SIDE // 10, 2)
        crop = image[top + dy : top + dy + SIDE, left + dx : left + dx + SIDE]
        frames.append(encoded(linear(crop) * np.float32(2 ** rng.uniform(-0.5, 0.2))))
    return frames


def auc(high: list[float], low: list[float]) -> float:
    """Chance that one of `high` is above one of `low`."""
    return float(np.mean([(a > b) + 0.5 * (a == b) for a in high for b in low]))


def test_focus_tells_a_blur_of_one_pixel_within_a_session(sharp: list[Picture]) -> None:
    """Each photograph stands for a camera; one frame of one camera at a time is out of focus."""
    rng = np.random.default_rng(0)
    cells: dict[tuple[str, str], float] = {}
    soft: dict[tuple[str, str], float] = {}
    for number, image in enumerate(sharp):
        for take, frame in enumerate(session_of(image, rng)):
            cell = (f"cam{number}", f"take{take}")
            cells[cell] = float(np.log2(measure(through_jpeg(frame)).focus))
            if take < 2:
                soft[cell] = float(np.log2(measure(through_jpeg(blurred(frame, 1.0))).focus))
    kept_sharp = list(residuals(cells).values())
    kept_soft = [residuals({**cells, cell: value})[cell] for cell, value in soft.items()]
    assert auc(kept_sharp, kept_soft) >= 0.99
    assert np.mean([2**value < SHARE_LEFT for value in kept_soft]) > 0.9
    assert np.mean([2**value < SHARE_LEFT for value in kept_sharp]) < 0.02


def test_grain_grows_with_the_noise_and_not_with_the_detail(sharp: list[Picture]) -> None:
    rng = np.random.default_rng(1)
    flat = np.full((SIDE, SIDE, 3), 118, np.uint8)
    for sigma in (1.0, 2.0, 4.0):
        noisy = np.clip(flat + rng.normal(0, sigma, flat.shape[:2])[..., None], 0, 255).round().astype(np.uint8)
        # Halving averages four pixels, so half of the deviation is left; rounding to whole levels adds to small ones.
        assert measure(noisy).noise == pytest.approx(sigma / 2, rel=0.12)
    for image in sharp[:4]:
        crop = np.ascontiguousarray(image[:SIDE, :SIDE])
        grain = rng.normal(0, 6, crop.shape[:2])[..., None]
        noisy = np.clip(crop + grain, 0, 255).round().astype(np.uint8)
        before = measure(crop).noise
        assert measure(noisy).noise == pytest.approx(np.hypot(before, 3.0), rel=0.25)
        darker = encoded(linear(crop) * np.float32(0.8))
        assert measure(darker).noise < 1.15 * before + 0.1
    assert measure(np.zeros_like(flat)).noise == measure(np.full_like(flat, 255)).noise == 0


def test_frames_that_stand_still_are_counted(tmp_path: Path, data_dir: Path) -> None:
    wide = cv2.resize(read_image(data_dir / "photographs" / "Canon PowerShot A70.jpg"), (900, 640)).astype(np.uint8)
    frames = [np.ascontiguousarray(wide[:480, 4 * k : 4 * k + 640]) for k in range(40)]
    moving = tmp_path / "moving.mp4"
    write_video(moving, frames, 25)
    clean = decode(moving)
    assert clean.frozen == ()
    assert clean.numbers[0].change == -1
    assert min(n.change for n in clean.numbers[1:]) > 10 * measures.FROZEN_BELOW
    frames[10:16] = [frames[10]] * 6
    frames[30] = frames[29]
    still = tmp_path / "still.mp4"
    write_video(still, frames, 25)
    assert decode(still).frozen == ((10, 15), (29, 30))


def test_real_recordings_never_stand_still(data_dir: Path) -> None:
    for path in (
        data_dir / "caliscope-4cam/calibration/extrinsic/cam_0.mp4",
        data_dir / "pose2sim-single/videos/cam02.mp4",  # VP9 at 60 frames per second, the stillest of all
    ):
        decoded = decode(path)
        assert decoded.frozen == ()
        assert decoded.gaps == ()
        assert decoded.codec in ("mpeg4", "vp9")
        assert len(decoded.numbers) >= measures.FRAMES_MEASURED


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (17, 33), (255, 257), (1000, 700)])
def test_pictures_of_any_size_are_measured(shape: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encode_jpeg(np.full((*shape, 3), 120, np.uint8)))
    decoded = decode(path)
    assert (decoded.height, decoded.width) == shape
    assert decoded.numbers[0].focus == 0
    small = decode_image(decoded.thumbnail)
    assert max(small.shape[:2]) == min(THUMBNAIL_PX, max(shape))


def test_the_turned_picture_is_measured_upright(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    image = np.zeros((400, 600, 3), np.uint8)
    image[:, :100] = 255
    path = tmp_path / "a.jpg"
    Image.fromarray(image).save(path, exif=exif, quality=95)
    decoded = decode(path)
    assert (decoded.width, decoded.height) == (400, 600)
    assert decoded.exif.orientation == 6
    small = decode_image(decoded.thumbnail)
    assert small.shape[0] > small.shape[1]
    assert small[5, small.shape[1] // 2].mean() > 200
    assert np.abs(small.astype(int) - cv2.resize(read_image(path), small.shape[1::-1])).mean() < 8


def test_results_pass_through_the_pipe(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, (texture(n // 2) for n in range(6)), 25)
    decoded = decode(path)
    assert decoded.frozen == ((0, 1), (2, 3), (4, 5))
    back = unpack(pack(decoded))
    assert {field.name: getattr(decoded, field.name) for field in dataclasses.fields(decoded)} == back


def test_one_decode_gives_the_motion_that_a_decode_of_its_own_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, (texture(n) for n in range(9)), 25)
    decoded = decode(path)
    assert len(decoded.motion) == 8
    assert decoded.motion == motion_of(path)
    assert unpack(pack(decoded))["motion"] == decoded.motion
    (tmp_path / "a.jpg").write_bytes(encode_jpeg(texture(1)))
    assert decode(tmp_path / "a.jpg").motion == decode(tmp_path / "a.jpg").smear == ()


def test_a_clip_that_changes_its_size_has_no_motion(tmp_path: Path) -> None:
    parts = []
    for width, height in ((640, 360), (320, 240)):
        with av.open(str(tmp_path / "part.ts"), "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for level in (60, 120, 180):
                picture = np.full((height, width, 3), level, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
            container.mux(stream.encode(None))
        parts.append((tmp_path / "part.ts").read_bytes())
    path = tmp_path / "a.mkv"
    path.write_bytes(b"".join(parts))
    decoded = decode(path)
    assert decoded.frames == 6
    assert decoded.motion == ()


def test_results_of_many_files_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encode_jpeg(texture(1)))
    packed = pack(decode(path))
    packed.pop("thumbnail")
    assert len(str(packed)) < 600  # bytes: 100,000 files are 60 MB


def test_measures_move_smoothly(sharp: list[Picture]) -> None:
    crop = np.ascontiguousarray(sharp[0][:SIDE, :SIDE])
    focus = [measure(blurred(crop, sigma)).focus for sigma in (0.5, 1.0, 2.0, 4.0)]
    assert all(b < a for a, b in pairwise(focus))
    with pytest.raises(VideoError, match="FILE_MISSING"):
        decode(Path("nowhere.mp4"))
