"""What every picture decoder shares: the array, the refusal, the limits, and turning a picture upright."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]  # (H, W, 3) BGR sRGB
Grey8: TypeAlias = NDArray[np.uint8]  # (H, W)

# The largest studio sensors have 151 megapixels. Together with what is measured on it such a picture takes 0.7 GB.
MAX_PIXELS = 160_000_000
MAX_SIDE = 65_500  # libjpeg's own limit, and far beyond any camera
MAX_FILE = 2 << 30  # bytes of a picture's file
MAX_DECODED = 700 << 20  # bytes that a decoder may hold for one picture


class ImageError(Exception):
    """A file that is no usable picture: `code` is of the issue catalogue, `detail` says what was found."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def check_size(width: int, height: int, *, bytes_per_pixel: float = 3) -> None:
    """Raise ImageError for a picture that is empty or larger than this house reads.

    `bytes_per_pixel` is what the decoder holds, its own buffers included.
    """
    if width < 1 or height < 1:
        raise ImageError("FILE_UNREADABLE", f"{width} x {height} pixels")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        limit = f"at most {MAX_PIXELS // 1_000_000} megapixels are read"
        raise ImageError("FILE_TOO_LARGE", f"{width} x {height} pixels; {limit}")
    needed = width * height * bytes_per_pixel
    if needed > MAX_DECODED:
        text = f"{width} x {height} pixels of this kind take {needed / 2**20:.0f} MiB"
        raise ImageError("FILE_TOO_LARGE", f"{text}; at most {MAX_DECODED >> 20} MiB are given to one picture")


def turned(pixels: Picture, orientation: int) -> Picture:
    """A stored picture turned upright by its EXIF orientation, 1 to 8."""
    result = pixels
    if orientation >= 5:
        result = result.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        result = result[:, ::-1]
    if orientation in (3, 4, 7, 8):
        result = result[::-1]
    return np.ascontiguousarray(result)


def to_8_bit(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Levels 0 to 65535 as 0 to 255, rounded; in rows, so that no second large array is held."""
    result = np.empty(pixels.shape, np.uint8)
    for row in range(0, len(pixels), 64):
        block = pixels[row : row + 64].astype(np.uint32)
        result[row : row + 64] = (block * 255 + 32767) // 65535
    return result
