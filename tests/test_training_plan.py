"""The plan of marks: what is large enough, from how many sides and under how many lights, and what to shoot else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tiny_twin import make_frame, write_session

from training.bases.protocol import BaseSpec
from training.dataset.frames import Frame, MarkSeen, Split, TwinDataset, load_dataset
from training.plan import plan_marks

SPEC = BaseSpec("flux", 80, 4, 2, 2, "none", "", control=True)


def seen(name: str, diameter_px: float, *, visible: bool = True) -> MarkSeen:
    return MarkSeen(id=name, u=40, v=40, radius_px=diameter_px / 2, facing_deg=10, visible=visible)


def dataset_of(tmp_path: Path, frames: list[Frame]) -> TwinDataset:
    return replace(load_dataset(write_session(tmp_path).derived("dataset")), frames=tuple(frames))


def frames_with(*marks: MarkSeen, cameras: int = 3, lights: int = 2, split: Split = Split.TRAIN) -> list[Frame]:
    return [
        make_frame(k, split).model_copy(
            update={"marks": marks, "camera": f"cam{k % cameras}", "light": f"light{k % lights}"}
        )
        for k in range(6)
    ]


def test_each_mark_is_counted_where_it_is_large_enough(tmp_path: Path) -> None:
    frames = frames_with(seen("m1", 9.0), seen("m2", 5.0), seen("m3", 9.0, visible=False))
    own = frames[0].model_copy(update={"framing": "m2", "marks": (seen("m2", 8.0),)})
    held = make_frame(7, Split.TEST).model_copy(update={"marks": (seen("m2", 20.0), seen("m4", 20.0))})
    plans, report = plan_marks(dataset_of(tmp_path, [*frames, own, held]), SPEC, tmp_path / "plan")
    by_id = {p.id: p for p in plans}
    assert (by_id["m1"].enough, by_id["m1"].own, by_id["m1"].cells, by_id["m1"].lacks) == (6, 0, 2.25, "")
    assert by_id["m1"].cameras == ("cam0", "cam1", "cam2")
    assert by_id["m1"].lights == ("light0", "light1")
    assert "front" in by_id["m1"].sides
    assert (by_id["m2"].shown, by_id["m2"].enough, by_id["m2"].own) == (7, 1, 1)  # never by what is held out
    assert by_id["m2"].lacks.startswith("1 crops, 6 needed; 1 cameras, 2 needed; 1 lights, 2 needed: shoot it from")
    assert by_id["m3"].lacks.startswith("no crop to learn from shows it")
    assert by_id["m4"].shown == 0
    assert [i.where for i in report.issues] == ["mark m2", "mark m3", "mark m4"]
    assert {i.code for i in report.issues} == {"MARK_HARDLY_LEARNED"}
    assert "1 of 4 marks are shown well enough" in (tmp_path / "plan" / "report.html").read_text()


def test_a_small_mark_says_how_much_closer_to_shoot(tmp_path: Path) -> None:
    plans, _ = plan_marks(dataset_of(tmp_path, frames_with(seen("m1", 3.2))), SPEC, tmp_path / "plan")
    assert plans[0].lacks == (
        "0.8 latent cells at most: set dataset.close_ups where the base knows close-ups, or shoot it 2.5 times closer"
    )
    cut = replace(plans[0], close_ups=True)
    assert cut.lacks == "0.8 latent cells at most: shoot it 2.5 times closer"
    coarse = replace(SPEC, latent_stride=8)
    fine, _ = plan_marks(dataset_of(tmp_path, frames_with(seen("m1", 9.0))), SPEC, tmp_path / "fine")
    rough, _ = plan_marks(dataset_of(tmp_path, frames_with(seen("m1", 9.0))), coarse, tmp_path / "rough")
    assert (fine[0].enough, rough[0].enough) == (6, 0)  # what is enough depends on the base
