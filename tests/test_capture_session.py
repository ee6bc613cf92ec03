"""session.toml: what is accepted, what is refused and in which words; and the templates of `init`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import session_toml

from capture.consent import read_consent
from capture.errors import ConsentRefused, InvalidSession
from capture.init import CONSENT_TEMPLATE, SESSION_TEMPLATE, init_session
from capture.layout import shot_at
from capture.session import Ignore, Plan, Session, Shot, ShotKind, read_session


def read(folder: Path, text: str) -> Session:
    (folder / "session.toml").write_text(text)
    return read_session(folder)


def test_grid_is_cameras_times_lights_times_takes(tmp_path: Path) -> None:
    extra = '[[take]]\nid = "close"\nlights = ["light2"]\ncameras = ["cam1"]\n'
    session = read(tmp_path, session_toml(takes=2, cameras=3, lights=4, clips=True, extra=extra))
    stills = list(session.stills())
    assert len(stills) == len(set(stills)) == 2 * 3 * 4 + 1
    assert stills[-1].stem == "stills/close/light2/cam1"
    assert [shot.stem for shot in session.clips()] == [f"clips/walk/cam{n}" for n in (1, 2, 3)]
    assert Shot(ShotKind.CHART, "cam1", light="light1").stem == "calibration/chart/light1/cam1"
    assert Shot(ShotKind.BOARD, "cam1").stem == "calibration/board/cam1"


def test_lookups_name_what_there_is(tmp_path: Path) -> None:
    session = read(tmp_path, session_toml(clips=True))
    assert session.find_light("light2").azimuth_deg == 60
    for find in (session.find_take, session.find_light):
        with pytest.raises(ValueError, match="'nobody' is not in the session; it has"):
            find("nobody")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("azimuth_deg = 30", "azimut_deg = 30", "unknown key 'light.0.azimut_deg': did you mean 'azimuth_deg'"),
        ("person =", "persona =", "did you mean 'person'"),
        ('consent = "c001"', "", "key 'session.consent' is missing; add it"),
        ("width = 64", "width = 0", "camera.0.width' = 0"),
        ("elevation_deg = 30", "elevation_deg = 120", "less than or equal to 90"),
        ('id = "cam2"', 'id = "cam1"', "camera 'cam1' is declared twice"),
        ('id = "s001"', 'id = "../s001"', "not usable as a folder name"),
        ('light = "light1"', 'light = "lamp"', "light 'lamp' is used but not declared"),
        ("format = 1", "format = 2", "key 'format' = 2"),
        ("[session]", "[session", "not readable as TOML"),
        ("date = 2026-01-31", 'date = "yesterday"', "key 'session.date' = 'yesterday'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = session_toml(clips=True)
    assert old in text
    with pytest.raises(InvalidSession) as caught:
        read(tmp_path, text.replace(old, new, 1))
    assert says in str(caught.value)
    assert {i.code for i in caught.value.report.issues} == {"SESSION_FILE_INVALID"}


@pytest.mark.parametrize("path", ["../other/a.jpg", "/etc/passwd", "a\\\\b.jpg", ""])
def test_sources_stay_inside(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidSession, match="must stay inside the shoot's folder"):
        read(tmp_path, session_toml(extra=f'[sources]\n"stills/take1/light1/cam1" = "{path}"\n'))


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ('region = "face"\n', "plan 1: no camera declares its framing; do that, or name cameras here"),
        ('region = "nose"\ncameras = ["cam1"]\n', "'plan.0.region' = 'nose'"),
        ('region = "face"\ncameras = ["cam9"]\n', "camera 'cam9' is used but not declared"),
        ('region = "face"\ncameras = ["cam1"]\nlights = ["moon"]\n', "light 'moon' is used but not declared"),
        ('region = "face"\ncameras = ["cam1"]\nmotion = "dance"\n', "motion 'dance' is no id or action of a [[clip]]"),
        ('region = "face"\ncameras = ["cam1"]\nazimuth_deg = [45, -45]\n', "range must run upward"),
        ('region = "face"\ncameras = ["cam1"]\nframes = 0\n', "'plan.0.frames' = 0"),
        ('region = "face"\ncameras = ["cam1"]\nangle = 3\n', "unknown key 'plan.0.angle'"),
    ],
)
def test_a_plan_that_cannot_be_judged_is_named(tmp_path: Path, plan: str, says: str) -> None:
    with pytest.raises(InvalidSession) as caught:
        read(tmp_path, session_toml(clips=True, extra=f"[[plan]]\n{plan}"))
    assert says in str(caught.value)


def test_a_plan_by_angles_needs_a_camera_that_declares_one(tmp_path: Path) -> None:
    framed = session_toml().replace('id = "cam1"\n', 'id = "cam1"\nframing = ["face"]\n', 1)
    plan = '[[plan]]\nregion = "face"\nazimuth_deg = [-45, 45]\n'
    with pytest.raises(InvalidSession, match="plan 1: no camera declares azimuth_deg"):
        read(tmp_path, framed + plan)
    placed = framed.replace('framing = ["face"]\n', 'framing = ["face"]\nazimuth_deg = 10\n')
    assert read(tmp_path, placed + plan).plan[0].weight == 1.0


def test_the_template_shows_every_key_of_plan_and_ignore() -> None:
    text = SESSION_TEMPLATE.replace("\n# ", "\n")
    for model in (Plan, Ignore):
        section = text.split(f"[[{model.__name__.lower()}]]", 1)[1].split("\n[", 1)[0]
        assert re.findall(r"^(\w+) = ", section, flags=re.M) == list(model.model_fields)


def test_board_needs_what_its_kind_needs(tmp_path: Path) -> None:
    board = '[calibration.board]\nkind = "charuco"\ncolumns = 7\nrows = 5\nsquare_m = 0.05\n'
    with pytest.raises(InvalidSession, match="charuco board needs dictionary and marker_m"):
        read(tmp_path, session_toml(extra=board))
    chess = board.replace("charuco", "chessboard")
    assert read(tmp_path, session_toml(extra=chess)).calibration.board is not None


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidSession, match="run `twin init") as caught:
        read_session(tmp_path)
    assert [i.code for i in caught.value.report.issues] == ["SESSION_FILE_MISSING"]


def test_templates_are_valid_or_refused_as_they_should_be(tmp_path: Path) -> None:
    assert [p.name for p in init_session(tmp_path)] == ["session.toml", "consent.toml"]
    session = read_session(tmp_path)
    assert session.calibration.board is not None
    with pytest.raises(ConsentRefused, match="valid_from' is missing") as caught:
        read_consent(tmp_path / "consent.toml")
    for name in ("id", "person", "scope", "purpose", "rate_of_pay", "valid_until", "signed_on"):
        assert f"'{name}'" in str(caught.value)


def test_templates_name_every_field(tmp_path: Path) -> None:
    from capture.consent import Consent

    for name in Consent.model_fields:
        assert f"{name} = " in CONSENT_TEMPLATE


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text("mine")
    assert [p.name for p in init_session(tmp_path)] == ["consent.toml"]
    assert (tmp_path / "session.toml").read_text() == "mine"
    assert init_session(tmp_path) == []


def test_the_ball_may_stand_in_several_places(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(session_toml(extra="[calibration.ball]\ndiameter_m = 0.1\n"))
    session = read_session(tmp_path)
    shot = Shot(ShotKind.BALL, "cam1", "left", "light1")
    assert shot_at(session, "calibration/ball/left/light1/cam1") == shot
    assert shot_at(session, shot.stem) == shot
    assert shot_at(session, "calibration/ball/light1/cam1") == Shot(ShotKind.BALL, "cam1", light="light1")
    assert shot_at(session, "calibration/ball/left/light9/cam1") is None
    assert shot_at(session, "calibration/chart/left/light1/cam1") is None
