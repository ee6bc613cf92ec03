"""The birthmark map as a type: each confirmed mark with its place on her body in every take, and its json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from capture.issues import JsonObject, JsonValue

F64 = NDArray[np.float64]
Verdict: TypeAlias = Literal["seen", "faint", "dark", "turned away", "hidden", "outside"]


@dataclass(frozen=True, eq=False)
class Place:
    """Where a mark is in one take."""

    position: F64  # (3,) metres, world
    normal: F64  # (3,) unit, outward
    spread_mm: float  # RMS distance of the viewing rays from the position


@dataclass(frozen=True)
class Sight:
    """How one photograph shows a mark."""

    take: str
    camera: str
    light: str
    diameter_px: float
    facing: float  # cosine between the skin's normal and the way to the camera
    contrast: float  # colour difference to the skin around it, CIELAB; 0 where it was not measured
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Birthmark:
    """One confirmed mark on her body."""

    id: str
    label: str
    places: Mapping[str, Place]  # take -> place; a take in which it was not confirmed is absent
    diameter_mm: float
    spread_mm: float  # the largest of its places
    views: int  # camera views that it was triangulated from, all takes together
    kind: str = "mole"
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)  # median difference to the skin around it in L*, a*, b*
    sights: tuple[Sight, ...] = ()  # every photograph of a take that it has a place in

    @property
    def contrast(self) -> float:
        """Colour difference to the skin around it, CIELAB; 0 for a map that did not measure it."""
        return float(np.linalg.norm(self.colour))


@dataclass(frozen=True, eq=False)
class BirthmarkMap:
    """All confirmed marks of a session."""

    marks: tuple[Birthmark, ...]

    def mark(self, name: str) -> Birthmark:
        """The mark of that id. Raises ValueError when the map has none."""
        for mark in self.marks:
            if mark.id == name:
                return mark
        raise ValueError(f"mark {name!r} is not in the map; it has {[m.id for m in self.marks]}")

    def to_json(self) -> JsonObject:
        """The content of map.json; `from_json` reads it back."""
        return {"marks": [_mark_json(m) for m in self.marks]}

    @staticmethod
    def from_json(data: JsonObject) -> BirthmarkMap:
        """The map that `to_json` wrote."""
        return BirthmarkMap(tuple(_mark_from_json(m) for m in cast("list[JsonObject]", data["marks"])))


def _mark_json(mark: Birthmark) -> JsonObject:
    places: JsonObject = {
        take: {"position": floats(p.position), "normal": floats(p.normal), "spread_mm": p.spread_mm}
        for take, p in mark.places.items()
    }
    return {
        "id": mark.id,
        "label": mark.label,
        "diameter_mm": mark.diameter_mm,
        "spread_mm": mark.spread_mm,
        "views": mark.views,
        "kind": mark.kind,
        "colour": list(mark.colour),
        "places": places,
        "sights": [cast(JsonObject, asdict(sight)) for sight in mark.sights],
    }


def _mark_from_json(data: JsonObject) -> Birthmark:
    places = {
        take: Place(np.array(p["position"]), np.array(p["normal"]), float(str(p["spread_mm"])))
        for take, p in cast("dict[str, JsonObject]", data["places"]).items()
    }
    diameter, spread = (float(str(data[key])) for key in ("diameter_mm", "spread_mm"))
    lightness, red, yellow = cast("list[float]", data.get("colour", [0.0, 0.0, 0.0]))
    sights = tuple(_sight(s) for s in cast("list[JsonObject]", data.get("sights", [])))
    return Birthmark(
        str(data["id"]),
        str(data["label"]),
        places,
        diameter,
        spread,
        int(str(data["views"])),
        str(data.get("kind", "mole")),
        (lightness, red, yellow),
        sights,
    )


def _sight(data: JsonObject) -> Sight:
    take, camera, light = (str(data[key]) for key in ("take", "camera", "light"))
    size, facing, contrast = (float(str(data[key])) for key in ("diameter_px", "facing", "contrast"))
    return Sight(take, camera, light, size, facing, contrast, cast(Verdict, data["verdict"]))


def floats(values: F64) -> list[JsonValue]:
    """An array (N,) as plain json numbers."""
    return [float(v) for v in values]
