"""Marks and the mesh of her body: what a mark's size hides of its depth is taken from the shape of the surface.

Rays through the middle of a large mark on a round limb meet below her skin, by 2 mm for one of 40 mm: its outline lies
on the limb, and the middle of the outline inside it. How far follows from the surface around the mark alone. The mark
is not moved onto the mesh itself, because rays place a small mark ten times better than any mesh lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calibration.mark_points import Candidate
from calibration.pose import Floats
from capture import store
from capture.errors import IncompleteInput

if TYPE_CHECKING:
    from calibration.body.surface import BodySurface
    from capture.vault import SessionFolder

MAX_AWAY_M = 0.015  # farther from the mesh a mark is not on the part of her that it shows
_RINGS = ((0.35, 6), (0.65, 12), (0.9, 18))  # radius in radii of the mark, and places on it: even over the disc


@dataclass(frozen=True, eq=False)
class MarkSurface:
    """The surface of her body in the take that it was made from."""

    take: str
    surface: BodySurface

    def raised(self, candidate: Candidate) -> Candidate:
        """The candidate with the surface's normal, moved out of her by the depth that its size hides.

        As it is where the mesh is too far away to be the skin that carries it.
        """
        nearest = self.surface.snap(candidate.position[None])
        if nearest.distance[0] > MAX_AWAY_M:
            return candidate
        normal, centre = nearest.normals[0], nearest.points[0]
        patch = self.surface.snap(centre + candidate.diameter_mm / 2000 * _disc(normal)).points
        depth = max(0.0, float((centre - patch.mean(axis=0)) @ normal))
        return replace(candidate, position=candidate.position + depth * normal, normal=normal)

    def away_mm(self, positions: Sequence[Floats]) -> Floats:
        """Distances (N,) of places from the mesh: two ways to measure her, and how far they agree."""
        return 1000 * self.surface.snap(np.stack(positions)).distance if len(positions) else np.zeros(0)


def _disc(normal: Floats) -> Floats:
    """Places (N, 3) spread over the unit disc across a normal."""
    helper = np.eye(3)[int(np.abs(normal).argmin())]
    across = np.cross(normal, helper)
    across /= np.linalg.norm(across)
    along = np.cross(normal, across)
    places = [
        radius * (np.cos(turn) * across + np.sin(turn) * along)
        for radius, count in _RINGS
        for turn in 2 * np.pi * np.arange(count) / count
    ]
    return np.array(places)


def body_digest(folder: SessionFolder) -> str:
    """Digest of the body of a session; empty where none was made."""
    try:
        return store.read(folder.derived("body"), "body").digest
    except IncompleteInput:
        return ""


def load_surface(folder: SessionFolder) -> MarkSurface | None:
    """The surface of a session's body; None where none was made. Raises ImportError where Open3D is not installed."""
    from calibration.body.step import load_body

    if not body_digest(folder):
        return None
    artefact = store.read(folder.derived("body"), "body")
    return MarkSurface(str(artefact.result["take"]), load_body(folder).surface)
