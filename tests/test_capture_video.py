"""The video decoder and writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import texture

from capture.video import VideoError, probe, read_frames, write_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    assert write_video(path, (texture(n) for n in range(12)), 25) == 12
    return path


def test_frames_come_back_in_order(clip: Path) -> None:
    info = probe(clip)
    assert (info.width, info.height, info.frames, info.fps) == (64, 64, 12, 25)
    frames = dict(read_frames(clip, every=5))
    assert list(frames) == [0, 5, 10]
    for index, frame in frames.items():
        errors = [np.abs(frame.astype(int) - texture(n)).mean() for n in range(12)]
        assert int(np.argmin(errors)) == index


def test_truncation_and_damage_are_noticed(clip: Path, tmp_path: Path) -> None:
    data, broken = clip.read_bytes(), tmp_path / "broken.mp4"
    for size in (100, len(data) // 2, len(data) - 1):
        broken.write_bytes(data[:size])
        with pytest.raises(VideoError, match="is cut off at its box"):
            probe(broken)
    zeroed = bytearray(data)
    zeroed[len(data) // 3 : len(data) // 3 + 2000] = bytes(2000)
    broken.write_bytes(zeroed)
    with pytest.raises(VideoError) as caught:
        list(read_frames(broken))
    assert caught.value.code == "FILE_DAMAGED"


def test_what_is_no_video_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for data, code in ((None, "FILE_MISSING"), (b"", "FILE_EMPTY"), (b"hello, no video", "FILE_UNREADABLE")):
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(VideoError) as caught:
            probe(path)
        assert caught.value.code == code
        assert str(tmp_path) not in caught.value.detail


def test_misuse_is_named(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(ValueError, match="both must be even"):
        write_video(tmp_path / "odd.mp4", [texture(0)[:63]], 25)
    with pytest.raises(ValueError, match="the first was 64 x 64"):
        write_video(tmp_path / "odd.mp4", [texture(0), texture(1)[:32]], 25)
    with pytest.raises(ValueError, match="got no frames"):
        write_video(tmp_path / "odd.mp4", [], 25)
    with pytest.raises(ValueError, match="every is 0"):
        next(read_frames(clip, every=0))
    assert not [p for p in tmp_path.iterdir() if p != clip]


def test_real_recordings_decode(data_dir: Path) -> None:
    path = data_dir / "caliscope-4cam" / "calibration" / "extrinsic" / "cam_0.mp4"
    info = probe(path)
    assert (info.width, info.height, info.frames, info.fps) == (1280, 720, 57, 6)
    assert sum(1 for _ in read_frames(path)) == 57
