"""Pictures in and out: the only picture decoder of the house.

JPEG goes through libjpeg-turbo with its warnings as errors, because the usual decoders return a picture for
files with a damaged block; PNG chunks are checked by their CRC before OpenCV reads them; TIFF, HEIF and camera raw
have modules of their own behind this one. In memory a picture is (H, W, 3) uint8 BGR sRGB, upright.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from capture.decode import heif, raw
from capture.decode.exif_blocks import jpeg_segments, picture_start
from capture.decode.picture import MAX_FILE, Grey8, ImageError, Picture, check_size, turned
from capture.decode.tiff import decode_tiff
from capture.exif import orientation_of
from capture.store import write_atomic

__all__ = ["Grey8", "ImageError", "Picture"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", *heif.EXTENSIONS, *raw.EXTENSIONS)
_JPEG_HEAD, _PNG_HEAD = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 100_000  # of a PNG; 160 megapixels in the usual 8 KiB pieces have fewer
_SECTOR = 512  # bytes
_MAX_SCANS = 100  # of a progressive JPEG; encoders write about ten, and each costs a pass over the picture


def read_image(path: Path) -> Picture:
    """Decode a picture strictly: (H, W, 3) uint8 BGR, turned upright once by its EXIF orientation.

    Raises ImageError for anything that is not a whole, undamaged picture of at most 160 megapixels.
    """
    data = read_bytes(path)
    return raw.decode_full(data) if path.suffix.lower() in raw.EXTENSIONS else decode_image(data)


def read_bytes(path: Path) -> bytes:
    """The file of a picture. Raises ImageError where it is missing, too large or cannot be read."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise ImageError("FILE_TOO_LARGE", f"{size} bytes; at most {MAX_FILE >> 30} GiB are read as one picture")
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageError("FILE_MISSING", "no such file") from None
    except OSError as err:
        raise ImageError("FILE_UNREADABLE", f"cannot be read: {err.strerror or err}") from None


def decode_image(data: bytes) -> Picture:
    """Decode the bytes of a picture, other than camera raw, as `read_image` does."""
    pixels, orientation = decode_stored(data)
    return pixels if orientation == 1 else turned(pixels, orientation)


def decode_stored(data: bytes) -> tuple[Picture, int]:
    """The picture as it lies in the file, and the EXIF orientation (1 to 8) by which `turned` makes it upright."""
    match kind_of(data):
        case "jpeg":
            return _decode_jpeg(data), orientation_of(data)
        case "png":
            return _decode_png(data), 1
        case "tiff":
            return decode_tiff(data)
        case "heif":
            return heif.decode_heif(data), 1
    raise ImageError("FILE_UNREADABLE", f"neither JPEG, PNG, TIFF nor HEIF; it begins with {data[:8]!r}")


def kind_of(data: bytes) -> str:
    """`jpeg`, `png`, `tiff` or `heif` by its first bytes, empty for another; raises ImageError for an empty file."""
    if not data:
        raise ImageError("FILE_EMPTY", "0 bytes")
    if data[:3] == _JPEG_HEAD:
        return "jpeg"
    if data[:8] == _PNG_HEAD:
        return "png"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):  # the latter two: BigTIFF
        return "tiff"
    return "heif" if heif.is_heif(data) else ""


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
    many = _in_scans(data)
    # With several scans libjpeg holds all coefficients, two bytes for each sample.
    check_size(width, height, bytes_per_pixel=9 if many else 3)
    if many and (scans := data.count(b"\xff\xda")) > _MAX_SCANS:
        raise ImageError("FILE_FORMAT", f"JPEG of {scans} scans; save it again as an ordinary JPEG")
    if space in ("CMYK", "YCCK"):
        raise ImageError("FILE_FORMAT", f"JPEG in {space} colours; export it in sRGB")
    try:
        pixels = cast(Picture, simplejpeg.decode_jpeg(data, "BGR", strict=True))
        lost = _lost_sectors(data)
        if lost:
            raise ImageError("FILE_DAMAGED", f"JPEG: {lost[1]} bytes of zeros from byte {lost[0]} on, whole sectors")
        return pixels
    except ValueError as err:
        # Many cameras pad after the end marker: look for it in the whole tail, not in the last two bytes.
        if "remature end" in str(err) or b"\xff\xd9" not in data[-65536:]:
            raise ImageError("FILE_TRUNCATED", f"JPEG of {len(data)} bytes: {err}") from None
        raise ImageError("FILE_DAMAGED", f"JPEG: {err}") from None
    except MemoryError:
        raise ImageError("FILE_TOO_LARGE", f"{width} x {height} pixels; the machine has no memory for it") from None


def _in_scans(data: bytes) -> bool:
    """True for a JPEG that comes in several scans: a progressive one, or one whose first scan lacks a component."""
    start = picture_start(data)
    for marker, body in jpeg_segments(data):
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC) and len(body) > 5:
            (length,) = struct.unpack_from(">H", data, max(start - 2 * body[5] - 6, 0))
            whole = length == 6 + 2 * body[5]  # the head of a scan grows with its components
            return marker not in (0xC0, 0xC1) or not whole
    return True


def _lost_sectors(data: bytes) -> tuple[int, int] | None:
    """Place and length of sectors that were never written, or None.

    Zeros can decode by chance to as many blocks as were lost, which no decoder notices. A flat picture may hold long
    runs of zeros too, but those do not begin and end with a sector.
    """
    start, end = picture_start(data), data.rfind(b"\xff\xd9")
    at = data.find(bytes(_SECTOR), start, end)
    while at >= 0:
        stop = at + _SECTOR
        while stop < end and not any(data[stop : stop + _SECTOR]):
            stop += _SECTOR
        stop += len(data[stop : stop + _SECTOR]) - len(data[stop : stop + _SECTOR].lstrip(b"\0"))
        if -at % _SECTOR < 4 and stop % _SECTOR < 4:  # a byte or two beside them may be zero by chance
            return at, stop - at
        at = data.find(bytes(_SECTOR), stop, end)
    return None


def _decode_png(data: bytes) -> Picture:
    count, last = 0, b""
    for name, body, checksum in _png_chunks(data):
        if zlib.crc32(body, zlib.crc32(name)) != checksum:
            raise ImageError("FILE_DAMAGED", f"PNG: checksum of chunk {name.decode('latin-1')} is wrong")
        if count == 0:
            if name != b"IHDR" or len(body) != 13:
                raise ImageError("FILE_UNREADABLE", "PNG without a header")
            check_size(*struct.unpack(">II", body[:8]))
        count, last = count + 1, name
        if count > _MAX_CHUNKS:
            raise ImageError("FILE_FORMAT", f"PNG of more than {_MAX_CHUNKS} chunks; save it again")
    if last != b"IEND":
        raise ImageError("FILE_TRUNCATED", f"PNG of {len(data)} bytes without an end")
    return _decode_cv2(data, "PNG")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Chunks as (name, body, checksum); stops before one that the file does not hold to its end."""
    at, view = len(_PNG_HEAD), memoryview(data)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        name = data[at + 4 : at + 8]
        yield name, view[at + 8 : at + 8 + length], checksum
        if name == b"IEND":
            return
        at += 12 + length


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
