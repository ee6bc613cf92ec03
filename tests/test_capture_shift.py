"""The shift of a fixed camera: true within a tenth of a pixel at 1080 and 1088 rows, with a person in front."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from capture.images import Picture
from capture.shift import glance, measure_shift
from capture.video import read_frames

MOVES = [(1.0, 0.0), (0.0, 1.0), (-0.5, 0.5), (2.3, -1.7), (30.3, -17.0)]


def moved(picture: Picture, x: float, y: float) -> Picture:
    """The picture moved to the right and down by a ramp of phase: exact for every wave it holds."""
    rows, cols = picture.shape[:2]
    ramp = np.exp(-2j * np.pi * (np.fft.fftfreq(rows)[:, None] * y + np.fft.fftfreq(cols)[None] * x))
    planes = [np.fft.ifft2(np.fft.fft2(plane.astype(float)) * ramp).real for plane in np.moveaxis(picture, 2, 0)]
    return np.clip(np.round(np.stack(planes, axis=2)), 0, 255).astype(np.uint8)


def studio(rows: int, cols: int, seed: int = 0) -> Picture:
    """A mottled wall (rows, cols, 3)."""
    rng = np.random.default_rng(seed)
    wall = sum(
        cv2.resize(rng.normal(0, size, (rows // step, cols // step)), (cols, rows), interpolation=cv2.INTER_CUBIC)
        for step, size in ((64, 18), (16, 12), (5, 8))
    )
    return np.clip(np.stack([wall + 120] * 3, axis=2) + rng.normal(0, 1.5, (rows, cols, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("rows", [1080, 1088])
@pytest.mark.parametrize(("x", "y"), MOVES)
def test_a_move_is_read_within_a_tenth_of_a_pixel(rows: int, x: float, y: float) -> None:
    picture = studio(rows, 720)
    shift = measure_shift(picture, moved(picture, x, y))
    assert shift is not None
    assert abs(shift.x - x) < 0.1
    assert abs(shift.y - y) < 0.1


def test_a_person_in_front_and_another_light_do_not_count() -> None:
    wall = studio(720, 1088)
    light = np.linspace(0.6, 1.3, 1088)[None, :, None]
    seen = np.clip(moved(wall, 1.0, 0.0) * light, 0, 255).astype(np.uint8)
    person = np.zeros(wall.shape[:2], dtype=np.uint8)
    cv2.ellipse(person, (540, 480), (170, 400), 0, 0, 360, 1, -1)
    texture = moved(studio(720, 1088, seed=5), 9.0, 4.0)
    seen[person > 0] = texture[person > 0]
    free = cv2.dilate(person, np.ones((9, 9), np.uint8)) == 0
    shift = measure_shift(wall, seen, free)
    assert shift is not None
    assert abs(shift.x - 1.0) < 0.1
    assert abs(shift.y) < 0.1


def test_what_stands_still_has_not_moved() -> None:
    wall = studio(480, 640)
    noisy = np.clip(wall + np.random.default_rng(3).normal(0, 3, wall.shape), 0, 255).astype(np.uint8)
    shift = measure_shift(wall, noisy)
    assert shift is not None
    assert shift.length < 0.05


def test_a_plain_wall_or_another_scene_tells_nothing() -> None:
    slope = np.linspace(60, 160, 640)[None, :, None].repeat(480, axis=0).repeat(3, axis=2)
    assert measure_shift(slope.astype(np.uint8), (slope + 4).astype(np.uint8)) is None
    assert measure_shift(studio(480, 640, seed=1), studio(480, 640, seed=2)) is None


@pytest.mark.parametrize("length", [0.0, 0.1, 0.4])
def test_a_glance_tells_small_moves_by_their_size(length: float) -> None:
    wall = studio(180, 240)
    seen = glance(wall, moved(wall, 0.8 * length, 0.6 * length), np.ones((180, 240), dtype=bool))
    assert seen is not None
    assert abs(seen - length) < 0.02 + 0.2 * length


def test_a_glance_tells_long_moves_from_none_and_nothing_of_a_plain_wall() -> None:
    wall, everywhere = studio(180, 240), np.ones((180, 240), dtype=bool)
    assert (glance(wall, moved(wall, 6.0, 0.0), everywhere) or 0.0) > 0.03
    slope = np.linspace(60, 160, 240)[None, :, None].repeat(180, axis=0).repeat(3, axis=2).astype(np.uint8)
    assert glance(slope, slope, everywhere) is None


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"pictures are .* give two of one size"):
        measure_shift(studio(480, 640), studio(488, 640))


def plate_and_frame(path: Path) -> tuple[Picture, Picture]:
    """The median over the first second of a clip, and its first frame."""
    frames = [frame for _, frame in islice(read_frames(path, every=8), 7)]
    return np.median(np.stack(frames), axis=0).astype(np.uint8), frames[0]


@pytest.mark.parametrize("camera", ["cam01", pytest.param("cam02", marks=pytest.mark.slow), "cam03"])
def test_real_footage(data_dir: Path, camera: str) -> None:
    path = data_dir / "pose2sim-single" / "videos" / f"{camera}.mp4"
    if not path.is_file():
        pytest.skip(f"no footage at {path}; set LIKENESS_DATA")
    plate, frame = plate_and_frame(path)
    assert {1080, 1088} & set(frame.shape)
    changed: NDArray[np.uint8] = np.asarray(cv2.absdiff(plate, frame).max(axis=2) > 25, dtype=np.uint8)
    free = cv2.dilate(cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((3, 3))), np.ones((41, 41))) == 0
    for x, y in ((0.0, 0.0), (1.0, 0.0), (0.4, -1.0)):
        shift = measure_shift(plate, moved(frame, x, y), free)
        assert shift is not None
        assert abs(shift.x - x) < 0.1, (camera, x, y, shift)
        assert abs(shift.y - y) < 0.1, (camera, x, y, shift)
