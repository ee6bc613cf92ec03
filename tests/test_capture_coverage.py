"""The reshoot list: what a plan or the grid lacks, in the order of what the twin gains."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import session_toml

from capture.coverage import Coverage, coverage, view_of
from capture.ignore import apply_rules
from capture.issues import Issue, issue
from capture.session import Camera, Session, Shot, ShotKind, read_session
from capture.validate import Numbers, Original


def session(folder: Path, text: str) -> Session:
    folder.mkdir(exist_ok=True)
    (folder / "session.toml").write_text(text)
    return read_session(folder)


def originals(shots: Iterable[Shot]) -> list[Original]:
    """Files as ingest finds them, of these shots."""
    return [
        Original(s, Path(s.stem), s.stem, 1, s.stem, 64, 64, 1, 0.0, numbers=(Numbers(0, 0.2, 0, 1),)) for s in shots
    ]


def without(whole: Session, *stems: str) -> list[Original]:
    """Every still and clip of a session but those under these places."""
    return originals(s for s in (*whole.stills(), *whole.clips()) if not s.stem.startswith(stems or ("?",)))


def missing(*stems: str) -> list[Issue]:
    return [issue("GRID_FRAME_MISSING", where=stem) for stem in stems]


def calls(covered: Coverage) -> list[str]:
    return [line.call for line in covered.lines]


@pytest.fixture
def grid(tmp_path: Path) -> Session:
    return session(tmp_path, session_toml(takes=2, cameras=3, lights=3, clips=True))


@pytest.fixture
def planned(tmp_path: Path) -> Session:
    """cam1 before her, cam2 at her left, cam3 behind her; take1 faces 0, take2 faces 90."""
    toml = session_toml(takes=2, cameras=3, lights=2, clips=True)
    for n, azimuth in enumerate((0, 90, 180), 1):
        place = f'azimuth_deg = {azimuth}\nelevation_deg = 5\nframing = ["bust"]\n'
        toml = toml.replace(f'id = "cam{n}"\n', f'id = "cam{n}"\n{place}')
    toml = toml.replace('id = "take2"\n', 'id = "take2"\nfacing_deg = 90\n')
    plan = """
[[plan]]
region = "bust"
azimuth_deg = [-30, 30]
weight = 2
[[plan]]
region = "bust"
azimuth_deg = [150, 210]
lights = ["light2"]
[[plan]]
region = "full"
cameras = ["cam1"]
motion = "walk"
"""
    return session(tmp_path, toml + plan)


def test_a_whole_grid_lacks_nothing(grid: Session) -> None:
    covered, gaps = coverage(grid, without(grid), ())
    assert covered.lines == ()
    assert gaps == ()
    assert covered.covered == len(covered.cells) == 2 * 3 + 1
    assert not covered.by_plan


def test_without_a_plan_the_grid_is_the_plan(grid: Session) -> None:
    gone = ("stills/take1/light2/cam3", "stills/take2/light1/")
    covered, gaps = coverage(grid, without(grid, *gone), missing(gone[0]))
    assert calls(covered) == ["take2, light light1, cameras cam1, cam2, cam3", "take1, light light2, camera cam3"]
    assert gaps == ()  # the grid names its own
    whole, one = covered.lines
    assert whole.gain > 3 * one.gain
    assert whole.do == "Shoot it."
    assert one.do == "Reshoot this light and take."
    assert [c.usable for c in covered.cells if c.short] == [2, 0]


def test_lights_of_the_same_cameras_are_one_line(grid: Session) -> None:
    gone = [f"stills/take1/light{n}/cam2" for n in (1, 2, 3)]
    covered, _ = coverage(grid, without(grid, *gone), missing(*gone))
    assert calls(covered) == ["take1, lights light1, light2, light3, camera cam2"]


@pytest.mark.parametrize(
    "where", ["stills/take1/light1/cam1", "stills/take1/light1/cam1.jpg", "stills/take1/light1/cam1~2.jpg"]
)
def test_a_file_with_an_error_does_not_count(grid: Session, where: str) -> None:
    covered, _ = coverage(grid, without(grid), [issue("CAMERA_SETTINGS_DIFFER", where=where)])
    assert calls(covered) == ["take1, light light1, camera cam1"]
    assert covered.lines[0].do == "Set the camera back and reshoot these frames."


@pytest.mark.parametrize("where", ["stills/take1/light1", "stills/take1/light1/*"])
def test_an_error_of_a_whole_light_takes_all_its_files(grid: Session, where: str) -> None:
    covered, _ = coverage(grid, without(grid), [issue("CAMERA_SETTINGS_DIFFER", where=where)])
    assert calls(covered) == ["take1, light light1, cameras cam1, cam2, cam3"]


def test_a_warning_is_worth_a_look_and_counts_as_usable(grid: Session) -> None:
    soft = [issue("FOCUS_SOFT", where=f"stills/take1/light{n}/cam1") for n in (1, 2)]
    covered, _ = coverage(grid, without(grid), soft)
    assert calls(covered) == ["take1, lights light1, light2, camera cam1"]
    assert not covered.lines[0].must
    assert covered.covered == len(covered.cells)


def test_what_a_rule_accepts_is_not_asked_for(tmp_path: Path) -> None:
    rule = '[[ignore]]\ncode = "GRID_FRAME_MISSING"\nwhere = "stills/take1/*/cam3"\nreason = "broken since noon"\n'
    ruled = session(tmp_path, session_toml(extra=rule))
    gone = [f"stills/take1/light{n}/cam3" for n in (1, 2, 3)]
    covered, _ = coverage(ruled, without(ruled, *gone), apply_rules(ruled, missing(*gone)))
    assert covered.lines == ()
    assert {c.wanted for c in covered.cells} == {2}
    covered, _ = coverage(ruled, without(ruled, *gone), missing(*gone))
    assert calls(covered) == ["take1, lights light1, light2, light3, camera cam3"]


def test_what_has_not_begun_is_no_gap(grid: Session) -> None:
    pending = frozenset(s for s in grid.stills() if s.group == "take2")
    covered, _ = coverage(grid, without(grid, "stills/take2"), (), pending=pending)
    assert covered.lines == ()


def test_a_view_is_seen_from_her(planned: Session) -> None:
    cam1, cam2, cam3 = planned.camera
    assert view_of(cam1, 0.0) == (0.0, 5.0)
    assert view_of(cam2, 0.0) == (90.0, 5.0)  # at her left
    assert view_of(cam2, 90.0) == (0.0, 5.0)
    assert view_of(cam3, 90.0) == (90.0, 5.0)
    assert view_of(Camera(id="x", width=1, height=1), 0.0) is None


def test_a_plan_counts_the_takes_that_show_its_views(planned: Session) -> None:
    covered, gaps = coverage(planned, without(planned), ())
    assert gaps == ()
    assert covered.by_plan
    assert covered.covered == len(covered.cells) == 2 + 1 + 1
    front, back = covered.cells[0], covered.cells[2]
    assert {s.stem for s in front.shots} == {"stills/take1/light1/cam1", "stills/take2/light1/cam2"}
    assert {s.stem for s in back.shots} == {"stills/take1/light2/cam3"}
    assert front.row == "bust · front (-30 to 30°)"
    assert back.row == "bust · back (150 to 210°)"


def test_a_gap_of_the_plan_is_named_and_its_line_comes_first(planned: Session) -> None:
    gone = ("stills/take1/light2/cam3", "stills/take1/light1/cam1", "stills/take2/light1/cam3")
    covered, gaps = coverage(planned, without(planned, *gone), missing(*gone))
    assert [(g.code, g.where, g.found) for g in gaps] == [
        ("COVERAGE_GAP", "plan 2: bust · back (150 to 210°)", "too few under light2")
    ]
    assert covered.lines[0].call == "take1, light light2, camera cam3"
    assert covered.lines[0].gain > 0
    others = covered.lines[1:]  # take2 shows her front as well
    assert {line.gain for line in others} == {0.0}
    assert all(line.why.endswith("the plan holds without it") for line in others)


def test_weight_orders_the_list(planned: Session) -> None:
    gone = ("stills/take1/light2/cam3", "stills/take1/light1/cam1", "stills/take2/light1/cam2")
    covered, gaps = coverage(planned, without(planned, *gone), missing(*gone))
    assert len(gaps) == 2
    assert covered.lines[0].shots[0].light == "light1"
    light = planned.model_copy(update={"plan": (planned.plan[0].model_copy(update={"weight": 0.1}), *planned.plan[1:])})
    covered, _ = coverage(light, without(light, *gone), missing(*gone))
    assert covered.lines[0].shots[0].stem == "stills/take1/light2/cam3"


def test_one_take_is_set_up_again_where_one_can_fill_all(tmp_path: Path) -> None:
    toml = session_toml(takes=2, cameras=2, lights=2, extra='[[plan]]\nregion = "face"\ncameras = ["cam1"]\n')
    both = session(tmp_path, toml)
    gone = [f"stills/take{t}/light{x}/cam1" for t in (1, 2) for x in (1, 2)]
    covered, _ = coverage(both, without(both, *gone), missing(*gone))
    needed = [line for line in covered.lines if line.gain > 0]
    assert [(line.group, line.lights) for line in needed] == [("take2", ("light1", "light2"))]


def test_a_hole_among_holes_is_worth_twice_a_hole_among_full_cells(tmp_path: Path) -> None:
    lone = session(
        tmp_path / "a", session_toml(cameras=1, lights=1, extra='[[plan]]\nregion = "face"\ncameras = ["cam1"]\n')
    )
    covered, _ = coverage(lone, (), ())
    assert covered.lines[0].gain == pytest.approx(1.0)
    many = session(
        tmp_path / "b", session_toml(cameras=1, lights=9, extra='[[plan]]\nregion = "face"\ncameras = ["cam1"]\n')
    )
    covered, _ = coverage(many, without(many, "stills/take1/light5"), ())
    assert covered.lines[0].gain == pytest.approx(1 - 8 / 9 / 2)


def test_a_view_that_nothing_shows_says_how_to_get_it(planned: Session) -> None:
    between = planned.plan[1].model_copy(update={"azimuth_deg": (35.0, 55.0), "lights": ("light1",)})
    more = planned.model_copy(update={"plan": (*planned.plan, between)})
    covered, gaps = coverage(more, without(more), ())
    assert [g.where for g in gaps] == ["plan 4: bust · front left (35 to 55°)"]
    assert covered.lines[0].kind == "new"
    assert covered.lines[0].do == "Turn her to face -45°, where cam1 sees it, and shoot one more take."
    hands = planned.plan[0].model_copy(update={"region": "hands"})
    more = planned.model_copy(update={"plan": (hands,)})
    covered, _ = coverage(more, without(more), ())
    assert covered.lines[0].do.startswith("No camera shows her hands from there: set one up")
    twice = planned.plan[2].model_copy(update={"frames": 2})
    more = planned.model_copy(update={"plan": (twice,)})
    covered, _ = coverage(more, without(more), ())
    assert covered.lines[0].do == "Shoot one more take of it and add it to session.toml."


def test_turning_her_as_told_covers_the_view(planned: Session) -> None:
    between = planned.plan[1].model_copy(update={"azimuth_deg": (35.0, 55.0), "lights": ("light1",)})
    turned = planned.take[1].model_copy(update={"id": "take3", "facing_deg": -45.0})
    more = planned.model_copy(update={"plan": (between,), "take": (*planned.take[:1], turned)})
    covered, gaps = coverage(more, without(more), ())
    assert gaps == ()
    assert covered.cells[0].shots == (Shot(ShotKind.STILL, "cam1", "take3", "light1"),)


def test_the_facts_name_every_cell_and_line(planned: Session) -> None:
    covered, _ = coverage(planned, without(planned, "clips/walk/cam1"), ())
    facts = covered.to_json()
    assert (facts["by"], facts["planned"], facts["covered"]) == ("plan", 4, 3)
    lines = facts["reshoot"]
    assert isinstance(lines, list)
    first = lines[0]
    assert isinstance(first, dict)
    assert first["call"] == "walk, camera cam1"
    assert first["shots"] == ["clips/walk/cam1"]
