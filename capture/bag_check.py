"""Is a folder a valid BagIt bag? Versions 0.93 to 1.0 (RFC 8493): complete, unaltered, and kept to itself.

Nothing that a bag says is followed out of its folder, and fetch.txt is read but nothing is fetched. What is allowed but
trips other tools (names that differ only by case, a `*` of md5sum) is a warning.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from capture.issues import Issue, Report, issue
from capture.store import inside

# Accepted in file names, strongest last; others cannot be computed by every Python.
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
VERSIONS = ("0.93", "0.94", "0.95", "0.96", "0.97", "1.0")
# Systems make and remove these by themselves, so a bag that lost one is still whole.
_SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")
_MAX_TAG_BYTES = 256 << 20
_BLOCK = 1 << 20
_MANIFEST = re.compile(r"(tag)?manifest-([A-Za-z0-9-]+)\.txt")
_ESCAPES = re.compile(r"%(0[AaDd]|25)")


@dataclass(frozen=True)
class _Listing:
    """One manifest: the digests of its files, by path in the bag."""

    name: str
    algorithm: str
    digests: dict[str, str]


@dataclass
class _Bag:
    """What was read of a bag, and what was found wrong so far."""

    root: Path
    version: str = ""
    encoding: str = "utf-8"
    issues: list[Issue] = field(default_factory=list)
    payload: list[_Listing] = field(default_factory=list)
    tags: list[_Listing] = field(default_factory=list)

    @property
    def strict(self) -> bool:
        """Version 1.0 and later allow less."""
        return float(self.version or 0) >= 1.0

    def wrong(self, where: str, found: str, expected: str = "") -> None:
        self.issues.append(issue("BAG_INVALID", where=where, expected=expected, found=found))

    def odd(self, where: str, found: str) -> None:
        self.issues.append(issue("BAG_UNUSUAL", where=where, found=found))

    def text(self, name: str) -> str | None:
        """A tag file as text, or None after an issue."""
        try:
            path = inside(self.root, name)
            with path.open("rb") as stream:
                data = stream.read(_MAX_TAG_BYTES + 1)
            if len(data) > _MAX_TAG_BYTES:
                self.wrong(name, f"larger than {_MAX_TAG_BYTES >> 20} MiB")
                return None
            return data.decode(self.encoding)
        except (ValueError, RuntimeError) as err:  # UnicodeError is a ValueError, as is a link that leads out
            self.wrong(name, f"not {self.encoding} inside the bag: {str(err)[:200]}")
        except OSError as err:
            self.wrong(name, f"cannot be read: {err.strerror}")
        return None


def check_bag(folder: Path) -> Report:
    """Check a bag in full, every byte of it. `report.ok` says whether it is valid; warnings do not make it invalid."""
    bag = _Bag(folder)
    count, size = 0, 0
    if _declaration(bag):
        _manifests(bag)
        present = _present(bag)
        _fetch(bag)
        count, size = _payload(bag, present)
        _tag_files(bag)
        _info(bag, count, size)
    return Report("bag", tuple(bag.issues), {"version": bag.version, "files": count, "bytes": size})


def _declaration(bag: _Bag) -> bool:
    """Read bagit.txt. Without it nothing else has a meaning."""
    name = "bagit.txt"
    if not (bag.root / name).is_file():
        bag.wrong(name, "no file", "a declaration")
        return False
    text = bag.text(name)
    if text is None:
        return False
    lines = [*_lines(text), "", ""]
    head = re.fullmatch(r"BagIt-Version: (\d+\.\d+)([ \t]*)", lines[0])
    coding = re.fullmatch(r"Tag-File-Character-Encoding: (\S+)([ \t]*)", lines[1])
    if head is None or coding is None or any(line.strip() for line in lines[2:]):
        expected = "BagIt-Version: M.N and Tag-File-Character-Encoding: NAME"
        bag.wrong(name, repr("\n".join(lines[:3]).strip("\n"))[:200], expected)
        return False
    bag.version = head[1]
    if bag.strict and (head[2] or coding[2]):
        bag.wrong(name, "blanks at the end of a line")
    if bag.version not in VERSIONS:
        bag.odd(name, f"version {bag.version}, known are {', '.join(VERSIONS)}")
    try:
        "".encode(coding[1])
    except (LookupError, ValueError):
        bag.wrong(name, f"encoding {coding[1][:50]!r} is unknown")
        return False
    bag.encoding = coding[1]
    return True


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def _manifests(bag: _Bag) -> None:
    unknown = []
    for name in sorted(os.listdir(bag.root)):
        match = _MANIFEST.fullmatch(name)
        if match is None:
            continue
        algorithm = match[2].lower().replace("-", "")
        if algorithm not in ALGORITHMS:
            unknown.append(name)
            bag.odd(name, f"algorithm {match[2]!r} is not computed here; known are {', '.join(ALGORITHMS)}")
            continue
        listing = _Listing(name, algorithm, {})
        _read_manifest(bag, listing, tag=match[1] is not None)
        (bag.tags if match[1] else bag.payload).append(listing)
    if not bag.payload:
        bag.wrong("manifest-*.txt", "none that can be computed" if unknown else "no file", "a payload manifest")


def _read_manifest(bag: _Bag, listing: _Listing, *, tag: bool) -> None:
    length = hashlib.new(listing.algorithm).digest_size * 2
    for number, line in enumerate(_lines(bag.text(listing.name) or ""), 1):
        where = f"{listing.name}:{number}"
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9A-Fa-f]+)[ \t]+(\*?)(.+)", line, re.DOTALL)
        if match is None or len(match[1]) != length:
            bag.wrong(where, repr(line[:120]), f"{length} hexadecimal digits and a path")
            continue
        if match[2]:
            bag.odd(where, "a * before the path, as md5sum writes it")
        path = _path(bag, where, match[3], tag=tag)
        if path is not None:
            _enter(bag, where, listing, path, match[1].lower())


def _enter(bag: _Bag, where: str, listing: _Listing, path: str, digest: str) -> None:
    known = listing.digests.get(path)
    if known is not None and known != digest:
        bag.wrong(where, f"{path} is listed twice with different digests")
    elif known is not None and bag.strict:
        bag.wrong(where, f"{path} is listed twice")
    elif known is not None:
        bag.odd(where, f"{path} is listed twice")
    listing.digests.setdefault(path, digest)


def _path(bag: _Bag, where: str, text: str, *, tag: bool) -> str | None:
    """A path of a manifest or of fetch.txt, or None after an issue where it could lead anywhere but into its place."""
    if text.startswith("./"):
        bag.odd(where, f"path begins with ./: {text[:120]!r}")
        text = text[2:]
    path = _ESCAPES.sub(lambda m: chr(int(m[1], 16)) if m[1] != "25" or bag.strict else m[0], text)
    parts = path.split("/")
    plain = not any(part in ("", ".", "..") for part in parts) and "\0" not in path and path[0] not in "~\\%"
    if plain and not re.match(r"[A-Za-z]:", path) and (parts[0] == "data" and len(parts) > 1) is not tag:
        return path
    bag.issues.append(
        issue("PATH_ESCAPES", where=where, expected="a tag file" if tag else "data/...", found=path[:200])
    )
    return None


def _present(bag: _Bag) -> set[str]:
    """Regular files of the payload by path in the bag; links that lead out are an issue, and not followed."""
    found: set[str] = set()
    if not (bag.root / "data").is_dir() or (bag.root / "data").is_symlink():
        bag.wrong("data", "no folder", "the payload")
        return found

    def unreadable(err: OSError) -> None:
        bag.wrong(str(Path(str(err.filename)).relative_to(bag.root)), f"folder cannot be read: {err.strerror}")

    for here, folders, names in os.walk(bag.root / "data", onerror=unreadable):
        for name in [*names, *(n for n in folders if (Path(here) / n).is_symlink())]:
            path = (Path(here) / name).relative_to(bag.root).as_posix()
            try:
                regular = inside(bag.root, path).is_file()
            except (ValueError, OSError, RuntimeError):
                bag.issues.append(issue("PATH_ESCAPES", where=path, found="a link that leads out of the bag"))
                continue
            if regular:
                found.add(path)
            else:
                bag.wrong(path, "not a regular file")
    return found


def _fetch(bag: _Bag) -> None:
    name = "fetch.txt"
    if not (bag.root / name).exists():
        return
    for number, line in enumerate(_lines(bag.text(name) or ""), 1):
        where = f"{name}:{number}"
        match = re.fullmatch(r"(\S+)[ \t]+(\d+|-)[ \t]+(.+)", line, re.DOTALL)
        if not line.strip():
            continue
        if match is None:
            bag.wrong(where, repr(line[:120]), "URL LENGTH PATH")
            continue
        path = _path(bag, where, match[3], tag=False)
        if path is not None and not any(path in listing.digests for listing in bag.payload):
            bag.wrong(where, f"{path} is in no manifest")


def _payload(bag: _Bag, present: set[str]) -> tuple[int, int]:
    """Compare manifests and files. Returns number and bytes of the payload as it should be."""
    listed = sorted({path for listing in bag.payload for path in listing.digests})
    alike: dict[str, list[str]] = {}
    for path in listed:
        alike.setdefault(_key(path), []).append(path)
    for group in alike.values():
        if len(group) > 1:
            bag.odd(group[1], f"differs from {group[0]} only by case or by the way its letters are encoded")
    by_key = {_key(path): path for path in sorted(present)}
    claimed: set[str] = set()
    size = lost = 0
    for path in listed:
        real = path if path in present else by_key.get(_key(path))
        twin = real is not None and real != path and _key(path) in alike and len(alike[_key(path)]) > 1
        spelt = real is not None and unicodedata.normalize("NFC", real) == unicodedata.normalize("NFC", path)
        if real is None or not (spelt or twin):  # elsewhere than on a Mac another case is another file
            lost += _absent(bag, path)
            continue
        if real != path and not twin:
            bag.odd(path, f"lies in the bag as {real!r}")
        if real not in claimed:
            size += (bag.root / real).stat().st_size
        claimed.add(real)
        _compare(bag, path, real, bag.payload)
        missing = [listing.name for listing in bag.payload if path not in listing.digests]
        if missing and bag.strict:
            bag.wrong(path, f"not in {missing[0]}", "every manifest lists every file")
    for path in sorted(present - claimed):
        bag.wrong(path, "in no manifest", "every file of data/ is listed")
    return (-1 if lost else len(claimed)), size


def _absent(bag: _Bag, path: str) -> bool:
    """Name a listed file that is not there; true where the system may have removed it."""
    if path.rpartition("/")[2] in _SYSTEM_FILES:
        bag.odd(path, "a file that systems make and remove by themselves is listed and not there")
        return True
    bag.issues.append(issue("FILE_MISSING", where=path, expected="as in the manifest", found="no file"))
    return False


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _compare(bag: _Bag, path: str, real: str, listings: list[_Listing]) -> None:
    wanted = [listing for listing in listings if path in listing.digests]
    try:
        found = digests_of(inside(bag.root, real), {listing.algorithm for listing in wanted})
    except (OSError, ValueError, RuntimeError) as err:
        bag.issues.append(issue("FILE_UNREADABLE", where=path, found=f"cannot be read: {err}"[:200]))
        return
    for listing in wanted:
        if found[listing.algorithm] != listing.digests[path]:
            expected, got = listing.digests[path][:16], found[listing.algorithm][:16]
            name = listing.algorithm
            bag.issues.append(issue("HASH_MISMATCH", where=path, expected=f"{name} {expected}", found=f"{name} {got}"))


def digests_of(path: Path, algorithms: Iterable[str], *, copy_to: BinaryIO | None = None) -> dict[str, str]:
    """Hexadecimal digests of a file, read once, and written on the way to `copy_to`. Raises OSError."""
    hashers = {name: hashlib.new(name, usedforsecurity=False) for name in sorted(algorithms)}
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for hasher in hashers.values():
                hasher.update(block)
            if copy_to is not None:
                copy_to.write(block)
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}


def _tag_files(bag: _Bag) -> None:
    for path in sorted({path for listing in bag.tags for path in listing.digests}):
        if (bag.root / path).is_file():
            _compare(bag, path, path, bag.tags)
        else:
            bag.issues.append(issue("FILE_MISSING", where=path, expected="as in the tag manifest", found="no file"))


def _info(bag: _Bag, count: int, size: int) -> None:
    """bag-info.txt (package-info.txt before 0.95): number and bytes of the payload, where it gives them."""
    name = "bag-info.txt" if (bag.root / "bag-info.txt").exists() else "package-info.txt"
    if not (bag.root / name).exists():
        return
    for label, value in _fields(bag, name):
        if label.lower() != "payload-oxum" or count < 0:
            continue
        if value != f"{size}.{count}":
            bag.wrong(f"{name}, Payload-Oxum", value[:60], f"{size}.{count}")


def _fields(bag: _Bag, name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(bag.text(name) or ""), 1):
        label, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") or not line.strip():  # goes on from the line before
            continue
        if not colon:
            bag.odd(f"{name}:{number}", f"no label: {line[:80]!r}")
        yield label.strip(), value.strip()
