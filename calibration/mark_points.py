"""Marks of one take in space: proposals of many cameras grouped by epipolar geometry and look, then
triangulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from capture.marks import Blob

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

MAX_PIXELS = 3.0  # distance of a proposal from where the candidate projects
MAX_SPREAD_MM = 6.0
_MAX_PAIR_DEG = 75.0  # cameras farther apart see different sides of her
_MIN_PAIR_DEG = 4.0  # nearly parallel rays meet anywhere
_SIZE_RATIO, _CONTRAST_RATIO = 2.2, 2.5
_HULL_SLACK_PX = 4.0


@dataclass(frozen=True, eq=False)
class Sighting:
    """One proposal or one confirmed place of a mark in one camera of a take."""

    camera: Camera
    blob: Blob

    @property
    def ray(self) -> F64:
        """(3,) unit direction, world."""
        return np.asarray(self.camera.rays(np.array([[self.blob.u, self.blob.v]]))[0], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class View:
    """What one camera contributes to a take: proposals, and her mask at reduced size."""

    camera: Camera
    blobs: tuple[Blob, ...]
    mask: Bool  # (h, w), about 1000 px at most
    picture: str  # path of the photograph that the page shows


@dataclass(frozen=True, eq=False)
class Candidate:
    """A place on her body that several cameras of one take propose."""

    position: F64  # (3,) metres, world
    normal: F64  # (3,) unit, outward
    sightings: tuple[Sighting, ...]
    spread_mm: float  # RMS distance of the rays from the position
    diameter_mm: float
    contrast: float  # median colour difference, CIELAB
    colour: F64  # (3,) median difference to the skin in L*, a*, b*

    @property
    def strength(self) -> float:
        """Order of the candidates: seen often, large and strong in colour first."""
        return len(self.sightings) * self.contrast * float(np.sqrt(self.diameter_mm))


def triangulate(centres: F64, rays: F64, share: F64 | None = None) -> tuple[F64, F64]:
    """The point (3,) nearest to rays from centres (N, 3) along unit rays (N, 3), and its distances (N,) in metres.

    Rays are weighted by 1 / distance, so that all count alike in pixels, and by `share` (N,) on top of it. Raises
    ValueError for fewer than two rays or for parallel ones.
    """
    if len(centres) < 2:
        raise ValueError(f"triangulation has {len(centres)} ray, needs two; add a view of another camera")
    trust = np.ones(len(centres)) if share is None else share
    weight = trust
    point = np.zeros(3)
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    if np.linalg.eigvalsh(across.mean(axis=0))[0] < 1e-5:  # all within about half a degree
        raise ValueError("triangulation has parallel rays, which meet nowhere; add a view from another side")
    for _ in range(3):
        system = (weight[:, None, None] * across).sum(axis=0)
        point = np.linalg.solve(system, (weight[:, None] * np.einsum("nij,nj->ni", across, centres)).sum(axis=0))
        weight = trust / np.maximum(np.linalg.norm(point - centres, axis=1), 0.05) ** 2
    offset = point - centres
    along = np.einsum("ni,ni->n", offset, rays)
    return point, np.linalg.norm(offset - along[:, None] * rays, axis=1)


def triangulate_sightings(sightings: Sequence[Sighting], normal: F64 | None = None) -> tuple[F64, F64]:
    """`triangulate` for sightings; with the skin's normal, views counted by the fourth power of how frontal they are.

    The middle of a large mark on a round limb, seen from the side, is not the middle of the mark.
    """
    centres, rays = np.stack([s.camera.centre for s in sightings]), np.stack([s.ray for s in sightings])
    share = None if normal is None else np.maximum(-(rays @ normal), 0.4) ** 4
    return triangulate(centres, rays, share)


def group(views: Sequence[View]) -> list[Candidate]:
    """Candidates of one take, strongest first; a proposal supports at most one of them."""
    start = meeting_points(views)
    start = start[inside_hull(start, views)]
    if not len(start):
        return []
    tried: list[tuple[tuple[int, float], list[tuple[int, int]]]] = []
    for seen in support(start, views):
        if len(seen) >= 2:
            _, away = triangulate_sightings([Sighting(views[i].camera, views[i].blobs[k]) for i, k in seen])
            tried.append(((-len(seen), float(away.max())), seen))
    tried.sort(key=lambda t: t[0])
    used: set[tuple[int, int]] = set()
    found: list[Candidate] = []
    for _, seen in tried:
        free = [s for s in seen if s not in used]
        candidate = settle([Sighting(views[i].camera, views[i].blobs[k]) for i, k in free], views)
        if candidate is None:
            continue
        cameras = {s.camera.id: s.blob for s in candidate.sightings}
        used |= {(i, k) for i, k in free if cameras.get(views[i].camera.id) is views[i].blobs[k]}
        found.append(candidate)
    return sorted(found, key=lambda c: -c.strength)


def meeting_points(views: Sequence[View]) -> F64:
    """Points (N, 3) where proposals of two cameras that look alike nearly meet; most of them are chance."""
    rays = [v.camera.rays(np.array([[b.u, b.v] for b in v.blobs]).reshape(-1, 2)) for v in views]
    points = [p for i, j in _pairs(views) for p in _meetings(views, rays, i, j)]
    return np.array(points).reshape(-1, 3)


def settle(sightings: Sequence[Sighting], views: Sequence[View]) -> Candidate | None:
    """The candidate of these sightings after those that do not fit are dropped; None when fewer than two
    remain.
    """
    kept = list(sightings)
    while len(kept) >= 2:
        try:
            point, away = triangulate_sightings(kept)
        except ValueError:
            return None
        pixels = np.array([_pixels(s, point) for s in kept])
        spread = 1000 * float(np.sqrt((away**2).mean()))
        if spread <= MAX_SPREAD_MM and pixels.max() <= MAX_PIXELS:
            return as_candidate(point, kept, spread, views) if inside_hull(point[None], views)[0] else None
        kept.pop(int(pixels.argmax()))
    return None


def inside_hull(points: F64, views: Sequence[View], *, slack_px: float = _HULL_SLACK_PX) -> Bool:
    """Which points (N, 3) every camera sees on her, within a few pixels; cameras without a mask have no
    say.
    """
    inside = np.ones(len(points), dtype=bool)
    for view in views:
        if view.mask.any():
            inside &= _on_mask(points, view, slack_px)
    return inside


def surface_normal(point: F64, views: Sequence[View], toward: F64) -> F64:
    """Outward unit normal (3,) at a point of her skin: away from the visual hull around it, blended with
    `toward`.

    The hull alone is too round where few cameras see it; `toward`, the mean direction to the cameras that see
    the mark, points outward but along a camera.
    """
    ball = _ball()
    total = np.zeros(3)
    for radius in (0.02, 0.04, 0.06):
        inside = inside_hull(point + radius * ball, views, slack_px=0.0)
        if inside.any():
            total -= ball[inside].sum(axis=0) / len(ball)
    # An isolated direction of the hull carries weight by how one-sided the hull is: 0.25 is a half space.
    normal = total / 0.75 + 0.5 * toward
    if normal @ toward <= 0:
        normal = toward
    return np.asarray(normal / np.linalg.norm(normal))


def mean_direction(point: F64, cameras: Sequence[Camera]) -> F64:
    """Unit mean (3,) of the directions from a point to cameras."""
    away = np.stack([c.centre for c in cameras]) - point
    mean = (away / np.linalg.norm(away, axis=1, keepdims=True)).sum(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))


def diameter_mm(point: F64, normal: F64, sightings: Sequence[Sighting]) -> float:
    """Median diameter over the views, the foreshortening of each taken back."""
    sizes = []
    for s in sightings:
        away = s.camera.centre - point
        facing = max(float(away @ normal) / float(np.linalg.norm(away)), 0.35)
        # A foreshortened disc keeps one axis: its mean radius shrinks by the root of the cosine.
        sizes.append(2000 * s.blob.radius_px * _metres_per_pixel(s.camera, point) / np.sqrt(facing))
    return float(np.median(sizes))


def as_candidate(point: F64, seen: Sequence[Sighting], spread: float, views: Sequence[View]) -> Candidate | None:
    if len({s.camera.id for s in seen}) < 2:
        return None
    normal = surface_normal(point, views, mean_direction(point, [s.camera for s in seen]))
    point, _ = triangulate_sightings(seen, normal)
    colour = np.median([s.blob.colour for s in seen], axis=0)
    contrast = float(np.median([s.blob.contrast for s in seen]))
    size = diameter_mm(point, normal, seen)
    return Candidate(point, normal, tuple(seen), spread, size, contrast, colour)


def _pairs(views: Sequence[View]) -> list[tuple[int, int]]:
    axes = np.stack([v.camera.world_from_camera.rotation[:, 2] for v in views]) if views else np.zeros((0, 3))
    angle = np.degrees(np.arccos(np.clip(axes @ axes.T, -1, 1)))
    return [
        (i, j)
        for i in range(len(views))
        for j in range(i + 1, len(views))
        if _MIN_PAIR_DEG < angle[i, j] < _MAX_PAIR_DEG and views[i].blobs and views[j].blobs
    ]


def _meetings(views: Sequence[View], rays: Sequence[F64], i: int, j: int) -> list[F64]:
    """Points where rays of two cameras nearly meet and what they show looks alike."""
    a, b = rays[i], rays[j]
    ca, cb = views[i].camera.centre, views[j].camera.centre
    dot = a @ b.T
    base = cb - ca
    pa, pb = (a @ base)[:, None], (b @ base)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        da = (pa - dot * pb) / (1 - dot**2)
        db = (dot * pa - pb) / (1 - dot**2)
    on_a, on_b = ca + da[..., None] * a[:, None], cb + db[..., None] * b[None]
    gap = np.linalg.norm(on_a - on_b, axis=-1)
    fa, fb = views[i].camera.fx, views[j].camera.fx
    # Half the gap seen from each side is the error of the middle in pixels.
    error = gap / 2 * np.maximum(fa / np.maximum(da, 0.1), fb / np.maximum(db, 0.1))
    size_a = np.array([x.radius_px for x in views[i].blobs])[:, None] * da / fa
    size_b = np.array([x.radius_px for x in views[j].blobs])[None] * db / fb
    tone_a = np.array([x.contrast for x in views[i].blobs])[:, None]
    tone_b = np.array([x.contrast for x in views[j].blobs])[None]
    good = (da > 0.2) & (db > 0.2) & (error < MAX_PIXELS)
    good &= _alike(size_a, size_b, _SIZE_RATIO) & _alike(tone_a, tone_b, _CONTRAST_RATIO)
    return list((on_a[good] + on_b[good]) / 2)


def _alike(a: F64, b: F64, ratio: float) -> Bool:
    return np.asarray((a < ratio * b) & (b < ratio * a))


def support(points: F64, views: Sequence[View]) -> list[list[tuple[int, int]]]:
    """For each point (N, 3) the proposals (view, index) that lie where it projects and have the size most of
    them have.
    """
    near: list[list[tuple[int, int]]] = [[] for _ in range(len(points))]
    for i, view in enumerate(views):
        if not view.blobs:
            continue
        uv, depth = view.camera.project(points)
        place = np.array([[b.u, b.v] for b in view.blobs])
        away = np.linalg.norm(uv[:, None] - place[None], axis=-1)
        away[~np.isfinite(away)] = np.inf
        best = away.argmin(axis=1)
        for n in np.flatnonzero((away[np.arange(len(points)), best] < MAX_PIXELS) & (depth > 0.2)):
            near[n].append((i, int(best[n])))
    return [_alike_only(seen, views, points[n]) for n, seen in enumerate(near)]


def _alike_only(seen: list[tuple[int, int]], views: Sequence[View], point: F64) -> list[tuple[int, int]]:
    if len(seen) < 2:
        return seen
    blobs = [views[i].blobs[k] for i, k in seen]
    size = np.array(
        [b.radius_px * _metres_per_pixel(views[i].camera, point) for b, (i, _) in zip(blobs, seen, strict=True)]
    )
    tone = np.array([b.contrast for b in blobs])
    good = _alike(size, np.full_like(size, np.median(size)), _SIZE_RATIO)
    good &= _alike(tone, np.full_like(tone, np.median(tone)), _CONTRAST_RATIO)
    return [s for s, ok in zip(seen, good, strict=True) if ok]


def _pixels(s: Sighting, point: F64) -> float:
    uv, _ = s.camera.project(point[None])
    error = float(np.linalg.norm(uv[0] - (s.blob.u, s.blob.v)))
    return error if np.isfinite(error) else np.inf


def _metres_per_pixel(camera: Camera, point: F64) -> float:
    return float(np.linalg.norm(point - camera.centre)) / ((camera.fx + camera.fy) / 2)


def _on_mask(points: F64, view: View, slack_px: float) -> Bool:
    """Points on the mask, or outside the picture, where this camera has no say."""
    uv, depth = view.camera.project(points)
    scale = view.mask.shape[1] / view.camera.width
    out = np.ones(len(points), dtype=bool)
    known = np.isfinite(uv).all(axis=1) & (depth > 0)
    # Pixel centres at integers: a coarse pixel covers 1 / scale fine ones.
    col = np.round((uv[:, 0] + 0.5) * scale - 0.5, 0)
    row = np.round((uv[:, 1] + 0.5) * scale - 0.5, 0)
    height, width = view.mask.shape
    known &= (col >= 0) & (col < width) & (row >= 0) & (row < height)
    reach = round(slack_px)
    r, c = row[known].astype(int), col[known].astype(int)
    hit = np.zeros(len(r), dtype=bool)
    for dr, dc in ((0, 0), (reach, 0), (-reach, 0), (0, reach), (0, -reach)):
        hit |= view.mask[np.clip(r + dr, 0, height - 1), np.clip(c + dc, 0, width - 1)]
    out[known] = hit
    return out


def _ball() -> F64:
    """(200, 3) directions spread evenly over the sphere (Fibonacci)."""
    k = np.arange(200) + 0.5
    z, turn = 1 - 2 * k / 200, np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z * z)
    return np.column_stack([r * np.cos(turn), r * np.sin(turn), z])
