"""What a shoot sets aside: files by .likenessignore, issues by [[ignore]]; nothing disappears from the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import session_toml

from capture.errors import InvalidSession
from capture.ignore import FILE_NAME, apply_rules, read_file_rules, rules_used
from capture.ingest import ingest
from capture.issues import Issue, Report, Severity, issue
from capture.layout import place_of, take_inventory
from capture.report import ignored_list, issue_list
from capture.session import Session, read_session
from capture.vault import Vault

Build = Callable[..., Path]


def ruled(folder: Path, *rules: str) -> Session:
    folder.mkdir(exist_ok=True)
    (folder / "session.toml").write_text(session_toml(extra="".join(f"[[ignore]]\n{rule}\n" for rule in rules)))
    return read_session(folder)


def rule(code: str = "FOCUS_SOFT", where: str = "*", reason: str = "meant so", severity: str = "") -> str:
    text = f'code = "{code}"\nwhere = "{where}"\nreason = "{reason}"\n'
    return text + (f'severity = "{severity}"\n' if severity else "")


SOFT = issue("FOCUS_SOFT", where="stills/take1/light1/cam1")


@pytest.mark.parametrize(
    ("where", "hit"),
    [
        ("*", True),
        ("cam1", True),
        ("stills/take1/*/cam1", True),
        ("stills/take1/", True),
        ("**/light1/*", True),
        ("cam2", False),
        ("take1/light1", False),
        ("stills/take2", False),
    ],
)
def test_places_are_patterns_of_gitignore(tmp_path: Path, where: str, hit: bool) -> None:
    (judged,) = apply_rules(ruled(tmp_path, rule(where=where)), [SOFT])
    assert (judged.severity is Severity.IGNORED) == hit
    assert judged.rule == (f"FOCUS_SOFT at {where}: meant so" if hit else "")


@pytest.mark.parametrize("name", ["cam1.jpg", "cam1~2.jpg", "cam1"])
def test_a_place_also_names_its_file(tmp_path: Path, name: str) -> None:
    session = ruled(tmp_path, rule("FILE_TRUNCATED", "stills/take1/light1/cam1"))
    found = issue("FILE_TRUNCATED", where=f"stills/take1/light1/{name}")
    assert apply_rules(session, [found])[0].severity is Severity.IGNORED
    assert place_of(found.where) == "stills/take1/light1/cam1"


def test_only_its_own_code_is_set_aside(tmp_path: Path) -> None:
    other = issue("EXPOSURE_OFF", where=SOFT.where)
    assert apply_rules(ruled(tmp_path, rule()), [other]) == (other,)


def test_an_error_becomes_a_warning_and_the_last_rule_counts(tmp_path: Path) -> None:
    gone = [issue("GRID_FRAME_MISSING", where=f"stills/take1/light1/cam{n}") for n in (1, 2, 3)]
    session = ruled(
        tmp_path,
        rule("GRID_FRAME_MISSING", "*", "a trial", "warning"),
        rule("GRID_FRAME_MISSING", "cam2", "needed after all", "error"),
        rule("GRID_FRAME_MISSING", "cam3", "broken"),
        rule("GRID_FRAME_MISSING", "cam9", "never there"),
    )
    report = Report("ingest", apply_rules(session, gone))
    assert [i.where[-1] for i in report.warnings] == ["1"]
    assert [i.where[-1] for i in report.errors] == ["2"]
    assert [i.where[-1] for i in report.ignored] == ["3"]
    assert [used["issues"] for used in rules_used(session, report.issues) if isinstance(used, dict)] == [1, 1, 1, 0]


def test_what_is_ignored_blocks_nothing_and_stays_listed() -> None:
    ignored = Issue("FILE_EMPTY", Severity.IGNORED, "a.jpg", "", "0 bytes", "Empty.", "Copy.", "FILE_EMPTY at *: old")
    report = Report("ingest", (ignored, SOFT))
    assert report.ok
    assert (report.errors, report.warnings, report.ignored) == ((), (SOFT,), (ignored,))
    assert [code for code, _ in report.grouped()] == ["FOCUS_SOFT", "FILE_EMPTY"]
    assert "FILE_EMPTY" not in issue_list(report)
    assert "by the rule FILE_EMPTY at *: old" in ignored_list(report)
    assert "FOCUS_SOFT" not in ignored_list(report)
    assert Report.from_json(json.dumps(report.to_json())) == report


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (rule(code="FOCUS_SOFTT"), "did you mean 'FOCUS_SOFT'"),
        (rule(reason=""), "reason"),
        (rule(where=""), "pattern must name places"),
        (rule(where="!cam1"), "pattern must name places"),
        (rule(severity="none"), "severity"),
        ('code = "FOCUS_SOFT"\nwhere = "*"\n', "'ignore.0.reason' is missing"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InvalidSession) as caught:
        ruled(tmp_path, text)
    assert says in str(caught.value)


def test_files_are_passed_over_and_said_so(small_session: Build, tmp_path: Path) -> None:
    card = small_session()
    (card / "proofs").mkdir()
    (card / "proofs/a.jpg").write_bytes(b"not of the shoot")
    (card / "proofs/keep.jpg").write_bytes(b"a stray")
    (card / FILE_NAME).write_text("# proofs for the client\nproofs/*\n!proofs/keep.jpg\n")
    inventory = take_inventory(card, read_session(card), rules=read_file_rules(card))
    assert inventory.passed_over == ("proofs/a.jpg",)
    assert inventory.left == ("proofs/keep.jpg",)
    assert [(i.code, i.severity, i.where, i.found) for i in inventory.issues] == [
        ("FILE_IGNORED", Severity.IGNORED, "proofs/a.jpg", ".likenessignore line 2: proofs/*"),
        ("FILE_UNEXPECTED", Severity.WARNING, "proofs/keep.jpg", ""),
    ]
    assert [i.code for i in take_inventory(card, read_session(card)).issues] == ["FILE_UNEXPECTED"] * 2


def test_a_still_that_is_passed_over_is_missing_unless_sources_name_it(small_session: Build) -> None:
    card = small_session()
    (card / FILE_NAME).write_text("cam1.jpg\n")
    inventory = take_inventory(card, read_session(card), rules=read_file_rules(card))
    assert len(inventory.passed_over) == 4
    assert {s.camera for s in inventory.missing} == {"cam1"}
    one = "stills/take1/light1/cam1"
    text = (card / "session.toml").read_text()
    (card / "session.toml").write_text(text + f'[sources]\n"{one}" = "{one}.jpg"\n')
    inventory = take_inventory(card, read_session(card), rules=read_file_rules(card))
    assert len(inventory.passed_over) == 3
    assert one not in {s.stem for s in inventory.missing}


@pytest.mark.parametrize(
    ("data", "says"), [(b"ok\n!\n", "line 2 is no pattern"), (b"\xff\xfe", "not readable as text")]
)
def test_an_unusable_file_of_rules_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(InvalidSession, match=says) as caught:
        read_file_rules(tmp_path)
    assert [i.code for i in caught.value.report.issues] == ["SESSION_FILE_INVALID"]


def test_no_file_is_no_rule(tmp_path: Path) -> None:
    assert read_file_rules(tmp_path).rule_for("a.jpg") == ""


def test_ingest_keeps_both_kinds_of_rule(small_session: Build, tmp_path: Path) -> None:
    card = small_session()
    (card / "stills/take1/light1/cam1.jpg").unlink()
    (card / "stills/take1/light2/cam3.jpg").unlink()
    (card / "old.jpg").write_bytes(b"of another day")
    (card / FILE_NAME).write_text("old.jpg\n")
    text = (card / "session.toml").read_text()
    (card / "session.toml").write_text(text + "[[ignore]]\n" + rule("GRID_FRAME_MISSING", "cam1", "lens cap broke"))
    validated, report = ingest(card, Vault(tmp_path / "vault"))
    assert [(i.code, i.where) for i in report.errors] == [("GRID_FRAME_MISSING", "stills/take1/light2/cam3")]
    assert {i.code for i in report.ignored} == {"GRID_FRAME_MISSING", "FILE_IGNORED"}
    assert report.facts["safe_to_format"] is True
    assert "that .likenessignore names not copied, first old.jpg" in str(report.facts["safe_because"])
    html = (validated.folder.derived("ingest") / "report.html").read_text()
    assert html.index("Set aside by the rules") > html.index("Empty plates")
    assert "lens cap broke" in html
    (card / FILE_NAME).write_text("")
    _, report = ingest(card, Vault(tmp_path / "vault"))
    assert "skipped" not in report.facts
    assert {i.code for i in report.warnings} == {"FILE_UNEXPECTED"}
