"""Motion blur: a long shutter is told from defocus, on drawn motion, a simulated shoot and real recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import session_toml
from numpy.typing import NDArray

from capture.checks.blur import SHARE_LEFT, check_motion_blur, sharpness_in_motion
from capture.images import Picture
from capture.ingest import ingest
from capture.issues import Report
from capture.measure import decode
from capture.session import Shot, ShotKind, read_session
from capture.smear import SPEEDS
from capture.stage.shoot import ShootPlan, ShootTruth, write_shoot
from capture.thumbnails import Thumbnails
from capture.validate import Context, Original
from capture.vault import Vault
from capture.video import read_frames, write_video

FPS = 25.0
PLAN = ShootPlan(
    cameras=2, lights=1, takes=1, image_size=512, clips=1, clip_frames=14, board_shots=0, chart=False, ball=False,
    person_seed=22, seed=21, backdrop="canvas",
)  # fmt: skip


def drawn(kernel: NDArray[np.float32] | None, *, speed: float = 8.0, turned: bool = False) -> Iterator[Picture]:
    """24 frames of a body of leaves that goes to and fro before a wall, seen through a kernel."""
    rng = np.random.default_rng(3)
    body = np.full((200, 240), 120, np.float32)
    for x, y, size, level in zip(*rng.integers(0, (240, 200, 30, 255), (160, 4)).T, strict=True):
        cv2.circle(body, (int(x), int(y)), 6 + int(size) // 2, float(level), -1, cv2.LINE_AA)
    room = cv2.resize(rng.uniform(60, 190, (12, 20)).astype(np.float32), (640, 360), interpolation=cv2.INTER_CUBIC)
    for k in range(24):
        image = room.copy()
        left = 40 + round(speed * (k if k < 12 else 24 - k))
        image[80:280, left : left + 240] = body
        if kernel is not None:
            image = cv2.filter2D(image, -1, kernel)
        picture = np.clip(np.rint(image + rng.normal(0, 1, image.shape)), 0, 255).astype(np.uint8)
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        yield np.ascontiguousarray(np.rot90(picture)) if turned else np.asarray(picture, np.uint8)


def box(width: int, height: int) -> NDArray[np.float32]:
    return np.full((height, width), 1 / (width * height), np.float32)


def kept(path: Path, frames: Iterator[Picture]) -> float:
    write_video(path, frames, FPS)
    share = sharpness_in_motion(decode(path).smear)
    assert share is not None
    return share


def test_smear_along_the_motion_is_told_from_any_other_blur(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    sharp = kept(path, drawn(None))
    assert sharp > 0.8
    assert kept(path, drawn(box(9, 1))) < 0.6 * SHARE_LEFT  # open for as long as a frame lasts
    assert kept(path, drawn(box(9, 1), turned=True)) < 0.6 * SHARE_LEFT
    assert kept(path, drawn(box(1, 9))) > sharp  # across the motion no shutter smears
    assert kept(path, drawn(np.outer(*[cv2.getGaussianKernel(13, 2.0)] * 2).astype(np.float32))) > 0.8  # defocus


def test_what_hardly_moves_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, drawn(box(9, 1), speed=1.0), FPS)
    rows = decode(path).smear
    assert len(rows) == len(SPEEDS)
    assert sharpness_in_motion(rows) is None
    write_video(path, drawn(None, speed=0.0), FPS)
    assert sharpness_in_motion(decode(path).smear) is None
    assert sharpness_in_motion(()) is None


def context(folder: Path, *paths: Path) -> Context:
    (folder / "session.toml").write_text(session_toml(clips=True, cameras=4))
    originals = []
    for number, path in enumerate(paths, 1):
        seen = decode(path)
        shot = Shot(ShotKind.CLIP, f"cam{number}", "walk")
        size = (seen.width, seen.height, seen.frames, seen.fps)
        originals.append(Original(shot, path, path.name, 1, str(path), *size, smear=seen.smear))
    return Context(read_session(folder), tuple(originals), (), (), Thumbnails(folder / "none"))


def test_one_file_named_for_two_purposes_is_judged_once(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", drawn(box(9, 1)), FPS)
    seen = context(tmp_path, tmp_path / "a.mp4")
    board = dataclasses.replace(seen.originals[0], shot=Shot(ShotKind.BOARD, "cam1"))
    (item,) = check_motion_blur(dataclasses.replace(seen, originals=(*seen.originals, board)))
    assert (item.code, item.where, item.expected) == ("MOTION_BLUR", "clips/walk/cam1", "at least 50%")
    assert item.found.startswith("edges that move 4 px or more a frame keep ")
    assert "shutter" in item.remedy


# ---- the simulated shoot


def shoot(folder: Path, fault: str | None) -> tuple[ShootTruth, Report]:
    truth = write_shoot(folder / "card", PLAN, fault=fault)
    return truth, ingest(truth.folder, Vault(folder / "vault"))[1]


def test_a_clip_exposed_too_long_is_the_only_thing_named(tmp_path: Path) -> None:
    truth, report = shoot(tmp_path, "motion-blur")
    assert [(i.code, i.where) for i in report.issues] == [("MOTION_BLUR", stem) for stem in truth.fault.affected]
    assert truth.fault.affected == (f"clips/walk1/{truth.fault.camera}",)


def test_a_clean_shoot_has_no_issue(tmp_path: Path) -> None:
    assert shoot(tmp_path, None)[1].issues == ()


# ---- real recordings


def test_of_four_webcams_the_one_in_which_the_board_smears_is_named(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "caliscope-4cam" / "calibration" / "extrinsic"
    if not folder.is_dir():
        pytest.skip(f"no footage at {folder}; set LIKENESS_DATA")
    seen = context(tmp_path, *(folder / f"cam_{k}.mp4" for k in range(4)))
    # In frames 14 and 16 of the fourth no square of the board can be read; the other three stay sharp.
    assert [i.where for i in check_motion_blur(seen)] == ["clips/walk/cam4"]
    shares = [sharpness_in_motion(o.smear) for o in seen.originals[:3]]
    assert all(share is not None and share > 0.8 for share in shares)


def test_limbs_that_swing_before_an_open_shutter_are_named(data_dir: Path, tmp_path: Path) -> None:
    videos = data_dir / "pose2sim-single" / "videos"
    if not videos.is_dir():
        pytest.skip(f"no footage at {videos}; set LIKENESS_DATA")
    # The markers on hands and feet are streaks of up to 15 pixels, while those on the back are dots.
    (item,) = check_motion_blur(context(tmp_path, videos / "cam04.mp4"))
    assert item.where == "clips/walk/cam1"


def test_a_softer_lens_of_the_same_camera_is_not_named(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "caliscope-4cam" / "calibration" / "extrinsic" / "cam_2.mp4"
    if not path.is_file():
        pytest.skip(f"no footage at {path}; set LIKENESS_DATA")
    soft = (cv2.GaussianBlur(image, (0, 0), 2.0).astype(np.uint8) for k, image in read_frames(path) if k < 26)
    write_video(tmp_path / "soft.mp4", soft, 6)
    seen = context(tmp_path, tmp_path / "soft.mp4")
    assert seen.originals[0].smear[0][0] > 100
    assert list(check_motion_blur(seen)) == []


def test_a_camera_is_judged_beside_the_others_of_its_clip(tmp_path: Path) -> None:
    """Where she hardly moves across a picture its own edges say little; what the other cameras make of her does."""
    write_video(tmp_path / "a.mp4", drawn(box(9, 1)), FPS)
    seen = context(tmp_path, *[tmp_path / "a.mp4"] * 4)
    sharp = tuple((500, 12, 0.3 * 500, 500.0) for _ in SPEEDS)
    slowed = tuple((500, 12, share * 500, 500.0) for share in (0.16, 0.15, 0.12, 0.12, 0.12, 0.12))
    soft = tuple((500, 12, 0.12 * 500, 500.0) for _ in SPEEDS)
    for rows, named in ((slowed, ["clips/walk/cam2"]), (soft, []), (sharp, [])):
        originals = tuple(
            dataclasses.replace(o, sha256=o.shot.camera, smear=rows if o.shot.camera == "cam2" else sharp)
            for o in seen.originals
        )
        found = list(check_motion_blur(dataclasses.replace(seen, originals=originals)))
        assert [item.where for item in found] == named
        assert all(item.found == "what moves has 40% of the sharpness that the other cameras give it" for item in found)
