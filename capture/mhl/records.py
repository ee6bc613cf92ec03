"""What a history knows of each file, followed through its generations and renamings.

The first hash of a file that did not fail is the one to trust. A later generation may bear it out (`verified`), report
that the file went bad (`failed`), or give a hash that nothing bears out, which the reference tool lets pass: a file
that failed and is later called original, one that comes back under another hash, one whose first hash nobody vouched
for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from capture.issues import Issue, issue
from capture.mhl.history import Generation, History
from capture.mhl.manifest import FOLDER, FileHash, FileRecord


@dataclass
class Known:
    """One file of a history, by its present path."""

    path: str
    first: int  # generation that recorded it first
    hashes: dict[str, FileHash] = field(default_factory=dict)  # by format: the hash to trust
    failed: dict[str, tuple[str, int]] = field(default_factory=dict)  # by format: the last bad hash, its generation
    bad: bool = False  # its last record says that it failed


@dataclass(frozen=True)
class Records:
    """All files of one history and what its generations say against each other."""

    files: dict[str, Known]
    issues: tuple[Issue, ...]


def records_of(history: History) -> Records:
    """Follow every file of a history through its generations; the paths are those of the history itself."""
    files: dict[str, Known] = {}
    issues: list[Issue] = []
    for generation in history.generations:
        unfounded = []
        for record in generation.manifest.files:
            if record.previous in files and record.path not in files:
                files[record.path] = files.pop(record.previous)
                files[record.path].path = record.path
            known = files.get(record.path)
            if known is None:
                known = files[record.path] = Known(record.path, generation.number)
                # Nobody can verify a file against nothing: what it was verified against is gone.
                if all(h.action == "verified" for h in record.hashes):
                    unfounded.append(record.path)
            else:
                issues += _against(history, known, record, generation)
            _take(known, record, generation.number)
        if unfounded and history.counts_on:  # a gap is named already, and explains them
            issues.append(_unfounded(history, generation, unfounded))
    return Records(files, tuple(issues))


def _take(known: Known, record: FileRecord, generation: int) -> None:
    known.bad = any(item.action == "failed" for item in record.hashes)
    for item in record.hashes:
        if item.action == "failed":
            known.failed[item.name] = (item.text, generation)
        else:
            known.hashes.setdefault(item.name, item)


def _against(history: History, known: Known, record: FileRecord, generation: Generation) -> Iterator[Issue]:
    """The first way in which a generation contradicts the ones before it."""
    for item in record.hashes:
        trusted, failed = known.hashes.get(item.name), known.failed.get(item.name)
        where = history.at(record.path)
        found = f"{item.name} {item.text} called {item.action or 'nothing'} in generation {generation.number}"
        if item.action == "failed":
            continue
        if trusted is not None and trusted.text != item.text:
            yield issue("MANIFEST_HASH_REPLACED", where=where, expected=f"{trusted.name} {trusted.text}", found=found)
            return
        if failed is not None and failed[0] == item.text:
            expected = f"{item.name} {failed[0]} to stay failed, as in generation {failed[1]}"
            yield issue("MANIFEST_HASH_REPLACED", where=where, expected=expected, found=found)
            return
        if trusted is not None and not trusted.action and item.action == "original":
            expected = f"verified: generation {known.first} has this hash without an action"
            yield issue("MANIFEST_HASH_REPLACED", where=where, expected=expected, found=found)
            return


def _unfounded(history: History, generation: Generation, paths: list[str]) -> Issue:
    where = history.at(f"{FOLDER}/{generation.name}")
    found = f"{len(paths)} files verified against no earlier hash, first {paths[0]}"
    return issue("MANIFEST_GENERATION_MISSING", where=where, expected="the generation that has them", found=found)
