"""The page on a movement: the verdict, two figures that walk, traits, joints over the stride, who else is near."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from capture import report as house
from capture.issues import Report
from capture.store import write_atomic, write_json
from training.movement import drawings
from training.movement.cycles import Cycle, cycle_of, loop_of
from training.movement.gait import Gait
from training.movement.plausibility import NUMBERS, Comparison
from training.movement.style import Judgement, Score, StyleJudge, Verdict
from training.movement.traits import OFF_AT, Deviation, froude

_HERE = Path(__file__).parent
_SHOWN = (
    "knee left", "knee right", "hip flexion left", "hip flexion right", "arm sagittal left", "arm sagittal right",
    "elbow left", "elbow right", "ankle left", "ankle right", "pelvis list", "pelvis rotation", "twist",
    "lean sagittal", "head sagittal",
)  # fmt: skip
_LINES: dict[Verdict, tuple[str, house.Tone]] = {
    Verdict.SAME: ("This is her {}.", "good"),
    Verdict.NOT_HER: ("This is not her {}.", "bad"),
    Verdict.TOO_GENERIC: ("Too generic: this is anybody's {}.", "bad"),
    Verdict.TOO_SHORT: ("Too short to judge.", "warn"),
    Verdict.UNREADABLE: ("The movement cannot be read.", "warn"),
}
_PACE = 1.2  # of Froude's number, which is a tenth of the speed: takes of one person at her own pace vary by that
_UNITS = {
    "skated_m": ("feet slide, in a second", "mm", 1000),
    "skating_share": ("feet slide, of the frames on the floor", "%", 100),
    "deepest_m": ("deepest in the floor", "mm", 1000),
    "in_floor_share": ("feet deeper than 10 mm, of all frames", "%", 100),
    "jerk_mean": ("jerk, mean", "m/s³", 1),
    "jerk_peak": ("jerk, peak", "m/s³", 1),
    "jerk_mean_legs": ("jerk, mean", "leg lengths/s³", 1),
    "jerk_peak_legs": ("jerk, peak", "leg lengths/s³", 1),
    "beyond_deg": ("furthest beyond a joint's limit", "deg", 1),
}


def whole_report(judgement: Judgement, plausible: Comparison | None) -> Report:
    """What the judge found, and what no body could do."""
    report = judgement.report
    if plausible is None:
        return report
    found = plausible.report
    return Report(report.step, (*report.issues, *found.issues), {**report.facts, "plausibility": found.facts})


def headline(verdict: Verdict, report: Report, action: str) -> tuple[str, house.Tone]:
    """The verdict in one sentence, and how it is shown."""
    line, tone = _LINES[verdict]
    if tone == "good" and not report.ok:
        return f"Her {action}, but no body moves like this.", "bad"
    return line.format(action), tone


def write_report(
    folder: Path,
    judge: StyleJudge,
    judgement: Judgement,
    *,
    person: str,
    plausible: Comparison | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write report.html, which holds all it shows, and report.json with every issue and number.

    `notes` are sentences on what was compared. ValueError for a person whose gaits the judge does not have.
    """
    if person not in judge.gaits:
        raise ValueError(f"person {person!r} is not in the cohort of {judge.action}; it has {', '.join(judge.gaits)}")
    report = whole_report(judgement, plausible)
    values = _values(judge, judgement, report, judge.gaits[person])
    told = [*notes, *([_pace(judgement.gait, judge.gaits[person])] if judgement.gait else [])]
    values |= {
        "plausible": _plausible(plausible) if plausible else "",
        "real_takes": len(plausible.real) if plausible else 0,
        "own_floor": bool(plausible and plausible.own_floor),
        "notes": told,
    }
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    body = environment.get_template("report.html.j2").render(values)
    title = f"Movement of {person} in {judge.action}"
    write_json(folder / "report.json", report.to_json())
    write_atomic(folder / "report.html", house.page(title, body, extra_css=(_HERE / "report.css").read_text()))


def _values(judge: StyleJudge, judgement: Judgement, report: Report, hers: Sequence[Gait]) -> dict[str, object]:
    line, tone = headline(judgement.verdict, report, judge.action)
    score, gait = judgement.score, judgement.gait
    values: dict[str, object] = {
        "verdict": house.verdict(line, tone=tone, detail=_sentence(score) if score else report.issues[0].remedy),
        "issues": house.issue_list(report) if report.issues else "",
        "judged": score is not None,
    }
    if score is None or gait is None:
        return values
    mine, other = cycle_of(hers), cycle_of([gait])
    tested = judge.tested
    return values | {
        "numbers": house.figures(_figures(score, judge, gait)),
        "figures": drawings.figures(
            {"she, in a take of hers": loop_of(hers[0]), "this clip": loop_of(gait)}, gait.motion.rate
        ),
        "traits": house.table(_TRAIT_HEAD, [_trait_row(d) for d in judgement.traits]),
        "takes": len(hers),
        "off_at": f"{OFF_AT:g}",
        "her_strides": len(mine.strides),
        "clip_strides": len(other.strides),
        "curves": _curves(mine, other),
        "distances": drawings.distances(tested.spreads, score.spreads, score.limit),
        "others": f"{score.people - 1} {judge.who}",
        "action": score.action,
        "tested": (
            f"equal-error rate {tested.spreads.equal_error[0]:.1%}, area under the curve {tested.spreads.auc:.3f}, "
            f"{tested.rank_1:.0%} of takes nearest to their own person"
        ),
    }


def _sentence(score: Score) -> str:
    return score.line[0].upper() + score.line[1:] + "."


def _figures(score: Score, judge: StyleJudge, gait: Gait) -> dict[str, str]:
    learned = {"Her place, learned scale": f"{judge.learned_rank(score.person, gait)} of {score.people}"}
    return {
        "Her place among all": f"{score.rank} of {score.people}",
        "Times her own spread": f"{score.spreads:.2f}, up to {score.limit:.2f}",
        "From the mean walker to her": f"{score.genericness:.0%}",
        "Cohort score": f"{score.cohort_score:+.2f}",
        "Nearest": "she" if score.nearest == score.person else score.nearest,
    } | (learned if judge.alike else {})


def _pace(clip: Gait, hers: Sequence[Gait]) -> str:
    """The speed of unlike bodies on one scale, and whether she was ever seen at it."""
    value, paces = froude(clip), sorted(froude(take) for take in hers)
    line = f"Pace: Froude's number {value:.2f}, her takes {paces[0]:.2f} to {paces[-1]:.2f}."
    if paces[0] / _PACE <= value <= paces[-1] * _PACE:
        return line
    how = "slower" if value < paces[0] else "faster"
    return f"{line} That is {how} than any take of hers: cadence, steps and swings differ by that alone."


_TRAIT_HEAD = ["trait", "unit", "this clip", "she", "difference", "her own spread", "x her own spread", ""]


def _trait_row(deviation: Deviation) -> list[str]:
    tag = Markup('<span class="tag bad">off</span>') if deviation.off else Markup('<span class="tag good">hers</span>')
    numbers = (deviation.value, deviation.hers, deviation.difference, deviation.spread)
    value, hers, difference, spread = (_rounded(number) for number in numbers)
    signed = difference if difference.startswith("-") else f"+{difference}"
    return [deviation.trait.name, deviation.trait.unit, value, hers, signed, spread, f"{deviation.ratio:.1f}", tag]


def _rounded(value: float) -> str:
    digits = 0 if abs(value) >= 200 else 1 if abs(value) >= 10 else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0 turns -0 into 0


def _curves(hers: Cycle, clip: Cycle) -> list[Markup]:
    """The channels that are furthest off first."""

    def off(channel: str) -> float:
        gap = hers.mean(channel) - clip.mean(channel)
        return -float(((gap / (hers.spread(channel) + 1.0)) ** 2).mean())

    return [drawings.curves(channel, hers, clip, "deg") for channel in sorted(_SHOWN, key=off)]


def _plausible(comparison: Comparison) -> Markup:
    rows = []
    for name in NUMBERS:
        what, unit, scale = _UNITS[name]
        ratio = comparison.ratio(name)
        value, usual = scale * float(getattr(comparison.clip, name)), scale * comparison.usual(name)
        rows.append([what, unit, _rounded(value), _rounded(usual), "theirs is 0" if ratio is None else f"{ratio:.2f}"])
    return house.table(["", "unit", "this clip", "her real takes", "ratio"], rows)
