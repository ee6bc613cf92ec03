"""The ground floor: errors, issues, artefacts, paths and the vault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capture import errors, store
from capture.issue_codes.movement import MOVEMENT
from capture.issue_codes.movement_style import MOVEMENT_STYLE
from capture.issue_codes.rig import RIG
from capture.issue_codes.shoot import SHOOT
from capture.issue_codes.twin import TWIN
from capture.issues import CATALOGUE, Report, Severity, issue
from capture.vault import SessionFolder, Vault


def test_each_failure_has_its_own_exit_code() -> None:
    kinds: list[type[errors.LikenessError]] = [
        errors.InvalidSession,
        errors.CalibrationTooPoor,
        errors.ConsentRefused,
        errors.ComparisonFailed,
        errors.IncompleteInput,
    ]
    assert [kind.exit_code for kind in kinds] == [10, 11, 12, 13, 14]
    report = Report("ingest", (issue("FILE_MISSING", where="a"),))
    assert errors.InvalidSession("no", report).report is report


def test_catalogue_speaks_to_a_person() -> None:
    for code, entry in CATALOGUE.items():
        assert code.isupper()
        assert entry.reason.endswith(".")
        assert entry.remedy.endswith(".")


def test_no_code_stands_in_two_parts_of_the_catalogue() -> None:
    parts = (SHOOT, RIG, TWIN, MOVEMENT, MOVEMENT_STYLE)
    assert sum(len(part) for part in parts) == len(CATALOGUE)


def test_an_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="'NO_SUCH' is not in the catalogue"):
        issue("NO_SUCH", where="here")


def test_report_groups_errors_first_and_survives_json() -> None:
    report = Report("ingest", (issue("FOCUS_SOFT", where="b"), issue("PLATE_MISSING", where="p")), {"files": 3})
    assert report.ok
    more = report.with_issues([issue("FILE_EMPTY", where="a"), issue("FOCUS_SOFT", where="c", found="30%")])
    assert not more.ok
    assert [code for code, _ in more.grouped()] == ["FILE_EMPTY", "FOCUS_SOFT", "PLATE_MISSING"]
    assert [i.severity for i in more.errors] == [Severity.ERROR]
    assert Report.from_json(json.dumps(more.to_json())) == more
    with pytest.raises(ValueError, match="schema is 99"):
        Report.from_json('{"schema": 99}')


def test_artefact_is_read_only_when_finished(tmp_path: Path) -> None:
    store.reopen(tmp_path / "a", "a")
    store.write_atomic(tmp_path / "a" / "x.txt", "hello")
    with pytest.raises(errors.IncompleteInput, match="run the step before"):
        store.read(tmp_path / "a", "a")
    made = store.finish(tmp_path / "a", "a", consent="c", inputs={"i": "0"}, settings={"n": 1}, result={"r": [1]})
    assert made.outputs == {"x.txt": store.sha256_text("hello")}
    assert store.read(tmp_path / "a", "a") == made
    store.reopen(tmp_path / "a", "a")
    with pytest.raises(errors.IncompleteInput, match="not finished"):
        store.read(tmp_path / "a", "a")


def test_artefact_is_current_only_for_its_inputs_settings_and_files(tmp_path: Path) -> None:
    store.write_atomic(tmp_path / "x.txt", "hello")
    store.finish(tmp_path, "a", consent="c", inputs={"i": "0"}, settings={"n": 1}, result={})
    assert store.current(tmp_path, "a", inputs={"i": "0"}, settings={"n": 1})
    assert store.current(tmp_path, "a", inputs={"i": "1"}, settings={"n": 1}) is None
    assert store.current(tmp_path, "a", inputs={"i": "0"}, settings={"n": 2}) is None
    (tmp_path / "x.txt").write_text("changed")
    assert store.changed(store.read(tmp_path, "a")) == ["x.txt"]
    assert store.current(tmp_path, "a", inputs={"i": "0"}, settings={"n": 1}) is None


def test_write_atomic_keeps_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    store.write_atomic(path, "old")

    def fail(_: int) -> None:
        raise OSError("disk is gone")

    monkeypatch.setattr(store.os, "fsync", fail)
    with pytest.raises(OSError, match="disk is gone"):
        store.write_atomic(path, "new")
    assert path.read_text() == "old"


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write_json(tmp_path / "f.json", {"x": float("nan")})
    assert not (tmp_path / "f.json").exists()


@pytest.mark.parametrize("name", ["..", ".x", "-x", "a/b", "", "ä", "a b", "x" * 81])
def test_names_that_could_leave_a_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not usable as a folder name"):
        Vault(tmp_path).session(name, "s")


def test_paths_may_not_leave_their_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    assert store.inside(tmp_path / "in", "a/b") == (tmp_path / "in" / "a" / "b").resolve()
    for path in ("../x", "/etc/passwd", "link/x"):
        with pytest.raises(ValueError, match="leaves 'in'"):
            store.inside(tmp_path / "in", path)


def test_vault_finds_a_session_by_name(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    folder = vault.session("p1", "s1")
    with pytest.raises(ValueError, match="in the vault 0 times"):
        vault.find_session("s1")
    folder.root.mkdir(parents=True)
    assert vault.find_session("s1") == folder == SessionFolder(tmp_path / "people/p1/sessions/s1")
    assert folder.vault == vault
    vault.session("p2", "s1").root.mkdir(parents=True)
    with pytest.raises(ValueError, match="2 times"):
        vault.find_session("s1")
