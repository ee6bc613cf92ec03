"""The pages: one file, nothing loaded, everything escaped, the verdict first, errors before warnings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import session_toml, texture
from jsonschema import Draft202012Validator

from capture import report as report_room
from capture.coverage import Coverage, coverage
from capture.images import encode_jpeg
from capture.ingest import ingest
from capture.issues import JsonObject, Report, issue
from capture.report import figures, issue_list, page, picture, table, verdict
from capture.report.contact_sheet import Sheet, Worst
from capture.report.coverage_map import LINES, coverage_map, reshoot_list
from capture.report.plots import Axis, Dot, drawn, exposure_plot, focus_plot
from capture.report.session_page import session_verdict, write_session_page
from capture.session import read_session
from capture.thumbnails import Thumbnails
from capture.validate import Context, Numbers, Original
from capture.vault import Vault


def test_page_is_self_contained_and_escaped() -> None:
    body = verdict("<b> & more", tone="bad", detail="x < y") + figures({"RMS": "0.2 px"})
    html = page("A <title>", str(body + picture(encode_jpeg(texture(1)), alt='"quoted"')))
    assert "A &lt;title&gt;" in html
    assert "&lt;b&gt; &amp; more" in html
    assert "&#34;quoted&#34;" in html
    assert not re.search(r"(src|href)=[\"'](?!data:)|@import|url\(", html)
    assert html.index("verdict bad") < html.index("RMS")


def test_table_sets_numbers_to_the_right() -> None:
    html = table(["camera", "rms"], [["cam1", "0.21"], ["<cam2>", "-3"]])
    assert html.count('class="number"') == 2
    assert "&lt;cam2&gt;" in html


def test_issues_are_grouped_errors_first_and_cut_at_three() -> None:
    soft = [issue("FOCUS_SOFT", where=f"stills/a/b/cam{n}") for n in range(5)]
    html = issue_list(Report("ingest", (*soft, issue("FILE_EMPTY", where="<here>", found="0 bytes"))))
    assert html.index("FILE_EMPTY") < html.index("FOCUS_SOFT")
    assert "&lt;here&gt;" in html
    assert "(5)" in html
    assert "and 2 more" in html
    assert "cam3" not in html
    assert "Refocus this camera" in html


@pytest.mark.parametrize(
    ("issues", "says", "tone"),
    [
        ([], "All there, all readable. She may go.", "good"),
        ([("FOCUS_SOFT", "stills/t/key/cam1")], "decide whether to reshoot: t, key (cam1)", "warn"),
        ([("MOTION_BLUR", "clips/walk/cam1")], "decide whether to reshoot: clips/walk/cam1", "warn"),
        ([("CAMERA_MOVED", "stills/t/*/cam1")], "decide whether to reshoot: t, every light (cam1)", "warn"),
        ([("PRIVACY_GPS", "stills/t/key/cam1")], "She may go; one thing to look at.", "good"),
        ([("FILE_TRUNCATED", "stills/t/key/cam1.jpg")], "Reshoot: t, key (cam1)", "bad"),
        ([("SESSION_FILE_INVALID", "session.toml")], "Put right: session.toml", "bad"),
        (
            [("GRID_FRAME_MISSING", f"stills/t{n}/key/cam{c}") for n in range(5) for c in range(4)],
            "Reshoot: t0, key (4 cameras); t1, key (4 cameras); t2, key (4 cameras); and 2 more",
            "bad",
        ),
        (
            [("GRID_FRAME_MISSING", f"stills/t/{x}/cam1") for x in ("key", "top", "back")],
            "Reshoot: t, key, top, back (cam1)",
            "bad",
        ),
    ],
)
def test_the_line_at_the_top_says_what_to_do(issues: list[tuple[str, str]], says: str, tone: str) -> None:
    report = Report(
        "ingest", tuple(issue(c, where=w) for c, w in issues), {"safe_to_format": False, "safe_because": "x"}
    )
    html = session_verdict(report)
    assert says in html
    assert f'verdict {tone}"' in html
    assert "Safe to format the card: NO, x" in html


def test_session_page_shows_every_shot(small_session: Callable[..., Path], tmp_path: Path) -> None:
    card = small_session(clips=True)
    (card / "stills/take1/light1/cam1.jpg").unlink()
    (card / "stills/take1/light2/cam2.jpg").write_bytes(b"no picture")
    validated, report = ingest(card, Vault(tmp_path / "vault"))
    folder = validated.folder.derived("ingest")
    html = (folder / "report.html").read_text()
    assert html.count("<img ") == 7 + 3 + 3
    assert "MISSING" in html
    assert "UNREADABLE" in html
    assert "Reshoot: take1, light2 (cam2); take1, light1 (cam1)" in html
    assert "Safe to format the card: NO, " in html
    assert Report.from_json((folder / "report.json").read_text()) == report
    assert str(tmp_path) not in html


SCHEMA = json.loads((Path(report_room.__file__).parent / "report.schema.json").read_text())


def breaches(report: JsonObject) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(report)]


def test_reports_follow_their_schema(small_session: Callable[..., Path], tmp_path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    card = small_session(takes=2, clips=True)
    (card / "stills/take1/light1/cam1.jpg").unlink()
    (card / "stills/take2/light1/cam2.jpg").write_bytes(b"no picture")
    text = (card / "session.toml").read_text()
    rule = '[[ignore]]\ncode = "FILE_UNREADABLE"\nwhere = "*"\nreason = "a trial"\n'
    (card / "session.toml").write_text(text + '[[plan]]\nregion = "face"\ncameras = ["cam1"]\nframes = 3\n' + rule)
    validated, _ = ingest(card, Vault(tmp_path / "vault"))
    written = json.loads((validated.folder.derived("ingest") / "report.json").read_text())
    assert breaches(written) == []
    assert written["facts"]["coverage"]["by"] == "plan"
    assert written["facts"]["ignore_rules"][0]["issues"] == 1
    assert {i["severity"] for i in written["issues"]} == {"error", "warning", "ignored"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema", 1), ("ok", "yes"), ("issues", [{"code": "A"}]), ("more", 1), ("facts", {"coverage": {"by": "hand"}})],
)
def test_the_schema_refuses_what_is_no_report(key: str, value: object) -> None:
    good = Report("ingest", (issue("FOCUS_SOFT", where="a"),), {"files": 1}).to_json()
    assert breaches(good) == []
    assert breaches({**good, key: value})  # type: ignore[dict-item]


def context_of(folder: Path, *, takes: int, cameras: int = 4, lights: int = 4, soft: str = "") -> Context:
    """A shoot with numbers and thumbnails, and one soft and dark still."""
    (folder / "session.toml").write_text(session_toml(takes, cameras, lights))
    session = read_session(folder)
    thumbnails = Thumbnails(folder / "thumbnails")
    originals = []
    for n, shot in enumerate(session.stills()):
        bad = shot.stem == soft
        numbers = Numbers(0, 0.05 if bad else 0.2 + 0.001 * (n % 5), 0.0, 0.3 if bad else 1.0 + 0.01 * (n % 7))
        originals.append(Original(shot, Path(shot.stem), shot.stem, 1, shot.stem, 64, 64, 1, 0.0, numbers=(numbers,)))
        thumbnails.put(shot, encode_jpeg(texture(n % 40)))
    return Context(session, tuple(originals), (), (), thumbnails)


SOFT = "stills/take2/light3/cam2"


def covered_of(context: Context, report: Report) -> Coverage:
    return coverage(context.session, context.originals, report.issues)[0]


def test_a_large_session_is_a_sample_that_keeps_all_in_trouble(tmp_path: Path) -> None:
    context = context_of(tmp_path, takes=15, soft=SOFT)
    report = Report("ingest", (issue("FOCUS_SOFT", where=SOFT),))
    whole = Sheet(context, report)
    assert whole.note == ""
    total = sum(len(context.thumbnails.jpeg(o.shot)) for o in context.originals)
    smaller = Sheet(context, report, budget=total - 1)
    assert smaller.note.startswith("So that the page can be mailed")
    path = tmp_path / "page.html"
    write_session_page(path, context, report, covered_of(context, report), picture_bytes=total // 10)
    html = path.read_text()
    shown = re.search(r"(\d+) of 240 pictures are shown: those with an issue and an even sample", html)
    assert shown
    assert html.count("<img ") == int(shown[1])
    assert 10 < int(shown[1]) < 240
    assert f'alt="{SOFT}"' in html
    assert html.count("<details open>") == 1  # the take in trouble; the others are folded
    assert html.count("<details>") == 14
    assert sum(len(part) for part in re.findall(r"base64,([^\"]*)", html)) < total // 10 * 4 / 3 * 1.3


def test_plots_draw_limits_and_name_what_lies_beyond(tmp_path: Path) -> None:
    context = context_of(tmp_path, takes=3, soft=SOFT)
    exposure, focus = exposure_plot(context), focus_plot(context)
    assert "+0.45 stops" in exposure
    assert "58% left" in focus
    for drawing in (exposure, focus):
        assert drawing.count('class="limit"') >= 1
        assert drawing.count("<circle") == 1
        assert "take2 light3" in drawing
        assert "take1 light1" not in drawing
    clean = context_of(tmp_path, takes=3)
    assert "<circle" not in exposure_plot(clean) + focus_plot(clean)


def test_a_row_of_a_plot_holds_sixteen_cameras() -> None:
    dots = [Dot(f"cam{n}", "<take>", 9.0, True) for n in range(40)]
    drawing = drawn(dots, Axis(-1, 1, ((0.0, "zero", False),)), [f"cam{n}" for n in range(40)], "Exposure")
    assert drawing.count("<svg") == 3
    assert "&lt;take&gt;" in drawing
    assert drawing.count('cy="16.0"') == 40  # beyond the axis: at its end


def test_the_map_has_a_sign_beside_each_colour(tmp_path: Path) -> None:
    context = context_of(tmp_path, takes=2)
    gone = [issue("CAMERA_SETTINGS_DIFFER", where=f"stills/take1/light1/cam{n}") for n in (1, 2, 3, 4)]
    gone.append(issue("CAMERA_SETTINGS_DIFFER", where="stills/take2/light2/cam1"))
    html = coverage_map(covered_of(context, Report("ingest", tuple(gone))))
    assert '<td class="bad"><b>✕</b> 0/4</td>' in html
    assert '<td class="warn"><b>◐</b> 3/4</td>' in html
    assert html.count("✓</b> 4/4") == 6


def test_the_reshoot_list_is_numbered_and_cut(tmp_path: Path) -> None:
    context = context_of(tmp_path, takes=LINES + 2)
    gone = [issue("CAMERA_SETTINGS_DIFFER", where=f"stills/take{n}/light1/cam1") for n in range(1, LINES + 3)]
    soft = issue("FOCUS_SOFT", where="stills/take1/light2/cam1")
    html = reshoot_list(covered_of(context, Report("ingest", (*gone, soft))).lines)
    assert html.count("<li>") == LINES + 1
    assert "and 2 more, all listed in report.json" in html
    assert html.index("Shoot now") < html.index("Look, then decide")


def test_a_gap_of_the_plan_is_said_at_the_top(tmp_path: Path) -> None:
    plan = '[[plan]]\nregion = "hands"\ncameras = ["cam1"]\nframes = 2\n'
    (tmp_path / "session.toml").write_text(session_toml(extra=plan))
    session = read_session(tmp_path)
    covered, gaps = coverage(session, (), (), pending=frozenset())
    report = Report("ingest", gaps, {"safe_to_format": True, "safe_because": "x"})
    assert len(gaps) == 1
    html = session_verdict(report, covered.lines)
    assert "Before she goes, the plan lacks: hands · cam1, lights light1, light2, light3" in html
    assert 'verdict warn"' in html


def test_an_issue_of_many_places_marks_every_cell() -> None:
    worst = Worst(
        [
            issue("CAMERA_MOVED", where="stills/take2/*/cam1", found="9 px"),
            issue("FOCUS_SOFT", where="stills/take2/key/cam1.jpg"),
            issue("LIGHT_MISMATCH", where="stills/take1/key"),
        ]
    )
    moved = worst.get("stills/take2/fill/cam1")
    assert moved is not None
    assert moved.code == "CAMERA_MOVED"
    assert "stills/take1/key/cam9" in worst
    assert "stills/take1/fill/cam1" not in worst
    assert "stills/take2/key/cam2" not in worst
