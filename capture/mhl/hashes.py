"""The six hashes of ASC MHL: of bytes, of files read once, and of folders made from the hashes of what they hold.

C4 is SMPTE ST 2114: SHA-512 as 88 digits in base 58 behind the letters c4. Folder hashes follow the specification's
section 6.5.2 and appendix G.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import xxhash

# In the order in which the schema wants them inside an element.
FORMATS = ("c4", "md5", "sha1", "xxh128", "xxh3", "xxh64")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_C4_DIGITS = 88
_HEX_DIGITS = {"md5": 32, "sha1": 40, "xxh128": 32, "xxh3": 16, "xxh64": 16}
_BLOCK = 1 << 20


class _Hasher(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


_MAKERS: dict[str, Callable[[], _Hasher]] = {
    "c4": hashlib.sha512,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "xxh128": xxhash.xxh3_128,
    "xxh3": xxhash.xxh3_64,
    "xxh64": xxhash.xxh64,
}


@dataclass(frozen=True)
class FolderHash:
    """The two hashes of a folder in one format: of what is in it, and of that together with the names."""

    content: str
    structure: str


def encode(name: str, digest: bytes) -> str:
    """A digest as the format writes it."""
    if name != "c4":
        return digest.hex()
    number, text = int.from_bytes(digest, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "c4" + text.rjust(_C4_DIGITS, _BASE58[0])


def decode(name: str, text: str) -> bytes:
    """The digest behind a written hash. Raises ValueError for a text that is no hash of that format."""
    wrong = ValueError(f"hash {text[:100]!r} is not a {name}; one is {_shape(name)}")
    if name != "c4":
        if len(text) != _HEX_DIGITS[name]:
            raise wrong
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise wrong from None
    if len(text) != _C4_DIGITS + 2 or not text.startswith("c4"):
        raise wrong
    number = 0
    for letter in text[2:]:
        digit = _BASE58.find(letter)
        if digit < 0:
            raise wrong
        number = number * 58 + digit
    if number >> 512:
        raise wrong
    return number.to_bytes(64, "big")


def _shape(name: str) -> str:
    return "'c4' and 88 letters and digits" if name == "c4" else f"{_HEX_DIGITS[name]} hexadecimal digits"


def hash_bytes(data: bytes, name: str) -> str:
    """The hash of some bytes."""
    hasher = _MAKERS[name]()
    hasher.update(data)
    return encode(name, hasher.digest())


def hash_file(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Hashes of a file in several formats, read once. Raises OSError, and ValueError for an unknown format."""
    unknown = sorted(set(names := tuple(names)) - set(FORMATS))
    if unknown:
        raise ValueError(f"hash format {unknown[0]!r} is unknown; give one of {', '.join(FORMATS)}")
    hashers = {name: _MAKERS[name]() for name in names}
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for hasher in hashers.values():
                hasher.update(block)
    return {name: encode(name, hasher.digest()) for name, hasher in hashers.items()}


def hash_folder(files: Mapping[str, str], folders: Mapping[str, FolderHash], name: str) -> FolderHash:
    """The hashes of a folder from the hashes of its files and of its folders, by their own names.

    Raises ValueError when one of the hashes is not of that format.
    """
    content = [*files.values(), *(folder.content for folder in folders.values())]
    named = [*files.items(), *((own, folder.structure) for own, folder in folders.items())]
    structure = [hash_bytes(own.encode("utf-8", "surrogateescape") + decode(name, text), name) for own, text in named]
    return FolderHash(_of_list(content, name), _of_list(structure, name))


def _of_list(hashes: list[str], name: str) -> str:
    return hash_bytes(b"".join(decode(name, text) for text in sorted(hashes)), name)
