"""Exchanged cameras: whose plate do the stills of each camera show? Pairs, rings of any length, and open chains.

Which camera shows which place is an assignment: each place is shown by one camera, and all agreements together are as
good as they can be (Kuhn 1955). A camera counts as exchanged only where its picture fits the other place well, and
clearly better than its own and than every third one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from capture.checks.views import ALIKE, BETTER, Stills, View, best_agreement

_CANDIDATES = 4  # plates that each picture is compared with closely, the likeliest first
_PICTURES = 2  # of a camera and take, for that


@dataclass(frozen=True)
class Exchange:
    """Cameras whose stills show each other's place, in some takes."""

    shows: tuple[tuple[str, str], ...]  # (camera, camera at whose place it is), each the next one's other
    takes: tuple[str, ...]
    own: float  # agreement with the own plate, the best of these cameras
    other: float  # agreement with the other plate, the worst of them

    @property
    def cameras(self) -> list[str]:
        """Those whose stills carry a wrong name."""
        return [camera for camera, _ in self.shows]


def find_exchanged(plates: Mapping[str, View], stills: Stills) -> list[Exchange]:
    """Exchanges in the order of the cameras; the same one in several takes is one exchange."""
    found: dict[tuple[tuple[str, str], ...], list[tuple[str, float, float]]] = {}
    for take in dict.fromkeys(take for _, take in stills):
        views = {camera: by_light for (camera, of_take), by_light in stills.items() if of_take == take}
        # Nothing can beat a good agreement by enough, which spares most comparisons.
        own = {camera: best_agreement(by_light.values(), plates[camera]) for camera, by_light in views.items()}
        doubtful = {camera: views[camera] for camera, score in own.items() if score < 1 - BETTER}
        links = _assigned(doubtful, own, plates)
        for chain in _chains({camera: place for camera, (place, _) in links.items()}, list(plates)):
            cameras = [camera for camera, _ in chain]
            scores = (take, max(own[c] for c in cameras), min(links[c][1] for c in cameras))
            found.setdefault(chain, []).append(scores)
    return [
        Exchange(shows, tuple(take for take, _, _ in seen), *(float(np.median([s[k] for s in seen])) for k in (1, 2)))
        for shows, seen in found.items()
    ]


def _assigned(
    views: Mapping[str, Mapping[str, View]], own: Mapping[str, float], plates: Mapping[str, View]
) -> dict[str, tuple[str, float]]:
    """Camera -> the camera whose plate it clearly shows, and their agreement; only those that show another's."""
    cameras, places = list(views), list(plates)
    if not cameras:
        return {}
    scores = np.zeros((len(cameras), len(places)))
    for row, camera in enumerate(cameras):
        chosen = _likely(list(views[camera].values()), plates, exclude=camera)
        scores[row, places.index(camera)] = own[camera]
        for place, pictures in chosen.items():
            scores[row, places.index(place)] = best_agreement(pictures, plates[place])
    found = {}
    for row, column in zip(*linear_sum_assignment(-scores), strict=True):
        score = float(scores[row, column])
        others = np.delete(scores[row], column)
        if places[column] != cameras[row] and score > ALIKE and score > others.max(initial=0.0) + BETTER:
            found[cameras[row]] = (places[column], score)
    return found


def _likely(views: Sequence[View], plates: Mapping[str, View], *, exclude: str) -> dict[str, list[View]]:
    """The likeliest plates of a camera's pictures, whoever stands there, and the pictures that are most like each."""
    details = [_unit(view) for view in views]
    ranked: list[tuple[float, str, list[View]]] = []
    for place, plate in plates.items():
        if place == exclude:
            continue
        empty = _unit(plate)
        alike = [float(seen @ empty) if seen.shape == empty.shape else -1.0 for seen in details]
        best = np.argsort(alike)[::-1][:_PICTURES]
        ranked.append((alike[best[0]], place, [views[k] for k in best]))
    ranked.sort(key=lambda item: -item[0])
    return {place: pictures for _, place, pictures in ranked[:_CANDIDATES]}


def _unit(view: View) -> NDArray[np.float32]:
    """Detail (h * w,) of length 1, or 0 where there is none."""
    flat = view.everywhere.ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-9)


def _chains(links: Mapping[str, str], order: Collection[str]) -> list[tuple[tuple[str, str], ...]]:
    """Links as rings and open chains; a ring begins with its first camera, a chain with the one nobody else shows."""
    left, chains = dict(links), []
    shown = set(links.values())
    starts = [camera for camera in order if camera in links and camera not in shown]
    for camera in [*starts, *order]:
        chain = []
        at = camera
        while at in left:
            chain.append((at, left[at]))
            at = left.pop(at)
        if chain:
            chains.append(tuple(chain))
    return chains
