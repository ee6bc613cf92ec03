"""Real walks: twelve takes of one person, slow to brisk, against three others; all on one dummy body (CMU)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.issues import Issue
from capture.motion.bvh import read_bvh
from capture.motion.canonical import CANONICAL, CANONICAL_PARENTS, canonical_track
from capture.motion.clip import JointTrack
from training.movement.cohort import pairs_unseen
from training.movement.gait import FEATURES, RESOLUTION, SCORED, read_gait
from training.movement.others import REFERENCE, others_in
from training.movement.plausibility import floor_of, measure
from training.movement.sources import CUTOFF_HZ
from training.movement.style import StyleJudge, Verdict
from training.movement.traits import froude
from training.movement.verification import Verification, pairs, resampled_interval

F64 = NDArray[np.float64]

BASELINE = 0.967  # mean + sd + range of every channel, one common body: what was measured before this code
TEMPO = np.array([name in ("stride frequency", "speed") for name in FEATURES])


@pytest.fixture(scope="module")
def walks(data_dir: Path) -> dict[str, JointTrack]:
    """The walks of four people; the first frame of each file is a T-pose."""
    folder = data_dir / "motion" / "cmu"
    if not folder.is_dir():
        pytest.skip(f"no CMU walks at {folder}")
    tracks = {path.stem: canonical_track(read_bvh(path)) for path in sorted(folder.glob("*.bvh"))}
    return {name: replace(track, places=track.places[1:]) for name, track in tracks.items()}


@pytest.fixture(scope="module")
def people(walks: dict[str, JointTrack]) -> list[str]:
    return [name[:3] for name in walks]


def features(walks: dict[str, JointTrack], changed: Callable[[JointTrack], JointTrack], cutoff_hz: float = 0.0) -> F64:
    """(16, 241) of all walks."""
    gaits = [read_gait(changed(track), cutoff_hz=cutoff_hz) for track in walks.values()]
    assert not any(isinstance(gait, Issue) for gait in gaits)
    return np.stack([gait.features for gait in gaits if not isinstance(gait, Issue)])


def area(numbers: F64, people: list[str], chosen: NDArray[np.bool_] = SCORED, *, weighted: bool = True) -> Verification:
    return pairs(pairs_unseen(numbers[:, chosen], people, RESOLUTION[chosen], weighted=weighted), people)


def test_her_walks_are_nearer_to_each_other_than_to_others(walks: dict[str, JointTrack], people: list[str]) -> None:
    distances = pairs_unseen(features(walks, lambda t: t)[:, SCORED], people, RESOLUTION[SCORED])
    found = pairs(distances, people)
    # 66 pairs of subject 7 and one of subject 2; 52 of different people (5 against 6 leaves too few for a scale).
    assert (len(found.genuine), len(found.impostor)) == (67, 52)
    assert found.auc > 0.99
    assert found.interval[0] > BASELINE
    assert found.equal_error[0] <= 0.05
    assert resampled_interval(distances, people, rounds=200)[0] > BASELINE


def test_without_weights_learned_from_labels_it_still_reaches_the_bar(
    walks: dict[str, JointTrack], people: list[str]
) -> None:
    numbers = features(walks, lambda t: t)
    assert area(numbers, people, weighted=False).auc > BASELINE
    # Control: how fast she walks says next to nothing, her takes being slow to brisk.
    assert area(numbers, people, TEMPO, weighted=False).auc < 0.75


def test_shuffled_names_give_chance(walks: dict[str, JointTrack], people: list[str]) -> None:
    numbers = features(walks, lambda t: t)
    areas = [area(numbers, list(np.random.default_rng(s).permutation(people))).auc for s in range(4)]
    assert 0.3 < np.mean(areas) < 0.7


def on_a_body_of_its_own(track: JointTrack, rng: np.random.Generator) -> JointTrack:
    """The same directions of bones, each kind of bone 20 % longer or shorter, the whole 10 % taller or smaller."""
    out, factors = np.empty_like(track.places), dict[str, float]()
    out[:, 0] = track.places[:, 0]
    for joint, parent in list(enumerate(CANONICAL_PARENTS))[1:]:
        factor = factors.setdefault(CANONICAL[joint].split("_")[0], float(rng.uniform(0.8, 1.2)))
        out[:, joint] = out[:, parent] + factor * (track.places[:, joint] - track.places[:, parent])
    return replace(track, places=rng.uniform(0.9, 1.1) * out)


def as_of_a_detector(track: JointTrack, rng: np.random.Generator) -> JointTrack:
    """Joint places alone, 30 frames/s, whole millimetres, 5 mm of noise."""
    return JointTrack(track.names, np.round(track.places[::2] + rng.normal(0, 0.005, track.places[::2].shape), 3), 30.0)


def test_a_body_for_every_take_changes_nothing(walks: dict[str, JointTrack], people: list[str]) -> None:
    rng = np.random.default_rng(0)
    plain, lent = features(walks, lambda t: t), features(walks, lambda t: on_a_body_of_its_own(t, rng))
    assert area(lent, people).auc > 0.99
    change = np.abs(lent - plain)[:, :232].max()
    assert change < 1e-6  # every number of every channel: no length of any bone is in them


def test_joint_places_alone_are_enough(walks: dict[str, JointTrack], people: list[str]) -> None:
    rng = np.random.default_rng(0)
    found = area(features(walks, lambda t: as_of_a_detector(t, rng), 5.0), people)
    assert found.auc > BASELINE


def test_real_walks_are_plausible(walks: dict[str, JointTrack]) -> None:
    for name, track in walks.items():
        found = measure(track, floor_of([track]))
        assert not isinstance(found, Issue)
        assert found.beyond_share == 0, name
        assert found.beyond_deg < 6, name
        assert found.skating_share < 0.2, name
        assert found.in_floor_share == 0, name


def test_five_takes_of_her_among_the_walkers_of_the_house(walks: dict[str, JointTrack]) -> None:
    """Brisker and slower walks of hers pass and nobody else's, though all come nearest to her: they are no simulation.

    Her slowest two are at a pace that none of the five has: they are refused, and the pace is told.
    """
    cohort = others_in(REFERENCE).cohort
    gaits = {name: read_gait(track, cutoff_hz=CUTOFF_HZ) for name, track in walks.items()}
    hers = [gait for name in ("01", "02", "06", "07", "08") if not isinstance(gait := gaits[f"007_{name}"], Issue)]
    judge = StyleJudge("walk", {"her": hers}, cohort.takes, cohort.who, alike=False)
    names = ("007_03", "007_09", "007_10", "007_11", "007_12", "002_01", "002_02", "005_01", "006_01")
    found = {name: judge.judge("her", walks[name], cutoff_hz=CUTOFF_HZ) for name in names}
    assert {name for name, one in found.items() if one.verdict is Verdict.SAME} == set(names[:5])
    assert {one.score.rank for one in found.values() if one.score} == {1}
    slow = judge.judge("her", walks["007_04"], cutoff_hz=CUTOFF_HZ).report.facts
    assert slow["verdict"] == "not her"
    assert float(str(slow["froude"])) < min(froude(gait) for gait in hers) / 1.5
