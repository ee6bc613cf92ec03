"""The TOML files of Caliscope, Anipose and Pose2Sim, judged by OpenCV on the numbers in the file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_calibration_formats import ROUNDING_PX, points_before, to_write, two_cameras, worst_pixel

from calibration.camera import Camera
from calibration.formats.registry import read_rig, write_rig
from calibration.formats.rig_file import Hints
from calibration.pose import Floats
from capture.issues import JsonObject, JsonValue

FILES = {"caliscope": "camera_array.toml", "anipose": "calibration.toml", "pose2sim": "Calib.toml"}


def tables(name: str, folder: Path) -> list[JsonObject]:
    data = tomllib.loads((folder / FILES[name]).read_text())
    held = data["cameras"] if name == "caliscope" else data
    return [table for key, table in held.items() if key != "metadata"]


def by_opencv(table: JsonObject, points: Floats) -> Floats:
    """As aniposelib, Pose2Sim and Caliscope project: the vector of the rotation goes to OpenCV as it is."""

    def held(key: str) -> Floats:
        value: JsonValue = table[key]
        return np.array(value, dtype=np.float64)

    turn = held("rotation")
    vector = turn if turn.shape == (3,) else cv2.Rodrigues(turn)[0]
    project = cv2.fisheye.projectPoints if table.get("fisheye") else cv2.projectPoints
    at = (vector.reshape(3, 1), held("translation").reshape(3, 1))
    return np.asarray(project(points.reshape(-1, 1, 3), *at, held("matrix"), held("distortions"))[0]).reshape(-1, 2)


@pytest.mark.parametrize(
    ("name", "lens"),
    [(name, lens) for name in FILES for lens in ("brown", "brown without k3")]
    + [("caliscope", "fisheye"), ("anipose", "fisheye")],
)
def test_opencv_projects_our_cameras_to_the_same_pixels(name: str, lens: str, tmp_path: Path) -> None:
    cameras = two_cameras(lens)
    write_rig(to_write(cameras), name, tmp_path)
    for camera, table in zip(cameras, tables(name, tmp_path), strict=True):
        assert table["name"] == camera.id
        assert table["size"] == [1280, 720]
        points = points_before(camera)
        assert np.abs(by_opencv(table, points) - camera.project(points)[0]).max() < ROUNDING_PX


def test_a_vector_of_the_other_direction_lands_elsewhere(tmp_path: Path) -> None:
    """The negative control of world to camera."""
    camera = two_cameras()[0]
    write_rig(to_write((camera,)), "anipose", tmp_path)
    table = tables("anipose", tmp_path)[0]
    vector = table["rotation"]
    assert isinstance(vector, list)
    turned: JsonObject = {**table, "rotation": [-float(str(v)) for v in vector]}
    assert np.abs(by_opencv(turned, points_before(camera)) - camera.project(points_before(camera))[0]).max() > 10


def test_anipose_sorts_its_cameras_as_ours_are(tmp_path: Path) -> None:
    many = tuple(
        Camera(f"c{i}", 1280, 720, 900, 900, 640, 360, np.zeros(5), two_cameras()[0].world_from_camera)
        for i in range(12)
    )
    write_rig(to_write(many), "anipose", tmp_path)
    data = tomllib.loads((tmp_path / FILES["anipose"]).read_text())
    names = [data[key]["name"] for key in sorted(data) if key != "metadata"]
    assert names == [c.id for c in many]


def test_pose2sim_gets_four_coefficients_where_four_are_enough(tmp_path: Path) -> None:
    assert write_rig(to_write(two_cameras("brown without k3")), "pose2sim", tmp_path) == ()
    assert [len(t["distortions"]) for t in tables("pose2sim", tmp_path)] == [4, 4]  # type: ignore[arg-type]
    notes = write_rig(to_write(two_cameras()), "pose2sim", tmp_path)
    assert "camera cam00 has k3, a fifth coefficient" in notes[0]
    assert [len(t["distortions"]) for t in tables("pose2sim", tmp_path)] == [5, 5]  # type: ignore[arg-type]


CAMERA = """\
[{key}]
size = [1280.0, 720.0]
matrix = [[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]]
distortions = {bent}
rotation = {turn}
translation = {place}
"""


def camera_toml(folder: Path, **changes: str) -> Path:
    values = {
        "key": "left",
        "bent": "[0.1, -0.05, 0.001, 0.002]",
        "turn": "[0.3, -0.5, 0.2]",
        "place": "[0.1, 0.2, 3.0]",
    }
    file = folder / "calibration.toml"
    file.write_text(CAMERA.format(**(values | changes)) + "[metadata]\nadjusted = false\n[board]\ncolumns = 7\n")
    return file


def test_shapes_that_numpy_leaves_behind_are_read(tmp_path: Path) -> None:
    first = read_rig(camera_toml(tmp_path), "anipose").cameras
    assert first[0].id == "left"
    columns = {
        "turn": "[[0.3], [-0.5], [0.2]]",
        "place": "[[0.1], [0.2], [3.0]]",
        "bent": "[[0.1, -0.05, 0.001, 0.002, 0.0]]",
    }
    assert worst_pixel(first, read_rig(camera_toml(tmp_path, **columns), "anipose").cameras) == 0
    eight = {"bent": "[0.1, -0.05, 0.001, 0.002, 0.0, 0.0, 0.0, 0.0]"}
    assert worst_pixel(first, read_rig(camera_toml(tmp_path, **eight), "anipose").cameras) == 0
    matrix = cv2.Rodrigues(np.array([0.3, -0.5, 0.2]))[0].round(6).tolist()
    assert worst_pixel(first, read_rig(camera_toml(tmp_path, turn=str(matrix)), "anipose").cameras) < 0.01


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bent": "[0.1, 0.2, 0.3]"}, "has 3 distortion coefficients; OpenCV has 4, 5, 8, 12 or 14"),
        ({"bent": "[0.1, 0, 0, 0, 0, 0.2, 0, 0]"}, "rational, thin prism or tilted lens"),
        ({"bent": "[nan, 0, 0, 0]"}, "distortions is nan, which is no number"),
        ({"bent": '"none"'}, "distortions must be n numbers, found 'none'"),
        ({"turn": "[[1, 0, 0], [0, 1, 0], [0, 0, -1]]"}, "is no rotation: .* det R is -1"),
        ({"turn": "[[1, 0, 0], [0, 2, 0], [0, 0, 1]]"}, "is no rotation"),
        ({"turn": "[0.1, 0.2]"}, "rotation must be 3 numbers"),
        ({"turn": '"null"'}, "has no 'rotation'; a camera that is not placed cannot be read"),
        ({"place": "[0.1, 0.2, 3000.0]"}, "if the file is in millimetres, say so"),
        ({"place": '["0,1", 0.2, 3.0]'}, "a decimal comma"),
        ({"place": "{x = 1}"}, "translation must be 3 numbers"),
    ],
)
def test_a_table_that_is_wrong_is_named(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        read_rig(camera_toml(tmp_path, **changes), "anipose")


def test_a_transposed_matrix_of_the_lens_is_seen(tmp_path: Path) -> None:
    file = camera_toml(tmp_path)
    whole, turned = "0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0,", "0.0, 0.0], [0.0, 900.0, 0.0], [640.0, 360.0,"
    assert whole in file.read_text()
    file.write_text(file.read_text().replace(whole, turned))
    with pytest.raises(ValueError, match="'left' matrix is transposed"):
        read_rig(file, "anipose")


def test_what_caliscope_says_beside_is_noted(tmp_path: Path) -> None:
    write_rig(to_write(two_cameras()), "caliscope", tmp_path)
    file = tmp_path / FILES["caliscope"]
    file.write_text(
        file.read_text().replace("rotation_count = 0\nignore = false", "rotation_count = 1\nignore = true", 1)
    )
    found = read_rig(file, "caliscope", Hints())
    assert [note.split(" in Caliscope")[0] for note in found.notes] == [
        "camera cam00 is set to be ignored",
        "camera cam00 is turned for display",
    ]
