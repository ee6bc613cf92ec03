"""ASC MHL hashes, manifests and chains: against the reference files, their schema and hostile input."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from capture.mhl.chain import Link, read_chain, render_chain
from capture.mhl.folders import folder_hashes
from capture.mhl.hashes import FORMATS, decode, encode, hash_bytes, hash_file, hash_folder
from capture.mhl.manifest import (
    Author,
    Creator,
    FileHash,
    FileRecord,
    FolderRecord,
    Manifest,
    ManifestError,
    Reference,
    manifest_name,
    number_of,
    read_manifest,
    render_manifest,
)

NOON = dt.datetime(2026, 1, 31, 12, 30, 5, tzinfo=dt.UTC)
OURS = Creator("studio", "likeness", "1", (Author("Ann <A&B>", "DIT", "a@b.c", "1"),), "Rome", "day 1")
HEAD = (
    '<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0"><creatorinfo><creationdate>2026-01-31T12:00:00Z</creationdate>'
    "<hostname>h</hostname><tool>t</tool></creatorinfo><processinfo><process>in-place</process></processinfo>"
)


@pytest.fixture(scope="session")
def reference(data_dir: Path) -> Path:
    """The reference implementation's scenarios and schema."""
    folder = data_dir / "ascmhl"
    if not folder.is_dir():
        pytest.skip(f"no ASC MHL reference data at {folder}")
    return folder


def schema_of(reference: Path, name: str) -> etree.XMLSchema:
    """A schema; the one of the chain names its import by an address of the network, which is the file beside it."""
    text = (reference / "xsd" / name).read_text()
    text = text.replace("https://raw.githubusercontent.com/ascmitc/mhl/master/xsd/", f"{reference / 'xsd'}/")
    return etree.XMLSchema(etree.fromstring(text.encode()))


def full_manifest() -> Manifest:
    """Everything that a manifest can hold, with a name that XML must escape."""
    hashes = tuple(FileHash(name, hash_bytes(b"abc", name), "verified") for name in FORMATS)
    pairs = {name: hash_folder({"a&b <ü>.jpg": hash_bytes(b"abc", name)}, {}, name) for name in FORMATS}
    return Manifest(
        created=NOON.isoformat(),
        creator=OURS,
        process="transfer",
        records=(
            FileRecord("Clips/a&b <ü>.jpg", hashes, 3, NOON.isoformat(), "Clips/old\nname.jpg"),
            FolderRecord("Clips", pairs),
        ),
        root=None,
        references=(Reference("B/ascmhl/0001_B_2026-01-31_123005Z.mhl", hash_bytes(b"", "c4")),),
    )


def test_hashes_are_those_of_their_standards(tmp_path: Path) -> None:
    # C4 of nothing is the published vector of SMPTE ST 2114; the others are of their makers' test suites.
    empty = "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT"
    assert hash_bytes(b"", "c4") == empty
    assert hash_bytes(b"", "xxh64") == "ef46db3751d8e999"
    assert hash_bytes(b"", "xxh3") == "2d06800538d394c2"
    assert hash_bytes(b"", "xxh128") == "99aa06d3014798d86001c324468d497f"
    assert hash_bytes(b"abc", "md5") == "900150983cd24fb0d6963f7d28e17f72"
    assert hash_bytes(b"abc", "sha1") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    (tmp_path / "f").write_bytes(b"abc" * 1_000_000)
    assert hash_file(tmp_path / "f", FORMATS) == {name: hash_bytes(b"abc" * 1_000_000, name) for name in FORMATS}
    with pytest.raises(ValueError, match="hash format 'sha256' is unknown; give one of c4"):
        hash_file(tmp_path / "f", ["sha256"])


@given(st.binary(min_size=64, max_size=64))
@settings(max_examples=50, deadline=None)
def test_c4_leads_there_and_back(digest: bytes) -> None:
    assert decode("c4", encode("c4", digest)) == digest


@pytest.mark.parametrize(
    ("name", "text"), [("c4", "c4" + "z" * 88), ("c4", "c40" + "1" * 87), ("md5", "0" * 31), ("xxh64", "g" * 16)]
)
def test_what_is_no_hash_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"is not a {name}; one is"):
        decode(name, text)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / manifest_name(1, "A001", NOON)
    assert path.name == "0001_A001_2026-01-31_123005Z.mhl"
    assert number_of(path.name) == 1
    text = render_manifest(full_manifest())
    path.write_text(text)
    assert read_manifest(path) == (full_manifest(), hash_bytes(text.encode(), "c4"))
    links = (Link(1, path.name, hash_bytes(b"1", "c4")), Link(2, "0002_b&c.mhl", hash_bytes(b"2", "c4")))
    (tmp_path / "chain.xml").write_text(render_chain(links))
    assert read_chain(tmp_path / "chain.xml") == links


def test_both_files_follow_the_schema(reference: Path) -> None:
    manifests = schema_of(reference, "ASCMHL.xsd")
    empty = Manifest(NOON.isoformat(), OURS, "in-place", ())
    for manifest in (full_manifest(), empty):
        manifests.assertValid(etree.fromstring(render_manifest(manifest).encode()))
    chain = etree.fromstring(render_chain((Link(1, "0001_a.mhl", hash_bytes(b"", "c4")),)).encode())
    schema_of(reference, "ASCMHLDirectory.xsd").assertValid(chain)
    # The control: a hash that ASC MHL does not know.
    wrong = render_manifest(full_manifest()).replace("<md5 ", "<sha256 ").replace("</md5>", "</sha256>")
    assert not manifests.validate(etree.fromstring(wrong.encode()))


def test_a_name_that_xml_cannot_hold_is_named() -> None:
    record = FileRecord("a\x01.jpg", (FileHash("md5", "0" * 32, "original"),))
    with pytest.raises(ValueError, match=r"name 'a\\x01.jpg' holds the character '\\x01'.*rename the file"):
        render_manifest(Manifest("", OURS, "in-place", (record,)))
    with pytest.raises(ValueError, match="has no time zone"):
        manifest_name(1, "a", dt.datetime(2026, 1, 1))


def one_hash(inner: str) -> str:
    return f"{HEAD}<hashes><hash>{inner}</hash></hashes></hashlist>"


HOSTILE = {
    "nothing": "",
    "no XML": "hello",
    "not finished": HEAD,
    "bombs": '<!DOCTYPE b [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><hashlist>&b;</hashlist>',
    "a file of the host": '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><hashlist>&a;</hashlist>',
    "nested": "<a>" * 5000,
    "another root": "<html/>",
    "no creator": '<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0"/>',
    "a path out": one_hash('<path>../../etc/passwd</path><md5 action="original">' + "0" * 32 + "</md5>"),
    "an absolute path": one_hash('<path>/etc/passwd</path><md5 action="original">' + "0" * 32 + "</md5>"),
    "no path": one_hash('<md5 action="original">' + "0" * 32 + "</md5>"),
    "a deep path": one_hash(f"<path>{'a/' * 5000}b</path><md5>{'0' * 32}</md5>"),
    "no hash": one_hash("<path>a</path>"),
    "a short hash": one_hash('<path>a</path><md5 action="original">00</md5>'),
    "two of one": one_hash(f"<path>a</path><md5>{'0' * 32}</md5><md5>{'1' * 32}</md5>"),
    "an action of its own": one_hash(f'<path>a</path><md5 action="trusted">{"0" * 32}</md5>'),
    "a size of words": one_hash(f'<path size="large">a</path><md5>{"0" * 32}</md5>'),
    "a long size": one_hash(f'<path size="{"9" * 5000}">a</path><md5>{"0" * 32}</md5>'),
    "twice": f"{HEAD}<hashes>" + f"<hash><path>a</path><md5>{'0' * 32}</md5></hash>" * 2 + "</hashes></hashlist>",
    "an encoding": '<?xml version="1.0" encoding="zlib"?><a/>',
    "half a folder": f"{HEAD}<hashes><directoryhash><path>a</path><content/></directoryhash></hashes></hashlist>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused_in_words(text: str, tmp_path: Path) -> None:
    path = tmp_path / "0001_a.mhl"
    path.write_text(text)
    with pytest.raises(ManifestError, match=r"\w"):
        read_manifest(path)
    with pytest.raises(ManifestError, match=r"\w"):
        read_chain(path)


@given(st.integers(0, 2000), st.binary(max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_broken_manifest_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes) -> None:
    data = render_manifest(full_manifest()).encode()
    path = tmp_path_factory.getbasetemp() / "0001_a.mhl"
    path.write_bytes(data[:at] + junk + data[at + len(junk) + 1 :])
    with suppress(ManifestError):
        read_manifest(path)


def test_the_hashes_of_folders_are_those_of_the_reference(reference: Path) -> None:
    manifests = sorted(reference.glob("examples/scenarios/Output/**/*.mhl"))
    assert len(manifests) == 17
    for path in manifests:
        manifest, _ = read_manifest(path)
        found = folder_hashes(manifest)
        assert found.computed, path
        assert found.differing == (), path


def test_a_chain_holds_the_c4_of_its_manifests(reference: Path) -> None:
    chains = sorted(reference.glob("examples/scenarios/Output/**/ascmhl_chain.xml"))
    assert len(chains) == 12
    for path in chains:
        for link in read_chain(path):
            assert read_manifest(path.parent / link.name)[1] == link.c4
