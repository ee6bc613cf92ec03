"""Moved cameras: every take against the plate, and so against the other takes, to a fraction of a pixel of the file.

Thumbnails tell at almost no cost in which takes a camera may have moved; only those, and the last one, are read again
at full size. A camera that stays where it was pushed is said once, one that is pushed before every take each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.checks.views import View, agreement, free_background
from capture.images import ImageError, Picture, read_image
from capture.issues import Issue, issue
from capture.session import Shot, ShotKind
from capture.shift import Shift, glance, measure_shift

if TYPE_CHECKING:
    from capture.checks.views import Stills
    from capture.validate import Context, Original

Bool: TypeAlias = NDArray[np.bool_]

MOVED_PX = 0.6  # in the file; the measure is true within 0.1
# Pixels of the thumbnail. A camera at rest shows at most 0.016 there (real footage of 1920 px, other frames and JPEG),
# and three quarters of a true move are seen: one pixel of a file of 4,000 shows as 0.045.
_GLANCE_PX = 0.03
_DOUBTFUL = 0.8  # agreement below which a take is looked at closely, too
_TILES = 5
_REFINED_PX = 2000  # long side at which the last word is spoken
_SPREAD = 0.35  # of the move: tiles that disagree more saw something else
_SAME = 0.1  # of the move: two takes that differ by less show one place


@dataclass(frozen=True)
class Stay:
    """Takes, one after the other, during which a camera stood in one wrong place."""

    takes: tuple[str, ...]
    shift: Shift  # pixels of the file, against the plate
    then: str = ""  # the take after them, if any

    def described(self) -> str:
        """How far, and in which takes."""
        shift = self.shift
        size = f"{shift.length:.1f} px ({shift.x:+.1f} right, {shift.y:+.1f} down) against the plate"
        if self.then:
            return f"{size} in {', '.join(self.takes)}, no longer in {self.then}"
        return f"{size} since {self.takes[0]}" + (f", also in {', '.join(self.takes[1:])}" if self.takes[1:] else "")


def moved_cameras(
    context: Context, plates: Mapping[str, View], stills: Stills, skip: Mapping[str, set[str]]
) -> Iterator[Issue]:
    """One issue for each camera and stay; `skip` are takes by camera in which something else is known to be wrong."""
    originals = {o.shot: o for o in context.originals}
    for camera, plate in plates.items():
        empty = originals.get(Shot(ShotKind.PLATE, camera))
        takes = [t for t in context.session.take if t.id not in skip.get(camera, ())]
        chosen = {
            take.id: (originals[Shot(ShotKind.STILL, camera, take.id, light)], views[light])
            for take in takes
            if (views := stills.get((camera, take.id)))
            and (light := _clearest(views, plate))
            and Shot(ShotKind.STILL, camera, take.id, light) in originals
        }
        if empty is None or not chosen:
            continue
        for stay in stays(_Plate(empty, plate).shifts(chosen)):
            expected = f"within {MOVED_PX:g} px of the plate"
            yield issue(
                "CAMERA_MOVED",
                where=f"stills/{stay.takes[0]}/*/{camera}", expected=expected, found=stay.described(),
            )  # fmt: skip


def stays(shifts: Mapping[str, Shift | None]) -> list[Stay]:
    """The takes that show the camera in a wrong place, joined while it stays there.

    `shifts` are those of all takes in order, None where the camera stood still or nobody can tell.
    """
    found: list[Stay] = []
    group: list[tuple[str, Shift]] = []
    for take, shift in [*shifts.items(), ("", None)]:
        if group and not (shift is not None and _same(group[0][1], shift)):
            largest = max((s for _, s in group), key=lambda s: s.length)
            found.append(Stay(tuple(t for t, _ in group), largest, take))
            group = []
        if shift is not None:
            group.append((take, shift))
    return found


def _same(one: Shift, other: Shift) -> bool:
    apart = float(np.hypot(one.x - other.x, one.y - other.y))
    return apart <= max(MOVED_PX, _SAME * max(one.length, other.length))


def _clearest(views: Mapping[str, View], plate: View) -> str:
    """The light most like the plate's, or '' where no picture has the plate's size."""
    differences = {
        light: float(np.median(np.abs(view.log - plate.log)))
        for light, view in views.items()
        if view.log.shape == plate.log.shape
    }
    return min(differences, key=lambda light: differences[light], default="")


class _Plate:
    """A plate, decoded at full size once and only when a still is compared with it."""

    def __init__(self, original: Original, view: View) -> None:
        self._original, self._view = original, view
        self._full: Picture | None = None

    def shifts(self, chosen: Mapping[str, tuple[Original, View]]) -> dict[str, Shift | None]:
        """Of each take, or None where the camera did not move or the pictures cannot tell."""
        takes = list(chosen)
        found: dict[str, Shift | None] = {}
        # The last take always: a camera stays where it was pushed, however little. Its move is followed back.
        waiting = [take for take in takes[:-1] if self._suspicious(chosen[take][1])] + takes[-1:]
        while waiting:
            take = waiting.pop()
            if take in found:
                continue
            found[take] = self._move(*chosen[take])
            if found[take] is not None:
                at = takes.index(take)
                waiting += [t for t in takes[max(at - 1, 0) : at + 2] if t not in found]
        return {take: found.get(take) for take in takes}

    def _suspicious(self, view: View) -> bool:
        free = _enlarged(free_background(view, self._view), view.pixels.shape)
        seen = glance(self._view.pixels, view.pixels, free) if view.pixels.shape == self._view.pixels.shape else None
        return seen is None or seen > _GLANCE_PX or agreement(view, self._view) < _DOUBTFUL

    def _move(self, original: Original, view: View) -> Shift | None:
        try:
            still = _reduced(read_image(original.path))
            if self._full is None:
                self._full = _reduced(read_image(self._original.path))
        except ImageError:
            return None  # it decoded a moment ago; check_files has the word on files
        if still.shape != self._full.shape:
            return None
        shift = measure_shift(self._full, still, _enlarged(free_background(view, self._view), still.shape))
        if shift is None:
            return None
        scale = original.width / still.shape[1]
        full = Shift(scale * shift.x, scale * shift.y, shift.tiles, scale * shift.spread)
        moved = full.tiles >= _TILES and full.length > max(MOVED_PX, full.spread / _SPREAD)
        return full if moved else None


def _reduced(picture: Picture) -> Picture:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    scale = min(1.0, _REFINED_PX / max(grey.shape))
    size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
    return cast(Picture, cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey)


def _enlarged(free: Bool, shape: Sequence[int]) -> Bool:
    return np.asarray(cv2.resize(free.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0)
