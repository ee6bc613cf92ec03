"""TRC files: written and read again, as other programs write them, broken, and of a gait laboratory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture.motion.canonical import canonical_track
from capture.motion.clip import JointTrack
from capture.motion.reading import MotionFileError
from capture.motion.trc import read_trc, write_trc
from capture.stage.person import make_person
from capture.stage.travel import stage_clip

HEAD = """PathFileType\t4\t(X/Y/Z)\tg.trc
DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames
100\t100\t2\t2\tmm\t100\t1\t2
Frame#\tTime\tHead\t\t\tRHeel\t\t
\t\tX1\tY1\tZ1\tX2\tY2\tZ2

"""
GOOD = HEAD + "1\t0.00\t100\t1700\t200\t110\t50\t210\n2\t0.01\t101\t1701\t201\t\t\t\n"


def write(folder: Path, text: str) -> Path:
    """The text as a file."""
    path = folder / "g.trc"
    path.write_text(text)
    return path


def gappy_track() -> JointTrack:
    """A walker's joints with one that was not seen for a while."""
    track = stage_clip(make_person(3), seconds=0.5, travel=True).track
    track.places[4:7, 5] = np.nan
    return track


def test_millimetres_y_up_become_metres_z_up(tmp_path: Path) -> None:
    track = read_trc(write(tmp_path, GOOD))
    assert (track.names, track.fps) == (("Head", "RHeel"), 100.0)
    np.testing.assert_allclose(track.places[0], [[0.1, -0.2, 1.7], [0.11, -0.21, 0.05]])
    assert np.isnan(track.places[1, 1]).all()
    np.testing.assert_allclose(read_trc(write(tmp_path, GOOD.replace("mm", "m"))).places[0, 0], [100, -200, 1700])
    np.testing.assert_allclose(read_trc(write(tmp_path, GOOD), up="z").places[0, 0], [0.1, 1.7, 0.2])


@pytest.mark.parametrize(("unit", "up"), [("mm", "y"), ("m", "z"), ("cm", "x")])
def test_what_is_written_is_read_again(tmp_path: Path, unit: str, up: str) -> None:
    track = gappy_track()
    write_trc(track, tmp_path / "a.trc", unit=unit, up=up)
    again = read_trc(tmp_path / "a.trc")  # the up axis told by head and feet
    assert (again.names, again.fps) == (track.names, track.fps)
    np.testing.assert_allclose(again.places, track.places, atol=1e-6)
    assert np.isnan(again.places).sum() == 9
    assert canonical_track(again).names == track.names


def test_markers_that_tell_no_up_axis_ask_for_it(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("Head", "A").replace("RHeel", "B"))
    with pytest.raises(MotionFileError, match="its up axis cannot be told from the names of its markers"):
        read_trc(path)
    assert len(read_trc(path, up="y")) == 2
    with pytest.raises(ValueError, match="up axis is unknown: 'up'"):
        read_trc(path, up="up")


def test_tabs_that_programs_leave_out_or_add_do_no_harm(tmp_path: Path) -> None:
    text = GOOD.replace("\t\t\t\n", "\n")  # empty cells at the end of a row
    np.testing.assert_array_equal(read_trc(write(tmp_path, text)).places, read_trc(write(tmp_path, GOOD)).places)
    text = GOOD.replace("210\n", "210\t\t\t\t\n").replace("RHeel\t\t", "RHeel\t\t\tV_Ankle\t\t\tV_Ankle")
    assert read_trc(write(tmp_path, text)).names == ("Head", "RHeel")  # virtual markers without places


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("PathFileType", "Path", "does not open with the five lines of a TRC"),
        ("100\t100\t2\t2\tmm", "100\t100\t3\t2\tmm", "declares 3 frames and holds 2"),
        ("100\t100\t2\t2\tmm", "100\t100\t2\t3\tmm", "declares 3 markers and names 2"),
        ("100\t100\t2\t2\tmm", "100\t100\t2\t2\tyd", "unit is unknown: 'yd'"),
        ("100\t100\t2\t2\tmm", "0\t100\t2\t2\tmm", "frame rate is 0 per second"),
        ("100\t100\t2\t2\tmm", "100\t100\t2\t1e99\tmm", "NumMarkers is '1e99'"),
        ("Units", "Unit", "its header lacks Units"),
        ("1700", "17OO", "frame 1 must be a number, found '17OO'"),
        ("1700", "inf", "frame 1 is 'inf', which no movement has"),
        ("210\n", "210\t5\n", "frame 1 has 7 cells for 6"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(MotionFileError, match=said):
        read_trc(write(tmp_path, GOOD.replace(old, new, 1)))


def test_a_file_cut_off_anywhere_is_refused_or_lacks_its_last_cells(tmp_path: Path) -> None:
    for end in range(0, len(GOOD) - 4, 5):
        try:
            track = read_trc(write(tmp_path, GOOD[:end]))
        except MotionFileError:
            continue
        assert len(track) == 2


def test_names_that_a_file_cannot_hold_are_refused(tmp_path: Path) -> None:
    track = JointTrack(("a\tb",), np.zeros((1, 1, 3)), 30.0)
    with pytest.raises(ValueError, match="cannot be written to a TRC"):
        write_trc(track, tmp_path / "a.trc")


@pytest.mark.parametrize(("name", "frames"), [("walk.trc", 184), ("walk2.trc", 251)])
def test_walks_of_a_gait_laboratory(data_dir: Path, tmp_path: Path, name: str, frames: int) -> None:
    path = data_dir / "motion" / "markers" / name
    if not path.is_file():
        pytest.skip(f"no file at {path}")
    track = read_trc(path)
    assert (len(track), len(track.names), track.fps) == (frames, 28, 150.0)
    assert 0.9 < np.median(track.of("R.ASIS")[:, 2]) < 1.1
    assert track.places[..., 2].min() > 0
    write_trc(track, tmp_path / "a.trc")
    np.testing.assert_allclose(read_trc(tmp_path / "a.trc").places, track.places, atol=1e-9)
