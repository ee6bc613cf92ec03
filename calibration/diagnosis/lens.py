"""Lenses that belong to other pictures: of half the size, held upright instead of level, cropped.

A lens looks through the middle of its picture, within a few per cent. A principal point at a quarter of the picture is
that of half the picture, one at the middle of the turned picture is that of the turned picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from calibration.camera import Camera
from calibration.detect import Detections
from capture.issues import Issue, issue

_NEAR = 0.07  # of the picture; real principal points lie within 0.05 of its middle
_FAR = 0.2  # from the middle: no usual lens
_TURNED = 1.15  # sides this unlike can be told apart
_SIZES = {0.25: "half", 0.125: "a quarter", 1.0: "twice", 0.75: "one and a half times"}


def lens_issues(cameras: Sequence[Camera], *, sigma_px: Mapping[str, float] | None = None) -> Iterator[Issue]:
    """Cameras whose principal point belongs to other pictures.

    `sigma_px` is what the principal points are uncertain by; where that is much, nothing is said.
    """
    for camera in cameras:
        sigma = (sigma_px or {}).get(camera.id, 0.0)
        if not math.isfinite(sigma) or 3 * sigma > _NEAR * min(camera.width, camera.height):
            continue
        found = _named(camera)
        if found is not None:
            code, words = found
            yield issue(
                code,
                where=f"camera {camera.id}",
                expected=f"a lens centre near ({camera.width / 2:.0f}, {camera.height / 2:.0f}) px",
                found=f"({camera.cx:.0f}, {camera.cy:.0f}) px: {words}",
            )


def size_issues(
    sizes: Mapping[str, Mapping[tuple[int, int], int]], declared: Mapping[str, tuple[int, int]]
) -> Iterator[Issue]:
    """Board pictures of another size than the session declares. `sizes`: camera -> (width, height) -> pictures."""
    for name, counts in sizes.items():
        wanted = declared[name]
        for size, count in counts.items():
            if size != wanted:
                files = f"{count} of {sum(counts.values())} board files"
                yield issue(
                    "BOARD_SIZE_DIFFERS",
                    where=f"camera {name}",
                    expected=f"{wanted[0]} x {wanted[1]} px, as session.toml says of this camera",
                    found=f"{size[0]} x {size[1]} px in {files}{_ratio(size, wanted)}",
                )


def corner_issues(detections: Detections, sizes: Mapping[str, tuple[int, int]]) -> Iterator[Issue]:
    """Corners that lie outside the picture that they are said to be from."""
    for name, views in detections.items():
        found = [c.uv for c in views.values()]
        if not found:
            continue
        uv = np.concatenate(found)
        high, size = uv.max(axis=0), np.array(sizes[name])
        outside = float((uv > size).any(axis=1).mean())
        if outside > 0.01:
            # reaching past one side only, and staying below the other, is a picture that was turned
            turned = (high > size).sum() == 1 and (high <= size[::-1]).all()
            yield issue(
                "LENS_TURNED" if turned else "LENS_SIZE_DIFFERS",
                where=f"camera {name}",
                expected=f"corners within {size[0]} x {size[1]} px",
                found=f"{outside:.0%} of them outside, up to ({high[0]:.0f}, {high[1]:.0f}) px"
                + (": width and height are exchanged" if turned else ": the pictures are larger"),
            )


def _named(camera: Camera) -> tuple[str, str] | None:
    x, y = camera.cx / camera.width, camera.cy / camera.height
    off = max(abs(x - 0.5), abs(y - 0.5))
    if off < 2 * _NEAR:
        return None
    for share, word in _SIZES.items():
        near = _NEAR * min(1.0, 2 * share)
        if abs(x - share) < near and abs(y - share) < near:
            return "LENS_SIZE_DIFFERS", f"that of pictures {word} as large"
    unlike = max(camera.width, camera.height) / min(camera.width, camera.height)
    if unlike > _TURNED and max(abs(camera.cx / camera.height - 0.5), abs(camera.cy / camera.width - 0.5)) < _NEAR:
        return "LENS_TURNED", "that of pictures with width and height exchanged"
    return ("LENS_OFF_CENTRE", "that of no whole picture") if off > _FAR else None


def _ratio(size: tuple[int, int], wanted: tuple[int, int]) -> str:
    if size == wanted[::-1]:
        return ", width and height exchanged"
    scale = size[0] / wanted[0]
    return f", {scale:.3g} times as large" if abs(size[1] / wanted[1] - scale) < 0.01 * scale else ""
