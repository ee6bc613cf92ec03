"""The birthmark map as a type: each confirmed mark with its place on her body in every take, and its json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from capture.issues import JsonObject, JsonValue

F64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Place:
    """Where a mark is in one take."""

    position: F64  # (3,) metres, world
    normal: F64  # (3,) unit, outward
    spread_mm: float  # RMS distance of the viewing rays from the position


@dataclass(frozen=True, eq=False)
class Birthmark:
    """One confirmed mark on her body."""

    id: str
    label: str
    places: Mapping[str, Place]  # take -> place; a take in which it was not confirmed is absent
    diameter_mm: float
    spread_mm: float  # the largest of its places
    views: int  # camera views that it was triangulated from, all takes together


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
        "places": places,
    }


def _mark_from_json(data: JsonObject) -> Birthmark:
    places = {
        take: Place(np.array(p["position"]), np.array(p["normal"]), float(str(p["spread_mm"])))
        for take, p in cast("dict[str, JsonObject]", data["places"]).items()
    }
    diameter, spread = (float(str(data[key])) for key in ("diameter_mm", "spread_mm"))
    return Birthmark(str(data["id"]), str(data["label"]), places, diameter, spread, int(str(data["views"])))


def floats(values: F64) -> list[JsonValue]:
    """An array (N,) as plain json numbers."""
    return [float(v) for v in values]
