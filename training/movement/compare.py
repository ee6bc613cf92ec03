"""Is this how she walks? A clip beside her own takes of the same action, among others: verdict, page, artefact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from capture import store
from capture.errors import IncompleteInput
from capture.issues import Issue, JsonObject, JsonValue, Report
from capture.session import read_session
from capture.vault import SessionFolder
from training.movement.others import REFERENCE, Others, others_in, others_of
from training.movement.plausibility import Comparison, Plausibility, floor_of, measure
from training.movement.report import headline, whole_report, write_report
from training.movement.sources import (
    Candidate,
    Takes,
    cutoff_of,
    given_clip,
    her_clips,
    learned_from,
    names_of,
    read_takes,
    read_track,
    rendered_clip,
    same_action,
)
from training.movement.style import Judgement, StyleJudge, Verdict

ARTEFACT = "compare-movement"
USUAL = "walk"  # the action of a file that does not say what it shows
_METHOD = 1  # raise it when the same files give another verdict
# Of 16 recordings of CMU every one came nearest to the recorded person rather than to a simulated one, whoever walked.
_SIMULATED = (
    "A real person among simulated ones is easily told apart, so a first place among them proves little, and somebody "
    "else who was recorded as she was may pass for her: what tells is how far off the clip is in times her own spread. "
    "People who were recorded as she was tell more: name their sessions with --among."
)


@dataclass(frozen=True)
class Against:
    """What a clip is judged beside."""

    clips: tuple[str, ...] = ()  # her takes by name; empty: all of the action
    cohort: Path = REFERENCE  # fingerprints of the others
    among: tuple[str, ...] = ()  # sessions of others, in the place of the file


@dataclass(frozen=True)
class MovementQA:
    """The verdict, in a sentence, and what to do now."""

    verdict: Verdict
    passed: bool
    line: str
    advice: str


def compare_movement(
    session: SessionFolder,
    twin: str,
    *,
    clip: Path | None = None,
    drop_first: bool = False,
    against: Against = Against(),  # noqa: B008 - frozen
    force: bool = False,
) -> tuple[MovementQA, Report]:
    """Judge what was drawn into `renders/<twin>-movement/`, or a BVH file, as hers.

    Writes derived/compare-movement/<twin>/: report.html, report.json, and the artefact's json. A clip that is not hers
    is no exception: `passed` is False and the report holds the errors. A take of hers is not judged beside itself.
    Raises IncompleteInput where takes of hers, the rendered movement or others in its action are missing, ValueError
    for a file that is no clip or no cohort, ConsentRefused for others who did not agree to it.
    """
    takes = her_clips(session)
    candidate = given_clip(clip, drop_first=drop_first) if clip else rendered_clip(session, twin)
    if against.among:
        others = others_of(session.vault, against.among, candidate.action or USUAL)
    else:
        others = others_in(against.cohort)
    action = candidate.action or others.cohort.action
    if not same_action(action, others.cohort.action):
        raise IncompleteInput(
            f"clip shows {action!r} and the walkers of {others.source} {others.cohort.action!r}, so that she cannot be "
            f"told among them; name others in {action!r} with --cohort or --among"
        )
    names = names_of(session, takes, action, against.clips)
    names = tuple(name for name in names if takes.outputs[f"{name}.bvh"] != candidate.digest)
    learned = learned_from(session, twin, takes) if candidate.adapter else ""
    inputs = {
        "motion": takes.digest, "session": store.sha256_file(session.toml), "clip": candidate.digest,
    } | others.inputs | ({"adapter": candidate.adapter} if candidate.adapter else {})  # fmt: skip
    settings: JsonObject = {
        "method": _METHOD, "takes": list[JsonValue](names), "clip": candidate.told, "drop_first": drop_first,
        "learned_from": learned, "among": list[JsonValue](against.among),
    }  # fmt: skip
    out = session.derived(ARTEFACT) / store.safe_name(twin)
    done = None if force else store.current(out, ARTEFACT, inputs=inputs, settings=settings)
    if done is not None:
        report = Report.from_json((out / "report.json").read_text(encoding="utf-8"))
        return _qa_of(done.result), Report(report.step, report.issues, {**report.facts, "skipped": True})
    hers = read_takes(takes.folder, names, action)
    store.reopen(out, ARTEFACT)
    among = _Among(read_session(session.root).session.person, others, learned)
    qa, report = _write(out, candidate, hers, among)
    result: JsonObject = {"verdict": str(qa.verdict), "passed": qa.passed, "line": qa.line, "advice": qa.advice}
    store.finish(out, ARTEFACT, consent=takes.consent, inputs=inputs, settings=settings, result=result)
    return qa, report


@dataclass(frozen=True, eq=False)
class _Among:
    """Who she is, among whom, and how many of her takes the twin learned from."""

    person: str
    others: Others
    learned: str

    def judge(self, hers: Takes) -> StyleJudge:
        cohort, gaits = self.others.cohort, {self.person: hers.gaits}
        # A studio's own cohort may hold her: she is no other than herself.
        others = {name: found for name, found in cohort.takes.items() if name != self.person}
        return StyleJudge(cohort.action, gaits, others, cohort.who, alike=not self.others.simulated)


def _write(out: Path, candidate: Candidate, hers: Takes, among: _Among) -> tuple[MovementQA, Report]:
    """Judge, and write the page."""
    judge = among.judge(hers)
    judgement, plausible = _judged(judge, among.person, candidate, hers)
    notes = [candidate.told, _told(hers, among.learned), f"The others: {len(judge.others)} {judge.who}."]
    notes += [_SIMULATED] if among.others.simulated else []
    facts: JsonObject = {"takes": list[JsonValue](hers.names), "notes": list[JsonValue](notes)}
    facts |= {"learned_from_her_takes": among.learned} if among.learned else {}
    own = judgement.report
    judgement = replace(judgement, report=Report(own.step, (*own.issues, *hers.left_out), {**own.facts, **facts}))
    write_report(out, judge, judgement, person=among.person, plausible=plausible, notes=notes)
    report = whole_report(judgement, plausible)
    return _qa(judgement, report, judge.action), report


def _judged(judge: StyleJudge, person: str, clip: Candidate, hers: Takes) -> tuple[Judgement, Comparison | None]:
    where = clip.path.name
    track = read_track(clip.path, where=where, drop_first=clip.drop_first)
    if isinstance(track, Issue):
        return Judgement(Verdict.UNREADABLE, Report("movement", (track,))), None
    judgement = judge.judge(person, track, where=where, cutoff_hz=cutoff_of(track))
    # Where the floor of a file lies that another tool made, nobody knows.
    floor, own_floor = floor_of(hers.tracks), not clip.adapter
    numbers = measure(track, floor_of([track]) if own_floor else floor)
    if isinstance(numbers, Issue):
        return judgement, None
    real = [found for take in hers.tracks if isinstance(found := measure(take, floor), Plausibility)]
    return judgement, Comparison(numbers, tuple(real), own_floor)


def _told(hers: Takes, learned: str) -> str:
    """What her takes are, and whether the twin had seen them."""
    line = f"Her takes: {', '.join(hers.names)}."
    if learned == "all":
        return (
            f"{line} The twin learned from all of them; takes that it never saw are better to judge beside: run this "
            "on another session of hers."
        )
    return f"{line} The twin learned from none of them." if learned == "none" else line


def _qa(judgement: Judgement, report: Report, action: str) -> MovementQA:
    line = headline(judgement.verdict, report, action)[0]
    if judgement.score is not None:
        line = f"{line} {judgement.score.line[0].upper()}{judgement.score.line[1:]}"
    passed = judgement.verdict is Verdict.SAME and report.ok
    advice = "watch the two figures side by side on the page" if passed else "do what the page says, then compare again"
    return MovementQA(judgement.verdict, passed, line, advice)


def _qa_of(result: Mapping[str, JsonValue]) -> MovementQA:
    return MovementQA(
        Verdict(str(result["verdict"])), result["passed"] is True, str(result["line"]), str(result["advice"])
    )
