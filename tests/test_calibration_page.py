"""The page on a calibration: one file, errors and causes first, the rig to turn, drawings that have their scale."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from test_calibration_diagnosis import CAMERAS, CLEAN, SIZE, TARGET, exchanged, solve

from calibration.page import Shown, first_cause, outline_of, render_page
from calibration.page.coverage import cell_map
from calibration.page.graph import pair_graph, pair_matrix
from calibration.page.offsets import Offset, offsets_chart
from calibration.page.panels import panel, scale_of
from calibration.page.rig_view import rig_view, scene_of
from calibration.pose import Floats
from calibration.solve import Solution
from capture.issues import Report, issue

Solved = tuple[Solution, Report]


def shown(solution: Solution) -> Shown:
    marks = {"mole": np.array([0.0, 0.0, 1.2])}
    return Shown(
        solution.cameras, solution.boards, outline_of(TARGET), solution.misses, marks, floor=solution.world[0] == "b"
    )


@pytest.fixture(scope="module")
def good() -> Solved:
    return solve(CLEAN)


@pytest.fixture(scope="module")
def poor() -> Solved:
    return solve(exchanged(["03", "07"]))


def test_a_good_rig_has_every_drawing_and_needs_no_other_file(good: Solved) -> None:
    page = render_page(good[1], shown(good[0]), "s1")
    assert 'class="verdict good"' in page
    for title in ("Cameras", "The rig", "Where each camera misses", "Who saw the board together"):
        assert f"<h2>{title}</h2>" in page
    assert "When each camera looks" not in page  # stills have no offsets
    assert "http" not in page
    assert not re.search(r"\b(src|href)=", page)
    assert "of 48" in page
    assert "What this page cannot know" in page


def test_the_cause_stands_before_what_follows_from_it(poor: Solved) -> None:
    page = render_page(poor[1], shown(poor[0]), "s1")
    assert 'class="verdict bad"' in page
    assert "First: cameras cam1 and cam3. Two cameras fit each other" in page
    order = [page.index(code) for code in ("CAMERAS_EXCHANGED", "REPROJECTION_HIGH", "OBSERVATIONS_DROPPED")]
    assert order == sorted(order)
    table = page[page.index("<h2>Cameras</h2>") :]
    rows = {n: table[table.index(f"<b>{n}</b>") :].split("</tr>")[0] for n in CLEAN}
    told = {n for n, row in rows.items() if "not usable" in row and "Two cameras fit each other" in row}
    assert told == {"cam1", "cam3"}  # an issue of two cameras is told of both


def test_the_cause_at_the_place_of_an_error_is_what_to_mend_first() -> None:
    moved = issue("CAMERA_MOVED_MEANWHILE", where="camera b", found="from shot 9 on")
    other = issue("POSES_TOO_FEW", where="camera a")
    high = issue("REPROJECTION_HIGH", where="camera b", found="4 px")
    assert first_cause(Report("calibrate", (other, moved, high))) == moved
    assert first_cause(Report("calibrate", (other,))) == other
    assert first_cause(Report("calibrate")) is None


def test_a_page_without_a_rig_says_who_saw_what() -> None:
    pairs = [{"a": "cam0", "b": "cam1", "shots": 0}]
    report = Report("calibrate", (issue("CAMERA_NOT_LINKED", where="camera cam1", found="0"),), {"pairs": pairs})  # type: ignore[dict-item]
    page = render_page(report, None, "s1")
    assert "0 of 1 pairs of cameras share board shots" in page
    assert "<canvas" not in page


def test_no_name_can_break_out_of_the_page(good: Solved) -> None:
    marks = {"</script><b>": np.zeros(3)}
    view = rig_view(scene_of(good[0].cameras, good[0].boards, outline_of(TARGET), marks, floor=True))
    data = view[view.index('id="scene">') + 11 :]
    assert "<" not in data[: data.index("</script>")]
    scene = json.loads(data[: data.index("</script>")])
    assert scene["marks"][0]["name"] == "</script><b>"
    assert len(scene["cameras"]) == 4
    assert len(scene["boards"]) == len(good[0].boards)


def test_the_rig_is_seen_from_above_and_aside_without_scripts(good: Solved) -> None:
    scene = scene_of(good[0].cameras, good[0].boards, outline_of(TARGET), {}, floor=True, bad=frozenset({"cam2"}))
    view = str(rig_view(scene))
    assert view.count('class="camera bad"') == 2  # once in each of the two stills
    assert view.count('class="camera"') == 6
    assert view.count('class="floor"') == 1  # from the side
    assert 'id="turn" hidden' in view  # until a script shows it
    for name, points in scene.cameras:
        camera = good[0].cameras[int(name[-1])]
        ahead = points[1:].mean(axis=0) - points[0]
        assert ahead @ camera.world_from_camera.rotation[:, 2] > 0


def test_misses_are_drawn_on_one_scale_that_is_written_beside_them() -> None:
    def misses(length: float) -> Floats:
        at = np.random.default_rng(0).uniform(0, SIZE, (500, 2))
        return np.column_stack([at, np.full(500, length), np.zeros(500), np.arange(500) < 7])

    both = {"cam0": misses(0.1), "cam1": misses(0.4)}
    scale = scale_of(CAMERAS[:2], both)
    assert scale.factor == 100  # 0.3 px becomes some 2 % of the picture; 200 would be 4.7 %
    drawing = panel(CAMERAS[0], both["cam0"], scale)
    assert f"{scale.bar_px:g} px</text>" in drawing
    assert drawing.count("l2.1 0.0") == 260 + 7  # 0.1 px x 100 at 272 of 1280 px; thinned, and those left out
    assert "0.10 px in the solve, 7 left out" in drawing
    assert "l8.5 0.0" in panel(CAMERAS[1], both["cam1"], scale)


def test_ties_to_what_hangs_on_few_shots_are_red_and_many_cameras_get_a_matrix() -> None:
    pairs = {("a", "b"): 9, ("a", "c"): 3, ("b", "c"): 0}
    ring = pair_graph(["a", "b", "c"], pairs, {"c"})
    assert ring.count('<path class="few"') == 1
    assert ring.count('<path class="tie"') == 1
    assert ">9</text>" in ring
    assert pair_matrix(["a", "b", "c"], pairs) == ""
    names = [f"c{n}" for n in range(12)]
    many = {(a, b): 4 for i, a in enumerate(names) for b in names[i + 1 :]}
    assert pair_matrix(names, many).count(">4</text>") == 2 * len(many)


def test_offsets_have_their_interval_and_a_clock() -> None:
    chart = offsets_chart({"cam1": Offset(-132.7, 6.9), "cam2": Offset(17.8, None)}, "cam0")
    assert "-132.7 ms ± 6.9" in chart
    assert "+17.8 ms</text>" in chart
    assert "the clock" in chart
    assert chart.count('class="bar"') == 1
    marks = [int(m) for m in re.findall(r">([+-]\d+) ms<", chart)]
    assert marks == list(range(-150, 151, 50))


def test_a_cell_map_is_darker_where_more_was_seen() -> None:
    counts = [0] * 48
    counts[0], counts[9] = 1, 50
    drawn = cell_map("cam<0>", counts)
    assert "cam&lt;0&gt;: 2 of 48 cells" in drawn
    assert drawn.count("#dddddd") == 46
    assert 'x="13" y="13" width="12" height="12" fill="#22aa77"' in drawn
