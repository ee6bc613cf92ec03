"""What to show next: the guide asks for what a rig lacks, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import CONSENT
from numpy.typing import NDArray

from calibration.board_watch import BoardWatcher, watch_boards
from calibration.boards.artwork import artwork
from calibration.detect import Corners
from calibration.guide import ENOUGH_CELLS, Guide, guide, linked
from calibration.guide_page import headline, write_guide_page
from calibration.pose import Pose
from calibration.target import target_of
from capture.images import encode_jpeg
from capture.session import Board
from capture.vault import Vault

BOARD = Board(kind="charuco", columns=8, rows=6, square_m=0.05, marker_m=0.0375, dictionary="DICT_4X4_50")
TARGET = target_of(BOARD)
SIZE = (1280, 960)
LENS = np.array([[1400.0, 0, 639.5], [0, 1400.0, 479.5], [0, 0, 1]])


def view(turn_deg: tuple[float, float], at: tuple[float, float, float]) -> Corners:
    """The board turned about the camera's x and y axes, its middle at `at` metres."""
    turn = cv2.Rodrigues(np.radians([turn_deg[0], 0, 0]))[0] @ cv2.Rodrigues(np.radians([0, turn_deg[1], 0]))[0]
    points = (TARGET.points - TARGET.centre) @ np.asarray(turn).T + at
    uv = points[:, :2] / points[:, 2:] * 1400 + LENS[:2, 2]
    inside = ((uv > 0) & (uv < np.array(SIZE) - 1)).all(axis=1)
    return Corners(np.flatnonzero(inside), uv[inside])


def many(rng: np.random.Generator, count: int) -> dict[str, Corners]:
    """Views all over the picture, tilted to all sides."""
    places = [(x, y) for x in (-0.35, 0, 0.35) for y in (-0.25, 0, 0.25)]
    views = {}
    for number in range(count):
        x, y = places[number % 9]
        tilt = [(30, 0), (-30, 0), (0, 30), (0, -30)][number % 4]
        views[f"{number:03}"] = view(tilt, (x, y, 1.2 + 0.2 * rng.random()))
    return views


def of(detections: dict[str, dict[str, Corners]], cameras: tuple[str, ...] = ("a", "b")) -> Guide:
    return guide(detections, dict.fromkeys(cameras, SIZE), TARGET)


def test_nothing_shot_asks_for_the_first_camera() -> None:
    found = of({})
    assert not found.done
    assert found.next[0].do == "Show the board to a"


def test_enough_is_enough() -> None:
    views = many(np.random.default_rng(1), 20)
    found = of({"a": views, "b": dict(views)})
    assert found.done
    assert found.groups == (("a", "b"),)
    assert len(found.cameras[0].covered) >= ENOUGH_CELLS
    assert found.cameras[0].tilts == {"left", "right", "up", "down"}


def test_the_bare_region_is_named() -> None:
    views = {
        shot: Corners(c.ids[keep], c.uv[keep])
        for shot, c in many(np.random.default_rng(2), 20).items()
        if (keep := (c.uv[:, 0] > 500) | (c.uv[:, 1] > 400)).sum() >= 6
    }
    views = {s: Corners(c.ids[k], c.uv[k]) for s, c in views.items() if (k := c.uv[:, 0] > 560).sum() >= 6}
    found = of({"a": views, "b": many(np.random.default_rng(2), 20)})
    assert found.next[0].camera == "a"
    assert "left of a's picture" in found.next[0].do


def test_flat_boards_are_asked_to_be_tilted() -> None:
    flat = {f"{n}": view((0, 0), (0.3 * (n % 3 - 1), 0.2 * (n // 3 - 1), 1.0 + 0.1 * n)) for n in range(9)}
    found = of({"a": flat, "b": many(np.random.default_rng(3), 20)})
    assert found.cameras[0].tilts == frozenset()
    assert any("turned away" in step.do for step in found.next if step.camera == "a")


def test_the_side_that_is_turned_away() -> None:
    """Rotation about y by +30 degrees brings the right side nearer, because z grows with -x."""
    left = of({"a": {str(n): view((0, 30), (0, 0, 1.2 + 0.1 * n)) for n in range(3)}}).cameras[0]
    up = of({"a": {str(n): view((-30, 0), (0, 0, 1.2 + 0.1 * n)) for n in range(3)}}).cameras[0]
    near = TARGET.points[:, 0].argmax()
    assert Pose.from_rotvec(np.radians([0, 30, 0]), np.zeros(3)).apply(TARGET.points[near][None])[0, 2] < 0
    assert left.tilts == {"left"}
    assert up.tilts == {"down"} or up.tilts == {"up"}
    top = Pose.from_rotvec(np.radians([-30, 0, 0]), np.zeros(3)).apply(np.array([[0.0, -1.0, 0.0]]))[0, 2]
    assert up.tilts == {"up" if top > 0 else "down"}


def test_cameras_that_share_nothing_are_joined_first() -> None:
    views = many(np.random.default_rng(4), 20)
    other = {f"x{name}": corners for name, corners in views.items()}
    found = of({"a": views, "b": dict(views), "c": other}, ("a", "b", "c"))
    assert found.groups == (("a", "b"), ("c",))
    assert found.next[0].do == "Hold the board where c and one of a, b both see it, in 2 places or more"
    assert linked({"a": views, "c": {**other, "000": views["000"]}}, ["a", "c"]) == (("a",), ("c",))  # one is too few


def drawn(at: tuple[int, int]) -> NDArray[np.uint8]:
    picture = np.full((960, 1280, 3), 200, dtype=np.uint8)
    for left, top, width, height in artwork(BOARD).black * 1280:
        x, y = round(left) + at[0], round(top) + at[1]
        picture[y : y + round(height), x : x + round(width)] = 20
    return picture


@pytest.fixture
def tether(tmp_path: Path) -> Path:
    folder = tmp_path / "tether"
    folder.mkdir()
    (folder / "consent.toml").write_text(CONSENT)
    cameras = "".join(f'[[camera]]\nid = "cam{n}"\nwidth = 1280\nheight = 960\n' for n in (1, 2))
    (folder / "session.toml").write_text(
        'format = 1\n[session]\nid = "s001"\nperson = "p001"\nconsent = "c001"\ndate = 2026-01-31\n'
        + cameras
        + '[[light]]\nid = "key"\nazimuth_deg = 30\nelevation_deg = 30\n[[take]]\nid = "take1"\n'
        + '[calibration.board]\nkind = "charuco"\ncolumns = 8\nrows = 6\nsquare_m = 0.05\nmarker_m = 0.0375\n'
        + 'dictionary = "DICT_4X4_50"\n'
    )
    return folder


def land(folder: Path, shot: str, camera: str, data: bytes) -> Path:
    path = folder / f"calibration/board/{shot}/{camera}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_board_shots_are_judged_as_they_land(tether: Path, tmp_path: Path) -> None:
    watcher = BoardWatcher(tether, Vault(tmp_path / "vault"))
    now = [1e9]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    assert headline(watcher.look(tick())) == "Show the board to cam1: it has seen it 0 times."
    whole = encode_jpeg(drawn((100, 100)))
    half = land(tether, "000", "cam1", whole[: len(whole) // 2])
    first = watcher.look(tick())
    assert first.landed == ()
    assert first.waiting == ("calibration/board/000/cam1.jpg",)
    half.write_bytes(whole)  # the rest of it arrives
    land(tether, "001", "cam1", encode_jpeg(np.full((960, 1280, 3), 99, np.uint8)))
    watcher.look(tick())
    second = watcher.look(tick())
    assert second.without == ("calibration/board/001/cam1.jpg",)
    assert second.guide.cameras[0].views == 1
    assert watcher.look(tick()).landed == ()  # nothing is searched twice
    page = tmp_path / "board.html"
    write_guide_page(page, second, "s001", refresh_s=2)
    assert "Show the board to cam" in page.read_text()
    assert [path.name for path in tether.iterdir()] != []
    assert not list(tether.rglob("*.html"))


def test_a_picture_that_stays_broken_is_named(tether: Path, tmp_path: Path) -> None:
    whole = encode_jpeg(drawn((100, 100)))
    land(tether, "000", "cam1", whole[: len(whole) // 2])
    watcher = BoardWatcher(tether, Vault(tmp_path / "vault"))
    now = [2e9]  # long after it was written
    sights = list(watch_boards(watcher, once=True, clock=lambda: now[0], sleep=lambda s: None))
    assert sights[-1].broken == ("calibration/board/000/cam1.jpg",)


def test_without_a_board_there_is_nothing_to_watch(small_session: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"describes no board; fill in \[calibration.board\]"):
        BoardWatcher(small_session(), Vault(tmp_path / "vault"))
