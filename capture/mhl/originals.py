"""The history of the originals on one disk: what a copy found becomes a generation, without reading a file again."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Iterator

from capture import VERSION
from capture.custody.journal import Custody, Evidence, read_journal
from capture.custody.offload import Offload
from capture.issues import Issue, issue
from capture.mhl.hashes import hash_file
from capture.mhl.history import Below, load_history
from capture.mhl.manifest import Creator
from capture.mhl.records import records_of
from capture.mhl.seal import Mode, Record, Seal, seal
from capture.vault import SessionFolder


def seal_originals(folder: SessionFolder, disk: str, copies: Offload, *, when: dt.datetime) -> Seal:
    """Seal `originals/` of one disk (its label in `copies`) after a copy. Nothing is written when nothing changed.

    The generation holds the files that were read back in this run, those that no generation has yet, and as failed
    those that are no longer what the journal says; a file that was only looked at by size is not called verified.
    """
    if not any(disk in trace.places for trace in (*copies.traces, *copies.earlier)):
        return Seal(None, "", False)
    try:
        records = list(_records(folder, disk, copies))
        creator = Creator(platform.node() or "unknown", "likeness", VERSION)
        return seal(folder.originals, records, when=when, creator=creator, mode=Mode.ALONE)
    except OSError as err:
        return Seal(None, "", False, (_not_written(disk, err),))


def _not_written(disk: str, err: OSError) -> Issue:
    return issue("COPY_FAILED", where=f"{disk}: originals/ascmhl", found=str(err.strerror or err))


def _records(folder: SessionFolder, disk: str, copies: Offload) -> Iterator[Record]:
    history = load_history(folder.originals, "", [], Below.NONE)
    # With a manifest that the chain does not list, a seal was broken off: all is given anew, so that it can be ended.
    whole = all(generation.listed for generation in history.generations)
    sealed = set(records_of(history).files) if whole else set()
    levels = {t.logical: t.places[disk] for t in (*copies.traces, *copies.earlier) if disk in t.places}
    for logical, custody in sorted(read_journal(folder).items()):
        level = levels.get(logical)
        if level is None and logical in sealed and (folder.originals / logical).is_file():
            yield Record(logical, custody.size, hash_file(folder.originals / logical, ("xxh128",)))
        elif level is not None and (level is not Evidence.SIZE or logical not in sealed):
            yield _record(custody)


def _record(custody: Custody) -> Record:
    return Record(custody.logical, custody.size, {"xxh128": custody.xxh128})
