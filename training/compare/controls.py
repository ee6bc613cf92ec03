"""The two controls of every comparison: what photographs of herself reach, and what chance reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.store import Artefact
from training.compare.marks import MarkVerdict, Surface, score_marks, search_px
from training.compare.pairs import Pair, angle_deg, find_reference, light_difference, same_crop
from training.compare.photographs import Photographs, read_picture, render_surface
from training.compare.score import kept_share, read_frames
from training.compare.shares import Share
from training.compare.thresholds import Thresholds
from training.dataset.frames import Frame, MarkSeen

_STEP = 3.5  # diameters beside a mark: past where a moved one is looked for
_COMPASS = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1))


@dataclass(frozen=True)
class Control:
    """A share of marks found kept where the answer is known beforehand."""

    what: str
    kept: Share
    pictures: int


def ceiling(references: Sequence[Frame], rows: Sequence[Frame], photos: Photographs, limits: Thresholds) -> Control:
    """Photograph against another photograph of her: the best that a render can reach by this measure.

    The other one is of the same view and light in another take; where there is none, of the same crop under another
    light.
    """
    marks: list[MarkVerdict] = []
    pictures, kinds = 0, set()
    for row in references:
        other, kind = _twin_photograph(row, rows, limits)
        if other is None:
            continue
        first, second = photos.get(row), photos.get(other)
        if first.image.shape != second.image.shape:
            continue
        marks += score_marks(first.surface, row.marks, second.surface, other.marks, limits)
        pictures += 1
        kinds.add(kind)
    what = "photograph against photograph: " + (" or ".join(sorted(kinds)) or "no second one in the dataset")
    return Control(what, kept_share(marks), pictures)


def floor(renders: Artefact, rows: Sequence[Frame], photos: Photographs, limits: Thresholds) -> Control:
    """The registry applied to the wrong places: how often plain skin of the renders passes for a mark.

    Each mark is looked for 3.5 diameters beside its place, where no mark of hers is.
    """
    marks: list[MarkVerdict] = []
    pictures = 0
    for frame in read_frames(renders):
        pair = find_reference(frame.of, rows, limits)
        if isinstance(pair, str):
            continue
        photo = photos.get(pair.reference)
        picture = read_picture(renders, frame.raw)
        if picture.shape != photo.image.shape:
            continue
        render = render_surface(picture, photo, pair)
        wrong = tuple(m for m in (_beside(m, frame.of, render) for m in frame.of.marks) if m is not None)
        marks += score_marks(photo.surface, pair.reference.marks, render, wrong, limits)
        pictures += 1
    return Control("registry applied beside its places", kept_share(marks), pictures)


def _twin_photograph(row: Frame, rows: Sequence[Frame], limits: Thresholds) -> tuple[Frame | None, str]:
    takes = {r.take for r in rows if r.take != row.take}
    found = [find_reference(row.model_copy(update={"take": take}), rows, limits) for take in sorted(takes)]
    pairs = [p for p in found if isinstance(p, Pair)]
    if pairs:
        return min(pairs, key=lambda p: p.view_deg).reference, "same view and light, another take"
    lit = [
        r
        for r in rows
        if (r.take, r.framing, r.frame, r.camera) == (row.take, row.framing, row.frame, row.camera)
        and light_difference(row.lighting, r.lighting, limits.max_light_deg)[1]
        and same_crop(row, r)
    ]
    if not lit:
        return None, ""
    return min(lit, key=lambda r: (angle_deg(row.lighting, r.lighting), r.key)), "same view, another light"


def _beside(mark: MarkSeen, row: Frame, render: Surface) -> MarkSeen | None:
    """The mark moved to plain skin, in the first direction that has some."""
    height, width = render.trusted.shape
    diameter = 2 * mark.radius_px
    step = max(_STEP * diameter, 2 * search_px(diameter, render.trusted.shape))
    for right, down in _COMPASS:
        scale = step / float(np.hypot(right, down))
        u, v = mark.u + right * scale, mark.v + down * scale
        column, line = round(u), round(v)
        if not (0 <= column < width and 0 <= line < height and render.trusted[line, column]):
            continue
        apart = [np.hypot(u - m.u, v - m.v) - m.radius_px for m in row.marks if m.visible]
        if min(apart, default=np.inf) > diameter:
            return mark.model_copy(update={"u": u, "v": v})
    return None
