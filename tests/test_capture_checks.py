"""The checks: each finds its fault on a small shoot, and none finds anything on a clean one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import session_toml, texture

from capture.checks import CHECKS
from capture.checks.relative import residuals
from capture.images import Picture, encode_jpeg, read_image
from capture.ingest import ingest
from capture.issues import Report
from capture.measure import measure
from capture.session import read_session
from capture.thumbnails import Thumbnails
from capture.validate import Context, Numbers, Original, run_checks
from capture.vault import Vault
from capture.video import write_video

Build = Callable[..., Path]


@pytest.fixture
def clean(tmp_path: Path) -> Context:
    """Three takes of a clean shoot with numbers as a simulated studio has them (0.1 stops, 10 % of sharpness)."""
    toml = session_toml(takes=3, cameras=4, lights=4, clips=True, extra="[calibration]\nplates = true\n")
    (tmp_path / "session.toml").write_text(toml)
    session = read_session(tmp_path)
    rng = np.random.default_rng(0)
    originals = []
    for shot in [*session.stills(), *session.clips()]:
        side = 0.7 if shot.camera[-1] == shot.light[-1:] else 1.0  # lights from behind are darker, in each take
        luma = side * float(2 ** rng.normal(-2.5, 0.03))
        numbers = Numbers(0, luma, 0.01, float(2 ** rng.normal(1, 0.1)))
        frames, fps = (5, 25.0) if shot.kind.value == "clips" else (1, 0.0)
        spread = tuple(dataclasses.replace(numbers, frame=n) for n in range(frames))
        path = tmp_path / f"{shot.stem}.jpg"
        originals.append(Original(shot, path, shot.stem, 1, shot.stem, 64, 64, frames, fps, numbers=spread))
    return Context(session, tuple(originals), (), (), Thumbnails(Path("no thumbnails")))


def change(context: Context, stem: str, **fields: object) -> Context:
    """The context with other values of one original; `luma`, `clipped` and `focus` go into its numbers."""
    changed = []
    for original in context.originals:
        if original.shot.stem == stem:
            inner = {k: v for k, v in fields.items() if k in ("luma", "clipped", "focus")}
            outer = {k: v for k, v in fields.items() if k not in inner}
            numbers = tuple(dataclasses.replace(n, **inner) for n in original.numbers)  # type: ignore[arg-type]
            original = dataclasses.replace(original, numbers=numbers, **outer)  # type: ignore[arg-type]
        changed.append(original)
    assert any(o.shot.stem == stem for o in context.originals)
    return dataclasses.replace(context, originals=tuple(changed))


def found(context: Context) -> list[tuple[str, str]]:
    return [(i.code, i.where) for i in run_checks(context, CHECKS)]


def number(context: Context, stem: str) -> Numbers:
    return next(o.numbers[0] for o in context.originals if o.shot.stem == stem)


ONE = "stills/take2/light3/cam1"


def test_a_clean_shoot_has_no_issue(clean: Context) -> None:
    assert found(clean) == []


@pytest.mark.parametrize(("factor", "says"), [(0.5, "darker"), (2.0, "lighter"), (0.85, "")])
def test_one_stop_is_noticed_and_a_quarter_is_not(clean: Context, factor: float, says: str) -> None:
    context = change(clean, ONE, luma=number(clean, ONE).luma * factor)
    issues = run_checks(context, CHECKS)
    assert [(i.code, i.where) for i in issues] == ([("EXPOSURE_OFF", ONE)] if says else [])
    assert all(says in i.found for i in issues)


def test_a_take_before_another_backdrop_is_not_compared(clean: Context) -> None:
    takes = tuple(t.model_copy(update={"backdrop": "white" if t.id == "take3" else ""}) for t in clean.session.take)
    context = dataclasses.replace(clean, session=clean.session.model_copy(update={"take": takes}))
    for original in clean.originals:
        if original.shot.group == "take3" and original.shot.camera in ("cam1", "cam2"):
            context = change(context, original.shot.stem, luma=number(clean, original.shot.stem).luma * 2.2)
    assert found(context) == []


def test_softness_is_relative_to_camera_and_light(clean: Context) -> None:
    assert found(change(clean, ONE, focus=number(clean, ONE).focus * 0.35)) == [("FOCUS_SOFT", ONE)]
    assert found(change(clean, ONE, focus=number(clean, ONE).focus * 0.8)) == []
    context = clean
    for original in clean.originals:  # a camera that is farther away is softer in every picture
        if original.shot.camera == "cam2" and original.shot.kind.value == "stills":
            context = change(context, original.shot.stem, focus=original.numbers[0].focus * 0.3)
    assert found(context) == []


def test_clipping_beyond_the_cameras_usual_is_noticed(clean: Context) -> None:
    assert found(change(clean, ONE, clipped=0.2)) == [("EXPOSURE_CLIPPED", ONE)]
    context = clean
    for original in clean.originals:  # a white backdrop clips in every picture
        context = change(context, original.shot.stem, clipped=0.4)
    assert found(context) == []


def test_settings_of_a_camera(clean: Context) -> None:
    assert found(change(clean, ONE, width=48)) == [("CAMERA_SETTINGS_DIFFER", ONE)]
    assert found(change(clean, "clips/walk/cam2", frames=4)) == [("CLIP_FRAMES_DIFFER", "clips/walk/cam2")]
    assert found(change(clean, "clips/walk/cam2", fps=30.0)) == [("CAMERA_SETTINGS_DIFFER", "clips/walk/cam2")]
    assert found(change(clean, "clips/walk/cam2", fps=25.02)) == []


def test_a_turned_camera_is_said_to_be_turned(clean: Context) -> None:
    cameras = tuple(c.model_copy(update={"width": 80}) for c in clean.session.camera)
    context = dataclasses.replace(clean, session=clean.session.model_copy(update={"camera": cameras}))
    for original in clean.originals:
        context = change(context, original.shot.stem, width=80)
    (item,) = run_checks(change(context, ONE, width=64, height=80), CHECKS)
    assert item.found == "64 x 80, the camera was turned"


def test_one_picture_stored_twice(clean: Context) -> None:
    twice = change(change(clean, ONE, pixels="same"), "stills/take3/light3/cam1", pixels="same")
    assert found(twice) == [("FRAME_IDENTICAL", "stills/take3/light3/cam1")]
    blank = change(change(twice, ONE, focus=0.0), "stills/take3/light3/cam1", focus=0.0)
    assert found(blank) == []


def test_a_check_that_raises_does_not_silence_the_others(clean: Context) -> None:
    def broken(context: Context) -> list[object]:
        raise KeyError("oops")

    issues = run_checks(change(clean, ONE, width=48), (broken, *CHECKS))  # type: ignore[arg-type]
    assert [(i.code, i.where) for i in issues] == [
        ("INTERNAL_ERROR", "check broken"),
        ("CAMERA_SETTINGS_DIFFER", ONE),
    ]
    assert "KeyError" in issues[0].found


def test_residuals_remove_rows_and_columns() -> None:
    truth = {(f"r{i}", f"c{j}"): 3.0 * i - 2.0 * j for i in range(5) for j in range(4)}
    assert max(abs(v) for v in residuals(truth).values()) < 1e-9
    truth["r2", "c1"] += 1.5
    left = residuals(truth)
    assert left["r2", "c1"] == pytest.approx(1.5)
    assert sum(abs(v) > 1e-9 for v in left.values()) == 1
    assert residuals({("a", "b"): 1.0, ("a", "c"): 5.0}) == {}


def blurred(image: Picture, sigma: float) -> Picture:
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8)


def test_focus_measures_blur_and_not_light(data_dir: Path) -> None:
    path = data_dir / "photographs" / "Canon IXUS 300.jpg"
    image = read_image(path)
    sharp = measure(image).focus
    half_a_stop = np.clip(image * 2 ** (-0.5 / 2.2), 0, 255).astype(np.uint8)
    assert 0.85 < measure(half_a_stop).focus / sharp < 1.15
    assert measure(blurred(image, 1.0)).focus / sharp < 0.55
    assert measure(np.full_like(image, 90)).focus == 0
    assert measure(np.full_like(image, 255)).clipped == 1
    assert measure(np.full_like(image, 188)).luma == pytest.approx(0.5, abs=0.01)


def test_faults_in_pictures_reach_the_report(small_session: Build, tmp_path: Path) -> None:
    card = small_session(takes=3, clips=True)
    (card / "stills/take3/light3/cam3.jpg").write_bytes(encode_jpeg(blurred(texture(26), 1.5)))
    (card / "stills/take1/light1/cam1.jpg").write_bytes(encode_jpeg(texture(0, 0.5)))
    (card / "stills/take2/light2/cam2.jpg").write_bytes(encode_jpeg(texture(99)[:48]))
    (card / "stills/take2/light1/cam3.jpg").write_bytes((card / "stills/take1/light1/cam3.jpg").read_bytes())
    flash = [texture(n, 1.8 if n == 3 else 0.8) for n in range(5)]
    write_video(card / "clips/walk/cam2.mp4", flash, 25)
    _, report = ingest(card, Vault(tmp_path / "vault"))
    assert codes(report) == {
        "FOCUS_SOFT": ["stills/take3/light3/cam3"],
        "EXPOSURE_OFF": ["stills/take1/light1/cam1", "clips/walk/cam2"],
        "CAMERA_SETTINGS_DIFFER": ["stills/take2/light2/cam2"],
        "FRAME_IDENTICAL": ["stills/take2/light1/cam3"],
    }


def codes(report: Report) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for item in report.issues:
        grouped.setdefault(item.code, []).append(item.where)
    return grouped
