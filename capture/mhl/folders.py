"""Folders of a history: which files count, in which order, and the hashes of folders made from those of their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

from capture.mhl.hashes import FORMATS, FolderHash, hash_folder
from capture.mhl.manifest import FOLDER, FileRecord, FolderRecord, Manifest, folder_of


@dataclass(frozen=True)
class Found:
    """What a walk through a folder met."""

    files: tuple[str, ...]  # regular files, and links to regular files inside
    folders: tuple[str, ...]
    broken: tuple[tuple[str, str], ...] = ()  # links and others that are not followed, and why


def walk_files(root: Path, ignore: Iterable[str], nested: Iterable[str] = ()) -> Found:
    """Everything below `root` but what the patterns leave out and the folders `nested`, in the order of names."""
    spec = ignore_spec(ignore)
    apart = set(nested)
    files: list[str] = []
    folders: list[str] = []
    broken: list[tuple[str, str]] = []
    base = root.resolve()

    def unreadable(err: OSError) -> None:
        broken.append((Path(str(err.filename)).relative_to(root).as_posix(), f"folder: {err.strerror}"))

    for here, below, names in os.walk(root, onerror=unreadable):
        place = Path(here).relative_to(root)
        inner = [(place / name).as_posix() for name in sorted(below)]
        kept = [p for p in inner if p not in apart and not spec.match_file(f"{p}/")]
        links = {p for p in kept if (root / p).is_symlink()}
        broken += [(p, "a link to a folder; links to folders are not followed") for p in kept if p in links]
        kept = [p for p in kept if p not in links]
        below[:] = [PurePosixPath(p).name for p in kept]
        folders += kept
        for path in ((place / name).as_posix() for name in sorted(names)):
            if spec.match_file(path):
                continue
            trouble = trouble_of(base, root / path)
            if trouble:
                broken.append((path, trouble))
            else:
                files.append(path)
    return Found(tuple(files), tuple(folders), tuple(broken))


def ignore_spec(patterns: Iterable[str]) -> GitIgnoreSpec:
    """What a manifest leaves out: its own patterns, in the syntax of .gitignore, and the history itself."""
    return GitIgnoreSpec.from_lines([*patterns, f"/{FOLDER}/"])


def trouble_of(base: Path, path: Path) -> str:
    """Why a path is not a file of the resolved folder `base` to be hashed, or nothing."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        return "a link that leads to itself"
    if not real.is_relative_to(base):
        return "a link that leads out of the folder"
    if path.is_symlink() and not real.exists():
        return "a link to a file that is not there"
    return "" if real.is_file() else "not a regular file"


@dataclass
class _Node:
    files: dict[str, FileRecord] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class FolderHashes:
    """Hashes of the folders of a manifest that follow from its files, and those that it lists otherwise."""

    computed: Mapping[tuple[str, str], FolderHash]  # (folder, format); the whole is ""
    differing: tuple[tuple[str, str, FolderHash, FolderHash], ...]  # folder, format, as listed, as computed


def folder_hashes(manifest: Manifest, nested: Iterable[str] = ()) -> FolderHashes:
    """Compute the hashes of every folder of a manifest from the hashes of its files.

    A format that some file below lacks gives none. Folders with a history of their own (`nested`, and those that the
    manifest refers to) are taken as listed.
    """
    nodes, listed = _tree(manifest)
    apart = {PurePosixPath(r.path).parent.parent.as_posix() for r in manifest.references} | set(nested)
    computed: dict[tuple[str, str], FolderHash] = {}
    differing = []
    wanted = [name for name in FORMATS if any(h.name == name for f in manifest.files for h in f.hashes)]
    wanted += [n for pair in listed.values() for n in pair if n not in wanted]
    # Deepest first: a folder needs its folders.
    for path in sorted(nodes, key=lambda p: (-p.count("/"), p == "", p)):
        for name in dict.fromkeys(wanted):
            given = listed.get(path, {}).get(name)
            value = given if path in apart else _one(path, nodes[path], name, computed)
            if value is None:
                continue
            computed[path, name] = value
            if given is not None and given != value:
                differing.append((path, name, given, value))
    return FolderHashes(computed, tuple(differing))


def _tree(manifest: Manifest) -> tuple[dict[str, _Node], dict[str, Mapping[str, FolderHash]]]:
    nodes: dict[str, _Node] = {"": _Node()}
    listed: dict[str, Mapping[str, FolderHash]] = {}

    def node(path: str) -> _Node:
        if path not in nodes:
            nodes[path] = _Node()
            node(folder_of(path)).folders.add(path)
        return nodes[path]

    for record in manifest.records:
        if isinstance(record, FolderRecord):
            node(record.path)
            listed[record.path] = record.hashes
        else:
            node(folder_of(record.path)).files[record.path] = record
    if manifest.root is not None:
        listed[""] = manifest.root.hashes
    return nodes, listed


def _one(path: str, node: _Node, name: str, computed: Mapping[tuple[str, str], FolderHash]) -> FolderHash | None:
    files: dict[str, str] = {}
    for file, record in node.files.items():
        text = next((h.text for h in record.hashes if h.name == name), None)
        if text is None:
            return None
        files[PurePosixPath(file).name] = text
    folders: dict[str, FolderHash] = {}
    for below in node.folders:
        if (below, name) not in computed:
            return None
        folders[PurePosixPath(below).name] = computed[below, name]
    return hash_folder(files, folders, name)


def in_order(files: Iterable[FileRecord], folders: Iterable[FolderRecord]) -> Iterator[FileRecord | FolderRecord]:
    """Records as the reference tool lists them: by name, what is in a folder before the folder itself."""
    records: list[FileRecord | FolderRecord] = [*files, *folders]
    # A folder sorts behind everything below it: no character of a name is above the last code point.
    yield from sorted(records, key=lambda r: _order(r))


def _order(record: FileRecord | FolderRecord) -> tuple[str, ...]:
    parts = PurePosixPath(record.path).parts
    return (*parts, "\U0010ffff") if isinstance(record, FolderRecord) else parts
