"""Areas, intervals, error rates and ranks against values that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.movement.verification import Verification, pairs, rank_of, resampled_interval


def drawn(apart: float, genuine: int, impostor: int, seed: int = 0) -> Verification:
    rng = np.random.default_rng(seed)
    return Verification(rng.normal(0, 1, genuine), rng.normal(apart, 1, impostor))


def test_area_of_a_small_example() -> None:
    assert Verification(np.array([1.0, 2.0]), np.array([2.0, 3.0])).auc == pytest.approx(0.875)
    assert Verification(np.array([1.0]), np.array([2.0])).auc == 1.0
    assert Verification(np.array([2.0]), np.array([1.0])).auc == 0.0
    assert Verification(np.array([1.0]), np.array([1.0])).auc == 0.5


def test_area_of_two_normal_distributions() -> None:
    expected = 0.5 * (1 + math.erf(1.5 / math.sqrt(2) / math.sqrt(2)))
    assert drawn(1.5, 4000, 4000).auc == pytest.approx(expected, abs=0.01)


def test_the_interval_is_that_of_hanley_and_mcneil() -> None:
    """Radiology 143:29 (1982): an area of 0.893 with 51 and 58 cases has a standard error of 0.032."""
    genuine = np.array([0.0] * 45 + [27.5] + [99.0] * 5)
    found = Verification(genuine, np.arange(1.0, 59.0))
    low, high = found.interval
    assert found.auc == pytest.approx(0.893, abs=5e-4)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=7e-4)


def test_the_interval_covers() -> None:
    truth = 0.5 * (1 + math.erf(1.0 / 2))
    inside = [low <= truth <= high for low, high in (drawn(1.0, 30, 30, seed=s).interval for s in range(200))]
    assert 0.9 <= np.mean(inside) <= 0.99


def test_equal_error_rate_of_two_normal_distributions() -> None:
    rate, threshold = drawn(2.0, 5000, 5000).equal_error
    assert rate == pytest.approx(0.1587, abs=0.01)
    assert threshold == pytest.approx(1.0, abs=0.1)


def test_without_overlap_the_threshold_lies_in_the_gap() -> None:
    assert Verification(np.array([0.0, 1.0]), np.array([3.0, 9.0])).equal_error == (0.0, 2.0)


def test_pairs_are_counted_once_and_gaps_not_at_all() -> None:
    distances = np.array([[0, 1, 5, 6], [1, 0, 7, 8], [5, 7, 0, 2], [6, 8, 2, 0]], dtype=float)
    found = pairs(distances, ["a", "a", "b", "b"])
    assert sorted(found.genuine) == [1, 2]
    assert sorted(found.impostor) == [5, 6, 7, 8]
    distances[0, 2] = np.nan
    assert len(pairs(distances, ["a", "a", "b", "b"]).impostor) == 3


def test_drawing_takes_anew_gives_a_wider_interval_than_pairs_suggest() -> None:
    rng = np.random.default_rng(1)
    people = [p for p in "abcd" for _ in range(4)]
    points = np.repeat(rng.normal(0, 1.0, (4, 3)), 4, axis=0) + rng.normal(0, 0.8, (16, 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    found = pairs(distances, people)
    low, high = resampled_interval(distances, people, rounds=300)
    assert low < found.auc < high
    assert high - low > 0.8 * (found.interval[1] - found.interval[0])
    with pytest.raises(ValueError, match="takes of 1 people give no pairs of both kinds"):
        resampled_interval(distances[:4, :4], ["a"] * 4, rounds=10)


def test_ties_go_against_her() -> None:
    assert rank_of([1.0, 2.0, 3.0], 0) == 1
    assert rank_of([1.0, 2.0, 3.0], 2) == 3
    assert rank_of([1.0, 1.0, 3.0], 0) == 2


def test_a_verification_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="0 genuine and 2 impostor distances; give some of both"):
        Verification(np.array([]), np.array([1.0, 2.0]))
