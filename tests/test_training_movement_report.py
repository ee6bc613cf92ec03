"""The page on a movement: the verdict first, all inside one file, the loop of the figures whole strides long."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from stage_walkers import PLAIN, Walk, gait_of, person_of, takes_of, varied, walk

from capture.issues import Issue, Report
from capture.motion.canonical import CANONICAL
from training.movement.cycles import SAMPLES, cycle_of, loop_of, stride_starts
from training.movement.plausibility import Comparison, Plausibility, floor_of, measure
from training.movement.report import write_report
from training.movement.style import StyleJudge


@cache
def judge() -> StyleJudge:
    return StyleJudge("walk", {f"p{seed}": takes_of(seed, 3) for seed in range(1, 5)})


def real(value: Plausibility | Issue) -> Plausibility:
    assert not isinstance(value, Issue)
    return value


def written(folder: Path, seconds: float = 5.0, seed: int = 2) -> tuple[str, Report]:
    track = walk(varied(person_of(seed), 5), Walk(seconds=seconds))
    takes = [walk(person_of(2), PLAIN)]
    floor = floor_of(takes, z=0.0)
    beside = Comparison(real(measure(track, floor)), tuple(real(measure(t, floor)) for t in takes))
    write_report(folder, judge(), judge().judge("p2", track), person="p2", plausible=beside)
    return (folder / "report.html").read_text(), Report.from_json((folder / "report.json").read_text())


def test_the_page_says_it_is_her(tmp_path: Path) -> None:
    page, report = written(tmp_path)
    assert "This is her walk." in page
    assert page.index("This is her walk.") < page.index("Side by side") < page.index("Traits, furthest off first")
    assert report.facts["verdict"] == "same"
    assert isinstance(report.facts["plausibility"], dict)
    assert page.count('<svg class="curve"') == 15
    # Nothing is loaded from anywhere.
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(|https?://(?!www\.w3\.org)""", page)


def test_the_page_says_it_is_not_her(tmp_path: Path) -> None:
    page, report = written(tmp_path, seed=4)
    assert "This is not her walk." in page
    assert "MOTION_NOT_HER" in page
    assert not report.ok
    ratios = [float(v) for v in re.findall(r'<td class="number">([\d.]+)</td>\s*<td><span class="tag', page)]
    assert len(ratios) == 21
    assert ratios == sorted(ratios, reverse=True)


def test_the_page_on_a_clip_that_cannot_be_judged(tmp_path: Path) -> None:
    page, _ = written(tmp_path, seconds=1.5)
    assert "Too short to judge." in page
    assert "Side by side" not in page
    assert "What a body can do" in page


@pytest.mark.parametrize(("tempo", "said"), [(1.5, "faster"), (0.6, "slower"), (1.0, "")])
def test_the_page_says_where_the_pace_is_none_of_hers(tmp_path: Path, tempo: float, said: str) -> None:
    clip = judge().judge("p2", walk(person_of(2), replace(PLAIN, tempo=tempo)))
    write_report(tmp_path, judge(), clip, person="p2", notes=["A note on <b>what</b> was compared."])
    page = (tmp_path / "report.html").read_text()
    assert "<li>Pace: Froude's number " in page.replace("&#39;", "'")
    assert ("than any take of hers: cadence, steps and swings differ" in page) is bool(said)
    assert f"That is {said} than" in page or not said
    assert "<li>A note on &lt;b&gt;what&lt;/b&gt; was compared.</li>" in page


def test_figures_walk_whole_strides(tmp_path: Path) -> None:
    page, _ = written(tmp_path)
    found = re.search(r'<script type="application/json" id="walk">(.*?)</script>', page, re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert data["rate"] == 30
    for frames in data["frames"].values():
        loop = np.array(frames)
        assert loop.shape[1:] == (18, 3)
        assert np.abs(loop[0] - loop[-1]).max() < 0.12  # a frame before where it began
    names = list(data["frames"])
    assert names == ["she, in a take of hers", "this clip"]
    # Both begin with the left foot ahead.
    for frames in data["frames"].values():
        ahead = np.array(frames)[0, :, 0]
        assert ahead[CANONICAL.index("ankle_left")] - ahead[CANONICAL.index("ankle_right")] > 0.5


def test_cycles_are_cut_where_the_left_foot_is_ahead() -> None:
    gait = gait_of(walk(person_of(3), PLAIN))
    starts = stride_starts(gait)
    assert np.diff(starts) == pytest.approx(30 / gait.clock.hz, abs=1.6)
    cycle = cycle_of([gait])
    assert cycle.strides.shape[1:] == (SAMPLES, 29)
    hip = cycle.mean("hip flexion left")
    assert np.argmax(hip) in (*range(8), *range(93, 101))
    assert cycle.spread("hip flexion left").max() < 2
    assert len(loop_of(gait)) == starts[-1] - starts[0]
    with pytest.raises(ValueError, match="channel 'nose' is none"):
        cycle.mean("nose")
    with pytest.raises(ValueError, match="no walks given"):
        cycle_of([])


def test_somebody_unknown_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="person 'ana' is not in the cohort of walk; it has p1, p2, p3, p4"):
        write_report(tmp_path, judge(), judge().judge("p1", walk(person_of(1))), person="ana")
