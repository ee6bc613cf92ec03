"""People and their takes of one action: the scale on which a movement is compared, and her place among the others.

Every number of a fingerprint counts by its rank in the cohort, so that no unit and no outlier weighs more than another,
and by how much of it tells people apart rather than takes. A distance counts against her own from take to take and
against those to all others.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from training.movement.verification import Verification, rank_of

F64 = NDArray[np.float64]

MIN_TAKES = 5  # rank-1 rises up to here: 0.36, 0.49, 0.57, 0.64, 0.68 with one to five references
MIN_PEOPLE = 3  # a median over fewer people says nothing
_SPREAD = 1.4826  # of a normal distribution's standard deviation and its median absolute deviation
_SILVERMAN = 1.06  # bandwidth of a kernel density in standard deviations times count^(-1/5)


@dataclass(frozen=True, eq=False)
class RankScale:
    """What turns numbers into ranks among takes. Every person weighs the same, however many takes there are of her.

    A rank is the share of takes below, each take smeared by a normal kernel: a handful of people gives steps as coarse
    as the differences that are looked for.
    """

    takes: F64  # (N, F)
    weights: F64  # (N,) summing to 1
    width: F64  # (F,) of the kernel, in the unit of each number
    stretch: F64  # (F,) what each rank is multiplied with: the square root of its reliability, 1 in the mean square

    def __call__(self, features: F64) -> F64:
        """(..., F) ranks in 0..1, stretched. ValueError for fingerprints of another length."""
        if features.shape[-1] != self.takes.shape[1]:
            raise ValueError(f"fingerprint has {features.shape[-1]} numbers, the cohort has {self.takes.shape[1]}")
        flat = np.atleast_2d(features)
        ranks = [self.weights @ ndtr((row - self.takes) / self.width) for row in flat]
        return np.asarray(np.stack(ranks).reshape(features.shape) * self.stretch)


@dataclass(frozen=True, eq=False)
class Cohort:
    """Takes of several people doing the same action. ValueError for fewer than three people or ragged fingerprints."""

    action: str
    takes: Mapping[str, F64]  # of each person (N, F), one line a take
    resolution: F64 | float = 0.0  # (F,) differences of a number that are those of the recording, not of the people
    who: str = "people"  # in words, after their number: whom a reader is to think of

    def __post_init__(self) -> None:
        if len(self.takes) < MIN_PEOPLE:
            raise ValueError(f"cohort has {len(self.takes)} people; a score among others needs {MIN_PEOPLE} or more")
        widths = {takes.shape[1] if takes.ndim == 2 and len(takes) else 0 for takes in self.takes.values()}
        if len(widths) != 1 or widths == {0}:
            raise ValueError(
                f"fingerprints of the cohort have lengths {sorted(widths)}; give (takes, numbers), one length"
            )

    @property
    def people(self) -> tuple[str, ...]:
        """Names in their order."""
        return tuple(self.takes)

    @cached_property
    def every_take(self) -> F64:
        """(N, F) all takes of all people."""
        return np.concatenate(list(self.takes.values()))

    @cached_property
    def _weights(self) -> F64:
        return np.concatenate([np.full(len(t), 1 / (len(t) * len(self.takes))) for t in self.takes.values()])

    @cached_property
    def _moments(self) -> tuple[F64, F64]:
        mean = self._weights @ self.every_take
        spread = np.sqrt(self._weights @ (self.every_take - mean) ** 2)
        # A number in which nobody differs says nothing; it must not divide by zero.
        return np.asarray(mean), np.where(spread > 1e-9 * (1 + np.abs(mean)), spread, 1.0)

    @cached_property
    def _even(self) -> tuple[RankScale, dict[str, F64]]:
        """The scale on which every number counts the same, and all takes on it."""
        width = np.maximum(_SILVERMAN * self._moments[1] * len(self.takes) ** -0.2, self.resolution)
        even = RankScale(self.every_take, self._weights, width, np.ones_like(width))
        return even, {person: even(takes) for person, takes in self.takes.items()}

    @cached_property
    def ranks(self) -> RankScale:
        """The scale of this cohort."""
        even, takes = self._even
        share = reliability(list(takes.values()))
        return replace(even, stretch=np.sqrt(share / share.mean()))

    @cached_property
    def scaled(self) -> dict[str, F64]:
        """Of each person (N, F): the takes as ranks."""
        return {person: takes * self.ranks.stretch for person, takes in self._even[1].items()}

    @cached_property
    def centres(self) -> F64:
        """(P, F) the mean of each person's ranks."""
        return np.stack([takes.mean(axis=0) for takes in self.scaled.values()])

    @cached_property
    def mean_walker(self) -> F64:
        """(F,) the mean over people: nobody's movement."""
        return np.asarray(self.centres.mean(axis=0))

    def standardised(self, features: F64) -> F64:
        """(..., F) z-scores over this action: what the action itself changes is taken out."""
        mean, spread = self._moments
        return np.asarray((features - mean) / spread)

    def distances(self, features: F64) -> F64:
        """(P,) root mean square distance of one fingerprint (F,) to every person's mean, in ranks."""
        return _gaps(self.centres, self.ranks(features))

    def left_out(self, person: str, take: int) -> F64:
        """(P,) the same of one of her takes, which is then no part of her mean (of the scale it stays a part).

        ValueError where it is the only one of its person.
        """
        own = self.index(person)
        mine = self.scaled[person]
        if len(mine) < 2:
            raise ValueError(f"{person} has one take of {self.action}; leaving it out leaves nothing to compare with")
        centres = self.centres.copy()
        centres[own] = np.delete(mine, take, axis=0).mean(axis=0)
        return _gaps(centres, mine[take])

    @cached_property
    def _spreads(self) -> dict[str, float]:
        repeated = [person for person, takes in self.takes.items() if len(takes) > 1]
        return {
            person: float(
                np.median([self.left_out(person, k)[self.index(person)] for k in range(len(self.takes[person]))])
            )
            for person in repeated
        }

    def own_spread(self, person: str) -> float:
        """Median distance of each of her takes to the mean of her others, steadied by the others' where takes are few.

        ValueError with fewer than two takes of hers.
        """
        self.index(person)
        if person not in self._spreads:
            raise ValueError(
                f"{person} has one take of {self.action}; a spread from take to take needs two, better five"
            )
        takes, usual = len(self.takes[person]), float(np.median(list(self._spreads.values())))
        return (takes * self._spreads[person] + MIN_TAKES * usual) / (takes + MIN_TAKES)

    def genericness(self, person: str, features: F64) -> float:
        """How far the fingerprint stands on the way from the mean walker (0) to her (1); over 1 it overdoes her."""
        way = self.centres[self.index(person)] - self.mean_walker
        return float(np.dot(self.ranks(features) - self.mean_walker, way) / max(float(np.dot(way, way)), 1e-12))

    @cached_property
    def usual_to_mean(self) -> float:
        """Median distance of the takes of all people to the mean walker."""
        return float(np.median([_gaps(t, self.mean_walker).mean() for t in self.scaled.values()]))

    def to_mean(self, features: F64) -> float:
        """Distance of a fingerprint (F,) to the mean walker, in ranks."""
        return float(_gaps(self.mean_walker[None], self.ranks(features))[0])

    def index(self, person: str) -> int:
        """Her place among the people. ValueError for somebody who is not in the cohort."""
        if person not in self.takes:
            raise ValueError(
                f"person {person!r} is not in the cohort of {self.action}; it has {', '.join(self.people)}"
            )
        return self.people.index(person)


def reliability(groups: Sequence[F64]) -> F64:
    """(F,) share of the variance that lies between people, by groups (N, F) of takes: the intraclass correlation.

    One-way random effects (Shrout and Fleiss 1979, ICC(1,1)); all ones where nobody has two takes, or nothing tells.
    """
    total, people = sum(len(g) for g in groups), len(groups)
    mean = np.mean([g.mean(axis=0) for g in groups], axis=0)
    if total == people:
        return np.ones(groups[0].shape[1])
    within = sum(((g - g.mean(axis=0)) ** 2).sum(axis=0) for g in groups) / (total - people)
    among = np.sum([(g.mean(axis=0) - mean) ** 2 for g in groups], axis=0) / (people - 1)
    # The mean of few takes is itself off by a share of the spread within.
    between = np.maximum(among - within * np.mean([1 / len(g) for g in groups]), 0.0)
    share = between / np.maximum(between + within, 1e-12)
    return np.asarray(share if share.any() else np.ones_like(share))


def _gaps(centres: F64, features: F64) -> F64:
    return np.asarray(np.sqrt(((centres - features) ** 2).mean(axis=1)))


def cohort_scores(distances: F64) -> F64:
    """(P,) v = (d - median over people) / (1.4826 MAD over people); the smaller, the more it is that person."""
    middle = np.median(distances)
    spread = _SPREAD * float(np.median(np.abs(distances - middle)))
    return np.asarray((distances - middle) / max(spread, 1e-9))


@dataclass(frozen=True, eq=False)
class SelfTest:
    """The cohort judged by itself, every take left out of its person's mean once and held against everybody."""

    spreads: Verification  # of distances in times the claimed person's own spread: what a verdict is based on
    scores: Verification  # of cohort scores v: what the literature compares
    ranks: tuple[int, ...]  # of the right person, one for each take

    @property
    def rank_1(self) -> float:
        """Share of takes that are nearest to their own person."""
        return float(np.mean([rank == 1 for rank in self.ranks]))


def self_test(cohort: Cohort) -> SelfTest:
    """Leave every take out once and score it. People with one take serve as others only.

    Raises ValueError when nobody has two takes.
    """
    ranks: list[int] = []
    found: list[F64] = []  # genuine, spreads, score
    repeated = [k for k, takes in enumerate(cohort.takes.values()) if len(takes) > 1]
    if not repeated:
        raise ValueError(f"everybody has one take of {cohort.action}; a score cannot be tested without a second")
    spreads = np.array([cohort.own_spread(cohort.people[k]) for k in repeated])
    for own in repeated:
        for take in range(len(cohort.takes[cohort.people[own]])):
            distances = cohort.left_out(cohort.people[own], take)
            genuine = np.array(repeated) == own
            found.append(np.stack([genuine, distances[repeated] / spreads, cohort_scores(distances)[repeated]], axis=1))
            ranks.append(rank_of([float(d) for d in distances], own))
    table = np.concatenate(found)
    mine = table[:, 0] == 1
    both = [Verification(table[mine, k], table[~mine, k]) for k in (1, 2)]
    return SelfTest(both[0], both[1], tuple(ranks))


def nearest_across(gallery: Cohort, probes: Cohort, *, normalised: bool = True) -> tuple[float, int]:
    """Recognise people of one action by another: share of probes nearest to their own person's mean, and their number.

    With `normalised` every action is standardised on its own first, which takes out what the action itself changes.
    Raises ValueError where the two share no person.
    """
    shared = [person for person in gallery.people if person in probes.takes]
    if not shared:
        raise ValueError(f"nobody does both {gallery.action} and {probes.action}; give takes of the same people")
    means = np.stack([gallery.standardised(gallery.takes[person]).mean(axis=0) for person in shared])
    scale = probes if normalised else gallery
    hits = [
        int(np.argmin(((means - scale.standardised(take)) ** 2).sum(axis=1))) == own
        for own, person in enumerate(shared)
        for take in probes.takes[person]
    ]
    return float(np.mean(hits)), len(hits)


def pairs_unseen(features: F64, people: Sequence[str], resolution: F64, *, weighted: bool = True) -> F64:
    """(N, N) distances of takes (N, F), each pair on a scale that saw neither of the two.

    NaN where fewer than MIN_PEOPLE are left for the scale. Without `weighted` every number counts the same: nothing is
    learned from who is who.
    """
    out = np.full((len(people), len(people)), np.nan)
    for i, j in itertools.combinations(range(len(people)), 2):
        rest = [k for k in range(len(people)) if k not in (i, j)]
        names = sorted({people[k] for k in rest})
        if len(names) < MIN_PEOPLE:
            continue
        takes = {name: features[[k for k in rest if people[k] == name]] for name in names}
        scale = Cohort("", takes, resolution).ranks
        if not weighted:
            scale = replace(scale, stretch=np.ones_like(scale.width))
        first, second = scale(features[[i, j]])
        out[i, j] = np.sqrt(((first - second) ** 2).mean())
    return out


def write_cohort(path: Path, cohort: Cohort) -> None:
    """Keep a cohort as npz of single precision without pickles; fingerprints are biometric data of whoever is in it."""
    labels = [person for person, takes in cohort.takes.items() for _ in takes]
    np.savez_compressed(
        path,
        who=np.array(cohort.who),
        action=np.array(cohort.action),
        people=np.array(labels),
        takes=cohort.every_take.astype(np.float32),
        resolution=np.array(cohort.resolution),
    )


def read_cohort(path: Path) -> Cohort:
    """Read what `write_cohort` wrote. Raises ValueError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as data:
            action, people, takes = str(data["action"]), [str(p) for p in data["people"]], data["takes"]
            takes, resolution, who = takes.astype(np.float64), data["resolution"], str(data["who"])
    except (KeyError, ValueError, BadZipFile, OSError, EOFError) as error:
        raise ValueError(f"{path.name} is no cohort of fingerprints: {error}; make it anew from the takes") from error
    if takes.ndim != 2 or len(takes) != len(people) or not np.isfinite(takes).all():
        raise ValueError(f"{path.name} has takes {takes.shape} of {len(people)} names, or no numbers; make it anew")
    return Cohort(action, {p: takes[[q == p for q in people]] for p in dict.fromkeys(people)}, resolution, who)


def pair_distances(features: F64) -> F64:
    """(N, N) root mean square distances between fingerprints (N, F)."""
    return np.stack([_gaps(features, row) for row in features])
