"""The canonical joints: every known rig gives all 18, in their places; what lacks some is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture.motion.bvh import read_bvh
from capture.motion.canonical import (
    CANONICAL,
    CANONICAL_PARENTS,
    JointsMissing,
    canonical_track,
    full_map,
    leg_length,
    map_names,
)
from capture.motion.clip import JointTrack
from capture.stage.person import make_person
from capture.stage.scene import Scene
from capture.stage.walk import walk_stance

HALPE_26 = (
    "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee RKnee LAnkle RAnkle Head "
    "Neck Hip LBigToe RBigToe LSmallToe RSmallToe LHeel RHeel"
)
BODY_25 = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle REye LEye "
    "REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
)
COCO_17 = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
)
MIXAMO = (
    "Hips Spine Spine1 Spine2 Neck Head HeadTop_End LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm "
    "RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot LeftToeBase RightUpLeg RightLeg RightFoot RightToeBase"
)
NAMCO = (
    "joint_Root Hips Spine Chest Neck Head Shoulder_L UpperArm_L LowerArm_L Hand_L Shoulder_R UpperArm_R LowerArm_R "
    "Hand_R UpperLeg_L LowerLeg_L Foot_L Toes_L UpperLeg_R LowerLeg_R Foot_R Toes_R"
)
SMPL = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
)
KINECT = (
    "SpineBase SpineMid Neck Head ShoulderLeft ElbowLeft WristLeft HandLeft ShoulderRight ElbowRight WristRight "
    "HandRight HipLeft KneeLeft AnkleLeft FootLeft HipRight KneeRight AnkleRight FootRight SpineShoulder"
)


def track_of(names: tuple[str, ...], seed: int = 0) -> JointTrack:
    """Random places of joints by those names, three frames."""
    return JointTrack(names, np.random.default_rng(seed).normal(size=(3, len(names), 3)), 30.0)


@pytest.mark.parametrize(
    ("rig", "names", "elbow", "ankle"),
    [
        ("canonical", " ".join(CANONICAL), "elbow_left", "ankle_right"),
        ("OpenPose", HALPE_26, "LElbow", "RAnkle"),
        ("OpenPose", BODY_25, "LElbow", "RAnkle"),
        ("COCO", COCO_17 + " left_big_toe right_big_toe", "left_elbow", "right_ankle"),
        ("Mixamo", MIXAMO, "LeftForeArm", "RightFoot"),
        (
            "Mixamo",
            " ".join(f"mixamorig:{name}" for name in MIXAMO.split()),
            "mixamorig:LeftForeArm",
            "mixamorig:RightFoot",
        ),
        ("Unity humanoid", NAMCO, "LowerArm_L", "Foot_R"),
        ("SMPL", SMPL, "left_elbow", "right_ankle"),
        ("Kinect", KINECT, "ElbowLeft", "AnkleRight"),
    ],
)
def test_every_known_rig_has_all_joints(rig: str, names: str, elbow: str, ankle: str) -> None:
    given = tuple(names.split())
    found = full_map(given[::-1])
    assert found.rig == rig
    assert found.found["elbow_left"] == (elbow,)
    assert found.found["ankle_right"] == (ankle,)
    assert canonical_track(track_of(given)).names == CANONICAL


def test_a_joint_between_others_is_their_mean() -> None:
    track = track_of(tuple(BODY_25.split()))
    ears = (track.of("REar") + track.of("LEar")) / 2
    np.testing.assert_allclose(canonical_track(track).of("head"), ears, atol=1e-12)
    middle = sum(track.of(name) for name in ("RHip", "LHip", "RShoulder", "LShoulder")) / 4
    np.testing.assert_allclose(canonical_track(track).of("chest"), middle, atol=1e-12)


def test_what_was_not_seen_stays_unseen() -> None:
    track = track_of(tuple(BODY_25.split()))
    track.places[1, track.names.index("REar")] = np.nan
    unseen = np.isnan(canonical_track(track).places).any(axis=2)
    assert np.argwhere(unseen).tolist() == [[1, CANONICAL.index("head")]]


def test_a_rig_that_lacks_joints_says_which() -> None:
    with pytest.raises(JointsMissing, match="joints not found: toe_left, toe_right .read as rig COCO"):
        canonical_track(track_of(tuple(COCO_17.split())))
    with pytest.raises(JointsMissing, match="read as rig unknown") as err:
        full_map(["a", "b"])
    assert err.value.missing == CANONICAL
    assert map_names([]).found == {}


def test_the_tree_puts_parents_first() -> None:
    assert all(parent < k for k, parent in enumerate(CANONICAL_PARENTS))
    tree = {name: CANONICAL[p] for name, p in zip(CANONICAL, CANONICAL_PARENTS, strict=True) if p >= 0}
    assert tree["toe_left"] == "ankle_left"
    assert tree["wrist_right"] == "elbow_right"
    assert tree["hip_left"] == "pelvis"
    assert tree["shoulder_right"] == "chest"


def test_the_stage_is_known() -> None:
    person = make_person(4)
    joints = Scene(person, walk_stance(person, 0.3)).joints_world()
    track = JointTrack(tuple(joints), np.array([list(joints.values())]), 30.0)
    found = canonical_track(track)
    np.testing.assert_allclose(found.of("knee_left")[0], joints["shin_left"])
    np.testing.assert_allclose(found.of("neck")[0], (joints["upper_arm_left"] + joints["upper_arm_right"]) / 2)
    assert leg_length(track) == pytest.approx(0.805 * person.shape.scale, rel=0.01)


@pytest.mark.parametrize(
    ("name", "rig"),
    [
        ("cmu/002_02.bvh", "Character Creator"),
        ("cmu131/131_01.bvh", "CMU in 3ds Max"),
        ("cmu_mixed/10_03.bvh", "DAZ"),
        ("cmu_mixed/Swagger.bvh", "CMU in ASF"),
    ],
)
def test_real_rigs_have_their_joints_where_they_belong(data_dir: Path, name: str, rig: str) -> None:
    path = data_dir / "motion" / name
    if not path.is_file():
        pytest.skip(f"no clip at {path}")
    clip = read_bvh(path, drop_first=True)
    assert full_map(clip.skeleton.names).rig == rig
    track = canonical_track(clip)
    heights = [float(np.median(track.of(joint)[:, 2])) for joint in ("toe_left", "ankle_left", "knee_left", "hip_left")]
    heights += [float(np.median(track.of(joint)[:, 2])) for joint in ("chest", "neck", "head")]
    assert heights == sorted(heights)
    # Left of what is left: the toes point where left x up does.
    left = track.of("hip_left") - track.of("hip_right")
    toes = track.of("toe_left") - track.of("ankle_left") + track.of("toe_right") - track.of("ankle_right")
    forward = np.cross(left, [0, 0, 1])
    assert np.median(np.einsum("ti,ti->t", forward, toes)) > 0.02
