"""TIFF of 8 and 16 bits, compressed or not, tiled or in strips: the first picture of the file."""

from __future__ import annotations

import io
import logging
from typing import cast

import numpy as np
import tifffile
from numpy.typing import NDArray

from capture.decode.picture import ImageError, Picture, check_size, to_8_bit

_GREY, _RGB, _PALETTE, _YCBCR = ((0, 1), 2, 3, 6)  # photometric interpretations that are read
_MAX_SEGMENTS = 1_000_000
_ORIENTATION = 274
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # a bad file becomes an issue, not a line on the terminal


def decode_tiff(data: bytes) -> tuple[Picture, int]:
    """The stored picture (H, W, 3) uint8 BGR and its orientation, 1 to 8. Raises ImageError.

    Levels of 16 bits are rounded to 8, transparency is dropped, grey becomes three equal channels.
    """
    try:
        file = tifffile.TiffFile(io.BytesIO(data))
        page = file.pages.first
        if not isinstance(page, tifffile.TiffPage):
            raise ImageError("FILE_UNREADABLE", "TIFF without a picture")
        _check(page, len(data))
    except ImageError:
        raise
    except Exception as err:  # tifffile lets many kinds of exception through on hostile files
        raise ImageError("FILE_UNREADABLE", f"TIFF: {_said(err)}") from None
    try:
        value = page.tags.valueof(_ORIENTATION, 1)
        orientation = value if isinstance(value, int) and 1 <= value <= 8 else 1
        return _bgr(page, page.asarray(maxworkers=1)), orientation
    except Exception as err:  # so do the decoders of the compressions
        code = "FILE_TRUNCATED" if "failed to read" in str(err) else "FILE_DAMAGED"
        raise ImageError(code, f"TIFF of {len(data)} bytes: {_said(err)}") from None


def _check(page: tifffile.TiffPage, length: int) -> None:
    """Refuse before anything is allocated: size, kind of samples, and strips that lie beyond the end of the file."""
    width, height, samples, bits = page.imagewidth, page.imagelength, page.samplesperpixel, page.bitspersample
    check_size(width, height, bytes_per_pixel=3 + samples * max(bits, 8) / 8)
    if page.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise ImageError("FILE_FORMAT", f"TIFF with samples of {bits} bits, {page.dtype}; export it with 8 or 16 bits")
    if page.photometric not in (*_GREY, _RGB, _PALETTE, _YCBCR) or page.imagedepth != 1:
        raise ImageError("FILE_FORMAT", f"TIFF in colours of kind {page.photometric}; export it in sRGB")
    if samples not in ((1, 2) if page.photometric in (*_GREY, _PALETTE) else (3, 4)):
        raise ImageError("FILE_FORMAT", f"TIFF with {samples} samples per pixel; export it in sRGB")
    if not page.dataoffsets or len(page.dataoffsets) > _MAX_SEGMENTS:
        raise ImageError("FILE_UNREADABLE", f"TIFF of {len(page.dataoffsets)} strips")
    end = max(at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=False))
    if end > length:
        raise ImageError("FILE_TRUNCATED", f"TIFF of {length} bytes; its picture ends at byte {end}")


def _bgr(page: tifffile.TiffPage, stored: NDArray[np.generic]) -> Picture:
    values = np.moveaxis(stored, 0, -1) if page.planarconfig == 2 and stored.ndim == 3 else stored
    if page.photometric == _PALETTE:
        table = cast(NDArray[np.uint16], page.colormap)  # (3, levels)
        return np.ascontiguousarray(to_8_bit(table)[::-1].T[values.reshape(values.shape[:2])])
    levels = to_8_bit(cast(NDArray[np.uint16], values)) if values.dtype == np.uint16 else cast(Picture, values)
    if levels.ndim == 3 and levels.shape[2] >= 3:
        return np.ascontiguousarray(levels[..., 2::-1])
    grey = levels[..., 0] if levels.ndim == 3 else levels
    grey = 255 - grey if page.photometric == 0 else grey  # 0: white is the lowest level
    return np.repeat(grey[..., None], 3, axis=2)


def _said(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0][:200]
