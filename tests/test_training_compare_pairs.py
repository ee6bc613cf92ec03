"""Which photograph a render is compared with, and the reason when there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.pose import Pose
from capture.errors import IncompleteInput
from capture.issues import JsonObject, JsonValue
from training.compare.pairs import Pair, aligned, angle_deg, find_reference, parse_row, read_rows
from training.compare.thresholds import Thresholds
from training.dataset.conditions import View
from training.dataset.frames import Frame

LIMITS = Thresholds()
LIGHT: JsonObject = {
    "azimuth_deg": 35.0, "elevation_deg": 40.0, "colour": [1.0, 0.9, 0.8], "intensity": 0.7, "ambient": 0.2,
}  # fmt: skip


def row(azimuth: float = 0.0, *, light: Mapping[str, JsonValue] | None = None, **changes: JsonValue) -> Frame:
    angle = np.radians(azimuth)
    turn = Pose.from_rotvec(np.array([0.0, 0.0, angle]), np.zeros(3))
    crop = Camera("crop", 96, 96, 460.0, 460.0, 47.5, 47.5, np.zeros(5), turn)
    value: JsonObject = {
        "file_name": f"az{azimuth:g}.png",
        "text": "photo of person",
        "mask": f"masks/az{azimuth:g}.png",
        "body_map": f"maps/az{azimuth:g}.png",
        "shot": "stills/take1/key/cam01",
        "frame": 0,
        "take": "take1",
        "light": "key",
        "camera": "cam01",
        "framing": "bust",
        "crop": crop.to_json(),
        "view": {"azimuth_deg": azimuth, "elevation_deg": 0.0, "distance_m": 2.5},
        "lighting": {**LIGHT, **(light or {})},
        "marks": [],
        "split": "test",
        **changes,
    }
    return parse_row(value, "test row")


def test_the_same_crop_is_aligned_and_preferred() -> None:
    rows = [row(1.0), row(0.0), row(-1.0)]
    found = find_reference(row(0.0), rows, LIMITS)
    assert isinstance(found, Pair)
    assert found.aligned
    assert (found.reference.key, found.view_deg) == ("test/az0.png", 0.0)


def test_a_near_view_is_compared_but_not_aligned() -> None:
    found = find_reference(row(0.0), [row(30.0), row(4.0)], LIMITS)
    assert isinstance(found, Pair)
    assert not found.aligned
    assert found.view_deg == pytest.approx(4.0)
    assert found.reference.file_name == "az4.png"


def test_another_frame_of_the_same_crop_is_not_aligned() -> None:
    assert aligned(row(0.0), row(0.0))
    assert not aligned(row(0.0), row(0.0, frame=12))
    assert not aligned(row(0.0), row(0.001))


def test_angle_goes_around_the_back_and_over_the_pole() -> None:
    def at(azimuth: float, elevation: float) -> View:
        return View(azimuth_deg=azimuth, elevation_deg=elevation, distance_m=1)

    assert angle_deg(at(179, 0), at(-179, 0)) == pytest.approx(2)
    assert angle_deg(at(0, 89), at(180, 89)) == pytest.approx(2)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (row(12.3), "nearest photograph is 12.3 deg away (limit 5)"),
        (row(0.0, take="take2"), "no photograph of take 'take1' with framing 'bust'"),
        (row(0.0, framing="face"), "no photograph of take 'take1' with framing 'bust'"),
        (row(0.0, light={"elevation_deg": 70.0}), "light comes from 30 deg elsewhere (limit 10)"),
        (row(0.0, light={"colour": [1.0, 0.5, 0.3]}), "light has colour (1.00, 0.50, 0.30)"),
        (row(0.0, light={"intensity": 0.4}), "strength is 0.40, the render was asked for 0.70"),
        (row(0.0, light={"ambient": 0.4}), "ambient light is 0.40, the render was asked for 0.20"),
    ],
)
def test_what_is_not_comparable_says_why(other: Frame, reason: str) -> None:
    found = find_reference(row(0.0), [other], LIMITS)
    assert isinstance(found, str)
    assert reason in found


def test_names_of_lights_do_not_matter() -> None:
    assert isinstance(find_reference(row(0.0), [row(0.0, light={"azimuth_deg": 40.0})], LIMITS), Pair)
    dark: JsonObject = {"intensity": 0.0}
    turned = row(0.0, light={**dark, "azimuth_deg": -90.0})
    assert isinstance(find_reference(row(0.0, light=dark), [turned], LIMITS), Pair)


def test_scale_on_her() -> None:
    assert row().mm_per_px == pytest.approx(2500 / 460)


def test_rows_are_read_from_both_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        line = json.dumps({**row().model_dump(mode="json"), "split": split, "text": "a caption"})
        (tmp_path / split / "metadata.jsonl").write_text(line + "\n\n")
    assert [r.key for r in read_rows(tmp_path)] == ["train/az0.png", "test/az0.png"]


def test_broken_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(IncompleteInput, match="holds no metadata rows"):
        read_rows(tmp_path)
    (tmp_path / "test").mkdir()
    value = row().model_dump(mode="json")
    del value["view"]["distance_m"]
    (tmp_path / "test" / "metadata.jsonl").write_text(json.dumps(value))
    with pytest.raises(IncompleteInput, match=r"test/metadata.jsonl line 1: 'view.distance_m' field required"):
        read_rows(tmp_path)
