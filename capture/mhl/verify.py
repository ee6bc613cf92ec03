"""Is a sealed folder still what its history says? Every hash of every generation, and the history itself.

Files are read once and compared with the first trusted hash of each format. What the reference tool reports is
reported here too, and beside it what it lets pass (see `history` and `records`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from capture.issues import Issue, Report, issue
from capture.mhl.folders import Found, ignore_spec, trouble_of, walk_files
from capture.mhl.hashes import hash_file
from capture.mhl.history import Below, History, load_history
from capture.mhl.manifest import DEFAULT_IGNORE, FOLDER
from capture.mhl.records import Known, records_of


class State(StrEnum):
    """How a file stands to its history."""

    VERIFIED = "verified"
    CHANGED = "changed"
    MISSING = "missing"
    RENAMED = "renamed"
    UNSEALED = "unsealed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Checked:
    """One file, by its path in the folder, with the hashes that were computed now."""

    path: str
    state: State
    hashes: tuple[tuple[str, str], ...] = ()  # format, hash


def verify(folder: Path, *, newest: str = "") -> tuple[tuple[Checked, ...], Report]:
    """Verify a folder against its ASC MHL history and the histories further down. Nothing is written.

    `newest` is the C4 of the newest manifest where it is known from elsewhere: a history from which the last
    generations were cut off, chain and all, is whole in itself and cannot be told otherwise.
    """
    issues: list[Issue] = []
    top = load_history(folder, "", issues)
    if not any(history.generations or history.chain for history in top.walk()):
        named = any(i.where.startswith(FOLDER) for i in issues)
        issues += [] if named else [issue("MANIFEST_MISSING", where=FOLDER, found="no history")]
    elif newest and newest not in {generation.c4 for generation in top.generations}:
        there = top.newest.c4[:18] if top.newest else "none"
        issues.append(issue("MANIFEST_GENERATION_MISSING", where=FOLDER, expected=newest[:18], found=f"newest {there}"))
    checked = [item for history in top.walk() for item in _verify_one(history, issues)]
    counts = {state: sum(item.state is state for item in checked) for state in State}
    facts = {
        "histories": sum(bool(history.generations) for history in top.walk()),
        "generations": sum(len(history.generations) for history in top.walk()),
        "files": len(checked),
        **{state.value: count for state, count in counts.items() if count},
    }
    return tuple(sorted(checked, key=lambda item: item.path)), Report("manifest", tuple(issues), dict(facts))


def _verify_one(history: History, issues: list[Issue]) -> list[Checked]:
    """The files that belong to one history itself."""
    if not history.generations:
        # Above the sealed folders there may be anything; only a history promises that it knows every file.
        return []
    records = records_of(history)
    issues += records.issues
    ignore = history.generations[-1].manifest.ignore
    nested = [h.root.relative_to(history.root).as_posix() for h in history.nested]
    found = walk_files(history.root, ignore, nested)
    spec = ignore_spec(ignore)
    checked, missing = [], []
    for path, known in sorted(records.files.items()):
        if not spec.match_file(path):
            item = _compare(history, known, issues)
            checked.append(item)
            missing += [known] if item.state is State.MISSING else []
    unsealed = [path for path in found.files if path not in records.files]
    renamed = _renamed(history.root, missing, unsealed)
    for known in missing:
        if known.path not in renamed:
            where, sealed = history.at(known.path), f"as in generation {known.first}"
            issues.append(issue("FILE_MISSING", where=where, expected=sealed, found="no file"))
    for before, now in renamed.items():
        issues.append(issue("FILE_RENAMED", where=history.at(now), expected=before, found="the same bytes"))
    for path in unsealed:
        if path not in renamed.values():
            issues.append(issue("FILE_UNSEALED", where=history.at(path), found="no record"))
            checked.append(Checked(history.at(path), State.UNSEALED))
    for path, trouble in found.broken:
        if path not in records.files:
            issues.append(issue("FILE_UNREADABLE", where=history.at(path), found=trouble))
            checked.append(Checked(history.at(path), State.UNREADABLE))
    moved = {history.at(before): history.at(now) for before, now in renamed.items()}
    return [Checked(moved[c.path], State.RENAMED) if c.path in moved else c for c in checked]


def _compare(history: History, known: Known, issues: list[Issue]) -> Checked:
    """One sealed file against the first hash to trust of each format, or against its bad ones where it has no other."""
    path, where = history.root / known.path, history.at(known.path)
    if not path.exists() and not path.is_symlink():
        return Checked(where, State.MISSING)
    trouble = trouble_of(history.root.resolve(), path)
    names = known.hashes or known.failed
    now: dict[str, str] = {}
    if not trouble:
        try:
            now = hash_file(path, names)
        except OSError as err:
            trouble = f"cannot be read: {err.strerror}"
    if trouble:
        issues.append(issue("FILE_UNREADABLE", where=where, found=trouble))
        return Checked(where, State.UNREADABLE)
    hashes = tuple(now.items())
    for name, item in known.hashes.items():
        if now[name] != item.text:
            expected, found = f"{name} {item.text}", f"{name} {now[name]}"
            issues.append(issue("HASH_MISMATCH", where=where, expected=expected, found=found))
            return Checked(where, State.CHANGED, hashes)
    if not known.hashes:
        name, (text, generation) = next(iter(known.failed.items()))
        expected = "a hash that did not fail"
        found = f"{name} {text} failed in generation {generation}, and no other was sealed"
        issues.append(issue("HASH_MISMATCH", where=where, expected=expected, found=found))
        return Checked(where, State.CHANGED, hashes)
    return Checked(where, State.VERIFIED, hashes)


def _renamed(root: Path, missing: list[Known], unsealed: list[str]) -> dict[str, str]:
    """Missing files that lie there under another name: old path to new, by the hashes."""
    names = {name for known in missing for name in known.hashes}
    if not names:
        return {}
    moved: dict[str, str] = {}
    for path in unsealed:
        try:
            now = hash_file(root / path, names)
        except OSError:
            continue
        for known in missing:
            same = known.hashes and all(now[name] == item.text for name, item in known.hashes.items())
            if same and known.path not in moved:
                moved[known.path] = path
                break
    return moved


def sealable(folder: Path) -> Found:
    """The files that a seal of the whole folder lists, histories further down included, by their paths in it."""
    top = load_history(folder, "", [], Below.ALL)
    files: list[str] = []
    folders: list[str] = []
    broken: list[tuple[str, str]] = []
    for history in top.walk():
        ignore = history.generations[-1].manifest.ignore if history.generations else DEFAULT_IGNORE
        nested = [h.root.relative_to(history.root).as_posix() for h in history.nested]
        found = walk_files(history.root, ignore, nested)
        files += [history.at(path) for path in found.files]
        folders += [history.at(path) for path in found.folders]
        broken += [(history.at(path), trouble) for path, trouble in found.broken]
    return Found(tuple(files), tuple(folders), tuple(broken))
