"""OpenCV's YAML: written by OpenCV's own FileStorage, read by a parser of exactly what FileStorage writes.

FileStorage itself is not given files of others: 100,000 opening brackets overflow its stack, and about one in six
thousand files with a few damaged bytes aborts the process. So there are keys on top, and under a key a text, a list in
one of two spellings, or a matrix; no tags but the two of matrices, no anchors, nothing nested.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from calibration.formats.reading import bytes_of, named, number, shown, text_of
from calibration.pose import Floats

Items: TypeAlias = list[str]
Held: TypeAlias = "str | Items | dict[str, str | Items]"

_MOST_NUMBERS = 100_000
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TYPE = re.compile(r"(\d*)[ucwsifdh]")
_PAIR = re.compile(r'(?:"([^"]*)"|([^\W\d][\w .-]*))\s*:(?:\s+(.*))?')
_ITEM = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,"\[\]{}]*)\s*(,|$)')
_MATRICES = ("!!opencv-matrix", "!!opencv-nd-matrix")


class Storage:
    """One file. Every getter raises ValueError that names the key."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        if bytes_of(path)[:2] == b"\x1f\x8b":
            raise ValueError(f"{path.name} is compressed; unpack it first")
        text = text_of(path)
        if text.lstrip()[:1] in ("<", "{", "["):
            raise ValueError(f"{path.name} is XML or JSON; save it as YAML")
        self._held = _Parser(text, path.name).keys()

    def has(self, key: str) -> bool:
        """Whether the file has the key."""
        return key in self._held

    def keys(self) -> tuple[str, ...]:
        """The keys on top."""
        return tuple(self._held)

    def names(self, key: str) -> tuple[str, ...]:
        """A list of names, which may be written as numbers; "none" stands for no camera."""
        found = self._held.get(key)
        if not isinstance(found, list):
            raise ValueError(f"{self.name} has no list {key!r}; it holds {shown(list(self._held)[:20])}")
        return tuple(named(text, f"{self.name} {key}") for text in found if text != "none")

    def text(self, key: str) -> str:
        """A text."""
        found = self._held.get(key)
        if not isinstance(found, str):
            raise ValueError(f"{self.name} has no text {key!r}; it holds {shown(list(self._held)[:20])}")
        return found

    def real(self, key: str) -> float:
        """A finite number."""
        return number(self._held.get(key), f"{self.name} {key}")

    def matrix(self, key: str) -> Floats:
        """A matrix of finite numbers, as many as it says; channels are its last side."""
        found = self._held.get(key)
        if not isinstance(found, dict):
            raise ValueError(f"{self.name} has no matrix {key!r}; it holds {shown(list(self._held)[:20])}")
        data, kind, sizes = found.get("data"), found.get("dt"), found.get("sizes")
        sides = sizes if isinstance(sizes, list) else [found.get("rows"), found.get("cols")]
        channels = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
        if (
            channels is None
            or not isinstance(data, list)
            or not all(isinstance(s, str) and s.isdecimal() for s in sides)
        ):
            raise ValueError(f"{self.name} {key} is no matrix of OpenCV: it needs rows, cols, dt and data")
        shape = [int(str(side)[:9]) for side in (*sides, *([channels[1]] if channels[1] else []))]
        promised = 1
        for side in shape:
            promised = min(promised * side, 1 << 62)
        if promised != len(data) or not 0 < promised <= _MOST_NUMBERS:
            raise ValueError(f"{self.name} {key} says that it has {promised} numbers and has {len(data)}")
        values = [number(_spelled(item), f"{self.name} {key}") for item in data]
        return np.array(values).reshape(shape)


class _Parser:
    """Lines to keys. Raises ValueError that names the line."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._at = 0

    def keys(self) -> dict[str, Held]:
        """Everything on top."""
        if not self._lines[0].startswith("%YAML"):
            raise self._wrong("must begin with %YAML:1.0, as OpenCV writes it")
        self._at = 1
        found: dict[str, Held] = {}
        while (line := self._next()) is not None:
            if line in ("---", "..."):
                self._at += 1
                continue
            key, rest = self._pair(line)
            found[key] = self._held(rest)
        return found

    def _held(self, rest: str) -> Held:
        """What stands after a key on top, or below it."""
        below = self._next()
        if rest in _MATRICES or (not rest and below is not None and below[0] == " " and below.lstrip()[:1] != "-"):
            fields: dict[str, str | Items] = {}
            while (line := self._next()) is not None and line[0] == " ":
                key, value = self._pair(line.strip())
                fields[key] = self._plain(value)
            return fields
        if not rest:
            items: Items = []
            while (line := self._next()) is not None and line.lstrip().startswith("- "):
                items.append(self._scalar(line.lstrip()[2:].strip()))
                self._at += 1
            return items
        return self._plain(rest)

    def _plain(self, rest: str) -> str | Items:
        """A text, or a list in brackets that may go on over further lines. The line of `rest` is behind."""
        if not rest.startswith("["):
            return self._scalar(rest)
        parts = [rest[1:]]
        while "]" not in parts[-1]:
            line = self._next()
            if line is None:
                raise self._wrong("ends within a list")
            parts.append(line)
            self._at += 1
        body, _, after = " ".join(parts).partition("]")
        if after.strip():
            raise self._wrong("has something behind a list")
        return self._items(body)

    def _items(self, body: str) -> Items:
        body = " ".join(body.split())
        found: Items = []
        at = 0
        while at < len(body):
            match = _ITEM.match(body, at)
            if match is None:
                raise self._wrong("has a list that is nested or broken")
            found.append(self._scalar(match[1].strip()))
            at = match.end()
        return found

    def _pair(self, line: str) -> tuple[str, str]:
        match = _PAIR.fullmatch(line)
        if match is None:
            raise self._wrong(f"must be `key: value`, found {shown(line)}")
        self._at += 1
        return match[1] or match[2], (match[3] or "").strip()

    def _scalar(self, text: str) -> str:
        if text.startswith('"'):
            if len(text) < 2 or not text.endswith('"'):
                raise self._wrong("has a text without an end")
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if text[:1] in ("!", "&", "*", "{", "[", "|", ">", "@", "`") or text.startswith("- "):
            raise self._wrong(f"has {shown(text)}, a tag, an anchor or something nested, which no rig needs")
        return text

    def _next(self) -> str | None:
        """The next line that says something, without its end; it stays the next."""
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip()
            if not line.isprintable():
                raise self._wrong("has a tab or a control character, which YAML forbids; use spaces")
            if line and not line.lstrip().startswith("#"):
                return line
            self._at += 1
        return None

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"{self._name} {what} (line {min(self._at + 1, len(self._lines))})")


class Writer:
    """A file in the making."""

    def __init__(self) -> None:
        self._storage = cv2.FileStorage("rig.yml", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)

    def put(self, key: str, value: Floats | int | str) -> None:
        """A matrix, a number or a text. Raises ValueError for a key that FileStorage does not take."""
        self._storage.write(_key(key), np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value)

    def put_names(self, key: str, names: tuple[str, ...]) -> None:
        """A list of texts."""
        self._storage.startWriteStruct(_key(key), cv2.FileNode_SEQ)
        for name in names:
            self._storage.write("", name)
        self._storage.endWriteStruct()

    def text(self) -> str:
        """The whole file; nothing can be put any more."""
        return str(self._storage.releaseAndGetString())


def _spelled(item: str) -> str:
    """YAML's .Nan and .Inf as everybody else spells them."""
    return item.replace(".", "", 1) if item.lstrip("+-")[:2].lower() in (".n", ".i") else item


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"name {key.split('_', 1)[-1]!r} cannot be a key of OpenCV's YAML; use letters, digits, '-', '_'"
        )
    return key
