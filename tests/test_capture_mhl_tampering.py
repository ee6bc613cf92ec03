"""Each way to tamper with a sealed history: named by us, and what the reference tool says of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from test_capture_mhl_history import card, codes, manifests, reference_tool, seal_all, sealed

from capture.mhl.chain import FILE_NAME, Link, read_chain, render_chain
from capture.mhl.hashes import hash_file
from capture.mhl.manifest import FOLDER
from capture.mhl.verify import verify

__all__ = ["card", "sealed"]  # fixtures


def rechain(folder: Path, keep: Callable[[Path], bool] = lambda _: True, *, count: bool = False) -> None:
    """Write the chain anew, as somebody who covers traces would; `count` numbers its lines from 1."""
    found = [path for path in manifests(folder) if keep(path)]
    numbers = range(1, len(found) + 1) if count else [int(path.name[:4]) for path in found]
    links = [Link(n, p.name, hash_file(p, ["c4"])["c4"]) for n, p in zip(numbers, found, strict=True)]
    (folder / FOLDER / FILE_NAME).write_text(render_chain(tuple(links)))


def edit(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, path.read_text(), count=1, flags=re.DOTALL)
    assert count == 1
    path.write_text(text)


CHAIN = f"{FOLDER}/{FILE_NAME}"


def test_each_fault_of_a_history_is_named(sealed: Path) -> None:
    first, second, third = (f"{FOLDER}/{path.name}" for path in manifests(sealed))

    def tampered(change: Callable[[Path], object]) -> list[tuple[str, str]]:
        copy = sealed.parent / "copy" / sealed.name
        shutil.copytree(sealed, copy)
        change(copy)
        found = codes(verify(copy)[1])
        shutil.rmtree(copy)
        return found

    assert tampered(lambda c: None) == []
    assert tampered(lambda c: (c / CHAIN).unlink()) == [("MANIFEST_CHAIN_MISSING", CHAIN)]
    assert tampered(lambda c: edit(c / second, "studio", "Studio")) == [("MANIFEST_ALTERED", second)]
    assert tampered(lambda c: (c / third).write_text("x")) == [("MANIFEST_ALTERED", third)]
    assert tampered(lambda c: (c / CHAIN).write_text("x"))[0] == ("MANIFEST_INVALID", CHAIN)
    assert tampered(lambda c: shutil.rmtree(c / FOLDER)) == [("MANIFEST_MISSING", FOLDER)]
    assert tampered(lambda c: rechain(c, lambda p: p.name != second[len(FOLDER) + 1 :])) == [
        ("MANIFEST_GENERATION_MISSING", CHAIN),
        ("MANIFEST_UNLISTED", second),
    ]


def remove_first(folder: Path) -> None:
    manifests(folder)[0].unlink()


def test_a_generation_that_was_taken_out_is_missed(sealed: Path) -> None:
    """Issue 119 of the reference tool. Its version 1.2 misses the file, and still lets pass the file with its line."""
    assert seal_all(sealed, day=3, restate=True).written
    names = [path.name for path in manifests(sealed)]
    manifests(sealed)[2].unlink()  # a hand-over, so that no file depends on it
    assert codes(verify(sealed)[1]) == [("MANIFEST_GENERATION_MISSING", f"{FOLDER}/{names[2]}")]
    assert reference_tool("verify", str(sealed))[0] == 33
    # Its line of the chain taken out as well: the reference tool finds nothing any more.
    rechain(sealed)
    assert codes(verify(sealed)[1]) == [("MANIFEST_GENERATION_MISSING", CHAIN)]
    assert reference_tool("verify", str(sealed))[0] == 0
    # And the rest numbered anew: the names of the manifests still tell.
    rechain(sealed, count=True)
    found = codes(verify(sealed)[1])
    assert found == [("MANIFEST_GENERATION_MISSING", CHAIN)]
    assert reference_tool("verify", str(sealed))[0] == 0


def test_a_first_generation_that_was_taken_out_leaves_hashes_without_origin(sealed: Path) -> None:
    remove_first(sealed)
    for number, path in enumerate(manifests(sealed), 1):
        path.rename(path.with_name(f"{number:04d}{path.name[4:]}"))
    rechain(sealed)
    named = [f"{FOLDER}/{manifests(sealed)[0].name}"]
    assert [where for code, where in codes(verify(sealed)[1]) if code == "MANIFEST_GENERATION_MISSING"] == named


def test_the_newest_generation_is_missed_where_it_is_known_from_elsewhere(sealed: Path) -> None:
    newest = hash_file(manifests(sealed)[-1], ["c4"])["c4"]
    assert verify(sealed, newest=newest)[1].issues == ()
    manifests(sealed)[-1].unlink()
    rechain(sealed)
    # Cut off clean, the rest is whole in itself: the control shows why the C4 is kept elsewhere.
    assert verify(sealed)[1].issues == ()
    assert codes(verify(sealed, newest=newest)[1]) == [("MANIFEST_GENERATION_MISSING", FOLDER)]


@pytest.mark.parametrize("action", ['action="failed" ', ""], ids=["failed", "no action"])
def test_a_bad_hash_that_is_later_called_original_is_flagged(action: str, card: Path) -> None:
    """Issues 115 and 114 of the reference tool, which makes the second generation itself."""
    assert seal_all(card).written
    edit(manifests(card)[0], r'action="original" (?=[^\n]*\n    </hash>)', action)
    rechain(card)
    assert reference_tool("create", str(card))[0] == 0
    assert 'action="original"' in manifests(card)[1].read_text()
    assert reference_tool("verify", str(card))[0] == 0
    found = codes(verify(card)[1])
    assert ("MANIFEST_HASH_REPLACED", "a.jpg") in found
    others = [item for item in found if item[0] != "MANIFEST_HASH_REPLACED"]
    assert others == ([] if action else [("MANIFEST_INVALID", f"{FOLDER}/{manifests(card)[0].name}")])
    assert len(found) - len(others) == 1


def test_a_file_that_was_struck_from_a_manifest_is_missed(card: Path) -> None:
    """Issue 116 of the reference tool: it takes the file in again, under whatever hash, and finds nothing."""
    assert seal_all(card).written
    edit(manifests(card)[0], r"    <hash>\n      <path[^>]*>a\.jpg.*?</hash>\n", "")
    rechain(card)
    (card / "a.jpg").write_text("something else")
    assert reference_tool("create", str(card))[0] == 0
    assert reference_tool("verify", str(card))[0] == 0
    assert codes(verify(card)[1]) == [("MANIFEST_ALTERED", f"{FOLDER}/{manifests(card)[0].name}")]


@pytest.mark.parametrize("action", ["original", "verified"])
def test_a_file_that_comes_back_under_another_hash_is_flagged(action: str, card: Path) -> None:
    assert seal_all(card).written
    assert seal_all(card, day=1, restate=True, skip="a.jpg").written
    (card / "a.jpg").write_text("something else")
    assert seal_all(card, day=2).written
    edit(manifests(card)[2], 'action="failed"', f'action="{action}"')
    rechain(card)
    found = codes(verify(card)[1])
    assert found == [("MANIFEST_HASH_REPLACED", "a.jpg"), ("HASH_MISMATCH", "a.jpg")]


def test_a_seal_that_was_broken_off_is_finished(sealed: Path) -> None:
    rechain(sealed, lambda p: not p.name.startswith("0003"))
    assert codes(verify(sealed)[1]) == [("MANIFEST_UNLISTED", f"{FOLDER}/{manifests(sealed)[2].name}")]
    assert seal_all(sealed, day=4).issues == ()
    assert len(read_chain(sealed / CHAIN)) == 3
    assert verify(sealed)[1].issues == ()
    # The first one, before there was a chain.
    for path in manifests(sealed)[1:]:
        path.unlink()
    (sealed / CHAIN).unlink()
    (sealed / "late.jpg").unlink()
    assert seal_all(sealed, day=5).issues == ()
    assert verify(sealed)[1].issues == ()


def test_a_manifest_of_somebody_else_is_not_taken_in(sealed: Path) -> None:
    path = manifests(sealed)[2]
    rechain(sealed, lambda p: p != path)
    edit(path, r"(<xxh128 action=\"verified\"[^>]*>)\w{4}", r"\g<1>0000")
    before = (sealed / CHAIN).read_bytes()
    result = seal_all(sealed, day=4)
    assert (result.written, [item.code for item in result.issues][:1]) == (False, ["MANIFEST_ALTERED"])
    assert (sealed / CHAIN).read_bytes() == before


def test_no_generation_is_added_to_a_history_that_is_not_whole(sealed: Path) -> None:
    manifests(sealed)[0].unlink()
    (sealed / "more.jpg").write_text("more")
    result = seal_all(sealed, day=4)
    assert not result.written
    assert [item.code for item in result.issues] == ["MANIFEST_GENERATION_MISSING"]
    assert len(manifests(sealed)) == 2
