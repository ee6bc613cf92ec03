"""Her marks over sessions, and the mirror guard: what changed is named, and a flip never passes for her."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_calibration_landmarks import body_marks, look, ring

from calibration.birthmarks import Birthmark, BirthmarkMap, Place, Sight
from calibration.mark_mirror import check_mirrored, flipped
from calibration.mark_sessions import Change, compare_maps
from calibration.mark_takes import yaw_matrix
from capture.marks import colour_at

MIRROR = np.diag([1.0, -1.0, 1.0])


def her_map(rng: np.random.Generator, count: int = 14) -> BirthmarkMap:
    position, normal, diameter, colour = body_marks(count, rng)
    return BirthmarkMap(
        tuple(
            Birthmark(
                f"m{k:02}", "", {"take1": Place(position[k], normal[k], 0.5)}, 1000 * float(diameter[k]), 0.5, 4,
                colour=(float(colour[k][0]), float(colour[k][1]), float(colour[k][2])),
            )
            for k in range(count)
        )
    )  # fmt: skip


def another_day(
    found: BirthmarkMap, rng: np.random.Generator, *, turn_deg: float = 130.0, noise_m: float = 0.002
) -> BirthmarkMap:
    """The same marks: she stands turned and a step aside; ids are given anew."""
    turn, shift = yaw_matrix(turn_deg), np.array([0.2, -0.1, 0.01])
    marks = []
    for mark in found.marks:
        place = mark.places["take1"]
        at = turn @ place.position + shift + rng.normal(0, noise_m, 3)
        marks.append(replace(mark, id=f"x{mark.id}", places={"t": Place(at, turn @ place.normal, 0.5)}))
    return BirthmarkMap(tuple(marks))


@pytest.mark.parametrize("turn_deg", [0.0, 77.0, 130.0, -160.0])
def test_the_same_marks_are_the_same(turn_deg: float) -> None:
    rng = np.random.default_rng(1)
    before = her_map(rng)
    result = compare_maps(before, another_day(before, rng, turn_deg=turn_deg))
    assert result.same_person
    assert result.turn_deg == pytest.approx(turn_deg, abs=1.5)
    assert [c.what for c in result.changes] == [Change.SAME] * 14
    assert all(c.after == f"x{c.before}" for c in result.changes)
    assert max(c.away_mm for c in result.changes) < 8
    assert result.issues() == ()


def test_what_changed_is_named() -> None:
    rng = np.random.default_rng(2)
    before = her_map(rng)
    later = list(another_day(before, rng).marks)
    later[3] = replace(later[3], diameter_mm=1.9 * later[3].diameter_mm)
    lightness, red, yellow = later[5].colour
    later[5] = replace(later[5], colour=(lightness + 11.0, red, yellow))
    gone, fresh = later.pop(9), her_map(np.random.default_rng(77), 1).marks[0]
    later.append(replace(fresh, id="fresh", places={"t": later[0].places["t"].__class__(
        later[0].places["t"].position + [0, 0, 0.06], later[0].places["t"].normal, 0.5)}))  # fmt: skip
    result = compare_maps(before, BirthmarkMap(tuple(later)))
    said = {c.before or c.after: c.what for c in result.changes if c.what is not Change.SAME}
    assert said == {
        "m03": Change.CHANGED, "m05": Change.CHANGED, gone.id.removeprefix("x"): Change.GONE, "fresh": Change.NEW
    }  # fmt: skip
    assert [i.where for i in result.issues()] == ["mark m03", "mark m05", "mark m09"]
    assert "1.90 times as wide" in result.issues()[0].found
    assert result.to_json()["counts"] == {"same": 11, "changed": 2, "new": 1, "gone": 1, "not seen": 0}
    assert result.line == "11 same, 2 changed, 1 new, 1 gone, 0 not seen"


def test_what_nobody_photographed_is_not_gone() -> None:
    rng = np.random.default_rng(3)
    before = her_map(rng, 16)
    front = {m.id for m in before.marks if m.places["take1"].normal[0] > -0.2}
    assert 6 <= len(front) < 15
    later = BirthmarkMap(tuple(m for m in another_day(before, rng).marks if m.id[1:] in front))
    result = compare_maps(before, later)
    away = [c for c in result.changes if c.before not in front]
    behind = [m.id for m in before.marks if m.places["take1"].normal[0] < -0.7]
    assert {c.what for c in away if c.before in behind} <= {Change.NOT_SEEN}
    assert not [c for c in result.changes if c.before in front and c.what is not Change.SAME]


def test_a_mirrored_session_is_named_and_another_person_is_not_her() -> None:
    rng = np.random.default_rng(4)
    before = her_map(rng)
    flat = BirthmarkMap(
        tuple(
            replace(m, places={k: Place(MIRROR @ p.position, MIRROR @ p.normal, 0.5) for k, p in m.places.items()})
            for m in another_day(before, rng).marks
        )
    )
    mirrored = compare_maps(before, flat)
    assert mirrored.mirrored
    assert mirrored.changes == ()
    assert [i.code for i in mirrored.issues()] == ["MARKS_MIRRORED"]
    for seed in range(5):
        other = compare_maps(before, another_day(her_map(np.random.default_rng(100 + seed)), rng))
        assert not other.same_person
        assert [i.code for i in other.issues()] == ["MARKS_DISAGREE"]
    with pytest.raises(ValueError, match="later map has 3 marks, 4 are needed; confirm more of them"):
        compare_maps(before, BirthmarkMap(before.marks[:3]))


@pytest.mark.parametrize("seed", range(3))
def test_one_flipped_photograph_is_found_among_twelve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    views = look(ring(), body_marks(30, rng), rng, ghosts=12)
    assert [check.camera for check in check_mirrored(views) if check.mirrored] == []
    views[4] = flipped(views[4])
    named = [check for check in check_mirrored(views) if check.mirrored]
    assert [check.camera for check in named] == ["cam04"]
    assert named[0].flipped > 3 * named[0].direct


def test_a_map_keeps_its_sights() -> None:
    mark = replace(
        her_map(np.random.default_rng(5), 1).marks[0],
        kind="scar",
        sights=(
            Sight("take1", "cam01", "key", 8.5, 0.7, 12.0, "seen"),
            Sight("take1", "cam02", "", 3.0, -0.4, 0.0, "turned away"),
        ),
    )
    again = BirthmarkMap.from_json(BirthmarkMap((mark,)).to_json()).marks[0]
    assert again.sights == mark.sights
    assert (again.kind, again.colour) == ("scar", mark.colour)


def test_the_colour_of_a_mark_is_against_its_own_skin() -> None:
    image = np.full((80, 80, 3), (120, 150, 190), dtype=np.uint8)
    y, x = np.mgrid[0:80, 0:80]
    image[np.hypot(y - 40, x - 38) <= 6] = (60, 80, 110)
    found = colour_at(image, 38.0, 40.0, 6.0)
    assert found is not None
    assert found[0][0] == pytest.approx(-29, abs=3)
    assert found[1] == pytest.approx(66, abs=3)
    bare = colour_at(image, 20.0, 40.0, 4.0)
    assert bare is not None
    assert np.linalg.norm(bare[0]) < 0.5
    assert colour_at(image, 2.0, 40.0, 6.0) is None
