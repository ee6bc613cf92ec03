"""A wrong light explains what follows from it, and nothing else."""

from __future__ import annotations

from capture.checks.causes import without_symptoms
from capture.issues import Issue, issue

WRONG = issue("LIGHT_MISMATCH", where="stills/t2/key", found="looks like fill")


def left(*found: Issue) -> list[tuple[str, str]]:
    return [(i.code, i.where) for i in without_symptoms(found)]


def test_a_wrong_light_explains_odd_exposure_and_pictures_twice() -> None:
    dark = issue("EXPOSURE_OFF", where="stills/t2/key/cam1")
    other_take = issue("EXPOSURE_OFF", where="stills/t1/key/cam1")
    twice = issue("FRAME_IDENTICAL", where="stills/t2/key/cam1", found="the same as stills/t2/fill/cam1")
    again = issue("FRAME_IDENTICAL", where="stills/t2/rim/cam1", found="the same as stills/t2/key/cam1")
    assert left(dark, other_take, twice, again, WRONG) == [("LIGHT_MISMATCH", "stills/t2/key")]


def test_without_it_they_stay() -> None:
    dark = issue("EXPOSURE_OFF", where="stills/t2/key/cam1")
    twice = issue("FRAME_IDENTICAL", where="stills/t2/key/cam1", found="the same as stills/t2/fill/cam1")
    assert len(left(dark, twice)) == 2


def test_it_does_not_explain_what_is_elsewhere() -> None:
    dark = issue("EXPOSURE_OFF", where="stills/t2/fill/cam1")
    stored_twice = issue("FRAME_IDENTICAL", where="stills/t2/key/cam1", found="the same as stills/t1/key/cam1")
    soft = issue("FOCUS_SOFT", where="stills/t2/key/cam1")
    assert len(left(WRONG, dark, stored_twice, soft)) == 4
