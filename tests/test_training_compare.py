"""The whole comparison, on hand-made sets in the contract's format and on photographs of the simulated studio."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.camera import Camera
from calibration.pose import Pose
from capture import store
from capture.errors import IncompleteInput
from capture.issues import JsonObject, JsonValue
from training.compare import QAReport, Thresholds, compare, compare_arms
from training.compare.colour import U8
from training.compare.marks import Verdict

SIZE = 96
DISCS = ((30.0, 40.0, 7.0), (62.0, 30.0, 6.0), (50.0, 66.0, 8.0))  # u, v, diameter
AZIMUTHS = (-30, 0, 30, 60)
TEST = (0, 60)


def person(seed: int, discs: tuple[tuple[float, float, float], ...], *, shift: float = 0.0) -> U8:
    """A skin-coloured disc with darker marks before a grey wall."""
    rows, cols = np.mgrid[:SIZE, :SIZE]
    image = np.full((SIZE, SIZE, 3), 128.0)
    tone = np.dstack([np.full((SIZE, SIZE), c) for c in (150.0, 172.0, 214.0)])
    for u, v, diameter in discs:
        tone *= np.where(np.hypot(cols - u, rows - v) <= diameter / 2, 0.72, 1.0)[..., None]
    tone *= (1 - 0.1 * (cols - 48) / 48)[..., None] * (1 + shift)
    image[outline()] = tone[outline()]
    image = cv2.GaussianBlur(image, (0, 0), 0.6) + np.random.default_rng(seed).normal(0, 1.2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def outline() -> np.ndarray:
    rows, cols = np.mgrid[:SIZE, :SIZE]
    return np.hypot(cols - 48, rows - 48) <= 42


def row_of(azimuth: int, light: str) -> JsonObject:
    turn = Pose.from_rotvec(np.array([0.0, 0.0, np.radians(azimuth)]), np.zeros(3))
    camera = Camera("crop", SIZE, SIZE, 460.0, 460.0, 47.5, 47.5, np.zeros(5), turn)
    split = "test" if azimuth in TEST else "train"
    name = f"{light}{azimuth}.png"
    marks: list[JsonValue] = [
        {"id": f"m{i:02d}", "u": u, "v": v, "radius_px": d / 2, "facing_deg": 20.0, "visible": True}
        for i, (u, v, d) in enumerate((*DISCS, (70.0, 60.0, 1.5)), 1)
    ]
    return {
        "file_name": name, "mask": f"masks/{name}", "body_map": f"maps/{name}",
        "text": "a caption", "shot": f"stills/take1/{light}/cam{azimuth}",
        "frame": 0, "take": "take1", "light": light, "camera": f"cam{azimuth}", "framing": "bust",
        "crop": camera.to_json(),
        "view": {"azimuth_deg": azimuth, "elevation_deg": 0.0, "distance_m": 2.5},
        "lighting": {"azimuth_deg": 40.0 if light == "key" else -40.0, "elevation_deg": 30.0,
                     "colour": [1.0, 1.0, 1.0], "intensity": 0.7, "ambient": 0.2},
        "marks": marks, "split": split,
    }  # fmt: skip


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    for split in ("train", "test"):
        rows = [r for light in ("key", "fill") for r in (row_of(a, light) for a in AZIMUTHS) if r["split"] == split]
        for number, row in enumerate(rows):
            write(folder / split / str(row["file_name"]), person(number, DISCS))
            write(folder / split / str(row["mask"]), outline().astype(np.uint8) * 255)
        (folder / split / "metadata.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    store.finish(folder, "dataset", consent="c1", inputs={}, settings={}, result={})
    return folder


def render_set(
    folder: Path, discs: tuple[tuple[float, float, float], ...], *, shift: float = 0.0, size: int = SIZE
) -> Path:
    frames: list[JsonValue] = []
    for number, azimuth in enumerate(TEST):
        image = cv2.resize(person(100 + number, discs, shift=shift), (size, size))
        write(folder / "raw" / f"{number:03d}.png", image)
        row = row_of(azimuth, "key")
        frames.append({"file": f"{number:03d}.png", "raw": f"raw/{number:03d}.png", "seed": 7, "of": row})
    result: JsonObject = {"frames": frames, "twin": "ada-1", "adapter_digest": "cd"}
    store.finish(folder, "renders", consent="c1", inputs={}, settings={}, result=result)
    return folder


def test_a_twin_that_keeps_her_marks_passes(dataset: Path, tmp_path: Path) -> None:
    qa, report = compare(render_set(tmp_path / "r", DISCS), dataset, tmp_path / "out")
    assert qa.passed
    assert report.ok
    assert qa.line == "PASS: 6 of 6 birthmark sightings kept"
    assert "render more held-out views" in qa.advice  # six of six proves little
    arm = qa.judged_arm
    assert (arm.kept.count, arm.kept.total, arm.count(Verdict.NOT_OBSERVABLE)) == (6, 6, 2)
    assert all(p.aligned and p.held_out for p in arm.pairs)
    assert arm.delta_e is not None
    assert arm.delta_e < 2
    assert arm.invented_per_image == 0
    assert [i.code for i in report.warnings] == ["MARK_NEVER_OBSERVABLE"]  # m04 is 1.5 px across
    assert (qa.ceiling.kept.count, qa.ceiling.kept.total) == (6, 6)
    assert "another light" in qa.ceiling.what
    assert qa.floor.kept.count == 0
    assert qa.floor.kept.total > 0


def test_a_twin_that_lost_them_fails_and_raises_nothing(dataset: Path, tmp_path: Path) -> None:
    qa, report = compare(render_set(tmp_path / "r", DISCS[:1], shift=-0.4), dataset, tmp_path / "out")
    assert not qa.passed
    assert {i.code for i in report.errors} == {"MARKS_LOST", "COLOUR_OFF"}
    assert "only 2 of 6 birthmark sightings kept, 70% agreed" in qa.line
    assert qa.judged_arm.count(Verdict.LOST) == 4


def test_files_of_the_comparison(dataset: Path, tmp_path: Path) -> None:
    renders, out = render_set(tmp_path / "r", DISCS), tmp_path / "out"
    qa, report = compare(renders, dataset, out)
    artefact = store.read(out, "compare")
    assert set(artefact.outputs) == {"report.html", "report.json"}
    assert set(artefact.inputs) == {"dataset", "renders:twin"}
    assert QAReport.from_json(artefact.result) == qa
    assert json.loads((out / "report.json").read_text()) == report.to_json()
    page = (out / "report.html").read_text()
    assert "PASS: 6 of 6" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # nothing is loaded
    assert page.count("data:image/png;base64,") == 4  # two views, photograph and render
    for name, value, _, origin in qa.thresholds.lines():
        assert name in page
        assert f"{value:g}" in page
        assert origin


def test_a_second_run_is_skipped_until_something_changes(dataset: Path, tmp_path: Path) -> None:
    renders, out = render_set(tmp_path / "r", DISCS[:1]), tmp_path / "out"
    first, report = compare(renders, dataset, out)
    again, skipped = compare(renders, dataset, out)
    assert again == first
    assert skipped.facts == {**report.facts, "skipped": True}
    assert skipped.issues == report.issues
    assert "skipped" not in compare(renders, dataset, out, force=True)[1].facts
    lenient = Thresholds(kept_share=0.3)
    assert compare(renders, dataset, out, thresholds=lenient)[0].passed


def test_arms_stand_beside_each_other(dataset: Path, tmp_path: Path) -> None:
    arms = {"base": render_set(tmp_path / "b", ()), "twin": render_set(tmp_path / "t", DISCS)}
    qa, report = compare_arms(arms, dataset, tmp_path / "out")
    assert qa.passed
    assert [(a.name, a.kept.count) for a in qa.arms] == [("base", 0), ("twin", 6)]
    assert {"arm base", "arm twin"} <= set(report.facts)
    assert not compare_arms(arms, dataset, tmp_path / "out2", judged="base")[0].passed
    with pytest.raises(ValueError, match=r"judged arm 'x' is not among the arms \['base', 'twin'\]"):
        compare_arms(arms, dataset, tmp_path / "out", judged="x")


def test_invented_marks_are_counted(dataset: Path, tmp_path: Path) -> None:
    qa, _ = compare(render_set(tmp_path / "r", (*DISCS, (75.0, 50.0, 7.0))), dataset, tmp_path / "out")
    assert qa.judged_arm.invented_per_image == 1
    assert (qa.judged_arm.invented_per_100_cm2 or 0) > 0


def test_renders_of_another_size_are_not_comparable(dataset: Path, tmp_path: Path) -> None:
    qa, report = compare(render_set(tmp_path / "r", DISCS, size=64), dataset, tmp_path / "out")
    assert not qa.passed
    assert [i.code for i in report.errors] == ["NOTHING_TO_COMPARE"]
    assert "64 x 64 pixels, the photograph 96 x 96" in (tmp_path / "out" / "report.html").read_text()


def test_unjudgeable_marks_are_no_pass(dataset: Path, tmp_path: Path) -> None:
    renders = render_set(tmp_path / "r", DISCS)
    qa, _ = compare(renders, dataset, tmp_path / "out", thresholds=Thresholds(min_px=40))
    assert not qa.passed
    assert "no birthmark can be judged in 2 pairs" in qa.line


def test_changed_and_missing_inputs_are_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompleteInput, match="renders.json is missing"):
        compare(tmp_path, dataset, tmp_path / "out")
    renders = render_set(tmp_path / "r", DISCS)
    write(renders / "raw" / "001.png", person(5, ()))
    with pytest.raises(IncompleteInput, match=r"'raw/001.png' is not the one it was finished with"):
        compare(renders, dataset, tmp_path / "out")
    assert not (tmp_path / "out" / "compare.json").exists()
    (renders / "raw" / "001.png").unlink()
    with pytest.raises(IncompleteInput, match=r"lacks its picture 'raw/001.png'"):
        compare(renders, dataset, tmp_path / "out")
