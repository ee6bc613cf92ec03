"""A history as it lies on disk: its chain, its generations in order, and the histories further down.

Reading never stops at the first trouble: each fault becomes an issue and the rest is read on. Beyond the reference tool
this names a generation that was taken out together with its line of the chain (the count has a gap, or a manifest
vouches for a hash that nobody sealed before), a manifest that the chain does not list, and a file that was struck from
a manifest (the hashes of its folders no longer follow from its files).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from capture.issues import Issue, issue
from capture.mhl.chain import FILE_NAME, Link, read_chain
from capture.mhl.folders import folder_hashes
from capture.mhl.hashes import hash_file
from capture.mhl.manifest import FOLDER, SUFFIX, Manifest, ManifestError, number_of, read_manifest

_MAX_DEPTH = 64  # histories inside histories


@dataclass(frozen=True)
class Generation:
    """One manifest of a history."""

    number: int
    name: str
    c4: str
    manifest: Manifest
    listed: bool  # the chain has it


@dataclass(frozen=True)
class History:
    """The history of one folder. `place` is the folder's path below the topmost one, empty for that itself."""

    root: Path
    place: str
    chain: tuple[Link, ...]
    generations: tuple[Generation, ...]  # by number
    nested: tuple[History, ...]  # the next ones further down

    def walk(self) -> Iterator[History]:
        """The histories further down, deepest first, and this one last."""
        for history in self.nested:
            yield from history.walk()
        yield self

    @property
    def newest(self) -> Generation | None:
        """The last generation."""
        return self.generations[-1] if self.generations else None

    @property
    def counts_on(self) -> bool:
        """No generation is missing as far as their numbers tell."""
        numbers = [link.number for link in self.chain] or [generation.number for generation in self.generations]
        read = [generation.number for generation in self.generations]
        return numbers == list(range(1, len(numbers) + 1)) and set(numbers) <= set(read)

    def at(self, path: str) -> str:
        """A path of this history as seen from the topmost folder."""
        return f"{self.place}/{path}" if self.place else path


class Below(StrEnum):
    """Which histories further down belong to a history."""

    ALL = "all"
    REFERRED = "referred to"  # those that it refers to; all where it has no generation itself
    NONE = "none"


def load_history(root: Path, place: str, issues: list[Issue], below: Below = Below.REFERRED) -> History:
    """The history of a folder and those below it, faults added to `issues`. Without `ascmhl` there is no generation.

    A folder may hold a copy of a card's own history; what nothing refers to is content like any other.
    """
    where = f"{place}/{FOLDER}" if place else FOLDER
    folder = root / FOLDER
    inner = _nested(root) if place.count("/") < _MAX_DEPTH else []
    if folder.is_symlink():
        issues.append(issue("PATH_ESCAPES", where=where, found="a link; a history lies in its folder itself"))
    if folder.is_symlink() or not folder.is_dir():
        return History(root, place, (), (), _load_below(root, place, inner, issues, below))
    chain = _chain(folder, where, issues)
    names = {link.name: link for link in chain}
    try:
        there = sorted(p.name for p in folder.iterdir() if p.name.endswith(SUFFIX) and not p.name.startswith("."))
    except OSError as err:
        issues.append(issue("MANIFEST_INVALID", where=where, found=f"folder cannot be read: {err.strerror}"))
        there = []
    generations = []
    for name in [*names, *(n for n in there if n not in names)]:
        generation = _generation(folder, where, name, names.get(name), issues)
        if generation is None:
            continue
        generations.append(generation)
        issues += _inside(generation.manifest, f"{where}/{name}", inner)
        if chain and not generation.listed:
            issues.append(issue("MANIFEST_UNLISTED", where=f"{where}/{name}", expected=f"a line in {FILE_NAME}"))
    generations.sort(key=lambda g: (g.number, not g.listed, g.name))
    referred = {ref.path.rsplit(f"/{FOLDER}/", 1)[0] for g in generations for ref in g.manifest.references}
    own = inner if below is Below.ALL or not generations else [name for name in inner if name in referred]
    nested = _load_below(root, place, own, issues, below)
    history = History(root, place, chain, tuple(generations), nested)
    issues += [trouble for g in history.generations for trouble in _references(history, where, g)]
    return history


def _load_below(root: Path, place: str, inner: list[str], issues: list[Issue], below: Below) -> tuple[History, ...]:
    if below is Below.NONE:
        return ()
    return tuple(load_history(root / n, f"{place}/{n}" if place else n, issues, below) for n in inner)


def _nested(root: Path) -> list[str]:
    """Folders below that have a history of their own, nearest first; none is looked for further down in them."""
    found = []
    for here, folders, _ in os.walk(root):
        if here != str(root) and FOLDER in folders:
            found.append(Path(here).relative_to(root).as_posix())
            folders.clear()
        folders[:] = sorted(name for name in folders if name != FOLDER)
    return sorted(found)


def _chain(folder: Path, where: str, issues: list[Issue]) -> tuple[Link, ...]:
    path = folder / FILE_NAME
    if path.is_symlink() or not path.is_file():
        issues.append(issue("MANIFEST_CHAIN_MISSING", where=f"{where}/{FILE_NAME}"))
        return ()
    try:
        chain = read_chain(path)
    except ManifestError as err:
        issues.append(issue("MANIFEST_INVALID", where=f"{where}/{FILE_NAME}", found=str(err)))
        return ()
    place = f"{where}/{FILE_NAME}"
    numbers = [link.number for link in chain]
    if len(set(numbers)) < len(numbers) or len({link.name for link in chain}) < len(chain):
        found = f"generations {', '.join(map(str, numbers[:20]))}"
        issues.append(issue("MANIFEST_INVALID", where=place, expected="each generation once", found=found))
        return chain
    for number in sorted(set(range(1, max(numbers) + 1)) - set(numbers))[:20]:
        issues.append(issue("MANIFEST_GENERATION_MISSING", where=place, expected=f"generation {number}", found="a gap"))
    for link in chain:
        named = number_of(link.name)
        if named != link.number:
            expected = f"the manifest of generation {link.number}"
            issues.append(issue("MANIFEST_GENERATION_MISSING", where=place, expected=expected, found=link.name))
    return chain


def _generation(folder: Path, where: str, name: str, link: Link | None, issues: list[Issue]) -> Generation | None:
    path, place = folder / name, f"{where}/{name}"
    number = link.number if link is not None else number_of(name)
    if not path.is_file() or path.is_symlink():
        issues.append(
            issue("MANIFEST_GENERATION_MISSING", where=place, expected=f"generation {number}", found="no file")
        )
        return None
    try:
        manifest, c4 = read_manifest(path)
    except ManifestError as err:
        code = "MANIFEST_INVALID" if link is None or _has_c4(path, link.c4) else "MANIFEST_ALTERED"
        issues.append(issue(code, where=place, found=str(err)))
        return None
    if number is None:
        issues.append(issue("MANIFEST_INVALID", where=place, expected="NNNN_<folder>_<UTC>Z.mhl", found=name))
        return None
    if link is not None and link.c4 != c4:
        issues.append(issue("MANIFEST_ALTERED", where=place, expected=link.c4[:18], found=c4[:18]))
    return Generation(number, name, c4, manifest, link is not None)


def _has_c4(path: Path, c4: str) -> bool:
    try:
        return hash_file(path, ("c4",))["c4"] == c4
    except OSError:
        return False


def _inside(manifest: Manifest, place: str, nested: list[str]) -> Iterator[Issue]:
    """What a manifest says against itself."""
    silent = [record.path for record in manifest.files if any(not h.action for h in record.hashes)]
    if silent:
        found = f"{len(silent)} files with a hash without action, first {silent[0]}"
        yield issue("MANIFEST_INVALID", where=place, expected="original, verified or failed", found=found)
    for path, name, listed, computed in folder_hashes(manifest, nested).differing:
        found = f"{name} {computed.content} of the files listed in {path or 'the whole'}"
        yield issue("MANIFEST_ALTERED", where=place, expected=f"{name} {listed.content}", found=found)
        return  # every folder above differs too


def _references(history: History, where: str, generation: Generation) -> Iterator[Issue]:
    """Does each manifest that this one refers to still lie in its history, as it was?"""
    below = {f"{h.place}/{FOLDER}/{g.name}": g.c4 for h in history.walk() for g in h.generations}
    for reference in generation.manifest.references:
        place = history.at(reference.path)
        if place not in below:
            by = f"{where}/{generation.name}"
            yield issue("MANIFEST_GENERATION_MISSING", where=place, expected=f"as {by} refers to it", found="none")
        elif below[place] != reference.c4:
            yield issue("MANIFEST_ALTERED", where=place, expected=reference.c4[:18], found=below[place][:18])
