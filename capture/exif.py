"""What a camera writes beside the pixels: body, lens, exposure, time, profile, and what must not leave the house.

Pillow reads the common tags and exifread the makers' own, each from the one block that holds them, however the file
wraps it. Cameras write no time zone, so times stay naive. Nothing here raises on a broken block: what cannot be read
is not given.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias, cast

import xxhash
from PIL import Image

from capture.decode.exif_blocks import Blocks, find_blocks, first_directory
from capture.decode.maker_notes import maker_tags
from capture.issues import JsonObject, JsonValue

_Value: TypeAlias = object  # Pillow gives text, numbers, rationals, bytes or tuples of them
_SUB, _GPS, _INTEROP, _THUMBNAIL = 0x8769, 0x8825, 0xA005, -1  # as Pillow names the directories
_MAX_TEXT = 120
_WHITE_BALANCE = {0: "auto", 1: "manual"}
_COLOUR_SPACE = {1: "sRGB", 2: "Adobe RGB", 0xFFFF: "uncalibrated"}
_NO_NAME = re.compile(r"^[\W_]*(copyright|\(c\)|©)?[\W_]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exif:
    """Tags of one file; an empty text, 0 or None is a tag that is not there or makes no sense."""

    make: str = ""
    model: str = ""
    serial: str = ""  # of the body
    lens: str = ""
    focal_mm: float = 0.0
    iso: int = 0
    shutter_s: float = 0.0
    aperture: float = 0.0  # f-number
    white_balance: str = ""  # `auto` or `manual`, and the maker's own word where there is one
    taken: dt.datetime | None = None  # by the camera's clock, sub-seconds included, never with a time zone
    offset: str = ""  # `+02:00` where the camera says so
    orientation: int = 1  # 1 to 8
    icc: str = ""  # digest of the colour profile
    icc_name: str = ""
    colour_space: str = ""
    gps: bool = False  # a position is written in the file
    owner: str = ""
    artist: str = ""
    copyright: str = ""
    thumbnail: bool = False  # a small picture is embedded

    @property
    def names(self) -> tuple[str, ...]:
        """Names of people or firms in the file, each once."""
        return tuple(dict.fromkeys(name for name in (self.owner, self.artist, self.copyright) if name))


def read_exif(path: Path) -> Exif:
    """The tags of a picture of any kind. A file without tags gives an empty Exif; OSError when it cannot be read."""
    return parse_exif(path.read_bytes())


def parse_exif(data: bytes) -> Exif:
    """The tags of the bytes of a picture."""
    blocks = find_blocks(data)
    if not (blocks.tiff or blocks.icc or blocks.xmp):
        return Exif()
    tags, gps, interop, thumbnail = _common(blocks)
    own = maker_tags(blocks)
    make, model = _text(tags.get(0x010F)), _text(tags.get(0x0110))
    serial = _text(tags.get(0xA431)) or own.get("serial", "") or _text(tags.get(0xC62F)) or _xmp(blocks, "SerialNumber")
    balance = _WHITE_BALANCE.get(_whole(tags.get(0xA403), -1), "")
    theirs = own.get("white_balance", "").lower()
    space = _COLOUR_SPACE.get(_whole(tags.get(0xA001), -1), "")
    return Exif(
        make=sys.intern(make),
        model=sys.intern(model),
        serial=sys.intern(serial.strip("0 ") and serial),  # some bodies write zeros
        lens=sys.intern(_text(tags.get(0xA434)) or own.get("lens", "") or _xmp(blocks, "Lens")),
        focal_mm=round(_number(tags.get(0x920A)), 3),
        iso=_whole(tags.get(0x8827), 0) or _whole(own.get("iso", ""), 0),
        shutter_s=_number(tags.get(0x829A)),
        aperture=round(_number(tags.get(0x829D)), 3),
        white_balance=sys.intern(balance if theirs in ("", balance) else ", ".join(filter(None, (balance, theirs)))),
        taken=_time(tags),
        offset=_offset(tags.get(0x9011)),
        orientation=value if 1 <= (value := _whole(tags.get(0x0112), 1)) <= 8 else 1,
        icc=sys.intern(xxhash.xxh3_64_hexdigest(blocks.icc) if blocks.icc else ""),
        icc_name=sys.intern(_profile_name(blocks.icc)),
        colour_space="Adobe RGB" if _text(interop.get(1)) == "R03" else space,
        gps=all(gps.get(tag) not in (None, b"", ()) for tag in (2, 4)),
        owner=_name(_text(tags.get(0xA430)) or own.get("owner", "") or _xmp(blocks, "OwnerName"), make, model),
        artist=_name(_text(tags.get(0x013B)), make, model),
        copyright=_name(_text(tags.get(0x8298)), make, model),
        thumbnail=thumbnail,
    )


def orientation_of(data: bytes) -> int:
    """EXIF orientation 1 to 8 of a JPEG; 1 where it is not given or not readable."""
    tiff = find_blocks(data).tiff
    try:
        order = "<" if tiff[:2] == b"II" else ">"
        (value,) = struct.unpack_from(f"{order}H", first_directory(tiff).get(0x0112, b""))
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def video_exif(tags: Mapping[str, str]) -> Exif:
    """The same of the tags of a video container (QuickTime keys and their short forms)."""
    low = {key.lower().removeprefix("com.apple.quicktime.").removeprefix("com.android."): v for key, v in tags.items()}
    make, model = _text(low.get("make") or low.get("manufacturer")), _text(low.get("model"))
    return Exif(
        make=sys.intern(make),
        model=sys.intern(model),
        serial=sys.intern(_text(low.get("serial_number") or low.get("camera.serialnumber"))),
        gps=any(key.startswith("location") and value.strip() for key, value in low.items()),
        artist=_name(_text(low.get("artist") or low.get("author")), make, model),
        copyright=_name(_text(low.get("copyright")), make, model),
    )


def exif_to_json(exif: Exif) -> JsonObject:
    """Only what is given, so that a manifest of many files stays small."""
    empty = Exif()
    plain: JsonObject = {}
    for name in _FIELDS:
        value = getattr(exif, name)
        if value != getattr(empty, name):
            plain[name] = value.isoformat() if isinstance(value, dt.datetime) else value
    return plain


def exif_from_json(item: JsonObject) -> Exif:
    """The inverse of `exif_to_json`."""
    plain: dict[str, JsonValue | dt.datetime] = {**item}
    if "taken" in item:
        plain["taken"] = dt.datetime.fromisoformat(str(item["taken"]))
    return Exif(**plain)  # type: ignore[arg-type]  # the names and types are those that exif_to_json wrote


_FIELDS = tuple(field.name for field in fields(Exif))


def _common(blocks: Blocks) -> tuple[dict[int, _Value], dict[int, _Value], dict[int, _Value], bool]:
    """Tags of the main and the EXIF directory together, GPS, interoperability, and whether a small picture is there."""
    if not blocks.tiff:
        return {}, {}, {}, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of each odd tag
        exif = _load(blocks.tiff)
        tags = {**_directory(exif, 0), **_directory(exif, _SUB), **_directory(_load(blocks.sub), 0)}
        gps = _directory(_load(blocks.gps), 0) or _directory(exif, _GPS)
        return tags, gps, _directory(exif, _INTEROP), bool(_directory(exif, _THUMBNAIL).get(0x0201))


def _load(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    try:
        if block:
            exif.load(b"Exif\0\0" + block)
    except Exception:  # Pillow lets many kinds of exception through on hostile blocks
        return Image.Exif()
    return exif


def _directory(exif: Image.Exif, pointer: int) -> dict[int, _Value]:
    """A directory by the tag that leads to it; 0 is the main one."""
    try:
        return dict(exif if pointer == 0 else exif.get_ifd(pointer))
    except Exception:  # one broken directory says nothing about the others
        return {}


def _text(value: _Value) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in value.split("\0", 1)[0])
    return " ".join(printable.split())[:_MAX_TEXT]


def _number(value: _Value) -> float:
    """A positive, finite number, else 0."""
    try:
        found = float(cast(float, value[0] if isinstance(value, tuple) and value else value))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return 0.0
    return found if 0 < found < 1e6 else 0.0


def _whole(value: _Value, default: int) -> int:
    if isinstance(value, tuple) and value:
        value = value[0]
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 9 else default
    return value if isinstance(value, int) and abs(value) < 1 << 31 else default


def _time(tags: Mapping[int, _Value]) -> dt.datetime | None:
    """When the shutter opened, else when it was digitised; the date of the file's last change says neither."""
    for tag, fraction in ((0x9003, 0x9291), (0x9004, 0x9292)):
        digits = re.fullmatch(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", _text(tags.get(tag)))
        if digits is None:
            continue
        part = _text(tags.get(fraction))
        micro = int(part[:6].ljust(6, "0")) if part.isascii() and part.isdigit() else 0
        try:
            year, month, day, hour, minute, second = map(int, digits.groups())
            return dt.datetime(year, month, day, hour, minute, second, micro)
        except ValueError:  # 0000:00:00 of a camera whose clock was never set
            continue
    return None


def _offset(value: _Value) -> str:
    text = _text(value)
    return text if re.fullmatch(r"[+-]\d\d:\d\d", text) else ""


def _name(text: str, make: str, model: str) -> str:
    """A name that says something: neither punctuation, nor a bare "copyright", nor what every such camera writes."""
    bare = text.lower()
    if _NO_NAME.match(text) or bare in (make.lower(), model.lower()) or re.fullmatch(r"\(c\) by .* user", bare):
        return ""
    return sys.intern(text)


def _xmp(blocks: Blocks, key: str) -> str:
    """A value of the `aux` scheme, which Lightroom and others keep when they drop the maker's note."""
    found = re.search(rb"aux:%s(?:=\"|>)([^\"<]{1,120})" % key.encode(), blocks.xmp)
    return _text(found[1]) if found else ""


def _profile_name(profile: bytes) -> str:
    """The description of an ICC profile (ICC.1:2022, 9.2.41 and 10.15; `desc` of version 2 and `mluc` of version 4)."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        for entry in range(min(count, 100)):
            name, at, size = struct.unpack_from(">4sII", profile, 132 + 12 * entry)
            if name == b"desc":
                body = profile[at : at + size]
                if body[:4] == b"mluc":
                    length, start = struct.unpack_from(">II", body, 20)
                    return _text(body[start : start + length].decode("utf-16-be", "replace"))
                (length,) = struct.unpack_from(">I", body, 8)
                return _text(body[12 : 12 + min(length, 200)])
    except struct.error:
        return ""
    return ""
