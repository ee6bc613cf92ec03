"""The movement base: what it is told, what it is saved as, what it learns by, and that LoRA finds its layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from scipy.ndimage import gaussian_filter1d
from tiny_movement import SMALL, WORDS, make_base, take, walk, write_base
from torch import Tensor

from capture.errors import IncompleteInput
from capture.issues import Issue
from capture.motion.clip import JointTrack, MotionClip
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from training.adapter import targets
from training.movement.adapter import attach
from training.movement.base import (
    NOISE_STEPS,
    ROW,
    BaseConfig,
    MovementBase,
    base_digest,
    load_base,
    make_schedule,
)
from training.movement.conditions import LONGEST, Vocabulary
from training.movement.features import FEET, decode, encode, in_legs
from training.movement.losses import Weights, feet_speeds, frame_errors, seen_clearly
from training.movement.principal import start_at_principal
from training.movement.sampling import on_the_way, smoothed
from training.movement.windows import Cutter, Windows, mirrored, statistics, take_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def cutter() -> Cutter:
    takes = [take(walk(3)), take(walk(3, 1.2), action="turn", person="sks")]
    return Cutter(takes, WORDS, window=SMALL.window, rate_hz=30)


@pytest.fixture(scope="module")
def windows(cutter: Cutter) -> Windows:
    return cutter.cut(torch.tensor([0, 1]), torch.tensor([5, 0]))


def answer(windows: Windows, **values: Tensor) -> Tensor:
    """What the random base makes of a fixed noise, with some conditions other than those of the windows."""
    model = make_base()
    noise = torch.randn(windows.rows.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model(noise, torch.full((len(windows),), 400.0), replace(windows.asked, **values))


def test_words_are_numbers_and_others_letters() -> None:
    assert WORDS.spell("walk") != WORDS.spell("turn") != WORDS.spell("sks")
    assert WORDS.spell("walk", letters=True) != WORDS.spell("walk")
    assert WORDS.spell("") == [0] * LONGEST
    assert len(WORDS.spell("slow walk")) == LONGEST
    assert WORDS.knows("turn walk")
    assert not WORDS.knows("turn walks")
    assert max(WORDS.spell("turn z9-_")) < len(WORDS)


@pytest.mark.parametrize(
    ("text", "said"), [("señora", "word 'señora' cannot be spelled"), ("a" * 17, "takes 17 letters to spell")]
)
def test_what_cannot_be_spelled_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WORDS.spell(text)


def test_a_word_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary has a word twice: walk, walk"):
        Vocabulary(("walk", "walk"))


def test_every_condition_changes_what_comes_out(windows: Windows) -> None:
    usual, asked = answer(windows), windows.asked
    others = {
        "action": asked.action.flip(0), "person": asked.person.flip(0), "path": asked.path + 0.5,
        "path_open": ~asked.path_open, "speed": asked.speed + 0.5, "speed_open": ~asked.speed_open,
        "seconds": asked.seconds + 1, "seconds_open": ~asked.seconds_open,
    }  # fmt: skip
    for name, value in others.items():
        assert (answer(windows, **{name: value}) - usual).abs().max() > 1e-4, name
    assert torch.equal(answer(windows), usual)


def test_the_order_of_letters_counts(windows: Windows) -> None:
    one, two = (torch.tensor([WORDS.spell(name)] * 2) for name in ("sks", "kss"))
    assert (answer(windows, person=one) - answer(windows, person=two)).abs().max() > 1e-4


def test_what_is_left_open_says_nothing(windows: Windows) -> None:
    gone = ~windows.asked.path_open
    one = answer(windows, path_open=gone)
    assert torch.equal(one, answer(windows, path_open=gone, path=windows.asked.path + 3))


def test_frames_that_do_not_exist_are_not_seen(cutter: Cutter) -> None:
    short = cutter.cut(torch.tensor([1]), torch.tensor([0]))
    assert int(short.asked.mask.sum()) == 36
    short.asked.mask[0, 35] = False  # now a token holds frames that exist, and one that does not
    other = Windows(short.rows.clone(), short.bones, short.asked)
    model = make_base()
    noise = torch.randn(short.rows.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one = model(noise, torch.tensor([10.0]), short.asked)
        noise[:, 35:] += 5
        two = model(noise, torch.tensor([10.0]), other.asked)
    torch.testing.assert_close(one[:, :35], two[:, :35])
    noise[:, 30] += 5
    with torch.no_grad():
        three = model(noise, torch.tensor([10.0]), other.asked)
    assert (three[:, :30] - two[:, :30]).abs().max() > 1e-4


def test_conditions_are_dropped_one_by_one(cutter: Cutter) -> None:
    many = cutter.draw(400, torch.Generator().manual_seed(0)).asked
    dropped = many.dropped(0.25, torch.Generator().manual_seed(1))
    shares = [(dropped.action == 0).all(1), (dropped.person == 0).all(1), dropped.path_open, dropped.speed_open]
    for share in (*shares, dropped.seconds_open):
        assert 0.17 < share.float().mean() < 0.33
    assert not torch.equal(shares[0], shares[1])
    none = many.dropped(0.0, torch.Generator().manual_seed(1))
    assert torch.equal(none.action, many.action)
    assert not none.path_open.any()


def test_a_base_comes_back_from_its_folder(tmp_path: Path, windows: Windows) -> None:
    folder = write_base(tmp_path / "base")
    model, again = make_base(), load_base(folder)
    with torch.no_grad():
        noise = torch.randn(windows.rows.shape)
        time = torch.tensor([3.0, 900.0])
        assert torch.equal(model(noise, time, windows.asked), again(noise, time, windows.asked))
    assert again.vocabulary == WORDS
    assert not any(p.requires_grad for p in again.parameters())
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == {"config.json", "vocabulary.json", "model.safetensors", "scheduler/scheduler_config.json"}
    schedule = DDIMScheduler.from_pretrained(str(folder / "scheduler"), local_files_only=True)
    assert torch.equal(schedule.alphas_cumprod, make_schedule().alphas_cumprod)
    assert schedule.config.prediction_type == "sample"


def test_a_base_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    digest = base_digest(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layers": 3}))
    assert base_digest(folder) != digest
    with pytest.raises(IncompleteInput, match="weights of movement base 'base' do not fit its config, first blocks.2"):
        load_base(folder)
    (folder / "config.json").write_text(json.dumps(config | {"joints": ["pelvis"]}))
    with pytest.raises(IncompleteInput, match="is of another format or skeleton"):
        load_base(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(IncompleteInput, match="movement base 'base' lacks model.safetensors"):
        base_digest(folder)
    with pytest.raises(IncompleteInput, match="movement base 'none' cannot be read"):
        load_base(tmp_path / "none")
    with pytest.raises(ValueError, match="width 30 must be a multiple of twice the heads"):
        BaseConfig(width=30)


def test_lora_finds_attention_and_mlp_by_name() -> None:
    model = make_base()
    parts = ("to_q", "to_k", "to_v", "to_out", "mlp_in", "mlp_out")
    assert targets(model) == [f"blocks.{k}.{part}" for k in range(2) for part in parts]
    trained = attach(model, rank=2, alpha=2, seed=0)
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == len(names) == 2 * 2 * len(parts)
    assert all("lora_" in name for name in names)


def test_the_truth_has_no_loss_and_errors_have(windows: Windows) -> None:
    model = make_base()
    truth = model.normalised(windows.rows)

    def loss(off: Tensor | float, weights: Weights, signal: float | None = None) -> Tensor:
        seen = None if signal is None else torch.full((2,), signal)
        return frame_errors(model, truth + off, windows, weights, signal=seen)

    rows, all_terms = Weights(0, 0, 0), Weights(1, 1, 1)
    assert loss(0.0, all_terms).max() < 1e-8
    noise = 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    steady, jittery = noise[:, :1].expand_as(noise), noise
    assert float(loss(steady, rows).mean()) == pytest.approx(float(loss(jittery, rows).mean()), rel=0.3)
    assert loss(jittery, Weights(1, 0, 0)).mean() > 2 * loss(steady, Weights(1, 0, 0)).mean()
    sliding = torch.zeros_like(truth)
    sliding[..., 0] = 1.0  # she goes faster than her feet
    usual = float(loss(sliding, rows).mean())
    assert float(loss(sliding, Weights(0, 1, 0)).mean()) > 1.5 * usual
    assert float(loss(sliding, Weights(0, 0, 9)).mean()) == pytest.approx(usual)  # they are where they were under her
    floating = torch.zeros_like(truth)
    floating[..., 2] = 0.1 / model.std[2]  # a tenth of her legs too high
    over = loss(floating, Weights(0, 0, 1)) - loss(floating, rows)
    assert over.numpy() == pytest.approx(0.01, rel=1e-3)
    unseen, clear = (loss(sliding, Weights(0, 1, 0), s) for s in (0.0, 0.9))
    assert float(unseen.mean()) == pytest.approx(usual)
    assert clear.min() > 1.3 * unseen.max()
    assert seen_clearly(torch.tensor([0.0, 0.9])).numpy() == pytest.approx([1 / 1.05, 1 / 0.15])
    beyond = torch.zeros_like(truth)
    beyond[1, 40:] = 9  # frames that do not exist
    assert loss(beyond, all_terms).max() < 1e-8


def test_feet_move_as_the_clip_says() -> None:
    clip = walk(4)
    features = in_legs(encode(clip))
    rows, bones = (torch.from_numpy(v).float()[None] for v in (features.array, clip.skeleton.offsets / features.unit_m))
    found = feet_speeds(rows, bones, 30.0)[0].norm(dim=2).numpy() * features.unit_m
    again = decode(features)
    places = again.world[1][:, [again.skeleton.index(name) for name in FEET]]
    truth = np.linalg.norm(np.diff(places, axis=0), axis=2) * 30
    assert np.abs(found - truth).max() < 1e-4  # metres per second
    assert truth.max() > 2
    wrong = feet_speeds(rows, 1.2 * bones, 30.0)[0].norm(dim=2).numpy() * features.unit_m
    assert np.abs(wrong - truth).max() > 0.1


def test_takes_stand_on_the_floor_at_one_rate() -> None:
    clip = walk()
    high = MotionClip(clip.skeleton, clip.rotations, clip.root + (5, 3, 0.4), clip.fps)
    one, two = take(clip), take(high)
    np.testing.assert_allclose(one.rows, two.rows, atol=1e-5)
    assert two.standing_m - one.standing_m == pytest.approx(0.4)
    fast = take(stage_clip(make_person(3), seconds=2, fps=60, travel=True))
    assert len(fast) in (59, 60)
    np.testing.assert_allclose(fast.rows[10:50, 2:], one.rows[10:50, 2:], atol=0.15)
    assert one.rows.shape == (60, ROW)
    short = take_of(walk(seconds=0.8), action="walk")
    assert isinstance(short, Issue)
    assert (short.code, short.found) == ("MOTION_TOO_SHORT", "0.80 s")


def test_the_way_has_no_steps_in_it() -> None:
    found = take(walk(seconds=4))
    assert found.path[30:90, 0].std() < 0.4 * found.rows[30:90, 0].std()
    assert found.path[30:90, 0].mean() == pytest.approx(found.rows[30:90, 0].mean(), rel=0.05)


def test_mirrored_is_the_other_way_round() -> None:
    clip = walk(5)
    other = mirrored(clip)
    left, right = (c.world[1][:, c.skeleton.index(f"wrist_{s}")] for c, s in ((clip, "left"), (other, "right")))
    np.testing.assert_allclose(right, left * (1, -1, 1), atol=1e-9)
    np.testing.assert_allclose(mirrored(other).world[1], clip.world[1], atol=1e-9)
    assert np.abs(other.world[1] - clip.world[1]).max() > 0.05
    assert isinstance(other.track, JointTrack)


def test_windows_are_drawn_as_weighed_and_repeat_with_the_seed(cutter: Cutter) -> None:
    first, again = (cutter.draw(50, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first.rows, again.rows)
    only = cutter.draw(20, torch.Generator().manual_seed(4), torch.tensor([0.0, 1.0]))
    assert (only.asked.action == torch.tensor(WORDS.spell("turn"))).all()
    assert (only.asked.mask.sum(dim=1) == 36).all()
    spelled = Cutter(cutter.takes, WORDS, window=48, rate_hz=30, spelled=1.0).draw(9, torch.Generator().manual_seed(4))
    assert (spelled.asked.action[:, 3] > 0).all()
    with pytest.raises(ValueError, match="no takes given"):
        Cutter([], WORDS, window=48, rate_hz=30)


def test_training_begins_at_the_best_linear_guess(cutter: Cutter) -> None:
    many = cutter.draw(64, torch.Generator().manual_seed(0))
    keep = torch.nonzero(many.asked.mask.all(dim=1))[:, 0]
    usual = MovementBase(SMALL, WORDS)
    usual.mean[:], usual.std[:] = statistics(cutter.takes)
    begun = MovementBase(SMALL, WORDS)
    begun.load_state_dict(usual.state_dict())
    start_at_principal(begun, many)
    torch.testing.assert_close(begun.axes @ begun.axes.T, torch.eye(len(begun.axes)), atol=1e-4, rtol=0)
    clean, asked, generator = usual.normalised(many.rows[keep]), many.asked.select(keep), torch.Generator()
    errors: dict[str, list[float]] = {"usual": [], "begun": []}
    for time in (2, 150, 680):
        times = torch.full((len(keep),), time)
        noisy = make_schedule().add_noise(clean, torch.randn(clean.shape, generator=generator.manual_seed(1)), times)
        with torch.no_grad():
            errors["usual"].append(float((usual(noisy, times, asked) - clean).square().mean()))
            errors["begun"].append(float((begun(noisy, times, asked) - clean).square().mean()))
    # Beside little noise anything gives back what it sees; beside much of it the components know what people do.
    assert errors["begun"][0] < 0.01
    assert errors["begun"][1] < 0.3 * errors["usual"][1]
    assert errors["begun"][2] < errors["usual"][2]
    with pytest.raises(ValueError, match="tokens do not tell 464 components; draw more windows"):
        start_at_principal(begun, cutter.cut(torch.tensor([0]), torch.tensor([0])))


def test_a_gaussian_is_that_of_the_way(windows: Windows) -> None:
    rows = windows.rows[:1, :, :4].double()
    found = smoothed(rows, 9.0)[0].numpy()
    np.testing.assert_allclose(found, gaussian_filter1d(rows[0].numpy(), 9.0, axis=0, mode="nearest"), atol=1e-9)


def test_she_goes_where_she_is_asked_to_and_keeps_her_steps(windows: Windows) -> None:
    model = make_base()
    clean = model.normalised(windows.rows)[:1]
    asked = windows.asked.select(torch.tensor([0]))
    faster = replace(asked, path=asked.path + torch.tensor([0.5, 0.0, 0.2]))
    usual, moved = (model.plain(on_the_way(model, clean, way))[0] for way in (asked, faster))
    torch.testing.assert_close(moved[:, 0] - usual[:, 0], torch.full((48,), 0.5), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[:, 3] - usual[:, 3], torch.full((48,), 0.2), atol=1e-4, rtol=0)
    added = moved - model.plain(clean)[0]
    assert added[:, [2, *range(4, ROW)]].abs().max() < 1e-5
    assert added[:, 0].diff().abs().max() < 0.2 * windows.rows[0, :, 0].diff().abs().max()
    left_open = replace(faster, path_open=torch.tensor([True]))
    torch.testing.assert_close(on_the_way(model, clean, left_open), clean)


def test_noise_takes_everything_at_the_end() -> None:
    left = make_schedule().alphas_cumprod
    assert left[0] > 0.999
    assert left[NOISE_STEPS - 1] < 1e-4
    cosine = 0.4923  # of the plain schedule at half of its steps
    assert float(left[NOISE_STEPS // 2]) == pytest.approx(cosine / (cosine + 16 * (1 - cosine)), rel=1e-2)
