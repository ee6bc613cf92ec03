"""One point of space as several cameras saw it in one moment: features joined by likeness near their epipolar lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.drift.features import Moment, Seen
from calibration.pose import Floats

_MAX_PAIR_DEG = 60.0  # cameras farther apart see other sides of her, and points look different
_MIN_PAIR_DEG = 4.0
_NEIGHBOURS = 6
_UNLIKE = 0.55  # distance of two descriptors of length 1
_RATIO = 0.85  # the best match near the line must be better than the next by this
_LEAST_M, _MOST_M = 0.3, 30.0  # from a camera


@dataclass(frozen=True, eq=False)
class Track:
    """One point: which cameras saw it, where, and how fast it moved there."""

    moment: int
    cameras: tuple[int, ...]  # at least two, ascending
    uv: Floats  # (S, 2) pixels
    velocity: Floats  # (S, 2) pixels a frame


def tracks_of(moments: Sequence[Moment], cameras: Sequence[Camera], *, gate_deg: float) -> list[Track]:
    """All tracks of all moments, in their order; a point may lie off its epipolar line by the gate, in degrees."""
    pairs = _pairs(cameras)
    return [
        track for index, moment in enumerate(moments) for track in _tracks(index, moment, cameras, (pairs, gate_deg))
    ]


def _pairs(cameras: Sequence[Camera]) -> list[tuple[int, int]]:
    """Each camera with its nearest neighbours that look from another side; the others see little of the same."""
    axes = np.stack([c.world_from_camera.rotation[:, 2] for c in cameras])
    angle = np.degrees(np.arccos(np.clip(axes @ axes.T, -1, 1)))
    angle[(angle < _MIN_PAIR_DEG) | (angle > _MAX_PAIR_DEG)] = np.inf
    nearest = np.argsort(angle, axis=1)[:, :_NEIGHBOURS]
    pairs = {(min(i, int(j)), max(i, int(j))) for i, row in enumerate(nearest) for j in row if angle[i, j] < np.inf}
    return sorted(pairs)


def _tracks(
    index: int, moment: Moment, cameras: Sequence[Camera], where: tuple[Sequence[tuple[int, int]], float]
) -> Iterator[Track]:
    pairs, gate = where
    seen = {i: moment[c.id] for i, c in enumerate(cameras) if c.id in moment and len(moment[c.id].uv)}
    rays = {i: cameras[i].rays(s.uv) for i, s in seen.items()}
    links = [
        (distance, (i, a), (j, b))
        for i, j in pairs
        if i in seen and j in seen
        for distance, a, b in _matches(
            (seen[i], seen[j]), _near_line((rays[i], rays[j]), cameras[j].centre - cameras[i].centre, gate)
        )
    ]
    for members in _joined(links):
        chosen = tuple(sorted(members))
        uv = np.array([seen[i].uv[members[i]] for i in chosen])
        yield Track(index, chosen, uv, np.array([seen[i].velocity[members[i]] for i in chosen]))


def _matches(seen: tuple[Seen, Seen], near: NDArray[np.bool_]) -> list[tuple[float, int, int]]:
    """(distance, row, row) of features of two cameras that are each other's best among those `near` (N, M)."""
    gap = 2 - 2 * (seen[0].descriptor @ seen[1].descriptor.T)
    distance = np.sqrt(np.maximum(gap, 0)).astype(np.float64)
    distance[~near] = np.inf
    best, back = distance.argmin(axis=1), distance.argmin(axis=0)
    found = []
    for a, b in enumerate(best):
        least = distance[a, b]
        if least < _UNLIKE and back[b] == a and least < _RATIO * _second(distance, a, int(b)):
            found.append((float(least), a, int(b)))
    return found


def _second(distance: Floats, a: int, b: int) -> float:
    row, column = distance[a].copy(), distance[:, b].copy()
    row[b] = column[a] = np.inf
    return float(min(row.min(), column.min()))


def _near_line(rays: tuple[Floats, Floats], base: Floats, gate_deg: float) -> NDArray[np.bool_]:
    """(N, M): whether two rays from both ends of a base pass each other within the gate, before both cameras."""
    a, b = (np.nan_to_num(r) for r in rays)
    dot = a @ b.T
    with np.errstate(divide="ignore", invalid="ignore"):
        along_a = ((a @ base)[:, None] - dot * (b @ base)[None]) / (1 - dot**2)
        along_b = (dot * (a @ base)[:, None] - (b @ base)[None]) / (1 - dot**2)
        gap = np.abs(a @ np.cross(b, base).T) / np.sqrt(1 - dot**2)
        turn = np.degrees(gap / np.minimum(along_a, along_b))
    inside = (along_a > _LEAST_M) & (along_b > _LEAST_M) & (along_a < _MOST_M) & (along_b < _MOST_M)
    return np.asarray(inside & (turn < gate_deg))


def _joined(links: list[tuple[float, tuple[int, int], tuple[int, int]]]) -> list[Mapping[int, int]]:
    """Groups of features, camera -> row, the most alike joined first and never two features of one camera."""
    groups: dict[tuple[int, int], dict[int, int]] = {}
    for _, one, other in sorted(links):
        first = groups.setdefault(one, {one[0]: one[1]})
        second = groups.setdefault(other, {other[0]: other[1]})
        if first is second or set(first) & set(second):
            continue
        first |= second
        for member in second.items():
            groups[member] = first
    distinct = {id(group): group for group in groups.values()}
    return [group for group in distinct.values() if len(group) > 1]
