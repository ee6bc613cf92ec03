"""Pictures of movement: the camera that goes with her, the stick figure, OpenPose's points, depth and the body."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.motion.bvh import read_bvh
from capture.motion.canonical import CANONICAL
from capture.motion.clip import MotionClip
from capture.motion.skeletons import retarget
from capture.stage.person import make_person
from capture.stage.render import render_depth, render_mask
from capture.stage.travel import stage_clip, walking_speed
from training.movement.rendering.body_pictures import BodyPictures, body_pictures, stand_in
from training.movement.rendering.figure import LEFT, PAPER, RIGHT, stick_frames
from training.movement.rendering.pose_frames import (
    COLOURS,
    LIMBS,
    POINTS,
    depth_picture,
    openpose_json,
    pose_picture,
)
from training.movement.rendering.shot import Angle, floor_of, shot_of

WALKER = make_person(3)
SMALL = Angle(120, 160)


def walk(seconds: float = 1.0, fps: float = 10.0, facing_deg: float = 0.0) -> MotionClip:
    return stage_clip(WALKER, seconds=seconds, fps=fps, travel=True, facing_deg=facing_deg)


def pictures(azimuth_deg: float, facing_deg: float = 0.0) -> BodyPictures:
    return body_pictures(walk(facing_deg=facing_deg), WALKER, Angle(120, 160, azimuth_deg))


def point(shown: BodyPictures, name: str, frame: int = 0) -> NDArray[np.float64]:
    return np.asarray(shown.points(frame)[POINTS.index(name)])


@pytest.mark.parametrize("facing_deg", [0.0, 130.0])
def test_the_camera_goes_with_her_without_her_steps(facing_deg: float) -> None:
    clip = walk(3.0, 20.0, facing_deg)
    shot = shot_of(clip, SMALL)
    assert shot.heading_deg == pytest.approx(facing_deg, abs=3.0)
    places = clip.world[1]
    gone = np.linalg.norm(np.diff(shot.offsets, axis=0), axis=1) * 20
    # In mid-clip, where the smoothing sees both sides, the camera goes at the mean speed of her walk.
    assert gone[20:-20].mean() == pytest.approx(walking_speed(WALKER), rel=0.02)
    assert np.ptp(gone[20:-20]) < 0.05 * gone.mean()
    for frame in range(len(clip)):
        pixels, depth = shot.seen(places[frame], frame)
        assert (pixels > 0).all()
        assert (pixels < (120, 160)).all()
        assert (depth > 3).all()
    assert np.ptp([shot.seen(places[k], k)[0][:, 1] for k in range(len(clip))]) > 0.7 * 160


def test_a_camera_that_stands_sees_the_whole_way_or_says_that_it_cannot() -> None:
    clip = walk(2.0, 10.0)
    shot = shot_of(clip, Angle(160, 120, 90.0, follows=False))
    assert float(np.abs(np.diff(shot.offsets, axis=0)).max()) == 0.0
    pixels = np.array([shot.seen(clip.world[1][k], k)[0] for k in range(len(clip))])
    assert (pixels > 0).all()
    assert (pixels < (160, 120)).all()
    assert np.ptp(pixels[:, 0, 0]) > 40  # she crosses the picture
    with pytest.raises(ValueError, match=r"way of 8\.\d m leads past a camera that stands; let it follow her"):
        shot_of(walk(9.0, 5.0), Angle(160, 120, 10.0, follows=False))


def test_a_single_frame_is_a_clip() -> None:
    shot = shot_of(walk(0.1, 10.0), SMALL)
    assert shot.offsets.shape == (1, 3)
    assert np.isfinite(shot.camera.fx)


def test_sizes_that_no_film_has_are_refused() -> None:
    with pytest.raises(ValueError, match="film of 121 x 160 px cannot be written; give even sizes"):
        Angle(121, 160)


def test_the_grid_lies_on_the_floor_and_passes_under_her() -> None:
    floor = floor_of(shot_of(walk(), SMALL).camera)
    on_line = (np.abs(floor.x - 0.5) < 0.004) & (np.hypot(floor.x, floor.y) < 1.5)
    still = floor.grid(np.zeros(3))
    assert on_line.sum() > 5
    assert still[on_line].min() > 0.05
    # Half a step on, the line has left; a whole step on, another has come.
    clear = on_line & (np.abs(floor.y - 0.25) < 0.1)
    assert floor.grid(np.array([0.25, 0.0, 0.0]))[clear].max() < 0.3 * still[clear].min()
    np.testing.assert_allclose(floor.grid(np.array([0.5, 0.5, 0.0])), still, atol=1e-4)


def test_her_left_is_blue_and_her_right_is_orange() -> None:
    clip = walk()
    shot = shot_of(clip, Angle(240, 320, 48.0))
    for frame, picture in enumerate(stick_frames(clip, shot)):
        assert picture.shape == (320, 240, 3)
        pixels, _ = shot.seen(clip.world[1][frame], frame)
        for name, colour in (("elbow_left", LEFT), ("wrist_left", LEFT), ("wrist_right", RIGHT)):
            u, v = np.rint(pixels[CANONICAL.index(name)]).astype(int)
            there = picture[v - 1 : v + 2, u - 1 : u + 2].reshape(-1, 3).astype(int)
            if name == "wrist_right" and abs(pixels[CANONICAL.index("pelvis"), 0] - u) < 25:
                continue  # her body may hide the far hand
            assert np.abs(there - colour).max(axis=1).min() < 12, (frame, name)
        assert tuple(picture[2, 120]) == PAPER  # nothing above her head


def test_frames_differ_as_she_moves_and_not_otherwise() -> None:
    clip = walk(0.3)
    still = MotionClip(clip.skeleton, np.tile(clip.rotations[:1], (3, 1, 1, 1)), np.tile(clip.root[:1], (3, 1)), 10.0)
    a, b, _ = stick_frames(clip, shot_of(clip, SMALL))
    assert (a != b).any(axis=2).mean() > 0.02
    c, d, _ = stick_frames(still, shot_of(still, SMALL))
    np.testing.assert_array_equal(c, d)


def test_points_are_where_the_joints_are_seen() -> None:
    shown = pictures(48.0)
    places = shown.body.clip.track
    for frame in (0, 7):
        found = shown.points(frame)
        pixels, _ = shown.shot.seen(places.places[frame], frame)
        for k, name in enumerate(POINTS):
            if name in CANONICAL and found[k, 2]:
                np.testing.assert_allclose(found[k, :2], pixels[CANONICAL.index(name)], atol=1e-9)
        shoulders = [pixels[CANONICAL.index(f"shoulder_{side}")] for side in ("left", "right")]
        np.testing.assert_allclose(found[POINTS.index("neck"), :2], np.mean(shoulders, axis=0), atol=0.4)


@pytest.mark.parametrize("facing_deg", [0.0, 90.0])
def test_a_face_is_seen_from_before_and_not_from_behind(facing_deg: float) -> None:
    front, behind, left = (pictures(azimuth, facing_deg) for azimuth in (0.0, 180.0, 90.0))
    face = ("nose", "eye_left", "eye_right")
    assert all(point(front, name)[2] == 1 for name in face)
    assert point(front, "eye_left")[0] > point(front, "nose")[0] > point(front, "eye_right")[0]
    assert all(tuple(point(behind, name)) == (0, 0, 0) for name in face)
    assert point(behind, "ear_left")[2] == point(behind, "ear_right")[2] == 1
    assert point(behind, "ear_left")[0] < point(behind, "ear_right")[0]
    assert point(left, "ear_left")[2] == 1
    assert point(left, "ear_right")[2] == 0
    # Seen from her left she looks to the left of the picture.
    assert point(left, "nose")[0] < point(left, "ear_left")[0]


def test_nose_and_eyes_lie_on_the_drawn_face() -> None:
    shown = body_pictures(walk(0.1), WALKER, Angle(480, 640, 0.0))
    depth = render_depth(shown.scene(0), shown.shot.camera)
    _, joints = shown.shot.seen(shown.body.clip.world[1][0], 0)
    head = joints[CANONICAL.index("head")]
    for name in ("nose", "eye_left", "eye_right"):
        u, v = np.rint(point(shown, name)[:2]).astype(int)
        # The face is before the top of the neck by the depth of half a head.
        assert 0.05 < head - depth[v, u] < 0.16, name
    rows = np.flatnonzero(np.isfinite(depth).any(axis=1))
    assert rows[0] < point(shown, "eye_left")[1] < point(shown, "nose")[1] < rows[0] + 0.15 * (rows[-1] - rows[0])


def test_pose_pictures_bear_the_published_colours() -> None:
    shown = pictures(0.0)
    found = shown.points(0)
    picture = pose_picture(found, 120, 160)
    assert picture.shape == (160, 120, 3)
    assert not picture[:3].any()  # the ground is black
    for name, colour in (("nose", (255, 0, 0)), ("wrist_left", (0, 255, 85)), ("ankle_right", (0, 170, 255))):
        u, v = found[POINTS.index(name), :2].astype(int)
        assert tuple(int(c) for c in picture[v, u, ::-1]) == colour == COLOURS[POINTS.index(name)]
    thigh = LIMBS.index((11, 12))
    u, v = ((found[11, :2] + found[12, :2]) / 2).astype(int)
    assert tuple(int(c) for c in picture[v, u, ::-1]) == tuple(int(0.6 * c) for c in COLOURS[thigh])
    hidden = found.copy()
    hidden[POINTS.index("wrist_left")] = 0
    assert not (pose_picture(hidden, 120, 160) == np.array([85, 255, 0])).all(axis=2).any()


def test_points_come_back_from_their_json() -> None:
    found = pictures(90.0).points(3)
    written = json.loads(json.dumps(openpose_json(found, 120, 160)))
    assert (written["version"], written["canvas_width"], written["canvas_height"]) == (1.3, 120, 160)
    (person,) = written["people"]
    back = np.array(person["pose_keypoints_2d"]).reshape(18, 3)
    np.testing.assert_allclose(back, found, atol=6e-4)
    assert set(back[:, 2]) == {0.0, 1.0}


def test_depth_is_white_near_and_black_where_nobody_is() -> None:
    shown = pictures(48.0)
    scene = shown.scene(4)
    metres = render_depth(scene, shown.shot.camera)
    picture = shown.depth(scene)
    np.testing.assert_array_equal(picture > 0, np.isfinite(metres))
    near, far = shown.depths
    back = far - (picture[picture > 0] - 1.0) / 254 * (far - near)
    np.testing.assert_allclose(back, metres[picture > 0], atol=0.6 * (far - near) / 254)
    assert picture.max() < 255  # not clipped
    with pytest.raises(ValueError, match=r"depth from 3.0 to 2.0 m has no room"):
        depth_picture(metres, 3.0, 2.0)


def test_body_points_and_depth_agree() -> None:
    shown = pictures(48.0)
    for frame in (0, 5):
        scene = shown.scene(frame)
        mask = render_mask(scene, shown.shot.camera)
        inside = [mask[int(v + 0.5), int(u + 0.5)] for u, v, c in shown.points(frame) if c]
        assert sum(inside) >= len(inside) - 1  # a point on an edge may fall beside it
        picture = shown.picture(scene, frame)
        assert picture.shape == (160, 120, 3)
        skin = picture[mask].astype(int)
        assert np.abs(skin[:, 2] - skin[:, 0]).mean() > 10  # skin is warm, the paper grey
        paper = picture[~mask].astype(int)
        assert np.abs(paper[:, 2] - paper[:, 0]).mean() < 6


def test_the_studio_stays_and_only_the_grid_and_she_move() -> None:
    shown = pictures(48.0)
    first, second = (shown.picture(shown.scene(k), k) for k in (0, 1))
    np.testing.assert_array_equal(first[:20, :15], second[:20, :15])
    assert (first[shown.floor.top + 10 :] != second[shown.floor.top + 10 :]).any()


def test_the_stand_in_is_as_tall_as_her_legs_tell_and_has_no_marks() -> None:
    assert stand_in(walk()).height_m == pytest.approx(WALKER.height_m, rel=0.01)
    assert stand_in(walk()).marks == ()


def test_a_recorded_walk_is_drawn(data_dir: Path) -> None:
    path = data_dir / "motion" / "cmu" / "007_01.bvh"
    if not path.is_file():
        pytest.skip(f"no recorded walk at {path}; set LIKENESS_DATA")
    clip = read_bvh(path, drop_first=True)
    few = MotionClip(clip.skeleton, clip.rotations[::30], clip.root[::30], 2.0)
    shown = body_pictures(few, stand_in(few), SMALL)
    for frame in range(len(few)):
        mask = render_mask(shown.scene(frame), shown.shot.camera)
        assert 0.04 < mask.mean() < 0.3
        assert not mask[[0, -1]].any()  # not cut off above or below
        assert not mask[:, [0, -1]].any()
        assert point(shown, "nose", frame)[2] == 1  # she comes towards the camera
    hers = retarget(few)
    assert len(list(stick_frames(hers, shot_of(hers, SMALL)))) == len(few)
