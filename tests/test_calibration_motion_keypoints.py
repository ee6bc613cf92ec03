"""Keypoints: folders of detectors read, hostile files refused with a reason, and cameras brought to one time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.motion.folders import clip_folder, of_one_layout, read_clip
from calibration.motion.keypoints import Keypoints, People, in_time, read_folder, read_frame
from calibration.motion.layouts import LAYOUTS, layout_of, to_canonical
from capture.motion.canonical import CANONICAL


def write(folder: Path, frame: int, people: list[np.ndarray]) -> Path:
    """One frame of OpenPose's JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"walk_{frame:012d}_keypoints.json"
    listed = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in people]
    path.write_text(json.dumps({"version": 1.3, "people": listed}))
    return path


def person(points: int, u: float = 100.0) -> np.ndarray:
    return np.column_stack([u + np.arange(points), 200.0 + np.arange(points), np.full(points, 0.9)])


@pytest.mark.parametrize(("name", "points"), [("COCO_17", 17), ("BODY_25", 25), ("HALPE_26", 26)])
def test_each_layout_is_known_by_its_number_of_points(name: str, points: int, tmp_path: Path) -> None:
    write(tmp_path, 0, [person(points)])
    read = read_folder(tmp_path)
    assert read.names == LAYOUTS[name]
    assert read.places.shape == (1, 1, points, 2)
    assert read.places[0, 0, 3].tolist() == [103.0, 203.0]


def test_left_and_right_of_the_layouts_are_as_the_detectors_number_them() -> None:
    # From the documentation of each: OpenPose 5 is LShoulder, COCO 5 left_shoulder, HALPE 20 LBigToe.
    assert LAYOUTS["BODY_25"][5] == "LShoulder"
    assert LAYOUTS["BODY_25"][22] == "RBigToe"
    assert LAYOUTS["COCO_17"][16] == "right_ankle"
    assert LAYOUTS["HALPE_26"][20] == "LBigToe"
    assert LAYOUTS["HALPE_26"][11] == "LHip"


def test_canonical_joints_follow_from_each_layout() -> None:
    for names in LAYOUTS.values():
        places = np.arange(len(names) * 3, dtype=float).reshape(1, -1, 3)
        found = to_canonical(names, places)
        known = {CANONICAL[k] for k in np.flatnonzero(np.isfinite(found[0]).all(axis=1))}
        lacking = set(CANONICAL) - known
        assert lacking == ({"toe_left", "toe_right"} if len(names) == 17 else set())


def test_frames_without_people_or_without_a_file_show_nobody(tmp_path: Path) -> None:
    write(tmp_path, 0, [person(25), person(25, 500.0)])
    write(tmp_path, 1, [])
    write(tmp_path, 3, [person(25)])
    read = read_folder(tmp_path)
    assert read.places.shape == (4, 2, 25, 2)
    assert np.isfinite(read.places).any(axis=(2, 3)).sum(axis=1).tolist() == [2, 0, 0, 1]


def test_a_point_at_zero_was_not_found(tmp_path: Path) -> None:
    points = person(25)
    points[4] = 0.0
    write(tmp_path, 0, [points])
    read = read_folder(tmp_path)
    assert np.isnan(read.places[0, 0, 4]).all()
    assert read.confidence[0, 0, 4] == 0
    assert np.isfinite(read.places[0, 0, 5]).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", 'no list "people"'),
        ('{"people": {}}', 'no list "people"'),
        ('{"people": [3]}', 'no list "pose_keypoints_2d"'),
        ('{"people": [{"pose_keypoints_2d": []}]}', "has 0 numbers"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "has 2 numbers"),
        ('{"people": [{"pose_keypoints_2d": [1, NaN, 1]}]}', "has 'nan' where a number"),
        ('{"people": [{"pose_keypoints_2d": [1, 1e400, 1]}]}', "has 'inf' where a number"),
        ('{"people": [{"pose_keypoints_2d": [1, "2", 1]}]}', "has '2' where a number"),
        ('{"people": [{"pose_keypoints_2d": [1, true, 1]}]}', "has 'True' where a number"),
        ('{"people": [{"pose_keypoints_2d": [1, 99999999999999999999999999, 1]}]}', "where a number of pixels below"),
        ('{"people": [' + ",".join(['{"pose_keypoints_2d": [1, 2, 1]}'] * 65) + "]}", "65 people, more than 64"),
        ('{"people": [{"pose_keypoints_2d": [1,2,1]}, {"pose_keypoints_2d": [1,2,1,1,2,1]}]}', "all need the same"),
    ],
)
def test_a_hostile_frame_is_refused_with_what_is_wrong(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a_0.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_frame(path)


def test_a_frame_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a_0.json"
    path.write_bytes(b" " * ((4 << 20) + 1))
    with pytest.raises(ValueError, match="more than 4194304; it is no single frame"):
        read_frame(path)


def test_a_hostile_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no keypoint files"):
        read_folder(tmp_path)
    with pytest.raises(ValueError, match="holds no keypoint files"):
        read_folder(tmp_path / "none")
    write(tmp_path, 0, [])
    with pytest.raises(ValueError, match="nobody in them"):
        read_folder(tmp_path)
    write(tmp_path, 0, [person(25)])
    write(tmp_path, 1, [person(17)])
    with pytest.raises(ValueError, match=r"mixes layouts of \[17, 25\] points"):
        read_folder(tmp_path)
    write(tmp_path, 1, [person(25)])
    write(tmp_path, 300_000, [person(25)])
    with pytest.raises(ValueError, match="frames 0 to 300000"):
        read_folder(tmp_path)
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(ValueError, match="no frame number"):
        read_folder(tmp_path)


def test_a_layout_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="number of keypoints is 18"):
        layout_of(18)
    with pytest.raises(ValueError, match="unknown: 'BODY_26'"):
        layout_of(25, "BODY_26")
    with pytest.raises(ValueError, match="layout BODY_25 has 25 points, found 26"):
        layout_of(26, "BODY_25")


def test_cameras_of_a_clip_count_from_one_frame(tmp_path: Path) -> None:
    for frame in (100, 101, 102):
        write(tmp_path / "cam1_json", frame, [person(25)])
    write(tmp_path / "cam2", 102, [person(25)])
    (tmp_path / "cam3").mkdir()
    (tmp_path / "cam3" / "x_7.json").write_text("{")
    assert clip_folder(tmp_path.parent, tmp_path.name, alone=False) == tmp_path
    assert clip_folder(tmp_path, "walk", alone=True) == tmp_path
    assert clip_folder(tmp_path, "walk", alone=False) is None
    found, issues = read_clip(tmp_path, ["cam1", "cam2", "cam3"])
    assert [(i.code, i.where) for i in issues] == [("MOTION_KEYPOINTS_UNREADABLE", "clip/cam3")]
    # cam3's only file says frame 7, so all count from there: a wrong name may not shift one camera against another.
    assert np.flatnonzero(np.isfinite(found["cam1"].places).any(axis=(1, 2, 3))).tolist() == [93, 94, 95]
    assert np.flatnonzero(np.isfinite(found["cam2"].places).any(axis=(1, 2, 3))).tolist() == [95]


def test_a_camera_of_another_layout_is_named() -> None:
    def people(names: tuple[str, ...]) -> People:
        return People(names, np.ones((2, 1, len(names), 2)), np.ones((2, 1, len(names))))

    one, other = LAYOUTS["BODY_25"], LAYOUTS["COCO_17"]
    found, issues = of_one_layout({"a": people(one), "b": people(other), "c": people(one)})
    assert list(found) == ["a", "c"]
    assert [(i.where, i.found) for i in issues] == [("clip/b", "17 points")]
    assert of_one_layout({}) == ({}, [])


def curve(moments: np.ndarray) -> Keypoints:
    """A point that swings as an ankle does: 1 Hz, 200 px, at 60 frames a second."""
    u = 500 + 200 * np.sin(2 * np.pi * moments / 60)
    v = 500 + 80 * np.cos(4 * np.pi * moments / 60)
    return Keypoints(("ankle",), np.stack([u, v], axis=1)[:, None], np.full((len(moments), 1), 0.8))


@pytest.mark.parametrize("late", [2.4, -1.7, 0.5, 3.0])
def test_a_late_camera_is_brought_to_the_common_time(late: float) -> None:
    moments = np.arange(120.0)
    truth = curve(moments)
    moved = in_time(curve(moments + late), late)
    known = np.isfinite(moved.places[:, 0, 0])
    assert known.sum() >= 120 - int(np.ceil(abs(late))) - 1
    gap = np.linalg.norm(moved.places - truth.places, axis=2)[known, 0]
    # Cubic through four neighbours: h^4/128 of the fourth derivative, and linear at the two ends: h^2/8 of the second.
    assert gap[2:-2].max() < 0.1
    assert gap.max() < 1.0
    # Without the offset the same points are far off.
    assert np.linalg.norm(curve(moments + late).places - truth.places, axis=2).mean() > 5


def test_nothing_is_invented_before_the_first_frame_or_beside_a_gap() -> None:
    seen = curve(np.arange(20.0))
    seen.places[10], seen.confidence[10] = np.nan, 0.0
    moved = in_time(seen, 0.5)
    unknown = np.flatnonzero(~np.isfinite(moved.places[:, 0, 0]))
    assert unknown.tolist() == [0, 10, 11]
    assert moved.confidence[[0, 10, 11]].max() == 0
    whole = in_time(seen, 2.0)
    assert np.flatnonzero(~np.isfinite(whole.places[:, 0, 0])).tolist() == [0, 1, 12]
    assert np.array_equal(whole.places[5], seen.places[3])


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="not \\(T, J, 2\\)"):
        Keypoints(("a",), np.zeros((3, 2, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="have confidence"):
        Keypoints(("a",), np.zeros((3, 1, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="not \\(T, P, J, 2\\)"):
        People(("a",), np.zeros((3, 1, 2)), np.zeros((3, 1)))
