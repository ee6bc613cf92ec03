"""Formats of renderers and data sets, judged by what their documentation says, written down here a second time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom
from test_calibration_formats import ROUNDING_PX, points_before, to_write, two_cameras, worst_pixel

from calibration.camera import Camera
from calibration.formats.registry import read_rig, write_rig
from calibration.formats.rig_file import Hints
from calibration.pose import Floats

Projection: TypeAlias = Callable[[Path, int, Floats], Floats]
HALF = 0.5


def nerfstudio(folder: Path, index: int, points: Floats) -> Floats:
    """Cameras look along -z with y up; `camera_utils` bends; pixels count from the corner."""
    content = json.loads((folder / "transforms.json").read_text())
    frame = content["frames"][index]
    local = np.c_[points, np.ones(len(points))] @ np.linalg.inv(np.array(frame["transform_matrix"])).T
    x, y = local[:, 0] / -local[:, 2], -local[:, 1] / -local[:, 2]
    r = np.hypot(x, y)
    if content["camera_model"] == "OPENCV_FISHEYE":
        theta = np.arctan(r)
        bent = theta * (1 + sum(frame[f"k{n}"] * theta ** (2 * n) for n in (1, 2, 3, 4)))
        x, y = x * bent / r, y * bent / r
    else:
        radial = 1 + frame["k1"] * r**2 + frame["k2"] * r**4 + frame["k3"] * r**6
        p1, p2 = frame["p1"], frame["p2"]
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x * x),
            y * radial + 2 * p2 * x * y + p1 * (r**2 + 2 * y * y),
        )
    return np.stack([frame["fl_x"] * x + frame["cx"], frame["fl_y"] * y + frame["cy"]], axis=1) - HALF


def actorshq(folder: Path, index: int, points: Floats) -> Floats:
    """Camera to world by an axis-angle vector; lens in shares of the picture, as COLMAP takes them."""
    with (folder / "calibration.csv").open(newline="") as file:
        row = {k: v if k == "name" else float(v) for k, v in list(csv.DictReader(file))[index].items()}
    turn = cv2.Rodrigues(np.array([row["rx"], row["ry"], row["rz"]]))[0]
    local = (points - np.array([row["tx"], row["ty"], row["tz"]], dtype=np.float64)) @ turn
    size = np.array([row["w"], row["h"]])
    focal, middle = size * np.array([row["fx"], row["fy"]]), size * np.array([row["px"], row["py"]])
    return np.asarray(focal * local[:, :2] / local[:, 2:] + middle - HALF)


def nersemble(folder: Path, index: int, points: Floats) -> Floats:
    """One lens, world to camera, OpenCV's axes."""
    held = json.loads((folder / "camera_params.json").read_text())
    pose = np.array(list(held["world_2_cam"].values())[index])
    local = (np.array(held["intrinsics"]) @ (pose @ np.c_[points, np.ones(len(points))].T)[:3]).T
    return np.asarray(local[:, :2] / local[:, 2:])


def usd(folder: Path, index: int, points: Floats) -> Floats:
    """OpenUSD's own reader and frustum. It keeps apertures and focal length as 32-bit numbers."""
    stage = Usd.Stage.Open(str(folder / "rig.usda"))
    prim = [p for p in stage.Traverse() if p.IsA(UsdGeom.Camera)][index]
    frustum = UsdGeom.Camera(prim).GetCamera(Usd.TimeCode.Default()).frustum
    both = frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()
    device = np.array([tuple(both.Transform(Gf.Vec3d(*map(float, p)))) for p in points])
    width, height = prim.GetAttribute("likeness:imageSize").Get()
    return np.stack([(device[:, 0] + 1) / 2 * width, (1 - device[:, 1]) / 2 * height], axis=1) - HALF


def worst(cameras: tuple[Camera, ...], project: Projection, folder: Path) -> float:
    off = []
    for index, camera in enumerate(cameras):
        points = points_before(camera)
        off.append(np.abs(project(folder, index, points) - camera.project(points)[0]).max())
    return float(np.max(off))


@pytest.mark.parametrize(
    ("name", "lens", "project", "within"),
    [
        ("nerfstudio", "brown", nerfstudio, ROUNDING_PX),
        ("nerfstudio", "fisheye", nerfstudio, ROUNDING_PX),
        ("actorshq", "pinhole", actorshq, ROUNDING_PX),
        ("nersemble", "pinhole", nersemble, ROUNDING_PX),
        ("usd", "pinhole", usd, 1e-3),
    ],
)
def test_others_project_our_cameras_to_the_same_pixels(
    name: str, lens: str, project: Projection, within: float, tmp_path: Path
) -> None:
    cameras = two_cameras(lens)
    write_rig(to_write(cameras), name, tmp_path)
    assert worst(cameras, project, tmp_path) < within


@pytest.mark.parametrize(("name", "project", "file", "key"), [("nerfstudio", nerfstudio, "transforms.json", '"cx": ')])
def test_without_the_half_pixel_they_disagree_by_it(
    name: str, project: Projection, file: str, key: str, tmp_path: Path
) -> None:
    cameras = two_cameras("pinhole")
    write_rig(to_write(cameras), name, tmp_path)
    text = (tmp_path / file).read_text()
    (tmp_path / file).write_text(text.replace(f"{key}{cameras[0].cx + HALF}", f"{key}{cameras[0].cx}"))
    assert worst(cameras, project, tmp_path) == pytest.approx(HALF, abs=1e-6)
    assert worst_pixel(cameras, read_rig(tmp_path, name).cameras) == pytest.approx(HALF, abs=1e-6)


def test_actorshq_and_usd_read_from_the_middle_of_pixels_disagree_by_the_half(tmp_path: Path) -> None:
    cameras = two_cameras("pinhole")
    for name, project in (("actorshq", actorshq), ("usd", usd)):
        write_rig(to_write(cameras), name, tmp_path)
        points = points_before(cameras[0])
        off = project(tmp_path, 0, points) + HALF - cameras[0].project(points)[0]
        assert off == pytest.approx(np.full((100, 2), HALF), abs=1e-3)


def test_usd_is_a_stage_in_metres_with_z_up_that_others_measure_right(tmp_path: Path) -> None:
    camera = two_cameras("pinhole")[0]
    write_rig(to_write((camera,)), "usd", tmp_path)
    stage = Usd.Stage.Open(str(tmp_path / "rig.usda"))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    prim = UsdGeom.Camera(stage.GetPrimAtPath("/rig/cam00"))
    shown = prim.GetCamera(Usd.TimeCode.Default())
    assert shown.horizontalAperture == pytest.approx(0.36)  # tenths of a metre: 36 mm
    assert shown.focalLength / shown.horizontalAperture == pytest.approx(camera.fx / camera.width)
    assert tuple(shown.transform.ExtractTranslation()) == pytest.approx(tuple(camera.centre))
    assert tuple(prim.GetClippingRangeAttr().Get()) == pytest.approx((0.01, 1000.0))


def test_usd_names_what_only_this_house_reads(tmp_path: Path) -> None:
    cameras = two_cameras()
    notes = write_rig(to_write(cameras), "usd", tmp_path)
    assert "that of cam00, cam01 is kept for this house alone" in notes[0]
    straight = tuple(Camera(c.id, 1280, 720, c.fx, c.fy, c.cx, c.cy, np.zeros(5), c.world_from_camera) for c in cameras)
    assert worst(straight, usd, tmp_path) < 1e-3  # what others see


def test_a_stage_that_others_wrote_is_read(tmp_path: Path) -> None:
    """In centimetres, y up, a camera under a moved parent, saved by OpenUSD."""
    stage = Usd.Stage.CreateNew(str(tmp_path / "their.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    parent = UsdGeom.Xform.Define(stage, "/world/rig")
    parent.AddTranslateOp().Set(Gf.Vec3d(10, 20, -30))
    parent.AddRotateXYZOp().Set(Gf.Vec3f(10, 20, 30))
    parent.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    made = UsdGeom.Camera.Define(stage, "/world/rig/cam7")
    made.AddTranslateOp().Set(Gf.Vec3d(1, 2, 300))
    made.AddRotateYOp().Set(25.0)
    made.CreateFocalLengthAttr(35.0)
    made.CreateHorizontalApertureOffsetAttr(1.5)
    stage.GetRootLayer().Save()
    with pytest.raises(ValueError, match="camera cam7 has no size of its picture in the file"):
        read_rig(tmp_path / "their.usda", "usd")
    found = read_rig(tmp_path / "their.usda", "usd", Hints(sizes={"cam7": (1920, 1401)}))
    assert found.notes == (
        "the stage has y up; it was turned so that z is up",
        "camera cam7 is a pinhole in the file; its lens distortion is not known",
    )
    camera = found.cameras[0]
    y_up = points_before(camera) @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # z up to y up, as rows
    frustum = made.GetCamera(Usd.TimeCode.Default()).frustum
    both = frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()
    device = np.array([tuple(both.Transform(Gf.Vec3d(*map(float, p * 100)))) for p in y_up])
    theirs = np.stack([(device[:, 0] + 1) / 2 * 1920, (1 - device[:, 1]) / 2 * 1401], axis=1) - HALF
    assert np.abs(theirs - camera.project(points_before(camera))[0]).max() < 0.01


def test_a_stage_that_moves_or_is_put_together_is_refused(tmp_path: Path) -> None:
    write_rig(to_write(two_cameras("pinhole")[:1]), "usd", tmp_path)
    text = (tmp_path / "rig.usda").read_text()

    def said(changed: str) -> str:
        (tmp_path / "rig.usda").write_text(changed)
        with pytest.raises(ValueError, match=r".") as err:
            read_rig(tmp_path, "usd")
        return str(err.value)

    row = text[text.index("matrix4d") : text.index("uniform token")]
    one = "((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,0,1))"
    moving = text.replace(row, f"matrix4d xformOp:transform.timeSamples = {{ 0: {one}, 5: {one}, }}\n")
    assert "prim cam00 moves over time (xformOp:transform)" in said(moving)
    zoom = text.replace("float focalLength = ", "float focalLength.timeSamples = { 0: 1, 1: 2 }\n float other = ")
    assert "camera cam00 moves or is put together from elsewhere (focalLength)" in said(zoom)
    other = text.replace('def Camera "cam00"', 'def Camera "cam00" ( prepend references = @x.usda@</y> (offset = 1) )')
    assert "put together from elsewhere (references)" in said(other)
    flipped = text.replace(row, "matrix4d xformOp:transform = ((1,0,0,1),(0,1,0,2),(0,0,1,3),(0,0,0,1))\n")
    assert "must have 0 0 0 1 in its last column; it may be transposed" in said(flipped)
    assert "has projection 'orthographic'" in said(text.replace('"perspective"', '"orthographic"'))
    turned = text.replace('["xformOp:transform"]', '["xformOp:orient"]')
    assert "xformOp:orient of prim cam00 is not read" in said(turned)


def test_nersemble_files_of_the_set_are_portraits(tmp_path: Path) -> None:
    """2200 wide and 3208 high, which the file does not say and its texts write the other way round."""
    pose = np.eye(4).tolist()
    file = tmp_path / "camera_params.json"
    lens = [[8000.0, 0.0, 1100.0], [0.0, 8000.0, 1604.0], [0.0, 0.0, 1.0]]
    file.write_text(json.dumps({"world_2_cam": {"222200037": pose}, "intrinsics": lens}))
    found = read_rig(file, "nersemble")
    assert (found.cameras[0].id, found.cameras[0].width, found.cameras[0].height) == ("222200037", 2200, 3208)
    assert found.notes[0] == "sizes of 222200037 are not in the file; 2200 x 3208 assumed"
    with pytest.raises(ValueError, match="width and height are exchanged"):
        read_rig(file, "nersemble", Hints(sizes={"222200037": (3208, 2200)}))


def test_nersemble_holds_one_lens_for_all(tmp_path: Path) -> None:
    first, second = two_cameras("pinhole")
    other = Camera("cam01", 1280, 720, 800, 800, 640, 360, np.zeros(5), second.world_from_camera)
    with pytest.raises(ValueError, match="camera cam01 differs from cam00 in lens or size"):
        write_rig(to_write((first, other)), "nersemble", tmp_path)
