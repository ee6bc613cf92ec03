"""OpenCV's YAML of a rig and EasyMocap's pair, judged by OpenCV's own reader and its own projection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_calibration_formats import ROUNDING_PX, points_before, to_write, two_cameras, worst_pixel

from calibration.formats.file_storage import Storage
from calibration.formats.registry import read_rig, write_rig
from calibration.formats.rig_file import Hints, RigToWrite
from calibration.pose import Floats

EYE = "data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]"


def opened(file: Path) -> cv2.FileStorage:
    return cv2.FileStorage(str(file), cv2.FILE_STORAGE_READ)


def by_opencv(points: Floats, rvec: Floats, t: Floats, matrix: Floats, bent: Floats, fisheye: bool) -> Floats:
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    uv = project(points.reshape(-1, 1, 3), rvec.reshape(3, 1), t.reshape(3, 1), matrix, bent.ravel())[0]
    return np.asarray(uv).reshape(-1, 2)


@pytest.mark.parametrize("lens", ["brown", "brown without k3", "fisheye"])
def test_opencv_projects_our_cameras_to_the_same_pixels(lens: str, tmp_path: Path) -> None:
    """The arrays are taken from the file as OpenCV's sample takes them."""
    cameras = two_cameras(lens)
    write_rig(to_write(cameras), "opencv", tmp_path)
    file = opened(tmp_path / "cameras.yml")
    held = {k: file.getNode(k).mat() for k in ("rvecs", "distortions", "Ks", "Ts", "image_sizes", "is_fisheye")}
    assert file.getNode("cam_ids").string() == "cam00,cam01"
    assert held["image_sizes"].tolist() == [[1280, 720], [1280, 720]]
    for i, camera in enumerate(cameras):
        points = points_before(camera)
        flag = bool(held["is_fisheye"].ravel()[i])
        theirs = by_opencv(points, held["rvecs"][i], held["Ts"][i], held["Ks"][i], held["distortions"][i], flag)
        assert np.abs(theirs - camera.project(points)[0]).max() < ROUNDING_PX


def test_easymocap_reads_our_cameras_to_the_same_pixels(tmp_path: Path) -> None:
    cameras = two_cameras()
    write_rig(to_write(cameras), "easymocap", tmp_path)
    intri, extri = opened(tmp_path / "intri.yml"), opened(tmp_path / "extri.yml")
    names = intri.getNode("names")
    assert [names.at(i).string() for i in range(names.size())] == ["cam00", "cam01"]
    for camera in cameras:
        vector, matrix, place = (extri.getNode(f"{k}_{camera.id}").mat() for k in ("R", "Rot", "T"))
        assert vector.shape == place.shape == (3, 1)
        assert cv2.Rodrigues(vector)[0] == pytest.approx(matrix, abs=1e-12)
        assert [int(intri.getNode(f"{k}_{camera.id}").real()) for k in "WH"] == [1280, 720]
        points = points_before(camera)
        lens, bent = intri.getNode(f"K_{camera.id}").mat(), intri.getNode(f"dist_{camera.id}").mat()
        assert bent.shape == (1, 5)
        theirs = by_opencv(points, vector, place, lens, bent, False)
        assert np.abs(theirs - camera.project(points)[0]).max() < ROUNDING_PX


def test_the_other_order_of_k3_lands_elsewhere() -> None:
    """The negative control of k1 k2 p1 p2 k3."""
    camera = two_cameras()[0]
    pose, points = camera.world_from_camera.inverse(), points_before(two_cameras()[0])
    wrong = camera.distortion[[0, 1, 4, 2, 3]]
    theirs = by_opencv(points, pose.rotvec, pose.translation, camera.K, wrong, False)
    assert np.abs(theirs - camera.project(points)[0]).max() > 5


def easymocap_files(folder: Path) -> Path:
    """As EasyMocap writes them: six digits, CRLF, names that are numbers, "none" for a camera that is not there."""
    head = '%YAML:1.0\r\n---\r\nnames:\r\n  - "1"\r\n  - "none"\r\n  - 2\r\n'
    lens = "  rows: 3\r\n  cols: 3\r\n  dt: d\r\n  data: [900.000000, 0.0, 640.0, 0.0, 900.0, 360.0, 0.0, 0.0, 1.0]\r\n"
    vector = "  rows: 3\r\n  cols: 1\r\n  dt: d\r\n  data: [0.300000, -0.500000, 0.200000]\r\n"
    rot = cv2.Rodrigues(np.array([0.3, -0.5, 0.2]))[0].ravel()
    matrix = f"  rows: 3\r\n  cols: 3\r\n  dt: d\r\n  data: [{', '.join(f'{v:.6f}' for v in rot)}]\r\n"
    inner, outer = head, head
    bent = "  rows: 1\r\n  cols: 4\r\n  dt: d\r\n  data: [0.1, -0.05, 0.001, 0.002]\r\n"
    for name in ("1", "2"):
        inner += f"K_{name}: !!opencv-matrix\r\n{lens}H_{name}: 720\r\nW_{name}: 1280\r\n"
        inner += f"dist_{name}: !!opencv-matrix\r\n{bent}"
        outer += f"R_{name}: !!opencv-matrix\r\n{vector}Rot_{name}: !!opencv-matrix\r\n{matrix}"
        outer += f"T_{name}: !!opencv-matrix\r\n{vector}"
    (folder / "intri.yml").write_bytes(inner.encode())
    (folder / "extri.yml").write_bytes(outer.encode())
    return folder


def test_files_of_easymocap_are_read(tmp_path: Path) -> None:
    found = read_rig(easymocap_files(tmp_path), "easymocap")
    assert [(c.id, c.width, c.height) for c in found.cameras] == [("1", 1280, 720), ("2", 1280, 720)]
    camera = found.cameras[0]
    assert camera.distortion.tolist() == [0.1, -0.05, 0.001, 0.002, 0.0]
    assert camera.world_from_camera.inverse().rotvec == pytest.approx([0.3, -0.5, 0.2], abs=1e-12)  # all digits: of R_
    assert camera.world_from_camera.inverse().translation == pytest.approx([0.3, -0.5, 0.2])


def test_a_matrix_of_six_digits_is_enough_where_there_is_no_vector(tmp_path: Path) -> None:
    folder = easymocap_files(tmp_path)
    text = (folder / "extri.yml").read_bytes()
    (folder / "extri.yml").write_bytes(text.replace(b"R_1:", b"X_1:").replace(b"R_2:", b"X_2:"))
    found = read_rig(folder, "easymocap").cameras[0]
    assert found.world_from_camera.inverse().rotvec == pytest.approx([0.3, -0.5, 0.2], abs=1e-6)


def test_sizes_that_are_missing_come_from_elsewhere(tmp_path: Path) -> None:
    folder = easymocap_files(tmp_path)
    text = (folder / "intri.yml").read_bytes()
    (folder / "intri.yml").write_bytes(text.replace(b"H_2", b"X_2"))
    with pytest.raises(ValueError, match="camera 2 has no size of its picture in the file"):
        read_rig(folder, "easymocap")
    found = read_rig(folder, "easymocap", Hints(sizes={"2": (1280, 720)}))
    assert (found.cameras[1].width, found.cameras[1].height) == (1280, 720)
    assert found.notes[0] == "sizes of 2 are not in the file; those given beside it are used"


def test_vector_and_matrix_that_differ_are_refused(tmp_path: Path) -> None:
    folder = easymocap_files(tmp_path)
    text = (folder / "extri.yml").read_text()
    turned = text.replace("0.300000, -0.500000, 0.200000", "-0.300000, 0.500000, -0.200000", 1)  # the transpose
    (folder / "extri.yml").write_text(turned)
    with pytest.raises(ValueError, match="camera 1 in extri.yml has R_ and Rot_ that differ; one is transposed"):
        read_rig(folder, "easymocap")


def test_names_that_yaml_cannot_hold_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    camera = two_cameras()[0]
    for name, said in (("a.b", "name 'a.b' cannot be a key"), ("none", "called none")):
        with pytest.raises(ValueError, match=said):
            write_rig(RigToWrite((replace(camera, id=name),)), "easymocap", tmp_path)
    with pytest.raises(ValueError, match="camera 'a,b' has a comma"):
        write_rig(RigToWrite((replace(camera, id="a,b"),)), "opencv", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"must begin with %YAML:1.0"),
        ("%YAML:1.0\n---\nKs: " + "[" * 100_000, r"ends within a list \(line 3\)"),
        ("%YAML:1.0\n---\nKs: [[1, 2], [3, 4]]\n", r"something behind a list|nested or broken"),
        ("%YAML:1.0\n---\n" + "\n".join(f"{' ' * i}a{i}:" for i in range(2000)), "has no Ks"),
        ("%YAML:1.0\n---\nKs: - - - - - - - - 1\n", r"has '- - - - - - - - 1', a tag, an anchor or something nested"),
        ("%YAML:1.0\n---\nKs: !!python/object/apply:os.system ['echo']\n", "a tag, an anchor or something nested"),
        ("%YAML:1.0\n---\nKs: &a [1, 2]\nTs: *a\n", "a tag, an anchor"),
        ("%YAML:1.0\n---\nKs: !<tag:x> 1\n", "a tag, an anchor"),
        ("%YAML:1.0\n---\nKs: |\n  a\n", "a tag, an anchor"),
        ("%YAML:1.0\n---\nKs:\t1\n", r"a tab or a control character, .* \(line 3\)"),
        ("%YAML:1.0\n---\nKs: \x00\n", "holds zero bytes"),
        ("%YAML:1.0\n---\nKs: \x07\n", "a tab or a control character"),
        ('{"Ks": 1}', "XML or JSON"),
        ("<?xml version='1.0'?><opencv_storage/>", "XML or JSON"),
        ("%YAML:1.0\n---\nM1: 1\n", "has no Ks, the lenses of a rig; it holds .'M1'."),
        (
            "%YAML:1.0\n---\nKs: !!opencv-matrix\n  rows: 100000000\n  cols: 100000000\n  dt: d\n  data: [1.]\n",
            "says that it has 10000000000000000 numbers and has 1",
        ),
        (
            "%YAML:1.0\n---\nKs: !!opencv-matrix\n  rows: 3\n  cols: 3\n  dt: d\n  data: [1., 2.]\n",
            "has 9 numbers and has 2",
        ),
        (f"%YAML:1.0\n---\nKs: !!opencv-matrix\n  rows: 3\n  cols: 3\n  dt: q\n  {EYE}\n", "is no matrix of OpenCV"),
        (
            f"%YAML:1.0\n---\nKs: !!opencv-matrix\n  rows: 3\n  cols: 3\n  dt: d\n  {EYE.replace('[1.', '[.Nan')}\n",
            "Ks is nan, which is no number",
        ),
        (
            f"%YAML:1.0\n---\nKs: !!opencv-matrix\n  rows: 3\n  cols: 3\n  dt: d\n  {EYE.replace('[1.', '[1,5')}\n",
            "says that it has 9 numbers and has 10",
        ),
        ("%YAML:1.0\n---\nKs: 3,5\n", "has no matrix 'Ks'"),
    ],
)
def test_yaml_that_is_no_rig_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "cameras.yml").write_text(text)
    with pytest.raises(ValueError, match=said) as err:
        read_rig(tmp_path, "opencv")
    assert "\n" not in str(err.value)


def test_compressed_yaml_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "cameras.yml").write_bytes(b"\x1f\x8b" + bytes(20))
    with pytest.raises(ValueError, match="is compressed"):
        read_rig(tmp_path, "opencv")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    write_rig(to_write(two_cameras()), "opencv", tmp_path)
    file = tmp_path / "cameras.yml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert worst_pixel(two_cameras(), read_rig(tmp_path, "opencv").cameras) < ROUNDING_PX


def test_what_opencv_writes_is_read_number_for_number(tmp_path: Path) -> None:
    """OpenCV's own writer judges the reader: other types, more sides, texts, and lists in both spellings."""
    file = cv2.FileStorage(str(tmp_path / "a.yml"), cv2.FILE_STORAGE_WRITE)
    rng = np.random.default_rng(3)
    arrays = {
        "wide": rng.normal(size=(2, 30)) * 10.0 ** rng.integers(-9, 9, (2, 30)),
        "float": rng.normal(size=(4, 1)).astype(np.float32),
        "deep": rng.normal(size=(2, 3, 3)),
        "deeper": rng.normal(size=(2, 3, 1, 5)),
        "whole": rng.integers(-9, 9, (3, 2)).astype(np.int32),
        "line": rng.integers(0, 9, 4).astype(np.int32),
        "bytes": rng.integers(0, 255, (2, 2)).astype(np.uint8),
    }
    for key, value in arrays.items():
        file.write(key, value)
    file.write("words", 'a, "b": c')
    file.write("seven", 7)
    file.write("half", 0.5)
    file.release()
    storage = Storage(tmp_path / "a.yml")
    assert storage.keys() == (*arrays, "words", "seven", "half")
    for key, value in arrays.items():
        assert (storage.matrix(key).reshape(value.shape).astype(value.dtype) == value).all()
    assert (storage.text("words"), storage.real("seven"), storage.real("half")) == ('a, "b": c', 7.0, 0.5)
