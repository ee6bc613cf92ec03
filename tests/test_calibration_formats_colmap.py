"""COLMAP's own library reads what we write, and we read what it writes; points land on the same pixels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from test_calibration_formats import ROUNDING_PX, points_before, to_write, two_cameras, worst_pixel

from calibration.camera import Camera
from calibration.formats.colmap_model import LENSES, ColmapLens, camera_of
from calibration.formats.registry import read_rig, write_rig
from calibration.formats.rig_file import RigToWrite
from calibration.pose import Floats, Pose

HALF = 0.5
LENS_NAMES = ("pinhole", "brown", "brown without k3", "fisheye")


def projected(model: pycolmap.Reconstruction, name: str, points: Floats) -> Floats:
    """Pixels (N, 2) of points (N, 3) as COLMAP projects them, from the corner of the picture."""
    image = next(i for i in model.images.values() if Path(i.name).stem == name)
    placed = image.cam_from_world() * points
    return np.asarray(model.cameras[image.camera_id].img_from_cam(placed))


def worst_against_colmap(cameras: tuple[Camera, ...], folder: Path, shift: float = HALF) -> float:
    model = pycolmap.Reconstruction(str(folder))
    off = []
    for camera in cameras:
        points = points_before(camera)
        off.append(np.abs(projected(model, camera.id, points) - shift - camera.project(points)[0]).max())
    return float(np.max(off))


@pytest.mark.parametrize("lens", LENS_NAMES)
@pytest.mark.parametrize("name", ["colmap", "colmap-bin"])
def test_colmap_projects_our_cameras_to_the_same_pixels(name: str, lens: str, tmp_path: Path) -> None:
    cameras = two_cameras(lens)
    write_rig(to_write(cameras), name, tmp_path)
    assert worst_against_colmap(cameras, tmp_path) < ROUNDING_PX


def test_without_the_half_pixel_colmap_disagrees_by_it(tmp_path: Path) -> None:
    write_rig(to_write(two_cameras()), "colmap-bin", tmp_path)
    assert worst_against_colmap(two_cameras(), tmp_path, shift=0.0) == pytest.approx(HALF, abs=1e-6)


@pytest.mark.parametrize("name", ["colmap", "colmap-bin"])
def test_colmap_sees_one_rig_at_one_moment(name: str, tmp_path: Path) -> None:
    cameras = two_cameras()
    write_rig(to_write(cameras), name, tmp_path)
    model = pycolmap.Reconstruction(str(tmp_path))
    assert (model.num_rigs(), model.num_frames(), model.num_images(), model.num_cameras()) == (1, 1, 2, 2)
    sensor = next(iter(model.rigs.values())).sensor_from_rig(pycolmap.sensor_t(pycolmap.SensorType.CAMERA, 2))
    wanted = cameras[1].world_from_camera.inverse() @ cameras[0].world_from_camera
    assert sensor.matrix() == pytest.approx(wanted.matrix[:3], abs=1e-12)


@pytest.mark.parametrize("name", ["colmap", "colmap-bin"])
def test_a_model_that_colmap_wrote_is_read(name: str, tmp_path: Path) -> None:
    made = pycolmap.synthesize_dataset(
        pycolmap.SyntheticDatasetOptions(num_rigs=1, num_frames_per_rig=3, num_points3D=50)
    )
    (made.write_text if name == "colmap" else made.write_binary)(str(tmp_path))
    found = read_rig(tmp_path, name)
    assert len(found.cameras) == made.num_images()
    assert "names no unit of length" in found.notes[0]
    stems = {Path(i.name).with_suffix("").as_posix().replace("/", "_"): i for i in made.images.values()}
    points = np.array([p.xyz for p in made.points3D.values()])
    compared = 0
    for camera in found.cameras:
        image = next(i for key, i in stems.items() if key.endswith(camera.id))
        theirs = made.cameras[image.camera_id].img_from_cam(image.cam_from_world() * points)
        ours, depth = camera.project(points)
        seen = (depth > 0) & np.isfinite(ours[:, 0])
        compared += int(seen.sum())
        assert np.abs(theirs[seen] - HALF - ours[seen]).max() < ROUNDING_PX
    assert compared > 100


def test_a_model_without_rigs_and_frames_is_read_and_points_are_passed_over(tmp_path: Path) -> None:
    """As COLMAP 3 wrote it, with points behind each image."""
    cameras = two_cameras()
    write_rig(to_write(cameras), "colmap-bin", tmp_path)
    for name in ("rigs", "frames", "points3D"):
        (tmp_path / f"{name}.bin").unlink()
    data = (tmp_path / "images.bin").read_bytes()
    head, tail = b"cam00.png\0", struct.pack("<Q", 0)
    at = data.index(head) + len(head)
    assert data[at : at + 8] == tail
    points = struct.pack("<Q", 2) + struct.pack("<ddq", 3.5, 4.5, -1) * 2
    (tmp_path / "images.bin").write_bytes(data[:at] + points + data[at + 8 :])
    assert worst_pixel(cameras, read_rig(tmp_path, "colmap-bin").cameras) < ROUNDING_PX


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        (lambda q: [q[1], q[2], q[3], q[0]], "x y z w"),
        (lambda q: [q[0], -q[1], -q[2], -q[3]], "of the other direction"),
    ],
)
def test_another_order_of_the_quaternion_lands_elsewhere(
    change: Callable[[list[str]], list[object]], moved: str, tmp_path: Path
) -> None:
    """The negative control of w x y z, world to camera."""
    write_rig(to_write(two_cameras()), "colmap", tmp_path)
    lines = (tmp_path / "images.txt").read_text().splitlines()
    words = lines[3].split()
    quaternion = [float(w) for w in words[1:5]]
    lines[3] = " ".join([words[0], *map(str, change(quaternion)), *words[5:]])  # type: ignore[arg-type]
    (tmp_path / "images.txt").write_text("\n".join(lines))
    off = worst_pixel(two_cameras(), read_rig(tmp_path, "colmap").cameras)
    assert not off < 10, moved


@pytest.mark.parametrize("model", [name for name, kind in LENSES.items() if kind.family])
def test_every_model_that_can_be_ours_projects_as_colmaps(model: str) -> None:
    kind = LENSES[model]
    known = {"f": 900.0, "fx": 900.0, "fy": 910.0, "cx": 641.0, "cy": 357.0, "k1": -0.05, "k2": 0.02}
    known |= {"p1": 0.001, "p2": -0.002} if kind.family == "brown" else {}
    known |= {"k3": 0.004} if model in ("FULL_OPENCV", "OPENCV_FISHEYE", "THIN_PRISM_FISHEYE") else {}
    parameters = tuple(known.get(p, 0.0) for p in kind.parameters)
    theirs = pycolmap.Camera(model=model, width=1280, height=720, params=list(parameters))
    assert int(theirs.model) == kind.number
    assert theirs.params_info.replace(" ", "").count(",") + 1 == len(kind.parameters)
    ours = camera_of(ColmapLens(1, model, 1280, 720, parameters), "a", Pose.identity())
    points = np.random.default_rng(1).uniform((-0.5, -0.3, 1.0), (0.5, 0.3, 1.0), (200, 3))
    seen = np.asarray(theirs.img_from_cam(points)) - HALF
    assert np.abs(seen - ours.project(points)[0]).max() < ROUNDING_PX


@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        ("FULL_OPENCV", "900 900 640 360 0 0 0 0 0 0.1 0 0", "camera a has lens model FULL_OPENCV with k4 = 0.1"),
        ("THIN_PRISM_FISHEYE", "900 900 640 360 0 0 0.01 0 0 0 0 0", "THIN_PRISM_FISHEYE with p1 = 0.01"),
        ("FOV", "900 900 640 360 0.5", "camera a has lens model FOV, which has no exact equal"),
        ("EUCM", "900 900 640 360 0.5 1", "lens model EUCM, which has no exact equal"),
        ("EQUIRECTANGULAR", "1280 720", "lens model EQUIRECTANGULAR"),
        ("SIMPLE_DIVISION", "900 640 360 -0.1", "SIMPLE_DIVISION with division = -0.1"),
        ("OPENCV", "900 900 640 360 0 0", "camera 1 of cameras.txt has 6 parameters; OPENCV has fx fy cx cy k1"),
        ("CRYSTAL_BALL", "900 640 360", "must be id, a known model"),
        ("SIMPLE_PINHOLE", "nan 640 360", "camera 1 of cameras.txt is nan"),
        ("SIMPLE_PINHOLE", "900,5 640 360", "a decimal comma"),
        ("SIMPLE_PINHOLE", "-900 640 360", "camera a has intrinsics that no lens has"),
    ],
)
def test_a_lens_that_cannot_be_ours_is_named(model: str, parameters: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "cameras.txt").write_text(f"1 {model} 1280 720 {parameters}\n")
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n")
    with pytest.raises(ValueError, match=said):
        read_rig(tmp_path, "colmap")


def test_tabs_comments_a_byte_order_mark_and_other_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "cameras.txt").write_text("\ufeff# by hand\r\n1\tSIMPLE_PINHOLE\t1280\t720\t900\t640\t360\r\n")
    (tmp_path / "images.txt").write_text(
        "\ufeff# a\r\n7\t1\t0\t0\t0\t0\t0\t1\t1\tx/a.png\r\n1 2 -1\r\n8 1 0 0 0 0 0 2 1 x/b.png\r\n\r\n"
    )
    found = read_rig(tmp_path, "colmap").cameras
    assert [(c.id, c.cx, tuple(c.centre)) for c in found] == [("a", 639.5, (0, 0, -1)), ("b", 639.5, (0, 0, -2))]


def test_names_are_those_of_pictures_and_a_loss_is_named(tmp_path: Path) -> None:
    cameras = two_cameras()
    notes = write_rig(RigToWrite(cameras, {"cam00": "left/1.png", "cam01": "right/1.png"}), "colmap", tmp_path)
    assert any("come back as the names of their pictures" in note for note in notes)
    assert [c.id for c in read_rig(tmp_path, "colmap").cameras] == ["left", "right"]
    assert not any("come back" in note for note in write_rig(to_write(cameras), "colmap", tmp_path))
    spaced = tuple(replace(c, id=f"my {c.id}") for c in cameras)
    with pytest.raises(ValueError, match=r"'my cam00.png' has a space .* use colmap-bin"):
        write_rig(RigToWrite(spaced), "colmap", tmp_path)
    write_rig(RigToWrite(spaced), "colmap-bin", tmp_path)
    assert [c.id for c in read_rig(tmp_path, "colmap-bin").cameras] == ["my cam00", "my cam01"]
