"""Sealed folders: our histories before the reference tool, its scenarios before ours, and each way to tamper."""

from __future__ import annotations

import datetime as dt
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from capture.issues import Report
from capture.mhl.hashes import hash_file
from capture.mhl.manifest import FOLDER, Creator, FileRecord, Manifest, read_manifest
from capture.mhl.seal import Mode, Record, Seal, seal
from capture.mhl.verify import State, sealable, verify

OURS = Creator("studio", "likeness", "1")
DAY = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
SCENARIOS = ("scenario_01", "scenario_02", "scenario_03", "scenario_04", "scenario_05")


def seal_all(folder: Path, *formats: str, day: int = 0, restate: bool = False, skip: str = "") -> Seal:
    """Hash every file of a folder but `skip` and seal it."""
    paths = [path for path in sealable(folder).files if path != skip]
    records = [Record(p, (folder / p).stat().st_size, hash_file(folder / p, formats or ("xxh128",))) for p in paths]
    when, mode = DAY + dt.timedelta(days=day), Mode.RESTATE if restate else Mode.NEWS
    return seal(folder, records, when=when, creator=OURS, process="in-place", mode=mode)


def codes(report: Report) -> list[tuple[str, str]]:
    return [(item.code, item.where) for item in report.issues]


def reference_tool(verb: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of the reference implementation; its two commands, without their look for updates."""
    if importlib.util.find_spec("ascmhl") is None:
        pytest.skip("the reference tool is not installed; run make, which installs ascmhl")
    program = f"from ascmhl.commands import {verb}; {verb}()"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="session")
def reference(data_dir: Path) -> Path:
    """The reference implementation's scenarios and schema."""
    folder = data_dir / "ascmhl"
    if not folder.is_dir():
        pytest.skip(f"no ASC MHL reference data at {folder}")
    return folder


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A small card."""
    folder = tmp_path / "A001"
    for path, text in (("a.jpg", "one"), ("clips/b&ü.mov", "two"), ("clips/more/c d.mov", "three"), ("e.jpg", "")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def sealed(card: Path) -> Path:
    """The card with three generations: new, one file more, and a hand-over."""
    assert seal_all(card).written
    (card / "late.jpg").write_text("four")
    assert seal_all(card, "xxh128", day=1).written
    assert seal_all(card, "md5", "xxh128", day=2, restate=True).written
    return card


def manifests(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*.mhl"))


def test_the_reference_tool_accepts_our_histories(sealed: Path, reference: Path) -> None:
    assert len(manifests(sealed)) == 3
    code, said = reference_tool("verify", "-v", str(sealed))
    assert code == 0, said
    assert said.count(": OK") == 5
    schema = etree.XMLSchema(etree.parse(reference / "xsd" / "ASCMHL.xsd"))
    for path in manifests(sealed):
        schema.assertValid(etree.parse(path))
    # Folder hashes too, and a generation that it adds to ours is whole for us.
    code, said = reference_tool("verify", "-dh", "-h", "xxh128", "-v", str(sealed))
    assert "ERROR" not in said
    assert reference_tool("create", "-h", "xxh64", str(sealed))[0] == 0
    checked, report = verify(sealed)
    assert report.issues == ()
    assert report.facts == {"histories": 1, "generations": 4, "files": 5, "verified": 5}
    assert {name for item in checked for name, _ in item.hashes} == {"xxh128", "md5", "xxh64"}


def test_we_verify_the_scenarios(reference: Path) -> None:
    folders = [p for s in SCENARIOS for p in sorted((reference / "examples/scenarios/Output" / s).glob("*/*"))]
    assert len(folders) == 9
    for folder in folders:
        checked, report = verify(folder)
        if folder.match("scenario_04/file_server/*"):
            assert codes(report) == [("HASH_MISMATCH", "Sidecar.txt")]
            assert report.issues[0].expected == "xxh64 3ab5a4166b9bde44"
            assert report.issues[0].found == "xxh64 70d2cf31aaa3eac4"
            assert sum(item.state is State.VERIFIED for item in checked) == 2
        else:
            assert report.issues == ()
            assert all(item.state is State.VERIFIED for item in checked)


def statements(manifest: Manifest) -> set[tuple[str, ...]]:
    """What a manifest states of files and folders, without the times."""
    stated: set[tuple[str, ...]] = set()
    for record in (*manifest.records, *([manifest.root] if manifest.root else [])):
        if isinstance(record, FileRecord):
            stated |= {(record.path, str(record.size), h.name, h.text, h.action) for h in record.hashes}
        else:
            stated |= {(record.path, name, pair.content, pair.structure) for name, pair in record.hashes.items()}
    return stated | {(reference.path.split("_20")[0],) for reference in manifest.references}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenarios_come_out_equal(scenario: str, reference: Path, tmp_path: Path) -> None:
    """Each of their generations is made again from the same files and the generations before it."""
    output = reference / "examples/scenarios/Output" / scenario
    places = sorted(output.glob("*/*"), key=lambda p: p.parent.name != "travel_01")
    for number, theirs in enumerate(places):
        ours = tmp_path / str(number) / theirs.name
        shutil.copytree(theirs, ours, ignore=shutil.ignore_patterns(FOLDER))
        if theirs.parent.name == "travel_01":
            tops = [ours / "A002R2EC", ours / "A003R2EC"] if scenario == "scenario_05" else [ours]
        else:
            before = next(p for p in places if p.parent.name == "travel_01")
            for history in before.glob(f"**/{FOLDER}"):
                shutil.copytree(history, ours / history.relative_to(before))
            tops = [ours]
        for top in tops:
            second = scenario == "scenario_03" and theirs.parent.name == "file_server"
            assert seal_all(top, "md5" if second else "xxh64", restate=True).issues == ()
        for path in sorted(theirs.glob(f"**/{FOLDER}/*.mhl")):
            made = next((ours / path.relative_to(theirs).parent).glob(f"{path.name[:4]}_*.mhl"))
            assert statements(read_manifest(made)[0]) == statements(read_manifest(path)[0]), path


def test_nothing_changed_writes_nothing(sealed: Path) -> None:
    before = {path: path.read_bytes() for path in (sealed / FOLDER).iterdir()}
    again = seal_all(sealed, day=9)
    assert (again.written, again.path, again.issues) == (False, manifests(sealed)[-1], ())
    assert again.c4 == hash_file(manifests(sealed)[-1], ["c4"])["c4"]
    assert {path: path.read_bytes() for path in (sealed / FOLDER).iterdir()} == before


def test_a_seal_says_what_became_of_each_file(sealed: Path) -> None:
    (sealed / "a.jpg").write_text("rot")
    (sealed / "late.jpg").rename(sealed / "clips" / "early.jpg")
    (sealed / "new.jpg").write_text("five")
    result = seal_all(sealed, day=3)
    assert result.path is not None
    records = {r.path: r for r in read_manifest(result.path)[0].files}
    assert {path: record.hashes[0].action for path, record in records.items()} == {
        "a.jpg": "failed",
        "clips/b&ü.mov": "verified",
        "clips/early.jpg": "verified",
        "clips/more/c d.mov": "verified",
        "e.jpg": "verified",
        "new.jpg": "original",
    }
    assert records["clips/early.jpg"].previous == "late.jpg"
    assert codes(verify(sealed)[1]) == [("HASH_MISMATCH", "a.jpg")]
    # The same bad bytes once more are no news; the good ones back again are.
    assert not seal_all(sealed, day=4).written
    (sealed / "a.jpg").write_text("one")
    assert seal_all(sealed, day=5).written
    assert verify(sealed)[1].issues == ()
    assert reference_tool("verify", str(sealed))[0] == 0


def test_folder_hashes_are_written_only_where_all_files_are_known(card: Path) -> None:
    result = seal_all(card, skip="a.jpg")
    assert result.path is not None
    manifest = read_manifest(result.path)[0]
    assert manifest.root is None
    assert all(isinstance(record, FileRecord) for record in manifest.records)
    assert codes(verify(card)[1]) == [("FILE_UNSEALED", "a.jpg")]


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("flip", [("HASH_MISMATCH", "clips/b&ü.mov")]),
        ("missing", [("FILE_MISSING", "a.jpg")]),
        ("new", [("FILE_UNSEALED", "clips/x.mov")]),
        ("renamed", [("FILE_RENAMED", "clips/z.jpg")]),
        ("link out", [("FILE_UNREADABLE", "a.jpg")]),
        ("dangling link", [("FILE_UNREADABLE", "x.jpg")]),
        ("system file", []),
    ],
)
def test_each_fault_of_a_file_is_named(fault: str, named: list[tuple[str, str]], sealed: Path, tmp_path: Path) -> None:
    assert verify(sealed)[1].issues == ()
    match fault:
        case "flip":
            (sealed / "clips/b&ü.mov").write_bytes(b"tvo")
        case "missing":
            (sealed / "a.jpg").unlink()
        case "new":
            (sealed / "clips/x.mov").write_text("x")
        case "renamed":
            (sealed / "a.jpg").rename(sealed / "clips/z.jpg")
        case "link out":
            (tmp_path / "elsewhere").write_text("one")
            (sealed / "a.jpg").unlink()
            (sealed / "a.jpg").symlink_to(tmp_path / "elsewhere")
        case "dangling link":
            (sealed / "x.jpg").symlink_to("nowhere")
        case "system file":
            (sealed / "clips/.DS_Store").write_text("x")
    assert codes(verify(sealed)[1]) == named


def test_histories_inside_histories(tmp_path: Path, card: Path) -> None:
    reels = tmp_path / "Reels"
    reels.mkdir()
    assert seal_all(card).written
    shutil.move(card, reels / card.name)
    (reels / "summary.txt").write_text("a day")
    result = seal_all(reels, day=1, restate=True)
    assert result.path is not None
    assert [r.path.split("/")[0] for r in read_manifest(result.path)[0].references] == ["A001"]
    code, said = reference_tool("verify", "-v", str(reels))
    assert (code, said.count(": OK")) == (0, 5)
    assert verify(reels)[1].issues == ()
    # A history that is gone, chain and all, is missed by the one above it.
    shutil.rmtree(reels / "A001" / FOLDER)
    found = codes(verify(reels)[1])
    assert found[0][0] == "MANIFEST_GENERATION_MISSING"
    assert found[0][1].startswith(f"A001/{FOLDER}/0002_")


def test_a_history_that_came_with_a_card_is_content(card: Path) -> None:
    assert seal_all(card / "clips").written
    before = {path: path.read_bytes() for path in (card / "clips" / FOLDER).iterdir()}
    (card / "clips/b&ü.mov").rename(card / "b.mov")  # to the place of its shot
    paths = [p for p in sorted(card.rglob("*")) if p.is_file() and FOLDER not in p.parts]
    records = [Record(str(p.relative_to(card)), p.stat().st_size, hash_file(p, ["xxh128"])) for p in paths]
    assert seal(card, records, when=DAY, creator=OURS, mode=Mode.ALONE).written
    assert {path: path.read_bytes() for path in (card / "clips" / FOLDER).iterdir()} == before
    assert verify(card)[1].issues == ()


def test_misuse_is_a_value_error(card: Path) -> None:
    for path, hashes, text in (
        ("../x", {"md5": "0" * 32}, r"path '\.\./x' is not a plain relative path"),
        ("a.jpg", {"sha256": "0" * 64}, "hash format of 'a.jpg' is 'sha256'; give one of c4"),
        ("a.jpg", {}, "hash format of 'a.jpg' is none; give one of c4"),
    ):
        with pytest.raises(ValueError, match=text):
            seal(card, [Record(path, 1, hashes)], when=DAY, creator=OURS)
    assert not (card / FOLDER).exists()
