"""Movement that is asked for: the way, what is held, the loop, planted feet, and whose it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CONSENT
from tiny_movement import SHORT, make_base, walk, write_base, write_session

from capture import store
from capture.errors import ConsentRefused, IncompleteInput
from capture.motion.skeletons import canonical_skeleton
from training.movement.base import MovementBase, make_schedule, save_base
from training.movement.features import FEET, contacts_of, encode, in_legs
from training.movement.generate import Mover, Wish, generate, generate_twin, planted
from training.movement.judging import judged_real, numbers_of
from training.movement.learn import train_movement
from training.movement.path import route_of
from training.movement.sampling import Held, Sampling

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
QUICK = Sampling(steps=3)


@pytest.fixture(scope="module")
def model() -> MovementBase:
    return make_base()


def route(path: list[list[float]] | None, seconds: float | None = None, speed: float | None = None) -> object:
    return route_of(
        None if path is None else np.array(path, float), seconds=seconds, speed_m_s=speed, rate=30.0, least_s=1.0
    )


def test_the_same_wish_is_the_same_movement(model: MovementBase) -> None:
    one, again = (generate(Wish("walk", 1.5, 1.0, sampling=QUICK), model) for _ in range(2))
    assert len(one.clip) == 45
    assert one.clip.fps == 30
    assert np.array_equal(one.clip.rotations, again.clip.rotations)
    other = generate(Wish("walk", 1.5, 1.0, sampling=replace(QUICK, seed=1)), model)
    assert np.abs(other.clip.rotations - one.clip.rotations).max() > 0.1
    assert one.facts["changed_afterwards"] == []
    spun = one.clip.rotations @ np.swapaxes(one.clip.rotations, -1, -2)
    np.testing.assert_allclose(spun, np.broadcast_to(np.eye(3), spun.shape), atol=1e-9)


def test_action_and_guidance_reach_the_base(model: MovementBase) -> None:
    usual = generate(Wish("walk", 1.5, sampling=QUICK), model).clip
    for other in (
        Wish("turn", 1.5, sampling=QUICK),
        Wish("walk", 1.5, sampling=replace(QUICK, guidance=5.0)),
        Wish("walk", 1.5, 1.4, sampling=QUICK),
    ):
        assert not np.array_equal(generate(other, model).clip.rotations, usual.rotations)


def test_her_bones_are_hers(model: MovementBase) -> None:
    tall = replace(canonical_skeleton(), offsets=1.2 * canonical_skeleton().offsets)
    wish = Wish("walk", 1.5, sampling=QUICK)
    usual, found = generate(wish, model).clip, generate(wish, model, Mover(skeleton=tall, standing_m=0.1)).clip
    np.testing.assert_allclose(found.skeleton.lengths, 1.2 * canonical_skeleton().lengths)
    np.testing.assert_allclose(found.rotations, usual.rotations, atol=1e-9)
    np.testing.assert_allclose(found.root[:, 2], 1.2 * usual.root[:, 2] + 0.1, atol=1e-6)


def test_longer_than_a_window_is_made_of_several(model: MovementBase) -> None:
    found = generate(Wish("walk", 4.0, sampling=QUICK), model)
    assert len(found.clip) == 120
    first = generate(Wish("walk", 1.6, sampling=QUICK), model)
    # Smoothing sees a few frames beyond the window, where one clip ends and the other goes on.
    np.testing.assert_allclose(found.clip.rotations[:24], first.clip.rotations[:24], atol=1e-6)
    assert found.facts["seconds"] == 4.0


def test_it_begins_and_ends_with_given_clips(model: MovementBase) -> None:
    before, after = walk(4, 1.0), walk(5, 1.0)
    found = generate(Wish("walk", 1.5, begins=before, ends=after, sampling=QUICK), model).clip
    np.testing.assert_allclose(found.rotations[:10, 1:], before.rotations[-10:, 1:], atol=1e-4)
    np.testing.assert_allclose(found.rotations[-10:, 1:], after.rotations[:10, 1:], atol=1e-4)
    free = generate(Wish("walk", 1.5, sampling=QUICK), model).clip
    assert np.abs(free.rotations[:10, 1:] - before.rotations[-10:, 1:]).max() > 0.1
    with pytest.raises(ValueError, match="loop cannot begin or end with another clip"):
        generate(Wish("walk", 1.5, begins=before, loop=True), model)


@pytest.mark.parametrize("seconds", [1.0, 3.0])  # one window, several
def test_a_loop_comes_round(model: MovementBase, seconds: float) -> None:
    def jump(loop: bool) -> tuple[float, float]:
        clip = generate(Wish("walk", seconds, loop=loop, sampling=Sampling(steps=6)), model).clip
        rows = in_legs(encode(clip)).rotations[:, 1:]
        within = np.abs(np.diff(rows, axis=0)).mean(axis=(1, 2))
        return float(np.abs(rows[0] - rows[-1]).mean()), float(np.median(within))

    round_, step = jump(loop=True)
    assert round_ < 2 * step
    far, _ = jump(loop=False)
    assert far != round_


def test_held_frames_equal_at_both_ends() -> None:
    rows, known = torch.zeros(1, 20, 116), torch.zeros(1, 20, dtype=torch.bool)
    known[0, 7] = True
    made = torch.randn(1, 20, 116)
    looped = Held(rows, known, loop=4)(made, 16)
    assert torch.equal(looped[:, :4], looped[:, 12:16])
    assert torch.equal(looped[:, 4:7], made[:, 4:7])
    assert (looped[:, 7] == 0).all()
    assert torch.equal(Held(rows, known)(made, 16)[:, :7], made[:, :7])
    assert len(make_schedule().alphas_cumprod) == 1000


def test_a_way_is_walked_at_its_speed() -> None:
    found = route([[0, 0], [3, 0]], speed=1.0)
    assert len(found) == 90  # type: ignore[arg-type]
    corner = route_of(np.array([[1.0, 1], [1, 3], [3, 3]]), seconds=None, speed_m_s=1.0, rate=30.0, least_s=1.0)
    assert corner.start_m == (1, 1)
    assert np.degrees(corner.heading) == pytest.approx(90, abs=1)
    assert np.degrees(corner.way[:, 2].sum() / 30) == pytest.approx(-90, abs=3)
    assert np.abs(corner.way[:20, 2]).max() < 0.05
    np.testing.assert_allclose(corner.way[:, 0], 1)
    np.testing.assert_allclose(corner.in_units(0.5).way[:, 0], 2)
    slower = route_of(np.array([[0.0, 0], [3, 0]]), seconds=6.0, speed_m_s=None, rate=30.0, least_s=1.0)
    np.testing.assert_allclose(slower.way[:, 0], 0.5)


@pytest.mark.parametrize(
    ("path", "seconds", "speed", "said"),
    [
        ([[0, 0], [1, 0]], 3.0, 1.0, r"path is 1.00 m long, too short for 3.00 m at 1 m/s for 3 s"),
        ([[0, 0], [1, 0]], None, None, "path is given without seconds or speed"),
        (None, None, 1.0, "length is not told"),
        ([[0, 0]], 2.0, None, r"path is \(1, 2\); give two points"),
        ([[1, 1], [1, 1]], 2.0, None, "path has no length"),
        ([[0, 0], [1, 0]], 0.5, None, "movement of 0.50 s is too short"),
        (None, -1.0, None, "seconds must be above 0"),
        (None, 2.0, 40.0, "speed_m_s must be above 0 and at most 12"),
    ],
)
def test_a_way_that_nobody_can_go_is_refused(
    path: list[list[float]] | None, seconds: float | None, speed: float | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        route(path, seconds, speed)


def test_wishes_that_mean_nothing_are_refused(model: MovementBase) -> None:
    with pytest.raises(ValueError, match="action 'wlak' is unknown to the base; choose of turn, walk"):
        generate(Wish("wlak", 2.0), model)
    with pytest.raises(ValueError, match="action '' is unknown"):
        generate(Wish("", 2.0), model)
    with pytest.raises(ValueError, match="movement of 200 s is too long; ask for 120 s"):
        generate(Wish("walk", 200.0), model)
    with pytest.raises(ValueError, match="sampling steps must be 1 to 1000, found 0"):
        Sampling(steps=0)
    assert len(generate(Wish("wave", 1.5, sampling=QUICK), model, Mover(actions=("wave",))).clip) == 45


def test_feet_are_planted_only_when_asked(model: MovementBase) -> None:
    clip = walk(4, 3.0)
    sliding = replace(clip, root=clip.root * (1.2, 1, 1))  # further than her feet carry her
    standing = contacts_of(clip)

    def slid(found: np.ndarray) -> float:
        both = (standing[1:] > 0.5) & (standing[:-1] > 0.5)
        return float((np.linalg.norm(np.diff(found, axis=0), axis=2) * both).sum())

    at = [clip.skeleton.index(name) for name in FEET]
    before, after = (slid(c.world[1][:, at, :2]) for c in (sliding, planted(sliding, standing)))
    assert after < 0.35 * before
    assert np.array_equal(planted(sliding, standing).rotations, clip.rotations)
    assert np.array_equal(planted(sliding, 0 * standing).root, sliding.root)
    wish = Wish("walk", 1.5, plant_feet=True, sampling=QUICK)
    assert generate(wish, model).facts["changed_afterwards"] == ["plant_feet"]


def test_a_twin_moves_within_her_consent(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    session = write_session(tmp_path)
    twin, _ = train_movement(session, "twin1", base=base, recipe=SHORT.model_copy(update={"steps": 8, "rate": 0.02}))
    wish = Wish("turn", 1.5, sampling=QUICK)
    made = generate_twin(session, "twin1", wish, base=base)
    assert (made.facts["consent"], made.facts["adapter"]) == ("c001", twin.adapter_digest)
    np.testing.assert_allclose(made.clip.skeleton.offsets, twin.skeleton.offsets)
    plain = generate(wish, make_base(), Mover(twin.skeleton, twin.trigger, (), twin.standing_m))
    assert np.abs(plain.clip.rotations - made.clip.rotations).max() > 1e-3
    assert len(made.clip) == 45
    assert "AI twin" in str(made.facts["generated"])
    other = make_base(seed=1)
    save_base(other, tmp_path / "other")
    with pytest.raises(IncompleteInput, match="movement of twin 'twin1' was trained on another base"):
        generate_twin(session, "twin1", wish, base=tmp_path / "other")
    refusing = CONSENT.replace(', "render"', "")
    store.write_atomic(session.vault.consent_file("p001", "c001"), refusing)
    with pytest.raises(ConsentRefused, match="does not allow 'render'"):
        generate_twin(session, "twin1", wish, base=base)


def test_a_walk_strides_and_noise_does_not(model: MovementBase, data_dir: Path) -> None:
    real = walk(6, 4.0)
    found = numbers_of(real)
    assert found["strides"] == 1
    assert 0.6 < found["stride_hz"] < 1.2
    random = numbers_of(generate(Wish("walk", 4.0, sampling=QUICK), model).clip)
    assert random.get("jerk_mean_legs", np.inf) > 3 * found["jerk_mean_legs"] or not random["readable"]
    with pytest.raises(ValueError, match="none of 0 clips can be measured"):
        judged_real([])
