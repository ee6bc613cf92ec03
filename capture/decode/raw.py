"""Camera raw files through LibRaw, where the extra `raw` is installed.

Quality control looks at half size: each 2 x 2 cell of the sensor becomes one pixel, which costs a tenth of a full
demosaic. A full decode is for the steps that measure in pixels.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np

from capture.decode.picture import ImageError, Picture, check_size

if TYPE_CHECKING:
    import rawpy

EXTENSIONS = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
_SRGB = (2.4, 12.92)  # power and slope of the linear part
_FULL_BYTES = 22  # per pixel: LibRaw holds the sensor, four 16-bit planes while it interpolates, and the result


def decode_half(data: bytes) -> tuple[Picture, tuple[int, int]]:
    """The picture at half size, (H / 2, W / 2, 3) uint8 BGR upright, and the full upright width and height.

    White balance is the camera's, brightness is not stretched. Raises ImageError.
    """
    with _opened(data) as raw:
        sizes = raw.sizes
        width, height = (sizes.height, sizes.width) if sizes.flip & 4 else (sizes.width, sizes.height)
        check_size(width, height, bytes_per_pixel=_FULL_BYTES / 4)
        return _developed(raw, half=True), (width, height)


def decode_full(data: bytes) -> Picture:
    """The whole picture, (H, W, 3) uint8 BGR upright. Raises ImageError."""
    with _opened(data) as raw:
        check_size(raw.sizes.width, raw.sizes.height)
        return _developed(raw, half=False)


def _developed(raw: rawpy.RawPy, *, half: bool) -> Picture:
    rgb = raw.postprocess(half_size=half, use_camera_wb=True, no_auto_bright=True, gamma=_SRGB, output_bps=8)
    if rgb.ndim == 2 or rgb.shape[2] == 1:  # a sensor without colour filters
        rgb = np.repeat(rgb.reshape(*rgb.shape[:2], 1), 3, axis=2)
    if rgb.shape[2] != 3:
        raise ImageError("FILE_FORMAT", f"raw file of {rgb.shape[2]} colours; export it as TIFF")
    return cast(Picture, rgb[..., ::-1].copy())


@contextmanager
def _opened(data: bytes) -> Iterator[rawpy.RawPy]:
    """LibRaw's object for a file; whatever LibRaw refuses becomes an ImageError."""
    if importlib.util.find_spec("rawpy") is None:
        raise ImageError("FILE_FORMAT", "camera raw; to read it, install likeness[raw], or export it as TIFF")
    import rawpy  # an extra of 12 MB that most shoots do not need

    raw = rawpy.RawPy()
    try:
        raw.open_buffer(io.BytesIO(data))
        yield raw
    except rawpy.LibRawIOError as err:
        raise ImageError("FILE_TRUNCATED", f"raw file of {len(data)} bytes: {_said(err)}") from None
    except (rawpy.LibRawFileUnsupportedError, rawpy.LibRawNotImplementedError) as err:
        raise ImageError("FILE_UNREADABLE", f"raw file: {_said(err)}") from None
    except rawpy.LibRawError as err:
        raise ImageError("FILE_DAMAGED", f"raw file of {len(data)} bytes: {_said(err)}") from None
    except (ValueError, MemoryError, OverflowError) as err:
        raise ImageError("FILE_UNREADABLE", f"raw file: {type(err).__name__}: {err}") from None
    finally:
        raw.close()


def _said(err: Exception) -> str:
    text = err.args[0] if err.args else ""
    return text.decode("ascii", "replace") if isinstance(text, bytes) else str(text) or type(err).__name__
