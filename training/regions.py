"""What each latent cell of a training picture shows: body, clothes or backdrop, a mark of hers, or a private place.

A private place is painted over with what surrounds it before anything encodes the picture, so that neither the encoder
nor the attention of the denoiser ever meets what she keeps to herself, and it has no weight in the loss besides, so
that the paint is not learned either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from capture.errors import ConsentRefused
from capture.images import read_image
from training.dataset.frames import Frame, TwinDataset
from training.losses import MarkSpot, WeightMaps, spot_cells, spot_pixels

Picture = NDArray[np.uint8]
_HIDDEN_DEG = 90.0  # skin turned further shows its back: nothing of the mark is in the picture
_PAINT_RADIUS_PX = 3.0


@dataclass(frozen=True)
class RegionWeights:
    """Weight of what a cell shows."""

    body: float = 1.0
    clothes: float = 1.0
    backdrop: float = 1.0


def check_private(dataset: TwinDataset, private: Sequence[str]) -> None:
    """Raise ConsentRefused for a private mark that the data set does not know: what has no place cannot be left out."""
    known = {m.id for f in dataset.frames for m in f.marks}
    if lost := sorted(set(private) - known):
        raise ConsentRefused(
            f"consent keeps mark {lost[0]!r} private, and the data set has no place for it (it knows "
            f"{', '.join(sorted(known)) or 'none'}); confirm it with `twin marks`, build the data set again"
        )


def private_spots(frame: Frame, private: Sequence[str]) -> list[MarkSpot]:
    """Where private marks may be in a crop. Unlike for learning, a doubtful sight counts: she decided, not the mask."""
    return [
        MarkSpot(m.u, m.v, m.radius_px)
        for m in frame.marks
        if m.id in private and m.u >= 0 and m.v >= 0 and m.facing_deg < _HIDDEN_DEG
    ]


def painted_over(picture: Picture, spots: Sequence[MarkSpot]) -> Picture:
    """The picture (H, W, 3) with each spot filled from around it (Telea 2004); no pixel of a spot has any influence."""
    if not spots:
        return picture
    height, width = picture.shape[:2]
    hidden = spot_pixels(spots, height=height, width=width).numpy()
    blank = picture.copy()
    blank[hidden] = 0
    return np.asarray(cv2.inpaint(blank, hidden.astype(np.uint8), _PAINT_RADIUS_PX, cv2.INPAINT_TELEA), dtype=np.uint8)


def weight_maps(
    dataset: TwinDataset, frame: Frame, weights: RegionWeights, *, stride: int, private: Sequence[str] = ()
) -> WeightMaps:
    """The maps (1, h, w) of one picture, from its masks and marks."""
    body = _share(read_image(dataset.mask(frame)), stride)
    height, width = body.shape[0] * stride, body.shape[1] * stride
    path = dataset.mask(frame).with_suffix(".clothes.png")
    clothes = _share(read_image(path), stride) if path.is_file() else torch.zeros_like(body)
    clothes = torch.minimum(clothes, body)
    region = weights.body * (body - clothes) + weights.clothes * clothes + weights.backdrop * (1 - body)
    hidden = private_spots(frame, private)
    public = 1 - spot_cells(hidden, height=height, width=width, stride=stride)
    spots = [MarkSpot(m.u, m.v, m.radius_px) for m in frame.marks if m.visible and m.id not in private]
    marks = spot_cells(spots, height=height, width=width, stride=stride) * public
    return WeightMaps(region[None], marks[None], public[None])


def _share(mask: Picture, stride: int) -> Tensor:
    """Share of each latent cell (h, w) that a mask (H, W, …) covers."""
    flat = mask if mask.ndim == 2 else mask[..., 0]
    covered = torch.from_numpy((flat > 127).astype(np.float32))
    return F.avg_pool2d(covered[None, None], stride)[0, 0]
