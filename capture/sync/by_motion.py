"""Time offsets by what moves when, where nothing else tells them; over long clips in pieces, for the drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from capture.sync.correlate import Alignment, align
from capture.sync.evidence import Evidence, Method, Stream
from capture.sync.lags import solve
from capture.sync.motion import Step

Floats: TypeAlias = NDArray[np.float64]

_QUIET = 0.1  # of the usual motion: below it the logarithm of the energy is noise
_QUIET_GREY = 0.02  # grey levels
_FLASH = 0.06  # natural logarithm; steps under a change of light measure the lamp
_DRIFT_FROM_S = 60.0
_PIECE_S = 20.0
_SURE = 0.9


def by_motion(streams: Sequence[Stream], steps: Mapping[str, Sequence[Step]], *, reach_s: float) -> Evidence:
    """Offsets of the cameras that see the same motion; `reach_s` is the largest that is searched."""
    moving = [s for s in streams if s.fps > 0 and len(steps.get(s.camera, ())) > 1]
    if len(moving) < 2:
        return Evidence(Method.MOTION)
    step_s = 1 / max(stream.fps for stream in moving)
    signals = {s.camera: _signal(steps[s.camera], s.fps, step_s) for s in moving}
    found = align(signals, step_s=step_s, reach_s=reach_s)
    drift = _drift(signals, found, step_s)
    return Evidence(Method.MOTION, found.lags, found.confidence, drift, found.repeats_s)


def _signal(steps: Sequence[Step], fps: float, step_s: float) -> Floats:
    """(2, n): logarithm of the energy and rise, on the common grid of all cameras."""
    rows = np.array(steps, dtype=float)
    energy, rise, light = rows.T
    energy = np.where(np.abs(light) > _FLASH, np.median(energy), energy)
    loud = np.log(energy + _QUIET * np.median(energy) + _QUIET_GREY)
    count = int((len(rows) - 1) / fps / step_s + 1e-6) + 1
    if count == len(rows):
        return np.stack([loud, rise])
    # A step lies between its frames: half an interval of its own camera after the first.
    at, own = (np.arange(count) + 0.5) * step_s, (np.arange(len(rows)) + 0.5) / fps
    return np.stack([np.interp(at, own, row) for row in (loud, rise)])


def _drift(signals: Mapping[str, Floats], found: Alignment, step_s: float) -> dict[str, float]:
    """Parts per million by which each camera's offset grows, against the mean: a line through those of the pieces."""
    names = [name for name in signals if found.confidence.get(name, 0) >= _SURE]
    shortest = min(signals[n].shape[1] for n in names) if len(names) > 1 else 0
    if shortest * step_s < _DRIFT_FROM_S or not found.lags:
        return {}
    offsets = solve(found.lags, together=0.5 * step_s).offsets
    begin = {n: round((max(offsets[m] for m in names) - offsets[n]) / step_s) for n in names}
    length = min(signals[n].shape[1] - begin[n] for n in names)
    size = round(_PIECE_S / step_s)
    at, rows = [], []
    for start in range(0, length - size + 1, size):
        pieces = {n: signals[n][:, begin[n] + start :][:, :size] for n in names}
        piece = align(pieces, step_s=step_s, reach_s=0.5)
        if min(piece.confidence.values()) < _SURE:
            continue
        own = solve(piece.lags, together=0.5 * step_s).offsets
        if len(own) == len(names):
            at.append(start * step_s)
            rows.append([own[n] for n in names])
    if len(rows) < 3:
        return {}
    table = np.array(rows)
    table -= table.mean(axis=1, keepdims=True)
    slopes = np.polyfit(np.array(at), table, 1)[0]
    return {n: float(slope) * 1e6 for n, slope in zip(names, slopes, strict=True)}
