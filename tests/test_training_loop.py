"""The loop on a real, untrained pipeline: exact resume, consent, provenance, and an adapter that does something."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CONSENT
from safetensors import safe_open
from tiny_twin import LIGHT, SHORT, adapter_of, ball, write_base, write_session

from capture import store
from capture.errors import ConsentRefused, IncompleteInput
from capture.images import read_image
from capture.vault import SessionFolder
from training.bases.flux import FluxBase
from training.dataset.conditions import View
from training.loop import learning_rate, load_twin, train
from training.recipe import RenderRecipe, TrainRecipe
from training.render import held_out, posed, render

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    return write_session(tmp_path)


def test_a_base_that_reads_body_maps_of_another_code_is_refused(session: SessionFolder, tmp_path: Path) -> None:
    other = write_base(tmp_path / "other")
    card = json.loads((other / "likeness.json").read_text())
    store.write_json(other / "likeness.json", card | {"body_map": "colours of the rainbow"})
    with pytest.raises(ValueError, match="the base knows 'colours of the rainbow'; run twin dataset again"):
        train(session, "twin", base=other, recipe=SHORT)
    assert not session.vault.twin("p001", "twin").exists()


def test_killed_at_any_checkpoint_and_resumed_gives_the_same_adapter(session: SessionFolder, base_folder: Path) -> None:
    straight, report = train(session, "straight", base=base_folder, recipe=SHORT)
    assert report.facts["resumed_from"] == 0

    class Killed(Exception):
        pass

    def kill_after_five(step: int, loss: float) -> None:
        if step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(session, "broken", base=base_folder, recipe=SHORT, progress=kill_after_five)
    with pytest.raises(IncompleteInput, match="appearance is not there or not finished"):
        load_twin(session, "broken")
    broken, report = train(session, "broken", base=base_folder, recipe=SHORT)
    assert report.facts["resumed_from"] == 4
    a, b = adapter_of(straight.adapter), adapter_of(broken.adapter)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    other, _ = train(session, "other", base=base_folder, recipe=SHORT.model_copy(update={"seed": 1}))
    assert any(not torch.equal(a[k], adapter_of(other.adapter)[k]) for k in a)  # the control: a seed matters


def test_a_damaged_checkpoint_is_passed_over(session: SessionFolder, base_folder: Path) -> None:
    def kill(step: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(session, "twin", base=base_folder, recipe=SHORT, progress=kill)
    last = sorted((session.vault.twin("p001", "twin") / "appearance" / "checkpoints").glob("step-*.safetensors"))[-1]
    last.write_bytes(last.read_bytes()[:100])
    _, report = train(session, "twin", base=base_folder, recipe=SHORT)
    assert report.facts["resumed_from"] == 2


def test_the_adapter_carries_its_origin_and_changes_the_base(session: SessionFolder, base_folder: Path) -> None:
    twin, report = train(session, "twin", base=base_folder, recipe=SHORT)
    assert float(str(report.facts["adapter_change"])) > 0
    with safe_open(twin.adapter, "pt") as stream:
        header = stream.metadata()
    assert json.loads(header["likeness.consent"]) == "c001"
    assert json.loads(header["likeness.recipe"])["mark_weight"] == 10
    assert json.loads(header["likeness.trigger"]) == "sks"
    assert (twin.folder / "report.html").read_text().count("<polyline") == 2
    again, report = train(session, "twin", base=base_folder, recipe=SHORT)
    assert report.facts == {"skipped": True}
    assert again.adapter_digest == twin.adapter_digest
    plain, tuned = FluxBase(base_folder), FluxBase(base_folder)
    tuned.load_adapter(twin.folder)
    views = [(View(0, 5, 2.5), LIGHT)]
    condition = plain.encode_conditions(["photo of sks person"], views, torch.zeros(1, 3, 80, 80))
    pictures = [model.sample(condition, seeds=[1], steps=2) for model in (plain, tuned)]
    assert float((pictures[0] - pictures[1]).abs().max()) > 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('acts = ["ingest", "dataset", "render"]', "does not allow 'train'"),
        ("valid_until = 2021-01-01", "ended on 2021-01-01"),
    ],
)
def test_without_her_consent_nothing_is_trained(
    session: SessionFolder, base_folder: Path, change: str, reason: str
) -> None:
    key = change.split(" = ")[0]
    lines = [change if line.startswith(key) else line for line in CONSENT.splitlines()]
    store.write_atomic(session.vault.consent_file("p001", "c001"), "\n".join(lines))
    with pytest.raises(ConsentRefused, match=reason):
        train(session, "twin", base=base_folder, recipe=SHORT)
    assert not session.vault.twin("p001", "twin").exists()


def test_renders_need_consent_and_bear_their_label(session: SessionFolder, base_folder: Path) -> None:
    from training.disclose import read_disclosure

    twin, _ = train(session, "twin", base=base_folder, recipe=SHORT)
    requests = [*held_out(session), posed(session, View(10, 0, 2.5), LIGHT)]
    made, _ = render(session, requests, name="r1", base=base_folder, twin="twin", recipe=RenderRecipe(steps=2))
    assert len(made.files) == 3
    delivered = read_image(made.files[0])
    assert delivered.shape[0] > delivered.shape[1] >= 360  # enlarged, with a strip below
    found = read_disclosure(made.files[0])
    assert found is not None
    assert "trainedAlgorithmicMedia" in found.digital_source_type
    same, report = render(session, requests, name="r1", base=base_folder, twin="twin", recipe=RenderRecipe(steps=2))
    assert report.facts == {"skipped": True}
    withdrawn = CONSENT + f"withdrawn_on = {dt.date(2024, 1, 1)}\n"
    store.write_atomic(session.vault.consent_file("p001", "c001"), withdrawn)
    with pytest.raises(ConsentRefused, match="withdrawn on 2024-01-01"):
        render(session, requests, name="r2", base=base_folder, twin="twin", recipe=RenderRecipe(steps=2))


def test_a_view_is_asked_for_in_her_pose(session: SessionFolder) -> None:
    front, side = (posed(session, View(a, 0, 2.5), LIGHT) for a in (0.0, 90.0))
    assert front.body_map.shape == (80, 80, 3)
    assert front.body_map[40, 40].any()
    assert not front.body_map[2, 2].any()
    # A ball of 20 cm: its foremost place in front, its leftmost one from the side, 63 mm under its middle.
    out = (0.2**2 - 0.063**2) ** 0.5
    wanted = ball().colours(np.array([(out, 0.0, 1.367), (0.0, out, 1.367)])).astype(int)
    shown = np.array([picture.body_map[45, 40] for picture in (front, side)]).astype(int)
    assert np.abs(shown - wanted).max() <= 20  # 5 levels are a millimetre, a pixel is six
    assert np.abs(shown[0] - wanted[1]).max() > 35
    with pytest.raises(IncompleteInput, match="take 'take9' has no body map in the data set; it has take1"):
        posed(session, View(0, 0, 2.5), LIGHT, take="take9")


def test_a_tampered_adapter_is_not_rendered(session: SessionFolder, base_folder: Path) -> None:
    twin, _ = train(session, "twin", base=base_folder, recipe=SHORT)
    twin.adapter.write_bytes(twin.adapter.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(IncompleteInput, match="changed since it was trained"):
        render(session, held_out(session), name="r", base=base_folder, twin="twin", recipe=RenderRecipe(steps=2))


def test_learning_rate_warms_up_and_falls() -> None:
    recipe = TrainRecipe(steps=100, warm_up=10, rate=1e-3)
    rates = [learning_rate(step, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(rates[9], rel=0.05)
    assert rates[-1] == pytest.approx(2e-5)
