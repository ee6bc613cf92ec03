"""One disk that gets the originals of a session: what stands there, and how a written part becomes an original.

A part lies in `incoming/` beside `originals/` until it was flushed, read back and found equal; then it is renamed, and
then it gets its line in the journal. So nothing half-written ever has a final name.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from capture.custody.blocks import Part, new_block
from capture.custody.journal import Custody, Evidence, Journal, Sighting, now
from capture.custody.transfer import flush, read_back
from capture.issues import Issue, issue
from capture.vault import SessionFolder

Outcome: TypeAlias = "Evidence | Issue | None"  # None: the disk takes no more, which is said once at the end
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# After one of these nothing more can be written to the disk, so the next files are not tried one by one.
_CLOSING = _FULL | {errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESTALE}
_SYNC_EVERY_S = 0.5


class Standing(Enum):
    """What the journal and the folder say of one original."""

    NEW = auto()  # neither has it
    FOUND = auto()  # the folder has it, the journal does not: a run was killed between the two
    LOST = auto()  # the journal has it, the folder does not
    STALE = auto()  # both have it, and size or time are not those of the journal
    KEPT = auto()  # both have it, unchanged


class Place:
    """One disk while a copy runs. Its own thread flushes and reads back while the next file is copied."""

    def __init__(self, label: str, folder: SessionFolder) -> None:
        self.label = label
        self.folder = folder
        self.journal = Journal(folder)
        self.closed: OSError | None = None
        self.refused: list[str] = []
        self.written = 0
        self._incoming = folder.root / "incoming"
        self._parts = 0
        self._block = memoryview(new_block())
        self._folders: set[Path] = set()
        self._synced = time.monotonic()

    def __enter__(self) -> Place:
        self.journal.__enter__()
        shutil.rmtree(self._incoming, ignore_errors=True)  # what a killed run left
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="settle")
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()
        self.journal.__exit__(kind, err, at)
        shutil.rmtree(self._incoming, ignore_errors=True)

    def target(self, logical: str) -> Path:
        """Where an original lies."""
        return self.folder.originals / logical

    def standing(self, logical: str) -> Standing:
        """What is there now; nothing is read."""
        record, latest = self.journal.records.get(logical), self.journal.latest.get(logical)
        try:
            held = self.target(logical).lstat()
        except OSError:
            return Standing.NEW if record is None else Standing.LOST
        if record is None:
            return Standing.FOUND
        same = latest is not None and (held.st_size, held.st_mtime_ns) == (record.size, latest.mtime_ns)
        return Standing.KEPT if same and stat.S_ISREG(held.st_mode) else Standing.STALE

    def check(self, logical: str) -> Evidence | Issue:
        """Read an original and compare it with the journal."""
        record = self.journal.records[logical]
        try:
            found, evidence = self._digest(logical)
        except OSError as err:
            return issue("ORIGINAL_CHANGED", where=logical, found=f"cannot be read on {self.label}: {err.strerror}")
        if found != record.xxh128:
            text = f"{found[:16]} on {self.label}"
            return issue("ORIGINAL_CHANGED", where=logical, expected=record.xxh128[:16], found=text)
        return evidence

    def compare(self, logical: str, xxh128: str) -> Evidence | None:
        """Evidence that what lies there has that digest; None where it has not, or cannot be read."""
        try:
            found, evidence = self._digest(logical)
        except OSError:
            return None
        return evidence if found == xxh128 else None

    def new_part(self, logical: str) -> Part | Issue | None:
        """A file to write to, under a temporary name."""
        self._parts += 1
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            return Part(self._incoming / f"{self._parts}.part")
        except OSError as err:
            return self.trouble(logical, err)

    def settle(self, part: Part, sighting: Sighting) -> Future[Outcome]:
        """Flush a part, read it back, and make it an original; the sighting's evidence is filled in."""
        return self._pool.submit(self._settle, part, sighting)

    def note(self, sighting: Sighting, evidence: Evidence) -> Issue | None:
        """Append a line on an original that stands. Without its line the file is only read again by the next run."""
        custody = sighting.custody
        try:
            mtime_ns = self.target(custody.logical).stat().st_mtime_ns
            line = Sighting(custody, sighting.source_mtime_ns, mtime_ns, evidence, sighting.source_reads, now())
            self.journal.append(line)
        except OSError as err:
            return self.trouble(custody.logical, err)
        return None

    def trouble(self, logical: str, err: OSError) -> Issue | None:
        """What is to be said of a failed write: nothing yet where the disk itself gave up."""
        if err.errno in _CLOSING:
            self.closed = self.closed or err
            self.refused.append(logical)
            return None
        return issue("COPY_FAILED", where=logical, found=f"{err.strerror or err} on {self.label}")

    def finish(self) -> Iterator[Issue]:
        """Bring names and lines to the disk; one issue if it gave up."""
        try:
            self._pool.submit(self._sync).result()
        except OSError as err:
            found = f"the names of its files may not outlive a power cut: {err.strerror}"
            yield issue("COPY_FAILED", where=self.label, found=found)
        if self.closed is not None:
            code = "DISK_FULL" if self.closed.errno in _FULL else "COPY_FAILED"
            files = "1 file was" if len(self.refused) == 1 else f"{len(self.refused)} files were"
            found = f"{self.closed.strerror}: {files} not copied, first {self.refused[0]}"
            yield issue(code, where=self.label, found=found)

    def _settle(self, part: Part, sighting: Sighting) -> Outcome:
        custody = sighting.custody
        try:
            flush(part, sighting.source_mtime_ns)
            found, evidence = read_back(part.path, self._block)
            if found != custody.xxh128:
                text = f"{found[:16]} on {self.label}"
                return issue("HASH_MISMATCH", where=custody.logical, expected=custody.xxh128[:16], found=text)
            trouble = self._rename(part.path, custody)
            if trouble is None:
                trouble = self.note(sighting, evidence)
                if time.monotonic() - self._synced > _SYNC_EVERY_S:
                    self._sync()
        except OSError as err:
            return self.trouble(custody.logical, err)
        finally:
            part.discard()
        self.written += trouble is None
        return trouble or evidence

    def _digest(self, logical: str) -> tuple[str, Evidence]:
        return self._pool.submit(read_back, self.target(logical), self._block).result()

    def _rename(self, part: Path, custody: Custody) -> Issue | None:
        target = self.target(custody.logical)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(self.folder.originals.resolve()):
            return issue("PATH_ESCAPES", where=custody.logical, found=f"a link leads out of {self.label}")
        if os.path.lexists(target):  # a disk that holds capital and small letters to be the same
            return issue("COPY_FAILED", where=custody.logical, found=f"the name is taken on {self.label}")
        part.replace(target)
        above = target.parent
        while above != self.folder.root:
            self._folders.add(above)
            above = above.parent
        return None

    def _sync(self) -> None:
        """Bring names and lines to the disk. In groups: each line holds only while size and time still match it."""
        for folder in (*self._folders, self.folder.root) if self._folders else ():
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            except OSError as err:
                if err.errno != errno.EINVAL:  # a network disk may not know how to sync a folder
                    raise
            finally:
                os.close(handle)
        self._folders.clear()
        if self.journal.appended:
            self.journal.sync()
        self._synced = time.monotonic()
