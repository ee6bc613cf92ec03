"""The picture decoder: whole pictures come through unchanged, damaged ones never do."""

from __future__ import annotations

import importlib.util
import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from conftest import texture
from cv2.typing import MatLike
from PIL import Image

from capture.decode import raw
from capture.decode.picture import turned
from capture.images import ImageError, decode_image, encode_jpeg, read_image, write_png
from capture.layout import take_inventory
from capture.measure import decode
from capture.session import read_session


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
    stored = turned(upright, inverse.get(orientation, 1))
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
    assert code_of(bomb + struct.pack(">I", zlib.crc32(b"IHDR" + body))) == "FILE_TOO_LARGE"


def test_noise_and_cut_headers_end_in_a_code() -> None:
    rng = np.random.default_rng(1)
    starts = [encode_jpeg(texture(4))[:200], png(texture(4))[:60], cv2.imencode(".tiff", texture(4))[1].tobytes()[:500]]
    for start in starts:
        for n in range(30):
            data = bytearray(start + rng.bytes(200))
            data[4 + n] ^= int(rng.integers(1, 255))
            assert outcome(bytes(data)).startswith(("picture", "FILE_"))


def as_tiff(
    image: np.ndarray, how: dict[str, object] | None = None, *, photometric: str = "rgb", orientation: int = 1
) -> bytes:
    stream = io.BytesIO()
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(stream, image, photometric=photometric, extratags=tags, **(how or {}))  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize(
    "how",
    [
        {}, {"compression": "zlib"}, {"compression": "lzw", "predictor": True}, {"compression": "packbits"},
        {"tile": (32, 32), "compression": "zlib"}, {"planarconfig": "separate"}, {"bigtiff": True}, {"byteorder": ">"},
    ],
)  # fmt: skip
def test_tiff_of_8_and_16_bits(how: dict[str, object]) -> None:
    image = texture(1)
    stored = image[..., ::-1]
    if "planarconfig" in how:
        stored = np.moveaxis(stored, -1, 0)
    assert np.array_equal(decode_image(as_tiff(stored, how)), image)
    deep = stored.astype(np.uint16) * 257 + np.uint16(60)  # less than half a level more
    assert np.abs(decode_image(as_tiff(deep, how)).astype(int) - image).max() == 0


def test_tiff_of_other_colours() -> None:
    image = texture(2)
    grey = image[..., 0]
    three = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(decode_image(as_tiff(grey, photometric="minisblack")), three)
    assert np.array_equal(decode_image(as_tiff(255 - grey, photometric="miniswhite")), three)
    seen_through = np.dstack([image[..., ::-1], np.full_like(grey, 9)])
    assert np.array_equal(decode_image(as_tiff(seen_through, {"extrasamples": ["unassalpha"]})), image)
    with pytest.raises(ImageError, match="samples of 32 bits"):
        decode_image(as_tiff(grey.astype(np.float32), photometric="minisblack"))
    with pytest.raises(ImageError, match="export it in sRGB"):
        decode_image(as_tiff(seen_through, photometric="separated"))
    assert np.array_equal(decode_image(as_tiff(image[..., ::-1], orientation=3)), image[::-1, ::-1])


def test_cut_and_damaged_tiff_is_noticed() -> None:
    kinds: list[dict[str, object]] = [{}, {"compression": "zlib"}, {"compression": "lzw"}]
    for how in kinds:
        data = as_tiff(texture(1)[..., ::-1], how)
        assert code_of(data[:-5]) == "FILE_TRUNCATED"
        assert code_of(data[: len(data) // 2]) in ("FILE_TRUNCATED", "FILE_UNREADABLE")
    damaged = bytearray(as_tiff(texture(1)[..., ::-1], {"compression": "zlib"}))
    damaged[-2000:-1000] = bytes(1000)
    assert code_of(bytes(damaged)) == "FILE_DAMAGED"


def test_png_of_16_bits() -> None:
    image = texture(1)
    assert np.abs(decode_image(png(image.astype(np.uint16) * 257)).astype(int) - image).max() <= 1


def test_heif() -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed")
    image, stream = cv2.GaussianBlur(texture(1), (0, 0), 3).astype(np.uint8), io.BytesIO()
    heif.from_bytes("RGB", (64, 64), np.ascontiguousarray(image[..., ::-1]).tobytes()).save(stream, quality=95)
    data = stream.getvalue()
    assert np.abs(decode_image(data).astype(int) - image).mean() < 3
    assert code_of(data[:-5]) == "FILE_TRUNCATED"
    assert code_of(data[:60]).startswith("FILE_")


def dng(image: np.ndarray, orientation: int = 1) -> bytes:
    """What a camera's sensor would hold of a picture (H, W, 3) BGR of linear light, as a digital negative."""
    mosaic = np.empty(image.shape[:2], np.uint16)
    for row, column, channel in ((0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        mosaic[row::2, column::2] = image[row::2, column::2, channel]
    matrix = [int(10_000 * v) for v in (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)]
    tags = [
        (274, 3, 1, orientation, True), (271, 2, 0, "Maker", True), (272, 2, 0, "Body", True),
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True), (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, 0, "Maker Body", True), (50714, 3, 1, 0, True), (50717, 4, 1, 65535, True),
        (50721, 10, 9, tuple(x for v in matrix for x in (v, 10_000)), True), (50728, 5, 3, (1, 1) * 3, True),
        (50778, 3, 1, 21, True), (50735, 2, 0, "B77", True),
    ]  # fmt: skip
    stream = io.BytesIO()
    tifffile.imwrite(stream, mosaic, photometric="cfa", extratags=tags, software="test")
    return stream.getvalue()


@pytest.fixture
def negative() -> tuple[np.ndarray, bytes]:
    """Linear light in four broad fields, 120 rows and 160 columns, and the file."""
    light = np.zeros((120, 160, 3))
    light[:60, :80], light[:60, 80:], light[60:, :80], light[60:, 80:] = 0.18, (0.05, 0.1, 0.5), (0.4, 0.2, 0.1), 0.6
    return light, dng((light * 65535).astype(np.uint16))


def test_camera_raw_at_half_and_at_full_size(negative: tuple[np.ndarray, bytes], tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    light, data = negative
    path = tmp_path / "shot.dng"
    path.write_bytes(data)
    half, size = raw.decode_half(data)
    assert size == (160, 120)
    assert half.shape == (60, 80, 3)
    assert read_image(path).shape == (120, 160, 3)
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(half[10:20, 10:30] - expected[20:40:2, 20:60:2]).max() < 4  # grey card
    assert half[10, 60, 2] > half[10, 60, 0] + 50  # the red field is red
    decoded = decode(path)
    assert (decoded.width, decoded.height, decoded.codec) == (160, 120, "dng")
    assert (decoded.exif.make, decoded.exif.serial) == ("Maker", "B77")
    turned_half, turned_size = raw.decode_half(dng((light * 65535).astype(np.uint16), orientation=6))
    assert turned_size == (120, 160)
    assert turned_half.shape == (80, 60, 3)


def test_cut_raw_files_end_in_a_code(negative: tuple[np.ndarray, bytes]) -> None:
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    _, data = negative
    for end in (20, 200, len(data) // 2, len(data) - 3000):
        with pytest.raises(ImageError, match="FILE_"):
            raw.decode_half(data[:end])
    with pytest.raises(ImageError, match="FILE_UNREADABLE"):
        raw.decode_half(encode_jpeg(texture(1)))
    rng = np.random.default_rng(4)
    for _ in range(120):
        broken = bytearray(data)
        for at in rng.integers(4, 600, 6):
            broken[at] = int(rng.integers(256))
        with suppress(ImageError):
            assert raw.decode_half(bytes(broken))[0].shape[2] == 3  # also where a sensor without colours is claimed


@pytest.mark.parametrize(("module", "name"), [("rawpy", "likeness[raw]"), ("pillow_heif", "likeness[heif]")])
def test_what_an_extra_reads_is_refused_without_it(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == module else find(wanted))
    with pytest.raises(ImageError, match="FILE_FORMAT") as caught:
        raw.decode_half(b"II*\0") if module == "rawpy" else decode_image(b"\0\0\0\x1cftypheic" + bytes(40))
    assert name in caught.value.detail


def test_a_raw_file_beside_its_picture_is_a_companion(small_session: Callable[..., Path]) -> None:
    card = small_session()
    place = card / "stills/take1/light1"
    for name in ("cam1.nef", "cam2~2.nef"):
        (place / name).write_bytes(b"raw")
    (place / "cam3.jpg").rename(place / "cam3.heic")
    inventory = take_inventory(card, read_session(card))
    assert [(i.code, i.where) for i in inventory.issues] == [("FILE_UNEXPECTED", "stills/take1/light1/cam1.nef")]
    names = {item.name for item in inventory.found if item.name.startswith("stills/take1/light1/")}
    assert names == {f"stills/take1/light1/{n}" for n in ("cam1.jpg", "cam2.jpg", "cam2~2.nef", "cam3.heic")}
