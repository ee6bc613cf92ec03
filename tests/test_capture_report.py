"""The pages: one file, nothing loaded, everything escaped, the verdict first, errors before warnings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import texture

from capture.images import encode_jpeg
from capture.ingest import ingest
from capture.issues import Report, issue
from capture.report import figures, issue_list, page, picture, table, verdict
from capture.report.session_page import session_verdict
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
    assert "Safe to format the card: NO, 1 copies do not decode" in html
    assert Report.from_json((folder / "report.json").read_text()) == report
    assert str(tmp_path) not in html
