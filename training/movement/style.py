"""Is that her walk? One verdict on a clip: the same, not her, too generic, or not to be judged, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from capture.issues import Issue, JsonObject, Report, issue
from capture.motion.clip import JointTrack
from training.movement.cohort import MIN_TAKES, Cohort, SelfTest, cohort_scores, rank_of, self_test
from training.movement.embedding import Embedding, learn_embedding
from training.movement.gait import RESOLUTION, SCORED, Gait, read_gait
from training.movement.traits import OFF_AT, Deviation, deviations, froude

F64 = NDArray[np.float64]

GENERIC_BELOW = 0.5  # of the way from the mean walker to her: below it, the mean walker is the nearer of the two
NOBODY_BELOW = 0.7  # of the people's usual distance to the mean walker: a stranger has a walk of her own
# Times her own spread. The cohort's own equal-error rate sets the limit inside these, since a cohort of few or very
# unlike people could set any: among 16 synthetic walkers her own takes reached 2.0 (95 %: 1.7) however much takes
# varied, and the others began at 2.8 with steady walkers, 1.4 with unsteady ones.
LIMITS = (1.5, 2.2)


class Verdict(StrEnum):
    """What a clip is found to be."""

    SAME = "same"
    NOT_HER = "not her"
    TOO_GENERIC = "too generic"
    TOO_SHORT = "too short"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Score:
    """One clip against her and the others in the same action."""

    person: str
    action: str
    distance: float  # to her, in ranks
    own_spread: float  # median distance of her own takes, each left out
    limit: float  # times her own spread
    cohort_score: float  # v; the smaller, the more it is her. It says how she stands out and decides nothing: somebody
    # whose walk is like many others' has a v near theirs in every take
    rank: int  # 1: nobody is nearer
    people: int
    genericness: float  # 1 as far from the mean walker as she is, 0 the mean walker
    to_mean: float  # distance to the mean walker as a share of what people have
    nearest: str

    @property
    def spreads(self) -> float:
        """Times her own spread."""
        return self.distance / max(self.own_spread, 1e-9)

    @property
    def verdict(self) -> Verdict:
        """Too generic is a movement that is nearer to the mean walker than to her, and too near for anybody at all."""
        if self.genericness < GENERIC_BELOW:
            return Verdict.TOO_GENERIC if self.to_mean < NOBODY_BELOW else Verdict.NOT_HER
        return Verdict.SAME if self.rank == 1 and self.spreads <= self.limit else Verdict.NOT_HER

    @property
    def line(self) -> str:
        """The score in one sentence."""
        others, way = self.people - 1, f"{self.genericness:.0%} of the way from the mean walker to her"
        return (
            f"nearer to her than to {self.people - self.rank} of {others} others; {self.spreads:.1f} x her own spread; "
            f"{way if self.genericness > 0 else 'further from her than the mean walker'}"
        )


@dataclass(frozen=True, eq=False)
class Judgement:
    """The verdict on a clip with everything that led to it; a clip that cannot be read has no score and no traits."""

    verdict: Verdict
    report: Report
    score: Score | None = None
    traits: tuple[Deviation, ...] = ()
    gait: Gait | None = None


@dataclass(frozen=True, eq=False)
class StyleJudge:
    """People and their takes of one action, ready to judge clips of that action. ValueError as `Cohort` raises it.

    Whoever is judged is there with her gaits, whose traits are shown; of the others fingerprints are enough.
    """

    action: str
    gaits: Mapping[str, Sequence[Gait]]
    others: Mapping[str, F64] = field(default_factory=dict)  # of each person (N, 212), one line a take
    who: str = "others"  # in words, after their number
    # Whether they were recorded as she was. A learned scale finds whatever sets her takes apart from theirs: beside
    # simulated walkers it called her the nearest of 31 for 11 of 24 clips of strangers, beside her like for none of 18.
    alike: bool = True

    def __post_init__(self) -> None:
        if twice := sorted(self.gaits.keys() & self.others.keys()):
            raise ValueError(f"person {twice[0]!r} is among the judged and among the others; leave her out of one")

    @cached_property
    def cohort(self) -> Cohort:
        """The fingerprints of all takes."""
        takes = {p: np.stack([g.fingerprint for g in gaits]) for p, gaits in self.gaits.items()}
        return Cohort(self.action, {**takes, **self.others}, RESOLUTION[SCORED])

    @cached_property
    def embedding(self) -> Embedding:
        """The scale that is learned from all takes."""
        return learn_embedding(self.cohort)

    @cached_property
    def tested(self) -> SelfTest:
        """How well this cohort tells its own people apart."""
        return self_test(self.cohort)

    def learned_rank(self, person: str, clip: Gait) -> int:
        """Her place among all on the scale that is learned from all takes: a second opinion, which decides nothing.

        ValueError for somebody who is not in the cohort.
        """
        distances = self.embedding.distances(self.cohort, clip.fingerprint)
        return rank_of([float(d) for d in distances], self.cohort.index(person))

    @property
    def limit(self) -> float:
        """Times her own spread that a clip of hers may be away."""
        return float(np.clip(self.tested.spreads.equal_error[1], *LIMITS))

    def score(self, person: str, clip: Gait) -> Score:
        """Score a clip as hers. ValueError for a person without two takes in the cohort."""
        cohort = self.cohort
        spread = cohort.own_spread(person)
        distances = cohort.distances(clip.fingerprint)
        own = cohort.people.index(person)
        return Score(
            person=person,
            action=self.action,
            distance=float(distances[own]),
            own_spread=spread,
            limit=self.limit,
            cohort_score=float(cohort_scores(distances)[own]),
            rank=rank_of([float(d) for d in distances], own),
            people=len(cohort.people),
            genericness=cohort.genericness(person, clip.fingerprint),
            to_mean=cohort.to_mean(clip.fingerprint) / max(cohort.usual_to_mean, 1e-9),
            nearest=cohort.people[int(np.argmin(distances))],
        )

    def judge(self, person: str, track: JointTrack, *, where: str = "clip", cutoff_hz: float = 0.0) -> Judgement:
        """Judge a canonical track (18 joints, world metres) as her movement; trouble with it is in the report.

        ValueError for somebody whose gaits were not given.
        """
        if person not in self.gaits:
            raise ValueError(f"person {person!r} has no gaits in {self.action}; those of {', '.join(self.gaits)} are")
        clip = read_gait(track, where=where, cutoff_hz=cutoff_hz)
        if isinstance(clip, Issue):
            short = clip.code == "MOTION_TOO_SHORT"
            return Judgement(Verdict.TOO_SHORT if short else Verdict.UNREADABLE, Report("movement", (clip,)))
        score = self.score(person, clip)
        traits = deviations(clip, self.gaits[person])
        issues = [*_score_issues(score, where), *self._thin(person), *_trait_issues(traits, where)]
        return Judgement(
            score.verdict, Report("movement", tuple(issues), self._facts(score, clip)), score, traits, clip
        )

    def _thin(self, person: str) -> Iterator[Issue]:
        takes = len(self.gaits[person])
        if takes < MIN_TAKES:
            yield issue("GALLERY_THIN", where=person, expected=f"{MIN_TAKES} takes of {self.action}", found=str(takes))

    def _facts(self, score: Score, clip: Gait) -> JsonObject:
        tested, hers = self.tested, [froude(gait) for gait in self.gaits[score.person]]
        learned: JsonObject = {"rank_on_learned_scale": self.learned_rank(score.person, clip)} if self.alike else {}
        return learned | {
            "person": score.person,
            "action": score.action,
            "verdict": str(score.verdict),
            "spreads": round(score.spreads, 3),
            "cohort_score": round(score.cohort_score, 3),
            "limit": round(score.limit, 3),
            "rank": score.rank,
            "people": score.people,
            "others": f"{score.people - 1} {self.who}",
            "genericness": round(score.genericness, 3),
            "to_mean_walker": round(score.to_mean, 3),
            "froude": round(froude(clip), 4),
            "froude_of_her_takes": [round(min(hers), 4), round(max(hers), 4)],
            "cohort_auc": round(tested.spreads.auc, 4),
            "cohort_equal_error": round(tested.spreads.equal_error[0], 4),
            "cohort_rank_1": round(self.tested.rank_1, 4),
        }


def _score_issues(score: Score, where: str) -> Iterator[Issue]:
    if score.verdict is Verdict.TOO_GENERIC:
        found = f"{score.genericness:.0%} of the way from the mean walker to her"
        yield issue("MOTION_TOO_GENERIC", where=where, expected=f"{GENERIC_BELOW:.0%} or more", found=found)
    elif score.verdict is Verdict.NOT_HER:
        expected = f"nearest to {score.person}, up to {score.limit:.1f} x her own spread"
        found = f"nearest to {score.nearest}, {score.spreads:.1f} x her own spread"
        yield issue("MOTION_NOT_HER", where=where, expected=expected, found=found)


def _trait_issues(traits: Sequence[Deviation], where: str) -> Iterator[Issue]:
    for deviation in traits:
        if deviation.off:
            trait = deviation.trait
            expected = f"{deviation.hers:.3g} {trait.unit} within {OFF_AT:g} x her spread of {deviation.spread:.2g}"
            found = f"{deviation.value:.3g} {trait.unit}, {deviation.ratio:.1f} x her spread"
            yield issue("TRAIT_OFF", where=f"{where}: {trait.name}", expected=expected, found=found)
