"""Exposure: blown-out pictures, and pictures darker or lighter than their neighbours of the same light and camera."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

from capture.checks.relative import Cell, residuals
from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original

# Over takes a camera under one light repeats itself within 0.2 stops (simulated shoots, six outfits), so a slip of one
# stop shows even when only two takes share it. Within one take the side of the light alone moves a camera by 1.1.
_STOPS_OFF = 0.45
_STOPS_OFF_IN_ONE_TAKE = 1.3
_STOPS_OFF_IN_CLIP = 1.0
_CLIPPED_MORE = 0.08  # share of the picture beyond that of the camera's empty plate or its usual picture
_BLACK = 1e-4  # linear light below which a stop has no meaning


def check_exposure(context: Context) -> Iterator[Issue]:
    """Relative to the session throughout: a white backdrop that always clips is no fault."""
    yield from _brightness(context)
    for original in context.originals:
        if original.shot.kind is ShotKind.CLIP:
            yield from _steadiness(original)
    yield from _clipping(context)


def _brightness(context: Context) -> Iterator[Issue]:
    for original, stop, limit in stops_off(context):
        if abs(stop) > limit:
            word = "lighter" if stop > 0 else "darker"
            found = f"{abs(stop):.1f} stops {word} than this camera and light let expect"
            expected = f"within {limit:g} stops"
            yield issue("EXPOSURE_OFF", where=original.shot.stem, expected=expected, found=found)


def stops_off(context: Context) -> Iterator[tuple[Original, float, float]]:
    """Every still that can be compared, with its distance in stops from what is expected of it, and the limit.

    Takes before the same backdrop are compared with each other; a take alone, its cameras and lights.
    """
    stills = [o for o in context.originals if o.shot.kind is ShotKind.STILL]
    backdrops: dict[str, set[str]] = {}
    for take in context.session.take:
        backdrops.setdefault(take.backdrop, set()).add(take.id)
    for takes in backdrops.values():
        members = [o for o in stills if o.shot.group in takes]
        if len({o.shot.group for o in members}) > 1:
            yield from _off(members, [(f"{o.shot.camera}/{o.shot.light}", o.shot.group) for o in members], _STOPS_OFF)
        else:
            yield from _off(members, [(o.shot.camera, o.shot.light) for o in members], _STOPS_OFF_IN_ONE_TAKE)


def _off(stills: list[Original], cells: list[Cell], limit: float) -> Iterator[tuple[Original, float, float]]:
    stops = [math.log2(max(o.numbers[0].luma, _BLACK)) for o in stills]
    off = residuals(dict(zip(cells, stops, strict=True)))
    for original, cell in zip(stills, cells, strict=True):
        if cell in off:
            yield original, off[cell], limit


def _steadiness(clip: Original) -> Iterator[Issue]:
    """The first frame of a clip that is far from the clip's own median."""
    usual = max(median(n.luma for n in clip.numbers), _BLACK)
    for numbers in clip.numbers:
        stop = math.log2(max(numbers.luma, _BLACK) / usual)
        if abs(stop) > _STOPS_OFF_IN_CLIP:
            found = f"frame {numbers.frame} differs by {stop:+.1f} stops"
            expected = f"within {_STOPS_OFF_IN_CLIP:g} stops of the clip"
            yield issue("EXPOSURE_OFF", where=clip.shot.stem, expected=expected, found=found)
            return


def _clipping(context: Context) -> Iterator[Issue]:
    plates = {o.shot.camera: o.numbers[0].clipped for o in context.originals if o.shot.kind is ShotKind.PLATE}
    pictures = [o for o in context.originals if o.shot.kind in (ShotKind.STILL, ShotKind.CLIP)]
    for camera in {o.shot.camera for o in pictures}:
        own = [o for o in pictures if o.shot.camera == camera]
        usual = plates.get(camera, min(median(_clipped(o) for o in own), 0.5))
        for original in own:
            share = _clipped(original)
            if share > usual + _CLIPPED_MORE:
                found = f"{share:.0%} of the picture is at the end of the scale"
                expected = f"at most {usual + _CLIPPED_MORE:.0%}"
                yield issue("EXPOSURE_CLIPPED", where=original.shot.stem, expected=expected, found=found)


def _clipped(original: Original) -> float:
    return median(n.clipped for n in original.numbers)
