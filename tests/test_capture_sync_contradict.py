"""Times that were written down, against what the cameras saw: drawn contradictions, and a real recorder's table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from conftest import session_toml

from capture.checks.sync import check_sync
from capture.issues import Issue
from capture.measure import decode
from capture.session import Shot, ShotKind, read_session
from capture.sync.contradict import Contradiction, contradictions
from capture.sync.evidence import Method, Stream
from capture.sync.motion import Step
from capture.sync.offsets import time_offsets
from capture.thumbnails import Thumbnails
from capture.validate import Context, Original

FPS = 25.0
NOWHERE = Path("no file")


def seen(late: float, *, seconds: float = 8.0, beat_s: float = 0.0) -> tuple[Step, ...]:
    """Steps of a camera that began late by so many frames, of one motion that may repeat, with a tenth of noise."""
    rng = np.random.default_rng([7, round(100 * (late + 50))])
    fine = np.random.default_rng(1).normal(0, 1, (2, 20_000))
    waves = [np.convolve(row, np.hanning(25) / np.linalg.norm(np.hanning(25)), "same") for row in fine]
    at = (np.arange(round(seconds * FPS)) + late) / FPS
    at = 8.0 + (at % beat_s if beat_s else at)
    energy, rise = (np.interp(at, np.arange(20_000) / (8 * FPS), w) + rng.normal(0, 0.1, len(at)) for w in waves)
    return tuple((float(np.exp(e)), float(r) * 0.01, 0.0) for e, r in zip(energy, rise, strict=True))


def clip(written: Mapping[str, str], steps: Mapping[str, tuple[Step, ...]]) -> tuple[Contradiction, ...]:
    streams = [
        Stream(name, NOWHERE, len(steps[name]) + 1, FPS, timecode=code, steps=steps[name])
        for name, code in written.items()
    ]
    return contradictions(streams, time_offsets(streams, methods=[Method.TIMECODE]))


IN_STEP = {"a": "10:00:00:00", "b": "10:00:00:00", "c": "10:00:00:00", "d": "10:00:00:00"}


def test_times_that_the_motion_bears_out_say_nothing() -> None:
    assert clip(IN_STEP, {name: seen(0.0) for name in IN_STEP}) == ()
    # Half a frame between free-running cameras is none of the timecode's business.
    assert clip(IN_STEP, {name: seen(0.5 * (name == "b")) for name in IN_STEP}) == ()


def test_a_late_camera_whose_timecode_says_so_contradicts_nothing() -> None:
    written = {**IN_STEP, "b": "10:00:00:07", "c": "10:00:04:00"}  # by more than is searched for without a timecode
    assert clip(written, {"a": seen(0.0), "b": seen(7.0), "c": seen(100.0), "d": seen(0.0)}) == ()


def test_a_walk_that_repeats_does_not_contradict_by_a_step() -> None:
    written = {**IN_STEP, "b": "10:00:00:15"}
    steps = {name: seen(15.0 * (name == "b"), beat_s=0.6) for name in IN_STEP}
    assert clip(written, steps) == ()


@pytest.mark.parametrize(("written", "truly"), [("10:00:00:00", 3.0), ("10:00:00:05", 2.0), ("10:00:00:02", 0.0)])
def test_the_camera_whose_timecode_is_wrong_is_named_with_both_figures(written: str, truly: float) -> None:
    (found,) = clip({**IN_STEP, "b": written}, {name: seen(truly * (name == "b")) for name in IN_STEP})
    assert (found.camera, found.method) == ("b", Method.TIMECODE)
    assert found.told_s * FPS == pytest.approx(int(written[-2:]), abs=0.01)
    assert found.seen_s * FPS == pytest.approx(truly, abs=0.3)


def test_of_two_cameras_the_second_is_named() -> None:
    written = {"a": "10:00:00:00", "b": "10:00:00:00"}
    (found,) = clip(written, {"a": seen(4.0), "b": seen(0.0)})
    assert found.camera == "b"
    assert (found.seen_s - found.told_s) * FPS == pytest.approx(-4, abs=0.3)


def test_what_was_not_measured_or_shares_no_motion_says_nothing() -> None:
    assert clip(IN_STEP, {name: () for name in IN_STEP}) == ()
    apart = {name: seen(200.0 * k) for k, name in enumerate(IN_STEP)}
    assert clip(IN_STEP, apart) == ()
    short = {name: seen(3.0 * (name == "b"))[:5] for name in IN_STEP}
    assert clip(IN_STEP, short) == ()


def issues(folder: Path, originals: list[Original]) -> list[Issue]:
    (folder / "session.toml").write_text(session_toml(clips=True, cameras=4).replace('"cam4"', '"cam0"'))
    return list(check_sync(Context(read_session(folder), tuple(originals), (), (), Thumbnails(folder / "none"))))


@pytest.mark.parametrize(
    ("truly", "says"),
    [
        (
            3.0,
            "0.0 frames by timecode (residual 0.0), 3.0 frames late by motion (residual 0.0); its timecode is behind",
        ),
        (
            -3.0,
            "0.0 frames by timecode (residual 0.0), 3.0 frames early by motion (residual 0.0); its timecode is ahead",
        ),
    ],
)
def test_the_warning_says_what_it_means(truly: float, says: str, tmp_path: Path) -> None:
    originals = [
        Original(
            Shot(ShotKind.CLIP, f"cam{k}", "walk"), NOWHERE / f"originals/clips/walk/cam{k}.mp4", "", 1, f"{truly} {k}",
            64, 64, 201, FPS, timecode="10:00:00:00", motion=seen(truly * (k == 2)),
        )
        for k in range(4)
    ]  # fmt: skip
    (item,) = issues(tmp_path, originals)
    assert (item.code, item.where) == ("SYNC_CONTRADICTED", "clips/walk/cam2")
    assert item.found.startswith(says)
    assert "flash" in item.remedy


def test_a_real_webcam_holds_its_picture_back_before_it_is_stamped(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "caliscope-4cam" / "calibration" / "extrinsic"
    if not folder.is_dir():
        pytest.skip(f"no footage at {folder}; set LIKENESS_DATA")
    originals = []
    for k in range(4):
        path = folder / f"cam_{k}.mp4"
        took = decode(path)
        size = (took.width, took.height, took.frames, took.fps)
        shot = Shot(ShotKind.CLIP, f"cam{k}", "walk")
        originals.append(Original(shot, path, path.name, 1, f"real {k}", *size, motion=took.motion))
    (item,) = issues(tmp_path, originals)
    assert (item.code, item.where) == ("SYNC_CONTRADICTED", "clips/walk/cam1")
    assert item.found.startswith("0.0 frames by timestamps (residual 0.0), 1.0 frames early by motion (residual 0.4); ")
    assert item.found.endswith("camera or cable held them back before they were stamped")
