"""Mirror guard of one take: a photograph that was flipped left to right agrees with the others only when flipped back.

Marks that three other cameras agree on are projected into the photograph; they meet its proposals as they are, or, in
a flipped one, their mirror images. No silhouette is asked, because hers is nearly its own mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.mark_points import MAX_PIXELS, View, meeting_points, support
from capture.marks import Blob

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

_AGREED = 3  # other cameras that must see a mark
_SAME_M = 0.006  # two meeting points this close are one mark
_MIN_FLIPPED = 4  # marks that fit a flipped photograph, at least
_TIMES = 3.0  # as many as fit it as it is


@dataclass(frozen=True)
class MirrorCheck:
    """How many marks of the other cameras one photograph shows, as it is and flipped."""

    camera: str
    direct: int
    flipped: int

    @property
    def mirrored(self) -> bool:
        """True when the photograph was flipped left to right."""
        return self.flipped >= _MIN_FLIPPED and self.flipped > _TIMES * self.direct


def check_mirrored(views: Sequence[View]) -> tuple[MirrorCheck, ...]:
    """One verdict for each view of a take, in their order."""
    points = meeting_points(views)
    seen = support(points, views)
    return tuple(_check(index, views, points, seen) for index in range(len(views)))


def _check(index: int, views: Sequence[View], points: F64, seen: list[list[tuple[int, int]]]) -> MirrorCheck:
    view = views[index]
    others = np.array([sum(i != index for i, _ in found) for found in seen], dtype=int)
    # The best supported point of a mark first, so that the others beside it fall away.
    marks = _apart(points, others)
    if not len(marks) or not view.blobs:
        return MirrorCheck(view.camera.id, 0, 0)
    return MirrorCheck(view.camera.id, _hits(view, view.blobs, marks), _hits(view, flipped(view).blobs, marks))


def flipped(view: View) -> View:
    """The view as it was before its photograph was flipped."""
    width = view.camera.width
    blobs = tuple(Blob(width - 1 - b.u, b.v, b.radius_px, b.contrast, b.colour) for b in view.blobs)
    return replace(view, blobs=blobs, mask=np.ascontiguousarray(view.mask[:, ::-1]))


def _apart(points: F64, others: NDArray[np.int_]) -> F64:
    kept: list[F64] = []
    for at in np.argsort(-others, kind="stable"):
        if others[at] < _AGREED:
            break
        if all(np.linalg.norm(points[at] - known) > _SAME_M for known in kept):
            kept.append(points[at])
    return np.array(kept).reshape(-1, 3)


def _hits(view: View, blobs: Sequence[Blob], marks: F64) -> int:
    """Marks that have a proposal where they project; a proposal counts once."""
    uv, depth = view.camera.project(marks)
    place = np.array([[b.u, b.v] for b in blobs])
    away = np.linalg.norm(uv[:, None] - place[None], axis=-1)
    away[~np.isfinite(away)] = np.inf
    away[depth <= 0] = np.inf
    taken: set[int] = set()
    for row in np.argsort(away.min(axis=1)):
        best = int(away[row].argmin())
        if away[row, best] >= MAX_PIXELS:
            break
        taken.add(best)
    return len(taken)
