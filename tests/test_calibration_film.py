"""A filmed board from corners to a rig: who lags, who is trusted not to; and groups that share no board."""

from __future__ import annotations

import numpy as np
import pytest
from test_calibration_bundle import GRID
from test_calibration_bundle_motion import FPS, OFFSETS, filmed

from calibration.detect import Corners
from calibration.fitting import Task
from calibration.link import link_groups
from calibration.pose import Pose
from calibration.solve import Solution, solve_rig
from calibration.target import Target
from capture.session import Board

NAMES = ("c0", "c1", "c2", "c3")
TARGET = Target(Board(kind="chessboard", columns=8, rows=5, square_m=0.07), GRID)
SIZE = (1024, 1366)


@pytest.fixture(scope="module")
def views() -> dict[str, dict[str, Corners]]:
    problem, _, _ = filmed()
    found: dict[str, dict[str, Corners]] = {name: {} for name in NAMES}
    for row, (camera, board) in enumerate(zip(problem.camera, problem.board, strict=True)):
        ids = np.flatnonzero(problem.seen[row])
        found[NAMES[camera]][str(board)] = Corners(ids, problem.uv[row, ids])
    return found


def solve(views: dict[str, dict[str, Corners]], *, timed: bool = True, together: tuple[str, ...] = ()) -> Solution:
    times = {shot: int(shot) / FPS for own in views.values() for shot in own} if timed else {}
    task = Task(views, dict.fromkeys(views, SIZE), TARGET, huber_px=3.0, time_s=times, synchronous=frozenset(together))
    solution, _ = solve_rig(task)
    assert solution is not None
    return solution


def test_every_camera_gets_the_offset_it_has(views: dict[str, dict[str, Corners]]) -> None:
    solution = solve(views)
    assert solution.facts["clock"] == "c0"
    for name, real in zip(NAMES[1:], OFFSETS[1:], strict=True):
        # frames in which nobody saw the board leave the path to guess: a thirtieth of a frame is what remains
        assert abs(solution.clock.offset_s[name] - real) < 1e-3
        assert 0 < solution.sigmas[name].offset_s < 2e-3
    assert solution.verdict.rig_rms_px < 0.4


@pytest.mark.slow
def test_cameras_that_are_declared_synchronous_have_no_offset(views: dict[str, dict[str, Corners]]) -> None:
    solution = solve(views, together=NAMES)
    assert solution.facts["offsets_s"] == {}
    assert solution.verdict.rig_rms_px > 0.5  # they are not, and that cannot be hidden
    assert "camera c1" in [i.where for i in solution.issues if i.code == "CAMERA_NOT_SYNCHRONOUS"]
    some = solve(views, together=("c2", "c3"))
    assert some.facts["clock"] == "c2"
    late = [i.where for i in some.issues if i.code == "CAMERA_NOT_SYNCHRONOUS"]
    assert late == ["camera c1"]  # c2 and c3 are 4 ms apart, which is an eighth of a frame
    offsets = some.facts["offsets_s"]
    assert isinstance(offsets, dict)
    assert sorted(offsets) == ["c0", "c1"]
    assert float(str(offsets["c1"])) == pytest.approx(OFFSETS[1] - OFFSETS[2], abs=5e-3)


def test_stills_never_get_an_offset(views: dict[str, dict[str, Corners]]) -> None:
    solution = solve(views, timed=False)
    assert solution.facts["offsets_s"] == {}
    assert solution.facts["moving_shots"] == 0


def sticks(shots: int, axes: int, noise: float) -> tuple[dict[str, Pose], dict[str, Pose], Pose, Pose]:
    """Two boards back to back, each seen by its own group; the groups' and the boards' true places."""
    rng = np.random.default_rng(1)
    apart = Pose.from_rotvec((0.3, -2.0, 0.4), (2.0, -1.0, 0.5))
    back = Pose.from_rotvec((0.0, np.pi, 0.1), (0.02, -0.03, 0.008))
    ours, theirs = {}, {}
    for k in range(shots):
        turn = rng.normal(0, 0.6, 3) * (np.arange(3) < axes)
        board = Pose.from_rotvec(turn, rng.uniform(-0.4, 0.4, 3))
        wrong = Pose.from_rotvec(rng.normal(0, noise, 3), rng.normal(0, noise, 3))
        ours[str(k)], theirs[str(k)] = board @ wrong, apart.inverse() @ board @ back
    return ours, theirs, apart, back


def test_two_groups_are_linked_by_two_boards_on_one_stick() -> None:
    ours, theirs, apart, back = sticks(20, 3, noise=0.002)
    link = link_groups(ours, theirs)
    assert link is not None
    gap, print_gap = apart.inverse() @ link.first_from_second, back.inverse() @ link.first_board_from_second
    print(f"\nlink off by {1000 * np.linalg.norm(gap.translation):.1f} mm, {gap.angle_deg:.2f} deg")
    assert np.linalg.norm(gap.translation) < 0.01
    assert gap.angle_deg < 0.3
    assert np.linalg.norm(print_gap.translation) < 0.01
    assert 0.5 < link.spread_mm < 15


def test_a_stick_that_turns_about_one_axis_links_nothing() -> None:
    ours, theirs, _, _ = sticks(20, 1, noise=0.0)
    assert link_groups(ours, theirs) is None
    few = {shot: ours[shot] for shot in list(ours)[:3]}
    assert link_groups(few, theirs) is None
