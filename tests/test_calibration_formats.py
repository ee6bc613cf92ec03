"""Every format describes the same cameras: points projected through it land on the same pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.camera import Camera, LensModel
from calibration.formats.caliscope import from_toml, to_toml
from calibration.formats.nerfstudio import from_transforms, to_transforms
from calibration.formats.registry import FORMATS, format_named, read_rig, write_rig
from calibration.formats.rig_file import Hints, RigToWrite
from calibration.pose import Floats, Pose

ROUNDING_PX = 1e-6
IMAGES = {"cam00": "a.png", "cam01": "b.png"}
LENSES: dict[str, list[list[float]]] = {
    "brown": [[-0.33, 0.046, -0.0043, 0.0041, 0.067], [0.18, -0.25, 0.003, 0.002, 0.12]],
    "brown without k3": [[-0.22, 0.046, -0.0043, 0.0041, 0.0], [0.08, -0.03, 0.003, 0.002, 0.0]],
    "fisheye": [[0.03, -0.01, 0.004, -0.001], [-0.02, 0.006, -0.003, 0.0007]],
    "pinhole": [[0.0] * 5, [0.0] * 5],
}
# What each format cannot hold; the rest it must hold exactly.
REFUSED = {
    "easymocap": {"fisheye"},
    "pose2sim": {"fisheye"},
    "usd": {"fisheye"},
    "actorshq": {"brown", "brown without k3", "fisheye"},
    "nersemble": {"brown", "brown without k3", "fisheye"},
}
CASES = [(f.name, lens) for f in FORMATS if f.write for lens in LENSES]


def two_cameras(lens: str = "brown") -> tuple[Camera, ...]:
    """Two cameras; as pinholes they have one lens, because NeRSemble's file holds only one."""
    model: LensModel = "fisheye" if lens == "fisheye" else "brown"
    placed = []
    for i, coefficients in enumerate(LENSES[lens]):
        shorter = 0 if lens == "pinhole" else 200 * i
        pose = Pose.from_rotvec((0.3 + i, -0.5, 0.2), (1.0, -2.0 + i, 0.5))
        numbers = (903.55 - shorter, 907.87 - shorter, 618.3, 394.2)
        placed.append(Camera(f"cam{i:02d}", 1280, 720, *numbers, np.array(coefficients), pose, model))
    return tuple(placed)


def points_before(camera: Camera) -> Floats:
    """Points (100, 3) in the world that the camera sees, anywhere in its picture, 1 to 5 m away."""
    rng = np.random.default_rng(0)
    pixels = rng.uniform((0, 0), (camera.width - 1, camera.height - 1), (100, 2))
    return np.asarray(camera.centre + camera.rays(pixels) * rng.uniform(1, 5, (100, 1)))


def worst_pixel(ours: tuple[Camera, ...], theirs: tuple[Camera, ...]) -> float:
    off = []
    for a, b in zip(ours, theirs, strict=True):
        points = points_before(a)
        off.append(np.abs(a.project(points)[0] - b.project(points)[0]).max())
    return float(np.max(off))  # not max(): it passes over NaN


def to_write(cameras: tuple[Camera, ...]) -> RigToWrite:
    return RigToWrite(cameras, {camera.id: f"pictures/{camera.id}.png" for camera in cameras})


@pytest.mark.parametrize(("name", "lens"), CASES)
def test_what_is_written_is_read_back_to_the_pixel(name: str, lens: str, tmp_path: Path) -> None:
    cameras = two_cameras(lens)
    if lens in REFUSED.get(name, set()):
        with pytest.raises(ValueError, match=r"camera cam00 (is a fisheye|has a lens that bends)"):
            write_rig(to_write(cameras), name, tmp_path)
        assert list(tmp_path.iterdir()) == []
        return
    write_rig(to_write(cameras), name, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == set(format_named(name).files)
    back = read_rig(tmp_path, name).cameras
    assert [(c.id, c.width, c.height, c.model) for c in back] == [(c.id, c.width, c.height, c.model) for c in cameras]
    assert worst_pixel(cameras, back) < ROUNDING_PX


@pytest.mark.parametrize("name", [f.name for f in FORMATS if f.write])
def test_one_file_of_the_format_is_enough_to_name_it(name: str, tmp_path: Path) -> None:
    cameras = two_cameras("pinhole")
    write_rig(to_write(cameras), name, tmp_path)
    file = tmp_path / format_named(name).files[0]
    assert worst_pixel(cameras, read_rig(file, name).cameras) < ROUNDING_PX


def test_formats_say_what_they_are() -> None:
    assert len({f.name for f in FORMATS}) == len(FORMATS)
    assert all(f.read or f.write for f in FORMATS)
    with pytest.raises(ValueError, match="format 'obj' is not known; it must be one of nerfstudio, colmap"):
        format_named("obj")
    with pytest.raises(ValueError, match="format qualisys is only read here"):
        write_rig(to_write(two_cameras()), "qualisys", Path("never"))


def test_what_no_format_holds_is_named(tmp_path: Path) -> None:
    rig = to_write(two_cameras())
    with_more = RigToWrite(rig.cameras, rig.pictures, {"cam00": 0.3}, {"cam00": 0.0, "cam01": -0.109})
    assert write_rig(with_more, "nerfstudio", tmp_path) == (
        "time offsets of cam01 are not in the file",
        "reprojection errors are not in the file",
    )
    notes = write_rig(with_more, "caliscope", tmp_path)
    assert "reprojection errors are not in the file" not in notes
    assert "error = 0.3" in (tmp_path / "camera_array.toml").read_text()


def test_two_lens_models_in_one_rig_go_only_where_each_camera_has_its_own(tmp_path: Path) -> None:
    mixed = (two_cameras()[0], two_cameras("fisheye")[1])
    for name in ("colmap", "colmap-bin", "caliscope", "anipose"):
        write_rig(to_write(mixed), name, tmp_path)
        assert worst_pixel(mixed, read_rig(tmp_path, name).cameras) < ROUNDING_PX
    for name in ("nerfstudio", "opencv"):
        with pytest.raises(ValueError, match="one lens model"):
            write_rig(to_write(mixed), name, tmp_path)


def test_a_unit_is_believed_only_within_a_studio(tmp_path: Path) -> None:
    metres = two_cameras()
    in_mm = tuple(c.placed(Pose(c.world_from_camera.rotation, 1000 * c.centre)) for c in metres)
    write_rig(to_write(in_mm), "anipose", tmp_path)
    with pytest.raises(ValueError, match=r"camera cam00 stands 2291 m from the origin; .* \(--unit mm\)"):
        read_rig(tmp_path, "anipose")
    back = read_rig(tmp_path, "anipose", Hints(unit_m=1e-3)).cameras
    assert worst_pixel(metres, back) < ROUNDING_PX


@pytest.mark.parametrize(("up", "axis"), [("y", (0, 1, 0)), ("-y", (0, -1, 0))])
def test_another_upward_axis_is_turned_up(up: str, axis: tuple[int, int, int], tmp_path: Path) -> None:
    write_rig(to_write(two_cameras()), "colmap", tmp_path)
    before = read_rig(tmp_path, "colmap").cameras
    turned = read_rig(tmp_path, "colmap", Hints(up="y" if up == "y" else "-y")).cameras
    for a, b in zip(before, turned, strict=True):
        move = b.world_from_camera @ a.world_from_camera.inverse()
        assert move.apply(np.array(axis)) == pytest.approx([0, 0, 1], abs=1e-12)
        points = points_before(a)
        assert np.abs(a.project(points)[0] - b.project(move.apply(points))[0]).max() < ROUNDING_PX


def test_height_before_width_is_seen(tmp_path: Path) -> None:
    write_rig(to_write(two_cameras()), "anipose", tmp_path)
    file = tmp_path / "calibration.toml"
    file.write_text(file.read_text().replace("[1280, 720]", "[720, 1280]"))
    with pytest.raises(ValueError, match="camera cam00 has its middle at .* width and height are exchanged"):
        read_rig(tmp_path, "anipose")


def test_two_cameras_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = (two_cameras()[0], two_cameras()[0])
    with pytest.raises(ValueError, match="camera cam00 is there twice"):
        write_rig(to_write(twice), "colmap", tmp_path)
    write_rig(to_write(two_cameras()), "anipose", tmp_path)
    file = tmp_path / "calibration.toml"
    file.write_text(file.read_text().replace('name = "cam01"', 'name = "cam00"'))
    with pytest.raises(ValueError, match="camera cam00 is there twice"):
        read_rig(tmp_path, "anipose")


def test_transforms_json_round_trip() -> None:
    cameras = two_cameras()
    back = from_transforms(json.loads(json.dumps(to_transforms(cameras, IMAGES))))
    assert [c.id for c in back] == ["cam00", "cam01"]
    assert worst_pixel(cameras, back) < ROUNDING_PX


def test_transforms_json_follows_nerfstudios_conventions() -> None:
    camera = two_cameras()[0]
    content = json.loads(json.dumps(to_transforms([camera], IMAGES)))
    frame = content["frames"][0]
    pose = np.array(frame["transform_matrix"])
    assert np.allclose(pose[:3, 2], -camera.world_from_camera.rotation[:, 2])  # it looks along its -z
    assert np.allclose(pose[:3, 1], -camera.world_from_camera.rotation[:, 1])  # and its y points up
    assert frame["cx"] == camera.cx + 0.5
    assert content["applied_transform"] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_a_reader_that_forgets_the_half_pixel_is_seen() -> None:
    cameras = two_cameras()
    content = json.loads(json.dumps(to_transforms(cameras, IMAGES)))
    for frame in content["frames"]:
        frame["cx"] -= 0.5
    assert worst_pixel(cameras, from_transforms(content)) == pytest.approx(0.5)


def test_transforms_with_shared_intrinsics_are_read() -> None:
    content = json.loads(json.dumps(to_transforms(two_cameras()[:1], IMAGES)))
    frame = content["frames"][0]
    shared = {k: frame.pop(k) for k in ("w", "h", "fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2", "k3")}
    assert worst_pixel(two_cameras()[:1], from_transforms({**content, **shared})) < ROUNDING_PX


def test_transforms_that_cannot_be_right_are_refused() -> None:
    content = json.loads(json.dumps(to_transforms(two_cameras(), IMAGES)))
    with pytest.raises(ValueError, match="camera_model 'EQUIRECTANGULAR'"):
        from_transforms({**content, "camera_model": "EQUIRECTANGULAR"})
    with pytest.raises(ValueError, match="frame 0 has p1 = -0.0043, which its lens model does not know"):
        from_transforms({**content, "camera_model": "OPENCV_FISHEYE"})
    with pytest.raises(ValueError, match="frame 0 has k4 = 0.1"):
        from_transforms({**content, "k4": 0.1})
    with pytest.raises(ValueError, match="frame 0 has no 'w'"):
        from_transforms({"frames": [{"h": 3}]})
    with pytest.raises(ValueError, match="needs a picture for camera cam01"):
        to_transforms(two_cameras(), {"cam00": "a.png"})
    with pytest.raises(ValueError, match="applied_transform is no rotation"):
        from_transforms({**content, "applied_transform": [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]})
    with pytest.raises(ValueError, match="applied_scale must be above 0"):
        from_transforms({**content, "applied_scale": -1})


def test_a_world_that_nerfstudio_moved_is_put_back() -> None:
    cameras = two_cameras()
    content = json.loads(json.dumps(to_transforms(cameras, IMAGES)))
    applied = np.array(
        [[1.0, 0, 0, 0.3], [0, 0, 1, -2], [0, -1, 0, 1]]
    )  # what ns-process-data does to COLMAP's, and a shift
    for frame in content["frames"]:
        moved = np.vstack([applied, [0, 0, 0, 1]]) @ np.array(frame["transform_matrix"])
        moved[:3, 3] *= 0.5
        frame["transform_matrix"] = moved.tolist()
    back = from_transforms({**content, "applied_transform": applied.tolist(), "applied_scale": 0.5})
    assert worst_pixel(cameras, back) < ROUNDING_PX


def test_frames_of_one_camera_go_by_their_pictures() -> None:
    content = json.loads(json.dumps(to_transforms(two_cameras(), IMAGES)))
    for frame in content["frames"]:
        frame["camera_id"] = 1
    assert [c.id for c in from_transforms(content)] == ["a", "b"]


def test_toml_round_trip() -> None:
    cameras = two_cameras()
    text = to_toml(cameras, {"cam00": 0.25})
    assert "error = 0.25" in text
    back = from_toml(text)
    assert [c.id for c in back] == ["cam00", "cam01"]
    assert worst_pixel(cameras, back) < ROUNDING_PX


def test_toml_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no \[cameras.N\] and no \[cam_N\] table"):
        from_toml("stage = 2\n")
    with pytest.raises(ValueError, match="table '0' has no 'rotation'"):
        from_toml("[cameras.0]\nsize = [1, 1]\nmatrix = []\ndistortions = []\n")
    with pytest.raises(ValueError, match="'0' translation must be 3 numbers"):
        from_toml(to_toml(two_cameras()[:1], {}).replace("translation = [", "translation = [0.001, "))
    with pytest.raises(ValueError, match="is a fisheye with 5 coefficients"):
        from_toml(to_toml(two_cameras()[:1], {}).replace("fisheye = false", "fisheye = true"))
