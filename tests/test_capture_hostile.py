"""Files made to break decoders: each ends in a picture or in a code, in little memory, and stops nothing."""

from __future__ import annotations

import io
import os
import re
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from conftest import texture

from capture import decode_all
from capture.decode_all import decode_files
from capture.decode_worker import Refusal
from capture.images import ImageError, decode_image, encode_jpeg
from capture.issues import CATALOGUE
from capture.measure import decode
from capture.video import VideoError, write_video

HOUSE = Path(__file__).resolve().parents[1]
# VmHWM and not ru_maxrss, which a child takes over from the process that starts it.
MEMORY = """\
import re, sys
from pathlib import Path
from capture.measure import decode
from capture.images import ImageError
for name in sys.argv[1:]:
    try:
        decode(Path(name))
        print("picture")
    except ImageError as err:
        print(err.code)
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def outcome(path: Path) -> str:
    """`picture` or the code of the refusal; any other exception fails the test."""
    try:
        decode(path)
    except (ImageError, VideoError) as err:
        refused = err
    else:
        return "picture"
    assert refused.code in CATALOGUE
    assert refused.detail
    return refused.code


def fuzzed(data: bytes, rng: np.random.Generator, *, head: int) -> bytes:
    """The file with a few bytes of its head or body changed, a piece cut out, or its end lost."""
    broken = bytearray(data)
    for at in rng.integers(2, min(head, len(data)), int(rng.integers(1, 12))):
        broken[at] = int(rng.integers(256))
    match int(rng.integers(4)):
        case 0:
            at = int(rng.integers(2, len(data)))
            del broken[at : at + int(rng.integers(1, 2000))]
        case 1:
            del broken[int(rng.integers(10, len(data))) :]
        case 2:
            at = int(rng.integers(2, len(data)))
            broken[at:at] = rng.bytes(int(rng.integers(1, 400)))
    return bytes(broken)


def of_kind(kind: str) -> bytes:
    image, stream = texture(1), io.BytesIO()
    if kind == "jpeg":
        return encode_jpeg(image)
    if kind == "png":
        return cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes()
    if kind == "heif":
        heif = pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed")
        heif.from_bytes("RGB", (64, 64), image[..., ::-1].tobytes()).save(stream, quality=90)
        return stream.getvalue()
    compression = None if kind == "tiff" else kind.removeprefix("tiff ")
    tifffile.imwrite(stream, image.astype(np.uint16) * 257, photometric="rgb", compression=compression)
    return stream.getvalue()


def test_images_of_a_librarys_own_tests(data_dir: Path, tmp_path: Path) -> None:
    files = sorted(p for p in (data_dir / "hostile").rglob("*.*") if p.is_file())
    assert len(files) > 5
    seen = {}
    for path in files:
        for suffix in (".jpg", ".tif", ".heic", ".nef", ".mp4"):  # whatever the name promises
            copy = tmp_path / f"file{suffix}"
            copy.write_bytes(path.read_bytes())
            seen[path.name] = outcome(copy)
    assert len(seen) == len(files)


def test_fuzzed_photographs(data_dir: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    small = [p for p in sorted((data_dir / "photographs").glob("*.jpg")) if p.stat().st_size < 150_000]
    path, codes = tmp_path / "a.jpg", []
    for source in small:
        data = source.read_bytes()
        for _ in range(6):
            path.write_bytes(fuzzed(data, rng, head=int(rng.choice([200, 2000, len(data)]))))
            codes.append(outcome(path))
    assert len(codes) > 60
    assert codes.count("picture") < 0.5 * len(codes)  # a changed tag is no damage to the picture


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "tiff zlib", "tiff lzw", "heif"])
def test_fuzzed_files_of_every_kind(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    data, codes = of_kind(kind), set()
    path = tmp_path / f"a.{kind[:4].strip()}"
    path = path.with_suffix(".heic" if kind == "heif" else ".tif" if kind.startswith("tiff") else path.suffix)
    path.write_bytes(data)
    assert outcome(path) == "picture"
    for _ in range(60):
        path.write_bytes(fuzzed(data, rng, head=300))
        codes.add(outcome(path))
    assert codes > {"picture"} or "picture" not in codes


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_of(width: int, height: int, *, progressive: bool = False, scans: int = 1) -> bytes:
    """The header of a JPEG of that size; libjpeg would take memory before it misses the picture."""
    data = bytearray(encode_jpeg(texture(1)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    if progressive:
        data[at + 1] = 0xC2
    scan = data.index(b"\xff\xda")
    return bytes(data[: scan + 14]) + b"\0\xff\xda".join(bytes(2) for _ in range(scans)) + b"\xff\xd9"


def tiff_of(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, texture(1), photometric="rgb", compression="zlib")
    data = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for name, value in (("ImageWidth", width), ("ImageLength", height), ("RowsPerStrip", height)):
            tag = file.pages.first.tags[name]
            data[tag.valueoffset : tag.valueoffset + tag.valuebytecount] = value.to_bytes(tag.valuebytecount, "little")
    return bytes(data)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": lambda: png_of(60_000, 60_000, zlib.compress(bytes(1 << 20))),
    "png long": lambda: png_of(100_000, 1000),
    "jpeg": lambda: jpeg_of(65_000, 60_000),
    "jpeg progressive": lambda: jpeg_of(12_000, 12_000, progressive=True, scans=10),
    "jpeg of many scans": lambda: jpeg_of(600, 600, progressive=True, scans=5000),
    "tiff": lambda: tiff_of(60_000, 60_000),
}


def test_bombs_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    names = []
    for name, make in BOMBS.items():
        path = tmp_path / f"{name}.{name.split()[0]}"
        path.write_bytes(make())
        names.append(str(path))
    command = [sys.executable, "-c", MEMORY, *names]
    run = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True)
    *codes, kilobytes = run.stdout.split()
    assert codes == ["FILE_TOO_LARGE"] * 4 + ["FILE_FORMAT", "FILE_TOO_LARGE"]
    assert int(kilobytes) < 700_000


@pytest.mark.slow
def test_the_largest_picture_that_is_read_stays_below_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(encode_jpeg(np.full((12_500, 12_500), 120, np.uint8)))  # 156 megapixels
    command = [sys.executable, "-c", MEMORY, str(path)]
    run = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True)
    code, kilobytes = run.stdout.split()
    assert code == "picture"
    assert int(kilobytes) < 1_000_000


def test_a_png_that_ends_inside_its_picture_is_damaged() -> None:
    with pytest.raises(ImageError, match="FILE_DAMAGED"):
        decode_image(png_of(64, 64, zlib.compress(bytes(64 * 100))))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for number in range(40):
        path = tmp_path / f"{number:02}.jpg"
        path.write_bytes(encode_jpeg(texture(number)) if number % 7 != 3 else b"\xff\xd8\xff nothing")
        found.append(path)
    write_video(tmp_path / "clip.mp4", (texture(n) for n in range(5)), 25)
    return [*found, tmp_path / "clip.mp4", tmp_path / "not there.jpg"]


def test_answers_come_in_order_whatever_the_number_of_workers(files: list[Path]) -> None:
    one, two = (list(decode_files(files, workers=count)) for count in (1, 2))
    assert one == two
    refused = [n for n, found in enumerate(one) if isinstance(found, Refusal)]
    assert refused == [3, 10, 17, 24, 31, 38, 41]
    first = one[0]
    assert isinstance(first, dict)
    whole = decode(files[0])
    assert {name: getattr(whole, name) for name in first} == first


def test_a_worker_that_the_system_kills_costs_one_file(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a decoder that takes all memory: the process ends itself when it is asked for one file."""
    asked = decode_all._line_of
    victims: list[int] = []

    def killed(process: subprocess.Popen[bytes], patience: float) -> bytes:
        answer = asked(process, patience)
        if b'"width": 48' in answer:
            os.kill(process.pid, signal.SIGKILL)
            victims.append(process.pid)
            return b""
        return answer

    monkeypatch.setattr(decode_all, "_line_of", killed)
    files[5].write_bytes(encode_jpeg(texture(5)[:, :48]))
    found = list(decode_files(files[:12], workers=2))
    assert found[5] == Refusal("DECODER_STOPPED", "its decoder ended with signal 9, twice")
    assert len(set(victims)) == 2
    assert [n for n, entry in enumerate(found) if isinstance(entry, Refusal)] == [3, 5, 10]


def test_a_decoder_that_hangs_is_given_up(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_all, "_PATIENCE_S", 0.2)
    os.kill(decode_all._crew(1)[0]._running().pid, signal.SIGSTOP)
    found = list(decode_files(files[:1], workers=1))
    assert isinstance(found[0], Refusal)
    assert re.fullmatch(r"its decoder was still at work after \d seconds", found[0].found)
    assert found[0].code == "DECODER_STOPPED"
    monkeypatch.setattr(decode_all, "_PATIENCE_S", 600.0)
    assert isinstance(next(decode_files(files[:1], workers=1)), dict)
