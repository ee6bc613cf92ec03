"""Where a picture file keeps its tags: the TIFF block, the colour profile and the XMP packet of each container."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_MAX_ICC = 1 << 22  # bytes; real profiles have some kilobytes, printers' a megabyte
_TIFF = (b"II*\0", b"MM\0*")
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Blocks:
    """The raw parts; empty where the file has none."""

    tiff: bytes = b""  # begins with II*\0 or MM\0*
    icc: bytes = b""
    xmp: bytes = b""
    flir: bytes = b""  # the records of a thermal camera's own segment
    sub: bytes = b""  # TIFF blocks of their own for the EXIF directory, the GPS one and the maker's (CR3)
    gps: bytes = b""
    maker: bytes = b""


def find_blocks(data: bytes) -> Blocks:
    """The parts of a JPEG, PNG, TIFF, HEIF or raw file. Never raises; a cut or foreign file has none."""
    try:
        if data[:3] == b"\xff\xd8\xff":
            return _of_jpeg(data)
        if data[:8] == _PNG:
            return _of_png(data)
        if data[4:8] == b"ftyp":
            return _of_boxes(data)
        if data[:15] == b"FUJIFILMCCD-RAW":
            at, length = struct.unpack_from(">II", data, 84)
            return _of_jpeg(data[at : at + length])
        if data[:2] in (b"II", b"MM"):
            return _of_tiff(data)
    except (struct.error, ValueError, zlib.error, IndexError):
        return Blocks()
    return Blocks()


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment before the picture itself."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def picture_start(data: bytes) -> int:
    """Where the first scan of a JPEG begins; the length of the data where there is none."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:
            at += 1
            continue
        length = max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
        if data[at + 1] == 0xDA:
            return at + 2 + length
        at += 2 + length
    return len(data)


def _of_jpeg(data: bytes) -> Blocks:
    tiff, xmp, flir = b"", b"", b""
    profile: dict[int, bytes] = {}
    for marker, body in jpeg_segments(data):
        if marker == 0xE1 and body[:6] == b"Exif\0\0" and not tiff:
            tiff = body[6:]
        elif marker == 0xE1 and body[:28] == b"http://ns.adobe.com/xap/1.0/":
            xmp = body[29:]
        elif marker == 0xE1 and body[:5] == b"FLIR\0":
            flir += body[8:]
        elif marker == 0xE2 and body[:12] == b"ICC_PROFILE\0" and len(body) > 14:
            profile[body[12]] = body[14:]
    icc = b"".join(profile[number] for number in sorted(profile))
    return Blocks(tiff, icc[:_MAX_ICC], xmp, flir=flir)


def _of_png(data: bytes) -> Blocks:
    tiff, icc, at = b"", b"", 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if name == b"eXIf":
            tiff = body
        elif name == b"iCCP" and b"\0" in body:
            icc = zlib.decompressobj().decompress(body[body.index(b"\0") + 2 :], _MAX_ICC)
        elif name == b"IEND":
            break
        at += 12 + length
    return Blocks(tiff, icc)


def _of_tiff(data: bytes) -> Blocks:
    """TIFF, and the raw kinds that are TIFF under another magic number (Olympus, Panasonic)."""
    tiff = data if data[:4] in _TIFF else (b"II*\0" if data[:2] == b"II" else b"MM\0*") + data[4:]
    entry = first_directory(tiff)
    return Blocks(tiff, entry.get(0x8773, b"")[:_MAX_ICC], entry.get(0x02BC, b""))


def _of_boxes(data: bytes) -> Blocks:
    """HEIF keeps its tags in an item that begins with its length; Canon's CR3 in four boxes, one per directory."""
    parts = {}
    head = data[: 1 << 20]
    for name in (b"CMT1", b"CMT2", b"CMT3", b"CMT4"):
        at = head.find(name)
        if at >= 4:
            (length,) = struct.unpack_from(">I", head, at - 4)
            parts[name] = head[at + 4 : at - 4 + length]
    if b"CMT1" in parts:
        sub, maker, gps = (parts.get(name, b"") for name in (b"CMT2", b"CMT3", b"CMT4"))
        return Blocks(parts[b"CMT1"], sub=sub, maker=maker, gps=gps)
    at = data.find(b"Exif\0\0")
    while at >= 0:
        if data[at + 6 : at + 10] in _TIFF:
            return Blocks(data[at + 6 : at + 6 + (1 << 16)], _heif_profile(head))
        at = data.find(b"Exif\0\0", at + 6)
    return Blocks(icc=_heif_profile(head))


def _heif_profile(head: bytes) -> bytes:
    at = head.find(b"colrprof")
    if at < 4:
        return b""
    (length,) = struct.unpack_from(">I", head, at - 4)
    return head[at + 8 : at - 4 + length][:_MAX_ICC]


def first_directory(tiff: bytes) -> dict[int, bytes]:
    """Tag -> raw bytes of the first directory of a TIFF block. Raises struct.error for a cut one."""
    order = "<" if tiff[:2] == b"II" else ">"
    return directory(tiff, order, at=struct.unpack_from(f"{order}I", tiff, 4)[0])


def directory(tiff: bytes, order: str, *, at: int, base: int = 0) -> dict[int, bytes]:
    """Tag -> raw bytes of the directory at `at`, its offsets counted from `base`; `order` is `<` or `>`.

    Raises struct.error where the block ends before its directory.
    """
    return {tag: tiff[start : start + size] for tag, (start, size) in places(tiff, order, at=at, base=base).items()}


def places(tiff: bytes, order: str, *, at: int, base: int = 0) -> dict[int, tuple[int, int]]:
    """As `directory`, but where the bytes of each tag begin and how many they are."""
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    found = {}
    for entry in range(min(count, _MAX_ENTRIES)):
        tag, kind, number = struct.unpack_from(f"{order}HHI", tiff, at + 2 + 12 * entry)
        size, start = _SIZES.get(kind, 0) * number, at + 10 + 12 * entry
        if size > 4:
            start = base + struct.unpack_from(f"{order}I", tiff, start)[0]
        found[tag] = (start, min(size, _MAX_ICC))
    return found


_MAX_ENTRIES = 300  # the fullest notes have about 120; a garbled count would read on through the file
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
