"""Who is who: people found by each camera brought together over the cameras of a moment, and then over time.

Two people in two cameras are one when their points lie on rays that meet; groups grow from the pair that fits best.
Over time a group goes on as the track that it stands nearest to, by the Hungarian method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from calibration.camera import Camera
from calibration.motion.keypoints import Keypoints, People
from calibration.motion.triangulate import triangulate

F64 = NDArray[np.float64]

RAYS_M = 0.12  # median distance between the rays of one person's points; another person stands farther off
_LEAST_POINTS = 4
_SPEED_M_S = 6.0  # nobody on a set is faster
_REACH_M = 0.3  # what triangulation with two cameras may jump besides
_FORGET_S = 1.0
_SAME_M = 0.2  # two halves of one person, seen by other cameras each, lie closer than two people can stand
_SURE = 2.0  # exchanging two people must make the step this much longer, else nobody knows who is who


@dataclass(frozen=True, eq=False)
class Person:
    """One person in all cameras."""

    name: str  # "person 1", from the one seen most
    keypoints: Mapping[str, Keypoints]  # camera -> that person there
    sights: int  # views over all frames
    frames: int  # in which two cameras or more saw this person


@dataclass(frozen=True, eq=False)
class Associated:
    """Everybody who was seen by two cameras at once, the one seen most first."""

    people: tuple[Person, ...]
    doubtful: tuple[tuple[int, str, str], ...]  # (frame, person, person): two so close that they may be exchanged


@dataclass(eq=False)
class _Track:
    place: F64  # (J, 3) where the points were last known
    last: int  # frame
    members: dict[int, dict[int, int]]  # frame -> camera index -> index of the person there


def associate(cameras: Sequence[Camera], people: Mapping[str, People], *, fps: float) -> Associated:
    """Bring the people of all cameras together. Frames of one index must be one moment; see `in_time`.

    Raises ValueError for cameras without people, and for layouts or lengths that differ.
    """
    crowd = [people[camera.id] for camera in cameras if camera.id in people]
    if len(crowd) != len(cameras):
        lacking = [camera.id for camera in cameras if camera.id not in people]
        raise ValueError(f"cameras {lacking} have no keypoints; give those that have some")
    if len({(c.names, len(c)) for c in crowd}) > 1:
        sizes = {camera.id: (len(c.names), len(c)) for camera, c in zip(cameras, crowd, strict=True)}
        raise ValueError(f"cameras differ in layout or number of frames (points, frames): {sizes}")
    distances = {
        (a, b): _ray_distances((cameras[a], cameras[b]), (crowd[a], crowd[b]))
        for a, b in combinations(range(len(cameras)), 2)
    }
    moments = [_groups(len(cameras), {pair: d[t] for pair, d in distances.items()}) for t in range(len(crowd[0]))]
    places = _places(cameras, crowd, moments)
    tracks, doubtful = _follow(moments, places, fps)
    order = sorted(tracks, key=lambda k: -sum(len(m) for m in tracks[k].members.values()))
    names = {k: f"person {n}" for n, k in enumerate(order, 1)}
    found = tuple(_person(names[k], cameras, crowd, tracks[k]) for k in order)
    return Associated(found, tuple((t, names[a], names[b]) for t, a, b in doubtful))


def _ray_distances(pair: tuple[Camera, Camera], people: tuple[People, People]) -> F64:
    """(T, P, Q) metres: the median distance between the rays of two people's points; NaN where too few are shared."""
    rays = [
        camera.rays(own.places.reshape(-1, 2)).reshape(*own.places.shape[:3], 3)
        for camera, own in zip(pair, people, strict=True)
    ]
    first, second = rays[0][:, :, None], rays[1][:, None]
    across = np.cross(first, second)
    length = np.linalg.norm(across, axis=-1)
    base = pair[1].centre - pair[0].centre
    gap = np.abs(across @ base) / np.maximum(length, 1e-9)
    gap[length < 1e-3] = np.nan  # rays along the line between the cameras meet anything
    gap[_meet_behind(first, second, base)] = 10 * RAYS_M
    few = np.isfinite(gap).sum(axis=-1) < _LEAST_POINTS
    gap[few] = 0.0  # the median of nothing is a warning
    return np.where(few, np.nan, np.nanmedian(gap, axis=-1))


def _meet_behind(first: F64, second: F64, base: F64) -> NDArray[np.bool_]:
    """Where two rays come closest behind one of their cameras."""
    cosine = (first * second).sum(-1)
    a, b = first @ base, second @ base
    sine2 = np.maximum(1 - cosine**2, 1e-12)
    return np.asarray(((a - cosine * b) / sine2 < 0) | ((cosine * a - b) / sine2 < 0))


def _groups(cameras: int, distances: Mapping[tuple[int, int], F64]) -> list[dict[int, int]]:
    """Groups of one moment, each camera index -> person index; only those of two cameras and more."""
    listed = [
        (float(matrix[p, q]), (a, int(p)), (b, int(q)))
        for (a, b), matrix in distances.items()
        for p, q in np.argwhere(matrix < RAYS_M)
    ]
    fits = {frozenset((one, other)): cost for cost, one, other in listed}
    group_of: dict[tuple[int, int], dict[int, int]] = {}
    for _, one, other in sorted(listed):
        first = group_of.setdefault(one, {one[0]: one[1]})
        second = group_of.setdefault(other, {other[0]: other[1]})
        if first is second or set(first) & set(second):
            continue
        # One pair of rays may meet by chance; of the whole groups half the pairs must.
        pairs = [frozenset((m, n)) for m in first.items() for n in second.items()]
        if sum(pair in fits for pair in pairs) * 2 < len(pairs):
            continue
        first.update(second)
        for member in second.items():
            group_of[member] = first
    unique = {id(group): group for group in group_of.values() if len(group) > 1}
    return list(unique.values())


def _places(cameras: Sequence[Camera], crowd: Sequence[People], moments: list[list[dict[int, int]]]) -> F64:
    """(T, G, J, 3) of the groups of all moments, in one triangulation."""
    most, joints = max((len(m) for m in moments), default=0), len(crowd[0].names)
    uv = np.full((len(cameras), len(moments), most * joints, 2), np.nan)
    confidence = np.zeros(uv.shape[:3])
    for t, groups in enumerate(moments):
        for g, group in enumerate(groups):
            for c, p in group.items():
                uv[c, t, g * joints : (g + 1) * joints] = crowd[c].places[t, p]
                confidence[c, t, g * joints : (g + 1) * joints] = crowd[c].confidence[t, p]
    if not most:
        return np.zeros((len(moments), 0, joints, 3))
    return triangulate(cameras, uv, confidence).places.reshape(len(moments), most, joints, 3)


def _follow(
    moments: list[list[dict[int, int]]], places: F64, fps: float
) -> tuple[dict[int, _Track], list[tuple[int, int, int]]]:
    """Tracks by number, and frames in which two of them may have been exchanged."""
    tracks: dict[int, _Track] = {}
    doubtful = []
    for t, groups in enumerate(moments):
        live = [k for k, track in tracks.items() if t - track.last <= _FORGET_S * fps]
        cost = np.array([[_apart(tracks[k].place, places[t, g]) for g in range(len(groups))] for k in live])
        cost = cost.reshape(len(live), len(groups))
        reach = np.array([_REACH_M + _SPEED_M_S * (t - tracks[k].last) / fps for k in live])
        allowed = np.where(cost <= reach[:, None], cost, 1e6) if len(live) else cost
        taken: set[int] = set()
        chosen = [(i, g) for i, g in zip(*linear_sum_assignment(allowed), strict=True) if allowed[i, g] < 1e6]
        for i, g in chosen:
            track = tracks[live[i]]
            track.place = np.where(np.isfinite(places[t, g]), places[t, g], track.place)
            track.last, track.members[t] = t, groups[g]
            taken.add(g)
        for (i, g), (j, h) in combinations(chosen, 2):
            kept, exchanged = cost[i, g] + cost[j, h], cost[i, h] + cost[j, g]
            if exchanged < _SURE * kept and exchanged < 2 * _REACH_M:
                doubtful.append((t, live[i], live[j]))
        for g in range(len(groups)):
            if g in taken or np.isfinite(places[t, g]).all(axis=1).sum() < _LEAST_POINTS:
                continue
            # Cameras on both sides of her share too few points to be brought together in one moment.
            half = next((own for own in tracks.values() if _other_half(own, t, groups[g], places[t, g])), None)
            if half is not None:
                half.members[t] = {**half.members[t], **groups[g]}
                half.place = np.where(np.isfinite(places[t, g]), places[t, g], half.place)
            else:
                tracks[len(tracks)] = _Track(places[t, g].copy(), t, {t: groups[g]})
    return tracks, doubtful


def _other_half(track: _Track, t: int, group: Mapping[int, int], places: F64) -> bool:
    apart = track.last == t and not set(track.members[t]) & set(group)
    return apart and _apart(track.place, places) < _SAME_M


def _apart(one: F64, other: F64) -> float:
    """Median distance of the points that both know, metres; far where they share none."""
    gap = np.linalg.norm(one - other, axis=1)
    known = gap[np.isfinite(gap)]
    return float(np.median(known)) if len(known) >= _LEAST_POINTS else 1e6


def _person(name: str, cameras: Sequence[Camera], crowd: Sequence[People], track: _Track) -> Person:
    keypoints = {}
    for c, camera in enumerate(cameras):
        own = crowd[c]
        places = np.full((len(own), len(own.names), 2), np.nan)
        confidence = np.zeros(places.shape[:2])
        for t, group in track.members.items():
            if c in group:
                places[t], confidence[t] = own.places[t, group[c]], own.confidence[t, group[c]]
        keypoints[camera.id] = Keypoints(own.names, places, confidence)
    return Person(name, keypoints, sum(len(m) for m in track.members.values()), len(track.members))
