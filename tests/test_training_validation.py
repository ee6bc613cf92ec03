"""The best checkpoint is chosen by marks and colour, never by the loss; a run that gets worse keeps what was better."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_twin import SHORT, adapter_of, make_frame, write_base, write_session

from capture.images import read_image
from training.bases.flux import FluxBase
from training.dataset.frames import Split, load_dataset
from training.loop import train
from training.loss_page import validation_svg
from training.validation import Stand, Validation, Validator, choose_frames, parse_history

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
FIRST = Validation(step=10, kept=6, observable=10, delta_e=9.0, ssim=0.5)


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


def test_marks_decide_and_colour_breaks_a_tie() -> None:
    assert replace(FIRST, kept=7, delta_e=30.0).better_than(FIRST)
    assert replace(FIRST, delta_e=8.0).better_than(FIRST)
    assert not replace(FIRST, ssim=0.9).better_than(FIRST)
    assert not FIRST.better_than(replace(FIRST, step=5))  # of equals the earlier one stays
    assert replace(FIRST, kept=0, observable=0).kept_share == 0


def test_a_stand_knows_its_best_and_when_nothing_gets_better() -> None:
    shares = [3, 7, 6, 5, 7]
    stand = Stand(tuple(replace(FIRST, step=k, kept=kept) for k, kept in enumerate(shares)))
    assert stand.best is stand.history[1]
    assert stand.stalled(3)
    assert not stand.stalled(4)
    assert not stand.stalled(0)
    assert not Stand().stalled(1)
    assert parse_history([json.loads(json.dumps(v.to_json())) for v in stand.history]) == stand
    assert validation_svg(stand.history, stand.history[1]).count("<path") == 3


def test_views_are_spread_and_show_marks(tmp_path: Path) -> None:
    dataset = load_dataset(write_session(tmp_path).derived("dataset"))
    frames = [
        make_frame(k, Split.VALIDATION).model_copy(update={"camera": f"c{k % 3}", "light": f"l{k % 2}"})
        for k in range(12)
    ]
    bare = frames[0].model_copy(update={"camera": "c9", "marks": (), "file_name": "bare.png"})
    chosen = choose_frames(replace(dataset, frames=(bare, *frames)), count=6, pixels=80)
    assert len({(f.camera, f.light) for f in chosen}) == 6
    assert bare not in chosen
    assert choose_frames(replace(dataset, frames=tuple(frames)), count=6, pixels=96) == ()
    assert chosen == choose_frames(replace(dataset, frames=(*frames[::-1], bare)), count=6, pixels=80)


def test_a_photograph_itself_scores_best_and_private_marks_are_not_asked_for(
    tmp_path: Path, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(write_session(tmp_path).derived("dataset"))
    base = FluxBase(base_folder)
    validator = Validator(dataset, base, count=2)
    random = validator(1)
    assert validator(2) == replace(random, step=2)  # fixed seeds
    truth = [read_image(dataset.picture(f))[..., ::-1].copy() for f in validator.frames]
    perfect = torch.from_numpy(np.stack(truth)).permute(0, 3, 1, 2).float() / 255
    monkeypatch.setattr(base, "sample", lambda condition, *, seeds, steps: perfect)
    found = validator(3)
    assert found.delta_e < 0.2 < random.delta_e
    assert found.ssim > 0.99 > random.ssim
    assert found.kept == found.observable
    assert Validator(dataset, base, count=2, private=("m01",))(3).observable == 0


@pytest.mark.parametrize("patience", [0, 2])
def test_a_run_that_gets_worse_keeps_the_earlier_best(
    tmp_path: Path, base_folder: Path, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    session = write_session(tmp_path)
    recipe = SHORT.model_copy(update={"steps": 5, "validate_every": 1, "patience": patience, "ema": 0.0})
    kept = {1: 3, 2: 9, 3: 5, 4: 4, 5: 2}

    def judged(self: Validator, step: int) -> Validation:
        return replace(FIRST, step=step, kept=kept[step])

    monkeypatch.setattr(Validator, "__call__", judged)
    falling, report = train(session, "falling", base=base_folder, recipe=recipe)
    assert report.facts["best_step"] == 2
    assert report.facts["steps"] == (4 if patience else 5)
    assert (report.facts.get("stopped") == "no better validation in the last 2, at step 4") == bool(patience)
    kept.update({3: 10, 4: 10, 5: 11})
    rising, after = train(session, "rising", base=base_folder, recipe=recipe)
    assert after.facts["best_step"] == 5  # the control
    one, other = adapter_of(falling.adapter), adapter_of(rising.adapter)
    assert any(not torch.equal(one[k], other[k]) for k in one)
    page = (falling.folder / "report.html").read_text()
    assert "9 of 10" in page
    assert json.loads((falling.folder / "loss.json").read_text())["validations"][1]["kept"] == 9
