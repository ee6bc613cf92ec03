"""The calibration board as a grey card: its white squares, seen by several cameras at once, compare the cameras.

A white square sends the same light to every camera (paper is nearly Lambertian), so that what two cameras make of it
differs by the cameras alone: no model of the light is needed. Only which light was on follows from how the squares
darken as the board turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from calibration.camera import Camera
from calibration.colour.reference import LUMINANCE
from calibration.pose import Floats, Pose
from calibration.target import Target
from capture.decode.picture import Picture
from capture.session import Light
from capture.stage.tone import decode_table

PAPER = 0.85  # reflectance of the white of a board where nothing else is known
_LEAST_RING_PX = 1.5  # half of the white ring around a marker
_LEAST_COSINE = 0.5  # seen flatter than 60 degrees paper shines
_CLIPPED = 250
_LEAST_SQUARES = 12  # shared by a camera with the others
_ROUNDS = 15
_SAME = 0.004  # of the light: half a grey level of 8 bits

_CLEAR = 0.6  # misfit of the light that was on against the next best
_AROUND = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Whites:
    """White squares of the board in one picture."""

    camera: str
    shot: str
    squares: NDArray[np.int64]  # (N,) number of the square on the print
    linear: Floats  # (N, 3) linear RGB


@dataclass(frozen=True, eq=False)
class BoardColours:
    """What the board says of the cameras, and of the light it was shot in."""

    gains: Mapping[str, Floats]  # camera -> (3,) its factors on linear RGB, geometric mean 1 over the cameras
    spread: Mapping[str, float]  # camera -> median deviation of one square, relative
    levels: Mapping[str, Floats]  # shot -> (3,) linear RGB of the white as the mean camera sees it


def white_places(target: Target) -> tuple[Floats, float]:
    """Places (N, K, 3) in the board's frame, K in each white square, and their distance to the next edge in metres."""
    board = target.board
    square = board.square_m
    if board.kind == "charuco":
        markers = np.array(target.detector().getBoard().getObjPoints(), dtype=np.float64).reshape(-1, 4, 3)
        if not board.inverted:
            # White is what is left of a square around its marker.
            ring = (square + board.marker_m) / 4
            return _places(markers.mean(axis=1), ring), (square - board.marker_m) / 4
        cells = np.floor(markers.mean(axis=1)[:, :2] / square).astype(int)
        marked = {(int(x), int(y)) for x, y in cells}
        free = [(x, y) for y in range(board.rows) for x in range(board.columns) if (x, y) not in marked]
        plain = np.array(free)
        return _places(_centres(plain, square), square / 4), square / 4
    if board.kind == "aprilgrid":
        return _between_tags(target)
    grid = np.mgrid[0 : board.columns - 1, 0 : board.rows - 1].T.reshape(-1, 2)
    return _places(_centres(grid, square), square / 4), square / 4


def _between_tags(target: Target) -> tuple[Floats, float]:
    """The white between two tags of a row; at their corners the gap is black."""
    board = target.board
    gap = board.square_m - board.marker_m
    tags = target.points.reshape(board.rows, board.columns, 4, 3)[:, :-1]
    right, up = tags[:, :, 1], tags[:, :, 2] - tags[:, :, 1]  # bottom right corner, and up its side
    places = right[:, :, None] + np.array([0.3, 0.5, 0.7])[:, None] * up[:, :, None] + (gap / 2, 0.0, 0.0)
    white = places.reshape(-1, 3, 3)
    return (white[:0] if board.inverted else white), gap / 2


def _centres(cells: NDArray[np.int64], square: float) -> Floats:
    return np.concatenate([(cells + 0.5) * square, np.zeros((len(cells), 1))], axis=1)


def _places(centres: Floats, reach: float) -> Floats:
    offsets = np.concatenate([_AROUND * reach, np.zeros((len(_AROUND), 1))], axis=1)
    return np.asarray(centres[:, None] + offsets)


def measure_whites(
    picture: Picture, camera: Camera, world_from_board: Pose, target: Target, *, shot: str
) -> Whites | None:
    """The white squares in a picture (H, W, 3) BGR; None where the board is too far, too flat or not in it."""
    middle = world_from_board.apply(target.centre)
    view = camera.centre - middle
    distance = float(np.linalg.norm(view))
    cosine = float(-view @ world_from_board.rotation[:, 2] / distance)
    places, room = white_places(target)
    if cosine < _LEAST_COSINE or room * cosine * camera.fx / distance < _LEAST_RING_PX:
        return None
    uv, _ = camera.project(world_from_board.apply(places).reshape(-1, 3))
    last = np.array([camera.width - 1, camera.height - 1])
    inside = np.all((uv >= 0) & (uv <= last), axis=1).reshape(places.shape[:2])  # NaN is nowhere
    squares = np.flatnonzero(np.all(inside, axis=1))
    if not len(squares):
        return None
    at = np.rint(uv.reshape(*places.shape[:2], 2)[squares]).astype(int)
    values = picture[at[..., 1], at[..., 0], ::-1]  # (N, K, 3)
    linear = np.median(decode_table()[values].astype(np.float64), axis=1)
    whole = (values < _CLIPPED).all(axis=(1, 2))
    bright = _bright(linear @ LUMINANCE) if target.board.kind == "chessboard" else np.ones(len(linear), dtype=bool)
    # A hand or a shadow over a square makes it no darker for one camera than for another, so that it may stay.
    keep = whole & bright & (linear > 0).all(axis=1)
    return Whites(camera.id, shot, squares[keep], linear[keep]) if keep.any() else None


def _bright(levels: Floats) -> NDArray[np.bool_]:
    """The brighter half of the squares of a chessboard, whose colours are not numbered."""
    return np.asarray(levels > np.sqrt(levels.max() * max(levels.min(), 1e-4)))


def compare_cameras(whites: Sequence[Whites]) -> BoardColours:
    """Factors of the cameras, in the largest group of them that is linked by common squares.

    Logarithm of light = camera + square, by least absolute deviations (reweighted least squares).
    """
    names = sorted({w.camera for w in whites})
    keys = sorted({(w.shot, int(s)) for w in whites for s in w.squares})
    place = {key: k for k, key in enumerate(keys)}
    values, there = np.zeros((len(names), len(keys), 3)), np.zeros((len(names), len(keys)))
    for w in whites:
        at = [place[w.shot, int(s)] for s in w.squares]
        values[names.index(w.camera), at] = np.log(w.linear)
        there[names.index(w.camera), at] = 1
    group = _linked(there)
    values, there = values[group], there[group]
    seen = there.sum(axis=0) > 1  # a square that one camera alone sees compares nothing
    values, there = values[:, seen], there[:, seen]
    gains, light, rest = _parted(values, there)
    shots: dict[str, list[Floats]] = {}
    for (shot, _), level in zip([key for key, used in zip(keys, seen, strict=True) if used], light, strict=True):
        shots.setdefault(shot, []).append(level)
    members = [name for name, member in zip(names, group, strict=True) if member]
    return BoardColours(
        {name: np.exp(gain) for name, gain in zip(members, gains, strict=True)},
        {name: float(np.median(r[t > 0])) for name, r, t in zip(members, rest, there, strict=True)},
        {shot: np.exp(np.median(levels, axis=0)) for shot, levels in shots.items()},
    )


def _linked(there: Floats) -> NDArray[np.bool_]:
    """Which cameras (C,) belong to the largest group that shares enough squares, from who sees what (C, K)."""
    if not there.any():
        return np.zeros(len(there), dtype=bool)
    shared = there @ there.T
    np.fill_diagonal(shared, 0)
    _, labels = connected_components(coo_array(shared >= _LEAST_SQUARES), directed=False)
    member = labels == int(np.bincount(labels).argmax())
    return member if member.sum() > 1 else np.zeros(len(there), dtype=bool)


def _parted(values: Floats, there: Floats) -> tuple[Floats, Floats, Floats]:
    """Values (C, K, 3) that are there (C, K) parted into cameras (C, 3), whose mean is 0, and squares (K, 3).

    The third result is what is left, (C, K). Squares are eliminated: what remains is one equation for each camera.
    """
    gains, light = np.zeros((len(values), 3)), np.zeros((values.shape[1], 3))
    weight, rest = there.copy(), np.zeros(there.shape)
    for _ in range(_ROUNDS if there.any() else 0):
        total = np.maximum(weight.sum(axis=0), 1e-12)
        mean = (weight[..., None] * values).sum(axis=0) / total[:, None]
        normal = np.diag(weight.sum(axis=1)) - (weight / total) @ weight.T
        gains = np.linalg.pinv(normal) @ (weight[..., None] * (values - mean)).sum(axis=1)
        light = (weight[..., None] * (values - gains[:, None])).sum(axis=0) / total[:, None]
        rest = np.abs(values - gains[:, None] - light).mean(axis=2) * there
        weight = there / np.maximum(rest, _SAME)
    return gains, light, rest


def board_light(
    levels: Mapping[str, Floats], boards: Mapping[str, Pose], lights: Sequence[Light]
) -> tuple[str, float, Floats]:
    """Name of the light the board was shot in, the level of paper that faces it, and its colour (3,) of luminance 1.

    The name is empty where two lights explain the squares about equally well. Level over ambient is the cosine to the
    declared direction (Lambert).
    """
    shots = [shot for shot in levels if shot in boards]
    if not shots:
        return "", 0.0, np.ones(3)
    colours = np.array([levels[s] / (levels[s] @ LUMINANCE) for s in shots])
    colour = np.median(colours, axis=0)
    white = colour / float(colour @ LUMINANCE)
    height = np.array([float(levels[s] @ LUMINANCE) for s in shots])
    normals = np.array([-boards[s].rotation[:, 2] for s in shots])
    trials = []
    for light in lights:
        lit = np.maximum(normals @ direction_of(light), 0)
        (ambient, strength), misfit = nnls(np.stack([np.ones(len(lit)), lit], axis=1), height)
        trials.append((float(misfit), float(ambient + strength), light.id))
    trials.sort()
    clear = len(trials) == 1 or trials[0][0] < _CLEAR * trials[1][0]
    return (trials[0][2] if clear else ""), trials[0][1], white


def direction_of(light: Light) -> Floats:
    """Unit vector (3,) in the world toward a light as session.toml declares it."""
    a, e = np.radians(light.azimuth_deg), np.radians(light.elevation_deg)
    return np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
