"""The verified copy: what is read back from where, what a second run leaves alone, what trouble does to the rest."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xxhash

from capture.custody import blocks, place, transfer
from capture.custody.blocks import drop_pages, pages_in_memory
from capture.custody.items import Item
from capture.custody.journal import Evidence
from capture.custody.offload import Offload, offload, read_journal
from capture.vault import SessionFolder

NAMES = tuple(f"stills/a/key/cam{n}.jpg" for n in range(6))


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Six files of odd sizes: empty sector rests, one byte, and one of several blocks."""
    sizes = (1, 511, 4096, 70_001, blocks.BLOCK, 2 * blocks.BLOCK + 4097)
    for seed, (name, size) in enumerate(zip(NAMES, sizes, strict=True)):
        path = tmp_path / "card" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes_of(seed, size))
    return tmp_path / "card"


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    return SessionFolder(tmp_path / "vault" / "session")


def bytes_of(seed: int, size: int) -> bytes:
    return (hashlib.sha256(bytes([seed])).digest() * (size // 32 + 1))[:size]


def items(card: Path, names: tuple[str, ...] = NAMES) -> list[Item]:
    return [Item(name, card / name, card.name, name, f"card/{card.name}/{name}") for name in names]


def run(card: Path, folder: SessionFolder, **also: SessionFolder) -> Offload:
    return offload(items(card), folder, also=also, cards={card.name: card})


def codes(copies: Offload) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in copies.issues:
        found.setdefault(item.code, []).append(item.where)
    return found


def state_of(folder: SessionFolder) -> dict[str, tuple[int, int, int]]:
    """Inode, time and size of every file."""
    return {
        p.relative_to(folder.root).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns, p.stat().st_size)
        for p in sorted(folder.root.rglob("*"))
        if p.is_file()
    }


def counting(patch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of every file that is opened to be read, from now on."""
    opened: list[Path] = []

    class Counted(blocks.Source):
        def __init__(self, path: Path) -> None:
            opened.append(path)
            super().__init__(path)

    patch.setattr(transfer, "Source", Counted)
    return opened


def failing_at(patch: pytest.MonkeyPatch, number: int, err: OSError, when: Callable[[], object] = lambda: None) -> None:
    """Reading from the card fails at the `number`-th file that is opened."""
    count = 0

    class Failing(blocks.Source):
        def __init__(self, path: Path) -> None:
            nonlocal count
            count += path.parts[-5:-4] != ("originals",) and path.suffix != ".part"
            self.fails = count == number and path.suffix != ".part"
            super().__init__(path)

        def fill(self, block: memoryview) -> int:
            if self.fails:
                when()
                raise err
            return super().fill(block)

    patch.setattr(transfer, "Source", Failing)


def test_every_disk_gets_every_byte_and_each_source_is_read_once(
    card: Path, folder: SessionFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = counting(monkeypatch)
    second = SessionFolder(tmp_path / "backup" / "session")
    copies = run(card, folder, backup=second)
    assert copies.issues == ()
    assert copies.copied == len(NAMES)
    for name in NAMES:
        data = (card / name).read_bytes()
        for disk in (folder, second):
            path = disk.originals / name
            assert path.read_bytes() == data
            assert path.stat().st_mtime_ns == (card / name).stat().st_mtime_ns
            assert path.stat().st_mode & 0o777 == 0o444
        assert opened.count(card / name) == 1
        record = read_journal(second)[name]
        assert record == copies.held[name]
        assert record.sha256 == hashlib.sha256(data).hexdigest()
        assert record.xxh128 == xxhash.xxh3_128(data).hexdigest()
    assert not (folder.root / "incoming").exists()


def test_the_disk_is_read_and_that_is_seen(card: Path, folder: SessionFolder) -> None:
    path = card / NAMES[-1]
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        stream.read()
        size = path.stat().st_size
        if not drop_pages(stream.fileno()):
            pytest.skip("the file system of the tests keeps its files in memory")
        assert pages_in_memory(stream.fileno(), size) == 0
        stream.seek(0)
        stream.read(1)
        assert (pages_in_memory(stream.fileno(), size) or 0) >= 1  # the measure sees what is there
    copies = run(card, folder)
    assert {trace.places["vault"] for trace in copies.traces} == {Evidence.DISK}
    assert {trace.reads for trace in copies.traces} == {1}


def test_memory_is_not_called_a_disk(card: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("this system has no file system in memory")
    root = memory / f"likeness-test-{os.getpid()}"
    try:
        copies = run(card, SessionFolder(root))
        assert copies.issues == ()
        assert {trace.places["vault"] for trace in copies.traces} == {Evidence.CACHE}
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_pages_that_stay_are_not_called_a_disk(
    card: Path, folder: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "pages_in_memory", lambda handle, size: None)
    copies = run(card, folder)
    assert {trace.places["vault"] for trace in copies.traces} == {Evidence.CACHE}


def test_a_second_run_reads_and_writes_nothing(
    card: Path, folder: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(card, folder)
    before = state_of(folder)
    opened = counting(monkeypatch)
    again = run(card, folder)
    assert (again.issues, again.copied, again.wrote, opened) == ((), 0, False, [])
    assert {trace.places["vault"] for trace in again.traces} == {Evidence.SIZE}
    assert {trace.reads for trace in again.traces} == {0}
    assert state_of(folder) == before
    assert set(again.held) == set(NAMES)


def test_verify_reads_everything_again_and_finds_what_size_and_time_hide(card: Path, folder: SessionFolder) -> None:
    run(card, folder)
    path = folder.originals / NAMES[3]
    held = path.stat()
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(held.st_atime_ns, held.st_mtime_ns))
    assert run(card, folder).issues == ()  # size and time are all that is asked
    copies = offload(items(card), folder, cards={"card": card}, verify=True)
    assert codes(copies) == {"ORIGINAL_CHANGED": [NAMES[3]]}
    assert NAMES[3] not in copies.held
    good = [trace for trace in copies.traces if trace.logical != NAMES[3]]
    assert {(trace.reads, trace.places["vault"]) for trace in good} == {(2, Evidence.DISK)}


def test_other_times_are_read_and_equal_bytes_are_accepted(card: Path, folder: SessionFolder) -> None:
    run(card, folder)
    os.utime(card / NAMES[0], ns=(1, 1))
    os.utime(folder.originals / NAMES[1], ns=(1, 1))
    copies = run(card, folder)
    assert (copies.issues, copies.copied, copies.wrote) == ((), 0, True)
    assert run(card, folder).wrote is False


def test_a_disk_that_comes_later_gets_what_earlier_cards_brought(
    card: Path, folder: SessionFolder, tmp_path: Path
) -> None:
    run(card, folder)
    shutil.rmtree(card / "stills/a/key")
    backup = SessionFolder(tmp_path / "backup")
    copies = offload([], folder, also={"backup": backup})
    assert copies.issues == ()
    assert {trace.places["backup"] for trace in copies.earlier} == {Evidence.DISK}
    assert [read_journal(backup)[name] for name in NAMES] == [read_journal(folder)[name] for name in NAMES]


def test_the_same_shot_on_two_cards_is_one_file(card: Path, folder: SessionFolder, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(card, other)
    cards = {"card": card, "other": other}
    copies = offload([*items(card), *items(other)], folder, cards=cards)
    assert copies.issues == ()
    assert copies.copied == len(NAMES)
    assert offload([*items(card), *items(other)], folder, cards=cards).wrote is False
    (other / NAMES[0]).write_bytes(b"2")
    for _ in range(2):  # the second time nothing is read, and it is said again
        copies = offload([*items(card), *items(other)], folder, cards=cards)
        assert codes(copies) == {"GRID_FRAME_DUPLICATE": [NAMES[0].removesuffix(".jpg")]}
        assert (folder.originals / "card/other" / NAMES[0]).read_bytes() == b"2"
        assert (folder.originals / NAMES[0]).read_bytes() == (card / NAMES[0]).read_bytes()
    assert copies.wrote is False


def test_carried_files_of_one_name_are_all_kept(card: Path, folder: SessionFolder) -> None:
    name = "notes.txt"
    item = Item("card/card/notes.txt", card / name, "card", name)
    for text in ("first", "second", "first", "third!"):
        (card / name).write_text(text)
        assert offload([item], folder).issues == ()
    kept = {p.name: p.read_text() for p in (folder.originals / "card/card").iterdir()}
    assert kept == {"notes.txt": "first", "notes~2.txt": "second", "notes~3.txt": "third!"}


def test_a_pulled_card_is_one_issue_and_the_other_card_goes_on(
    card: Path, folder: SessionFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(card, other)
    away = tmp_path / "away"
    load = [*items(card), *[Item(f"x/{i.logical}", i.path, i.card, i.name, "card/other/x") for i in items(other)]]
    cards = {"card": card, "other": other}
    with monkeypatch.context() as patch:
        failing_at(patch, 3, OSError(errno.ENODEV, "No such device"), lambda: card.rename(away))
        copies = offload(load, folder, cards=cards)
    assert codes(copies) == {"CARD_GONE": ["card"]}
    assert copies.issues[0].found == f"4 files were not read, first {NAMES[2]}"
    assert copies.copied == 2 + len(NAMES)
    assert sorted(p.name for p in folder.root.iterdir()) == ["originals", "originals.jsonl"]
    away.rename(card)
    before = state_of(folder)
    copies = offload(load, folder, cards=cards)
    assert (copies.issues, copies.copied) == ((), 4)
    assert {name: state for name, state in state_of(folder).items() if name in before and "jsonl" not in name} == {
        name: state for name, state in before.items() if "jsonl" not in name
    }


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ENOENT])
def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(
    card: Path, folder: SessionFolder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as patch:
        failing_at(patch, 3, OSError(number, os.strerror(number)))
        copies = run(card, folder)
    assert codes(copies) == {"READ_FAILED": [NAMES[2]]}
    assert copies.issues[0].found == os.strerror(number)
    assert set(copies.held) == set(NAMES) - {NAMES[2]}
    assert not (folder.originals / NAMES[2]).exists()
    assert (run(card, folder).issues, run(card, folder).copied) == ((), 0)


def test_a_locked_file_is_named(card: Path, folder: SessionFolder) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    (card / NAMES[0]).chmod(0)
    assert codes(run(card, folder)) == {"READ_FAILED": [NAMES[0]]}


@pytest.fixture
def full_after_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk called backup takes two files and a piece of the third."""
    parts = 0

    class Full(blocks.Part):
        def __init__(self, path: Path) -> None:
            nonlocal parts
            super().__init__(path)
            parts += "backup" in path.parts
            self.full = "backup" in path.parts and parts > 2

        def write(self, block: memoryview) -> None:
            if self.full:
                super().write(block[:1])
                self.error = OSError(errno.ENOSPC, "No space left on device")
            super().write(block)

    with monkeypatch.context() as patch:
        patch.setattr(place, "Part", Full)
        yield


@pytest.mark.usefixtures("full_after_two")
def test_a_full_disk_is_one_issue_and_the_others_go_on(card: Path, folder: SessionFolder, tmp_path: Path) -> None:
    backup = SessionFolder(tmp_path / "backup")
    copies = run(card, folder, backup=backup)
    assert codes(copies) == {"DISK_FULL": ["backup"]}
    assert copies.issues[0].found == f"No space left on device: 4 files were not copied, first {NAMES[2]}"
    assert copies.copied == len(NAMES)
    assert sorted(read_journal(backup)) == list(NAMES[:2])
    assert len([p for p in backup.root.rglob("*") if p.is_file()]) == 3
    assert run(card, folder).issues == ()  # the vault itself is whole


def test_a_real_full_disk(card: Path, folder: SessionFolder, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=6m tmpfs {disk} 2>/dev/null") != 0:
        pytest.skip("no right to mount a small file system")
    try:
        copies = run(card, folder, disk=SessionFolder(disk / "session"))
        assert codes(copies) == {"DISK_FULL": ["disk"]}
        assert "1 file was not copied" in copies.issues[0].found
        assert len(copies.held) == len(NAMES)
        assert [p.name for p in (disk / "session").iterdir()] == ["originals", "originals.jsonl"]
    finally:
        os.system(f"umount {disk}")


def test_bytes_that_differ_on_the_disk_never_become_an_original(
    card: Path, folder: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bent(blocks.Part):
        def write(self, block: memoryview) -> None:
            data = bytearray(block)
            data[-1] ^= self.path.name == "3.part"
            super().write(memoryview(data))

    monkeypatch.setattr(place, "Part", Bent)
    copies = run(card, folder)
    assert codes(copies) == {"HASH_MISMATCH": [NAMES[2]]}
    assert not (folder.originals / NAMES[2]).exists()
    assert sorted(read_journal(folder)) == sorted(set(NAMES) - {NAMES[2]})


def test_a_file_that_grows_meanwhile_is_refused(
    card: Path, folder: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Growing(blocks.Source):
        def fill(self, block: memoryview) -> int:
            count = super().fill(block)
            if count == 0 and self.path == card / NAMES[0]:
                with self.path.open("ab") as stream:
                    stream.write(b"more")
            return count

        def __init__(self, path: Path) -> None:
            self.path = path
            super().__init__(path)

    monkeypatch.setattr(transfer, "Source", Growing)
    assert codes(run(card, folder)) == {"SOURCE_CHANGED": [NAMES[0]]}
    assert not (folder.originals / NAMES[0]).exists()


def test_a_link_in_the_vault_leads_nothing_out(card: Path, folder: SessionFolder, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    folder.originals.mkdir(parents=True)
    (folder.originals / "stills").symlink_to(tmp_path / "outside")
    assert set(codes(run(card, folder))) == {"PATH_ESCAPES"}
    assert [p for p in (tmp_path / "outside").rglob("*") if p.is_file()] == []
