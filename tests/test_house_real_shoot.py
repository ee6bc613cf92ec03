"""The main job on real footage: four webcams, one person, from the videos to a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from safetensors import safe_open

from calibration.rig import calibrate
from capture.admission import Papers
from capture.ingest import ingest
from capture.vault import Vault
from training.bases import EMBEDDED
from training.compare import compare
from training.dataset.build import DatasetRecipe, build_dataset
from training.dataset.frames import Split
from training.disclose import read_disclosure
from training.loop import train
from training.recipe import RenderRecipe, TrainRecipe
from training.render import held_out, render

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "four-webcams"
SHIPPED_INTRINSIC_PX = {"cam0": 0.541, "cam1": 0.401, "cam2": 0.366, "cam3": 0.329}  # camera_array.toml, `error`
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def test_from_four_webcam_videos_to_a_comparison(data_dir: Path, tmp_path: Path) -> None:
    footage = data_dir / "caliscope-4cam"
    if not footage.is_dir():
        pytest.skip(f"no footage at {footage}; set LIKENESS_DATA")
    validated, report = ingest(footage, Vault(tmp_path / "vault"), papers=Papers(EXAMPLE))
    assert report.ok, [i.found for i in report.errors]
    assert len(validated.originals) == 8
    rig, report = calibrate(validated)
    cameras = cast("dict[str, dict[str, float]]", report.facts["cameras"])
    for camera, shipped in SHIPPED_INTRINSIC_PX.items():
        assert cameras[camera]["intrinsic_rms_px"] <= shipped
    recipe = DatasetRecipe(holdout_cameras=("cam3",), clip_every=6)
    dataset, report = build_dataset(validated, rig, None, recipe=recipe)
    facts = report.facts
    used, left_out = facts["used"], facts["left_out"]
    assert isinstance(used, dict)
    assert isinstance(left_out, list)
    assert sum(int(str(n)) for n in used.values()) + len(left_out) == facts["offered"] == 40
    assert len(dataset.of(Split.TRAIN)) >= 10
    assert all(frame.camera == "cam3" for frame in dataset.of(Split.TEST))
    twin, report = train(
        validated.folder, "short", base=EMBEDDED, recipe=TrainRecipe(steps=20, batch=4, rank=8, alpha=8)
    )
    with safe_open(twin.adapter, "pt") as stream:
        assert "likeness.consent" in stream.metadata()
    requests = held_out(validated.folder)
    made, _ = render(
        validated.folder, requests, name="short", base=EMBEDDED, twin="short", recipe=RenderRecipe(steps=4)
    )
    assert all(read_disclosure(path) for path in made.files)
    qa, _ = compare(made.folder, dataset.folder, tmp_path / "report")
    # No mark of his was confirmed, so colour is judged and the verdict on marks says that there is nothing to judge.
    assert qa.judged_arm.delta_e is not None
    assert not qa.passed
    assert "no birthmark" in qa.line
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
