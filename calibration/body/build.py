"""From views to a body: judge the cameras, carve, sweep, fuse, measure, paint. Nothing is read or written here."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from calibration.body.depth import DepthMap, neighbours_of, sweep
from calibration.body.field import poisson
from calibration.body.fuse import Agreement, Fusion, confidence, fuse, measured_by
from calibration.body.hull import MIN_VIEWS, THREADS, Vote
from calibration.body.judge import Outline, hull_mesh, judge
from calibration.body.surface import BodySurface, Mesh
from calibration.body.texture import as_bytes, filled, layers, paint
from calibration.body.view import F32, WORK_PX, BodyView
from capture.issues import Issue, JsonObject, issue

# Of the surface measured by two cameras. The stage's plain skin and cloth reach 0.55 where all of her is in the
# pictures, and 0.33 where her legs are not.
_COVERED_LEAST = 0.25
# Share of compared depths within 4 mm: 0.85 to 0.92 in every camera of the stage.
_AGREE_LEAST = 0.6


@dataclass(frozen=True)
class Settings:
    """What decides the result beside the pictures."""

    take: str = ""  # "" for the first
    work_px: int = WORK_PX  # long side of the pictures that are worked on
    views: int = MIN_VIEWS  # cameras that must see a place
    hull_voxel_m: float = 0.004
    voxel_m: float = 0.0025
    rounds: int = 5  # of smoothing
    poisson: bool = False  # close what is open
    atlas: bool = True  # write OBJ with a picture of her colours

    def to_json(self) -> JsonObject:
        """All of them."""
        return cast(JsonObject, asdict(self))


@dataclass(frozen=True, eq=False)
class Body:
    """Her surface in the world, and what two figures that need no truth say of it."""

    mesh: Mesh
    colours: NDArray[np.uint8]  # (V, 3) RGB sRGB
    cameras: NDArray[np.int16]  # (V,) how many cameras measured each vertex

    @cached_property
    def surface(self) -> BodySurface:
        """What can be asked of the mesh."""
        return BodySurface(self.mesh)

    def share(self, chosen: NDArray[np.bool_]) -> float:
        """Share of the area that belongs to the chosen vertices (V,)."""
        areas = self.mesh.vertex_areas.astype(np.float64)
        return float(areas[chosen].sum() / areas.sum())


@dataclass(frozen=True, eq=False)
class Built:
    """A body and what was measured on the way."""

    body: Body
    used: tuple[BodyView, ...]
    outlines: tuple[Outline, ...]
    agreements: tuple[Agreement, ...]
    seen_by_two: float  # share of the surface
    measured_by_two: float  # share of the surface

    @property
    def disagreement_mm(self) -> float:
        """Mean difference between the depth maps of neighbouring cameras; NaN where none could be compared."""
        return _mean(self.agreements, [a.mean_mm for a in self.agreements])

    @property
    def agreeing(self) -> float:
        """Share of the compared depths that differ by less than 4 mm."""
        return _mean(self.agreements, [a.share for a in self.agreements])


def _mean(agreements: Sequence[Agreement], values: Sequence[float]) -> float:
    compared = np.array([a.compared for a in agreements], dtype=float)
    known = compared > 0
    return float(np.average(np.array(values)[known], weights=compared[known])) if known.any() else float("nan")


def build(views: Sequence[BodyView], settings: Settings) -> tuple[Built | None, list[Issue]]:
    """Her body from the views of one take. Without a body, an error says why."""
    vote = Vote(views=settings.views)
    if len(views) < settings.views:
        text = f"{len(views)}: {', '.join(v.id for v in views)}" if views else "none"
        return None, [issue("BODY_CAMERAS_FEW", where="session", expected=f"{settings.views} or more", found=text)]
    outlines = judge(views, vote)
    used, issues = _agreeing(views, outlines)
    if len(used) < settings.views:
        found = f"{len(used)} that agree, of {len(views)}"
        return None, [
            *issues,
            issue("BODY_CAMERAS_FEW", where="session", expected=f"{settings.views} or more", found=found),
        ]
    hull = hull_mesh(used, vote, settings.hull_voxel_m)
    if not len(hull.faces):
        found = f"nothing that {settings.views} of {len(used)} cameras see inside her outlines"
        return None, [*issues, issue("BODY_HULL_EMPTY", where="session", expected="a body", found=found)]
    maps, weights, agreements = _depths(used, BodySurface(hull))
    mesh = fuse(used, maps, weights, vote=vote, how=Fusion(settings.voxel_m, settings.rounds))
    if settings.poisson:
        mesh = poisson(mesh)
    body = _painted(used, mesh, measured_by(used, maps, weights, mesh.vertices))
    seen = np.sum([body.surface.visible(mesh.vertices, view.camera) for view in used], axis=0)
    built = Built(
        body, tuple(used), tuple(outlines), tuple(agreements), body.share(seen >= 2), body.share(body.cameras >= 2)
    )
    return built, [*issues, *_judged(built)]


def _agreeing(views: Sequence[BodyView], outlines: Sequence[Outline]) -> tuple[list[BodyView], list[Issue]]:
    """The views that tell the same story, and an issue for each other one."""
    bad = {o.camera: o for o in outlines if not o.good}
    issues = [
        issue(
            "BODY_VIEW_DISAGREES",
            where=f"camera {name}",
            expected="the outline that the other cameras see",
            found=f"a mask {o.outside_mm:.0f} mm beyond it and {o.inside_mm:.0f} mm short of it",
        )
        for name, o in bad.items()
    ]
    return [v for v in views if v.id not in bad], issues


def _depths(used: Sequence[BodyView], hull: BodySurface) -> tuple[list[DepthMap], list[F32], list[Agreement]]:
    with ThreadPoolExecutor(THREADS) as pool:
        maps = list(pool.map(lambda k: sweep(used[k], neighbours_of(used, k), hull), range(len(used))))
        judged = list(pool.map(lambda k: confidence(used, maps, k), range(len(used))))
    return maps, [weight for weight, _ in judged], [agreement for _, agreement in judged]


def _painted(used: Sequence[BodyView], mesh: Mesh, cameras: NDArray[np.int16]) -> Body:
    body = Body(mesh, np.zeros((len(mesh.vertices), 3), np.uint8), cameras)
    painted = paint(layers(used, body.surface), mesh.vertices, mesh.normals)
    return replace(body, colours=as_bytes(filled(mesh.faces, painted)))


def _judged(built: Built) -> list[Issue]:
    """What the two figures say."""
    issues = [
        issue(
            "BODY_DEPTH_DISAGREES",
            where=f"camera {a.camera}",
            expected=f"{_AGREE_LEAST:.0%} within 4 mm",
            found=f"{a.share:.0%}, {a.mean_mm:.1f} mm on average",
        )
        for a in built.agreements
        if a.compared > 500 and a.share < _AGREE_LEAST
    ]
    if built.measured_by_two < _COVERED_LEAST:
        issues.append(
            issue(
                "BODY_COVERAGE_LOW",
                where="session",
                expected=f"{_COVERED_LEAST:.0%} of her surface",
                found=f"{built.measured_by_two:.0%} measured by two cameras, {built.seen_by_two:.0%} seen by two",
            )
        )
    if not built.body.mesh.watertight:
        issues.append(issue("BODY_NOT_CLOSED", where="session", expected="a closed mesh", found="open edges"))
    return issues
