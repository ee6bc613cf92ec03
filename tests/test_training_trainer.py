"""One step of the trainer: the same gradient in parts, with activations recomputed, and nearly so in half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_training_regions import trainer_of
from tiny_twin import SHORT, write_base, write_session
from torch import Tensor

from capture.vault import SessionFolder
from training.bases.flux import FluxBase
from training.recipe import Precision

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    return write_session(tmp_path)


def gradient(session: SessionFolder, base_folder: Path, **changed: object) -> Tensor:
    """The gradient of a first step of six pictures, all parameters in one row."""
    recipe = SHORT.model_copy(update={"batch": 6, "prior_weight": 0.5, **changed})
    trainer = trainer_of(session, base_folder, (), recipe)
    trainer.base.denoiser.train()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in trainer.parameters:  # a fresh adapter has no gradient in one of its factors
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    draw = trainer.draw()
    for part in torch.arange(6).tensor_split(recipe.accumulate):
        trainer.loss(draw, part).backward()
    return torch.cat([p.grad.flatten() for p in trainer.parameters if p.grad is not None])


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def test_parts_and_recomputing_change_nothing_and_half_precision_little(
    session: SessionFolder, base_folder: Path
) -> None:
    whole = gradient(session, base_folder)
    assert apart(gradient(session, base_folder, accumulate=4), whole) < 1e-5
    assert apart(gradient(session, base_folder, checkpointing=True), whole) < 1e-5
    alone = gradient(session, base_folder, prior_weight=0.0)
    half = apart(gradient(session, base_folder, prior_weight=0.0, precision=Precision.BF16), alone)
    assert 1e-5 < half < 0.3  # measured 0.15 on random weights; a step elsewhere would be off by 1.4
    assert apart(alone, whole) > 1e-3  # the controls
    assert apart(gradient(session, base_folder, auxiliary={"latent_edges": 1.0}), whole) > 1e-3


def test_the_running_mean_is_what_is_kept(session: SessionFolder, base_folder: Path) -> None:
    trainer = trainer_of(session, base_folder, (), SHORT.model_copy(update={"ema": 0.9, "steps": 4}))
    trainer.to_the_end()
    assert all(torch.equal(p, m) for p, m in zip(trainer.parameters, trainer.ema.shadow_params, strict=True))
    last = trainer_of(session, base_folder, (), SHORT.model_copy(update={"ema": 0.0, "steps": 4}))
    last.to_the_end()
    assert any(not torch.equal(p, q) for p, q in zip(trainer.parameters, last.parameters, strict=True))
    assert isinstance(trainer.base, FluxBase)
    assert trainer.losses == last.losses  # the mean looks on
