"""Killed anywhere, and on two processes: the same adapter, and the same history of it."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_twin import SHORT, adapter_of, write_base, write_session

from capture.vault import SessionFolder
from training.loop import load_twin, train
from training.recipe import TrainRecipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
CHILD = Path(__file__).with_name("training_child.py")
RECIPE = SHORT.model_copy(
    update={"steps": 12, "checkpoint_every": 3, "validate_every": 4, "validate_pictures": 2, "prior_weight": 0.5}
)


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


def child(
    session: SessionFolder, base: Path, recipe: TrainRecipe, death: str = "never", *launcher: str
) -> subprocess.CompletedProcess[str]:
    words = [str(CHILD), str(base), str(session.vault.root), "broken", recipe.model_dump_json(), death]
    return subprocess.run([sys.executable, *launcher, *words], capture_output=True, text=True, timeout=600)


def test_killed_at_any_step_and_while_it_writes(tmp_path: Path, base_folder: Path) -> None:
    torch.set_num_threads(1)
    session = write_session(tmp_path, wide=2)
    straight, report = train(session, "straight", base=base_folder, recipe=RECIPE)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    deaths = [f"step:{chance.randint(1, 5)}", "write:6", f"step:{chance.randint(7, 11)}"]
    print(f"seed {seed}: {deaths}")
    for death in deaths:
        done = child(session, base_folder, RECIPE, death)
        assert done.returncode == -9, done.stderr
    done = child(session, base_folder, RECIPE)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= 6
    broken = load_twin(session, "broken")
    one, other = adapter_of(straight.adapter), adapter_of(broken.adapter)
    assert one.keys() == other.keys()
    assert max(float((one[k] - other[k]).abs().max()) for k in one) <= 1e-6
    a, b = (json.loads((t.folder / "loss.json").read_text()) for t in (straight, broken))
    assert a["loss"] == pytest.approx(b["loss"], abs=1e-6)
    assert [v["step"] for v in a["validations"]] == [v["step"] for v in b["validations"]] == [4, 8, 12]
    for mine, theirs in zip(a["validations"], b["validations"], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-3)
    facts = json.loads((broken.folder / "report.json").read_text())["facts"]
    assert facts["best_step"] == report.facts["best_step"]


def test_two_processes_give_what_one_gives(tmp_path: Path, base_folder: Path) -> None:
    torch.set_num_threads(1)
    session = write_session(tmp_path)
    recipe = RECIPE.model_copy(update={"batch": 4, "steps": 8, "rate": 1e-3})
    straight, _ = train(session, "straight", base=base_folder, recipe=recipe)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(port)]
    asked = recipe.model_copy(update={"processes": 2})
    done = child(session, base_folder, asked, "never", *launcher)
    assert done.returncode == 0, done.stderr
    twin = load_twin(session, "broken")
    facts = json.loads((twin.folder / "report.json").read_text())["facts"]
    assert facts["processes"] == 2
    one, other = adapter_of(straight.adapter), adapter_of(twin.adapter)
    # A sum of n float32 terms in another order differs by n * 6e-8 of its size; AdamW divides by that size, so that a
    # gradient near zero may turn a whole step of the rate in its first steps. The mean over all weights may not.
    moved = torch.cat([(one[k] - other[k]).abs().flatten() for k in one])
    assert float(moved.mean()) < 1e-3 * recipe.rate
    losses = [json.loads((t.folder / "loss.json").read_text())["loss"] for t in (straight, twin)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    other_batch, _ = train(session, "control", base=base_folder, recipe=recipe.model_copy(update={"batch": 2}))
    apart = torch.cat([(one[k] - adapter_of(other_batch.adapter)[k]).abs().flatten() for k in one])
    assert float(apart.mean()) > 30 * float(moved.mean())  # the control: half the batch is another run
    alone = child(session, base_folder, asked.model_copy(update={"seed": 7}))
    assert alone.returncode != 0
    assert "world has 1 processes and 2 were asked for" in alone.stderr
