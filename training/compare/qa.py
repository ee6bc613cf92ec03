"""The result of a comparison: scores of all arms, the two controls, the limits, and the verdict on one arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from pydantic import TypeAdapter

from capture.issues import Issue, JsonObject, Report, issue
from training.compare.controls import Control
from training.compare.marks import TOO_SMALL, Verdict
from training.compare.score import ArmScore
from training.compare.shares import Share
from training.compare.thresholds import Thresholds


@dataclass(frozen=True)
class QAReport:
    """Is this still her? `judged` names the arm that the verdict is about; the others stand beside it."""

    judged: str
    passed: bool
    line: str  # the verdict in one line
    advice: str  # what to do now
    arms: tuple[ArmScore, ...]
    ceiling: Control
    floor: Control
    thresholds: Thresholds

    @property
    def judged_arm(self) -> ArmScore:
        """The arm that the verdict is about."""
        return next(a for a in self.arms if a.name == self.judged)

    def to_json(self) -> JsonObject:
        """The report as JSON values; `QAReport.from_json` reads it back."""
        return cast(JsonObject, _adapter().dump_python(self, mode="json"))

    @staticmethod
    def from_json(data: JsonObject) -> QAReport:
        """Read what `to_json` wrote. Raises pydantic's ValidationError (a ValueError) for other content."""
        return _adapter().validate_python(data)


def judge(arm: ArmScore, limits: Thresholds) -> tuple[bool, str, str, tuple[Issue, ...]]:
    """Whether an arm passes, the verdict in one line, what to do now, and the issues behind it."""
    kept, delta_e, scored = arm.kept, arm.delta_e, len(arm.scored)
    where = f"arm {arm.name}"
    if not scored:
        found = issue("NOTHING_TO_COMPARE", where=where, expected="1 pair", found=f"0 of {len(arm.pairs)} renders")
        return False, f"FAIL: none of {len(arm.pairs)} renders has a photograph", found.remedy, (found,)
    issues: list[Issue] = []
    if kept.value is None:
        line = f"FAIL: no birthmark can be judged in {scored} pairs"
        return False, line, "Render a closer framing or at a higher resolution; the table of marks says why.", ()
    if kept.value < limits.kept_share:
        wanted = f"at least {limits.kept_share:.0%} kept"
        issues.append(issue("MARKS_LOST", where=where, expected=wanted, found=str(kept)))
    if delta_e is not None and delta_e > limits.delta_e_2000:
        wanted = f"mean CIEDE2000 at most {limits.delta_e_2000:g}"
        issues.append(issue("COLOUR_OFF", where=where, expected=wanted, found=f"{delta_e:.1f}"))
    counted = f"{kept.count} of {kept.total} birthmark sightings kept"
    if not issues:
        return True, f"PASS: {counted}", _caution(kept, limits), ()
    parts = {"MARKS_LOST": f"only {counted}, {limits.kept_share:.0%} agreed"}
    parts["COLOUR_OFF"] = f"colour is {delta_e or 0:.1f} off, {limits.delta_e_2000:g} allowed"
    line = "FAIL: " + "; ".join(parts[i.code] for i in issues)
    return False, line, " ".join(dict.fromkeys(i.remedy for i in issues)), tuple(issues)


def report_of(qa: QAReport, issues: Sequence[Issue]) -> Report:
    """The step's report: issues, warnings on marks that no pair shows, and the numbers of every arm."""
    facts: JsonObject = {"judged": qa.judged, "passed": qa.passed, "verdict": qa.line}
    for arm in qa.arms:
        low, high = arm.kept.interval
        facts[f"arm {arm.name}"] = {
            "renders": len(arm.pairs),
            "compared": len(arm.scored),
            "held_out": sum(p.held_out for p in arm.scored),
            "kept": arm.kept.count,
            "observable": arm.kept.total,
            "kept_share": arm.kept.value,
            "kept_low_95": low,
            "kept_high_95": high,
            **{v.value: arm.count(v) for v in (Verdict.FADED, Verdict.MOVED, Verdict.LOST)},
            "invented_per_image": arm.invented_per_image,
            "invented_per_100_cm2": arm.invented_per_100_cm2,
            "delta_e_2000": arm.delta_e,
            "psnr_db": arm.psnr_db,
            "ssim": arm.ssim,
        }
    facts["ceiling"], facts["floor"] = str(qa.ceiling.kept), str(qa.floor.kept)
    return Report("compare", (*issues, *_never_observable(qa.judged_arm)), facts)


def _never_observable(arm: ArmScore) -> list[Issue]:
    """Marks that face a camera but are too small in every pair; other reasons stand in the page's table of marks."""
    small: dict[str, str] = {}
    seen = set()
    for mark in (m for p in arm.pairs for m in p.marks):
        if mark.verdict is not Verdict.NOT_OBSERVABLE:
            seen.add(mark.mark)
        elif mark.reason.startswith(TOO_SMALL):
            small.setdefault(mark.mark, mark.reason)
    return [
        issue("MARK_NEVER_OBSERVABLE", where=f"mark {k}", expected="judged in one pair", found=reason)
        for k, reason in sorted(small.items())
        if k not in seen
    ]


def _caution(kept: Share, limits: Thresholds) -> str:
    low = kept.interval[0]
    if low >= limits.kept_share:
        return f"Even the low end of the 95 % interval, {low:.0%}, is above the agreed {limits.kept_share:.0%}."
    return (
        f"The 95 % interval begins at {low:.0%}, below the agreed {limits.kept_share:.0%}: "
        "render more held-out views to be sure."
    )


@cache
def _adapter() -> TypeAdapter[QAReport]:
    return TypeAdapter(QAReport)
