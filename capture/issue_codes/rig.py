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
        _E,
        "A camera, or a group of them, shares no board view with the others.",
        "Hold the board where it and another camera see it; where nothing can, turn two boards fixed to each other "
        "about two axes, one before each group.",
    ),
    "REPROJECTION_HIGH": Entry(
        _E,
        "A camera's reprojection error is too high.",
        "Mend the causes named before this one first; else reshoot the board for this camera, slowly and near.",
    ),
    "POSES_TOO_FEW": Entry(
        _W,
        "A camera saw the board in too few places or too little of its picture.",
        "Show this camera the board tilted to each side, and near all four corners of its picture.",
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
        "Two cameras of a rig stand in one place.",
        "One is a copy of the other: copy this camera's files again, or have an imported rig exported again.",
    ),
    "RIG_SCALE_WRONG": Entry(
        _E,
        "An imported rig has another metre than the board of this session.",
        "Import it again with the right --unit; if that is right, measure the squares of the board.",
    ),
    "BOARD_SCALE_WRONG": Entry(
        _E,
        "The board's square_m gives the rig a size that no studio has.",
        "Measure a square with a ruler and write it into session.toml in metres; ingest and calibrate again.",
    ),
    "BOARD_SCALE_ODD": Entry(
        _W,
        "The board is unusually large or small, near or far.",
        "Measure a square with a ruler; in session.toml square_m is in metres.",
    ),
    "BOARD_MIRRORED": Entry(
        _E,
        "A camera shows the board mirrored.",
        "Switch mirroring off in this camera or its program and export again; if all do, print the board unmirrored.",
    ),
    "BOARD_SIZE_DIFFERS": Entry(
        _E,
        "Board pictures of a camera have another size than its stills.",
        "Export them at full size, or shoot the board with this camera again as it shoots her.",
    ),
    "LENS_SIZE_DIFFERS": Entry(
        _E,
        "A camera's lens belongs to pictures of another size.",
        "Export this camera's board pictures at the size of its stills, or correct its width and height.",
    ),
    "LENS_TURNED": Entry(
        _E,
        "A camera's lens belongs to pictures with width and height exchanged.",
        "Export this camera's board pictures turned like its stills, or shoot the board with it again.",
    ),
    "LENS_OFF_CENTRE": Entry(
        _W,
        "A camera's lens centre is far from the middle of its picture.",
        "Use pictures that are not cropped; show this camera the board, tilted, near all four corners.",
    ),
    "LENS_NOT_DETERMINED": Entry(
        _E,
        "A camera's board shots leave its lens and place open.",
        "Show this camera the board in eight places, tilted to each side, near the corners of the picture too.",
    ),
    "CAMERAS_EXCHANGED": Entry(
        _E,
        "Two cameras fit each other's board shots, and not their own.",
        "Exchange the names of the two in these shots, in [sources] or on the card; nothing need be shot again.",
    ),
    "CAMERAS_EXCHANGED_SINCE": Entry(
        _W,
        "Two cameras stand in each other's place since the last rig.",
        "If nobody moved them, one of the two rigs has their names exchanged: correct it and calibrate again.",
    ),
    "CAMERA_NOT_SYNCHRONOUS": Entry(
        _W,
        "A camera sees what moves at another moment than the others.",
        "Trigger this camera with the others; where that cannot be, hold the board still before every shot.",
    ),
    "CAMERA_MOVED_MEANWHILE": Entry(
        _W,
        "A camera was moved between board shots.",
        "Fix this camera, then show it the board again in all places.",
    ),
    "CAMERA_WEAKLY_LINKED": Entry(
        _W,
        "A camera, or a group of them, hangs on few board shots.",
        "Hold the board where it and the other one named see it, in six places.",
    ),
    "CROSS_CHECK_DIFFERS": Entry(
        _W,
        "COLMAP's solver does not find the same rig, or could not be asked.",
        "Show the camera named the board in more places and calibrate again; with time offsets, check a set of stills.",
    ),
    "RIG_NOT_MEASURED": Entry(
        _W,
        "An imported rig could not be measured: no board is seen by two of its cameras.",
        "Shoot the board once with all cameras; until then nobody knows what the rig is worth.",
    ),
    # verification and drift
    "VERIFICATION_FAILED": Entry(
        _E,
        "The calibration does not hold on board shots that it was not fitted to.",
        "See whether this camera moved between the shots; shoot the board again with all cameras and calibrate.",
    ),
    "CAMERA_DRIFTED": Entry(
        _E,
        "A camera no longer stands as it was calibrated.",
        "Fix it, shoot the board again, and calibrate for what was shot from then on.",
    ),
    "CAMERA_OUT_OF_STEP": Entry(
        _E,
        "A camera shows other moments than the others, so what moves does not fit.",
        "Shift this camera's frames by the number found, or trigger it with the others and reshoot.",
    ),
    "DRIFT_DISAGREES": Entry(
        _W,
        "What she shows and what is behind her tell different moves of a camera.",
        "Look at both curves of the page: the backdrop may have moved, the camera was pushed sideways, or it moved "
        "before its plate was shot; to be sure, shoot the board once more and keep it for verification.",
    ),
    "DRIFT_NOT_MEASURED": Entry(
        _W,
        "Nobody can tell whether a calibration still holds.",
        "Record her a few seconds with several cameras that see the same side of her, or shoot the board again.",
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
        "Shoot plates and stills with more cameras.",
    ),
    "BODY_CAMERA_NOT_PLACED": Entry(
        _W, "A camera that shot her has no place in the rig; its pictures are not used.", "Calibrate with it."
    ),
    "BODY_SIZE_DIFFERS": Entry(
        _E, "A camera's pictures are of another size than it was calibrated for.", "Export them in that size again."
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
    "SCAN_SCALE_WRONG": Entry(_E, "A scan fits her only at another size.", "Export it in metres, mm, cm or inches."),
    "SCAN_NOT_HER": Entry(
        _E,
        "A scan does not fit her body.",
        "Check that it is of this person in the pose of this take; scan again if it is.",
    ),
}
