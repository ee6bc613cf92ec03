"""Codes of calibration: cameras, colour, light and the body."""

from __future__ import annotations

from capture.issue_codes.entry import Entry, Severity

_E, _W = Severity.ERROR, Severity.WARNING

RIG: dict[str, Entry] = {
    # calibration
    "BOARD_NOT_FOUND": Entry(
        _E, "The calibration board was found in too few pictures.", "Show the board to this camera again."
    ),
    "CAMERA_NOT_LINKED": Entry(
        _E, "A camera shares no board view with the others.", "Hold the board where this camera and another see it."
    ),
    "REPROJECTION_HIGH": Entry(
        _E, "A camera's reprojection error is too high.", "Reshoot the board for this camera, slowly and near."
    ),
    "POSES_TOO_FEW": Entry(
        _W, "A camera saw the board in too few distinct poses.", "Tilt the board more and cover the corners."
    ),
    "OBSERVATIONS_DROPPED": Entry(
        _W, "Some board corners did not fit and were left out.", "Look at the named frames; reshoot if many."
    ),
    "ORIGIN_NOT_SEEN": Entry(
        _W, "The board shot that defines the world was not found.", "Lay the board on the floor and shoot it."
    ),
    "RIG_CAMERA_MISSING": Entry(
        _E,
        "An imported rig has no camera of this name.",
        "Say which of its cameras it is (--camera THEIRS=OURS), or export the rig again with it.",
    ),
    "RIG_CAMERA_UNKNOWN": Entry(
        _W, "An imported rig has a camera that the session does not name; it is left out.", "Nothing, if that is right."
    ),
    "RIG_SIZE_DIFFERS": Entry(
        _E,
        "A camera of an imported rig was calibrated for another size of picture.",
        "Import the calibration of this size, or calibrate with the board.",
    ),
    "RIG_POSES_ALIKE": Entry(
        _E,
        "Two cameras of an imported rig stand in one place.",
        "One is a copy: have the rig exported again.",
    ),
    "RIG_NOT_MEASURED": Entry(
        _W,
        "An imported rig could not be measured: no board is seen by two of its cameras.",
        "Shoot the board once with all cameras; until then nobody knows what the rig is worth.",
    ),
    # colour and light
    "CHART_NOT_FOUND": Entry(
        _W, "No colour chart is seen in a picture of it.", "Hold it flat to the camera, a third of the picture wide."
    ),
    "CHART_INCOMPLETE": Entry(
        _W, "A colour chart is not whole, or not the one declared.", "Uncover it, keep fingers and shade off; reshoot."
    ),
    "CHART_MIRRORED": Entry(
        _W,
        "A colour chart is mirrored left to right.",
        "Switch mirroring off in the camera or its program; export again.",
    ),
    "CHART_CLIPPED": Entry(
        _W, "Patches of a colour chart are blown out.", "Expose for the white patch below 240 of 255 and reshoot it."
    ),
    "COLOUR_NOT_MEASURED": Entry(
        _W,
        "Nothing says how a camera sees colours; its pictures stay as they are.",
        "Shoot the chart with it under each light, or calibrate the rig with the board.",
    ),
    "PROFILE_UNUSABLE": Entry(
        _E, "The colours of a picture cannot be brought to sRGB.", "Export it again in sRGB, with the profile in it."
    ),
    "BALL_NOT_FOUND": Entry(
        _W, "The mirror ball is not seen in a picture of it.", "Hang it in sight of three cameras, whole, and reshoot."
    ),
    "LIGHT_NOT_SEEN": Entry(
        _W, "A light does not show in the mirror ball.", "Move the ball to where the light reaches it and reshoot."
    ),
    "LIGHT_DISAGREES": Entry(
        _W, "A camera puts a light elsewhere than the others do.", "Look for a second lamp or a window in the ball."
    ),
    "LIGHT_OFF_PLAN": Entry(
        _W, "A light comes from elsewhere than session.toml says.", "Correct its angles there, or move the lamp back."
    ),
    # body
    "BODY_CAMERAS_FEW": Entry(
        _E,
        "Too few cameras saw her with a mask to find her shape.",
        "Shoot plates, stills and board with more cameras.",
    ),
    "BODY_HULL_EMPTY": Entry(
        _E,
        "The cameras' masks have no space in common.",
        "Check that rig, plates and stills are of one set-up; calibrate again.",
    ),
    "BODY_VIEW_DISAGREES": Entry(
        _W,
        "A camera's mask does not fit the shape that the others see; it was left out.",
        "Look at its mask; if that is right, the camera has moved since calibration.",
    ),
    "BODY_DEPTH_DISAGREES": Entry(
        _W,
        "The depths that neighbouring cameras measured differ.",
        "Check that the camera has not moved, and that she held still.",
    ),
    "BODY_COVERAGE_LOW": Entry(
        _W,
        "Much of her surface was measured by fewer than two cameras.",
        "Add cameras there, or light that shows texture.",
    ),
    "BODY_NOT_CLOSED": Entry(_W, "The mesh has holes or edges.", "Use --poisson, or cover her from more sides."),
    "BODY_SOLE_NOT_SEEN": Entry(
        _W, "The mesh ends above her soles.", "Frame her feet in at least four cameras to measure her whole height."
    ),
    # scans
    "SCAN_UNREADABLE": Entry(
        _E, "A scan holds no points that can be read.", "Export it as PLY, OBJ, STL, XYZ text or npz without pickles."
    ),
    "SCAN_SCALE_UNKNOWN": Entry(
        _E,
        "A scan is of no person's size in any usual unit.",
        "Export it in metres, millimetres, centimetres or inches.",
    ),
    "SCAN_SCALE_WRONG": Entry(
        _E, "A scan fits her only at another size.", "Export it in metres, millimetres, centimetres or inches."
    ),
    "SCAN_NOT_HER": Entry(
        _E,
        "A scan does not fit her body.",
        "Check that it is of this person in the pose of this take; scan again if it is.",
    ),
}
