"""Codes of movement: from keypoints, or from files that another system recorded, to a skeleton in motion."""

from __future__ import annotations

from capture.issue_codes.entry import Entry, Severity

_E, _W = Severity.ERROR, Severity.WARNING

MOVEMENT: dict[str, Entry] = {
    "MOTION_KEYPOINTS_UNREADABLE": Entry(
        _E, "A camera's keypoints cannot be read.", "Run the pose detector on this camera's clip again and export it."
    ),
    "MOTION_CAMERA_WITHOUT_KEYPOINTS": Entry(
        _W, "A camera of the rig has no keypoints; its view is not used.", "Run the pose detector on its clip too."
    ),
    "MOTION_CAMERA_UNKNOWN": Entry(
        _W,
        "Keypoints are of a camera that the rig does not have; they are not used.",
        "Name their folder as session.toml names the camera, or calibrate with it.",
    ),
    "MOTION_CAMERA_LATE": Entry(
        _E,
        "A camera shows other moments than the others, so that her movement is wrong.",
        "Give the frames found as --offset CAMERA=FRAMES and run it again; trigger it with the others next time.",
    ),
    "MOTION_CAMERA_DISAGREES": Entry(
        _W,
        "A camera sees her joints elsewhere than the others do.",
        "Run `twin drift`: if it has moved, calibrate again; if not, look at its keypoints.",
    ),
    "MOTION_JOINT_NOT_SEEN": Entry(
        _W,
        "A joint was never seen, or never by two cameras at once; head and toes are then held still, without others "
        "there is no skeleton.",
        "Use a detector or markers that show it, or turn two cameras so that they see it.",
    ),
    "MOTION_GAP_TOO_LONG": Entry(
        _W,
        "A joint is hidden for longer than may be filled in; these frames are not used.",
        "Record the walk again with a camera on that side of her, or fill the gap in the program that recorded it.",
    ),
    "MOTION_PEOPLE_SWAPPED": Entry(
        _W,
        "Two people came so close that one may have been taken for the other.",
        "Look at these frames of the clip; record her alone.",
    ),
    "MOTION_OTHERS_SEEN": Entry(
        _W, "Somebody else is in the clip; only the person seen most is used.", "See that the right one was followed."
    ),
    "MOTION_NO_SKELETON": Entry(
        _E,
        "No stretch of the clip shows all her joints for long enough.",
        "Record it again with every joint in sight, of two cameras at least; the track of what was seen is kept.",
    ),
    "MOTION_BONES_VARY": Entry(
        _W,
        "Her bones seem to change their length, so the joints are not where they are said to be.",
        "Verify the calibration and look at this joint's keypoints in each camera; in a file of another system, at the "
        "joint in its program.",
    ),
    "MOTION_FILE_UNREADABLE": Entry(
        _E,
        "A recorded file cannot be read; its clip is left out.",
        "Export it again from the program that recorded it, then run this again.",
    ),
    "MOTION_FILE_WITHOUT_CLIP": Entry(
        _W,
        "A recorded file is of no clip of the session; it is not used.",
        "Name it as its clip, or describe the clip in session.toml as [[clip]].",
    ),
    "MOTION_CLIP_WITHOUT_FILE": Entry(
        _W,
        "A clip of the session has no recorded file; it is not among her movement.",
        "Put its file beside the others, named as the clip, and run this again.",
    ),
}
