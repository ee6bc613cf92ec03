"""Ranks, scores and files of a cohort on made numbers, where every answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.movement.cohort import (
    Cohort,
    cohort_scores,
    nearest_across,
    pair_distances,
    read_cohort,
    reliability,
    self_test,
    write_cohort,
)  # fmt: skip
from training.movement.embedding import learn_embedding, read_embedding, write_embedding
from training.movement.verification import pairs

F64 = NDArray[np.float64]
FEATURES = 40


def people(count: int, takes: int, *, spread: float = 0.5, telling: int = 10, seed: int = 0) -> dict[str, F64]:
    """Fingerprints of which the first few numbers tell people apart and the others are noise."""
    rng = np.random.default_rng(seed)
    out = {}
    for k in range(count):
        mean = np.zeros(FEATURES)
        mean[:telling] = rng.normal(0, 1, telling)
        noise = np.where(np.arange(FEATURES) < telling, spread, 1.0)
        out[f"p{k}"] = mean + noise * rng.normal(0, 1, (takes, FEATURES))
    return out


def shuffled(takes: dict[str, F64], seed: int) -> dict[str, F64]:
    """The same takes under names drawn anew."""
    every = np.random.default_rng(seed).permutation(np.concatenate(list(takes.values())))
    return dict(zip(takes, np.split(every, len(takes)), strict=True))


def test_reliability_of_known_variances() -> None:
    found = reliability(list(people(400, 5, spread=0.5).values()))
    assert found[:10].mean() == pytest.approx(1 / 1.25, abs=0.03)
    assert found[10:].mean() < 0.03
    assert (reliability([np.ones((1, 3)), np.zeros((1, 3))]) == 1).all()


def test_ranks_ignore_units_and_bound_outliers() -> None:
    takes = people(12, 5)
    plain = Cohort("walk", takes)
    scaled = Cohort("walk", {p: 1000 * t + 7 for p, t in takes.items()})
    probe = takes["p3"][0]
    assert scaled.distances(1000 * probe + 7) == pytest.approx(plain.distances(probe))
    wild = probe.copy()
    wild[20] = 1e9
    assert np.abs(plain.distances(wild) - plain.distances(probe)).max() < 0.2


def test_a_person_weighs_the_same_with_many_takes() -> None:
    takes = people(6, 4)
    more = {**takes, "p0": np.repeat(takes["p0"], 10, axis=0)}
    one, other = Cohort("walk", takes).ranks(takes["p1"]), Cohort("walk", more).ranks(takes["p1"])
    # Reliability sees more takes; the ranks themselves are the same.
    stretches = Cohort("walk", takes).ranks.stretch, Cohort("walk", more).ranks.stretch
    telling = (stretches[0] > 0.1) & (stretches[1] > 0.1)
    first, second = one[:, telling] / stretches[0][telling], other[:, telling] / stretches[1][telling]
    assert first == pytest.approx(second, abs=1e-9)


def test_people_are_told_apart_and_shuffled_labels_are_not() -> None:
    takes = people(14, 5)
    found = self_test(Cohort("walk", takes))
    assert found.rank_1 > 0.95
    assert found.spreads.equal_error[0] < 0.05
    assert found.scores.auc > 0.97
    chance = [self_test(Cohort("walk", shuffled(takes, s))) for s in range(6)]
    assert np.mean([c.rank_1 for c in chance]) < 3 / 14
    assert 0.35 < np.mean([c.spreads.auc for c in chance]) < 0.65


def test_cohort_score_by_hand() -> None:
    assert cohort_scores(np.array([1.0, 3.0, 5.0])) == pytest.approx(np.array([-2, 0, 2]) / (1.4826 * 2))


def test_the_way_from_the_mean_walker() -> None:
    cohort = Cohort("walk", people(10, 8, spread=0.1))
    hers = cohort.takes["p0"].mean(axis=0)
    mean = np.mean([t.mean(axis=0) for t in cohort.takes.values()], axis=0)
    ways = [cohort.genericness("p0", (1 - share) * hers + share * mean) for share in np.linspace(0, 1, 11)]
    assert (np.diff(ways) < 0).all()
    assert ways[0] == pytest.approx(1, abs=0.1)
    assert ways[-1] == pytest.approx(0, abs=0.15)


def test_an_action_is_taken_out_before_people_are_compared() -> None:
    walk = people(10, 6)
    rng = np.random.default_rng(5)
    stretch, shift = rng.uniform(0.3, 3, FEATURES), rng.normal(0, 3, FEATURES)
    run = {p: stretch * (t.mean(axis=0) + 0.5 * rng.normal(0, 1, (6, FEATURES))) + shift for p, t in walk.items()}
    raw, count = nearest_across(Cohort("walk", walk), Cohort("run", run), normalised=False)
    cleared, _ = nearest_across(Cohort("walk", walk), Cohort("run", run))
    assert count == 60
    assert raw < 0.6
    assert cleared > 0.9
    with pytest.raises(ValueError, match="nobody does both walk and run"):
        nearest_across(Cohort("walk", walk), Cohort("run", {f"q{k}": t for k, t in enumerate(run.values())}))


def test_a_learned_embedding_knows_people_it_never_saw() -> None:
    takes = people(30, 5, spread=0.9)
    gallery = Cohort("walk", {p: takes[p] for p in list(takes)[:20]})
    new = {p: takes[p] for p in list(takes)[20:]}
    labels = [p for p, t in new.items() for _ in t]
    every = np.concatenate(list(new.values()))
    learned = pairs(pair_distances(learn_embedding(gallery, dimensions=10)(every)), labels).auc
    raw = pairs(pair_distances(gallery.standardised(every)), labels).auc
    chance = pairs(
        pair_distances(learn_embedding(Cohort("walk", shuffled(dict(gallery.takes), 1)), dimensions=10)(every)), labels
    ).auc
    assert learned > raw + 0.02
    assert learned > chance + 0.02


def test_the_embedding_whitens_what_varies_within_people() -> None:
    cohort = Cohort("walk", people(12, 40, spread=0.5))
    embedding = learn_embedding(cohort, shrinkage=0.0)
    inside = np.concatenate([t - t.mean(axis=0) for t in embedding.cohort(cohort).takes.values()])
    assert np.cov(inside.T) == pytest.approx(np.eye(11), abs=0.1)


def test_files_come_back_as_they_went(tmp_path: Path) -> None:
    cohort = Cohort("walk", people(5, 3))
    write_cohort(tmp_path / "walk.npz", cohort)
    back = read_cohort(tmp_path / "walk.npz")
    assert back.people == cohort.people
    assert (back.action, back.who) == ("walk", "people")
    assert back.every_take == pytest.approx(cohort.every_take, rel=1e-6)
    assert back.every_take.dtype == np.float64
    embedding = learn_embedding(cohort)
    write_embedding(tmp_path / "e.npz", embedding)
    again = read_embedding(tmp_path / "e.npz")
    assert again(cohort.takes["p0"]).tolist() == embedding(cohort.takes["p0"]).tolist()


@pytest.mark.parametrize("kind", ["text", "pickle", "other"])
def test_other_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "strange.npz"
    if kind == "text":
        path.write_text("no npz")
    elif kind == "pickle":
        np.savez(path, people=np.array([{"a": 1}], dtype=object), mean=np.array([{}], dtype=object))
    else:
        np.savez(path, x=np.zeros(3))
    with pytest.raises(ValueError, match="strange.npz is no cohort of fingerprints: .*; make it anew"):
        read_cohort(path)
    with pytest.raises(ValueError, match="strange.npz is no embedding: .*; learn it anew"):
        read_embedding(path)


def test_a_cohort_without_numbers_is_refused(tmp_path: Path) -> None:
    takes = people(4, 2)
    takes["p1"][0, 3] = np.nan
    write_cohort(tmp_path / "gaps.npz", Cohort("walk", takes))
    with pytest.raises(ValueError, match=r"gaps.npz has takes \(8, 40\) of 8 names, or no numbers; make it anew"):
        read_cohort(tmp_path / "gaps.npz")


def test_misuse_is_told() -> None:
    cohort = Cohort("walk", people(4, 2))
    with pytest.raises(ValueError, match="cohort has 2 people; a score among others needs 3 or more"):
        Cohort("walk", people(2, 2))
    with pytest.raises(ValueError, match=r"fingerprints of the cohort have lengths \[3, 40\]"):
        Cohort("walk", {**people(4, 2), "x": np.zeros((2, 3))})
    with pytest.raises(ValueError, match="person 'ana' is not in the cohort of walk; it has p0, p1, p2, p3"):
        cohort.own_spread("ana")
    with pytest.raises(ValueError, match="fingerprint has 3 numbers, the cohort has 40"):
        cohort.distances(np.zeros(3))
    with pytest.raises(ValueError, match="shrinkage is 2; give a share from 0"):
        learn_embedding(cohort, shrinkage=2)
    with pytest.raises(ValueError, match="9 dimensions asked of 4 people; give 1 to 3"):
        learn_embedding(cohort, dimensions=9)
    with pytest.raises(ValueError, match="fingerprint has 3 numbers, the embedding was learned on 40"):
        learn_embedding(cohort)(np.zeros(3))
    once = Cohort("walk", people(4, 1))
    with pytest.raises(ValueError, match="every person of the cohort has one take"):
        learn_embedding(once)
    with pytest.raises(ValueError, match="everybody has one take of walk"):
        self_test(once)
    with pytest.raises(ValueError, match="p0 has one take of walk; a spread"):
        once.own_spread("p0")
