"""CSV files of joints: written and read again, as spreadsheets and cameras write them, and broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_capture_motion_trc import gappy_track

from capture.motion.joint_csv import read_joint_csv, write_joint_csv
from capture.motion.reading import MotionFileError

GOOD = "time,frame,Head_x,Head_y,Head_z,Foot_x,Foot_y,Foot_z\n0,1,1,2,3,4,5,6\n0.04,2,7,8,9,,,\n0.08,3,1,1,1,1,1,nan\n"


def write(folder: Path, text: str) -> Path:
    """The text as a file."""
    path = folder / "g.csv"
    path.write_text(text)
    return path


def test_joints_and_rate(tmp_path: Path) -> None:
    track = read_joint_csv(write(tmp_path, GOOD))
    assert (track.names, track.fps, track.places.shape) == (("Head", "Foot"), 25.0, (3, 2, 3))
    assert track.places[0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.isnan(track.places).all(axis=2).tolist() == [[False, False], [False, True], [False, True]]
    other = read_joint_csv(write(tmp_path, GOOD), fps=50, unit="cm", up="y")
    np.testing.assert_allclose(other.places[0, 0], [0.01, -0.03, 0.02])
    assert other.fps == 50


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    track = gappy_track()
    write_joint_csv(track, tmp_path / "a.csv")
    again = read_joint_csv(tmp_path / "a.csv")
    assert (again.names, again.fps) == (track.names, track.fps)
    np.testing.assert_allclose(again.places, track.places, atol=1e-8)
    assert np.isnan(again.places).sum() == 9


def test_a_mark_before_the_text_and_points_in_names_are_read(tmp_path: Path) -> None:
    text = "\ufeff" + GOOD.replace("Head_x,Head_y,Head_z", "Head.X,Head.Y,Head.Z")
    assert read_joint_csv(write(tmp_path, text)).names == ("Head", "Foot")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Head_z", "Head_w", "joint 'Head' has no column Head_z"),
        ("Foot_x", "Head_x", "column 'Head_x' stands twice"),
        ("7,8,9", "7,8", "frame 2 has 7 cells for 8"),
        ("7,8,9", "7,eight,9", "frame 2 must be a number, found 'eight'"),
        ("7,8,9", "7,-inf,9", "frame 2 is '-inf', which no movement has"),
        ("0.04", "", "time of frame 2 must be a number"),
        ("0.04", "0.07", "frame 2 does not follow at the others' pace"),
        ("0.08", "0", "its times do not rise"),
        ("time", "when", "its rate cannot be told"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(MotionFileError, match=said):
        read_joint_csv(write(tmp_path, GOOD.replace(old, new, 1)))


def test_files_without_frames_or_joints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MotionFileError, match="holds no frame below its header"):
        read_joint_csv(write(tmp_path, GOOD.split("\n")[0]))
    with pytest.raises(MotionFileError, match="names no joint as NAME_x"):
        read_joint_csv(write(tmp_path, "a,b\n1,2\n"))
    with pytest.raises(MotionFileError, match="cannot be opened"):
        read_joint_csv(tmp_path / "absent.csv")
    with pytest.raises(MotionFileError, match="is no CSV"):
        read_joint_csv(write(tmp_path, "a_x" * 100_000 + "\n1\n"))
    with pytest.raises(ValueError, match="frame rate is not positive"):
        read_joint_csv(write(tmp_path, GOOD), fps=0)
