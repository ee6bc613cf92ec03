"""The pictures of a comparison, read only as their artefact vouches for them, with masks and prepared lightness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import cv2
import numpy as np

from capture.errors import IncompleteInput
from capture.mask import skin_mask
from capture.store import Artefact, inside
from training.compare.colour import U8, Bool
from training.compare.marks import Surface, surface
from training.compare.pairs import Pair
from training.dataset.frames import Frame

_DEPTH_M = 0.10  # how far her outline lies in front of or behind the axis she turns about
_CACHED = 64


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph of the dataset as the comparison needs it."""

    row: Frame
    image: U8  # (H, W, 3) BGR
    mask: Bool  # (H, W) the person
    skin: Bool  # (H, W)
    surface: Surface


def read_picture(artefact: Artefact, relative: str, *, grey: bool = False) -> U8:
    """A picture of a finished artefact, (H, W, 3) BGR or (H, W).

    Raises IncompleteInput when the file is missing, is not the one the artefact was finished with, or is no picture.
    """
    path = inside(artefact.folder, relative)
    if not path.is_file():
        raise IncompleteInput(f"{artefact.name} lacks its picture {relative!r}; make it again with --force")
    data = path.read_bytes()
    if artefact.outputs.get(relative) != sha256(data).hexdigest():
        raise IncompleteInput(
            f"{artefact.name}: picture {relative!r} is not the one it was finished with; make it again with --force"
        )
    mode = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    if image is None:
        raise IncompleteInput(f"{artefact.name}: {relative!r} is no picture; make it again with --force")
    return image.astype(np.uint8)


class Photographs:
    """The photographs of one dataset; the last few stay in memory."""

    def __init__(self, dataset: Artefact) -> None:
        self._dataset = dataset
        self._rows: dict[str, Frame] = {}
        self._cached = lru_cache(maxsize=_CACHED)(self._read)

    def get(self, row: Frame) -> Photograph:
        """The photograph of a row. Raises IncompleteInput as `read_picture` does, and for an empty mask."""
        self._rows[row.key] = row
        return self._cached(row.key)

    def _read(self, key: str) -> Photograph:
        row = self._rows[key]
        image = read_picture(self._dataset, f"{row.split}/{row.file_name}")
        mask = read_picture(self._dataset, f"{row.split}/{row.mask}", grey=True) > 127
        if mask.shape != image.shape[:2] or not mask.any():
            raise IncompleteInput(
                f"dataset: mask {row.mask!r} is {mask.shape} with {int(mask.sum())} pixels set, its picture is "
                f"{image.shape}; make the dataset again with --force"
            )
        skin = skin_mask(image, mask)
        return Photograph(row, image, mask, skin, surface(image, mask, skin, row.marks))


def render_surface(render: U8, photograph: Photograph, pair: Pair) -> Surface:
    """A render prepared with the masks of its photograph, drawn in by what a neighbouring view may differ."""
    loose = 0.0
    if not pair.aligned:
        loose = 1000 * _DEPTH_M * math.sin(math.radians(pair.view_deg)) / pair.reference.mm_per_px
    return surface(render, photograph.mask, photograph.skin, pair.request.marks, loose_px=loose)
