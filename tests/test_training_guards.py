"""What a run refuses and what it states: judges that would train, frames that were lost, energy without a source."""

from __future__ import annotations

import ctypes
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tiny_twin import finish, write_session
from torch import Tensor

from capture import store
from capture.errors import IncompleteInput
from capture.toml_file import TomlError
from training.auxiliary import LatentEdges, checked, judges, terms_of
from training.census import check_cached, take_census
from training.dataset.frames import load_dataset
from training.energy import DeclaredWatts, EnergyMeter, NvmlCounter, RaplCounter, meter_for
from training.recipe import EnergyRecipe, TrainRecipe, read_recipe
from training.tracking import Tracker, accelerator_for
from training.world import join_world

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.mark.parametrize("name", ["delta_e", "marks", "kept", "SSIM", "psnr-db", "identity", "Invented", "arcface"])
def test_a_judge_never_trains(name: str) -> None:
    with pytest.raises(ValidationError, match="is a judge of the comparison; a judge never trains"):
        TrainRecipe(auxiliary={name: 0.1})
    with pytest.raises(ValueError, match="a judge never trains"):
        checked([LatentEdges(0.1, name=name)])
    assert "latent_edges" not in judges()


def test_a_recipe_file_with_a_judge_or_an_unknown_term_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[train.auxiliary]\nssim = 0.5\n")
    with pytest.raises(TomlError, match="a judge never trains"):
        read_recipe(path)
    with pytest.raises(ValueError, match="'edges' is unknown; known are latent_edges"):
        terms_of({"edges": 0.1})
    assert [t.weight for t in terms_of({"latent_edges": 0.2})] == [0.2]


def test_a_judge_under_another_name_is_known_by_its_code() -> None:
    @dataclass(frozen=True)
    class Disguised:
        weight: float = 1.0
        name: str = "warmth"

        def __call__(self, estimate: Tensor, latents: Tensor, weights: Tensor) -> Tensor:
            return estimate.mean(dim=(1, 2, 3))

    assert checked([Disguised()])
    Disguised.__module__ = "training.compare.colour"
    with pytest.raises(ValueError, match="'warmth' is code of the comparison"):
        checked([Disguised()])


def test_edges_are_sharp_where_they_count_and_ignore_what_is_private() -> None:
    latents, weights = torch.zeros(1, 2, 6, 6), torch.ones(1, 6, 6)
    wrong = latents.clone()
    wrong[..., 2, 2] = 1
    term = LatentEdges(1.0)
    assert float(term(latents + 3, latents, weights)) == 0  # a flat error is no edge
    assert float(term(wrong, latents, weights)) > 0
    weights[0, 2, 2] = 0
    assert float(term(wrong, latents, weights)) == 0


def test_the_census_names_every_frame(tmp_path: Path) -> None:
    session = write_session(tmp_path)
    census = take_census(load_dataset(session.derived("dataset")))
    assert census.line() == ("10 frames came in, 9 used and 1 left out by name: 6 pictures to learn from, 3 held out")
    assert census.cells == {("cam1", "light1", "take1"): (6, 3)}
    assert census.table() == ["cam1 take1: light1 6 + 3 held out"]
    assert census.to_json()["left_out"] == [{"frame": "x", "reason": "too steep"}]
    check_cached(census, 6)
    with pytest.raises(IncompleteInput, match="5 pictures were prepared and the census counts 6"):
        check_cached(census, 5)


def test_a_census_that_does_not_balance_is_refused(tmp_path: Path) -> None:
    session = write_session(tmp_path)
    folder = session.derived("dataset")
    finish(session, {"train": 7, "test": 2, "validation": 1})
    with pytest.raises(IncompleteInput, match="census says 7 pictures of split 'train', the data set has 6"):
        take_census(load_dataset(folder))
    counts = {"train": 6, "test": 2, "validation": 1}
    result = {"offered": 12, "used": counts, "crops": counts, "left_out": []}
    store.finish(folder, "dataset", consent="c001", inputs={}, settings={}, result=result)  # type: ignore[arg-type]
    with pytest.raises(IncompleteInput, match="does not balance: 12 frames came in, 9 are used or named"):
        take_census(load_dataset(folder))
    store.finish(folder, "dataset", consent="c001", inputs={}, settings={}, result={})
    with pytest.raises(IncompleteInput, match="brings no census"):
        take_census(load_dataset(folder))


def rapl(root: Path, name: str, value: int, top: int = 1000) -> Path:
    package = root / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "max_energy_range_uj").write_text(f"{top}\n")
    (package / "energy_uj").write_text(f"{value}\n")
    return package / "energy_uj"


def test_rapl_adds_packages_and_survives_a_wrap(tmp_path: Path) -> None:
    one, _ = rapl(tmp_path, "intel-rapl:0", 900), rapl(tmp_path, "intel-rapl:1", 100)
    rapl(tmp_path, "intel-rapl:0:0", 5)  # its cores, counted already
    counter = RaplCounter(tmp_path)
    one.write_text("950\n")
    assert counter.joules() == pytest.approx(50e-6)
    one.write_text("49\n")  # 51 to the top and its zero, 49 more
    assert counter.joules() == pytest.approx(150e-6)
    with pytest.raises(OSError, match="no RAPL package"):
        RaplCounter(tmp_path / "nothing")


class FakeNvml:
    """Two GPUs; the second does not count when `silent`."""

    def __init__(self, silent: bool = False) -> None:
        self.millijoules, self.silent = [1000, 5000], silent

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetCount_v2(self, count: object) -> int:
        ctypes.cast(count, ctypes.POINTER(ctypes.c_uint))[0] = 2  # type: ignore[arg-type]
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: object) -> int:
        ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p))[0] = index + 1  # type: ignore[arg-type]
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: ctypes.c_void_p, out: object) -> int:
        index = int(handle.value or 0) - 1
        ctypes.cast(out, ctypes.POINTER(ctypes.c_ulonglong))[0] = self.millijoules[index]  # type: ignore[arg-type]
        return 3 if self.silent and index == 1 else 0


def test_nvml_counts_all_gpus_from_the_start_of_the_run() -> None:
    driver = FakeNvml()
    counter = NvmlCounter(driver)  # type: ignore[arg-type]
    assert counter.joules() == 0
    driver.millijoules = [3000, 6000]
    assert counter.joules() == pytest.approx(3.0)
    assert counter.name == "NVML, 2 GPU"
    with pytest.raises(OSError, match="does not count its energy"):
        NvmlCounter(FakeNvml(silent=True))  # type: ignore[arg-type]


def test_a_figure_says_whether_it_was_measured_and_where_its_factor_is_from(tmp_path: Path) -> None:
    now = [0.0]
    meter = EnergyMeter([DeclaredWatts(100.0, lambda: now[0])], clock=lambda: now[0])
    meter.joules_before = 3.6e6
    now[0] = 3600.0
    recipe = EnergyRecipe(grid_g_per_kwh=400, grid_source="operator of the grid", grid_date=dt.date(2026, 1, 31))
    facts = meter.read().to_json(recipe)
    assert facts["kwh"] == pytest.approx(1.1)
    assert facts["g_co2e"] == pytest.approx(440)
    assert facts["certainty"] == "ESTIMATED from declared watts"
    assert facts["sensors"] == ["100 W declared"]
    assert facts["grid_date"] == "2026-01-31"
    assert "g_co2e" not in meter.read().to_json(EnergyRecipe())
    rapl(tmp_path, "intel-rapl:0", 9)
    measured = EnergyMeter([RaplCounter(tmp_path)], clock=lambda: now[0]).read()
    assert measured.to_json(recipe)["certainty"] == "measured by counters"
    assert meter_for(EnergyRecipe(watts=5)).read().sensors
    with pytest.raises(ValidationError, match="needs grid_source and grid_date"):
        EnergyRecipe(grid_g_per_kwh=400)


def test_a_tracker_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tracker 'tensorbord' is unknown; accelerate knows .*tensorboard"):
        accelerator_for("cpu", "tensorbord", tmp_path)
    accelerator = accelerator_for("cpu", "swanlab", tmp_path)
    with pytest.raises(ValueError, match="tracker 'swanlab' is not installed"):
        Tracker(accelerator, "swanlab", {})


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    tracker = Tracker(accelerator_for("cpu", "tensorboard", tmp_path), "tensorboard", {"rank": 4, "list": [1]})
    tracker.log({"loss": 0.5}, 1)
    tracker.close()
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_a_world_of_another_size_than_asked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = accelerator_for("cpu", "none", tmp_path)
    assert join_world(accelerator).size == 1
    with pytest.raises(ValueError, match="world has 1 processes and 2 were asked for; start it with `torchrun"):
        join_world(accelerator, 2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match="world has 1 processes and 4 were asked for"):
        join_world(accelerator)
