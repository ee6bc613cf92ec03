"""Tags of real cameras against another program's dumps, makers' notes, and blocks that are broken on purpose."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import shutil
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import texture
from PIL import Image, ImageCms

from capture.decode import maker_notes
from capture.decode.maker_notes import same_serial, serials_by_exiftool
from capture.exif import Exif, exif_from_json, exif_to_json, orientation_of, parse_exif, read_exif, video_exif
from capture.images import encode_jpeg

TAGS = {
    "make": "Make", "model": "Model", "lens": "Lens Model", "focal_mm": "Focal Length", "iso": "ISO Speed Ratings",
    "shutter_s": "Exposure Time", "aperture": "F-Number", "white_balance": "White Balance Mode",
    "taken": "Date/Time Original", "orientation": "Orientation", "artist": "Artist",
}  # fmt: skip
SERIALS = {  # as the dumps and exiftool give them
    "FLIR Vue Pro 640.jpg": "162682",
    "Issue 122.jpg": "005266",
    "Olympus PEN E-P3.jpg": "B9U505495",
    "Panasonic DMC-LC70 (Lumix).jpg": "K020406110058",
    "Reconyx HF2 Pro Covert.jpg": "HLPXEL09018779",
}


@pytest.fixture(scope="module")
def photographs(data_dir: Path) -> list[Path]:
    return sorted(p for p in (data_dir / "photographs").iterdir() if p.suffix.lower() == ".jpg")


def golden(path: Path, name: str) -> str | None:
    text = (path.parent / "golden" / f"{path.name}.txt").read_text(errors="replace")
    line = re.search(rf"^\[Exif (?:IFD0|SubIFD) - 0x\w+\] {re.escape(name)} = (.*)$", text, re.MULTILINE)
    return line[1].strip() if line else None


def agrees(field: str, ours: object, theirs: str) -> bool:
    if field == "taken":
        known = re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", theirs) and not theirs.startswith("0000")
        return ours == (dt.datetime.strptime(theirs, "%Y:%m:%d %H:%M:%S") if known else None) or (
            isinstance(ours, dt.datetime) and ours.replace(microsecond=0).strftime("%Y:%m:%d %H:%M:%S") == theirs
        )
    if field in ("focal_mm", "iso", "shutter_s", "aperture"):
        number = re.search(r"[\d./]+", theirs.removeprefix("f/"))
        assert number is not None
        assert isinstance(ours, int | float)
        return abs(ours - float(Fraction(number[0]))) <= 0.0501  # the dumps round to a tenth
    if field == "orientation":
        return (ours == 1) == ("normal" in theirs)
    if field == "white_balance":
        return str(ours).split(",")[0] == theirs.split()[0].lower()
    return ours == " ".join(theirs.split())


def test_tags_agree_with_the_dumps_of_another_program(photographs: list[Path]) -> None:
    compared: dict[str, int] = dict.fromkeys(TAGS, 0)
    differing: list[str] = []
    for path in photographs:
        exif = read_exif(path)
        for field, name in TAGS.items():
            theirs = golden(path, name)
            if theirs:
                compared[field] += 1
                ours = getattr(exif, field)
                differing += [] if agrees(field, ours, theirs) else [f"{path.name}: {field} {ours!r}, {theirs!r}"]
    assert sum(compared.values()) > 300
    assert compared["make"] > 45
    assert differing == []


def test_serial_numbers_are_found_without_another_program(photographs: list[Path]) -> None:
    found = {p.name: serial for p in photographs if (serial := read_exif(p).serial)}
    assert found.keys() == SERIALS.keys()
    assert all(same_serial(found[name], serial) for name, serial in SERIALS.items())


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not on PATH")
def test_exiftool_knows_the_same_numbers(photographs: list[Path]) -> None:
    theirs = serials_by_exiftool(photographs)
    for path, serial in theirs.items():
        if "Panasonic" not in path.name:  # which it takes apart into date and number
            assert same_serial(read_exif(path).serial, serial), path.name
    assert len(theirs) == len(SERIALS)


def test_without_exiftool_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, photographs: list[Path]) -> None:
    monkeypatch.setattr(maker_notes.shutil, "which", lambda name: None)
    assert serials_by_exiftool(photographs) == {}


def test_names_positions_and_small_pictures(photographs: list[Path]) -> None:
    by_name = {p.name: read_exif(p) for p in photographs}
    assert by_name["FujiFilm FinePixS1Pro (1).jpg"].names == ("Ian Britton", "ian Britton - FreeFoto.com")
    assert by_name["Canon IXUS 300.jpg"].owner
    # Fields that the maker fills with blanks, with the model or with a bare "copyright" name nobody.
    for name in ("FujiFilm DX-5.jpg", "Kodak DC3400.jpg", "Ricoh RDC5300.jpg", "Nikon D1X.jpg"):
        assert by_name[name].names == (), name
    assert by_name["Apple iPhone 4.jpg"].gps
    assert not by_name["Kodak DC210.jpg"].gps
    assert by_name["Sony DSC-P12.jpg"].thumbnail
    assert not by_name["Apple iPhone 4.jpg"].thumbnail
    assert by_name["Issue 508.jpg"].taken == dt.datetime(2020, 9, 2, 18, 52, 42, 892000)
    assert by_name["Apple iPhone 4.jpg"].icc_name == "sRGB IEC61966-2.1"
    assert all(exif.taken is None or exif.taken.tzinfo is None for exif in by_name.values())


def test_they_come_back_from_json(photographs: list[Path]) -> None:
    for exif in [Exif(), *(read_exif(p) for p in photographs)]:
        assert exif_from_json(json.loads(json.dumps(exif_to_json(exif)))) == exif
    assert exif_to_json(Exif()) == {}


def tiff(entries: dict[int, tuple[int, bytes]], order: str = "<", at: int = 8) -> bytes:
    """A directory at `at` of tag -> (type, value), the values behind it."""
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
    head, tail = struct.pack(f"{order}H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, (kind, value) in sorted(entries.items()):
        held = value if len(value) <= 4 else struct.pack(f"{order}I", behind + len(tail))
        tail += value if len(value) > 4 else b""
        head += struct.pack(f"{order}HHI", tag, kind, len(value) // sizes[kind]) + held.ljust(4, b"\0")
    return head + bytes(4) + tail


def picture_with(make: bytes, note: bytes) -> bytes:
    """A JPEG whose EXIF names a maker and holds its note."""
    start = b"II*\0" + struct.pack("<I", 8)
    length = len(tiff({0x010F: (2, make), 0x8769: (4, bytes(4))}))
    main = tiff({0x010F: (2, make), 0x8769: (4, struct.pack("<I", 8 + length))})
    block = b"Exif\0\0" + start + main + tiff({0x927C: (7, note)}, at=8 + length)
    plain = encode_jpeg(texture(1))
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]


def test_notes_of_other_makers() -> None:
    serial = {0x001D: (2, b"3001234\0")}
    nikon = b"Nikon\0\x02\x10\0\0" + b"MM\0*" + struct.pack(">I", 8) + tiff(serial, ">")
    assert parse_exif(picture_with(b"NIKON CORPORATION\0", nikon)).serial == "3001234"
    fuji = b"FUJIFILM" + struct.pack("<I", 12) + tiff({0x0010: (2, b"FPX 12345\0")}, at=12)
    assert parse_exif(picture_with(b"FUJIFILM\0", fuji)).serial == "FPX 12345"
    zeros = b"FUJIFILM" + struct.pack("<I", 12) + tiff({0x0010: (2, b"0000000\0")}, at=12)
    assert parse_exif(picture_with(b"FUJIFILM\0", zeros)).serial == ""
    assert parse_exif(picture_with(b"Somebody\0", nikon[:20])).serial == ""


def test_canon_raw_boxes_and_png() -> None:
    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body) + 8) + name + body

    head = b"II*\0" + struct.pack("<I", 8)
    parts = {
        b"CMT1": {0x010F: (2, b"Canon\0"), 0x0110: (2, b"Canon EOS R5\0")},
        b"CMT2": {0x8827: (3, struct.pack("<H", 800)), 0xA434: (2, b"RF50mm F1.2L USM\0")},
        b"CMT3": {0x000C: (4, struct.pack("<I", 52001234)), 0x0009: (2, b"Ana\0")},
    }
    data = box(b"ftyp", b"crx isom") + b"".join(box(name, head + tiff(tags)) for name, tags in parts.items())
    exif = parse_exif(data)
    assert (exif.model, exif.iso, exif.lens, exif.serial, exif.owner) == (
        "Canon EOS R5", 800, "RF50mm F1.2L USM", "52001234", "Ana",
    )  # fmt: skip
    stream, tags = io.BytesIO(), Image.Exif()
    tags[0x0110] = "a scanner"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(texture(1)).save(stream, "png", exif=tags, icc_profile=profile)
    assert parse_exif(stream.getvalue()).model == "a scanner"
    assert parse_exif(stream.getvalue()).icc_name.startswith("sRGB")


def test_tags_of_a_video() -> None:
    exif = video_exif({
        "com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone XR",
        "com.apple.quicktime.location.ISO6709": "+48.1+011.5/",
    })  # fmt: skip
    assert (exif.make, exif.model, exif.gps) == ("Apple", "iPhone XR", True)
    assert video_exif({"encoder": "Lavf"}) == Exif()


def test_broken_blocks_give_nothing_and_raise_nothing(photographs: list[Path]) -> None:
    rng = np.random.default_rng(3)
    for path in photographs[::3]:
        data = path.read_bytes()[:70_000]
        for _ in range(12):
            broken = bytearray(data)
            for at in rng.integers(2, min(len(data), 3000), 20):
                broken[at] = int(rng.integers(256))
            exif = parse_exif(bytes(broken))
            assert exif_from_json(exif_to_json(exif)) == exif
            assert 1 <= orientation_of(bytes(broken)) <= 8
        assert isinstance(parse_exif(data[: int(rng.integers(4, 400))]), Exif)
    assert parse_exif(b"") == parse_exif(b"no picture at all") == Exif()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("005266", "5266", True), ("No= 3001234", "no=3001234", True), ("B9U505495", "B9U505496", False)],
)
def test_spellings_of_one_number(one: str, other: str, same: bool) -> None:
    assert same_serial(one, other) is same
