"""Seal a folder: append one generation to its ASC MHL history from hashes that are already known.

Nothing is read again but a file whose history has it in other formats only. A history that is not whole gets no new
generation, since that would hide what happened to it; and none is written when nothing changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from capture.issues import Issue
from capture.mhl.chain import FILE_NAME, Link, render_chain
from capture.mhl.folders import folder_hashes, in_order, walk_files
from capture.mhl.hashes import FORMATS, FolderHash, hash_bytes, hash_file
from capture.mhl.history import Below, History, load_history
from capture.mhl.manifest import (
    DEFAULT_IGNORE,
    FOLDER,
    Action,
    Creator,
    FileHash,
    FileRecord,
    FolderRecord,
    Manifest,
    Process,
    Reference,
    manifest_name,
    read_manifest,
    relative_path,
    render_manifest,
)
from capture.mhl.records import Known, records_of
from capture.store import inside, write_atomic


@dataclass(frozen=True)
class Record:
    """A file as this run found it: path in the folder, bytes, and hashes by format (at least one)."""

    path: str
    size: int
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class Seal:
    """What became of a seal: the newest manifest, its C4, whether this run wrote it, and why not."""

    path: Path | None
    c4: str
    written: bool
    issues: tuple[Issue, ...] = ()


class Mode(StrEnum):
    """When a seal writes a generation, and where."""

    NEWS = "news"  # where there is news, in the histories further down too
    RESTATE = "restate"  # also when every file is as before: a hand-over
    ALONE = "alone"  # where there is news; histories further down are content that came with a card


def seal(
    folder: Path,
    records: Iterable[Record],
    *,
    when: dt.datetime,
    creator: Creator,
    process: Process = "transfer",
    mode: Mode = Mode.NEWS,
) -> Seal:
    """Append a generation to the history of `folder` and to each history further down that a record belongs to.

    A file that the history does not know is `original`, one that fits its hashes is `verified`, one that does not is
    `failed`; a file whose bytes were known under a path that is gone gets that as previousPath. Folder hashes are
    written where the records cover every file. Unless `mode` says otherwise a generation is written only for new,
    renamed or newly failed files. Raises ValueError for a path that leaves the folder, an unknown format, a file
    without hash, and a name that XML cannot hold; OSError where the disk cannot be written.
    """
    given = {relative_path(record.path): record for record in records}
    _refuse_wrong(given)
    issues: list[Issue] = []
    below = Below.NONE if mode is Mode.ALONE else Below.ALL
    top = load_history(folder, "", issues, below)
    if issues and any([_adopt(history, given, creator) for history in top.walk()]):
        issues = []
        top = load_history(folder, "", issues, below)
    if issues:
        return Seal(_path_of(top), top.newest.c4 if top.newest else "", False, tuple(issues))
    plan = _Plan(when, creator, process, mode is Mode.RESTATE)
    made: dict[str, Seal] = {}
    for history in top.walk():
        own = {path: record for path, record in given.items() if _owner(top, path) is history}
        made[history.place] = _seal_one(history, own, plan, made)
    return made[""]


@dataclass(frozen=True)
class _Plan:
    when: dt.datetime
    creator: Creator
    process: Process
    restate: bool

    @property
    def created(self) -> str:
        return self.when.astimezone(dt.UTC).isoformat(timespec="seconds")


def _refuse_wrong(given: Mapping[str, Record]) -> None:
    for record in given.values():
        unknown = sorted(set(record.hashes) - set(FORMATS))
        if unknown or not record.hashes:
            found = repr(unknown[0]) if unknown else "none"
            raise ValueError(f"hash format of {record.path!r} is {found}; give one of {', '.join(FORMATS)}")


def _owner(history: History, path: str) -> History:
    """The history that a path belongs to: the nearest one above it."""
    for below in history.nested:
        if path.startswith(f"{below.place}/"):
            return _owner(below, path)
    return history


def _path_of(history: History) -> Path | None:
    return history.root / FOLDER / history.newest.name if history.newest else None


def _adopt(history: History, given: Mapping[str, Record], creator: Creator) -> bool:
    """Finish a seal that was broken off between manifest and chain, where it says just what this run found."""
    loose = [generation for generation in history.generations if not generation.listed]
    if len(loose) != 1 or loose[0].number != len(history.chain) + 1:
        return False
    manifest = loose[0].manifest
    for record in manifest.files:
        now = given.get(history.at(record.path))
        if now is None or not any(now.hashes.get(item.name) == item.text for item in record.hashes):
            return False
    if manifest.creator.tool != creator.tool:
        return False
    _write_chain(history, Link(loose[0].number, loose[0].name, loose[0].c4))
    return True


def _write_chain(history: History, link: Link) -> None:
    write_atomic(history.root / FOLDER / FILE_NAME, render_chain((*history.chain, link)))


def _seal_one(history: History, own: Mapping[str, Record], plan: _Plan, made: Mapping[str, Seal]) -> Seal:
    """One generation of one history, the ones below it being sealed already."""
    newest = history.newest
    known = records_of(history).files
    gone = [k for k in known.values() if not (history.root / k.path).exists()]
    files, changed = [], any(made[below.place].written for below in history.nested)
    for path in sorted(own):
        record, news = _entry(history, own[path], known, gone)
        files.append(record)
        changed = changed or news
    below = [(h, made[h.place]) for h in history.nested if made[h.place].path is not None]
    if not (changed or (plan.restate and (files or below))):
        return Seal(_path_of(history), newest.c4 if newest else "", False)
    manifest = Manifest(
        created=plan.created,
        creator=plan.creator,
        process=plan.process,
        records=tuple(in_order(files, ())),
        ignore=newest.manifest.ignore if newest else DEFAULT_IGNORE,
        references=tuple(_reference(history, h, result) for h, result in below),
    )
    formats = set.intersection(*(set(record.hashes) for record in own.values())) if own else set(FORMATS)
    manifest = _with_folders(history, manifest, [result for _, result in below], formats)
    number = newest.number + 1 if newest else 1
    name = manifest_name(number, history.root.resolve().name, plan.when)
    text = render_manifest(manifest)
    target, c4 = history.root / FOLDER / name, hash_bytes(text.encode(), "c4")
    write_atomic(target, text)
    _write_chain(history, Link(number, name, c4))
    return Seal(target, c4, True)


def _reference(history: History, below: History, result: Seal) -> Reference:
    place = below.root.relative_to(history.root).as_posix()
    return Reference(f"{place}/{FOLDER}/{result.path.name if result.path else ''}", result.c4)


def _entry(history: History, record: Record, known: Mapping[str, Known], gone: list[Known]) -> tuple[FileRecord, bool]:
    """The line of one file, and whether it is news."""
    path = record.path.removeprefix(f"{history.place}/") if history.place else record.path
    place = inside(history.root, path)
    before = known.get(path) or next((k for k in gone if _same(k, record.hashes)), None)
    hashes = dict(record.hashes)
    action: Action = "original"
    if before is not None:
        trusted = {name: item.text for name, item in before.hashes.items()}
        if trusted and not trusted.keys() & hashes.keys():
            hashes |= hash_file(place, list(trusted)[:1])
        fits = bool(trusted) and all(trusted[name] == hashes[name] for name in trusted.keys() & hashes.keys())
        action = "verified" if fits else "failed"
    previous = before.path if before is not None and before.path != path else ""
    if before is None or previous:
        news = True
    elif action == "failed":
        news = not any(before.failed.get(name, ("", 0))[0] == text for name, text in hashes.items())
    else:
        news = before.bad
    items = tuple(FileHash(name, text, action) for name, text in hashes.items())
    modified = dt.datetime.fromtimestamp(place.stat().st_mtime, dt.UTC).isoformat(timespec="seconds")
    return FileRecord(path, items, record.size, modified, previous), news


def _same(known: Known, hashes: Mapping[str, str]) -> bool:
    shared = known.hashes.keys() & hashes.keys()
    return bool(shared) and all(known.hashes[name].text == hashes[name] for name in shared)


def _with_folders(history: History, manifest: Manifest, below: list[Seal], formats: set[str]) -> Manifest:
    """The manifest with the hashes of its folders, where it lists every file that lies in them."""
    roots = {r.path.rsplit(f"/{FOLDER}/", 1)[0]: s for r, s in zip(manifest.references, below, strict=True)}
    nested = [h.root.relative_to(history.root).as_posix() for h in history.nested]
    found = walk_files(history.root, manifest.ignore, nested)
    files = list(manifest.files)
    if found.broken or set(found.files) != {record.path for record in files}:
        return manifest
    folders = [FolderRecord(path, {}) for path in found.folders]
    folders += [FolderRecord(path, _root_hashes(seal_below)) for path, seal_below in roots.items()]
    draft = replace(manifest, records=tuple(in_order(files, folders)))
    computed = folder_hashes(draft, nested).computed
    pairs: dict[str, dict[str, FolderHash]] = {}
    for (path, name), pair in computed.items():
        if name in formats:
            pairs.setdefault(path, {})[name] = pair
    hashed = [replace(f, hashes=pairs.get(f.path, {})) for f in (*folders, FolderRecord("", {}))]
    kept = [folder for folder in hashed if folder.hashes and folder.path]
    return replace(manifest, records=tuple(in_order(files, kept)), root=hashed[-1])


def _root_hashes(result: Seal) -> Mapping[str, FolderHash]:
    if result.path is None:
        return {}
    root = read_manifest(result.path)[0].root
    return root.hashes if root is not None else {}
