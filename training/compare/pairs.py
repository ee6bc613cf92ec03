"""Which photograph a render may be compared with: the same crop, or a near view under the same light, or none.

Numbers decide, never names: a clip in which she turns has one light by name and a different one in every frame.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue, ValidationError

from capture.errors import IncompleteInput
from training.compare.thresholds import Thresholds
from training.dataset.conditions import Lighting, View
from training.dataset.frames import Frame, Split

_COLOUR_TOLERANCE = 0.05  # of a channel that runs from 0 to 1
_STRENGTH_TOLERANCE = 0.10  # relative, about a seventh of a stop
_DARK = 0.02  # a light weaker than this has no direction worth comparing


@dataclass(frozen=True)
class Pair:
    """A render's request and its reference. `aligned` means that the same pixel shows the same place."""

    request: Frame
    reference: Frame
    aligned: bool
    view_deg: float
    light_deg: float


def parse_row(value: JsonValue, where: str) -> Frame:
    """One metadata row. Raises IncompleteInput that names the place and the first wrong key."""
    try:
        return Frame.model_validate(value)
    except ValidationError as err:
        first = err.errors()[0]
        key = ".".join(str(p) for p in first["loc"]) or "(row)"
        raise IncompleteInput(
            f"{where}: {key!r} {first['msg'].lower()}; make this artefact again with --force"
        ) from None


def read_rows(dataset: Path) -> tuple[Frame, ...]:
    """All rows of a dataset folder, all splits. Raises IncompleteInput when none of their files is there."""
    rows: list[Frame] = []
    for split in Split:
        path = dataset / split / "metadata.jsonl"
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                rows.append(parse_row(json.loads(line), f"{split}/metadata.jsonl line {number}"))
    if not rows:
        raise IncompleteInput(f"dataset {dataset} holds no metadata rows; run `twin dataset` first")
    return tuple(rows)


def angle_deg(a: View | Lighting, b: View | Lighting) -> float:
    """Angle in degrees between two directions given as azimuth and elevation."""
    first, second = (_unit(x.azimuth_deg, x.elevation_deg) for x in (a, b))
    cross = float(np.linalg.norm(np.cross(first, second)))
    return math.degrees(math.atan2(cross, float(first @ second)))


def light_difference(a: Lighting, b: Lighting, limit_deg: float) -> tuple[float, str]:
    """Angle in degrees between two lights, and why they differ too much ('' when they do not)."""
    lit = min(a.intensity, b.intensity) > _DARK
    angle = angle_deg(a, b) if lit else 0.0
    if angle > limit_deg:
        return angle, f"its light comes from {angle:.0f} deg elsewhere (limit {limit_deg:g})"
    if max(abs(x - y) for x, y in zip(a.colour, b.colour, strict=True)) > _COLOUR_TOLERANCE:
        return angle, f"its light has colour {_shown(b.colour)}, the render was asked for {_shown(a.colour)}"
    for name, x, y in (("strength", a.intensity, b.intensity), ("ambient light", a.ambient, b.ambient)):
        if abs(x - y) > _STRENGTH_TOLERANCE * max(abs(x), abs(y), _DARK):
            return angle, f"its {name} is {y:.2f}, the render was asked for {x:.2f}"
    return angle, ""


def find_reference(request: Frame, rows: Sequence[Frame], limits: Thresholds) -> Pair | str:
    """The photograph to compare a render with, or the reason why there is none.

    The same crop of the same frame under the same light is `aligned`; otherwise the nearest view within
    `max_view_deg` of the same take and framing, under a light within `max_light_deg` and of equal colour.
    """
    same = [r for r in rows if r.take == request.take and r.framing == request.framing]
    if not same:
        return f"no photograph of take {request.take!r} with framing {request.framing!r}"
    near = [(angle_deg(request.view, r.view), r) for r in same]
    close = [(angle, r) for angle, r in near if angle <= limits.max_view_deg]
    if not close:
        nearest = min(angle for angle, _ in near)
        return f"the nearest photograph is {nearest:.1f} deg away (limit {limits.max_view_deg:g})"
    reasons: list[tuple[float, str]] = []
    found: list[Pair] = []
    for view_deg, row in close:
        light_deg, reason = light_difference(request.lighting, row.lighting, limits.max_light_deg)
        if reason:
            reasons.append((view_deg, reason))
        else:
            found.append(Pair(request, row, aligned(request, row), view_deg, light_deg))
    if not found:
        return f"{len(close)} photograph(s) of this view, but {min(reasons)[1]}"
    return min(found, key=lambda p: (not p.aligned, p.view_deg, p.light_deg, p.reference.key))


def aligned(a: Frame, b: Frame) -> bool:
    """Whether two crops were taken by the same crop camera of the same frame, so that pixels correspond."""
    return (a.shot, a.frame) == (b.shot, b.frame) and same_crop(a, b)


def same_crop(a: Frame, b: Frame) -> bool:
    """Whether two crops have the same pinhole in the same place, whatever frame they show."""
    first, second = a.crop_camera, b.crop_camera
    numbers = [
        np.hstack([c.width, c.height, c.K.ravel(), c.distortion, c.world_from_camera.matrix.ravel()])
        for c in (first, second)
    ]
    return bool(np.allclose(numbers[0], numbers[1], rtol=0, atol=1e-6))


def _unit(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    flat = math.cos(elevation)
    return np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])


def _shown(colour: tuple[float, float, float]) -> str:
    return "(" + ", ".join(f"{c:.2f}" for c in colour) + ")"
