"""Every kind of adapter: saved, loaded into a fresh base, and there it does exactly what it did."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_twin import LIGHT, SHORT, write_base, write_session
from torch import Tensor

from capture.errors import IncompleteInput
from training.adapter import PEFT_FILE, attach, load_adapter, save_adapter, switched_off, targets
from training.bases.flux import ADAPTER_FILE, FluxBase
from training.dataset.conditions import View
from training.loop import prove_effect, train
from training.prior import measure_bleed, prior_errors, without_trigger
from training.recipe import AdapterKind, RenderRecipe
from training.render import held_out, render

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


def answer(base: FluxBase) -> Tensor:
    condition = base.encode_conditions(["photo of sks person"], [(View(0, 5, 2.5), LIGHT)], torch.zeros(1, 3, 80, 80))
    noisy = torch.randn(1, base.pipe.transformer.config.out_channels // 4, 20, 20, generator=torch.manual_seed(3))
    with torch.no_grad():
        return base.predict(noisy, torch.tensor([0.6]), condition)


def disturbed(base_folder: Path, kind: AdapterKind) -> FluxBase:
    """A base with an adapter that is far from doing nothing."""
    base = FluxBase(base_folder)
    generator = torch.Generator().manual_seed(5)
    for parameter in attach(base, kind, rank=4, alpha=2, seed=0):
        with torch.no_grad():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return base


@pytest.mark.parametrize("kind", list(AdapterKind))
def test_an_adapter_comes_back_as_it_was(tmp_path: Path, base_folder: Path, kind: AdapterKind) -> None:
    before = answer(FluxBase(base_folder))
    base = disturbed(base_folder, kind)
    trained = answer(base)
    path = save_adapter(base, tmp_path, kind, {"consent": "c001"})
    fresh = FluxBase(base_folder)
    load_adapter(fresh, tmp_path)
    assert float((answer(fresh) - trained).abs().max()) <= 1e-6
    assert float((trained - before).abs().max()) > 1e-3
    assert path.name == (ADAPTER_FILE if kind in (AdapterKind.LORA, AdapterKind.DORA) else PEFT_FILE)
    with safe_open(path, "pt") as stream:
        assert stream.metadata()["likeness.consent"] == '"c001"'
    with switched_off(base.denoiser):
        assert torch.equal(answer(base), before)
    assert torch.equal(answer(base), trained)
    assert any(p.requires_grad for p in base.denoiser.parameters())


def test_an_adapter_that_lacks_a_tensor_is_refused(tmp_path: Path, base_folder: Path) -> None:
    path = save_adapter(disturbed(base_folder, AdapterKind.LOKR), tmp_path, AdapterKind.LOKR, {})
    with safe_open(path, "pt") as stream:
        header = stream.metadata()
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, path, metadata=header)
    with pytest.raises(IncompleteInput, match="does not fit the base, first at"):
        load_adapter(FluxBase(base_folder), tmp_path)


def test_all_kinds_change_the_layers_that_the_family_names(base_folder: Path) -> None:
    base = FluxBase(base_folder)
    wanted = targets(base.denoiser)
    attach(base, AdapterKind.LORA, rank=4, alpha=4, seed=0)
    changed = [name for name, module in base.denoiser.named_modules() if isinstance(module, BaseTunerLayer)]
    assert sorted(changed) == sorted(wanted)


def test_an_adapter_without_effect_is_not_let_through(tmp_path: Path, base_folder: Path) -> None:
    from training.cached import prepare
    from training.dataset.frames import load_dataset

    base = FluxBase(base_folder)
    dataset = load_dataset(write_session(tmp_path).derived("dataset"))
    cached = prepare(dataset, base, digest="d", cache=tmp_path / "latents")
    attach(base, AdapterKind.OFT, rank=4, alpha=4, seed=0)  # fresh, so that it is the identity
    save_adapter(base, tmp_path / "a", AdapterKind.OFT, {})
    with pytest.raises(RuntimeError, match="does not do what was trained: .* changes the base by 0"):
        prove_effect(base, FluxBase(base_folder), tmp_path / "a", cached)
    other = disturbed(base_folder, AdapterKind.OFT)
    with pytest.raises(RuntimeError, match="does not do what was trained: differs by"):
        prove_effect(other, FluxBase(base_folder), tmp_path / "a", cached)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AdapterKind.OFT, AdapterKind.LOKR, AdapterKind.DORA])
def test_a_run_with_each_kind_ends_in_a_proved_twin(tmp_path: Path, base_folder: Path, kind: AdapterKind) -> None:
    session = write_session(tmp_path)
    recipe = SHORT.model_copy(update={"adapter": kind, "prior_weight": 0.5})
    twin, report = train(session, "twin", base=base_folder, recipe=recipe)
    assert float(str(report.facts["adapter_change"])) > 0
    fresh = FluxBase(base_folder)
    load_adapter(fresh, twin.folder)
    assert not torch.equal(answer(fresh), answer(FluxBase(base_folder)))
    made, _ = render(session, held_out(session), name="r", base=base_folder, twin="twin", recipe=RenderRecipe(steps=2))
    plain, _ = render(session, held_out(session), name="p", base=base_folder, twin=None, recipe=RenderRecipe(steps=2))
    assert made.files[0].read_bytes() != plain.files[0].read_bytes()


def test_the_trigger_is_taken_out_as_a_word() -> None:
    assert without_trigger("photo of sks person, red", "sks") == "photo of person, red"
    assert without_trigger("photo of sks", "sks") == "photo of"
    assert without_trigger("photo of asks person", "sks") == "photo of asks person"
    assert without_trigger("photo of sks person", "") == "photo of sks person"


def test_the_prior_is_what_the_adapter_changes_and_pulls_it_back(base_folder: Path) -> None:
    base = FluxBase(base_folder)
    parameters = attach(base, AdapterKind.LORA, rank=4, alpha=4, seed=0)
    view = [(View(0, 5, 2.5), LIGHT)] * 2
    own, other = (
        base.encode_conditions([text] * 2, view, torch.zeros(2, 3, 80, 80))
        for text in ("photo of sks person", "photo of person")
    )
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, base.pipe.transformer.config.out_channels // 4, 20, 20, generator=generator)
    sigma = torch.tensor([0.4, 0.8])
    fresh = prior_errors(base.predict, base.denoiser, other, noisy=latents, sigma=sigma)
    assert float(fresh.detach().abs().max()) == 0  # a fresh adapter changes nothing
    assert measure_bleed(base.predict, base.denoiser, latents, (own, other)).share == 0
    for parameter in parameters:
        with torch.no_grad():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    bleed = measure_bleed(base.predict, base.denoiser, latents, (own, other))
    assert bleed.without_trigger > 0
    optimiser = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0)
    first = 0.0
    for step in range(8):
        loss = prior_errors(base.predict, base.denoiser, other, noisy=latents, sigma=sigma).mean()
        first = first if step else float(loss.detach())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert float(loss.detach()) < 0.7 * first
