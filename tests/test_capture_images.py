"""The picture decoder: whole pictures come through unchanged, damaged ones never do."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import texture
from cv2.typing import MatLike
from PIL import Image

from capture import images
from capture.images import ImageError, decode_image, encode_jpeg, read_image, write_png

ODD_PHOTOGRAPHS = {"Issue 308.jpg"}  # two bytes of garbage before a marker


def code_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data)
    return caught.value.code


def by_opencv(data: bytes) -> MatLike | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def outcome(data: bytes) -> str:
    """`picture` or the code of the refusal; any other exception fails the test."""
    try:
        decode_image(data)
    except ImageError as err:
        return err.code
    return "picture"


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def test_jpeg_png_and_tiff_come_back(tmp_path: Path) -> None:
    image = texture(1)
    assert np.array_equal(decode_image(png(image)), image)
    assert np.array_equal(decode_image(cv2.imencode(".tiff", image)[1].tobytes()), image)
    assert np.abs(decode_image(encode_jpeg(image, 98)).astype(int) - image).mean() < 2
    write_png(tmp_path / "mask.png", image[..., 0] > 100)
    assert set(np.unique(read_image(tmp_path / "mask.png"))) == {0, 255}
    grey = decode_image(encode_jpeg(image[..., 0]))
    assert grey.shape == (64, 64, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :16] = (0, 0, 255)
    inverse = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    stored = images._upright(upright, inverse.get(orientation, 1))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(stored[..., ::-1]).save(path, exif=exif, quality=95, subsampling=0)
    assert np.abs(read_image(path).astype(int) - upright).mean() < 3
    other = by_opencv(path.read_bytes())
    assert other is not None
    assert np.abs(other.astype(int) - read_image(path)).mean() < 1


def test_every_truncation_is_noticed() -> None:
    data = encode_jpeg(texture(2))
    assert {code_of(data[:n]) for n in range(700, len(data) - 2, 97)} == {"FILE_TRUNCATED"}
    whole = png(texture(2))
    assert {code_of(whole[:n]) for n in range(20, len(whole), 501)} == {"FILE_TRUNCATED"}
    assert code_of(data[:300]).startswith("FILE_")


def test_damage_inside_is_noticed() -> None:
    data = bytearray(encode_jpeg(texture(3), 98))
    data[len(data) // 2 : len(data) // 2 + 1024] = bytes(1024)
    assert code_of(bytes(data)) == "FILE_DAMAGED"
    assert by_opencv(bytes(data)) is not None  # it takes the damaged file
    broken = bytearray(png(texture(3)))
    broken[len(broken) // 2] ^= 1
    assert code_of(bytes(broken)) == "FILE_DAMAGED"


def test_what_is_no_picture_says_so() -> None:
    assert code_of(b"") == "FILE_EMPTY"
    assert code_of(b"hello") == "FILE_UNREADABLE"
    assert code_of(b"II*\0garbage") == "FILE_UNREADABLE"
    body = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + body
    assert code_of(bomb + struct.pack(">I", zlib.crc32(b"IHDR" + body))) == "FILE_FORMAT"


def test_no_false_alarm_on_photographs(data_dir: Path) -> None:
    photographs = sorted(p for p in (data_dir / "photographs").iterdir() if p.suffix.lower() == ".jpg")
    for path in [*photographs[::4], *(p for p in photographs if p.name in ODD_PHOTOGRAPHS)]:
        if path.name in ODD_PHOTOGRAPHS:
            assert code_of(path.read_bytes()) == "FILE_UNREADABLE"
        else:
            assert read_image(path).ndim == 3


def test_damaged_photographs_are_refused(data_dir: Path) -> None:
    """A block of 4 KiB is zeroed; where it changes pixels (some files carry other data) the decoder must refuse."""
    rng, changed, taken_by_opencv = np.random.default_rng(0), 0, 0
    large = [p for p in sorted((data_dir / "photographs").glob("*.jpg")) if p.stat().st_size > 250_000]
    for path in large[::2]:
        whole = path.read_bytes()
        data = bytearray(whole)
        at = int(rng.uniform(0.4, 0.9) * len(data))
        data[at : at + 4096] = bytes(4096)
        before, after = by_opencv(whole), by_opencv(bytes(data))
        if before is not None and after is not None and np.array_equal(before, after):
            continue
        changed += 1
        taken_by_opencv += after is not None
        assert code_of(bytes(data)) in ("FILE_DAMAGED", "FILE_TRUNCATED", "FILE_UNREADABLE"), path.name
    assert changed > 8
    assert taken_by_opencv > changed / 2


def test_hostile_files_end_in_a_code(data_dir: Path) -> None:
    for path in (data_dir / "hostile").rglob("*.*"):
        assert outcome(path.read_bytes()).startswith(("picture", "FILE_")), path.name


def test_noise_and_cut_headers_end_in_a_code() -> None:
    rng = np.random.default_rng(1)
    starts = [encode_jpeg(texture(4))[:200], png(texture(4))[:60], cv2.imencode(".tiff", texture(4))[1].tobytes()[:500]]
    for start in starts:
        for n in range(30):
            data = bytearray(start + rng.bytes(200))
            data[4 + n] ^= int(rng.integers(1, 255))
            assert outcome(bytes(data)).startswith(("picture", "FILE_"))
