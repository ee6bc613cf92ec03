"""The makers' own tags: the serial number of the body above all, which few cameras write in the common place.

A maker's note is one more TIFF directory at a place that differs by maker; which tag holds what is as ExifTool
documents it. Only the few tags that the checks ask for are read, at a tenth of a millisecond per file.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capture.decode.exif_blocks import Blocks, directory, first_directory, places

_EXIFTOOL_SECONDS = 120
_EXIFTOOL_TAGS = ("SerialNumber", "CameraSerialNumber", "BodySerialNumber", "InternalSerialNumber")
_SUB, _NOTE, _MAKE = 0x8769, 0x927C, 0x010F
_CANON_BALANCE = {0: "auto", 1: "daylight", 2: "cloudy", 3: "tungsten", 4: "fluorescent", 5: "flash", 6: "custom",
                  8: "shade", 9: "kelvin"}  # fmt: skip


@dataclass(frozen=True)
class _Kind:
    """How the note of one maker begins and which of its tags we want."""

    word: bytes  # with which the note begins; empty: the note is known by its make alone
    make: str  # part of the camera's make, in capitals
    at: int  # of the directory, from the begin of the note
    relative: int  # offsets count from this place in the note; -1: from the TIFF block
    order: str  # `<`, `>`, or empty: that of the TIFF block
    serial: tuple[int, ...]


_KINDS = (
    _Kind(b"Nikon\0\x02", "NIKON", 18, 10, "own", (0x001D, 0x00A0)),
    _Kind(b"Nikon\0\x01", "NIKON", 8, -1, "", ()),
    _Kind(b"", "NIKON", 0, -1, "", (0x001D, 0x00A0)),
    _Kind(b"FUJIFILM", "FUJI", 12, 0, "<", (0x0010,)),
    _Kind(b"OLYMPUS\0", "OLYMPUS", 12, 0, "own", ()),
    _Kind(b"OM SYSTEM\0", "OM", 16, 0, "own", ()),
    _Kind(b"OLYMP\0", "OLYMPUS", 8, -1, "", (0x0404, 0x101A)),
    _Kind(b"Panasonic\0\0\0", "PANASONIC", 12, -1, "", (0x0025,)),
    _Kind(b"PENTAX \0", "", 10, 0, "", (0x0229,)),
    _Kind(b"AOC\0", "", 6, -1, "", (0x0229,)),
    _Kind(b"SIGMA\0", "SIGMA", 10, -1, "", (0x0002,)),
    _Kind(b"Ricoh\0", "RICOH", 8, -1, "", (0x0005,)),
    _Kind(b"", "CANON", 0, -1, "", ()),
    _Kind(b"", "SAMSUNG", 0, 0, "", (0xA002,)),
)


def maker_tags(blocks: Blocks) -> dict[str, str]:
    """`serial`, `owner`, `lens`, `white_balance` and `iso` as far as the maker's note gives them. Never raises."""
    found: dict[str, str] = {}
    try:
        if blocks.flir:
            found["serial"] = _flir(blocks.flir)
        elif blocks.maker:
            order = "<" if blocks.maker[:2] == b"II" else ">"
            found = _canon(first_directory(blocks.maker), order)
        elif blocks.tiff:
            found = _note(blocks.tiff)
    except (struct.error, ValueError, IndexError, KeyError, OverflowError):
        return {}  # a note that is cut or of another layout gives nothing
    return {name: text for name, text in found.items() if text}


def serials_by_exiftool(paths: Sequence[Path]) -> dict[Path, str]:
    """Serial numbers that exiftool finds; nothing where it is not installed or fails."""
    program = shutil.which("exiftool")
    if program is None or not paths:
        return {}
    command = [program, "-json", "-fast", *(f"-{tag}" for tag in _EXIFTOOL_TAGS), "-@", "-"]
    names = "\n".join(str(path) for path in paths).encode()
    try:
        answer = subprocess.run(command, input=names, capture_output=True, timeout=_EXIFTOOL_SECONDS, check=False)
        entries = json.loads(answer.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    found = {}
    for entry in entries:
        serial = next((str(entry[tag]).strip() for tag in _EXIFTOOL_TAGS if str(entry.get(tag, "")).strip(" 0")), "")
        if serial:
            found[Path(entry["SourceFile"])] = serial
    return found


def same_serial(one: str, other: str) -> bool:
    """Two spellings of one number: programs differ in leading zeros, blanks and punctuation."""
    return _bare(one) == _bare(other)


def _bare(serial: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", serial.upper()).lstrip("0")


def _note(tiff: bytes) -> dict[str, str]:
    order = "<" if tiff[:2] == b"II" else ">"
    main = first_directory(tiff)
    if _SUB not in main:
        return {}
    (sub,) = struct.unpack(f"{order}I", main[_SUB])
    at, length = places(tiff, order, at=sub).get(_NOTE, (0, 0))
    if not length:
        return {}
    head, make = tiff[at : at + 16], _plain(main.get(_MAKE, b"")).upper()
    if head.startswith(b"RECONYXH2\0"):  # no directory: places are fixed, texts UTF-16
        return {"serial": _plain(tiff[at + 0x7E : at + 0x9C].decode("utf-16-le", "ignore").encode("ascii", "ignore"))}
    for kind in _KINDS:
        if head.startswith(kind.word) and (kind.word or kind.make in make):
            return _of_kind(tiff, order, at, kind)
    return {}


def _of_kind(tiff: bytes, order: str, at: int, kind: _Kind) -> dict[str, str]:
    own = kind.order or order
    if own == "own":
        own = "<" if b"II" in tiff[at + 8 : at + kind.at] else ">"
    base = at + kind.relative if kind.relative >= 0 else 0
    tags = directory(tiff, own, at=at + kind.at, base=base)
    if kind.make == "CANON":
        return _canon(tags, own)
    if 0x2010 in tags and kind.word in (b"OLYMPUS\0", b"OM SYSTEM\0"):
        return _olympus_equipment(tiff, own, places(tiff, own, at=at + kind.at, base=base)[0x2010], at)
    texts = [_plain(tags.get(tag, b"")) for tag in kind.serial]
    found = {"serial": next((text for text in texts if text.strip("0 ")), "")}  # some write zeros for none
    return found | _nikon(tags, own) if kind.make == "NIKON" else found


def _canon(tags: dict[int, bytes], order: str) -> dict[str, str]:
    """Serial as a 32-bit number; lens by name, else by Canon's number for it (CameraSettings 22)."""
    raw, settings, shot = tags.get(0x000C, b""), tags.get(0x0001, b""), tags.get(0x0004, b"")
    serial = str(struct.unpack_from(f"{order}I", raw)[0]) if len(raw) >= 4 else ""
    lens = _plain(tags.get(0x0095, b""))
    if not lens and len(settings) >= 46:
        number = struct.unpack_from(f"{order}H", settings, 44)[0]
        lens = f"Canon lens {number}" if 0 < number < 0xFFFF else ""
    balance = struct.unpack_from(f"{order}H", shot, 14)[0] if len(shot) >= 16 else -1
    return {
        "serial": "" if serial == "0" else serial,
        "owner": _plain(tags.get(0x0009, b"")),
        "lens": lens,
        "white_balance": _CANON_BALANCE.get(balance, ""),
    }


def _nikon(tags: dict[int, bytes], order: str) -> dict[str, str]:
    """Lens as its range, white balance as the camera's word, and the sensitivity that older bodies keep here."""
    lens, raw = "", tags.get(0x0084, b"")
    if len(raw) == 32:
        parts = struct.unpack(f"{order}8I", raw)
        wide, long, fast, slow = (n / d if d else 0.0 for n, d in zip(parts[::2], parts[1::2], strict=True))
        if 0 < wide < 5000:
            reach = f"{wide:g}" if wide == long else f"{wide:g}-{long:g}"
            lens = f"{reach} mm f/{fast:.2g}" + ("" if fast == slow else f"-{slow:.2g}")
    iso = struct.unpack_from(f"{order}2H", tags[0x0002])[1] if len(tags.get(0x0002, b"")) >= 4 else 0
    return {"lens": lens, "white_balance": _plain(tags.get(0x0005, b"")), "iso": str(iso) if iso else ""}


def _olympus_equipment(tiff: bytes, order: str, place: tuple[int, int], at: int) -> dict[str, str]:
    """The equipment directory: 0x0101 is the body's number, 0x0203 the lens."""
    start, size = place
    if size <= 4:  # written as an offset
        start = at + struct.unpack_from(f"{order}I", tiff, start)[0]
    tags = directory(tiff, order, at=start, base=at)
    return {"serial": _plain(tags.get(0x0101, b"")), "lens": _plain(tags.get(0x0203, b""))}


def _flir(records: bytes) -> str:
    """The camera information of an FFF segment: record type 0x20, serial at 0x104."""
    at = records.find(b"FFF\0")
    start, count = struct.unpack_from(">II", records, at + 0x18)
    for number in range(min(count, 100)):
        entry = at + start + 32 * number
        (kind,) = struct.unpack_from(">H", records, entry)
        offset, length = struct.unpack_from(">II", records, entry + 12)
        if kind == 0x20 and length >= 0x114:
            return _plain(records[at + offset + 0x104 : at + offset + 0x114])
    return ""


def _plain(raw: bytes) -> str:
    text = raw.split(b"\0", 1)[0].decode("ascii", "ignore")
    return " ".join("".join(c for c in text if c.isprintable()).split())
