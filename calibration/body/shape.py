"""Her height, and the plane that divides her left from her right, from the mesh alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from calibration.body.surface import Mesh
from calibration.pose import Floats

_SOLE_M = 0.06  # highest that a mesh ends which stands on the floor; a cut leg ends higher
_POINTS = 3000
_ALIKE = 0.6  # share of the points that a plane is judged by: arms and feet need not mirror


@dataclass(frozen=True, eq=False)
class Height:
    """From crown to sole, metres."""

    metres: float
    crown: Floats  # (3,) the highest place
    # her soles on the world's floor z = 0, that floor though the mesh ends above it, or where the mesh ends
    down_to: Literal["sole", "floor", "cut"]


def measure_height(mesh: Mesh, *, floor: bool) -> Height:
    """Her height along the world's z; `floor` says that z = 0 is the floor she stands on."""
    z = mesh.vertices[:, 2]
    crown = mesh.vertices[int(z.argmax())].astype(np.float64)
    low = float(z.min())
    if floor:
        # she stands on it, and beneath her soles no camera can cut: the mesh ends some 15 mm too low there
        return Height(float(crown[2]), crown, "sole" if low <= _SOLE_M else "floor")
    return Height(float(crown[2] - low), crown, "cut")


@dataclass(frozen=True, eq=False)
class Symmetry:
    """The vertical plane that divides her."""

    point: Floats  # (3,) metres, on the axis halfway up
    normal: Floats  # (3,) unit, level; toward her left where `facing` is known
    facing: bool  # whether left and right were told apart, by the direction in which the take says she faces
    miss_mm: float  # mean distance of the most alike 60 % of her mirror image from herself


def measure_symmetry(mesh: Mesh, *, facing_deg: float | None) -> Symmetry:
    """The plane by which her mirror image falls on herself best; least trimmed distance from several starts.

    `facing_deg` is the direction she faces in the world, counter-clockwise from x; it picks the start and the sign.
    """
    rng = np.random.default_rng(0)
    areas = mesh.areas.astype(np.float64)
    chosen = mesh.faces[rng.choice(len(mesh.faces), _POINTS, p=areas / areas.sum())]
    points = mesh.vertices[chosen].mean(axis=1).astype(np.float64)
    tree = cKDTree(points)
    middle = np.median(points, axis=0)
    flat = points[:, :2] - middle[:2]
    wide = np.linalg.eigh(flat.T @ flat)[1][:, -1]
    first = np.arctan2(wide[1], wide[0]) if facing_deg is None else np.radians(facing_deg + 90)

    def miss(x: Floats) -> float:
        normal = np.array([np.cos(x[0]), np.sin(x[0]), 0.0])
        mirrored = points - 2 * np.outer((points - middle) @ normal - x[1] / 10, normal)
        away = np.sort(tree.query(mirrored)[0])
        return float(away[: int(_ALIKE * len(away))].mean())

    turns = (0.0,) if facing_deg is not None else (0.0, np.pi / 2)
    starts = [np.array([first + turn, 0.0]) for turn in turns]
    # the offset counts in tenths of a metre, so that its steps are as large as those of the angle
    found = min((minimize(miss, x, method="Nelder-Mead", options={"xatol": 2e-4, "fatol": 1e-6}) for x in starts),
                key=lambda r: float(r.fun))  # fmt: skip
    normal = np.array([np.cos(found.x[0]), np.sin(found.x[0]), 0.0])
    if facing_deg is not None:
        left = np.radians(facing_deg + 90)
        normal *= np.sign(normal @ (np.cos(left), np.sin(left), 0.0)) or 1.0
        offset = found.x[1] / 10 * np.sign(normal @ (np.cos(found.x[0]), np.sin(found.x[0]), 0.0))
    else:
        offset = found.x[1] / 10
    point = middle + offset * normal
    point[2] = (float(mesh.vertices[:, 2].max()) + float(mesh.vertices[:, 2].min())) / 2
    return Symmetry(point, normal, facing_deg is not None, 1e3 * float(found.fun))
