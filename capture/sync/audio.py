"""Time offsets by sound: all cameras of a room hear the same claps, steps and music, a little late by their distance.

The rough lag is that of the envelopes of onsets, over the whole clip. Chunks along the clip then give the fine lag by
the phase of the cross-spectrum (GCC-PHAT, Knapp and Carter 1976), and a line through them the drift of the clocks.
Sound travels 0.34 m in a millisecond: between cameras 3 m apart 9 ms are air and not clocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeAlias, cast

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate

from capture.sync.evidence import Evidence, Method, Stream
from capture.sync.lags import Lag

Floats: TypeAlias = NDArray[np.float64]

_RATE = 8000  # samples per second; steps and claps are below 4 kHz
_HOP = 80  # samples: the envelope has 100 values a second
_LONGEST_S = 900.0  # read of each file
_CHUNKS = 9
_CHUNK_S = 12.0
_FINE_S = 0.25  # the fine lag is searched this far around the rough one
_CLEAR = 12.0  # height of the peak over the median of the correlation; sound that is not shared stays below 7
_ON_LINE_S = 0.004  # a chunk that is farther from the line is an echo
_AIR_S = 0.005  # sigma of a lag: distances to the sound differ by a few metres
_ALL_PAIRS = 5  # cameras up to which all pairs are compared; of more, each against two
_DRIFT_FROM_S = 30.0


@dataclass(frozen=True)
class SoundLag:
    """How two sounds lie against each other."""

    seconds: float  # at the middle: offset of the second minus offset of the first
    drift_ppm: float  # how much faster that grows
    clear: float  # share of the chunks that agree
    length_s: float  # that the chunks span


def read_sound(path: Path) -> Floats:
    """(n,) mono at 8 kHz from the first frame of the picture on; empty without a usable sound track."""
    parts: list[Floats] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return np.zeros(0)
            stream, picture = container.streams.audio[0], container.streams.video[0]
            start = float((picture.start_time or 0) * (picture.time_base or 0))
            resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
            first, count = None, 0
            for frame in container.decode(stream):
                first = frame.time if first is None else first
                for piece in resampler.resample(frame):
                    parts.append(piece.to_ndarray().ravel().astype(np.float64))
                    count += len(parts[-1])
                if count > _LONGEST_S * _RATE:
                    break
    except (av.error.FFmpegError, ValueError, IndexError):
        return np.zeros(0)  # the picture was decoded strictly; a broken sound track only tells no time
    if not parts or first is None:
        return np.zeros(0)
    shift = round((first - start) * _RATE)
    sound = np.concatenate(parts)
    return np.concatenate([np.zeros(shift), sound]) if shift > 0 else sound[-shift:]


def sound_lag(first: Floats, second: Floats, *, reach_s: float) -> SoundLag | None:
    """Compare two sounds of 8 kHz; `reach_s` is the largest lag searched. None where they share none."""
    rough = _rough(_onsets(first), _onsets(second), round(reach_s * _RATE / _HOP))
    if rough is None:
        return None
    shift = rough * _HOP
    one, two = first[max(shift, 0) :], second[max(-shift, 0) :]
    length = min(len(one), len(two))
    size = min(round(_CHUNK_S * _RATE), length)
    starts = np.unique(np.linspace(0, length - size, _CHUNKS).astype(int))
    at, lags = [], []
    for start in starts:
        fine = _phase_lag(one[start : start + size], two[start : start + size])
        if fine is not None:
            at.append((start + size / 2) / _RATE)
            lags.append(fine)
    if not lags:
        return None
    times, found = np.array(at), np.array(lags)
    slope, level = _line(times, found)
    good = np.abs(found - slope * times - level) < _ON_LINE_S
    middle = (length / 2) / _RATE
    span = float(np.ptp(times)) if len(times) > 1 else 0.0
    return SoundLag(shift / _RATE + level + slope * middle, slope * 1e6, float(good.sum()) / len(starts), span)


def _onsets(sound: Floats) -> Floats:
    """Rise of the loudness from hop to hop, in logarithms, falls left out."""
    count = len(sound) // _HOP
    power = (sound[: count * _HOP].reshape(count, _HOP) ** 2).mean(axis=1)
    if not count or not power.any():
        return np.zeros(0)
    loud = np.log(power + 1e-3 * power.mean())
    return cast(Floats, np.maximum(np.diff(loud), 0))


def _rough(one: Floats, two: Floats, reach: int) -> int | None:
    """Hops by which the onsets of the second come earlier, None where nothing stands out."""
    if min(len(one), len(two)) < 50:
        return None
    r = correlate(one - one.mean(), two - two.mean(), method="fft")
    lags = np.arange(-(len(two) - 1), len(one))
    inside = np.abs(lags) <= min(reach, min(len(one), len(two)) * 2 // 3)
    r, lags = r[inside], lags[inside]
    best = int(np.argmax(r))
    return int(lags[best]) if r[best] > 0 else None


def _phase_lag(one: Floats, two: Floats) -> float | None:
    """Seconds by which the sound of `two` comes earlier, None where no peak stands out."""
    if not one.any() or not two.any():
        return None
    size = 2 * len(one)
    cross = np.fft.rfft(one, size) * np.conj(np.fft.rfft(two, size))
    r = np.fft.irfft(cross / (np.abs(cross) + 1e-9 * np.abs(cross).max()), size)
    reach = round(_FINE_S * _RATE)
    near = np.concatenate([r[-reach:], r[: reach + 1]])
    best = int(np.argmax(near))
    if near[best] < _CLEAR * float(np.median(np.abs(near))) or not 0 < best < len(near) - 1:
        return None
    left, middle, right = near[best - 1 : best + 2]
    bend = left + right - 2 * middle
    return float(best - reach + (0.5 * (left - right) / bend if bend < 0 else 0)) / _RATE


def _line(times: Floats, lags: Floats) -> tuple[float, float]:
    """Slope and level by the median of the slopes of all pairs (Theil 1950, Sen 1968): echoes do not turn it."""
    if len(times) < 3:
        return 0.0, float(np.median(lags))
    i, j = np.triu_indices(len(times), 1)
    slope = float(np.median((lags[j] - lags[i]) / (times[j] - times[i])))
    return slope, float(np.median(lags - slope * times))


def by_audio(streams: Sequence[Stream], *, reach_s: float) -> Evidence:
    """Offsets of the cameras that recorded sound, and the drift of clips that last."""
    sounds = {stream.camera: read_sound(stream.path) for stream in streams}
    heard = [name for name, sound in sounds.items() if sound.any()]
    pairs = [(i, j) for i, j in combinations(range(len(heard)), 2) if i < 2 or len(heard) <= _ALL_PAIRS]
    lags, clear, drift = [], dict.fromkeys(heard, 0.0), {}
    for i, j in pairs:
        one, two = heard[i], heard[j]
        found = sound_lag(sounds[one], sounds[two], reach_s=reach_s)
        if found is None or found.clear < 0.5:
            continue
        lags.append(Lag(one, two, found.seconds, _AIR_S))
        for name in (one, two):
            clear[name] = max(clear[name], found.clear)
        if found.length_s + _CHUNK_S >= _DRIFT_FROM_S:
            drift[one, two] = found.drift_ppm
    confidence = {name: 0.5 + 0.5 * share for name, share in clear.items() if share}
    return Evidence(Method.AUDIO, tuple(lags), confidence, _per_camera(drift))


def _per_camera(drift: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Each camera's drift against the mean of all, from those of pairs; nothing where the pairs do not link them."""
    names = sorted({name for pair in drift for name in pair})
    rows = np.array([[(n == two) - (n == one) for n in names] for one, two in drift], dtype=float)
    if not names or np.linalg.matrix_rank(rows) < len(names) - 1:
        return {}
    values = np.linalg.lstsq(rows, np.array(list(drift.values())), rcond=None)[0]
    return dict(zip(names, (values - values.mean()).tolist(), strict=True))
