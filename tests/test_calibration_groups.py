"""Two groups of cameras, each of which sees only its own board: one rig where the boards are on one stick, else two."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from test_calibration_stage import gaps

from calibration.detect import Corners
from calibration.link import JoinedTarget
from calibration.pose import Pose
from calibration.rig import calibrate
from calibration.solve import Solution, Task, solve_rig
from calibration.target import target_of
from capture.errors import CalibrationTooPoor
from capture.images import encode_jpeg
from capture.ingest import ingest
from capture.issues import Report
from capture.session import Board, Session
from capture.stage.board import BoardShot, StageBoard, board_poses, board_visible, corner_pixels, render_board
from capture.stage.lens import StageCamera
from capture.stage.rig import make_rig
from capture.stage.shoot import ShootPlan, write_shoot
from capture.stage.toml_text import toml_text
from capture.validate import load_validated
from capture.vault import Vault
from scripts.cli import main

BOARDS = (StageBoard(), StageBoard(dictionary="DICT_5X5_100"))
STICK = Pose.from_rotvec((0.05, np.pi - 0.1, 0.0), (1.1, 0.03, 0.04))  # back to back, a hand's breadth apart
SIZE, NOISE_PX = 1024, 0.05
CAMERAS, SHOTS = 10, 40
FRONT_DEG = 75.0  # of the shots that are used: the first board faces the cameras in front


def printed(board: StageBoard, origin: str = "") -> Board:
    return Board(
        kind="charuco", columns=board.columns, rows=board.rows, square_m=board.square_m, marker_m=board.marker_m,
        dictionary=board.dictionary, origin=origin,
    )  # fmt: skip


def placed(*, fixed: bool) -> list[tuple[BoardShot, BoardShot]]:
    """Both boards in every shot; not `fixed`, another hand holds the second one."""
    rng = np.random.default_rng(5)
    pairs = []
    for shot in board_poses(BOARDS[0], 2 * SHOTS, seed=0)[1:]:
        outward = -shot.world_from_board[:3, 2]
        if outward[0] < np.cos(np.radians(FRONT_DEG)):
            continue
        by_hand = Pose.identity() if fixed else Pose.from_rotvec(rng.normal(0, 0.3, 3), rng.normal(0, 0.15, 3))
        second = Pose.from_matrix(shot.world_from_board) @ STICK @ by_hand
        pairs.append((shot, BoardShot(shot.id, second.matrix)))
    return pairs


def side_of(camera: StageCamera) -> int:
    """0 in front, 1 behind: which board a camera sees."""
    return 0 if camera.position[0] > 0 else 1


def views_of(rig: Sequence[StageCamera], *, fixed: bool) -> dict[str, dict[str, Corners]]:
    rng = np.random.default_rng(0)
    first = len(BOARDS[0].inner_corners())
    found: dict[str, dict[str, Corners]] = {camera.id: {} for camera in rig}
    for pair in placed(fixed=fixed):
        for camera in rig:
            side = side_of(camera)
            if board_visible(BOARDS[side], pair[side], camera):
                ids, uv = corner_pixels(BOARDS[side], pair[side], camera)
                if len(ids) <= BOARDS[side].columns:  # perhaps all on one line, which no finder would return
                    continue
                name = pair[side].id if side == 0 else f"{pair[side].id}+2"
                noisy = uv + rng.normal(0, NOISE_PX, uv.shape)
                found[camera.id][name] = Corners(ids.astype(np.int64) + side * first, noisy)
    return found


@lru_cache(maxsize=2)
def solve(*, fixed: bool) -> tuple[tuple[StageCamera, ...], Task, Solution, Report]:
    rig = make_rig(CAMERAS, seed=0, image_size=SIZE)
    target = target_of(printed(BOARDS[0]), (printed(BOARDS[1]),))
    task = Task(views_of(rig, fixed=fixed), dict.fromkeys((c.id for c in rig), (SIZE, SIZE)), target)
    solution, report = solve_rig(task)
    assert solution is not None
    return rig, task, solution, report


def test_two_boards_on_one_stick_make_one_rig() -> None:
    rig, task, solution, report = solve(fixed=True)
    sides = [{c.id for c in rig if side_of(c) == side} for side in (0, 1)]
    assert min(map(len, sides)) >= 4
    shared = [task.detections[a].keys() & task.detections[b].keys() for a in sides[0] for b in sides[1]]
    assert not any(shared)  # no camera in front saw a board with one behind
    assert report.ok
    assert [c.id for c in solution.cameras] == [c.id for c in rig]
    off_mm, turned = gaps([c.world_from_camera for c in solution.cameras], [Pose.from_matrix(c.pose) for c in rig])
    print(f"\nworst {max(off_mm):.2f} mm, {max(turned):.3f} deg; rms {solution.verdict.rig_rms_px:.3f} px")
    for name, off in zip((c.id for c in rig), off_mm, strict=True):
        sigma = solution.sigmas[name]
        assert off < 4 * max(sigma.position_mm, 0.05), name
    assert max(off_mm) < 2.0
    assert max(turned) < 0.1
    assert solution.verdict.rig_rms_px == pytest.approx(NOISE_PX * np.sqrt(2), rel=0.1)
    assert len(solution.boards) == solution.verdict.shots


def test_how_the_boards_are_fixed_is_found() -> None:
    _, _, solution, _ = solve(fixed=True)
    assert solution.fitted is not None
    target = solution.fitted.target
    assert isinstance(target, JoinedTarget)
    gap = STICK.inverse() @ target.frames[1]
    print(f"\n{1000 * np.linalg.norm(gap.translation):.3f} mm, {gap.angle_deg:.4f} deg")
    assert np.linalg.norm(gap.translation) < 1e-3
    assert gap.angle_deg < 0.05


def test_boards_that_two_hands_move_link_nothing() -> None:
    rig, _, solution, report = solve(fixed=False)
    (error,) = report.errors
    lost = {c.id for c in rig} - {c.id for c in solution.cameras}
    assert lost in ({c.id for c in rig if side_of(c) == side} for side in (0, 1))
    assert error.code == "CAMERA_NOT_LINKED"
    assert error.where == "cameras " + ", ".join(sorted(lost))
    assert "shots each side saw a board of its own, but boards" in error.found
    assert "moved by themselves: over" in error.found
    assert "turn two boards fixed to each other" in error.remedy


def write_session(folder: Path, *, fixed: bool) -> tuple[StageCamera, ...]:
    """A card of the stage with pictures of both boards, one on each side."""
    plan = ShootPlan(
        cameras=CAMERAS, lights=1, takes=1, image_size=768, board_shots=0, chart=False, ball=False, supersample=1
    )
    truth = write_shoot(folder, plan)
    path = folder / "session.toml"
    boards = "\n".join([toml_text(printed(BOARDS[0])), "[[calibration.extra_boards]]", toml_text(printed(BOARDS[1]))])
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\n[calibration.board]\n" + boards, encoding="utf-8")
    for pair in placed(fixed=fixed):
        for camera in truth.cameras:
            side = side_of(camera)
            if board_visible(BOARDS[side], pair[side], camera):
                picture = render_board(BOARDS[side], pair[side], camera, truth.lights[0])
                place = folder / "calibration" / "board" / pair[side].id / f"{camera.id}.jpg"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(encode_jpeg(picture))
    return truth.cameras


@pytest.mark.slow
def test_a_session_with_two_boards_from_pictures_to_one_rig(tmp_path: Path) -> None:
    true = write_session(tmp_path / "card", fixed=True)
    validated, _ = ingest(tmp_path / "card", Vault(tmp_path / "vault"))
    assert isinstance(validated.session, Session)
    assert len(validated.session.calibration.extra_boards) == 1
    rig, report = calibrate(validated)
    assert report.ok
    off_mm, turned = gaps([c.world_from_camera for c in rig.cameras], [Pose.from_matrix(c.pose) for c in true])
    print(f"\nworst {max(off_mm):.2f} mm, {max(turned):.3f} deg; rms {rig.rig_rms_px:.3f} px")
    assert max(off_mm) < 3.0
    assert max(turned) < 0.1
    page = (validated.folder.derived("calibration") / "report.html").read_text(encoding="utf-8")
    assert "The rig can be used" in page


@pytest.mark.slow
def test_a_session_with_two_loose_boards_is_two_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    true = write_session(tmp_path / "card", fixed=False)
    validated, _ = ingest(tmp_path / "card", Vault(tmp_path / "vault"))
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", "card", "--vault", str(tmp_path / "vault")])
    assert stop.value.code == CalibrationTooPoor.exit_code
    said = " ".join(capsys.readouterr().err.split())
    behind = ", ".join(c.id for c in true if side_of(c) == 1)
    front = ", ".join(c.id for c in true if side_of(c) == 0)
    assert f"cameras {behind}" in said or f"cameras {front}" in said
    assert "fixed to each other" in said
    assert load_validated(validated.folder).folder == validated.folder
