"""Frames that a clip lost or repeats, from the numbers of its decode to the issue."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import session_toml, texture

from capture.checks.frames import check_frames
from capture.measure import decode
from capture.session import Shot, ShotKind, read_session
from capture.thumbnails import Thumbnails
from capture.validate import Context, Original
from capture.video import write_video


def context(folder: Path, *originals: Original) -> Context:
    (folder / "session.toml").write_text(session_toml(clips=True))
    return Context(read_session(folder), originals, (), (), Thumbnails(folder / "none"))


def clip(path: Path, camera: str = "cam1") -> Original:
    """A clip with the numbers that its decode gives."""
    seen = decode(path)
    shot = Shot(ShotKind.CLIP, camera, "walk")
    size = (seen.width, seen.height, seen.frames, seen.fps)
    return Original(shot, path, path.name, 1, str(path), *size, gaps=seen.gaps, frozen=seen.frozen)


def test_a_clip_that_runs_has_no_issue(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", (texture(n) for n in range(12)), 25)
    assert list(check_frames(context(tmp_path, clip(tmp_path / "a.mp4")))) == []


def test_a_frozen_stretch_is_one_issue_with_its_place(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", (texture(4 if 4 <= n <= 8 else n) for n in range(14)), 25)
    (item,) = check_frames(context(tmp_path, clip(tmp_path / "a.mp4")))
    assert (item.code, item.where) == ("FRAME_FROZEN", "clips/walk/cam1")
    assert item.found == "4 frames like the one before, first 4 to 8"


def with_gaps(path: Path, lost: set[int], count: int = 20) -> None:
    """A video of 25 frames a second in which some time stamps were never used."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for at in (n for n in range(count) if n not in lost):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(texture(at)), "bgr24")
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ({5}, "1 frame missing in 1 places, first 1 before frame 5"),
        ({5, 6, 12}, "3 frames missing in 2 places, first 2 before frame 5"),
    ],
)
def test_dropped_frames_are_counted_and_placed(tmp_path: Path, lost: set[int], says: str) -> None:
    with_gaps(tmp_path / "a.mp4", lost)
    (item,) = check_frames(context(tmp_path, clip(tmp_path / "a.mp4")))
    assert (item.code, item.where, item.found) == ("FRAME_DROPPED", "clips/walk/cam1", says)


def test_one_file_named_for_two_purposes_is_judged_once(tmp_path: Path) -> None:
    with_gaps(tmp_path / "a.mp4", {5})
    one = clip(tmp_path / "a.mp4")
    board = dataclasses.replace(one, shot=Shot(ShotKind.BOARD, "cam1"))
    assert len(list(check_frames(context(tmp_path, one, board)))) == 1


def test_real_recordings_neither_drop_nor_freeze(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "caliscope-4cam" / "calibration" / "extrinsic"
    if not folder.is_dir():
        pytest.skip(f"no footage at {folder}; set LIKENESS_DATA")
    originals = [clip(folder / f"cam_{k}.mp4", f"cam{k}") for k in range(1, 4)]
    assert list(check_frames(context(tmp_path, *originals))) == []
