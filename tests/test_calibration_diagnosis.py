"""Every known mistake at a board shoot is planted in exact corners and named; a clean shoot is left in peace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.detect import Corners
from calibration.diagnosis.exchange import exchanged_cameras, exchanged_since
from calibration.diagnosis.lens import lens_issues, size_issues
from calibration.diagnosis.links import link_issues
from calibration.diagnosis.scale import board_scale_issues, rig_scale_issues, scale_of
from calibration.diagnosis.timing import offset_issues
from calibration.judge import judge
from calibration.pose import Pose
from calibration.solve import Solution, Task, solve_rig
from calibration.target import Target, target_of
from capture.issues import Report, Severity
from capture.session import Board

SIZE = (1280, 960)
SHOTS = 14
NOISE_PX = 0.05
TARGET = target_of(
    Board(kind="charuco", columns=8, rows=6, square_m=0.07, marker_m=0.05, dictionary="DICT_4X4_50", origin="00")
)
Views = dict[str, dict[str, Corners]]


def cameras_of(count: int = 4) -> tuple[Camera, ...]:
    """Cameras on an arc, two metres from the place of the board."""
    placed = []
    for i in range(count):
        angle = np.radians(25.0 * (i - (count - 1) / 2))
        position = np.array([2.0 * np.cos(angle), 2.0 * np.sin(angle), 1.2 + 0.15 * (i % 2)])
        z = np.array([0.0, 0.0, 1.0]) - position
        z /= np.linalg.norm(z)
        x = np.cross(z, (0.0, 0.0, 1.0))
        x /= np.linalg.norm(x)
        pose = Pose(np.stack([x, np.cross(z, x), z], axis=1), position)
        focal = 1400.0 + 20 * i
        placed.append(Camera(f"cam{i}", *SIZE, focal, focal, 642.0, 478.0, np.array([-0.1, 0.05, 0, 0, 0]), pose))
    return tuple(placed)


def boards_of() -> dict[str, Pose]:
    rng = np.random.default_rng(5)
    facing = Pose(np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3))  # its face towards x
    middle = Pose(np.eye(3), -TARGET.centre)
    return {
        f"{k:02d}": Pose.from_rotvec(rng.normal(0, 0.3, 3), rng.uniform((-0.2, -0.5, 0.7), (0.3, 0.5, 1.3)))
        @ facing
        @ middle
        for k in range(SHOTS)
    }


def views_of(cameras: tuple[Camera, ...], boards: dict[str, Pose]) -> Views:
    rng = np.random.default_rng(2)
    found: Views = {c.id: {} for c in cameras}
    for shot, pose in boards.items():
        for camera in cameras:
            uv, _ = camera.project(pose.apply(TARGET.points))
            ids = np.flatnonzero(((uv > 2) & (uv < np.array(SIZE) - 3)).all(axis=1))
            found[camera.id][shot] = Corners(ids, uv[ids] + rng.normal(0, NOISE_PX, (len(ids), 2)))
    return found


CAMERAS = cameras_of()
CLEAN = views_of(CAMERAS, boards_of())


def solve(views: Views, *, target: Target = TARGET) -> tuple[Solution, Report]:
    solution, report = solve_rig(Task(views, dict.fromkeys(views, SIZE), target, "00"))
    assert solution is not None
    return solution, report


def codes(report: Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in report.issues:
        found.setdefault(item.code, []).append(item.where)
    return found


def changed(name: str, change: Callable[[np.ndarray], np.ndarray], shots: slice = slice(None)) -> Views:
    """The clean views with the corners of some shots of one camera changed."""
    views = {n: dict(v) for n, v in CLEAN.items()}
    for shot in list(views[name])[shots]:
        corners = views[name][shot]
        views[name][shot] = Corners(corners.ids, change(corners.uv))
    return views


@pytest.fixture(scope="module")
def clean() -> tuple[Solution, Report]:
    return solve(CLEAN)


def test_a_clean_shoot_has_no_issue(clean: tuple[Solution, Report]) -> None:
    assert clean[1].issues == ()
    assert clean[0].verdict.rig_rms_px < 2 * NOISE_PX
    assert set(clean[0].sigmas) == set(CLEAN)


def test_one_camera_twice_is_named() -> None:
    rng = np.random.default_rng(1)
    twin = {s: Corners(c.ids, c.uv + rng.normal(0, 0.02, c.uv.shape)) for s, c in CLEAN["cam1"].items()}
    _, report = solve({**CLEAN, "cam2": twin})
    assert codes(report) == {"RIG_POSES_ALIKE": ["camera cam2"]}
    assert "camera cam1" in report.errors[0].found


@pytest.mark.parametrize(
    ("factor", "code", "said"),
    [
        (1000.0, "BOARD_SCALE_WRONG", "millimetres were given for metres"),
        (10.0, "BOARD_SCALE_WRONG", "a decimal place too many"),
        (0.1, "BOARD_SCALE_WRONG", "a decimal place too few"),
    ],
)
def test_a_board_in_another_unit_is_named(factor: float, code: str, said: str) -> None:
    (found,) = board_scale_issues(Target(TARGET.board, TARGET.points * factor), [2.0 * factor] * 4)
    assert found.code == code
    assert said in found.found


def test_a_board_that_is_only_far_away_is_a_warning() -> None:
    (found,) = board_scale_issues(TARGET, [14.0, 15.0, 16.0])
    assert (found.code, found.severity) == ("BOARD_SCALE_ODD", Severity.WARNING)
    assert found.found.startswith("a board 0.42 m long that stands 15 m from the cameras")


def test_usual_boards_have_a_usual_size(clean: tuple[Solution, Report]) -> None:
    for board, away in ((1.0, 2.0), (0.4, 0.5), (1.6, 6.0)):  # a hand's board near, a wall of a board far
        assert not list(board_scale_issues(Target(TARGET.board, TARGET.points * board), [away]))
    cameras = cast("dict[str, dict[str, float]]", clean[1].facts["cameras"])
    assert all(1.5 < facts["distance_m"] < 2.5 for facts in cameras.values())


def test_the_metre_of_a_given_rig_is_measured(clean: tuple[Solution, Report]) -> None:
    assert scale_of(CAMERAS, CLEAN, TARGET) == pytest.approx(1.0, abs=1e-3)
    in_mm = [c.placed(Pose(c.world_from_camera.rotation, 1000 * c.centre)) for c in CAMERAS]
    (found,) = rig_scale_issues(in_mm, CLEAN, TARGET, judge(in_mm, CLEAN, TARGET))
    assert found.code == "RIG_SCALE_WRONG"
    assert "its numbers are millimetres" in found.found
    turn = Pose.from_rotvec((0, 0.03, 0), (0, 0, 0))
    turned = [c.placed(c.world_from_camera @ turn) if c.id == "cam2" else c for c in CAMERAS]
    assert not list(rig_scale_issues(turned, CLEAN, TARGET, judge(turned, CLEAN, TARGET)))  # wrong, not in scale


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda uv: (uv + 0.5) / 2 - 0.5, "LENS_SIZE_DIFFERS", "pictures half as large"),
        (lambda uv: (uv + 0.5) * 2 - 0.5, "LENS_SIZE_DIFFERS", "pictures twice as large"),
        (lambda uv: np.stack([960 - uv[:, 1], uv[:, 0]], axis=1), "LENS_TURNED", "width and height exchanged"),
        (lambda uv: uv + (300.0, 0.0), "LENS_OFF_CENTRE", "no whole picture"),
    ],
)
def test_a_lens_of_other_pictures_is_named(change: Callable[[np.ndarray], np.ndarray], code: str, said: str) -> None:
    _, report = solve(changed("cam3", change))
    (found,) = (i for i in report.issues if i.code.startswith("LENS_"))
    assert (found.code, found.where) == (code, "camera cam3")
    assert said in found.found


def test_given_lenses_are_judged_the_same_way() -> None:
    assert not list(lens_issues(CAMERAS))
    half = replace(CAMERAS[1], fx=700.0, fy=700.0, cx=320.5, cy=238.5)
    assert [(i.code, i.where) for i in lens_issues([CAMERAS[0], half])] == [("LENS_SIZE_DIFFERS", "camera cam1")]
    assert not list(lens_issues([half], sigma_px={"cam1": 200.0}))  # nobody knows where its centre is


def test_board_pictures_of_two_sizes_are_named() -> None:
    declared = {"a": SIZE, "b": SIZE, "c": SIZE}
    found = list(size_issues({"a": {SIZE: 9}, "b": {SIZE: 6, (640, 480): 3}, "c": {SIZE[::-1]: 9}}, declared))
    assert [(i.code, i.where) for i in found] == [("BOARD_SIZE_DIFFERS", f"camera {n}") for n in "bc"]
    assert "3 of 9 board files, 0.5 times as large" in found[0].found
    assert "width and height exchanged" in found[1].found


def test_mirrored_pictures_of_one_camera_are_named() -> None:
    _, report = solve(changed("cam2", lambda uv: np.stack([1279 - uv[:, 0], uv[:, 1]], axis=1)))
    assert codes(report)["BOARD_MIRRORED"] == ["camera cam2"]
    assert report.errors[0].code == "BOARD_MIRRORED"  # the cause before what follows from it
    assert "14 of 14 views" in report.errors[0].found


def test_a_mirrored_print_is_said_once() -> None:
    mirrored = {
        n: {s: Corners(c.ids, np.stack([1279 - c.uv[:, 0], c.uv[:, 1]], axis=1)) for s, c in v.items()}
        for n, v in CLEAN.items()
    }
    _, report = solve(mirrored)
    assert codes(report) == {"BOARD_MIRRORED": ["every camera"]}  # all else fits: it is a mirrored world


def exchanged(shots: list[str]) -> Views:
    views = {n: dict(v) for n, v in CLEAN.items()}
    for shot in shots:
        views["cam1"][shot], views["cam3"][shot] = views["cam3"][shot], views["cam1"][shot]
    return views


def test_some_shots_under_each_others_name_are_found_by_exchanging_them() -> None:
    _, report = solve(exchanged(["03", "07", "11"]))
    (found,) = (i for i in report.errors if i.code == "CAMERAS_EXCHANGED")
    assert found.where == "cameras cam1 and cam3"
    assert "in shots 03, 07, 11 they miss the board by" in found.found
    assert report.errors[0] == found


def test_a_view_that_only_one_of_two_exchanged_cameras_had_is_found_too() -> None:
    views = exchanged(["03", "07"])
    del views["cam3"]["07"]  # cam1 did not see the board there, and now cam3's view bears its name
    _, report = solve(views)
    (found,) = (i for i in report.errors if i.code == "CAMERAS_EXCHANGED")
    assert "in shots 03, 07 " in found.found


def test_exchanged_in_all_shots_is_invisible_to_corners_and_not_to_an_earlier_rig(
    clean: tuple[Solution, Report],
) -> None:
    solution, report = solve(exchanged(list(CLEAN["cam1"])))
    assert report.issues == ()
    assert exchanged_since(solution.cameras, clean[0].cameras) == [("cam1", "cam3")]
    moved = [c.placed(Pose.from_rotvec((0, 0, 0.4), (1, 2, 0)) @ c.world_from_camera) for c in clean[0].cameras]
    assert exchanged_since(moved, clean[0].cameras) == []  # another world, the same rig


def test_a_given_rig_with_two_names_exchanged_is_found(clean: tuple[Solution, Report]) -> None:
    (found,) = exchanged_cameras(clean[0].cameras, exchanged(list(CLEAN["cam1"])), TARGET)
    assert found.cameras == ("cam1", "cam3")
    assert found.before_px > 50 * found.after_px
    assert exchanged_cameras(clean[0].cameras, CLEAN, TARGET) == []


def test_a_lens_that_one_pose_leaves_open_is_named_and_the_others_keep_their_sigmas(
    clean: tuple[Solution, Report],
) -> None:
    views = {n: {**v, **{f"5{k}": v["05"] for k in range(3)}} for n, v in CLEAN.items() if n != "cam3"}
    views["cam3"] = {shot: CLEAN["cam3"]["05"] for shot in ("05", "50", "51", "52")}
    solution, report = solve(views)
    assert codes(report)["LENS_NOT_DETERMINED"] == ["camera cam3"]
    assert codes(report)["POSES_TOO_FEW"] == ["camera cam3"]
    assert set(solution.sigmas) == {"cam0", "cam1", "cam2"}
    for name, sigma in solution.sigmas.items():
        assert sigma.subject_mm == pytest.approx(clean[0].sigmas[name].subject_mm, rel=1.0)
    cameras = cast("dict[str, dict[str, object]]", report.facts["cameras"])
    assert cameras["cam3"]["sigma"] is None


def test_a_camera_that_fires_late_at_a_moving_board_is_named() -> None:
    rng = np.random.default_rng(8)
    _, report = solve(changed("cam2", lambda uv: uv + rng.normal(0, 5.0, 2)))  # another way each time
    assert codes(report)["CAMERA_NOT_SYNCHRONOUS"] == ["camera cam2"]
    assert "CAMERA_MOVED_MEANWHILE" not in codes(report)


def test_a_camera_that_was_pushed_is_not_called_late() -> None:
    _, report = solve(changed("cam2", lambda uv: uv + (9.0, -4.0), slice(9, None)))
    assert codes(report)["CAMERA_MOVED_MEANWHILE"] == ["camera cam2"]
    assert "CAMERA_NOT_SYNCHRONOUS" not in codes(report)
    (found,) = (i for i in report.warnings if i.code == "CAMERA_MOVED_MEANWHILE")
    assert "from shot 09 on" in found.found


def test_the_offset_that_stands_out_is_named_even_where_it_is_the_clocks() -> None:
    sigmas = dict.fromkeys("abcd", 0.002)
    late = {"b": -0.133, "c": 0.018, "d": 0.023}
    (found,) = offset_issues(late, sigmas, "a", 1 / 6)
    assert found.where == "camera b"
    assert "sees 142 ± 2 ms earlier than the others, 0.9 frames" in found.found
    (clock,) = offset_issues({"b": 0.1, "c": 0.102, "d": 0.099}, sigmas, "a", 1 / 6)
    assert clock.where == "camera a"
    assert not list(offset_issues({"b": 0.004, "c": 0.002, "d": -0.003}, sigmas, "a", 1 / 25))
    assert not list(offset_issues(late, {"b": 0.08}, "a", 1 / 6))  # nobody knows


def test_what_hangs_on_few_shots_is_named_alone_or_as_a_group() -> None:
    corner = Corners(np.arange(6), np.zeros((6, 2)))

    def saw(*ranges: range) -> dict[str, Corners]:
        return {str(k): corner for r in ranges for k in r}

    views = {"a": saw(range(12)), "b": saw(range(12)), "c": saw(range(9, 24)), "d": saw(range(12, 24))}
    (found,) = link_issues(views, views)
    assert (found.where, found.code) == ("cameras a, b", "CAMERA_WEAKLY_LINKED")
    assert found.found.startswith("3 with all others together")
    views["d"] = saw(range(9), range(12, 24))  # a way round
    assert not list(link_issues(views, views))
    (leaf,) = link_issues({**views, "e": saw(range(4))}, {*views, "e"})
    assert leaf.where == "camera e"
    assert not list(link_issues({**views, "e": saw(range(4))}, views))  # not placed: said elsewhere
