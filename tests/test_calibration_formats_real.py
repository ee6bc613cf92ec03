"""Calibrations that other programs made of real rigs: a Qualisys system, and four webcams by Caliscope."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_calibration_formats import ROUNDING_PX, points_before, to_write, worst_pixel

from calibration.camera import Camera
from calibration.formats.registry import FORMATS, read_rig, write_rig
from calibration.pose import Floats

# The same four cameras in Pose2Sim's Calib_qualisys.toml (perfanalytics/pose2sim, Demo of version 0.6, BSD-3): rotation
# vector and translation from world to camera in metres, fx fy cx cy in pixels, and distortion, which it divides by 64.
POSE2SIM = {
    "cam01": (
        (1.6882754799999993, 1.0483220499999997, -0.41955852000000016),
        (0.3211048899999996, 0.9563320600000009, 2.8907130499999996),
        (1681.244873046875, 1681.075439453125, 532.97369384375, 948.137390140625),
        (-0.000721609375, 0.002187234375, 9.5e-06, 1.078125e-05),
    ),
    "cam02": (
        (1.34975875, 1.5963809099999993, -1.1983285799999999),
        (-0.11152829000000014, 0.7766184800000001, 3.0675519599999994),
        (1673.729614265625, 1673.79724121875, 534.494567875, 963.225891109375),
        (-0.000747609375, 0.00213728125, 1.51875e-05, 4.546875e-06),
    ),
    "cam03": (
        (0.8109654899999995, -2.1972129299999996, 1.3760277799999996),
        (-0.7934803899999995, 0.32283594000000126, 4.353514870000001),
        (1681.598388671875, 1681.509887703125, 513.20837403125, 955.005126953125),
        (-0.000729765625, 0.00215034375, -8.46875e-06, -8.078125e-06),
    ),
    "cam04": (
        (1.4045571699999995, -1.3887412699999993, 0.42535743000000026),
        (0.5030217200000007, 0.04894934000000107, 4.406564460000002),
        (1675.234985359375, 1675.204223640625, 540.106201171875, 964.0302734375),
        (-0.000744265625, 0.002104171875, 4.328125e-06, 3.109375e-06),
    ),
}


@pytest.fixture
def qualisys(data_dir: Path) -> tuple[Camera, ...]:
    file = data_dir / "pose2sim-single" / "calibration" / "Calib.qca.txt"
    if not file.is_file():
        pytest.skip(f"no {file}")
    return read_rig(file, "qualisys").cameras


def pose2sim_toml(folder: Path) -> Path:
    text = ""
    for name, (turn, place, (fx, fy, cx, cy), bent) in POSE2SIM.items():
        text += (
            f'[{name}]\nname = "{name}"\nsize = [ 1088.0, 1920.0]\nmatrix = [ [ {fx}, 0.0, {cx}], [ 0.0, {fy}, {cy}], '
            f"[ 0.0, 0.0, 1.0]]\ndistortions = {list(bent)}\nrotation = {list(turn)}\ntranslation = {list(place)}\n"
            "fisheye = false\n\n"
        )
    file = folder / "Calib.toml"
    file.write_text(text + "[metadata]\nadjusted = false\nerror = 0.0\n")
    return file


def test_qualisys_and_pose2sim_describe_the_same_cameras(qualisys: tuple[Camera, ...], tmp_path: Path) -> None:
    theirs = read_rig(pose2sim_toml(tmp_path), "pose2sim").cameras
    assert [(c.id, c.width, c.height) for c in qualisys] == [(c.id, c.width, c.height) for c in theirs]
    for a, b in zip(qualisys, theirs, strict=True):
        assert b.distortion[:4] * 64 == pytest.approx(a.distortion[:4], abs=1e-12)
        same = replace(a, distortion=b.distortion)
        assert (
            worst_pixel((same,), (b,)) < 2e-4
        )  # the world-to-camera numbers were printed with eight digits after the point
        assert np.linalg.norm(a.centre - b.centre) < 1e-6


def test_places_that_are_not_in_millimetres_are_seen(
    qualisys: tuple[Camera, ...], data_dir: Path, tmp_path: Path
) -> None:
    """The negative control of millimetres, and what is plain of the rig: who stands how far, and what is up."""
    text = (data_dir / "pose2sim-single" / "calibration" / "Calib.qca.txt").read_text()
    wrong = tmp_path / "a.qca.txt"
    wrong.write_text(text.replace('x="1460', 'x="1460000'))
    with pytest.raises(ValueError, match="camera cam01 stands 1460 m from the origin"):
        read_rig(wrong, "qualisys")
    assert all(1600 < c.fx < 1700 and 2 < np.linalg.norm(c.centre) < 5 for c in qualisys)
    up = np.mean([-c.world_from_camera.rotation[:, 1] for c in qualisys], axis=0)
    assert up[2] > 0.8  # world z, as seen from cameras that stand upright


def stills_of(camera: Camera, folder: Path) -> list[Floats]:
    """Corners (28, 2) of the chessboard in stills of one camera."""
    found = []
    for file in sorted((folder / f"int_{camera.id}_img").glob("*.jpg"))[:4]:
        grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        ok, corners = cv2.findChessboardCorners(grey, (4, 7))
        if ok:
            criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
            found.append(
                cv2.cornerSubPix(grey, corners.astype(np.float32), (11, 11), (-1, -1), criteria).reshape(-1, 2)
            )
    return found


def test_the_distortion_of_qualisys_is_not_in_subpixels(qualisys: tuple[Camera, ...], data_dir: Path) -> None:
    """Undivided it fits the stills of the set better than divided by 64, as Pose2Sim has it."""
    board = np.zeros((28, 3))
    board[:, :2] = np.mgrid[0:4, 0:7].T.reshape(-1, 2) * 0.06
    camera = qualisys[1]
    views = stills_of(camera, data_dir / "pose2sim-single" / "calibration" / "intrinsics")
    assert len(views) >= 3
    rms = {}
    for divisor in (1, 64):
        bent = camera.distortion / divisor
        square = []
        for corners in views:
            _, turn, place = cv2.solvePnP(board, corners, camera.K, bent)
            square.append(
                ((cv2.projectPoints(board, turn, place, camera.K, bent)[0].reshape(-1, 2) - corners) ** 2).sum(1)
            )
        rms[divisor] = float(np.sqrt(np.mean(square)))
    print(f"board in {len(views)} stills of {camera.id}: {rms[1]:.3f} px as read, {rms[64]:.3f} px divided by 64")
    assert rms[1] < 0.93 * rms[64]


def test_caliscopes_array_projects_as_opencv_does(data_dir: Path) -> None:
    file = data_dir / "caliscope-4cam" / "camera_array.toml"
    if not file.is_file():
        pytest.skip(f"no {file}")
    cameras = read_rig(file, "caliscope").cameras
    held = tomllib.loads(file.read_text())["cameras"]
    assert [c.id for c in cameras] == ["cam_0", "cam_1", "cam_2", "cam_3"]
    older = read_rig(file.with_name("config.toml"), "caliscope").cameras
    assert [c.id for c in older] == [c.id for c in cameras]
    for camera, table in zip(cameras, held.values(), strict=True):
        turn = cv2.Rodrigues(np.array(table["rotation"]))[0]
        at = (turn, np.array(table["translation"]), np.array(table["matrix"]), np.array(table["distortions"]))
        points = points_before(camera)
        points = points[np.isfinite(points[:, 0])]
        assert len(points) > 80
        theirs = cv2.projectPoints(points, *at)[0].reshape(-1, 2)
        assert np.abs(theirs - camera.project(points)[0]).max() < ROUNDING_PX


def test_a_real_rig_goes_through_every_format_that_can_hold_it(qualisys: tuple[Camera, ...], tmp_path: Path) -> None:
    held = [f.name for f in FORMATS if f.write and f.name not in ("actorshq", "nersemble")]
    for name in held:
        write_rig(to_write(qualisys), name, tmp_path / name)
        assert worst_pixel(qualisys, read_rig(tmp_path / name, name).cameras) < ROUNDING_PX
