"""The movement adapter: trained within her consent, resumed exactly, proven once saved, refused where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CONSENT
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_movement import SHORT, SMALL, WORDS, changed, finish, make_base, take, walk, write_base, write_session

from calibration.motion.recorded import record_session
from capture import store
from capture.errors import ConsentRefused, IncompleteInput
from capture.motion.bvh import read_bvh, write_bvh
from capture.motion.canonical import leg_length
from training.energy import DeclaredWatts, EnergyMeter
from training.movement.adapter import (
    ADAPTER_FILE,
    answers,
    attach,
    change_of,
    load_adapter,
    prove_effect,
    read_provenance,
    save_adapter,
)
from training.movement.base import base_digest, load_base
from training.movement.learn import ARTEFACT, CLIPS, MovementTwin, load_movement_twin, read_takes, train_movement
from training.movement.trainer import Bench, MovementTrainer, learning_rate
from training.movement.windows import Cutter, Windows
from training.recipe import MovementRecipe, Recipe, read_recipe
from training.tracking import Tracker, accelerator_for

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def cutter() -> Cutter:
    return Cutter([take(walk(), person="sks")], WORDS, window=SMALL.window, rate_hz=30)


@pytest.fixture(scope="module")
def windows(cutter: Cutter) -> Windows:
    return cutter.cut(torch.tensor([0, 0]), torch.tensor([0, 9]))


def bench(folder: Path) -> Bench:
    tracker = Tracker(accelerator_for("cpu", "none", folder), "none", {})
    return Bench(folder / "checkpoints", "key", tracker, EnergyMeter([DeclaredWatts(1.0)]))


def trainer(folder: Path, cutter: Cutter, recipe: MovementRecipe = SHORT) -> MovementTrainer:
    return MovementTrainer(make_base(), cutter, recipe, bench(folder))


def test_takes_of_a_suit_are_learned_from_as_captured_clips_are(tmp_path: Path) -> None:
    session = write_session(tmp_path / "one")
    suit = tmp_path / "suit"
    suit.mkdir()
    clips = {path.stem: read_bvh(path, unit="cm", up="y") for path in session.derived(CLIPS).glob("*.bvh")}
    for name, clip in clips.items():
        write_bvh(clip, suit / f"{name}.bvh")
    before, _, _ = read_takes(session, person="sks", rate_hz=30)
    _, report = record_session(session, suit)
    assert report.ok
    after, _, _ = read_takes(session, person="sks", rate_hz=30)
    assert [take.action for take in after] == [take.action for take in before]
    for own, captured in zip(after, before, strict=True):
        np.testing.assert_allclose(own.rows, captured.rows, atol=1e-4)


def test_a_session_becomes_a_movement_of_its_twin(tmp_path: Path, base_folder: Path) -> None:
    session = write_session(tmp_path)
    twin, report = train_movement(session, "twin1", base=base_folder, recipe=SHORT)
    assert report.ok
    assert twin.folder == session.vault.twin("p001", "twin1") / ARTEFACT
    assert (report.facts["clips"], report.facts["steps"]) == (3, 6)
    assert twin.actions == ("turn", "walk")
    said = read_provenance(twin.adapter)
    assert (said["person"], said["consent"], said["session"], said["trigger"]) == ("p001", "c001", "s001", "sks")
    assert said["inputs"] == dict(store.read(twin.folder, ARTEFACT).inputs)
    assert twin.base_digest == base_digest(base_folder)
    assert leg_length(walk().track) == pytest.approx(np.linalg.norm(twin.skeleton.offsets[[12, 14]], axis=1).sum())
    assert not (twin.folder / "checkpoints").exists()
    _, again = train_movement(session, "twin1", base=base_folder, recipe=SHORT)
    assert again.facts == {"skipped": True}
    _, other = train_movement(session, "twin1", base=base_folder, recipe=changed(SHORT, steps=2))
    assert other.facts["steps"] == 2


def test_no_consent_no_training(tmp_path: Path, base_folder: Path) -> None:
    session = write_session(tmp_path, consent=CONSENT.replace('"train", ', ""))
    with pytest.raises(ConsentRefused, match="does not allow 'train'"):
        train_movement(session, "twin1", base=base_folder, recipe=SHORT)
    assert not session.vault.twin("p001", "twin1").exists()


def test_clips_that_changed_or_are_missing_are_refused(tmp_path: Path, base_folder: Path) -> None:
    session = write_session(tmp_path)
    clip = session.derived(CLIPS) / "walk1.bvh"
    clip.write_text(clip.read_text() + "\n")
    with pytest.raises(IncompleteInput, match="changed since they were made, first walk1.bvh"):
        train_movement(session, "twin1", base=base_folder, recipe=SHORT)
    (session.derived(CLIPS) / f"{CLIPS}.json").unlink()
    with pytest.raises(IncompleteInput, match="motion is not there or not finished"):
        train_movement(session, "twin1", base=base_folder, recipe=SHORT)


def test_clips_without_use_are_left_out_by_name(tmp_path: Path, base_folder: Path) -> None:
    session = write_session(tmp_path, action="")
    (session.derived(CLIPS) / "turn1.bvh").write_text("HIERARCHY\n")
    finish(session)
    with pytest.raises(IncompleteInput, match="motion/turn1 MOTION_UNREADABLE; motion/walk1 MOTION_NO_ACTION"):
        train_movement(session, "twin1", base=base_folder, recipe=SHORT)
    other = write_session(tmp_path / "other")
    (other.derived(CLIPS) / "walk2.bvh").write_text("HIERARCHY\n")
    finish(other)
    _, report = train_movement(other, "twin1", base=base_folder, recipe=changed(SHORT, steps=1))
    assert [(i.code, i.where) for i in report.issues] == [("MOTION_UNREADABLE", "motion/walk2")]
    assert report.facts["clips"] == 2


def test_a_trigger_that_means_something_is_refused(tmp_path: Path, base_folder: Path) -> None:
    with pytest.raises(ValueError, match="trigger 'walk' is a word of the base"):
        train_movement(write_session(tmp_path), "t", base=base_folder, recipe=changed(SHORT, trigger="walk"))


def test_killed_and_resumed_it_is_the_same(tmp_path: Path, cutter: Cutter) -> None:
    straight = trainer(tmp_path / "straight", cutter)
    losses = straight.to_the_end()

    def dies(done: int, loss: float) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "broken", cutter).to_the_end(dies)
    resumed = trainer(tmp_path / "broken", cutter)
    assert resumed.to_the_end() == losses
    assert resumed.resumed_from == 4
    for one, other in zip(straight.parameters, resumed.parameters, strict=True):
        assert torch.equal(one, other)


def test_another_seed_is_another_adapter_and_no_resume(tmp_path: Path, cutter: Cutter) -> None:
    one = trainer(tmp_path / "one", cutter)
    other = trainer(tmp_path / "two", cutter, changed(SHORT, seed=1))
    assert one.to_the_end() != other.to_the_end()
    assert not torch.equal(one.parameters[1], other.parameters[1])
    foreign = MovementTrainer(make_base(), cutter, SHORT, bench(tmp_path / "one"))
    foreign.bench = Bench(tmp_path / "one/checkpoints", "other key", foreign.bench.tracker, foreign.bench.meter)
    foreign.to_the_end()
    assert foreign.resumed_from == 0


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, cutter: Cutter) -> None:
    run = trainer(tmp_path, cutter)
    with torch.no_grad():
        run.parameters[1].fill_(float("nan"))
    with pytest.raises(RuntimeError, match="loss of step 1 is nan; train at a lower movement.rate"):
        run.to_the_end()


def test_the_saved_adapter_does_what_was_trained(tmp_path: Path, cutter: Cutter, windows: Windows) -> None:
    run = trainer(tmp_path, cutter)
    run.to_the_end()
    path = save_adapter(run.model, tmp_path, {"consent": "c001"})
    assert prove_effect(run.model, make_base(), tmp_path, windows) > 1e-4
    with safe_open(path, "pt") as stream:
        assert json.loads(stream.metadata()["peft"]) == {"rank": 2, "alpha": 2}
    again = make_base()
    assert load_adapter(again, tmp_path) == {"consent": "c001"}
    assert torch.equal(answers(again, windows), answers(run.model, windows))
    with pytest.raises(ValueError, match="movement base has an adapter already"):
        load_adapter(again, tmp_path)


def test_an_adapter_that_does_nothing_is_refused(tmp_path: Path, windows: Windows) -> None:
    model = make_base()
    attach(model, rank=2, alpha=2, seed=0)  # fresh: its second factor is zero
    save_adapter(model, tmp_path, {})
    with pytest.raises(RuntimeError, match=r"does not do what was trained: differs by 0, changes the base by 0;"):
        prove_effect(model, make_base(), tmp_path, windows)


def test_an_adapter_that_does_something_else_is_refused(tmp_path: Path, cutter: Cutter, windows: Windows) -> None:
    run = trainer(tmp_path, cutter)
    run.to_the_end()
    path = save_adapter(run.model, tmp_path, {})
    with torch.no_grad():
        run.parameters[1].add_(0.1)
    with pytest.raises(RuntimeError, match="does not do what was trained: differs by"):
        prove_effect(run.model, make_base(), tmp_path, windows)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(IncompleteInput, match="movement adapter adapter.safetensors cannot be read"):
        load_adapter(make_base(), tmp_path)


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    from training.movement.base import BaseConfig, MovementBase

    deep = MovementBase(BaseConfig(width=32, layers=3, heads=2, window=48), WORDS)
    attach(deep, rank=2, alpha=2, seed=0)
    save_adapter(deep, tmp_path, {})
    with pytest.raises(IncompleteInput, match="does not fit the base, first at blocks.2"):
        load_adapter(make_base(), tmp_path)


def test_the_prior_holds_the_class_word(tmp_path: Path, cutter: Cutter, windows: Windows) -> None:
    anybody = Windows(windows.rows, windows.bones, windows.asked.named(WORDS.spell("person")))
    moved = []
    # A base of random weights hardly tells one word from another, so only a heavy prior holds it.
    for weight in (0.0, 1000.0):
        run = trainer(tmp_path / str(weight), cutter, changed(SHORT, steps=25, rate=5e-3, prior_weight=weight))
        run.to_the_end()
        moved.append(change_of(run.model, anybody))
    assert moved[1] < 0.4 * moved[0]


def test_training_lowers_the_loss(tmp_path: Path, cutter: Cutter) -> None:
    """Beside a run on the same windows and noise that learns nothing: how much noise is drawn decides the loss."""
    bare = changed(SHORT, steps=40, batch=8, prior_weight=0, dropout=0)
    learned, idle = (trainer(tmp_path / f"{rate}", cutter, changed(bare, rate=rate)) for rate in (1e-2, 1e-9))
    losses, flat = learned.to_the_end(), idle.to_the_end()
    assert losses[0] == flat[0]
    assert np.mean(losses[-8:]) < 0.9 * np.mean(flat[-8:])


def test_a_twin_whose_file_changed_is_refused(tmp_path: Path, base_folder: Path) -> None:
    session = write_session(tmp_path)
    twin, _ = train_movement(session, "twin1", base=base_folder, recipe=SHORT)
    found = load_movement_twin(session, "twin1")
    assert isinstance(found, MovementTwin)
    assert found.adapter_digest == store.sha256_file(twin.adapter)
    assert load_file(twin.folder / ADAPTER_FILE).keys()
    twin.adapter.write_bytes(b"")
    with pytest.raises(IncompleteInput, match="movement of twin 'twin1' changed since it was trained, first adapter"):
        load_movement_twin(session, "twin1")
    assert load_base(base_folder).config == SMALL


def test_the_recipe_has_a_table_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('[movement]\nsteps = 7\ntrigger = "ana"\n')
    recipe = read_recipe(tmp_path / "recipe.toml").movement
    assert (recipe.steps, recipe.trigger, recipe.rank, recipe.prior_weight) == (7, "ana", 32, 0.25)
    assert Recipe().movement == MovementRecipe()
    assert "tracker" not in recipe.decisive()
    rates = [learning_rate(step, changed(SHORT, steps=100, warm_up=10)) for step in range(100)]
    assert max(rates) == rates[9] == pytest.approx(4e-3, rel=0.03)
    assert rates[-1] == pytest.approx(8e-5)
