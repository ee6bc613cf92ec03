"""Her walk among a dozen others: found again, refused when it is another's, told when it is anybody's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from stage_walkers import PLAIN, Walk, blended, gait_of, person_of, takes_of, varied, walk

from capture.issues import Severity
from training.movement.cohort import Cohort, nearest_across, self_test
from training.movement.embedding import learn_embedding
from training.movement.gait import Gait
from training.movement.style import GENERIC_BELOW, LIMITS, StyleJudge, Verdict
from training.movement.traits import TRAITS, deviations, froude, trait_values

SEEDS = range(1, 13)
PEOPLE = tuple(f"p{seed}" for seed in SEEDS)
JUDGED = (1, 4, 6)


@cache
def judge() -> StyleJudge:
    """Twelve people with five takes each."""
    return StyleJudge("walk", {f"p{seed}": takes_of(seed) for seed in SEEDS})


def fingerprints(gaits: tuple[Gait, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.stack([g.fingerprint for g in gaits])


def test_twelve_people_are_told_apart() -> None:
    found = judge().tested
    assert found.spreads.equal_error[0] <= 0.05
    assert found.scores.equal_error[0] <= 0.05
    assert found.rank_1 == 1.0
    assert LIMITS[0] <= judge().limit <= LIMITS[1]
    # Her limit lies between her own takes and the others'.
    assert np.mean(found.spreads.genuine <= judge().limit) > 0.95
    assert np.mean(found.spreads.impostor > judge().limit) > 0.98


def test_shuffled_labels_give_chance() -> None:
    every = judge().cohort.every_take
    ranks, areas = [], []
    for seed in range(3):
        mixed = np.random.default_rng(seed).permutation(every)
        found = self_test(Cohort("walk", dict(zip(PEOPLE, np.split(mixed, len(PEOPLE)), strict=True))))
        ranks.append(found.rank_1)
        areas.append(found.spreads.auc)
    assert np.mean(ranks) < 0.25  # 1 in 12, and the weights were learned on the same labels
    assert 0.3 < np.mean(areas) < 0.7


@pytest.mark.parametrize("seed", JUDGED)
@pytest.mark.parametrize(
    "how",
    [
        PLAIN,
        replace(PLAIN, tempo=1.1),
        replace(PLAIN, tempo=0.9),
        replace(PLAIN, heading_deg=130.0),
        replace(PLAIN, turn_deg_s=20.0),
        replace(PLAIN, fps=30.0),
        replace(PLAIN, noise_m=0.002),
    ],
    ids=["as she is", "10 % faster", "10 % slower", "another camera", "on a curve", "30 frames/s", "twice the noise"],
)
def test_she_stays_herself(seed: int, how: Walk) -> None:
    judgement = judge().judge(f"p{seed}", walk(person_of(seed), how))
    assert judgement.verdict is Verdict.SAME, judgement.score
    assert judgement.report.ok


@pytest.mark.parametrize("seed", JUDGED)
def test_four_times_the_noise_needs_the_filter(seed: int) -> None:
    """A noisier recording than her takes is no other person once it is filtered; compare like with like."""
    track = walk(person_of(seed), replace(PLAIN, noise_m=0.004))
    raw, filtered = (judge().judge(f"p{seed}", track, cutoff_hz=hz) for hz in (0.0, 6.0))
    assert filtered.verdict is Verdict.SAME
    assert raw.score is not None
    assert filtered.score is not None
    assert filtered.score.spreads < 0.8 * raw.score.spreads


@pytest.mark.parametrize("seed", JUDGED)
def test_she_stays_herself_on_another_body(seed: int) -> None:
    other = person_of(seed + 20)
    lent = replace(person_of(seed), shape=other.shape, height_m=other.height_m)
    assert judge().judge(f"p{seed}", walk(lent)).verdict is Verdict.SAME
    # Control: the body's owner walking is not her.
    assert judge().judge(f"p{seed}", walk(other)).verdict is not Verdict.SAME


def test_strangers_and_the_others_are_refused() -> None:
    verdicts = [judge().judge("p4", walk(person_of(seed))).verdict for seed in (*range(40, 46), 1, 2, 3, 5)]
    assert Verdict.SAME not in verdicts
    assert verdicts.count(Verdict.NOT_HER) >= 7  # some strangers do walk like the mean


@pytest.mark.parametrize("seed", JUDGED)
def test_the_nearer_to_the_mean_walker_the_lower_the_score(seed: int) -> None:
    people = [person_of(s) for s in SEEDS]
    clips = [gait_of(walk(blended(person_of(seed), people, share))) for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    scores = [judge().score(f"p{seed}", clip) for clip in clips]
    ways = [score.genericness for score in scores]
    assert (np.diff(ways) < 0).all()
    assert ways[0] > 0.85
    assert ways[-1] < 0.3
    assert (np.diff([score.spreads for score in scores])[1:] > 0).all()
    assert scores[0].verdict is Verdict.SAME
    assert [s.verdict for s in scores[-2:]] == [Verdict.TOO_GENERIC] * 2
    assert all((s.genericness < GENERIC_BELOW) == (s.verdict is not Verdict.SAME) for s in scores[:2])


def test_the_issue_says_how_generic() -> None:
    people = [person_of(s) for s in SEEDS]
    report = judge().judge("p6", walk(blended(person_of(6), people, 0.8)), where="twin_3.bvh").report
    first = report.errors[0]
    assert (first.code, first.where, first.expected) == ("MOTION_TOO_GENERIC", "twin_3.bvh", "50% or more")
    assert "of the way from the mean walker to her" in first.found
    assert report.facts["verdict"] == "too generic"


def test_a_changed_trait_is_named_and_no_other() -> None:
    person = person_of(9)  # both arms swing widely, so that their timing stays defined
    left, right = person.gait.arm_swing_deg
    stiff = replace(person, gait=replace(person.gait, arm_swing_deg=(left - 12, right)))
    found = judge().judge("p9", walk(stiff)).report.warnings
    named = {i.where.removeprefix("clip: ") for i in found if i.code == "TRAIT_OFF"}
    # A swing that is less on one side is more asymmetric, and carries the elbow's own swing.
    assert {"arm swing left", "arm swing asymmetry"} <= named
    assert named <= {"arm swing left", "arm swing asymmetry", "elbow bend"}
    assert all(i.severity is Severity.WARNING for i in found)
    assert not judge().judge("p9", walk(person)).report.issues


def test_traits_are_those_of_the_walker() -> None:
    person = person_of(3)
    gait = gait_of(walk(person, replace(PLAIN, noise_m=0.0)))
    values = trait_values(gait)
    assert set(values) == {trait.name for trait in TRAITS}
    assert values["cadence"] == pytest.approx(120 * person.gait.cadence_hz, rel=0.01)
    assert values["knee lift"] == pytest.approx(person.gait.knee_bend_deg + 4, abs=4)
    assert values["hip sway"] == pytest.approx(100 * 2 * person.gait.sway_m / gait.motion.leg_m, rel=0.15)
    assert values["shoulder against pelvis"] == pytest.approx(2 * 0.988 * person.gait.torso_twist_deg, rel=0.1)
    assert abs(values["arm behind leg left"]) < 8
    assert values["turn speed"] < 3
    turning = gait_of(walk(person, replace(PLAIN, turn_deg_s=30.0)))
    assert trait_values(turning)["turn speed"] == pytest.approx(30, abs=4)
    assert froude(gait) == pytest.approx((values["walking speed"] ** 2 * gait.motion.leg_m) / 9.81)


def test_a_late_arm_is_seen_in_its_timing() -> None:
    # Without a twist of the trunk, which would carry the shoulder that the arm is seen from.
    person = replace(person_of(3), gait=replace(person_of(3).gait, torso_twist_deg=0.0))
    track, hz = walk(person, replace(PLAIN, noise_m=0.0)), person.gait.cadence_hz
    late = track.places.copy()
    shift = round(track.fps / hz * 30 / 360)  # a twelfth of a stride
    body = late[:, [track.names.index("pelvis")]]
    for name in ("elbow_left", "wrist_left"):
        k = track.names.index(name)
        late[shift:, k] = (track.places[:, k] - body[:, 0])[:-shift] + body[shift:, 0]
    moved = trait_values(gait_of(replace(track, places=late[shift:])))
    before = trait_values(gait_of(track))
    change = moved["arm behind leg left"] - before["arm behind leg left"]
    assert (change + 180) % 360 - 180 == pytest.approx(360 * shift * hz / track.fps, abs=3)
    assert moved["arm behind leg right"] == pytest.approx(before["arm behind leg right"], abs=5)


def test_a_deviation_counts_in_her_own_spread() -> None:
    hers = takes_of(6)
    found = {d.trait.name: d for d in deviations(gait_of(walk(varied(person_of(6), 77))), hers)}
    cadence = found["cadence"]
    values = [trait_values(g)["cadence"] for g in hers]
    assert cadence.spread == pytest.approx(np.std(values, ddof=1) * np.sqrt(1.2))
    assert cadence.ratio == pytest.approx(abs(cadence.value - np.mean(values)) / cadence.spread)
    assert "x her own spread" in str(cadence)
    with pytest.raises(ValueError, match="1 of her takes given; a spread from take to take needs two or more"):
        deviations(hers[0], hers[:1])


def test_a_brisk_walk_is_recognised_by_ordinary_ones() -> None:
    """Every angle a third larger, the tempo a fifth higher: the action changes more than people differ."""

    def brisk(seed: int, take: int) -> Gait:
        p = varied(person_of(seed), 900 * seed + take)
        g = p.gait
        left, right = (1.5 * swing for swing in g.arm_swing_deg)
        grown = replace(
            g,
            hip_swing_deg=1.3 * g.hip_swing_deg,
            arm_swing_deg=(left, right),
            elbow_deg=(g.elbow_deg[0] + 30, g.elbow_deg[1] + 30),
            arm_raise_deg=g.arm_raise_deg + 8,
        )
        return gait_of(walk(replace(p, gait=grown), Walk(tempo=1.2, seed=take)))

    probes = Cohort("brisk", {f"p{s}": fingerprints(tuple(brisk(s, k) for k in range(1))) for s in SEEDS})
    raw, count = nearest_across(judge().cohort, probes, normalised=False)
    cleared, _ = nearest_across(judge().cohort, probes)
    assert count == 12
    assert cleared >= 0.9
    assert cleared > raw


def test_the_embedding_of_twelve_knows_them_in_new_takes() -> None:
    embedding = learn_embedding(judge().cohort)
    hits = [
        int(np.argmin(embedding.distances(judge().cohort, gait_of(walk(varied(person_of(s), 7000 + s))).fingerprint)))
        == s - 1
        for s in range(1, 7)
    ]
    assert np.mean(hits) >= 0.9


def test_clips_that_cannot_be_judged() -> None:
    short = judge().judge("p1", walk(person_of(1), replace(PLAIN, seconds=1.5)))
    assert (short.verdict, short.score, short.traits) == (Verdict.TOO_SHORT, None, ())
    assert short.report.errors[0].code == "MOTION_TOO_SHORT"
    track = walk(person_of(1))
    still = replace(track, places=np.repeat(track.places[:1], 200, axis=0))
    assert judge().judge("p1", still).verdict is Verdict.UNREADABLE


def test_few_takes_are_told() -> None:
    thin = StyleJudge("walk", {**judge().gaits, "p1": takes_of(1)[:3]})
    report = thin.judge("p1", walk(person_of(1))).report
    assert [(i.code, i.found) for i in report.warnings if i.code == "GALLERY_THIN"] == [("GALLERY_THIN", "3")]
    assert not judge().judge("p1", walk(person_of(1))).report.warnings


def test_of_the_others_fingerprints_are_enough() -> None:
    others = {name: fingerprints(tuple(gaits)) for name, gaits in judge().gaits.items() if name != "p1"}
    alone = StyleJudge("walk", {"p1": takes_of(1)}, others, "walkers")
    for seed in (1, 4):
        track = walk(person_of(seed))
        one, other = (j.judge("p1", track) for j in (alone, judge()))
        assert one.score is not None
        assert other.score is not None
        assert one.score.spreads == pytest.approx(other.score.spreads)
        assert (one.verdict, one.score.rank) == (other.verdict, other.score.rank)
        assert one.report.facts["others"] == "11 walkers"
    with pytest.raises(ValueError, match="person 'p4' has no gaits in walk; those of p1 are"):
        alone.judge("p4", walk(person_of(4)))
    with pytest.raises(ValueError, match="person 'p4' is among the judged and among the others"):
        StyleJudge("walk", {"p4": takes_of(4)}, others)
    with pytest.raises(ValueError, match="fingerprints of the cohort have lengths"):
        _ = StyleJudge("walk", {"p1": takes_of(1)}, {"x": np.zeros((2, 3)), "y": np.zeros((2, 3))}).cohort


def test_a_learned_scale_speaks_where_the_others_were_recorded_as_she_was() -> None:
    hers, strangers = gait_of(walk(varied(person_of(1), 77))), [gait_of(walk(person_of(s))) for s in (4, 6, 9)]
    assert judge().learned_rank("p1", hers) == 1
    assert all(judge().learned_rank("p1", clip) > 1 for clip in strangers)
    facts = judge().judge("p1", walk(person_of(1))).report.facts
    assert facts["rank_on_learned_scale"] == 1
    unlike = StyleJudge("walk", judge().gaits, alike=False)
    assert "rank_on_learned_scale" not in unlike.judge("p1", walk(person_of(1))).report.facts


def test_somebody_unknown_is_misuse() -> None:
    with pytest.raises(ValueError, match="person 'ana' is not in the cohort of walk; it has p1, p2"):
        judge().score("ana", takes_of(1)[0])
