"""The `twin` command: help, usage, exit codes and what it prints, for people and for machines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from capture import errors
from capture.errors import ConsentRefused, IncompleteInput, InvalidSession
from capture.issues import Report, issue
from scripts import HOUSE, intruders
from scripts.cli import app, main, split_flags
from scripts.ingest import exit_code
from scripts.printing import Outcome, Printer

VERBS = (
    "init",
    "board",
    "watch",
    "ingest",
    "calibrate",
    "drift",
    "body",
    "marks",
    "motion",
    "dataset",
    "plan",
    "train",
    "render",
    "compare",
    "demo",
)


def run(*arguments: str) -> int:
    """The exit code of one command line."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def test_the_verbs_are_the_documented_ones() -> None:
    names = [str(c.name or getattr(c.callback, "__name__", "")) for c in app.registered_commands]
    assert tuple(names) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    assert f"Usage: twin {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_wrong_usage(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--no-such-option") == errors.EXIT_USAGE
    assert "--no-such-option" in capsys.readouterr().err


def test_an_unknown_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("digest") == errors.EXIT_USAGE
    assert "digest" in capsys.readouterr().err


def test_no_verb_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() in (0, errors.EXIT_USAGE)
    said = "".join(capsys.readouterr())
    assert [verb for verb in VERBS if f"\n  {verb} " not in said] == []


@pytest.mark.parametrize("verb", ["calibrate", "marks", "dataset", "plan", "train", "render", "compare"])
def test_a_missing_vault_is_one_line(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "s1", "--vault", str(tmp_path / "none")) == errors.EXIT_USAGE
    said = capsys.readouterr()
    assert said.err.startswith("twin: vault ")
    assert "does not exist" in said.err
    assert "Traceback" not in said.err
    assert said.err.count("\n") == 1


def test_an_unknown_session_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("calibrate", "p1/s9", "--vault", str(tmp_path)) == errors.EXIT_USAGE
    assert "'p1/s9' is not in vault" in capsys.readouterr().err


def test_the_vault_can_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIKENESS_VAULT", str(tmp_path / "elsewhere"))
    run("calibrate", "s1")
    assert "elsewhere does not exist" in capsys.readouterr().err


def test_a_folder_without_a_session_is_an_invalid_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("ingest", str(tmp_path), "--vault", str(tmp_path / "vault"))
    assert code == InvalidSession.exit_code
    said = capsys.readouterr().err
    assert "SESSION_FILE_MISSING" in said
    assert "twin: session.toml is missing" in said


def test_init_then_ingest_refuses_the_unfilled_consent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", str(tmp_path / "shoot")) == 0
    assert "next: " in capsys.readouterr().out
    assert (tmp_path / "shoot" / "session.toml").is_file()
    code = run("ingest", str(tmp_path / "shoot"), "--vault", str(tmp_path / "vault"))
    assert code in (ConsentRefused.exit_code, InvalidSession.exit_code)


def test_failures_are_events_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ingest", str(tmp_path), "--json", "--vault", str(tmp_path / "v")) == InvalidSession.exit_code
    event = json.loads(capsys.readouterr().out)
    assert event["event"] == "failure"
    assert event["exit_code"] == InvalidSession.exit_code
    assert event["report"]["issues"][0]["code"] == "SESSION_FILE_MISSING"


def test_traceback_shows_where(tmp_path: Path) -> None:
    with pytest.raises(InvalidSession, match=r"session\.toml is missing"):
        main(["ingest", str(tmp_path), "--traceback"])


@pytest.mark.parametrize(
    ("arguments", "flags", "rest"),
    [
        (["ingest", "x", "--json"], ["--json"], ["ingest", "x"]),
        (["-q", "ingest", "x", "--force"], ["-q"], ["ingest", "x", "--force"]),
        (["ingest", "--", "--json"], [], ["ingest", "--", "--json"]),
        ([], [], []),
    ],
)
def test_global_flags_go_before_or_after_the_verb(arguments: list[str], flags: list[str], rest: list[str]) -> None:
    assert split_flags(arguments) == (flags, rest)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((), errors.EXIT_OK),
        (("FOCUS_SOFT",), errors.EXIT_OK),
        (("FILE_MISSING", "GRID_FRAME_MISSING"), IncompleteInput.exit_code),
        (("GRID_FRAME_MISSING", "FILE_TRUNCATED"), InvalidSession.exit_code),
    ],
)
def test_missing_files_and_bad_files_have_their_own_exit_code(codes: tuple[str, ...], expected: int) -> None:
    assert exit_code(Report("ingest", tuple(issue(c, where="x") for c in codes))) == expected


def _outcome() -> Outcome:
    missing = (issue("FILE_MISSING", where=f"stills/t/key/cam{n}", expected="a file") for n in range(5))
    report = Report("ingest", (issue("FOCUS_SOFT", where="stills/a"), *missing), {"frames": 12, "share": 0.123456})
    return Outcome("ingest", "5 of 12 files", report, (Path("a") / "report.html",), "reshoot", 14)


def test_people_read_errors_first_three_examples_and_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().outcome(_outcome())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ingest: 5 of 12 files"
    assert lines[1].strip().startswith("error FILE_MISSING x 5: ")
    assert lines[2].strip() == "stills/t/key/cam0: expected a file"
    assert lines[5].strip() == "and 2 more"
    assert lines[6].strip().startswith("do: Copy it from the card")
    assert lines[7].strip().startswith("warning FOCUS_SOFT: ")
    assert "  share: 0.1235" in lines
    assert lines[-2:] == ["  -> " + str(Path("a") / "report.html"), "next: reshoot"]


def test_a_skipped_step_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().outcome(Outcome("marks", "4 birthmarks", Report("marks", facts={"skipped": True})))
    assert capsys.readouterr().out.startswith("marks: already done, nothing has changed: 4 birthmarks")


def test_quiet_prints_only_what_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(quiet=True).outcome(_outcome())
    said = capsys.readouterr()
    assert said.out == ""
    assert "FILE_MISSING" in said.err
    assert "FOCUS_SOFT" not in said.err


def test_machines_read_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(machine=True)
    printer.say("reading")
    printer.outcome(_outcome())
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {"event": "progress", "message": "reading"}
    assert second["exit_code"] == 14
    assert len(second["report"]["issues"]) == 6


def test_a_long_step_is_about_a_hundred_events(capsys: pytest.CaptureFixture[str]) -> None:
    with Printer(machine=True).progress("training", 250) as step:
        for done in range(1, 251):
            step(done, 0.5)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) == 125
    assert events[-1] == {"event": "step", "of": "training", "done": 250, "total": 250, "value": 0.5}


def test_a_long_step_says_nothing_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with Printer().progress("training", 2) as step:
        step(2, 0.5)
    assert capsys.readouterr() == ("", "")


def test_words_in_brackets_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert Printer().failure(ValueError("key [bold] is\nwrong")) == errors.EXIT_USAGE
    assert capsys.readouterr().err == "twin: key [bold] is wrong\n"


def test_a_full_disk_is_no_usage_error() -> None:
    assert Printer(quiet=True).failure(OSError("No space left on device")) == 1


def test_a_foreign_package_is_named(tmp_path: Path) -> None:
    assert intruders() == []
    found = intruders(tmp_path)
    assert len(found) == 3
    assert "package 'training' is taken from" in found[2]


def test_a_foreign_package_found_first_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(HOUSE)!r}]; import scripts.cli"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"package 'training' is taken from {tmp_path / 'training'}, not from {HOUSE}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_board_is_written_with_the_lines_that_describe_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "board.pdf"
    assert run("board", str(out), "--columns", "5", "--rows", "7", "--square-mm", "30", "--paper", "A4") == 0
    assert out.read_bytes().startswith(b"%PDF-1.4")
    said = capsys.readouterr().out
    assert "[calibration.board]" in said
    assert "square_m = 0.03\n" in said
    assert run("board", str(tmp_path / "board.doc")) == errors.EXIT_USAGE
    assert "ends in .doc; give a name that ends in .pdf or .svg" in capsys.readouterr().err
