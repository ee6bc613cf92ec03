"""What a data set can teach of each mark, before anything is trained: crops in which it is large enough, views, lights.

A mark that spans less than two latent cells is an average with the skin around it by the time the loss sees it, and one
that is shown by a single camera or under a single light is learned as part of that picture. The data set has cut
native-resolution crops already where photographs allow; what is still too small has to be shot again, closer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from capture import store
from capture.issues import Issue, JsonObject, Report, issue
from capture.report import Tone, issue_list, page, table, verdict
from training.bases.protocol import BaseSpec
from training.dataset.conditions import side_of
from training.dataset.frames import Frame, Split, TwinDataset

ARTEFACT = "plan"
LEAST_CELLS = 2.0
LEAST_CROPS, LEAST_CAMERAS, LEAST_LIGHTS = 6, 2, 2


@dataclass(frozen=True)
class MarkPlan:
    """What there is to learn one mark from."""

    id: str
    shown: int  # crops to learn from that show it at all
    enough: int  # of them, those in which it spans LEAST_CELLS or more
    own: int  # of those, crops that were cut for it
    cells: float  # latent cells across it where it is largest
    cameras: tuple[str, ...]  # of the crops that show enough of it
    sides: tuple[str, ...]  # of her, from which they see it
    lights: tuple[str, ...]
    close_ups: bool  # whether the data set cuts small marks out for themselves

    @property
    def lacks(self) -> str:
        """What is missing, and what to shoot; '' where nothing is."""
        if not self.shown:
            return "no crop to learn from shows it: add a camera or a take that sees it, or hold back other ones"
        if not self.enough:
            closer = LEAST_CELLS / max(self.cells, 0.1)
            cut = "" if self.close_ups else "set dataset.close_ups where the base knows close-ups, or "
            return f"{self.cells:.1f} latent cells at most: {cut}shoot it {closer:.1f} times closer"
        short = [
            f"{count} {what}, {least} needed"
            for count, what, least in (
                (self.enough, "crops", LEAST_CROPS),
                (len(self.cameras), "cameras", LEAST_CAMERAS),
                (len(self.lights), "lights", LEAST_LIGHTS),
            )
            if count < least
        ]
        return f"{'; '.join(short)}: shoot it from further sides and under further lights" if short else ""

    def to_json(self) -> JsonObject:
        """As JSON values."""
        return {
            "shown": self.shown, "enough": self.enough, "own": self.own, "cells": round(self.cells, 2),
            "cameras": list(self.cameras), "sides": list(self.sides), "lights": list(self.lights), "lacks": self.lacks,
        }  # fmt: skip


def plan_marks(dataset: TwinDataset, spec: BaseSpec, folder: Path) -> tuple[tuple[MarkPlan, ...], Report]:
    """Count for every mark what the pictures to learn from show of it; writes `plan.json` and `report.html`.

    A mark that cannot be learned well is a MARK_HARDLY_LEARNED issue that says what to shoot.
    """
    frames = dataset.of(Split.TRAIN)
    names = sorted({mark.id for frame in dataset.frames for mark in frame.marks})
    close_ups = bool(dataset.artefact.settings.get("close_ups", False))
    plans = tuple(_plan(name, frames, spec.latent_stride, close_ups) for name in names)
    issues: list[Issue] = [
        issue("MARK_HARDLY_LEARNED", where=f"mark {p.id}", expected=f"{LEAST_CELLS:g} latent cells", found=p.lacks)
        for p in plans
        if p.lacks
    ]
    facts: JsonObject = {"pictures": len(frames), "marks": {p.id: p.to_json() for p in plans}}
    report = Report("plan", tuple(issues), facts)
    inputs = {"dataset": dataset.artefact.digest}
    settings: JsonObject = {"stride": spec.latent_stride}
    store.reopen(folder, ARTEFACT)
    store.write_json(folder / "report.json", report.to_json())
    store.write_atomic(folder / "report.html", _page(plans, report))
    store.finish(folder, ARTEFACT, consent=dataset.artefact.consent, inputs=inputs, settings=settings, result=facts)
    return plans, report


def _plan(name: str, frames: Sequence[Frame], stride: int, close_ups: bool) -> MarkPlan:
    seen = [
        (frame, 2 * mark.radius_px / stride)
        for frame in frames
        for mark in frame.marks
        if mark.id == name and mark.visible
    ]
    enough = [frame for frame, cells in seen if cells >= LEAST_CELLS]
    return MarkPlan(
        name,
        shown=len(seen),
        enough=len(enough),
        own=sum(frame.framing == name for frame in enough),
        cells=max((cells for _, cells in seen), default=0.0),
        cameras=tuple(sorted({frame.camera for frame in enough})),
        sides=tuple(sorted({side_of(frame.view) for frame in enough})),
        lights=tuple(sorted({frame.light for frame in enough})),
        close_ups=close_ups,
    )


def _page(plans: Sequence[MarkPlan], report: Report) -> str:
    good = sum(not p.lacks for p in plans)
    line = f"{good} of {len(plans)} marks are shown well enough to be learned for sure"
    tone: Tone = "good" if good == len(plans) else "warn" if good else "bad"
    detail = (
        "Next: twin train."
        if good == len(plans)
        else "The others may be lost in training; the list says what they need."
    )
    head = ("mark", "crops that show enough of it", "cut for it", "cells across", "seen from", "lights")
    rows = [
        (p.id, f"{p.enough} of {p.shown}", str(p.own), f"{p.cells:.1f}", ", ".join(p.sides), ", ".join(p.lights))
        for p in plans
    ]
    body = verdict(line if plans else "No mark is known", tone=tone, detail=detail) + issue_list(report)
    return page("What can be learned of her marks", body + (table(head, rows) if rows else Markup("")))
