"""The verified copy from a card into originals/, and its journal.

One pass reads and hashes a file; the copy is flushed, dropped from the cache where the system allows it, read back and
compared before it gets its final name. The journal gets its line last, so that after a crash at any point a second run
finds every finished file by its digest and copies only the others. An original is never written twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import xxhash

from capture.issues import Issue, issue
from capture.layout import Found
from capture.vault import SessionFolder

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Custody:
    """What is known of one original: its name on the card, its place in the vault and its digests."""

    logical: str
    name_on_card: str
    size: int
    sha256: str
    xxh128: str


@dataclass(frozen=True)
class Offload:
    """Outcome of a copy: what the vault holds now, and what went wrong."""

    held: dict[str, Custody]  # logical path -> its record; verified in this run
    issues: tuple[Issue, ...]
    copied: int  # files written in this run


def journal_path(folder: SessionFolder) -> Path:
    """One JSON line for each original, appended when its copy was verified."""
    return folder.root / "originals.jsonl"


def read_journal(folder: SessionFolder) -> dict[str, Custody]:
    """The records by logical path. A last line that was cut off by a crash is passed over."""
    path = journal_path(folder)
    records: dict[str, Custody] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            record = Custody(**json.loads(line))
        except (ValueError, TypeError):
            continue
        records.setdefault(record.logical, record)
    return records


def offload(files: Iterable[Found], folder: SessionFolder) -> Offload:
    """Copy each file that the vault does not hold yet and verify each that it does. Trouble becomes an issue."""
    journal = read_journal(folder)
    _sweep(folder.originals)
    held: dict[str, Custody] = {}
    issues: list[Issue] = []
    copied = 0
    for item in files:
        target = folder.originals / item.logical
        before = target.exists()
        outcome = _take(item, target, journal.get(item.logical))
        if isinstance(outcome, Issue):
            issues.append(outcome)
            continue
        if item.logical not in journal:
            _append(folder, outcome)
        held[item.logical] = outcome
        copied += not before
    for logical, record in journal.items():
        if logical not in held:
            trouble = verify(folder, record)
            if trouble is None:
                held[logical] = record
            elif not any(i.where == logical for i in issues):
                issues.append(trouble)
    return Offload(held, tuple(issues), copied)


def verify(folder: SessionFolder, record: Custody) -> Issue | None:
    """Compare an original with the digest of its journal line."""
    path = folder.originals / record.logical
    try:
        with path.open("rb") as stream:
            found = _digests(stream)[1]
    except OSError as err:
        return issue("ORIGINAL_CHANGED", where=record.logical, found=f"cannot be read: {err.strerror}")
    if found != record.sha256:
        return issue("ORIGINAL_CHANGED", where=record.logical, expected=record.sha256[:16], found=found[:16])
    return None


class _ReadError(OSError):
    """A file could not be read on; kept apart from trouble with the disk that is written to."""


def _take(item: Found, target: Path, known: Custody | None) -> Custody | Issue:
    try:
        with item.path.open("rb") as stream:
            if target.exists():
                return _compare(item, stream, target, known)
            return _copy(item, stream, target, known)
    except (_ReadError, PermissionError) as err:
        return issue("FILE_UNREADABLE", where=item.name, found=f"cannot be read: {err.strerror or err}")
    except OSError as err:
        return issue("COPY_FAILED", where=item.logical, found=str(err.strerror or err))


def _compare(item: Found, stream: BinaryIO, target: Path, known: Custody | None) -> Custody | Issue:
    """A file that the vault holds already: nothing is written, whatever the card says now."""
    size, sha256, xxh128 = _digests(stream)
    with target.open("rb") as held:
        there = _digests(held)[1]
    if known is not None and there != known.sha256:
        return issue("ORIGINAL_CHANGED", where=item.logical, expected=known.sha256[:16], found=there[:16])
    if there != sha256:
        return _other_bytes(item, there, sha256)
    return known or Custody(item.logical, item.name, size, sha256, xxh128)


def _copy(item: Found, stream: BinaryIO, target: Path, known: Custody | None) -> Custody | Issue:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as out:
            size, sha256, xxh128 = _digests(stream, out)
            out.flush()
            os.fsync(out.fileno())
            _drop_cache(out)
        with part.open("rb") as back:
            again = _digests(back)[1]
        if again != sha256:
            return issue("HASH_MISMATCH", where=item.logical, expected=sha256[:16], found=again[:16])
        if known is not None and known.sha256 != sha256:
            return _other_bytes(item, known.sha256, sha256)
        part.chmod(0o444)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return known or Custody(item.logical, item.name, size, sha256, xxh128)


def _other_bytes(item: Found, kept: str, offered: str) -> Issue:
    found = f"{offered[:16]} on the card as {item.name}"
    return issue("ORIGINAL_KEPT", where=item.logical, expected=kept[:16], found=found)


def _digests(stream: BinaryIO, copy_to: BinaryIO | None = None) -> tuple[int, str, str]:
    """Bytes, SHA-256 and xxh3_128 of a stream, written on the way to `copy_to`."""
    sha256, xxh128, size = hashlib.sha256(), xxhash.xxh3_128(), 0
    while block := _read(stream):
        sha256.update(block)
        xxh128.update(block)
        size += len(block)
        if copy_to is not None:
            copy_to.write(block)
    return size, sha256.hexdigest(), xxh128.hexdigest()


def _read(stream: BinaryIO) -> bytes:
    try:
        return stream.read(_BLOCK)
    except OSError as err:
        raise _ReadError(err.errno, err.strerror) from None


def _drop_cache(stream: BinaryIO) -> None:
    """Ask the system to forget the pages, so that reading back reads the disk."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _append(folder: SessionFolder, record: Custody) -> None:
    path = journal_path(folder)
    cut = path.is_file() and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as stream:
        stream.write(("\n" if cut else "") + json.dumps(asdict(record), ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _sweep(originals: Path) -> None:
    """Remove what a killed copy left under a temporary name."""
    for part in originals.rglob(".*.part"):
        part.unlink(missing_ok=True)
