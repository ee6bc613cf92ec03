"""A seeded person: proportions, colours, face layout, birthmarks and gait. The same seed gives the same person.

Marks are asymmetric by construction: the large ones are dealt to the four sides of the bust in a random order, so the
mirror image of a person is a different person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.stage.body import BodyShape, Tube, build_body
from capture.stage.curves import grid_normals
from capture.stage.fall import fall_covers
from capture.stage.gait import GaitStyle, make_gait
from capture.stage.head import EYE_Y, EYE_Z, MOUTH_Z, NOSE_TIP_Z, hair_height, jaw_height
from capture.stage.looks import FaceLayout, draw_face, draw_hair_lab, draw_shape, draw_skin_lab
from capture.stage.outfit import covered_by_any
from capture.stage.tone import Rgb, lab_from_linear, linear_from_lab, rgb

F64 = NDArray[np.float64]

BUST_BELOW_CROWN_M = 0.45
LARGE_MARK_M = 0.022
_LARGE_SPACING_M = 0.075
_KINDS = ("mole", "cafe-au-lait", "port-wine", "nevus")
# Small marks: how many of them are of a kind, and their diameters in metres.
_SMALL = {
    "mole": (0.60, (0.002, 0.009)),
    "raised": (0.20, (0.003, 0.008)),
    "pale": (0.10, (0.004, 0.012)),
    "faint": (0.10, (0.009, 0.012)),
}


@dataclass(frozen=True)
class StageMark:
    """One birthmark. Position and normal are in canonical (rest pose) metres; row and column address the tube grid."""

    id: str
    kind: str
    part: str
    position: tuple[float, float, float]
    normal: tuple[float, float, float]
    row: float
    column: float
    diameter_m: float
    colour: Rgb  # linear RGB
    outline_seed: int


@dataclass(frozen=True)
class Person:
    """A simulated woman; everything that a photograph of her depends on besides pose, clothes, light and camera."""

    seed: int
    height_m: float
    shape: BodyShape
    skin: Rgb
    hair: Rgb
    face: FaceLayout
    marks: tuple[StageMark, ...]
    gait: GaitStyle
    freckles: float = 0.0  # 0 none to 1 dense

    @property
    def skin_lab(self) -> tuple[float, float, float]:
        """CIE Lab of her unmarked skin."""
        return rgb(lab_from_linear(np.array(self.skin)))

    def without_mark(self, mark_id: str) -> Person:
        """The same person lacking one mark; ValueError if she has none of that id."""
        kept = tuple(mark for mark in self.marks if mark.id != mark_id)
        if len(kept) == len(self.marks):
            raise ValueError(f"mark is unknown: {mark_id!r}; she has {', '.join(m.id for m in self.marks)}")
        return replace(self, marks=kept)


def grid_point(points: NDArray[np.floating], row: float, column: float) -> F64:
    """(3,) point on the triangles of a grid (R, C, 3) at fractional row and column (each quad splits along 0,0-1,1)."""
    r, c = min(int(row), points.shape[0] - 2), min(int(column), points.shape[1] - 2)
    fr, fc = row - r, column - c
    corner, far = points[r, c].astype(np.float64), points[r + 1, c + 1].astype(np.float64)
    other = points[r + 1, c] if fr >= fc else points[r, c + 1]
    low, high = min(fr, fc), max(fr, fc)
    return corner * (1 - high) + other.astype(np.float64) * (high - low) + far * low


def marks_visible_zone(person: Person, *, min_diameter_m: float = LARGE_MARK_M) -> tuple[StageMark, ...]:
    """Her marks on head, neck, shoulders, upper chest and upper back that no hair or outfit ever covers."""
    return tuple(
        mark
        for mark in person.marks
        if mark.diameter_m >= min_diameter_m
        and bool(_in_bust(np.array(mark.position), person.shape))
        and bool(_bare(mark.part, np.array(mark.position) / person.shape.scale, person.shape, 0.0))
    )


def _in_bust(position: F64, shape: BodyShape) -> NDArray[np.bool_]:
    below = shape.height_m - position[..., 2]
    return (below >= 0.0) & (below <= BUST_BELOW_CROWN_M)


def _bare(part: str, points: F64, shape: BodyShape, margin_m: float) -> NDArray[np.bool_]:
    """Whether skin shows at reference-scale points with that margin from cloth and hair."""
    bare = ~covered_by_any(part, points, margin_m)
    if part == "torso":
        hair = (hair_height(points, shape) > -margin_m) & (points[..., 2] > 1.45)
        bare &= ~hair
        bare &= points[..., 2] > 0.80
    return bare & ~fall_covers(points, shape, margin_m)


def _off_features(part: str, points: F64, margin_m: float) -> NDArray[np.bool_]:
    """Whether reference-scale points keep clear of eyes, brows, nose tip, mouth, ears and jaw."""
    if part != "torso":
        return np.ones(points.shape[:-1], dtype=bool)
    x, side, z = points[..., 0], np.abs(points[..., 1]), points[..., 2]
    eye = (np.hypot((side - EYE_Y) / 0.020, (z - EYE_Z - 0.006) / 0.020) < 1 + margin_m / 0.025) & (x > 0)
    mouth = (np.hypot(side / 0.028, (z - MOUTH_Z) / 0.012) < 1 + margin_m / 0.02) & (x > 0)
    nose = (side < 0.012 + margin_m) & (np.abs(z - NOSE_TIP_Z) < 0.014 + margin_m) & (x > 0)
    ear = (side > 0.055) & (np.abs(z - 1.58) < 0.03 + margin_m) & (np.abs(x) < 0.03 + margin_m)
    # A blot that lies over the edge of the jaw is seen by halves from everywhere.
    turn = np.abs(np.arctan2(points[..., 1], x))
    jaw = (np.abs(z - jaw_height(turn)) < 0.003 + 0.8 * margin_m) & (turn < 1.9)
    return ~(eye | mouth | nose | ear | jaw)


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Places where a mark may be: parallel arrays over grid positions."""

    part: NDArray[np.str_]
    row: F64
    column: F64
    position: F64  # (N, 3) canonical metres
    normal: F64  # (N, 3)
    reference: F64  # (N, 3) reference-scale metres
    area: F64  # relative area, so that places are uniform on the skin


def _candidates(shape: BodyShape, rng: np.random.Generator) -> _Candidates:
    chunks: list[tuple[str, F64, F64, F64, F64, F64]] = []
    for tube in build_body(shape):
        if tube.name in ("bun", "fall") or tube.name.startswith("finger"):
            continue
        chunks.append(_tube_candidates(tube, rng))
    part = np.concatenate([np.full(len(c[1]), c[0]) for c in chunks])
    row, column, position, normal, area = (np.concatenate([c[k] for c in chunks]) for k in range(1, 6))
    return _Candidates(part, row, column, position, normal, position / shape.scale, area)


def _tube_candidates(tube: Tube, rng: np.random.Generator) -> tuple[str, F64, F64, F64, F64, F64]:
    rows, cols = tube.points.shape[:2]
    normals = np.asarray(grid_normals(tube.points), dtype=np.float64)
    row_step = np.linalg.norm(np.diff(tube.points, axis=0), axis=-1)[:, :-1]
    col_step = np.linalg.norm(np.diff(tube.points, axis=1), axis=-1)[:-1]
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(cols - 1), indexing="ij")
    shift = rng.uniform(0.05, 0.95, (2, *row.shape))
    fr, fc = shift[0], shift[1]

    def lerp(grid: F64) -> F64:
        a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
        w = fr[..., None]
        v = fc[..., None]
        return (1 - w) * ((1 - v) * a + v * b) + w * ((1 - v) * c + v * d)

    normal = lerp(normals).reshape(-1, 3)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return (
        tube.name,
        (row + fr).ravel(),
        (column + fc).ravel(),
        lerp(tube.points).reshape(-1, 3),
        normal,
        (row_step * col_step).ravel(),
    )


def _mark_colour(kind: str, skin_lab: F64, rng: np.random.Generator) -> Rgb:
    """Linear RGB of a mark: at least 15 L* darker than her skin, but for pale and faint ones."""
    if kind == "pale":
        lighter = [min(skin_lab[0] + rng.uniform(6, 10), 93.0), skin_lab[1] * 0.6, skin_lab[2] * 0.75]
        return rgb(linear_from_lab(np.array(lighter)))
    if kind == "faint":
        faint = [skin_lab[0] - rng.uniform(6, 10), skin_lab[1] + rng.uniform(1, 3), skin_lab[2] + rng.uniform(0, 2)]
        return rgb(linear_from_lab(np.array(faint)))
    if kind == "raised":
        flesh = [max(skin_lab[0] - rng.uniform(8, 20), 8.0), skin_lab[1] + rng.uniform(1, 5), skin_lab[2] * 0.9]
        return rgb(linear_from_lab(np.array(flesh)))
    drop = {"mole": (22, 34), "cafe-au-lait": (16, 22), "port-wine": (18, 26), "nevus": (24, 36)}[kind]
    lightness = max(skin_lab[0] - rng.uniform(*drop), 7.0)
    lightness = min(lightness, skin_lab[0] - 15.0)
    if kind == "port-wine":
        lab = [lightness, skin_lab[1] + rng.uniform(14, 22), skin_lab[2] - rng.uniform(6, 10)]
    elif kind == "cafe-au-lait":
        lab = [lightness, skin_lab[1] + rng.uniform(1, 4), skin_lab[2] + rng.uniform(0, 5)]
    else:
        lab = [lightness, skin_lab[1] * 0.6, skin_lab[2] * 0.55]
    return rgb(linear_from_lab(np.array(lab)))


def _place_marks(shape: BodyShape, skin_lab: F64, rng: np.random.Generator) -> tuple[StageMark, ...]:
    places = _candidates(shape, rng)
    chosen: list[tuple[int, str, float]] = []  # candidate, kind, diameter
    below = shape.height_m - places.position[:, 2]
    bust = below <= BUST_BELOW_CROWN_M - 0.02
    azimuth = np.degrees(np.arctan2(places.normal[:, 1], places.normal[:, 0]))
    sides = [float(s) for s in rng.permutation([0.0, 90.0, 180.0, -90.0])]
    wanted = sides + [float(rng.uniform(-180, 180)) for _ in range(int(rng.integers(1, 5)))]
    free = np.ones(len(places.row), dtype=bool)

    def take(allowed: NDArray[np.bool_], kind: str, diameter: float, spacing: float) -> bool:
        index = np.flatnonzero(allowed & free)
        if len(index) == 0:
            return False
        weight = places.area[index]
        pick = int(rng.choice(index, p=weight / weight.sum()))
        chosen.append((pick, kind, diameter))
        free[np.linalg.norm(places.position - places.position[pick], axis=1) < spacing] = False
        return True

    for side in wanted:
        kind = _KINDS[1 + int(rng.integers(3))]
        diameter = float(rng.uniform(0.024, 0.046 if kind == "cafe-au-lait" else 0.038))
        near = np.abs((azimuth - side + 180) % 360 - 180) < 40
        # Pointing up or down is seen by no camera of a ring.
        level = np.abs(places.normal[:, 2]) < 0.6
        open_skin = _open_skin(places, shape, diameter * 0.55)
        # Inner arms are dark and hidden by the torso.
        outer = _outer_side(places)
        if not take(bust & near & level & open_skin & outer, kind, diameter, _LARGE_SPACING_M):
            take(bust & level & open_skin & outer, kind, diameter, _LARGE_SPACING_M)
    for _ in range(int(rng.integers(3, 12))):
        kind = str(rng.choice(list(_SMALL), p=[share for share, _ in _SMALL.values()]))
        diameter = float(rng.uniform(*_SMALL[kind][1]))
        take(_open_skin(places, shape, 0.002 + 0.55 * diameter), kind, diameter, 0.030)
    if rng.random() < 0.6:
        take(~bust & _open_skin(places, shape, 0.02), "nevus", float(rng.uniform(0.020, 0.045)), 0.06)
    return tuple(_mark(k, places, entry, skin_lab, rng) for k, entry in enumerate(chosen, start=1))


def _open_skin(places: _Candidates, shape: BodyShape, margin_m: float) -> NDArray[np.bool_]:
    allowed = np.zeros(len(places.row), dtype=bool)
    for part in np.unique(places.part):
        here = places.part == part
        points = places.reference[here]
        allowed[here] = _bare(str(part), points, shape, margin_m) & _off_features(str(part), points, margin_m)
    # Not where the tubes meet: the top of an arm is inside the torso, and so is the torso inside the arm.
    arm = np.char.startswith(places.part, "arm")
    leg = np.char.startswith(places.part, "leg")
    side = np.abs(places.reference[:, 1])
    z = places.reference[:, 2]
    hidden_arm = arm & ((side < 0.165 + margin_m) | (z < 0.70)) & (z > 1.26)
    hidden_torso = (places.part == "torso") & (side > 0.118 - margin_m) & (z < 1.41)
    foot = leg & ((z < 0.12) | (z > 0.70))
    hand = arm & (z < 0.86)
    return allowed & ~hidden_arm & ~hidden_torso & ~foot & ~hand


def _outer_side(places: _Candidates) -> NDArray[np.bool_]:
    outward = places.normal[:, 1] * np.sign(places.position[:, 1])
    return ~np.char.startswith(places.part, "arm") | (outward > -0.2)


def _mark(
    number: int, places: _Candidates, entry: tuple[int, str, float], skin_lab: F64, rng: np.random.Generator
) -> StageMark:
    pick, kind, diameter = entry
    return StageMark(
        id=f"m{number:02d}",
        kind=kind,
        part=str(places.part[pick]),
        position=rgb(places.position[pick]),
        normal=rgb(places.normal[pick]),
        row=float(places.row[pick]),
        column=float(places.column[pick]),
        diameter_m=diameter,
        colour=_mark_colour(kind, skin_lab, rng),
        outline_seed=int(rng.integers(2**31)),
    )


@lru_cache(maxsize=256)
def make_person(seed: int) -> Person:
    """The person of that seed: at least five large marks on the bust, on all four sides, far apart."""
    rng, more = np.random.default_rng([seed, 0x57A6E]), np.random.default_rng([seed, 0x57A6F])
    shape = draw_shape(rng)
    skin_lab = draw_skin_lab(rng)
    freckled = max(float(more.uniform(-0.6, 1.0)), 0.0) * float(np.clip((skin_lab[0] - 38) / 30, 0, 1))
    return Person(
        seed=seed,
        height_m=shape.height_m,
        shape=shape,
        skin=rgb(linear_from_lab(skin_lab)),
        hair=rgb(linear_from_lab(draw_hair_lab(skin_lab, more))),
        face=draw_face(skin_lab, rng, more),
        marks=_place_marks(shape, skin_lab, rng),
        gait=make_gait(rng),
        freckles=freckled,
    )
