"""Time offsets by SMPTE timecode: cameras whose clocks were set together count the same hours and frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from capture.sync.evidence import Evidence, Method, Stream
from capture.sync.lags import Lag

_FORM = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.,])(\d{2,3})")
_DAY_S = 86_400.0
_SIGMA_FRAMES = 0.29  # a clock that is right to the frame is off by a uniform half frame to each side


def timecode_seconds(text: str, fps: float) -> float:
    """Seconds since midnight of `hh:mm:ss:ff`, or `hh:mm:ss;ff` in drop-frame.

    Timecode counts whole frames at the rounded rate: 29.97 frames a second are counted as 30. Drop-frame leaves out the
    numbers 0 and 1 (at 60: 0 to 3) of each minute but the tenth (SMPTE ST 12-1). Raises ValueError for text that is no
    timecode or whose frame number the rate does not have.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or fps <= 0:
        raise ValueError(f"timecode is {text[:32]!r} at {fps:g} frames per second; give hh:mm:ss:ff and a rate above 0")
    hours, minutes, seconds, frame = (int(match[k]) for k in (1, 2, 3, 5))
    base = round(fps)
    if hours > 23 or minutes > 59 or seconds > 59 or frame >= base:
        raise ValueError(f"timecode {text[:32]!r} does not exist at {fps:g} frames per second; check camera and rate")
    count = (hours * 3600 + minutes * 60 + seconds) * base + frame
    if match[4] != ":" and base % 30 == 0:
        minutes_so_far = hours * 60 + minutes
        count -= base // 15 * (minutes_so_far - minutes_so_far // 10)
    return count / fps


def by_timecode(streams: Sequence[Stream]) -> Evidence:
    """Offsets of the cameras that wrote a timecode.

    A timecode that says that two recordings do not overlap, or that starts at 00:00:00:00 in two cameras, is a counter
    and no clock: those say nothing.
    """
    starts: dict[str, float] = {}
    by_camera = {stream.camera: stream for stream in streams}
    for stream in streams:
        try:
            starts[stream.camera] = timecode_seconds(stream.timecode, stream.fps)
        except ValueError:
            continue
    if sum(start == 0 for start in starts.values()) > 1:
        return Evidence(Method.TIMECODE)
    lags = []
    for one, two in combinations(starts, 2):
        apart = (starts[two] - starts[one] + _DAY_S / 2) % _DAY_S - _DAY_S / 2  # over midnight
        first, second = by_camera[one], by_camera[two]
        if -second.seconds < apart < first.seconds:
            lags.append(Lag(one, two, apart, _SIGMA_FRAMES / min(first.fps, second.fps)))
    named = {name for lag in lags for name in (lag.first, lag.second)}
    return Evidence(Method.TIMECODE, tuple(lags), dict.fromkeys(named, 0.99))
