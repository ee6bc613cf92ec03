"""Clocks: cameras that fire together write the same time, unless the clock of one is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original

_LEAST_S = 3.0  # most cameras write whole seconds, and a trigger over a network is late by one
_SPREADS = 6.0  # of the cameras' usual distances from each other: rigs that fire one by one differ by nature
_CONSTANT_S = 3.0  # by which the same wrong clock may vary from shot to shot
_CONSTANT_SHARE = 0.9  # of the shots that must be within it
_HALF_HOUR = 1800


def check_clock(context: Context) -> Iterator[Issue]:
    """One issue for each camera whose distance from the others is constant; where it jumps, one for each take."""
    skews = _skews(context)
    if len(skews) < 3:
        return  # of two clocks nobody knows which is wrong
    usual = {camera: median(value for _, value in entries) for camera, entries in skews.items()}
    spread = median(abs(value) for value in usual.values())
    limit = max(_LEAST_S, _SPREADS * spread)
    for camera, entries in skews.items():
        values = [value for _, value in entries]
        if _constant(values):
            if abs(usual[camera]) > limit:
                yield _issue(f"stills/*/*/{camera}", usual[camera], len(values))
            continue
        for take in dict.fromkeys(take for take, _ in entries):
            of_take = [value for name, value in entries if name == take]
            if len(of_take) > 1 and _constant(of_take) and abs(median(of_take)) > limit:
                yield _issue(f"stills/{take}/*/{camera}", median(of_take), len(of_take))


def _skews(context: Context) -> Mapping[str, list[tuple[str, float]]]:
    """Camera -> (take, seconds ahead of the median of all cameras) for every moment that three cameras or more saw."""
    moments: dict[tuple[str, str], list[Original]] = {}
    stills = [o for o in context.originals if o.shot.kind is ShotKind.STILL and o.exif.taken is not None]
    # Clocks are compared as they stand; zones help only where every camera names its own.
    zoned = all(o.exif.offset for o in stills)
    for original in stills:
        moments.setdefault((original.shot.group, original.shot.light), []).append(original)
    found: dict[str, list[tuple[str, float]]] = {}
    for (take, _), files in moments.items():
        if len(files) < 3:
            continue
        start = min(o.exif.taken for o in files if o.exif.taken is not None)
        seconds = {o.shot.camera: _seconds(o, start, zoned) for o in files}
        middle = median(seconds.values())
        for camera, value in seconds.items():
            found.setdefault(camera, []).append((take, value - middle))
    return found


def _seconds(original: Original, start: dt.datetime, zoned: bool) -> float:
    assert original.exif.taken is not None
    local = (original.exif.taken - start).total_seconds()
    if not zoned:
        return local
    sign, hours, minutes = original.exif.offset[0], original.exif.offset[1:3], original.exif.offset[4:6]
    return local - (-1 if sign == "-" else 1) * (3600 * int(hours) + 60 * int(minutes))


def _constant(values: Sequence[float]) -> bool:
    middle = median(values)
    return sum(abs(value - middle) <= _CONSTANT_S for value in values) >= _CONSTANT_SHARE * len(values)


def _issue(where: str, skew: float, count: int) -> Issue:
    zone = ", as another time zone or summer time does" if abs(skew - round(skew / _HALF_HOUR) * _HALF_HOUR) < 3 else ""
    zone = zone if abs(skew) > _HALF_HOUR / 2 else ""
    word = "ahead of" if skew > 0 else "behind"
    found = f"{abs(skew):.1f} seconds {word} the others in {count} files{zone}"
    return issue("CLOCK_SKEW", where=where, expected="the time of the others", found=found)
