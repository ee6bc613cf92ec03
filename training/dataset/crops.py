"""Which crops are cut from one photograph: head and shoulders, the face, and every mark that those show too small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from training.dataset.framing import (
    BUST,
    BUST_BELOW_CROWN_M,
    CLOSE_UP,
    FACE_BELOW_CROWN_M,
    Framing,
    crop_camera,
)

F64 = NDArray[np.float64]

TWO_CELLS_PX = 8.0
"""A mark that spans fewer pixels spans fewer than two latent cells of four pixels, and is hardly learned."""
_NEAREST_M = 0.12  # side of the smallest crop: a base has no use for a picture of nothing but skin
_TURNED_COSINE = 0.5  # a mark seen flatter than this gets no crop of its own
_REACH_M = 0.55  # below the crown; the body map ends a little lower


@dataclass(frozen=True, eq=False)
class MarkPlace:
    """A mark on her at one instant."""

    id: str
    position: F64  # (3,) world metres
    normal: F64  # (3,)
    diameter_m: float


@dataclass(frozen=True, eq=False)
class Wanted:
    """One crop to cut: a label, what captions call it, and the virtual pinhole."""

    label: str
    framing: Framing
    camera: Camera


def wanted_crops(
    source: Camera, crown: F64, marks: Sequence[MarkPlace], *, pixels: int, close_ups: bool
) -> Iterator[Wanted]:
    """The crops of one photograph, head and shoulders first.

    A mark's own crop has as many pixels across it as the photograph itself, never more: nothing is blown up.
    """
    yield _wanted(BUST.name, BUST, source, crown - (0, 0, BUST_BELOW_CROWN_M), pixels)
    if not close_ups:
        return
    yield _wanted("face", CLOSE_UP, source, crown - (0, 0, FACE_BELOW_CROWN_M), pixels)
    for mark in marks:
        toward = source.centre - mark.position
        distance = float(np.linalg.norm(toward))
        if mark.normal @ toward < _TURNED_COSINE * distance or crown[2] - mark.position[2] > _REACH_M:
            continue
        if mark.diameter_m * pixels / BUST.side_m >= TWO_CELLS_PX:
            continue
        native = pixels * distance / source.fx
        fitting = mark.diameter_m * pixels / TWO_CELLS_PX
        side = min(CLOSE_UP.side_m, max(fitting, native, _NEAREST_M))
        yield _wanted(mark.id, Framing(CLOSE_UP.name, side), source, mark.position, pixels)


def _wanted(label: str, framing: Framing, source: Camera, aim: F64, pixels: int) -> Wanted:
    return Wanted(label, framing, crop_camera(source.id, source.centre, aim, framing, pixels))
