"""Files that are broken, cut off or malicious: one line of ValueError, little memory, and never anything else."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
from pathlib import Path

import pytest
from test_calibration_formats import to_write, two_cameras

from calibration.formats.registry import FORMATS, Format, format_named, read_rig, write_rig

QCA = """<?xml version='1.0' encoding='UTF-8'?>
<calibration><cameras>
<camera model="Miqus Video" serial="1" viewrotation="0">
<fov_video left="0" top="0" right="1279" bottom="719"/>
<transform x="100.5" y="-200.25" z="1500" r11="1" r12="0" r13="0" r21="0" r22="1" r23="0" r31="0" r32="0" r33="1"/>
<intrinsic focalLengthU="57600" focalLengthV="57600" centerPointU="40960" centerPointV="23040" skew="0"
 radialDistortion1="-0.04" radialDistortion2="0.13" radialDistortion3="0.01" tangentalDistortion1="0.001"
 tangentalDistortion2="0.002"/>
</camera>
<camera model="Oqus 500" serial="2"/>
</cameras></calibration>
"""
READERS = [f.name for f in FORMATS if f.read]
MIB = 1 << 20


def written(known: Format, folder: Path) -> list[Path]:
    """Good files of the format."""
    folder.mkdir(parents=True, exist_ok=True)
    if known.write is None:
        (folder / known.files[0]).write_text(QCA)
    else:
        write_rig(to_write(two_cameras("pinhole")), known.name, folder)
    needed = [folder / name for name in known.files if "points3D" not in name and "rigs" not in name]
    return [file for file in needed if "frames" not in file.name]


def refused(folder: Path, name: str) -> str:
    """What the reader says. Anything but ValueError of one line, and of a reasonable length, fails the test."""
    with pytest.raises(ValueError, match=r".") as err:
        read_rig(folder, name)
    said = str(err.value)
    assert "\n" not in said
    assert len(said) < 600
    return said


@pytest.mark.parametrize("name", READERS)
def test_a_file_cut_off_anywhere_is_refused_or_still_a_rig(name: str, tmp_path: Path) -> None:
    files = written(format_named(name), tmp_path)
    for file in files:
        whole = file.read_bytes()
        for share in range(24):
            file.write_bytes(whole[: len(whole) * share // 24])
            read_or_refuse(tmp_path, name)
        file.write_bytes(whole)
    assert read_rig(tmp_path, name).cameras


def read_or_refuse(folder: Path, name: str) -> None:
    said = ""
    try:
        assert read_rig(folder, name).cameras
    except ValueError as err:
        said = str(err)
    assert "\n" not in said


@pytest.mark.parametrize("name", READERS)
def test_a_file_with_random_faults_is_refused_or_still_a_rig(name: str, tmp_path: Path) -> None:
    files = written(format_named(name), tmp_path)
    rnd = random.Random(name)
    for file in files:
        whole = file.read_bytes()
        for _ in range(120):
            data = bytearray(whole)
            for _ in range(rnd.randint(1, 5)):
                at, kind = rnd.randrange(len(data)), rnd.random()
                if kind < 0.4:
                    data[at] = rnd.choice(b'0123456789.,:;-+[]{}()<>"=&*!#nae \n\t\r\0\xff')
                elif kind < 0.6:
                    del data[at : at + rnd.randint(1, 30)]
                elif kind < 0.8:
                    data[at:at] = bytes([rnd.randrange(256)]) * rnd.randint(1, 9)
                else:
                    data[at:at] = data[rnd.randrange(len(data)) :][: rnd.randint(1, 60)]
            file.write_bytes(data)
            read_or_refuse(tmp_path, name)
        file.write_bytes(whole)


@pytest.mark.parametrize("name", [n for n in READERS if n != "colmap-bin"])
def test_text_in_another_encoding_is_refused(name: str, tmp_path: Path) -> None:
    for file in written(format_named(name), tmp_path):
        whole = file.read_bytes()
        file.write_bytes(whole.decode().encode("utf-16-be"))
        assert "UTF-8" in refused(tmp_path, name) or name == "qualisys"
        file.write_bytes(whole.replace(b"cam00", b"cam\xe90") if b"cam00" in whole else b"\xe9" + whole)
        refused(tmp_path, name)
        file.write_bytes(whole)


@pytest.mark.parametrize("name", READERS)
def test_what_is_not_there_or_too_large_is_refused(name: str, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", name)
    refused(tmp_path, name)
    if name in ("colmap", "colmap-bin"):
        return  # these may be of gigabytes; only what is needed of them is read
    file = written(format_named(name), tmp_path)[0]
    with file.open("ab") as stream:
        stream.truncate(9 * MIB)
    assert "is larger than" in refused(tmp_path, name)


@pytest.mark.parametrize(
    ("file", "data", "said"),
    [
        (
            "cameras.bin",
            struct.pack("<Q", 1 << 60),
            "says that it holds 1152921504606846976 cameras, and has 0 bytes left",
        ),
        ("cameras.bin", struct.pack("<QIiQQ", 1, 1, 99, 1, 1) + bytes(64), "lens model 99, which is not known"),
        ("cameras.bin", struct.pack("<QIiQQdddd", 1, 1, 1, 1 << 40, 9, 1, 1, 1, 1), "a picture of 1099511627776 x 9"),
        (
            "cameras.bin",
            struct.pack("<QIiQQdddd", 1, 1, 1, 9, 9, float("nan"), 1, 1, 1),
            "cameras.bin holds nan, which no rig has",
        ),
        ("cameras.bin", b"\1\0\0", "ends in the middle of an entry"),
        ("images.bin", struct.pack("<Q", 1 << 60), "1152921504606846976 images, and has 0 bytes left"),
        ("images.bin", struct.pack("<QI7dI", 1, 1, *[1.0, 0, 0, 0, 0, 0, 0], 1) + b"a" * 9000, "a name without an end"),
        ("images.bin", struct.pack("<QI7dI", 1, 1, *[1.0, 0, 0, 0, 0, 0, 0], 1) + b"\xff\0" + bytes(8), "no UTF-8"),
        (
            "images.bin",
            struct.pack("<QI7dI", 1, 1, *[1.0, 0, 0, 0, 0, 0, 0], 1) + b"a\0" + struct.pack("<Q", 1 << 59),
            "576460752303423488 points of image a, and has 0 bytes left",
        ),
        (
            "images.bin",
            struct.pack("<QI7dI", 1, 1, *[1.0, 0, 0, 0, 0, 0, 0], 7) + b"a\0" + struct.pack("<Q", 0),
            "image a has camera 7, which the cameras file does not hold",
        ),
        (
            "images.bin",
            struct.pack("<QI7dI", 1, 1, *[2.0, 0, 0, 0, 0, 0, 0], 1) + b"a\0" + struct.pack("<Q", 0),
            "image a has a quaternion of length 2, which must be 1",
        ),
    ],
)
def test_counts_that_cannot_be_are_not_believed(file: str, data: bytes, said: str, tmp_path: Path) -> None:
    written(format_named("colmap-bin"), tmp_path)
    (tmp_path / file).write_bytes(data)
    tracemalloc.start()
    assert said in refused(tmp_path, "colmap-bin")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MIB


def test_points_of_gigabytes_are_passed_over(tmp_path: Path) -> None:
    """A line of points of 40 MB costs less than a megabyte."""
    written(format_named("colmap"), tmp_path)
    line = b"1 1 0 0 0 0 0 0 1 a.png\n" + b"1.0 2.0 -1 " * 4_000_000 + b"\n2 1 0 0 0 0 0 1 2 b.png\n\n"
    (tmp_path / "images.txt").write_bytes(line)
    del line
    tracemalloc.start()
    assert [c.id for c in read_rig(tmp_path, "colmap").cameras] == ["a", "b"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MIB


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nerfstudio", "[" * 100_000, "nested too deeply"),
        ("nerfstudio", "[]", "must hold one JSON object"),
        ("nerfstudio", '{"frames": 3}', "must have a list of frames, found 3"),
        ("nerfstudio", '{"frames": []}', "holds no camera"),
        ("nerfstudio", '{"frames": [[1]]}', "must have a list of frames"),
        ("nerfstudio", '{"a": 1', "is no JSON: Expecting"),
        ("nersemble", '{"world_2_cam": [], "intrinsics": []}', "needs world_2_cam, a table"),
        ("nersemble", '{"world_2_cam": {"1": [[1]]}, "intrinsics": [[8,0,9],[0,8,9],[0,0,1]]}', "4 x 4 numbers"),
        ("caliscope", "a = " + "[" * 100_000, "nested too deeply"),
        ("caliscope", "cameras = 3", "has no"),
        ("caliscope", "[cameras.0]\nsize=3\nmatrix=1\ndistortions=1\nrotation=1\ntranslation=1", "height, found 3"),
        ("anipose", "= 3", "is no TOML"),
        ("actorshq", "name,w,h\n", "has no column 'rx'"),
        ("actorshq", "name;w;h;rx\nCam1;9;9;0,5\n", "parted by semicolons, with decimal commas"),
        ("actorshq", "", "has no column 'name'"),
        ("usd", "#usda 1.0\n" + "def X \"a\" {" * 5000, "nested deeper than 64"),
        ("usd", "#usda 1.0\ndef Camera \"a\" { int x = " + "[" * 5000, "nested deeper than 64"),
        ("usd", "PXR-USDC", "is no USD text"),
        ("usd", "#usda 1.0\ndef Camera \"a\" {", "ends in the middle"),
        ("usd", "#usda 1.0\ndef Camera \"a\" { \x01 }", "in line 2, which is no USD text"),
        ("usd", "#usda 1.0\n" + "[" * 9, "expected word"),
        ("qualisys", "<!DOCTYPE a [<!ENTITY b 'c'>]><calibration/>", "has a document type or entities"),
        ("qualisys", "<calibration/>", "holds no video camera; it has 0 others"),
        ("qualisys", "no xml", "is no .qca.txt of Qualisys: it is not well-formed"),
        ("qualisys", "<a>" * 200, "nested deeper than 64"),
        ("qualisys", QCA.replace('"57600"', '"57600,5"'), "a decimal comma"),
        ("qualisys", QCA.replace('skew="0"', 'skew="0.1"'), "camera 1 has skew"),
        ("qualisys", QCA.replace('r33="1"', 'r33="-1"'), "transform of camera 1 is no rotation"),
        ("qualisys", QCA.replace("<intrinsic ", "<intrinsics "), "camera 1 has no intrinsic"),
        ("qualisys", QCA.replace('right="1279"', 'right="-1"'), "right of camera 1 must be a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    known = format_named(name)
    (tmp_path / known.files[0]).write_text(text)
    assert said in refused(tmp_path, name)


def test_marker_cameras_and_turned_views_of_qualisys_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.qca.txt"
    file.write_bytes(b"\xef\xbb\xbf" + QCA.replace('viewrotation="0"', 'viewrotation="90"').encode())
    found = read_rig(tmp_path, "qualisys")
    assert found.cameras[0].distortion.tolist() == [-0.04, 0.13, 0.001, 0.002, 0.01]  # k3 last
    assert [note.split(";")[0] for note in found.notes] == [
        "camera 1 is shown turned by 90 degrees",
        "camera 2 is a marker camera (Oqus 500)",
    ]
    (tmp_path / "b.qca.txt").write_text(QCA)
    with pytest.raises(ValueError, match=r"holds 2 files \*.qca.txt; name the one to read"):
        read_rig(tmp_path, "qualisys")


def test_a_field_of_view_that_is_cut_out_moves_the_middle(tmp_path: Path) -> None:
    (tmp_path / "a.qca.txt").write_text(QCA.replace('left="0" top="0"', 'left="100" top="20"'))
    camera = read_rig(tmp_path, "qualisys").cameras[0]
    assert (camera.width, camera.height, camera.cx, camera.cy) == (1180, 700, 540.0, 340.0)


def test_numbers_that_are_none_are_named_with_their_place(tmp_path: Path) -> None:
    written(format_named("nerfstudio"), tmp_path)
    file = tmp_path / "transforms.json"
    content = json.loads(file.read_text())
    for value, said in (
        (float("nan"), "frame 1 fl_x is nan"),
        (True, "frame 1 fl_x must be a number, found True"),
        ("1,5", "decimal comma"),
        (10**400, "frame 1 fl_x must be a number"),
        (1e200, "frame 1 fl_x is 1e+200, which no rig has"),
        (None, "frame 1 fl_x must be a number, found None"),
        ("wide", "frame 1 fl_x must be a number, found 'wide'"),
    ):
        content["frames"][1]["fl_x"] = value
        file.write_text(json.dumps(content))
        assert said in refused(tmp_path, "nerfstudio")
