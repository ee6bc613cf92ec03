"""What the shoot still owes the twin: which planned views have usable frames, and what to shoot again, best first.

Pure arithmetic on what ingest found, so the list stands while she is still on set. Without a `[[plan]]` the grid of
stills and the clips are the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import cast

from capture.checks.causes import without_symptoms
from capture.ignore import apply_rules
from capture.issues import Issue, JsonObject, JsonValue, issue
from capture.reshoot import Line, Trouble, optional_lines, reshoot_lines
from capture.session import Camera, Clip, Plan, Session, Shot, Take
from capture.validate import Check, Context, Original, run_checks

_SIDES = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")


@dataclass(frozen=True)
class Cell:
    """One view of her under one light."""

    row: str  # line of the map: a view of the plan, or a take or clip
    light: str
    region: str
    angle: str
    motion: str
    weight: float
    wanted: int  # usable files that it takes
    usable: int
    shots: tuple[Shot, ...]  # places of the session that show this view
    entry: int = 0  # number of the plan's entry; 0 where the grid is the plan

    @property
    def short(self) -> int:
        """Usable files that are still lacking."""
        return max(0, self.wanted - self.usable)

    @property
    def share(self) -> float:
        """How much of it is there, 0 to 1."""
        return min(1.0, self.usable / self.wanted) if self.wanted else 1.0


@dataclass(frozen=True)
class Coverage:
    """The map, and the reshoot list in the order of what the twin gains."""

    cells: tuple[Cell, ...]
    lines: tuple[Line, ...]
    by_plan: bool

    @property
    def covered(self) -> int:
        """Cells that lack nothing."""
        return sum(not cell.short for cell in self.cells)

    def to_json(self) -> JsonObject:
        """The facts that a report carries."""
        cells: list[JsonValue] = [
            {
                "row": c.row, "light": c.light, "region": c.region, "angle": c.angle, "motion": c.motion,
                "weight": c.weight, "wanted": c.wanted, "usable": c.usable,
            }
            for c in self.cells
        ]  # fmt: skip
        return {
            "by": "plan" if self.by_plan else "grid",
            "planned": len(self.cells),
            "covered": self.covered,
            "cells": cells,
            "reshoot": [cast(JsonObject, line.to_json()) for line in self.lines],
        }


def judge(
    context: Context, checks: Iterable[Check], *, pending: Set[Shot] = frozenset()
) -> tuple[tuple[Issue, ...], Coverage]:
    """Every issue of a session, weighed by the rules of the shoot, and what its usable frames cover."""
    issues = apply_rules(context.session, without_symptoms(run_checks(context, checks)))
    covered, gaps = coverage(context.session, context.originals, issues, pending=pending)
    return (*issues, *apply_rules(context.session, gaps)), covered


def coverage(
    session: Session, originals: Iterable[Original], issues: Sequence[Issue], *, pending: Set[Shot] = frozenset()
) -> tuple[Coverage, tuple[Issue, ...]]:
    """Which planned views have usable frames, and the gaps of a plan as issues.

    A file counts that decodes and that no error names. `pending` are shots whose turn has not come: views that they
    can fill are no gaps yet. The reshoot list is ordered by gain = weight x missing files x scarcity, and scarcity =
    1 - s / 2 with s the mean share that is there of this view and of those that differ from it in one of region,
    angle, light and motion only: a twin learns a view half from its neighbours, so a hole among holes is worth twice
    a hole among full cells.
    """
    trouble = Trouble(session, originals, issues, pending)
    cells = tuple(_plan_cells(session, trouble) if session.plan else _grid_cells(session, trouble))
    worth = [cell.weight * scarce for cell, scarce in zip(cells, _scarcity(cells), strict=True)]
    lines = reshoot_lines(session, [(c, value) for c, value in zip(cells, worth, strict=True) if c.short], trouble)
    gaps = _gaps(session, cells, pending) if session.plan else ()
    return Coverage(cells, (*lines, *optional_lines(trouble)), bool(session.plan)), tuple(gaps)


def view_of(camera: Camera, facing_deg: float) -> tuple[float, float] | None:
    """From which side (degrees counter-clockwise from her front) and how high a camera sees her; None: undeclared."""
    if camera.azimuth_deg is None:
        return None
    return (camera.azimuth_deg - facing_deg + 180.0) % 360.0 - 180.0, camera.elevation_deg or 0.0


def _grid_cells(session: Session, trouble: Trouble) -> Iterable[Cell]:
    shots: dict[tuple[str, str, str], list[Shot]] = {}
    for shot in session.stills():
        shots.setdefault((shot.group, shot.light, ""), []).append(shot)
    for clip in session.clip:
        own = [shot for shot in session.clips() if shot.group == clip.id]
        shots[clip.id, clip.light, clip.action or clip.id] = own
    for (group, light, motion), members in shots.items():
        due = [shot for shot in members if shot not in trouble.waived]
        usable = sum(shot in trouble.usable for shot in due)
        yield Cell(group, light, group, "", motion, 1.0, len(due), usable, tuple(members))


def _plan_cells(session: Session, trouble: Trouble) -> Iterable[Cell]:
    for number, plan in enumerate(session.plan, 1):
        shots = list(_shots_of(session, plan))
        angle = _angle(plan)
        row = " · ".join(part for part in (plan.region, angle, plan.motion) if part)
        lights = plan.lights or _lights_of(session, plan)
        for light in lights:
            own = tuple(shot for shot, lit in shots if lit == light)
            usable = sum(shot in trouble.usable for shot in own)
            yield Cell(row, light, plan.region, angle, plan.motion, plan.weight, plan.frames, usable, own, number)


def _shots_of(session: Session, plan: Plan) -> Iterable[tuple[Shot, str]]:
    """Places of the session that show a planned view, each with its light."""
    groups: tuple[Take | Clip, ...] = session.take
    if plan.motion:
        groups = tuple(clip for clip in session.clip if plan.motion in (clip.id, clip.action))
    cameras = {g.id: {c.id for c in session.camera if _shows(session, plan, c, g)} for g in groups}
    lit = {clip.id: clip.light for clip in session.clip}
    for shot in session.clips() if plan.motion else session.stills():
        if shot.camera in cameras.get(shot.group, ()):
            yield shot, lit[shot.group] if plan.motion else shot.light


def _shows(session: Session, plan: Plan, camera: Camera, group: Take | Clip) -> bool:
    """A camera that the plan names shows the region; where it stands counts as far as it is declared."""
    if camera.id not in plan.cameras if plan.cameras else plan.region not in camera.framing:
        return False
    view = view_of(camera, group.facing_deg)
    if view is None:
        return bool(plan.cameras) or "azimuth_deg" not in plan.model_fields_set
    (low, high), (below, above) = plan.azimuth_deg, plan.elevation_deg
    return (view[0] - low) % 360.0 <= high - low and below <= view[1] <= above


def _lights_of(session: Session, plan: Plan) -> tuple[str, ...]:
    if not plan.motion:
        return tuple(light.id for light in session.light)
    return tuple(dict.fromkeys(c.light for c in session.clip if plan.motion in (c.id, c.action)))


def _angle(plan: Plan) -> str:
    """The side of her in words and degrees, with the height where the plan asks for one."""
    parts = []
    low, high = plan.azimuth_deg
    if high - low < 360:
        side = _SIDES[round(((low + high) / 2 % 360) / 45) % 8]
        parts.append(f"{side} ({low:g} to {high:g}°)")
    if "elevation_deg" in plan.model_fields_set:
        parts.append(f"{plan.elevation_deg[0]:g} to {plan.elevation_deg[1]:g}° high")
    if plan.cameras:
        parts.append(", ".join(plan.cameras) if len(plan.cameras) <= 3 else f"{len(plan.cameras)} cameras")
    return ", ".join(parts) or "any side"


def _scarcity(cells: Sequence[Cell]) -> list[float]:
    """Of each cell, from sums over the cells that agree with it in all of the key, or in all but one part of it."""
    keys = [(c.region, c.angle, c.light, c.motion) for c in cells]
    sums: dict[tuple[str, ...], tuple[float, int]] = {}
    for cell, key in zip(cells, keys, strict=True):
        for view in _near(key):
            share, count = sums.get(view, (0.0, 0))
            sums[view] = (share + cell.share, count + 1)
    scarce = []
    for key in keys:
        same, *others = (sums[view] for view in _near(key))
        # Cells of the same key are in each of the other sums; they count once.
        share = sum(s for s, _ in others) - (len(others) - 1) * same[0]
        count = sum(n for _, n in others) - (len(others) - 1) * same[1]
        scarce.append(1.0 - share / count / 2)
    return scarce


def _near(key: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    yield key
    for part in range(len(key)):
        yield (*key[:part], f"any of {part}", *key[part + 1 :])


def _gaps(session: Session, cells: Sequence[Cell], pending: Set[Shot]) -> Iterable[Issue]:
    """One issue for each entry of the plan that lacks something."""
    for number, plan in enumerate(session.plan, 1):
        own = [cell for cell in cells if cell.entry == number]
        lacking = [c.light for c in own if c.short > sum(shot in pending for shot in c.shots)]
        if lacking:
            yield issue(
                "COVERAGE_GAP",
                where=f"plan {number}: {own[0].row}",
                expected=f"{plan.frames} under each of {len(own)} lights",
                found=f"too few under {', '.join(lacking)}",
            )
