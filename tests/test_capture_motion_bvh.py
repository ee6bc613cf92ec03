"""BVH files: bodies of known size and turn, written by hand and by us; hostile files; real ones of four exporters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from capture.motion.bvh import read_bvh, take_bvh, write_bvh
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.reading import MotionFileError
from capture.motion.skeletons import in_order
from capture.motion.units import UNITS_M

F64 = NDArray[np.float64]

TWO_JOINTS = """HIERARCHY
ROOT base
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT arm
  {
    OFFSET 0 10 0
    CHANNELS %s
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: %d
Frame Time: 0.0083333
%s
"""


def arm(tmp_path: Path, channels: str, *rows: str, frames: int | None = None) -> Path:
    """A file of two joints with those channels of the second, one row a frame."""
    path = tmp_path / "arm.bvh"
    text = TWO_JOINTS % (channels, len(rows) if frames is None else frames, "\n".join(rows))
    path.write_text(text, encoding="latin-1")
    return path


def body(frames: int = 5, seed: int = 0) -> MotionClip:
    """A Mixamo-like body of legs 0.82 m long in random motion about the upright, in world metres, z up."""
    rng = np.random.default_rng(seed)
    rest: dict[str, tuple[str, tuple[float, float, float]]]
    rest = {"Hips": ("", (0, 0, 0)), "Spine": ("Hips", (0, 0, 0.14)), "Spine2": ("Spine", (0, 0, 0.2))}
    rest |= {"Neck": ("Spine2", (0, 0, 0.1)), "Head": ("Neck", (0, 0, 0.1)), "Head_end": ("Head", (0.01, 0, 0.2))}
    for side, y in (("Left", 1.0), ("Right", -1.0)):
        rest |= {f"{side}Arm": ("Spine2", (0, 0.17 * y, 0.02)), f"{side}ForeArm": (f"{side}Arm", (0, 0.03, -0.28))}
        rest |= {f"{side}Hand": (f"{side}ForeArm", (0, 0, -0.24)), f"{side}UpLeg": ("Hips", (0, 0.09 * y, -0.04))}
        rest |= {f"{side}Leg": (f"{side}UpLeg", (0, 0, -0.41)), f"{side}Foot": (f"{side}Leg", (0, 0, -0.41))}
        rest |= {f"{side}ToeBase": (f"{side}Foot", (0.14, 0, -0.05))}
    names = tuple(rest)
    parents = tuple(names.index(parent) if parent else -1 for parent, _ in rest.values())
    skeleton = Skeleton(names, parents, np.array([offset for _, offset in rest.values()], dtype=np.float64))
    turns = Rotation.from_rotvec(rng.normal(0, 0.3, (frames * len(names), 3))).as_matrix()
    rotations = turns.reshape(frames, len(names), 3, 3)
    rotations[:, names.index("Head_end")] = np.eye(3)
    return MotionClip(skeleton, rotations, rng.normal(0, 0.1, (frames, 3)) + (0, 0, 0.9), 60.0)


def largest_turn(a: F64, b: F64) -> float:
    """Degrees of the largest rotation between rotations (..., 3, 3); exact for small ones too."""
    sine = np.linalg.norm(a - b, axis=(-2, -1)) / np.sqrt(8)
    return float(np.degrees(2 * np.arcsin(np.clip(sine, 0, 1))).max())


def refused(path: Path) -> str:
    """What the reader says of a file: one short line of MotionFileError."""
    with pytest.raises(MotionFileError, match=r".") as err:
        read_bvh(path, unit="cm", up="y")
    assert "\n" not in str(err.value)
    assert len(str(err.value)) < 400
    return str(err.value)


def test_positions_replace_the_offset_and_y_up_becomes_z_up(tmp_path: Path) -> None:
    path = arm(
        tmp_path, "6 Xposition Yposition Zposition Zrotation Xrotation Yrotation", "100 200 300 90 0 0 0 30 0 0 0 0"
    )
    clip = read_bvh(path, unit="cm", up="y")
    # In the file the arm lies at (100 - 30, 200, 300): 30 along y, turned by 90 degrees about z.
    np.testing.assert_allclose(clip.root, [[1.0, -3.0, 2.0]], atol=1e-12)
    np.testing.assert_allclose(clip.track.of("arm"), [[0.7, -3.0, 2.0]], atol=1e-12)
    np.testing.assert_allclose(clip.track.of("arm_end"), [[0.65, -3.0, 2.0]], atol=1e-12)
    assert clip.fps == 120.0


def test_without_positions_the_offset_counts(tmp_path: Path) -> None:
    clip = read_bvh(arm(tmp_path, "3 Zrotation Xrotation Yrotation", "0 0 0 0 0 0 0 0 0"), unit="cm", up="y")
    np.testing.assert_allclose(clip.track.of("arm"), [[0.0, 0.0, 0.1]], atol=1e-12)


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX", "ZYX"])
def test_rotations_multiply_in_the_order_of_their_channels(tmp_path: Path, order: str) -> None:
    channels = "3 " + " ".join(f"{axis}rotation" for axis in order)
    clip = read_bvh(arm(tmp_path, channels, "0 0 0 0 0 0 10 50 -70"), unit="m", up="z")
    expected = Rotation.from_euler(order, [10, 50, -70], degrees=True).as_matrix()
    assert largest_turn(clip.rotations[0, 1], expected) < 1e-9
    other = Rotation.from_euler(order[::-1], [-70, 50, 10], degrees=True).as_matrix()
    assert largest_turn(clip.rotations[0, 1], other) > 20


def test_lengths_that_vary_give_their_median_and_how_far_they_stray(tmp_path: Path) -> None:
    rows = [f"0 0 0 0 0 0 0 {length} 0 0 0 0" for length in (30, 30.1, 29.8, 30, 30)]
    channels = "6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    take = take_bvh(arm(tmp_path, channels, *rows), unit="cm", up="y")
    assert take.clip.skeleton.lengths[1] == pytest.approx(0.30)
    assert take.lengths_vary_m == pytest.approx(0.002)
    still = take_bvh(arm(tmp_path, "3 Zrotation Xrotation Yrotation", "0 0 0 0 0 0 0 0 0"), unit="cm", up="y")
    assert still.lengths_vary_m == 0


@pytest.mark.parametrize("unit", list(UNITS_M))
def test_the_unit_is_told_by_her_legs(tmp_path: Path, unit: str) -> None:
    clip = body()
    # Written in centimetres of a body so much larger, its numbers are the true ones in that unit.
    write_bvh(scaled(clip, 0.01 / UNITS_M[unit]), tmp_path / "a")
    take = take_bvh(tmp_path / "a")
    assert (take.unit, take.up) == (unit, "y")
    assert take.leg_m == pytest.approx(0.82, abs=1e-6)
    np.testing.assert_allclose(take.clip.track.of("LeftHand"), clip.track.of("LeftHand"), atol=1e-6)


def scaled(clip: MotionClip, times: float) -> MotionClip:
    """The same movement of a body so many times as large."""
    skeleton = Skeleton(clip.skeleton.names, clip.skeleton.parents, clip.skeleton.offsets * times)
    return MotionClip(skeleton, clip.rotations, clip.root * times, clip.fps)


def test_legs_of_no_known_unit_ask_for_it(tmp_path: Path) -> None:
    write_bvh(scaled(body(), 3.0), tmp_path / "giant.bvh")
    with pytest.raises(MotionFileError, match="legs of 246 units fit a body in no known unit; say the unit"):
        read_bvh(tmp_path / "giant.bvh")
    assert take_bvh(tmp_path / "giant.bvh", unit=0.01 / 3).leg_m == pytest.approx(0.82)
    with pytest.raises(ValueError, match="unit is unknown: 'yard'"):
        read_bvh(tmp_path / "giant.bvh", unit="yard")


def test_a_rig_of_unknown_names_asks_for_unit_and_axis(tmp_path: Path) -> None:
    path = arm(tmp_path, "3 Zrotation Xrotation Yrotation", "0 0 0 0 0 0 0 0 0")
    with pytest.raises(MotionFileError, match="its unit cannot be told"):
        read_bvh(path)
    with pytest.raises(MotionFileError, match="its up axis cannot be told"):
        read_bvh(path, unit="cm")
    with pytest.raises(ValueError, match="up axis is unknown: 'up'"):
        read_bvh(path, up="up")


@pytest.mark.parametrize("up", ["x", "-x", "y", "-y", "z", "-z"])
def test_the_up_axis_is_told_by_her_head(tmp_path: Path, up: str) -> None:
    clip = body()
    write_bvh(clip, tmp_path / "a.bvh")
    # Read as if another axis were up, written again so, and found again.
    lying = read_bvh(tmp_path / "a.bvh", unit="cm", up=up)
    write_bvh(lying, tmp_path / "b.bvh")
    take = take_bvh(tmp_path / "b.bvh")
    head, hips = take.clip.track.of("Head"), take.clip.track.of("Hips")
    assert (head - hips)[:, 2].min() > 0.3
    np.testing.assert_allclose(head[:, 2], clip.track.of("Head")[:, 2], atol=1e-6)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    clip = body(frames=40)
    # Turns of every size, and the two where the order's middle angle is a right one.
    rotations = clip.rotations.copy()
    rotations[:, 1:5] = Rotation.random(160, random_state=np.random.default_rng(3)).as_matrix().reshape(40, 4, 3, 3)
    rotations[0, 1] = Rotation.from_euler("ZXY", [30, 90, 20], degrees=True).as_matrix()
    rotations[1, 1] = Rotation.from_euler("ZXY", [30, -90, 20], degrees=True).as_matrix()
    clip = MotionClip(clip.skeleton, rotations, clip.root, 59.94)
    write_bvh(clip, tmp_path / "a.bvh")
    again = read_bvh(tmp_path / "a.bvh", unit="cm", up="y")
    assert again.skeleton.names != clip.skeleton.names  # a file goes down one limb after the other
    again = in_order(again, clip.skeleton.names)
    assert again.fps == pytest.approx(59.94, rel=1e-9)
    assert largest_turn(again.rotations, clip.rotations) < 1e-5
    np.testing.assert_allclose(again.root, clip.root, atol=1e-8)
    np.testing.assert_allclose(again.skeleton.offsets, clip.skeleton.offsets, atol=1e-8)
    assert "End Site" in (tmp_path / "a.bvh").read_text()


def test_names_that_a_file_cannot_hold_are_refused(tmp_path: Path) -> None:
    skeleton = Skeleton(("a{",), (-1,), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="joint 'a{' cannot be written to a BVH"):
        write_bvh(MotionClip(skeleton, np.eye(3)[None, None], np.zeros((1, 3)), 30.0), tmp_path / "a.bvh")


def test_a_first_pose_is_dropped_where_asked(tmp_path: Path) -> None:
    path = arm(tmp_path, "3 Zrotation Xrotation Yrotation", "1 0 0 0 0 0 0 0 0", "2 0 0 0 0 0 0 0 0")
    assert read_bvh(path, unit="m", up="z").root[:, 0].tolist() == [1.0, 2.0]
    assert read_bvh(path, unit="m", up="z", drop_first=True).root[:, 0].tolist() == [2.0]
    one = arm(tmp_path, "3 Zrotation Xrotation Yrotation", "1 0 0 0 0 0 0 0 0")
    with pytest.raises(MotionFileError, match="no frames beyond the ones left out"):
        read_bvh(one, unit="m", up="z", drop_first=True)


def test_a_last_frame_that_was_cut_off_is_trimmed_and_more_is_refused(tmp_path: Path) -> None:
    channels, row = "3 Zrotation Xrotation Yrotation", "1 0 0 0 0 0 0 0 0"
    take = take_bvh(arm(tmp_path, channels, row, row, "1 0 0 0"), unit="m", up="z")
    assert (len(take.clip), take.trimmed_numbers) == (2, 4)
    assert "declares 5 frames and holds 2" in refused(arm(tmp_path, channels, row, row, "1 0", frames=5))
    assert "declares 1 frames and holds 2" in refused(arm(tmp_path, channels, row, row, frames=1))
    assert "frame 1 has 4 numbers for 9 channels" in refused(arm(tmp_path, channels, "1 0 0 0", row))


def test_a_root_that_moves_from_its_offset_is_told_by_her_feet(tmp_path: Path) -> None:
    clip = body()
    write_bvh(clip, tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    with_offset = text.replace("OFFSET 0.0000000 0.0000000 0.0000000", "OFFSET 0.0 90.0 0.0", 1)
    (tmp_path / "b.bvh").write_text(with_offset)
    plain = take_bvh(tmp_path / "b.bvh")  # an OFFSET beside absolute positions: it is replaced
    assert not plain.offset_added
    np.testing.assert_allclose(plain.clip.root, clip.root, atol=1e-8)
    lowered = MotionClip(clip.skeleton, clip.rotations, clip.root - (0, 0, 0.9), clip.fps)
    write_bvh(lowered, tmp_path / "c.bvh")
    text = (tmp_path / "c.bvh").read_text()
    (tmp_path / "c.bvh").write_text(text.replace("OFFSET 0.0000000 0.0000000 0.0000000", "OFFSET 0.0 90.0 0.0", 1))
    moved = take_bvh(tmp_path / "c.bvh")
    assert moved.offset_added
    np.testing.assert_allclose(moved.clip.root, clip.root, atol=1e-8)


def test_names_with_spaces_and_accents_are_read(tmp_path: Path) -> None:
    path = arm(tmp_path, "3 Zrotation Xrotation Yrotation", "0 0 0 0 0 0 0 0 0")
    path.write_bytes(path.read_bytes().replace(b"JOINT arm\n  {", b"JOINT linker \xe4rmel {"))
    assert read_bvh(path, unit="cm", up="y").skeleton.names[1] == "linker \xe4rmel"


GOOD = TWO_JOINTS % ("3 Zrotation Xrotation Yrotation", 1, "0 0 0 0 0 0 0 0 0")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("HIERARCHY", "HI", "does not open with HIERARCHY"),
        ("ROOT base", "JOINT base", "'JOINT' stands where a joint or brace must"),
        ("JOINT arm", "ROOT arm", "'ROOT' stands where"),
        ("JOINT arm", "JOINT base", "joint 'base' stands twice"),
        ("JOINT arm", "JOINT", "a joint has no name"),
        ("OFFSET 0 10 0", "OFFSET 0 nan 0", "OFFSET of 'arm' is 'nan'"),
        ("OFFSET 0 10 0", "OFFSET 0 ten 0", "OFFSET of 'arm' must be a number, found 'ten'"),
        ("CHANNELS 3", "CHANNELS 4", "channel 'End' of 'arm' is unknown"),
        ("CHANNELS 3", "CHANNELS -3", "must be a whole number from 0 on"),
        ("CHANNELS 3", "CHANNELS 900000", "has 900000 channels; six are the most"),
        ("Zrotation Xrotation Yrotation\n    End", "Zrotation Zrotation Yrotation\n    End", "stands twice"),
        ("}\nMOTION", "MOTION", "its hierarchy is cut off"),
        ("MOTION", "MOVES", "'MOVES' stands where"),
        ("Frames: 1", "Frames: 1000000000000", "number of frames is '1000000000000', which no movement has"),
        ("Frames: 1", "Frames: 1000000", "declares 1000000 frames and holds 1"),
        ("Frames: 1", "Frames: many", "number of frames must be a number"),
        ("0.0083333", "0", "frame time is 0 seconds"),
        ("0.0083333", "nan", "frame time is 'nan'"),
        ("0.0083333", "1e-9", "frame rate is 1e\\+09 per second"),
        ("0 0 0 0 0 0 0 0 0\n", "", "declares 1 frames and holds 0"),
        ("0 0 0 0 0 0 0 0 0\n", "0 0 0 0 inf 0 0 0 0\n", "frame 1 is 'inf'"),
        ("0 0 0 0 0 0 0 0 0\n", "0 0 0 0 0,5 0 0 0 0\n", "frame 1 must be a number, found '0,5'"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "a.bvh"
    path.write_text(GOOD)
    assert len(read_bvh(path, unit="cm", up="y")) == 1
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(MotionFileError, match=said):
        read_bvh(path, unit="cm", up="y")


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    for end in range(0, len(GOOD) - 20, 7):
        path.write_text(GOOD[:end])
        refused(path)


def test_depth_and_number_of_joints_do_not_hurt(tmp_path: Path) -> None:
    path = tmp_path / "deep.bvh"
    level = "JOINT j%d { OFFSET 0 0 0 CHANNELS 0 "
    path.write_text("HIERARCHY ROOT r { OFFSET 0 0 0 CHANNELS 0 " + "".join(level % k for k in range(200_000)))
    assert "more than 1000" in refused(path)
    path.write_bytes(b"HIERARCHY\0")
    assert "zero bytes" in refused(path)
    assert "cannot be opened" in refused(tmp_path / "absent.bvh")
    assert "cannot be opened" in refused(tmp_path)


REAL = {
    "cmu/002_01.bvh": ("cm", 0.975),
    "cmu/007_03.bvh": ("cm", 0.975),
    "cmu131/131_01.bvh": ("CMU", 0.801),
    "cmu131/scaled_131_01.bvh": ("m", 0.801),
    "cmu_mixed/10_03.bvh": ("cm", 0.822),
    "cmu_mixed/Swagger.bvh": ("cm", 0.796),
}


@pytest.mark.parametrize("name", list(REAL))
def test_files_of_four_exporters_stand_on_the_floor(data_dir: Path, name: str) -> None:
    path = data_dir / "motion" / name
    if not path.is_file():
        pytest.skip(f"no clip at {path}")
    take = take_bvh(path, drop_first=True)
    assert (take.unit, take.up) == (REAL[name][0], "y")
    assert take.leg_m == pytest.approx(REAL[name][1], abs=0.001)
    assert take.lengths_vary_m == 0
    assert take.clip.fps in (60.0, 120.0)
    lowest = float(np.median(take.clip.world[1][..., 2].min(axis=1)))
    assert -0.01 < lowest < 0.12, f"feet at {lowest:.3f} m"


def test_one_walk_in_two_units_is_one_walk(data_dir: Path) -> None:
    folder = data_dir / "motion" / "cmu131"
    if not folder.is_dir():
        pytest.skip(f"no clips at {folder}")
    one, two = read_bvh(folder / "131_01.bvh"), read_bvh(folder / "scaled_131_01.bvh")
    frames = slice(0, 60)
    # The scaled one was written by another program; its first frame is the other's.
    for joint in ("Head", "LeftToe", "RightWrist"):
        np.testing.assert_allclose(one.track.of(joint)[frames], two.track.of(joint)[frames], atol=1e-3)
