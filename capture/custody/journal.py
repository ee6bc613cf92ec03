"""The journal of the copies in one place: what each file is, and what was seen when it was verified.

A line is appended when a copy has its final name. A later line about the same file adds what was seen then; what the
file is stands in its first line for ever. After a crash the journal decides what need not be read again, and it only
decides so while size and time of the file are those of its line: so it does no harm if the disk kept one of the two
and not the other.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from capture.issues import JsonObject
from capture.vault import SessionFolder


class Evidence(StrEnum):
    """How a copy was compared with what was read from the card; the strongest first."""

    DISK = "disk"  # read back after fsync, with none of its pages in memory
    CACHE = "cache"  # read back, but pages were in memory, or the system does not tell
    SIZE = "size only"  # not read now; size and time are those of when it was verified


@dataclass(frozen=True)
class Custody:
    """What is known of one original: its name on the card, its place in the vault and its digests."""

    logical: str
    name_on_card: str
    size: int
    sha256: str
    xxh128: str
    card: str = ""


@dataclass(frozen=True)
class Sighting:
    """One line of the journal: a file, and what was seen of it on both sides when it was verified."""

    custody: Custody
    source_mtime_ns: int
    mtime_ns: int  # of the copy
    evidence: Evidence
    source_reads: int
    at: str  # UTC


def journal_path(folder: SessionFolder) -> Path:
    """One JSON line for each verification."""
    return folder.root / "originals.jsonl"


def read_journal(folder: SessionFolder) -> dict[str, Custody]:
    """The records by logical path. A line that was cut off by a crash is passed over."""
    records: dict[str, Custody] = {}
    for custody, _ in _lines(journal_path(folder)):
        records.setdefault(custody.logical, custody)
    return records


class Journal:
    """The journal of one place while a copy runs. Raises OSError where it cannot be opened.

    Entering it takes a lock that the system drops with the process; ValueError when another process has it.
    """

    def __init__(self, folder: SessionFolder) -> None:
        self._path = journal_path(folder)
        self._guard = threading.Lock()
        self.appended = 0
        self.records: dict[str, Custody] = {}
        self.latest: dict[str, Sighting] = {}
        self._by_source: dict[tuple[str, str, str], Sighting] = {}
        for custody, sighting in _lines(self._path):
            self.records.setdefault(custody.logical, custody)
            if sighting is not None:
                self._learn(sighting)

    def __enter__(self) -> Journal:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise ValueError(f"{self._path.parent} is being written by another ingest; wait until it ends") from None
        except OSError:  # the file system has no locks; one process at a time is then up to the crew
            pass
        size = os.fstat(self._handle).st_size
        self._cut = size > 0 and os.pread(self._handle, 1, size - 1) != b"\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._handle)

    def seen(self, card: str, name: str, logical: str) -> Sighting | None:
        """The last verification of a place against that file of that card."""
        return self._by_source.get((card, name, logical))

    def append(self, sighting: Sighting) -> None:
        """Write a line. It survives the process at once, and a power cut after `sync`."""
        line = json.dumps(_to_json(sighting)) + "\n"  # ASCII: names of a card need not be valid text
        with self._guard:
            data = (("\n" if self._cut else "") + line).encode()
            self._cut = True
            while data:
                data = data[os.write(self._handle, data) :]
            self._cut = False
            self.appended += 1
            self.records.setdefault(sighting.custody.logical, sighting.custody)
            self._learn(sighting)

    def sync(self) -> None:
        """Bring the lines to the disk."""
        os.fsync(self._handle)

    def _learn(self, sighting: Sighting) -> None:
        custody = sighting.custody
        self.latest[custody.logical] = sighting
        self._by_source[custody.card, custody.name_on_card, custody.logical] = sighting


def now() -> str:
    """The moment, for a line."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _to_json(sighting: Sighting) -> JsonObject:
    rest = {name: value for name, value in asdict(sighting).items() if name != "custody"}
    return {**asdict(sighting.custody), **rest}


def _lines(path: Path) -> list[tuple[Custody, Sighting | None]]:
    """Every readable line; a line of an older journal says what the file is, and not what was seen."""
    found: list[tuple[Custody, Sighting | None]] = []
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.split("\n"):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            found.append(_parse(json.loads(line)))
    return found


def _parse(data: dict[str, str]) -> tuple[Custody, Sighting | None]:
    custody = Custody(
        logical=str(data["logical"]),
        name_on_card=str(data["name_on_card"]),
        size=int(data["size"]),
        sha256=str(data["sha256"]),
        xxh128=str(data["xxh128"]),
        card=str(data.get("card", "")),
    )
    if "mtime_ns" not in data:
        return custody, None
    return custody, Sighting(
        custody=custody,
        source_mtime_ns=int(data["source_mtime_ns"]),
        mtime_ns=int(data["mtime_ns"]),
        evidence=Evidence(data["evidence"]),
        source_reads=int(data["source_reads"]),
        at=str(data["at"]),
    )
