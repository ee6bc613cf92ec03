"""The benchmark of full-size models, on a small one: both ways step, and the operations are counted."""

from __future__ import annotations

import pytest
import torch

from scripts.bench.full_size import RANK, main, measure

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def test_both_ways_step_and_are_timed() -> None:
    found = measure("tiny", torch.device("cpu"), rounds=1, steps=1)
    assert found["rank"] == RANK
    parameters, operations = (float(str(found[key])) for key in ("parameters", "operations_per_step"))
    # Forward and backward pass over 32 picture and text tokens of two pictures, at two operations a weight and more.
    assert operations > 2 * 2 * 16 * parameters * 0.5
    for way in ("example", "ours"):
        row = found[way]
        assert isinstance(row, dict)
        assert float(str(row["seconds_per_step"])) > 0
        assert "share_of_bf16_peak" not in row  # of a processor no peak is known


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_full_size_model_asks_for_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "flux"]) == 1
    assert "model 'flux' needs a GPU" in capsys.readouterr().err
