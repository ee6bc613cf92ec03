"""C3D files: written and read again, judged by ezc3d itself, damaged ones, and those of two laboratories."""

from __future__ import annotations

import builtins
import struct
from pathlib import Path

import numpy as np
import pytest
from test_capture_motion_trc import gappy_track

from capture.motion.c3d import read_c3d, write_c3d
from capture.motion.clip import JointTrack
from capture.motion.reading import MotionFileError

ezc3d = pytest.importorskip("ezc3d", reason="ezc3d is not installed; install likeness[movement]")


@pytest.mark.parametrize(("unit", "up"), [("mm", "z"), ("m", "y")])
def test_what_is_written_is_read_again(tmp_path: Path, unit: str, up: str) -> None:
    track = gappy_track()
    write_c3d(track, tmp_path / "a.c3d", unit=unit, up=up)
    again = read_c3d(tmp_path / "a.c3d")
    assert (again.names, again.fps) == (track.names, track.fps)
    np.testing.assert_allclose(again.places, track.places, atol=1e-6)
    assert np.isnan(again.places).sum() == 9
    lying = read_c3d(tmp_path / "a.c3d", up="x")
    assert np.nanmax(np.abs(lying.places - track.places)) > 0.5


def test_ezc3d_finds_what_was_written(tmp_path: Path) -> None:
    track = gappy_track()
    write_c3d(track, tmp_path / "a.c3d")
    data = ezc3d.c3d(str(tmp_path / "a.c3d"))
    point = data["parameters"]["POINT"]
    assert tuple(point["LABELS"]["value"]) == track.names
    assert (point["RATE"]["value"][0], point["UNITS"]["value"][0], point["Y_SCREEN"]["value"][0]) == (30.0, "mm", "+Z")
    np.testing.assert_allclose(data["data"]["points"][:3].transpose(2, 1, 0) / 1000, track.places, atol=1e-6)
    assert (data["data"]["meta_points"]["residuals"][0, 5, 4:7] < 0).all()


def test_names_are_told_apart(tmp_path: Path) -> None:
    track = JointTrack(("she:Head", "she:LANK", "she:LANK"), np.ones((2, 3, 3)) * [[[1], [0], [0]]], 30.0)
    write_c3d(track, tmp_path / "a.c3d")
    assert read_c3d(tmp_path / "a.c3d").names == ("Head", "LANK", "LANK_2")


def test_units_and_axes_that_a_c3d_has_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unit is unknown to a C3D: 'ft'"):
        write_c3d(gappy_track(), tmp_path / "a.c3d", unit="ft")
    with pytest.raises(ValueError, match="up axis is unknown"):
        write_c3d(gappy_track(), tmp_path / "a.c3d", up="up")


def test_what_is_no_c3d_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.c3d"
    with pytest.raises(MotionFileError, match="file cannot be opened"):
        read_c3d(path)
    for data in (b"", b"P", b"hello" * 300):
        path.write_bytes(data)
        with pytest.raises(MotionFileError, match="does not open like a C3D"):
            read_c3d(path)


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.c3d"
    write_c3d(gappy_track(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * len(whole) // 4])
    with pytest.raises(MotionFileError, match="declares 15 frames and holds"):
        read_c3d(path)
    path.write_bytes(whole[:700])
    with pytest.raises(MotionFileError, match="cannot be read as C3D"):
        read_c3d(path)


def test_a_damaged_file_that_crashes_the_library_ends_as_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.c3d"
    write_c3d(gappy_track(), path)
    data = bytearray(path.read_bytes())
    at = data.index(b"LABELS") + 6
    # The offset to the next parameter, its type and its dimensions: all that a reader's memory hangs on.
    data[at : at + 5] = struct.pack("<hbBB", 0x7FFF, -1, 255, 255)
    path.write_bytes(data)
    with pytest.raises(MotionFileError, match="cannot be read as C3D") as err:
        read_c3d(path)
    assert "\n" not in str(err.value)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "ezc3d":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"C3D needs ezc3d, which is not installed; install likeness\[movement\]"):
        read_c3d(tmp_path / "a.c3d")


@pytest.mark.parametrize(
    ("name", "shape", "rate", "high", "low"),
    [("Gait.c3d", (487, 33, 3), 100.0, "C7", "LHEE"), ("cmu_02_01.c3d", (343, 41, 3), 120.0, "LFHD", "LHEE")],
)
def test_files_of_laboratories(
    data_dir: Path, name: str, shape: tuple[int, int, int], rate: float, high: str, low: str
) -> None:
    path = data_dir / "motion" / "markers" / name
    if not path.is_file():
        pytest.skip(f"no file at {path}")
    track = read_c3d(path)
    assert track.places.shape == shape
    assert track.fps == rate
    assert 1.2 < np.nanmedian(track.of(high)[:, 2]) < 1.8
    assert 0 < np.nanmedian(track.of(low)[:, 2]) < 0.3
    assert np.isnan(track.places).any() == (name == "Gait.c3d")  # she walks into the cameras' view
