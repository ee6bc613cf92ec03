"""Comparison of renders with photographs: one verdict per birthmark, colour and quality inside her mask, two controls.

`compare` judges one render set; `compare_arms` sets several beside each other (the base without a twin, the twin, a
twin trained without mark weight) and judges one of them. `compare` is its one-arm case.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from capture import store
from capture.issues import JsonObject, Report
from training.compare.controls import ceiling, floor
from training.compare.pairs import read_rows
from training.compare.photographs import Photographs
from training.compare.qa import QAReport, judge, report_of
from training.compare.report import write_page
from training.compare.score import score_arm
from training.compare.thresholds import Thresholds

__all__ = ["QAReport", "Thresholds", "compare", "compare_arms"]

ARTEFACT = "compare"
TWIN = "twin"


def compare(
    renders: Path, dataset: Path, out: Path, *, thresholds: Thresholds | None = None, force: bool = False
) -> tuple[QAReport, Report]:
    """Compare a finished render set with a finished dataset; writes <out>/compare.json, report.html and report.json.

    A twin that misses a limit is no exception: `passed` is False and the report holds the errors. Raises
    IncompleteInput when an artefact is missing, unfinished or changed.
    """
    return compare_arms({TWIN: renders}, dataset, out, thresholds=thresholds, force=force)


def compare_arms(
    arms: Mapping[str, Path],
    dataset: Path,
    out: Path,
    *,
    judged: str = TWIN,
    thresholds: Thresholds | None = None,
    force: bool = False,
) -> tuple[QAReport, Report]:
    """Compare several render sets of the same requested views, one column each; the verdict is on arm `judged`.

    Raises ValueError when `judged` names no arm, and IncompleteInput as `compare` does.
    """
    if judged not in arms:
        raise ValueError(f"judged arm {judged!r} is not among the arms {sorted(arms)}; name one of them")
    limits = thresholds or Thresholds()
    photos_of = store.read(dataset, "dataset")
    sets = {name: store.read(folder, "renders") for name, folder in arms.items()}
    inputs = {"dataset": photos_of.digest, **{f"renders:{name}": a.digest for name, a in sets.items()}}
    settings: JsonObject = {"judged": judged, "arms": list(arms), "thresholds": limits.model_dump(mode="json")}
    done = None if force else store.current(out, ARTEFACT, inputs=inputs, settings=settings)
    if done is not None:
        qa = QAReport.from_json(done.result)
        report = report_of(qa, judge(qa.judged_arm, limits)[3])
        return qa, Report(report.step, report.issues, {**report.facts, "skipped": True})
    store.reopen(out, ARTEFACT)
    rows, photos = read_rows(dataset), Photographs(photos_of)
    scores = tuple(score_arm(name, artefact, rows, photos, limits) for name, artefact in sets.items())
    chosen = next(s for s in scores if s.name == judged)
    by_key = {r.key: r for r in rows}
    used = [by_key[key] for key in dict.fromkeys(p.reference for s in scores for p in s.scored)]
    passed, line, advice, issues = judge(chosen, limits)
    high, low = ceiling(used, rows, photos, limits), floor(sets[judged], rows, photos, limits)
    qa = QAReport(judged, passed, line, advice, scores, high, low, limits)
    report = report_of(qa, issues)
    write_page(out / "report.html", qa, report, sets, photos_of)
    store.write_json(out / "report.json", report.to_json())
    store.finish(out, ARTEFACT, consent=photos_of.consent, inputs=inputs, settings=settings, result=qa.to_json())
    return qa, report
