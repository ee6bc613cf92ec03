"""Her marks in two sessions: which are the same, which changed, which are new, and which could not be seen.

The constellation of one take of each is laid over the other by a turn about the vertical and a step; the one that is
nearly hers when it is mirrored was mirrored, and one that fits neither way is not hers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from calibration.birthmarks import F64, Birthmark, BirthmarkMap
from calibration.mark_takes import TOLERANCE_M, Turn, best_turn, mutual, yaw_matrix
from capture.issues import Issue, JsonObject, JsonValue, issue

_MIN_SHARED = 4  # marks that must agree before anything is said of a person
_MIRROR = np.diag([1.0, -1.0, 1.0])  # any vertical mirror is this one and a turn
_SIZE_RATIO = 1.5  # a mark that grew by half has changed, and so has one that shrank
_COLOUR = 6.0  # CIELAB, beyond what two studios' lights leave after the surrounding skin is taken off
_LIKE_SIZE, _LIKE_COLOUR = 2.5, 15.0  # for the search: a mark that changed is still to be found
_SHARE = 0.5  # of the smaller map that must agree, or it is another person's


class Change(StrEnum):
    """What became of a mark between two sessions."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"
    NOT_SEEN = "not seen"  # no photograph of the later session could have shown it


@dataclass(frozen=True)
class MarkChange:
    """One mark in the earlier session, the later one, or both."""

    what: Change
    before: str = ""  # id in the earlier map; empty for a new mark
    after: str = ""
    away_mm: float = 0.0  # what the overlay leaves
    size_ratio: float = 1.0
    colour: float = 0.0  # how far its difference to the skin around moved, CIELAB


@dataclass(frozen=True)
class MapComparison:
    """Two maps laid over each other."""

    takes: tuple[str, str]
    changes: tuple[MarkChange, ...]  # empty where the maps do not agree
    agreeing: int  # marks that fit
    mirrored: bool
    turn_deg: float

    @property
    def same_person(self) -> bool:
        """True when the constellations agree, mirrored or not."""
        return bool(self.changes) or self.mirrored

    @property
    def line(self) -> str:
        """How many marks are the same, changed, new, gone and not seen, in one line."""
        counts = {what: sum(c.what is what for c in self.changes) for what in Change}
        return ", ".join(f"{count} {what.value}" for what, count in counts.items()) if self.changes else "no agreement"

    def issues(self) -> tuple[Issue, ...]:
        """What a person must look at."""
        where = "marks"
        if self.mirrored:
            found = f"{self.agreeing} marks agree only when one session is mirrored"
            return (issue("MARKS_MIRRORED", where=where, found=found),)
        if not self.changes:
            return (issue("MARKS_DISAGREE", where=where, found=f"{self.agreeing} marks agree"),)
        return tuple(
            issue("MARK_CHANGED", where=f"mark {c.before}", found=_change_text(c))
            for c in self.changes
            if c.what in (Change.CHANGED, Change.GONE)
        )

    def to_json(self) -> JsonObject:
        """Counts and every mark."""
        counts: JsonObject = {what.value: sum(c.what is what for c in self.changes) for what in Change}
        marks: list[JsonValue] = [
            {"what": c.what.value, "before": c.before, "after": c.after, "away_mm": c.away_mm,
             "size_ratio": c.size_ratio, "colour": c.colour}
            for c in self.changes
        ]  # fmt: skip
        same, mirrored = self.same_person, self.mirrored
        return {"counts": counts, "marks": marks, "same_person": same, "mirrored": mirrored, "takes": list(self.takes)}


def compare_maps(before: BirthmarkMap, after: BirthmarkMap) -> MapComparison:
    """Lay the take with most marks of each over the other. Raises ValueError for a map with fewer than four marks."""
    for name, found in (("earlier", before), ("later", after)):
        if len(found.marks) < _MIN_SHARED:
            raise ValueError(f"{name} map has {len(found.marks)} marks, {_MIN_SHARED} are needed; confirm more of them")
    takes = _fullest(before), _fullest(after)
    a, b = ([m for m in found.marks if take in m.places] for found, take in zip((before, after), takes, strict=True))
    at_a, at_b = (np.stack([m.places[t].position for m in marks]) for marks, t in zip((a, b), takes, strict=True))
    alike = _alike(a, b)
    plain, plain_turn = best_turn(at_a, at_b, alike)
    turned, _ = best_turn(at_a @ _MIRROR, at_b, alike)
    needed = max(_MIN_SHARED, _SHARE * min(len(a), len(b)))
    if plain_turn is None or plain < needed or turned > plain:
        mirrored = turned >= needed and turned > plain
        return MapComparison(takes, (), max(plain, turned) if mirrored else plain, mirrored, 0.0)
    pairs = _pairs(plain_turn, at_a, at_b)
    seen = _seen_in(after)
    changes = [_both(a[i], b[j], _away(plain_turn, at_a[i], at_b[j])) for i, j in pairs]
    matched_a, matched_b = {i for i, _ in pairs}, {j for _, j in pairs}
    left = [m for k, m in enumerate(a) if k not in matched_a] + [m for m in before.marks if takes[0] not in m.places]
    changes += [_gone(mark, plain_turn, takes[0], seen) for mark in left]
    fresh = [m for k, m in enumerate(b) if k not in matched_b] + [m for m in after.marks if takes[1] not in m.places]
    changes += [MarkChange(Change.NEW, after=mark.id) for mark in fresh]
    return MapComparison(takes, tuple(changes), len(pairs), False, plain_turn.yaw_deg)


def _fullest(found: BirthmarkMap) -> str:
    counts: dict[str, int] = {}
    for mark in found.marks:
        for take in mark.places:
            counts[take] = counts.get(take, 0) + 1
    return min(counts, key=lambda take: (-counts[take], take))


def _alike(a: Sequence[Birthmark], b: Sequence[Birthmark]) -> np.ndarray:
    size = np.log([m.diameter_mm for m in a])[:, None] - np.log([m.diameter_mm for m in b])[None]
    colour = np.array([m.colour for m in a])[:, None] - np.array([m.colour for m in b])[None]
    return np.asarray((np.abs(size) < np.log(_LIKE_SIZE)) & (np.linalg.norm(colour, axis=-1) < _LIKE_COLOUR))


def _pairs(turn: Turn, a: F64, b: F64) -> list[tuple[int, int]]:
    away = np.linalg.norm(turn.apply(a)[:, None] - b[None], axis=-1)
    return mutual(away, away < TOLERANCE_M)


def _away(turn: Turn, a: F64, b: F64) -> float:
    return 1000 * float(np.linalg.norm(turn.apply(a[None])[0] - b))


def _both(before: Birthmark, after: Birthmark, away_mm: float) -> MarkChange:
    ratio = after.diameter_mm / before.diameter_mm
    measured = any(before.colour) and any(after.colour)
    colour = float(np.linalg.norm(np.subtract(after.colour, before.colour))) if measured else 0.0
    changed = max(ratio, 1 / ratio) > _SIZE_RATIO or colour > _COLOUR
    what = Change.CHANGED if changed else Change.SAME
    return MarkChange(what, before.id, after.id, away_mm, ratio, colour)


def _gone(mark: Birthmark, turn: Turn, take: str, seen: Sequence[tuple[F64, F64]]) -> MarkChange:
    """Gone only where the later session saw skin nearby from about the same side: marks beside it were seen there."""
    place = mark.places.get(take)
    if place is None:
        return MarkChange(Change.NOT_SEEN, mark.id)
    position = turn.apply(place.position[None])[0]
    normal = yaw_matrix(turn.yaw_deg) @ place.normal
    near = [n for p, n in seen if np.linalg.norm(p - position) < 0.2 and float(n @ normal) > 0.85]
    return MarkChange(Change.GONE if len(near) >= 2 else Change.NOT_SEEN, mark.id)


def _seen_in(found: BirthmarkMap) -> list[tuple[F64, F64]]:
    take = _fullest(found)
    return [(m.places[take].position, m.places[take].normal) for m in found.marks if take in m.places]


def _change_text(change: MarkChange) -> str:
    if change.what is Change.GONE:
        return "it is gone; its neighbours were seen"
    return f"{change.size_ratio:.2f} times as wide, colour moved by {change.colour:.1f}, {change.away_mm:.1f} mm away"
