"""The chain file of a history: which generations there are, in order, each with the C4 of its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from capture.mhl.hashes import decode
from capture.mhl.manifest import ManifestError
from capture.mhl.xml_text import XmlError, read_xml, text_of

FILE_NAME = "ascmhl_chain.xml"
_NS = "{urn:ASC:MHL:DIRECTORY:v2.0}"


@dataclass(frozen=True)
class Link:
    """One line of the chain."""

    number: int
    name: str  # of the manifest, beside the chain file
    c4: str


def read_chain(path: Path) -> tuple[Link, ...]:
    """The lines of a chain file in their order. Raises ManifestError for what is not of this format."""
    try:
        root, _ = read_xml(path)
    except XmlError as err:
        raise ManifestError(str(err)) from None
    if root.tag != f"{_NS}ascmhldirectory":
        raise ManifestError(f"its root is {root.tag[:100]!r}, not an ascmhldirectory of ASC MHL 2.0")
    links = []
    for element in root.findall(f"{_NS}hashlist"):
        number, name = element.get("sequencenr", ""), element.findtext(f"{_NS}path") or ""
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise ManifestError(f"sequencenr is {number[:50]!r}, not a number")
        if not name or name in (".", "..") or set(name) & set("/\\\0"):
            raise ManifestError(f"path {name[:200]!r} is not the name of a file beside the chain")
        c4 = (element.findtext(f"{_NS}c4") or "").strip()
        try:
            decode("c4", c4)
        except ValueError as err:
            raise ManifestError(f"line {number}: {err}") from None
        links.append(Link(int(number), name, c4))
    if not links:
        raise ManifestError("it lists no generation")
    return tuple(links)


def render_chain(links: tuple[Link, ...]) -> str:
    """The text of a chain file."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<ascmhldirectory xmlns="{_NS[1:-1]}">']
    for link in links:
        lines += [f'  <hashlist sequencenr="{link.number}">', f"    <path>{text_of(link.name)}</path>"]
        lines += [f"    <c4>{link.c4}</c4>", "  </hashlist>"]
    return "\n".join([*lines, "</ascmhldirectory>", ""])
