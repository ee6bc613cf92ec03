"""Every export describes the same cameras: points projected through it land on the same pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibration.camera import Camera
from calibration.formats.caliscope import from_toml, to_toml
from calibration.formats.nerfstudio import from_transforms, to_transforms
from calibration.pose import Pose

ROUNDING_PX = 1e-6
IMAGES = {"cam00": "a.png", "cam01": "b.png"}


def two_cameras() -> tuple[Camera, ...]:
    lenses = ([-0.33, 0.046, -0.0043, 0.0041, 0.067], [0.18, -0.25, 0.003, 0.002, 0.12])
    return tuple(
        Camera(
            f"cam{i:02d}",
            1280,
            720,
            903.55 - 200 * i,
            907.87 - 200 * i,
            618.3,
            394.2,
            np.array(lens),
            Pose.from_rotvec((0.3 + i, -0.5, 0.2), (1.0, -2.0 + i, 0.5)),
        )
        for i, lens in enumerate(lenses)
    )


def worst_pixel(ours: tuple[Camera, ...], theirs: tuple[Camera, ...]) -> float:
    rng = np.random.default_rng(0)
    off = []
    for a, b in zip(ours, theirs, strict=True):
        points = a.centre + a.rays(rng.uniform((0, 0), (1279, 719), (100, 2))) * rng.uniform(1, 5, (100, 1))
        off.append(np.abs(a.project(points)[0] - b.project(points)[0]).max())
    return float(max(off))


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
    with pytest.raises(ValueError, match="camera_model 'OPENCV_FISHEYE'"):
        from_transforms({**content, "camera_model": "OPENCV_FISHEYE"})
    with pytest.raises(ValueError, match="moved or scaled"):
        from_transforms({**content, "applied_scale": 0.5})
    with pytest.raises(ValueError, match="frame 0 has no 'w'"):
        from_transforms({"frames": [{"h": 3}]})
    with pytest.raises(ValueError, match="needs a picture for camera cam01"):
        to_transforms(two_cameras(), {"cam00": "a.png"})


def test_toml_round_trip() -> None:
    cameras = two_cameras()
    text = to_toml(cameras, {"cam00": 0.25})
    assert "error = 0.25" in text
    back = from_toml(text)
    assert [c.id for c in back] == ["cam00", "cam01"]
    assert worst_pixel(cameras, back) < ROUNDING_PX


def test_toml_takes_world_points_into_the_camera() -> None:
    text = to_toml(two_cameras()[:1], {})
    wrong = text.replace("translation = [", "translation = [0.001, ").replace("rotation_count = 0\n", "")
    with pytest.raises(ValueError, match=r"needs shapes"):
        from_toml(wrong)
    camera = from_toml(text)[0]
    pose = camera.world_from_camera.inverse()
    assert f"translation = [{float(pose.translation[0])!r}"[:26] in text


def test_toml_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no \[cameras.N\] and no \[cam_N\] table"):
        from_toml("stage = 2\n")
    with pytest.raises(ValueError, match="table '0' has no 'rotation'"):
        from_toml("[cameras.0]\nsize = [1, 1]\nmatrix = []\ndistortions = []\n")
    with pytest.raises(ValueError, match="is a fisheye lens"):
        from_toml(to_toml(two_cameras()[:1], {}) + "fisheye = true\n")
