"""Weights of regions and marks, and the places that no gradient ever meets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_twin import SHORT, finish, write_base, write_session
from torch import Tensor

from capture import consent
from capture.vault import SessionFolder
from training.auxiliary import terms_of
from training.bases.flux import FluxBase
from training.cached import ROOM, Wanted, prepare
from training.dataset.frames import Split, load_dataset
from training.energy import EnergyMeter
from training.losses import MarkSpot, WeightMaps, cell_weights, visible_share
from training.recipe import TrainRecipe
from training.regions import RegionWeights, painted_over, weight_maps
from training.tracking import Tracker, accelerator_for
from training.trainer import Desk, Trainer
from training.world import World

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
PLACE = (slice(47, 54), slice(37, 44))  # rows and columns inside the mark of the tiny data set, at (40, 50)


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


def trainer_of(session: SessionFolder, base_folder: Path, private: tuple[str, ...], recipe: TrainRecipe) -> Trainer:
    base = FluxBase(base_folder)
    dataset = load_dataset(session.derived("dataset"))
    cached = prepare(dataset, base, digest="d", cache=session.derived(ROOM), wanted=Wanted(private=private))
    accelerator = accelerator_for("cpu", "none", session.root)
    tracker = Tracker(accelerator, "none", {})
    desk = Desk(session.root / "c", "k", World(accelerator), tracker, EnergyMeter([]), None, lambda folder: 0.0)
    return Trainer(base, cached, recipe, desk, terms_of(recipe.auxiliary))


def gradients(session: SessionFolder, base_folder: Path, private: tuple[str, ...]) -> list[Tensor]:
    """Gradients of the third step, when both factors of the adapter have some."""
    trainer = trainer_of(session, base_folder, private, SHORT)
    trainer.step()
    trainer.step()
    draw = trainer.draw()
    trainer.loss(draw, torch.arange(len(draw.rows))).backward()
    return [p.grad.clone() for p in trainer.parameters if p.grad is not None]


def repaint(session: SessionFolder, where: tuple[slice, slice]) -> None:
    folder = session.derived("dataset")
    for frame in load_dataset(folder).of(Split.TRAIN):
        path = str(folder / frame.key)
        picture = cv2.imread(path)
        assert picture is not None
        picture[where] = 255 - picture[where]
        cv2.imwrite(path, picture)
    finish(session, {"train": 6, "test": 2})


def test_what_is_private_reaches_no_gradient(tmp_path: Path, base_folder: Path) -> None:
    session = write_session(tmp_path, private='private_marks = ["m01"]\n')
    permit = consent.require(session.vault, "p001", "c001", act=consent.Act.TRAIN)
    assert permit.private_marks == ("m01",)
    before, open_before = (gradients(session, base_folder, p) for p in (permit.private_marks, ()))
    repaint(session, PLACE)
    after, open_after = (gradients(session, base_folder, p) for p in (permit.private_marks, ()))
    assert before
    assert any(float(g.abs().max()) > 0 for g in before)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(open_before, open_after, strict=True))  # the control
    repaint(session, (slice(0, 9), slice(0, 9)))
    public = gradients(session, base_folder, permit.private_marks)
    assert any(not torch.equal(a, b) for a, b in zip(after, public, strict=True))  # the control


def test_a_private_cell_weighs_exactly_nothing_and_is_no_mark(tmp_path: Path) -> None:
    session = write_session(tmp_path)
    dataset = load_dataset(session.derived("dataset"))
    frame = dataset.of(Split.TRAIN)[0]
    maps = weight_maps(dataset, frame, RegionWeights(), stride=4, private=("m01",))
    weights = cell_weights(maps, torch.tensor([0.3]), mark_weight=10)
    assert float(weights[0, 12, 10]) == 0.0
    assert float(maps.marks.sum()) == 0.0
    shown = weights[maps.public > 0]
    assert float(shown.mean()) == pytest.approx(1.0)
    doubtful = frame.model_copy(
        update={"marks": tuple(m.model_copy(update={"visible": False}) for m in frame.marks)}
    )  # the mask may be wrong; her wish is not
    assert float(weight_maps(dataset, doubtful, RegionWeights(), stride=4, private=("m01",)).public[0, 12, 10]) == 0.0


def test_paint_does_not_depend_on_what_it_covers() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
    other = picture.copy()
    other[18:23, 18:23] = 7
    spots = [MarkSpot(20, 20, 3)]
    assert np.array_equal(painted_over(picture, spots), painted_over(other, spots))
    assert not np.array_equal(painted_over(picture, [MarkSpot(5, 5, 2)]), painted_over(other, [MarkSpot(5, 5, 2)]))
    assert painted_over(picture, []) is picture


def test_body_clothes_and_backdrop_weigh_as_the_recipe_says(tmp_path: Path) -> None:
    session = write_session(tmp_path)
    dataset = load_dataset(session.derived("dataset"))
    frame = dataset.of(Split.TRAIN)[0]
    body, clothes = np.zeros((80, 80), np.uint8), np.zeros((80, 80), np.uint8)
    body[:, 40:], clothes[60:, :] = 255, 255
    cv2.imwrite(str(dataset.mask(frame)), body)
    wanted = RegionWeights(body=1.0, clothes=0.5, backdrop=0.25)
    region = weight_maps(dataset, frame, wanted, stride=4).region[0]
    assert (float(region[5, 5]), float(region[5, 15]), float(region[18, 15])) == (0.25, 1.0, 1.0)
    cv2.imwrite(str(dataset.mask(frame).with_suffix(".clothes.png")), clothes)
    region = weight_maps(dataset, frame, wanted, stride=4).region[0]
    assert (float(region[18, 5]), float(region[18, 15]), float(region[5, 15])) == (0.25, 0.5, 1.0)


def test_the_weight_of_a_mark_fades_where_noise_hides_it() -> None:
    sigma = torch.tensor([0.0, 0.5, 0.9, 1.0])
    share = visible_share(sigma, 3.0)
    assert share.tolist() == pytest.approx([1.0, 0.9, 0.1, 0.0])
    flat = torch.ones(4, 6, 6)
    marks = torch.zeros(4, 6, 6)
    marks[:, 2, 2] = 1
    weights = cell_weights(WeightMaps(flat, marks, flat), sigma, mark_weight=10, mark_signal=3.0)
    ratio = weights[:, 2, 2] / weights[:, 0, 0]
    assert ratio.tolist() == pytest.approx([10.0, 9.1, 1.9, 1.0])
    assert weights.mean(dim=(1, 2)).tolist() == pytest.approx([1.0] * 4)
    unscheduled = cell_weights(WeightMaps(flat, marks, flat), sigma, mark_weight=10)
    assert (unscheduled[:, 2, 2] / unscheduled[:, 0, 0]).tolist() == pytest.approx([10.0] * 4)
