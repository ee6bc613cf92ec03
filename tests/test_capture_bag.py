"""BagIt bags: the conformance suite, hostile bags, and our own before the reference tool."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import bagit
import pytest

from capture.admission import Papers
from capture.bag import export_bag
from capture.bag_check import check_bag
from capture.errors import ConsentRefused, IncompleteInput
from capture.ingest import ingest
from capture.issues import Report
from capture.vault import SessionFolder, Vault

DAY = dt.date(2026, 1, 31)


@pytest.fixture(scope="session")
def suite(data_dir: Path) -> Path:
    """The conformance suite of the Library of Congress."""
    folder = data_dir / "bagit-conformance"
    if not folder.is_dir():
        pytest.skip(f"no BagIt conformance suite at {folder}")
    return folder


def codes(report: Report) -> list[tuple[str, str]]:
    return [(item.code, item.where) for item in report.issues]


def test_the_conformance_suite_comes_out_right(suite: Path) -> None:
    bags = [path for path in sorted(suite.glob("v*/*/*")) if path.is_dir()]
    assert len(bags) == 60
    wrong = []
    for bag in bags:
        report = check_bag(bag)
        match bag.parent.name:
            case "valid":
                right = report.ok
            case "warning":
                right = report.ok and bool(report.warnings)
            case _:  # invalid; paths that lead out on one system are refused on all
                right = not report.ok
        if not right:
            wrong.append((bag.relative_to(suite).as_posix(), codes(report)))
    assert wrong == []


@pytest.fixture
def session(small_session: Callable[..., Path], tmp_path: Path) -> SessionFolder:
    """An ingested shoot."""
    return ingest(small_session(cameras=2, lights=1), Vault(tmp_path / "vault"), papers=Papers(day=DAY))[0].folder


def test_a_session_becomes_a_bag(session: SessionFolder, tmp_path: Path) -> None:
    to = tmp_path / "bag"
    report = export_bag(session, to, when=DAY, organisation="Studio  Nord\n")
    assert report.issues == ()
    judge = bagit.Bag(str(to))
    judge.validate()
    assert (judge.version_info, sorted(judge.algorithms)) == ((1, 0), ["sha256", "sha512"])
    assert judge.info["Payload-Oxum"] == f"{report.facts['bytes']}.{report.facts['files']}"
    assert judge.info["Source-Organization"] == "Studio Nord"
    assert judge.info["External-Identifier"] == "s001"
    assert {"data/session.toml", "data/originals/plates/cam1.jpg"} <= set(judge.payload_entries())
    assert {name for name in judge.tagfile_entries() if name.startswith("manifest-")} == {
        "manifest-sha256.txt",
        "manifest-sha512.txt",
    }
    for path in session.originals.rglob("*.jpg"):
        copy = to / "data" / path.relative_to(session.root)
        assert copy.read_bytes() == path.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_every_fault_of_a_bag_is_named(session: SessionFolder, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert export_bag(session, whole, when=DAY).ok
    photo = "data/originals/plates/cam1.jpg"

    def broken(change: Callable[[Path], object]) -> list[tuple[str, str]]:
        bag = tmp_path / "bag"
        shutil.copytree(whole, bag)
        change(bag)
        report = check_bag(bag)
        shutil.rmtree(bag)
        return codes(report)

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()
        path.write_bytes(data)

    def link(path: Path) -> None:
        path.unlink()
        path.symlink_to(whole / photo)

    assert broken(lambda bag: None) == []
    # One for each of the two digests.
    assert broken(lambda bag: flip(bag / photo)) == [("HASH_MISMATCH", photo)] * 2
    assert ("FILE_MISSING", photo) in broken(lambda bag: (bag / photo).unlink())
    assert ("BAG_INVALID", "data/x") in broken(lambda bag: (bag / "data/x").write_text("x"))
    assert broken(lambda bag: flip(bag / "bag-info.txt"))[0] == ("HASH_MISMATCH", "bag-info.txt")
    assert ("PATH_ESCAPES", photo) in broken(lambda bag: link(bag / photo))
    assert broken(lambda bag: (bag / "bagit.txt").unlink()) == [("BAG_INVALID", "bagit.txt")]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("manifest-sha256.txt", "zz  data/a\n", "BAG_INVALID"),
        ("manifest-sha256.txt", f"{'0' * 64}  data/../../a\n", "PATH_ESCAPES"),
        ("manifest-sha256.txt", f"{'0' * 64}  data/a\0b\n", "PATH_ESCAPES"),
        ("manifest-sha256.txt", f"{'0' * 64}  %0Adata/a\n", "PATH_ESCAPES"),
        ("manifest-sha256.txt", f"{'0' * 64}  data/{'a' * 5000}\n", "FILE_MISSING"),
        ("manifest-sha256.txt", b"\xff\xfe\xff", "BAG_INVALID"),
        ("manifest-crc32.txt", "00  data/a\n", "BAG_UNUSUAL"),
        ("tagmanifest-sha256.txt", f"{'0' * 64}  data/a\n", "PATH_ESCAPES"),
        ("fetch.txt", "http://localhost/a - ../a\n", "PATH_ESCAPES"),
        ("fetch.txt", "http://localhost/a\n", "BAG_INVALID"),
        ("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: zlib\n", "BAG_INVALID"),
        ("bagit.txt", f"BagIt-Version: {'9' * 400}.0\nTag-File-Character-Encoding: UTF-8\n", "BAG_UNUSUAL"),
        ("bag-info.txt", "Payload-Oxum: 9.9\n", "BAG_INVALID"),
    ],
)
def test_hostile_bags_end_in_words(name: str, text: str | bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    (tmp_path / "manifest-md5.txt").write_text("")
    assert check_bag(tmp_path).issues == ()
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    assert code in {item.code for item in check_bag(tmp_path).issues}


def test_names_with_percent_signs_and_line_ends_come_back(session: SessionFolder, tmp_path: Path) -> None:
    (session.originals / "100%\n25.txt").write_text("odd")
    assert export_bag(session, tmp_path / "bag", when=DAY).issues == ()
    assert "data/originals/100%25%0A25.txt" in (tmp_path / "bag/manifest-sha256.txt").read_text()


def test_no_bag_of_what_changed_since_ingest(session: SessionFolder, tmp_path: Path) -> None:
    path = next(session.originals.rglob("cam1.jpg"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    report = export_bag(session, tmp_path / "bag", when=DAY)
    assert [item.code for item in report.errors] == ["ORIGINAL_CHANGED"]
    assert not (tmp_path / "bag").exists()


def test_a_bag_is_refused_where_it_must_not_be(session: SessionFolder, tmp_path: Path) -> None:
    with pytest.raises(ConsentRefused, match="it ended on 2099-12-31"):
        export_bag(session, tmp_path / "bag", when=dt.date(2100, 1, 1))
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="there exists already; name a folder that does not"):
        export_bag(session, tmp_path / "there", when=DAY)
    (session.derived("ingest") / "ingest.json").unlink()
    with pytest.raises(IncompleteInput, match="ingest is not there or not finished"):
        export_bag(session, tmp_path / "bag", when=DAY)
    assert not (tmp_path / "bag").exists()
