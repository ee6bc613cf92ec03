"""Checks of what cameras write beside the pixels, and of grain: each finds its fault once and nothing else."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import session_toml, texture
from PIL import Image

from capture.checks import CHECKS
from capture.checks.bodies import check_bodies
from capture.checks.clock import check_clock
from capture.checks.noise import check_noise
from capture.checks.privacy import check_privacy
from capture.checks.settings import check_settings
from capture.exif import Exif
from capture.images import encode_jpeg
from capture.ingest import ingest
from capture.issues import Issue
from capture.measured import Numbers
from capture.session import Session, read_session
from capture.thumbnails import Thumbnails
from capture.validate import Context, Original
from capture.vault import Vault

Build = Callable[..., Path]
START = dt.datetime(2026, 1, 31, 10, 0, 0)
ONE = "stills/take2/light3/cam1"


@pytest.fixture
def clean(tmp_path: Path) -> Context:
    """Three takes by four bodies with the same settings; each trigger is late by less than a second."""
    toml = session_toml(takes=3, cameras=4, lights=4, clips=True)
    (tmp_path / "session.toml").write_text(toml)
    session = read_session(tmp_path)
    rng, originals = np.random.default_rng(0), []
    moments = {(s.group, s.light): 40.0 * k for k, s in enumerate(session.stills())}
    for shot in [*session.stills(), *session.clips()]:
        number = int(shot.camera[-1])
        late = moments.get((shot.group, shot.light), 0.0) + float(rng.uniform(0, 0.9))
        exif = Exif(
            make="Maker", model="Body", serial=f"000{number}77", lens="50 mm", focal_mm=50.0, iso=100,
            shutter_s=1 / 125, aperture=8.0, white_balance="manual", icc="a1",
            taken=START + dt.timedelta(seconds=round(late)),
            icc_name="sRGB",
        )  # fmt: skip
        is_clip = shot.kind.value == "clips"
        numbers = Numbers(0, 0.2, 0.01, 2.0, noise=float(2 ** rng.normal(-0.5 + 0.3 * number, 0.1)))
        originals.append(Original(
            shot=shot, path=tmp_path / f"{shot.stem}.jpg", name_on_card=shot.stem, size=1, sha256=shot.stem, width=64,
            height=64, frames=5 if is_clip else 1, fps=25.0 if is_clip else 0.0, numbers=(numbers,),
            codec="h264" if is_clip else "jpeg", exif=Exif() if is_clip else exif,
        ))  # fmt: skip
    return Context(session, tuple(originals), (), (), Thumbnails(Path("no thumbnails")))


def change(context: Context, pattern: str, **fields: object) -> Context:
    """The context with other tags in the files whose places contain every word of `pattern`."""
    changed, hits = [], 0
    for original in context.originals:
        if all(word in original.shot.stem.split("/") for word in pattern.split()):
            hits += 1
            tags = {k: v for k, v in fields.items() if k in Exif.__slots__}
            rest = {k: v for k, v in fields.items() if k not in Exif.__slots__}
            exif = dataclasses.replace(original.exif, **tags)  # type: ignore[arg-type]
            original = dataclasses.replace(original, exif=exif, **rest)  # type: ignore[arg-type]
        changed.append(original)
    assert hits
    return dataclasses.replace(context, originals=tuple(changed))


def late(context: Context, pattern: str, seconds: float) -> Context:
    """The context with a clock that is ahead in some files."""
    changed = []
    for original in context.originals:
        if all(word in original.shot.stem.split("/") for word in pattern.split()):
            taken = original.exif.taken
            assert taken is not None
            exif = dataclasses.replace(original.exif, taken=taken + dt.timedelta(seconds=seconds))
            original = dataclasses.replace(original, exif=exif)
        changed.append(original)
    return dataclasses.replace(context, originals=tuple(changed))


def with_serials(context: Context, *serials: str) -> Context:
    cameras = tuple(
        camera.model_copy(update={"serial": serial})
        for camera, serial in zip(context.session.camera, serials, strict=True)
    )
    session: Session = context.session.model_copy(update={"camera": cameras})
    return dataclasses.replace(context, session=session)


def found(context: Context, *checks: Callable[[Context], object]) -> list[tuple[str, str, str]]:
    issues: list[Issue] = []
    for check in checks or (check_settings, check_bodies, check_clock, check_noise, check_privacy):
        issues.extend(check(context))  # type: ignore[arg-type]
    return [(i.code, i.where, i.found) for i in issues]


def test_a_clean_shoot_has_no_issue(clean: Context) -> None:
    assert found(clean) == []
    assert found(clean, *CHECKS[1:2]) == []
    untold = dataclasses.replace(clean, originals=tuple(dataclasses.replace(o, exif=Exif()) for o in clean.originals))
    assert found(untold) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"iso": 400}, "ISO 400"),
        ({"shutter_s": 1 / 60}, "1/60 s"),
        ({"shutter_s": 1.3}, "1.3 s"),
        ({"aperture": 5.6}, "f/5.6"),
        ({"focal_mm": 70.0}, "70 mm"),
        ({"lens": "24-70 mm"}, "24-70 mm"),
        ({"white_balance": "auto"}, "auto"),
        ({"icc": "b2", "icc_name": "Adobe RGB (1998)"}, "Adobe RGB (1998)"),
        ({"width": 48}, "48 x 64"),
    ],
)
def test_a_setting_that_differs_is_named_once(clean: Context, fields: dict[str, object], says: str) -> None:
    assert found(change(clean, ONE.replace("/", " "), **fields)) == [("CAMERA_SETTINGS_DIFFER", ONE, says)]
    ((code, where, text),) = found(change(clean, "take2 cam1", **fields))
    assert (code, where) == ("CAMERA_SETTINGS_DIFFER", "stills/take2/*/cam1")
    assert text == f"{says}: 4 files, first stills/take2/light1/cam1"


def test_settings_that_differ_in_scattered_files(clean: Context) -> None:
    context = change(change(clean, "take1 light1 cam2", iso=200), "take1 light3 cam2", iso=200)
    assert found(context) == [
        ("CAMERA_SETTINGS_DIFFER", "stills/take1/light1/cam2", "ISO 200"),
        ("CAMERA_SETTINGS_DIFFER", "stills/take1/light3/cam2", "ISO 200"),
    ]
    assert found(change(clean, "light4 cam2", iso=200))[0][:2] == ("CAMERA_SETTINGS_DIFFER", "stills/*/light4/cam2")


def test_settings_may_differ_between_cameras_and_by_rounding(clean: Context) -> None:
    assert found(change(clean, "cam2 stills", iso=800, focal_mm=85.0, lens="85 mm", white_balance="auto")) == []
    assert found(change(clean, ONE.replace("/", " "), shutter_s=1 / 128, focal_mm=50.5)) == []


def test_one_camera_with_another_profile(clean: Context) -> None:
    ((code, where, text),) = found(change(clean, "stills cam3", icc="", icc_name="", colour_space="Adobe RGB"))
    assert (code, where) == ("CAMERA_SETTINGS_DIFFER", "stills/*/*/cam3")
    assert text.startswith("Adobe RGB: 12 files")


def test_cameras_of_a_clip_share_a_codec(clean: Context) -> None:
    assert found(change(clean, "clips cam2", codec="vp9")) == [("CAMERA_SETTINGS_DIFFER", "clips/walk/cam2", "vp9")]


def test_bodies_by_the_serials_of_session_toml(clean: Context) -> None:
    told = with_serials(clean, "177", "277", "377", "")
    assert found(told) == []
    assert found(with_serials(clean, "177", "277", "999", "")) == [
        ("CAMERA_SERIAL_DIFFERS", "stills/*/*/cam3", "serial 000377: 12 files, first stills/take1/light1/cam3")
    ]
    swapped = change(change(told, "stills cam1", serial="0277"), "stills cam2", serial="0177")
    assert [entry[:2] for entry in found(swapped)] == [
        ("CAMERA_SWAPPED", "stills/*/*/cam1"),
        ("CAMERA_SWAPPED", "stills/*/*/cam2"),
    ]
    assert "serial 0277 of camera cam2" in found(swapped)[0][2]


def test_bodies_by_most_of_their_files(clean: Context) -> None:
    """A file of another body: its other lens and settings are no news beside that."""
    foreign = change(clean, "take3 cam1", serial="000277", iso=3200, lens="another")
    assert [entry[:2] for entry in found(foreign)] == [("CAMERA_SWAPPED", "stills/take3/*/cam1")]
    spare = change(clean, "take3 cam1", serial="55")
    assert [entry[:2] for entry in found(spare)] == [("CAMERA_SERIAL_DIFFERS", "stills/take3/*/cam1")]


@pytest.mark.parametrize(("seconds", "says"), [(-47.0, "behind"), (3600.0, "summer time"), (1.0, "")])
def test_a_clock_that_is_wrong(clean: Context, seconds: float, says: str) -> None:
    issues = found(late(clean, "stills cam4", seconds))
    assert [entry[:2] for entry in issues] == ([("CLOCK_SKEW", "stills/*/*/cam4")] if says else [])
    for _, _, text in issues:
        assert says in text
        assert abs(float(text.split()[0]) - abs(seconds)) <= 1


def test_a_clock_that_was_wrong_in_one_take(clean: Context) -> None:
    assert [entry[:2] for entry in found(late(clean, "take2 cam3", 120))] == [("CLOCK_SKEW", "stills/take2/*/cam3")]


def test_cameras_that_fire_one_after_the_other_have_no_wrong_clock(clean: Context) -> None:
    context = clean
    for number in range(1, 5):
        context = late(context, f"stills cam{number}", 15 * number)
    assert found(context) == []


def test_named_zones_are_taken_into_account(clean: Context) -> None:
    moved = change(late(clean, "stills cam4", 3600), "stills", offset="+01:00")
    assert len(found(moved)) == 1
    assert found(change(moved, "stills cam4", offset="+02:00")) == []


def test_grain_is_relative_to_camera_and_light(clean: Context) -> None:
    def grainy(context: Context, pattern: str, times: float) -> Context:
        noise = next(o for o in context.originals if o.shot.stem == ONE).numbers[0].noise
        numbers = (dataclasses.replace(context.originals[0].numbers[0], noise=times * noise),)
        return change(context, pattern, numbers=numbers)

    ((code, where, _),) = found(grainy(clean, ONE.replace("/", " "), 3))
    assert (code, where) == ("NOISE_HIGH", ONE)
    assert found(grainy(clean, ONE.replace("/", " "), 1.3)) == []
    assert found(grainy(clean, "stills cam1", 5)) == []  # a camera that always works at a high sensitivity


def test_privacy_is_said_once_for_the_session(clean: Context) -> None:
    context = change(clean, "stills cam2", gps=True, owner="Ana Sample", thumbnail=True)
    issues = found(context)
    assert [entry[0] for entry in issues] == ["PRIVACY_GPS", "PRIVACY_NAME", "PRIVACY_THUMBNAIL"]
    assert issues[0][2] == "the position in 12 files of camera cam2"
    assert not any("Ana" in text for _, _, text in issues)
    everywhere = found(change(clean, "stills", copyright="Studio", gps=True))
    assert [entry[2] for entry in everywhere] == ["the position in 48 files of 4 cameras",
                                                  "a name as copyright in 48 files of 4 cameras"]  # fmt: skip


def tagged(image: np.ndarray, **tags: object) -> bytes:
    """A JPEG with EXIF as a camera writes it."""
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x010F], exif[0x0110] = "Maker", "Body"
    sub = exif.get_ifd(0x8769)
    sub[0x8827], sub[0x829D] = tags.get("iso", 100), tags.get("aperture", 8.0)
    sub[0xA431], sub[0x9003] = tags.get("serial", "1"), tags.get("taken", "2026:01:31 10:00:00")
    if "gps" in tags:
        exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 30.0, 0.0)})
    Image.fromarray(image[..., ::-1]).save(stream, "jpeg", quality=95, subsampling=0, exif=exif)
    return stream.getvalue()


def test_tags_and_grain_reach_the_report(small_session: Build, tmp_path: Path) -> None:
    card = small_session(takes=3)
    rng = np.random.default_rng(2)
    soft = [np.kron(rng.uniform(70, 150, (4, 4, 3)), np.ones((64, 64, 1))) for _ in range(3)]
    toml = (
        (card / "session.toml").read_text().replace("width = 64", "width = 256").replace("height = 64", "height = 256")
    )
    (card / "session.toml").write_text(toml)
    for path in sorted(card.rglob("*.jpg")):
        camera = int(path.stem[-1])
        grain = 9.0 if path.match("stills/take2/light2/cam3.jpg") else 2.0
        image = np.clip(soft[camera - 1] + rng.normal(0, grain, (256, 256, 3)), 0, 255).astype(np.uint8)
        tags: dict[str, object] = {"serial": f"B{camera}"}
        if path.match("stills/take1/*/cam2.jpg"):
            tags["iso"] = 800
        if path.match("stills/take3/light1/cam1.jpg"):
            tags["serial"] = "B2"
        if path.match("plates/cam1.jpg"):
            tags["gps"] = True
        path.write_bytes(tagged(image, **tags))
    _, report = ingest(card, Vault(tmp_path / "vault"))
    assert {(i.code, i.where) for i in report.issues} >= {
        ("CAMERA_SETTINGS_DIFFER", "stills/take1/*/cam2"),
        ("CAMERA_SWAPPED", "stills/take3/light1/cam1"),
        ("NOISE_HIGH", "stills/take2/light2/cam3"),
        ("PRIVACY_GPS", "plates/cam1"),
    }
    codes = [i.code for i in report.issues]
    mine = ("CAMERA_SETTINGS_DIFFER", "CAMERA_SWAPPED", "NOISE_HIGH", "PRIVACY_GPS", "CLOCK_SKEW", "PRIVACY_NAME")
    assert [codes.count(code) for code in mine] == [1, 1, 1, 1, 0, 0]


def test_a_plain_jpeg_has_no_tags() -> None:
    from capture.exif import parse_exif

    assert parse_exif(encode_jpeg(texture(1))) == Exif()
