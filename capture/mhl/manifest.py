"""One generation of a history: the manifest `NNNN_<folder>_<UTC>Z.mhl` with the hashes of files and folders.

Read and written after ASC MHL v1.0, section 6. What a file on disk claims is checked for form only; whether it is true
is asked in `history` and `verify`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, get_args
from xml.etree.ElementTree import Element

from capture.mhl.hashes import FORMATS, FolderHash, decode, hash_bytes
from capture.mhl.xml_text import XmlError, attribute_of, read_xml, text_of

FOLDER = "ascmhl"
SUFFIX = ".mhl"
DEFAULT_IGNORE = (".DS_Store", "ascmhl", "ascmhl/")
Action = Literal["original", "verified", "failed", ""]  # empty: the manifest gives none
Process = Literal["in-place", "transfer", "flatten"]
_MAX_PARTS = 200  # folders in folders; no real tree is deeper
_NS = "{urn:ASC:MHL:v2.0}"
_NAME = re.compile(r"(\d{4,})(?:_.*)?\.mhl", re.DOTALL)


class ManifestError(Exception):
    """A manifest or a chain cannot be used; the message says what was found."""


@dataclass(frozen=True)
class FileHash:
    """One hash of a file, and what the maker of the manifest says of it."""

    name: str  # one of FORMATS
    text: str
    action: Action


@dataclass(frozen=True)
class FileRecord:
    """A file as one generation found it."""

    path: str
    hashes: tuple[FileHash, ...]
    size: int | None = None
    modified: str = ""
    previous: str = ""  # the path that it had in earlier generations


@dataclass(frozen=True)
class FolderRecord:
    """A folder as one generation found it; the path of the whole is empty."""

    path: str
    hashes: Mapping[str, FolderHash]  # by format
    modified: str = ""
    previous: str = ""


@dataclass(frozen=True)
class Reference:
    """The newest manifest of a history further down, as it was at that time."""

    path: str
    c4: str


@dataclass(frozen=True)
class Author:
    """Who sealed."""

    name: str
    role: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True)
class Creator:
    """On which machine, with which tool, by whom and where a generation was made."""

    host: str
    tool: str
    version: str
    authors: tuple[Author, ...] = ()
    location: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Manifest:
    """The content of one manifest; files and folders in the order of the file."""

    created: str
    creator: Creator
    process: Process
    records: tuple[FileRecord | FolderRecord, ...]
    root: FolderRecord | None = None
    ignore: tuple[str, ...] = DEFAULT_IGNORE
    references: tuple[Reference, ...] = field(default=())

    @property
    def files(self) -> Iterator[FileRecord]:
        """The files only."""
        return (record for record in self.records if isinstance(record, FileRecord))


def number_of(name: str) -> int | None:
    """The generation that the name of a manifest claims, or None for a name of another form."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match and not name.startswith("._") else None


def manifest_name(number: int, folder: str, when: dt.datetime) -> str:
    """The name of a manifest; `when` must know its time zone (ValueError)."""
    if when.tzinfo is None:
        raise ValueError(f"time {when} has no time zone; give one, such as datetime.now(timezone.utc)")
    return f"{number:04d}_{folder}_{when.astimezone(dt.UTC):%Y-%m-%d_%H%M%SZ}{SUFFIX}"


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """A manifest and the C4 of its file. Raises ManifestError for what is not of this format."""
    try:
        root, data = read_xml(path)
    except XmlError as err:
        raise ManifestError(str(err)) from None
    if root.tag != f"{_NS}hashlist":
        raise ManifestError(f"its root is {root.tag[:100]!r}, not a hashlist of ASC MHL 2.0")
    try:
        return _manifest(root), hash_bytes(data, "c4")
    except ValueError as err:
        raise ManifestError(str(err)) from None


def relative_path(text: str | None) -> str:
    """A path of a manifest when it stays inside the folder, else ValueError."""
    path = text or ""
    parts = path.split("/")
    if "\0" in path or len(parts) > _MAX_PARTS or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"path {path[:200]!r} is not a plain relative path")
    return path


def _manifest(root: Element) -> Manifest:
    info, how = root.find(f"{_NS}creatorinfo"), root.find(f"{_NS}processinfo")
    if info is None or how is None:
        raise ValueError("creatorinfo or processinfo is missing")
    process = (how.findtext(f"{_NS}process") or "").strip()
    if process not in get_args(Process):
        raise ValueError(f"process is {process[:50]!r}, not one of {', '.join(get_args(Process))}")
    records = tuple(_record(element) for element in root.findall(f"{_NS}hashes/*"))
    twice = _first_twice(record.path for record in records)
    if twice is not None:
        raise ValueError(f"path {twice!r} is listed twice")
    whole = how.find(f"{_NS}roothash")
    patterns = tuple(e.text for e in how.findall(f"{_NS}ignore/{_NS}pattern") if e.text)
    return Manifest(
        created=info.findtext(f"{_NS}creationdate") or "",
        creator=_creator(info),
        process=process,  # type: ignore[arg-type]  # one of its literals, asked above
        records=records,
        root=FolderRecord("", _folder_hashes(whole)) if whole is not None else None,
        ignore=patterns or DEFAULT_IGNORE,
        references=tuple(_reference(e) for e in root.findall(f"{_NS}references/{_NS}hashlistreference")),
    )


def _creator(info: Element) -> Creator:
    tool = info.find(f"{_NS}tool")
    return Creator(
        host=info.findtext(f"{_NS}hostname") or "",
        tool=(tool.text or "") if tool is not None else "",
        version=tool.get("version", "") if tool is not None else "",
        authors=tuple(
            Author(a.text or "", a.get("role", ""), a.get("email", ""), a.get("phone", ""))
            for a in info.findall(f"{_NS}author")
        ),
        location=info.findtext(f"{_NS}location") or "",
        comment=info.findtext(f"{_NS}comment") or "",
    )


def _record(element: Element) -> FileRecord | FolderRecord:
    place = element.find(f"{_NS}path")
    path = relative_path(place.text if place is not None else None)
    modified = place.get("lastmodificationdate", "") if place is not None else ""
    before = element.find(f"{_NS}previousPath")
    previous = relative_path(before.text) if before is not None else ""
    if element.tag == f"{_NS}directoryhash":
        return FolderRecord(path, _folder_hashes(element), modified, previous)
    if element.tag != f"{_NS}hash":
        raise ValueError(f"element {element.tag[:100]!r} stands among the hashes")
    size = place.get("size") if place is not None else None
    if size is not None and not (size.isascii() and size.isdigit() and len(size) < 20):
        raise ValueError(f"size {size[:50]!r} of {path!r} is not a number of bytes")
    hashes = tuple(_file_hash(element, name) for name in FORMATS if element.find(_NS + name) is not None)
    if not hashes:
        raise ValueError(f"file {path!r} has no hash of a known format")
    return FileRecord(path, hashes, int(size) if size is not None else None, modified, previous)


def _file_hash(element: Element, name: str) -> FileHash:
    found = element.findall(_NS + name)
    if len(found) > 1:
        raise ValueError(f"format {name} stands twice at one file")
    action = found[0].get("action", "")
    if action not in get_args(Action):
        raise ValueError(f"action {action[:50]!r} is none of original, verified, failed")
    return FileHash(name, _hash_text(found[0], name), action)  # type: ignore[arg-type]  # asked above


def _hash_text(element: Element | None, name: str) -> str:
    text = ((element.text if element is not None else None) or "").strip()
    text = text if name == "c4" else text.lower()
    decode(name, text)
    return text


def _folder_hashes(element: Element) -> dict[str, FolderHash]:
    content, structure = element.find(f"{_NS}content"), element.find(f"{_NS}structure")
    if content is None or structure is None:
        raise ValueError("a folder lacks content or structure")
    return {
        name: FolderHash(_hash_text(content.find(_NS + name), name), _hash_text(structure.find(_NS + name), name))
        for name in FORMATS
        if content.find(_NS + name) is not None
    }


def _reference(element: Element) -> Reference:
    return Reference(relative_path(element.findtext(f"{_NS}path")), _hash_text(element.find(f"{_NS}c4"), "c4"))


def _first_twice(paths: Iterator[str]) -> str | None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            return path
        seen.add(path)
    return None


def folder_of(path: str) -> str:
    """The folder that a path lies in, empty for the whole."""
    parent = PurePosixPath(path).parent.as_posix()
    return "" if parent == "." else parent


def render_manifest(manifest: Manifest) -> str:
    """The text of a manifest. Raises ValueError for a name or a comment that XML cannot hold."""
    when = attribute_of(manifest.created)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<hashlist version="2.0" xmlns="{_NS[1:-1]}">']
    lines += ["  <creatorinfo>", *_creator_lines(manifest), "  </creatorinfo>", "  <processinfo>"]
    lines.append(f"    <process>{manifest.process}</process>")
    if manifest.root is not None and manifest.root.hashes:
        lines += ["    <roothash>", *_folder_lines(manifest.root, when), "    </roothash>"]
    lines += ["    <ignore>", *(f"      <pattern>{text_of(p)}</pattern>" for p in manifest.ignore), "    </ignore>"]
    lines.append("  </processinfo>")
    if manifest.records:  # the schema has no empty list
        lines.append("  <hashes>")
        for record in manifest.records:
            lines += _file_lines(record, when) if isinstance(record, FileRecord) else _directory_lines(record, when)
        lines.append("  </hashes>")
    if manifest.references:
        lines.append("  <references>")
        for reference in manifest.references:
            lines += ["    <hashlistreference>", f"      <path>{text_of(reference.path)}</path>"]
            lines += [f"      <c4>{reference.c4}</c4>", "    </hashlistreference>"]
        lines.append("  </references>")
    return "\n".join([*lines, "</hashlist>", ""])


def _creator_lines(manifest: Manifest) -> list[str]:
    creator = manifest.creator
    lines = [
        f"    <creationdate>{text_of(manifest.created)}</creationdate>",
        f"    <hostname>{text_of(creator.host)}</hostname>",
        f"    <tool version={attribute_of(creator.version)}>{text_of(creator.tool)}</tool>",
    ]
    for author in creator.authors:
        given = (("role", author.role), ("email", author.email), ("phone", author.phone))
        attributes = "".join(f" {name}={attribute_of(value)}" for name, value in given if value)
        lines.append(f"    <author{attributes}>{text_of(author.name)}</author>")
    lines += [f"    <location>{text_of(creator.location)}</location>"] if creator.location else []
    lines += [f"    <comment>{text_of(creator.comment)}</comment>"] if creator.comment else []
    return lines


def _path_line(path: str, *, size: int | None = None, modified: str = "") -> str:
    given = (f' size="{size}"' if size is not None else "") + (
        f" lastmodificationdate={attribute_of(modified)}" if modified else ""
    )
    return f"      <path{given}>{text_of(path)}</path>"


def _file_lines(record: FileRecord, when: str) -> list[str]:
    lines = ["    <hash>", _path_line(record.path, size=record.size, modified=record.modified)]
    for item in sorted(record.hashes, key=lambda h: FORMATS.index(h.name)):
        action = f' action="{item.action}"' if item.action else ""
        lines.append(f"      <{item.name}{action} hashdate={when}>{item.text}</{item.name}>")
    lines += [f"      <previousPath>{text_of(record.previous)}</previousPath>"] if record.previous else []
    return [*lines, "    </hash>"]


def _directory_lines(record: FolderRecord, when: str) -> list[str]:
    lines = ["    <directoryhash>", _path_line(record.path, modified=record.modified), *_folder_lines(record, when)]
    lines += [f"      <previousPath>{text_of(record.previous)}</previousPath>"] if record.previous else []
    return [*lines, "    </directoryhash>"]


def _folder_lines(record: FolderRecord, when: str) -> list[str]:
    hashes = [(name, record.hashes[name]) for name in FORMATS if name in record.hashes]
    return [
        "      <content>",
        *(f"        <{name} hashdate={when}>{pair.content}</{name}>" for name, pair in hashes),
        "      </content>",
        "      <structure>",
        *(f"        <{name} hashdate={when}>{pair.structure}</{name}>" for name, pair in hashes),
        "      </structure>",
    ]
