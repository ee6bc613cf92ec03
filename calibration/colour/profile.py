"""Pictures in sRGB whatever profile they were saved with: another one is converted, or refused by name."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from capture.decode import raw
from capture.decode.exif_blocks import find_blocks
from capture.decode.picture import ImageError, Picture
from capture.exif import parse_exif
from capture.images import decode_image, read_bytes

_SAME = 1  # grey level: profiles of sRGB differ among makers in the last digit


def read_srgb(path: Path) -> Picture:
    """Decode a picture as `read_image` does and bring it to sRGB. (H, W, 3) uint8 BGR.

    Raises ImageError, with code PROFILE_UNUSABLE where the colours of the file cannot be told.
    """
    data = read_bytes(path)
    if path.suffix.lower() in raw.EXTENSIONS:
        return raw.decode_full(data)  # developed to sRGB; a profile in the file belongs to its preview
    picture = decode_image(data)
    profile = find_blocks(data).icc
    if profile:
        return to_srgb(picture, profile)
    space = parse_exif(data).colour_space
    if space == "Adobe RGB":
        raise ImageError("PROFILE_UNUSABLE", f"the camera wrote {space} and no profile")
    return picture


def to_srgb(picture: Picture, profile: bytes) -> Picture:
    """Convert a picture (H, W, 3) uint8 BGR from an ICC profile, relative colorimetric; unchanged where it is sRGB."""
    transform = _transform(profile)
    if transform is None:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture[..., ::-1]))
    converted = ImageCms.applyTransform(image, transform)
    return np.ascontiguousarray(np.asarray(converted, dtype=np.uint8)[..., ::-1])


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB, None where the two are the same. Raises ImageError."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space != "RGB":
            raise ImageError("PROFILE_UNUSABLE", f"its profile is for {space or 'no'} colours")
        made = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as err:
        raise ImageError("PROFILE_UNUSABLE", f"its profile of {len(profile)} bytes: {err}") from None
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 51)] * 3), axis=-1).reshape(-1, 1, 3).astype(np.uint8)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), made), dtype=int)
    return None if np.abs(moved - grid).max() <= _SAME else made
