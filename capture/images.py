"""Pictures in and out: the only picture decoder of the house.

JPEG goes through libjpeg-turbo with its warnings as errors, because the usual decoders return a picture for
files with a damaged block; PNG chunks are checked by their CRC before OpenCV reads them. In memory a picture
is (H, W, 3) uint8 BGR sRGB, upright.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias, cast

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from capture.store import write_atomic

Picture: TypeAlias = NDArray[np.uint8]  # (H, W, 3) BGR sRGB

EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
MAX_PIXELS = 200_000_000
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112


class ImageError(Exception):
    """A file that is no usable picture: `code` is of the issue catalogue, `detail` says what was found."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def read_image(path: Path) -> Picture:
    """Decode a picture strictly: (H, W, 3) uint8 BGR, turned upright once by its EXIF orientation.

    Raises ImageError for anything that is not a whole, undamaged JPEG, PNG or TIFF of at most 200 megapixels.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError("FILE_MISSING", "no such file") from None
    except OSError as err:
        raise ImageError("FILE_UNREADABLE", f"cannot be read: {err.strerror or err}") from None
    return decode_image(data)


def decode_image(data: bytes) -> Picture:
    """Decode the bytes of a picture as `read_image` does."""
    if not data:
        raise ImageError("FILE_EMPTY", "0 bytes")
    if data[:3] == b"\xff\xd8\xff":
        return _decode_jpeg(data)
    if data[:8] == _PNG_HEAD:
        return _decode_png(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _decode_tiff(data)
    raise ImageError("FILE_UNREADABLE", f"neither JPEG, PNG nor TIFF; it begins with {data[:8]!r}")


def encode_jpeg(image: Picture, quality: int = 95) -> bytes:
    """A picture (H, W, 3) BGR, or a grey one (H, W), as JPEG bytes without chroma subsampling."""
    if image.ndim == 2:
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image[..., None]), quality, "GRAY", "GRAY"))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "BGR", "444"))


def write_png(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.bool_]) -> None:
    """Write (H, W, 3) BGR or (H, W) grey atomically as PNG; a mask of booleans becomes 0 and 255."""
    pixels = image.astype(np.uint8) * 255 if image.dtype == np.bool_ else image
    done, data = cv2.imencode(".png", cast(Picture, pixels))
    if not done:
        raise ValueError(f"picture of shape {image.shape} and type {image.dtype} cannot be written as PNG")
    write_atomic(path, data.tobytes())


def _decode_jpeg(data: bytes) -> Picture:
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError) as err:
        raise ImageError("FILE_UNREADABLE", f"JPEG header: {err}") from None
    _check_size(width, height)
    if space in ("CMYK", "YCCK"):
        raise ImageError("FILE_FORMAT", f"JPEG in {space} colours; export it in sRGB")
    try:
        pixels = simplejpeg.decode_jpeg(data, "BGR", strict=True)
    except ValueError as err:
        # Many cameras pad after the end marker: look for it in the whole tail, not in the last two bytes.
        if "remature end" in str(err) or b"\xff\xd9" not in data[-65536:]:
            raise ImageError("FILE_TRUNCATED", f"JPEG of {len(data)} bytes: {err}") from None
        raise ImageError("FILE_DAMAGED", f"JPEG: {err}") from None
    return _upright(pixels, _jpeg_orientation(data))


def _decode_png(data: bytes) -> Picture:
    names: list[bytes] = []
    for name, body, checksum in _png_chunks(data):
        if zlib.crc32(name + body) != checksum:
            raise ImageError("FILE_DAMAGED", f"PNG: checksum of chunk {name.decode('latin-1')} is wrong")
        if not names:
            if name != b"IHDR" or len(body) != 13:
                raise ImageError("FILE_UNREADABLE", "PNG without a header")
            _check_size(*struct.unpack(">II", body[:8]))
        names.append(name)
    if not names or names[-1] != b"IEND":
        raise ImageError("FILE_TRUNCATED", f"PNG of {len(data)} bytes without an end")
    return _decode_cv2(data, "PNG")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Chunks as (name, body, checksum); stops before one that the file does not hold to its end."""
    at = len(_PNG_HEAD)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        name = data[at + 4 : at + 8]
        yield name, data[at + 8 : at + 8 + length], checksum
        if name == b"IEND":
            return
        at += 12 + length


def _decode_tiff(data: bytes) -> Picture:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the limit here is our own
            with Image.open(io.BytesIO(data)) as header:
                size = header.size
    except Exception as err:  # Pillow lets many kinds of exception through on hostile files
        raise ImageError("FILE_UNREADABLE", f"TIFF header: {err}") from None
    _check_size(*size)
    return _decode_cv2(data, "TIFF")


def _decode_cv2(data: bytes, kind: str) -> Picture:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # a bad file becomes an issue, not a line on the terminal
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError) as err:
        raise ImageError("FILE_UNREADABLE", f"{kind}: {str(err).strip().splitlines()[-1]}") from None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if pixels is None:
        raise ImageError("FILE_DAMAGED", f"{kind} of {len(data)} bytes cannot be decoded to its end")
    return pixels.astype(np.uint8, copy=False)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or not width or not height:
        raise ImageError(
            "FILE_FORMAT", f"{width} x {height} pixels; 1 to {MAX_PIXELS // 1_000_000} megapixels are read"
        )


def _jpeg_orientation(data: bytes) -> int:
    """EXIF orientation 1..8 of a JPEG; 1 where it is not given or not readable."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            return 1
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return _exif_orientation(data[at + 4 : at + 2 + length])
        at += 2 + length
    return 1


def _exif_orientation(block: bytes) -> int:
    exif = Image.Exif()
    try:
        exif.load(block)
        value = exif.get(_ORIENTATION, 1)
    except Exception:  # a broken tag block says nothing about the pixels, and Pillow raises many kinds
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: Picture, orientation: int) -> Picture:
    turned = pixels
    if orientation >= 5:
        turned = turned.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)
