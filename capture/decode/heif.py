"""HEIF of phones and some cameras through libheif, where the extra `heif` is installed."""

from __future__ import annotations

import importlib.util
from typing import cast

import numpy as np

from capture.decode.picture import ImageError, Picture, check_size

EXTENSIONS = (".heic", ".heif")
_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def is_heif(data: bytes) -> bool:
    """True when the file says that it is one."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def decode_heif(data: bytes) -> Picture:
    """The picture (H, W, 3) uint8 BGR; libheif itself turns it upright. Raises ImageError."""
    if importlib.util.find_spec("pillow_heif") is None:
        raise ImageError("FILE_FORMAT", "HEIF; to read it, install likeness[heif], or export it as JPEG or TIFF")
    import pillow_heif  # an extra of 6 MB that most shoots do not need

    pillow_heif.options.DECODE_THREADS = 1  # files are decoded side by side already
    try:
        file = pillow_heif.open_heif(data, convert_hdr_to_8bit=True, bgr_mode=True)
        width, height = file.size
        check_size(width, height, bytes_per_pixel=9)
        pixels = np.asarray(file[file.primary_index])
    except ImageError:
        raise
    except EOFError as err:
        raise ImageError("FILE_TRUNCATED", f"HEIF of {len(data)} bytes: {err}") from None
    except Exception as err:  # libheif's words arrive as ValueError, RuntimeError and others
        said = (str(err).strip().splitlines() or [type(err).__name__])[0][:200]
        code = "FILE_TRUNCATED" if "end of file" in said.lower() else "FILE_DAMAGED"
        raise ImageError(code, f"HEIF of {len(data)} bytes: {said}") from None
    if pixels.ndim == 2 or pixels.shape[2] < 3:  # grey, with or without transparency
        pixels = np.repeat(pixels.reshape(*pixels.shape[:2], -1)[..., :1], 3, axis=2)
    return cast(Picture, np.ascontiguousarray(pixels[..., :3]))
