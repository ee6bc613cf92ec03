"""XML as these files need it: read without entities, DTDs or endless nesting, and written with every name kept."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

# A hash takes about 350 bytes: this holds 700,000 files, and a hostile file cannot fill the memory.
MAX_BYTES = 256 << 20
_MAX_DEPTH = 64
# A tab or a line end in a name would come back as another character.
_KEPT = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


class XmlError(Exception):
    """The file is no XML that is read here; the message says why."""


def read_xml(path: Path) -> tuple[Element, bytes]:
    """The root element of a file and the file's bytes, read once. Raises XmlError, which covers an unreadable file."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as err:
        raise XmlError(f"cannot be read: {err.strerror}") from None
    if len(data) > MAX_BYTES:
        raise XmlError(f"larger than {MAX_BYTES >> 20} MiB")
    return _parse(data), data


def _parse(data: bytes) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = 0

    def refuse(*_: object) -> None:
        raise XmlError("has a document type or entities, which no such file needs")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise XmlError(f"nested deeper than {_MAX_DEPTH} elements")
        builder.start(_braced(tag), attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_braced(tag))

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as err:
        raise XmlError(f"is not well-formed: {err}") from None
    root: Element = builder.close()
    return root


def _braced(tag: str) -> str:
    return f"{{{tag}" if "}" in tag else tag


def text_of(text: str) -> str:
    """Text as it stands between two tags. Raises ValueError for characters that XML 1.0 cannot hold."""
    bad = next((c for c in text if not _is_char(c)), None)
    if bad is not None:
        raise ValueError(f"name {text!r} holds the character {bad!r}, which a manifest cannot hold; rename the file")
    return escape(text, _KEPT)


def attribute_of(text: str) -> str:
    """Text in quotes, as the value of an attribute. Raises ValueError as `text_of` does."""
    text_of(text)
    return quoteattr(text)


def _is_char(letter: str) -> bool:
    code = ord(letter)
    return code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code >= 0x10000
