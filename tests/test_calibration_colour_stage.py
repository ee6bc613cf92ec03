"""Colours on the simulated studio: casts of known cameras come back, by the chart and by the board alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.colour import Colours, apply, calibrate_colour, load_colours
from calibration.colour.chart import find_card
from calibration.colour.grey import board_light, compare_cameras, measure_whites, white_places
from calibration.colour.reference import LUMINANCE, published
from calibration.pose import Pose
from calibration.rig import RigCalibration
from calibration.target import charuco_of, target_of
from capture import store
from capture.decode.picture import Picture
from capture.images import encode_jpeg
from capture.issues import Report
from capture.session import Board, Session, Shot, ShotKind
from capture.stage.board import StageBoard, board_poses, board_visible, render_board
from capture.stage.chart import chart_pose, render_chart
from capture.stage.lens import StageCamera, StageLight
from capture.stage.render import render_empty
from capture.stage.rig import make_lights, make_rig
from capture.stage.tone import encode_srgb, linear_from_srgb
from capture.validate import Original, ValidatedSession
from capture.vault import Vault

SIZE = 512
STAGE = StageBoard()
RIG = make_rig(4, seed=2, image_size=SIZE, arc_deg=60.0)[:3]  # without the one that hangs high and sees less of it
LIGHTS = make_lights(2)
SHOTS = [s for s in board_poses(STAGE, 30, seed=1) if sum(board_visible(STAGE, s, c) for c in RIG) > 1][:10]
CENTRE = np.array([0.0, 0.0, 1.42])
# Each camera has its own matrix and its own exposure, as bodies of three makers would.
CASTS = {
    "cam01": np.eye(3),
    "cam02": 0.80 * np.array([[0.90, 0.08, 0.02], [0.03, 0.95, 0.02], [0.00, 0.10, 1.10]]),
    "cam03": 1.10 * np.array([[1.08, 0.00, -0.03], [0.05, 1.00, -0.02], [0.02, 0.02, 0.80]]),
}
# Plain gains, which a grey card can tell; no matrix.
GAINS = {
    name: np.diag(np.array(g)) for name, g in zip(CASTS, ((1, 1, 1), (0.8, 0.7, 0.9), (0.6, 0.7, 0.6)), strict=True)
}


def cast(picture: Picture, matrix: NDArray[np.float64]) -> Picture:
    linear = linear_from_srgb(picture[..., ::-1] / 255) @ matrix.T
    return encode_srgb(linear.astype(np.float32))[..., ::-1]


def camera_of(camera: StageCamera) -> Camera:
    pose = Pose.from_matrix(camera.pose)
    lens = np.array(camera.distortion)
    return Camera(camera.id, SIZE, SIZE, camera.fx, camera.fy, camera.cx, camera.cy, lens, pose)


def rig_of() -> RigCalibration:
    boards = {s.id: Pose.from_matrix(s.world_from_board) for s in SHOTS}
    names = [c.id for c in RIG]
    return RigCalibration(tuple(map(camera_of, RIG)), dict.fromkeys(names, 0.1), 0.1, boards, "origin")


def session_of(*, board: bool, chart: bool) -> Session:
    declared = {
        "kind": "charuco", "columns": STAGE.columns, "rows": STAGE.rows, "square_m": STAGE.square_m,
        "marker_m": STAGE.marker_m, "dictionary": STAGE.dictionary,
    }  # fmt: skip
    return Session.model_validate(
        {
            "session": {"id": "s1", "person": "p1", "consent": "c1", "date": dt.date(2026, 1, 31)},
            "camera": [{"id": c.id, "width": SIZE, "height": SIZE} for c in RIG],
            "light": [
                {"id": x.id, "azimuth_deg": x.azimuth_deg, "elevation_deg": x.elevation_deg, "colour": x.colour}
                for x in LIGHTS
            ],
            "calibration": {"board": declared if board else None, "chart": {} if chart else None},
        }
    )


def charts(casts: dict[str, NDArray[np.float64]]) -> dict[Shot, Picture]:
    return {
        Shot(ShotKind.CHART, c.id, light=x.id): cast(render_chart(chart_pose(c, CENTRE), c, x), casts[c.id])
        for c in RIG
        for x in LIGHTS
    }


def boards(casts: dict[str, NDArray[np.float64]], light: StageLight) -> dict[Shot, Picture]:
    return {
        Shot(ShotKind.BOARD, c.id, s.id): cast(render_board(STAGE, s, c, light), casts[c.id])
        for c in RIG
        for s in SHOTS
        if board_visible(STAGE, s, c)
    }


def validated_of(root: Path, session: Session, pictures: dict[Shot, Picture]) -> ValidatedSession:
    folder = Vault(root).session("p1", "s1")
    originals = []
    for shot, picture in pictures.items():
        path = folder.originals / f"{shot.stem}.jpg"
        store.write_atomic(path, encode_jpeg(picture))
        size, digest = path.stat().st_size, store.sha256_file(path)
        originals.append(Original(shot, path, path.name, size, digest, SIZE, SIZE, 1, 0.0))
    rig = folder.derived("calibration")
    store.finish(rig, "calibration", consent="c1", inputs={}, settings={}, result={})
    return ValidatedSession(session, folder, tuple(originals), Report("ingest"), "0" * 64)


@pytest.fixture(scope="module")
def by_chart(tmp_path_factory: pytest.TempPathFactory) -> tuple[ValidatedSession, Colours, Report]:
    pictures = charts(CASTS) | boards(CASTS, LIGHTS[0])
    validated = validated_of(tmp_path_factory.mktemp("vault"), session_of(board=True, chart=True), pictures)
    return (validated, *calibrate_colour(validated, rig_of()))


def test_every_chart_of_the_stage_is_read(by_chart: tuple[ValidatedSession, Colours, Report]) -> None:
    _, colours, report = by_chart
    assert report.issues == ()
    assert report.facts["methods"] == {"chart": 6, "board": 0, "none": 0}
    for correction in colours.corrections:
        assert correction.quality is not None
        assert correction.quality.left_out < 1.5
        assert correction.quality.left_out > correction.quality.fitted


def test_the_cast_of_each_camera_is_undone(by_chart: tuple[ValidatedSession, Colours, Report]) -> None:
    _, colours, _ = by_chart
    for camera in RIG:
        for light in LIGHTS:
            picture = render_chart(chart_pose(camera, CENTRE), camera, light)
            done = apply(cast(picture, CASTS[camera.id]), colours.of(camera.id, light.id))
            card = find_card(done)
            assert card is not None
            assert np.abs(card.linear - published().linear.clip(0)).max() < 0.035
            greys = card.linear[19:22]  # white is a little yellow as published, dark ones are a few levels
            assert np.abs(greys / greys.mean(axis=1, keepdims=True) - 1).max() < 0.04


def test_with_the_light_kept_cameras_agree_and_the_light_stays(
    by_chart: tuple[ValidatedSession, Colours, Report],
) -> None:
    _, colours, _ = by_chart
    level = float(np.exp(np.mean([np.log(CASTS[c.id].sum(axis=1) @ LUMINANCE) for c in RIG])))
    for camera in RIG:
        for light in LIGHTS:
            plain = render_chart(chart_pose(camera, CENTRE), camera, light)
            done = apply(cast(plain, CASTS[camera.id]), colours.of(camera.id, light.id), keep_light=True)
            before, after = find_card(plain), find_card(done)
            assert before is not None
            assert after is not None
            # What all cameras share, here their mean exposure and matrix, is no error of one of them.
            ratio = after.linear[18:23] / before.linear[18:23]
            assert ratio.mean() == pytest.approx(level, rel=0.04)
            assert np.ptp(ratio) < 0.10


def test_without_correction_the_cameras_disagree() -> None:
    """The control of the test above."""
    light = LIGHTS[0]
    ratios = []
    for camera in RIG:
        plain = render_chart(chart_pose(camera, CENTRE), camera, light)
        before, after = find_card(plain), find_card(cast(plain, CASTS[camera.id]))
        assert before is not None
        assert after is not None
        ratios.append((after.linear[19] / before.linear[19]).mean())
    assert np.ptp(ratios) > 0.2


def test_the_step_does_nothing_twice_and_reads_back(by_chart: tuple[ValidatedSession, Colours, Report]) -> None:
    validated, colours, _ = by_chart
    again, report = calibrate_colour(validated, rig_of())
    assert report.facts["skipped"] is True
    read = load_colours(validated.folder)
    for one, other in zip(read.corrections, again.corrections, strict=True):
        assert one.to_json() == other.to_json()
    assert [c.to_json() for c in read.corrections] == [c.to_json() for c in colours.corrections]
    assert read.measured
    changed, report = calibrate_colour(validated, rig_of(), model="root-polynomial")
    assert "skipped" not in report.facts
    assert changed.corrections[0].matrix.shape == (3, 6)


@pytest.fixture(scope="module")
def by_board(tmp_path_factory: pytest.TempPathFactory) -> tuple[Colours, Report]:
    pictures = boards(GAINS, LIGHTS[1])
    validated = validated_of(tmp_path_factory.mktemp("vault"), session_of(board=True, chart=False), pictures)
    return calibrate_colour(validated, rig_of())


def test_the_board_is_a_grey_card(by_board: tuple[Colours, Report]) -> None:
    colours, report = by_board
    assert report.issues == ()
    assert report.facts["board_light"] == LIGHTS[1].id
    mean = np.exp(np.mean([np.log(np.diag(GAINS[c.id])) for c in RIG], axis=0))
    for camera in RIG:
        correction = colours.of(camera.id, LIGHTS[1].id)
        assert correction.method == "board"
        assert 1 / np.diag(correction.rig) == pytest.approx(np.diag(GAINS[camera.id]) / mean, rel=0.015)
        white = np.diag(GAINS[camera.id]) * np.array(LIGHTS[1].colour)
        assert correction.white_balance == pytest.approx(white[1] / white, rel=0.02)
        facing = cast(np.full((1, 1, 3), 255, np.uint8), 0.85 * np.diag(white) * (LIGHTS[1].intensity + 0.20))
        level = linear_from_srgb(facing[0, 0, ::-1] / 255) * correction.exposure
        assert level @ LUMINANCE == pytest.approx(0.85, rel=0.04)


def test_under_lights_without_board_the_declared_colour_counts(by_board: tuple[Colours, Report]) -> None:
    colours, _ = by_board
    light = LIGHTS[0]
    assert colours.lights[light.id] == pytest.approx(np.array(light.colour) / (light.colour @ LUMINANCE), rel=1e-6)


def test_without_chart_and_board_nothing_is_corrected(tmp_path: Path) -> None:
    plates = {Shot(ShotKind.PLATE, c.id): render_empty("grey", c, LIGHTS[0]) for c in RIG}
    colours, report = calibrate_colour(validated_of(tmp_path, session_of(board=False, chart=False), plates))
    assert not colours.measured
    assert [(i.code, i.where) for i in report.issues] == [("COLOUR_NOT_MEASURED", "session")]
    assert {c.method for c in colours.corrections} == {"none"}


def test_a_camera_whose_card_is_unreadable_falls_back_to_the_board(tmp_path: Path) -> None:
    pictures = charts(GAINS) | boards(GAINS, LIGHTS[0])
    shot = Shot(ShotKind.CHART, "cam02", light=LIGHTS[0].id)
    card = find_card(pictures[shot])
    assert card is not None
    hull = cv2.convexHull(card.outlines[18:].reshape(-1, 2).astype(np.float32))
    spoiled = pictures[shot].copy()
    cv2.fillConvexPoly(spoiled, hull.astype(np.int32), (40, 60, 170))
    validated = validated_of(tmp_path, session_of(board=True, chart=True), pictures | {shot: spoiled})
    colours, report = calibrate_colour(validated, rig_of())
    assert [(i.code, i.where) for i in report.issues] == [("CHART_INCOMPLETE", shot.stem)]
    assert colours.of("cam02", LIGHTS[0].id).method == "board"
    assert colours.of("cam02", LIGHTS[1].id).method == "chart"


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("charuco", {"dictionary": "DICT_4X4_50", "marker_m": 0.04}),
        ("charuco", {"dictionary": "DICT_4X4_50", "marker_m": 0.04, "legacy": True}),
        ("charuco", {"dictionary": "DICT_4X4_50", "marker_m": 0.04, "inverted": True}),
    ],
)
def test_white_places_are_white_on_the_print(kind: str, more: dict[str, object]) -> None:
    board = Board.model_validate({"kind": kind, "columns": 6, "rows": 4, "square_m": 0.06, **more})
    drawn = np.asarray(charuco_of(board).generateImage((6 * 60, 4 * 60), marginSize=0))
    drawn = 255 - drawn if board.inverted else drawn
    places, room = white_places(target_of(board))
    assert len(places) == 12
    for shift in (-0.8 * room, 0.8 * room):
        at = np.floor((places[..., :2] + shift) * 1000).astype(int)
        assert (drawn[at[..., 1], at[..., 0]] == 255).all()


def test_a_far_board_is_not_measured() -> None:
    shot = SHOTS[0]
    camera = camera_of(RIG[0])
    away = camera.placed(Pose(camera.world_from_camera.rotation, camera.centre * 40))
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    target = target_of(session_of(board=True, chart=False).calibration.board)  # type: ignore[arg-type]
    assert measure_whites(picture, away, Pose.from_matrix(shot.world_from_board), target, shot="x") is None
    assert compare_cameras([]).gains == {}
    assert board_light({}, {}, [])[0] == ""
