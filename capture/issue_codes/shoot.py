"""Codes of what comes in: papers, files, copies, the grid, time and pictures."""

from __future__ import annotations

from capture.issue_codes.entry import Entry, Severity

_E, _W = Severity.ERROR, Severity.WARNING

SHOOT: dict[str, Entry] = {
    # session.toml and consent.toml
    "SESSION_FILE_MISSING": Entry(_E, "The folder has no session.toml.", "Run `twin init` in it and fill the file in."),
    "SESSION_FILE_INVALID": Entry(
        _E, "session.toml does not follow the format.", "Correct the named key; SESSION_FORMAT.md lists them."
    ),
    # files
    "FILE_MISSING": Entry(
        _E, "A file that the session or its manifest names is not there.", "Copy it from the card again, or reshoot it."
    ),
    "FILE_UNEXPECTED": Entry(
        _W, "A file lies in the session that session.toml does not name.", "Name it there, or take it out."
    ),
    "FILE_EMPTY": Entry(_E, "A file has no bytes.", "Copy it from the card again, or reshoot it."),
    "FILE_UNREADABLE": Entry(
        _E, "A file cannot be decoded as a picture or a video.", "Copy it again; if the card is bad, reshoot."
    ),
    "FILE_TRUNCATED": Entry(_E, "A file ends before its picture does.", "Copy it from the card again, or reshoot it."),
    "FILE_DAMAGED": Entry(
        _E, "A file is damaged inside.", "Copy it from the card again; if the card is bad, reshoot it."
    ),
    "FILE_FORMAT": Entry(_E, "A file is of a kind that is not read here.", "Export it as JPEG, PNG, TIFF, MP4 or MOV."),
    "FILE_IGNORED": Entry(
        Severity.IGNORED, "A file is passed over by .likenessignore.", "If it is needed, take its line out of there."
    ),
    "FILE_TOO_LARGE": Entry(
        _E, "A picture is larger than is read here.", "Export it smaller; if no camera of yours made it, ask who did."
    ),
    "DECODER_STOPPED": Entry(
        _E,
        "The decoder of a file was ended by the system or did not come to an end.",
        "Close other programs and ingest again; if it repeats, copy the file again or reshoot it.",
    ),
    "PATH_ESCAPES": Entry(
        _E, "A path leaves the folder it must stay in.", "Give a path inside the shoot's own folder."
    ),
    "COPY_FAILED": Entry(_E, "A file could not be written to a disk.", "Check rights and format of it; ingest again."),
    "DISK_FULL": Entry(
        _E, "A disk has no room left.", "Make room on it and ingest again; what it holds is not copied again."
    ),
    "READ_FAILED": Entry(
        _E, "A file of the card cannot be read.", "Try another reader and ingest again; if it repeats, reshoot."
    ),
    "CARD_GONE": Entry(
        _E, "A card was pulled while it was copied.", "Put it in again and ingest again; what was copied stays."
    ),
    "SOURCE_CHANGED": Entry(
        _E, "A file changed while it was copied.", "Let the camera or program finish, then ingest again."
    ),
    "NAME_CASE_COLLISION": Entry(
        _E,
        "Two names differ only in capital letters; the second file is kept under card/ with a number.",
        "Rename one of the two, or its id in session.toml, and ingest again.",
    ),
    "NAME_NORMALISATION_COLLISION": Entry(
        _E,
        "Two names differ only in how an accent is written; the second file is kept under card/ with a number.",
        "Rename one of the two and ingest again.",
    ),
    "HASH_MISMATCH": Entry(
        _E,
        "A file differs from its source or from the hash that was recorded of it.",
        "Copy it again from the source or the backup; if it repeats, change the cable or the disk.",
    ),
    "ORIGINAL_KEPT": Entry(
        _E,
        "The card has other bytes under a name that the vault holds; the vault kept its own.",
        "If it is a reshoot, call it <camera>~2 (then ~3 ...) and ingest again.",
    ),
    "ORIGINAL_CHANGED": Entry(
        _E, "An original differs from the digest taken at ingest.", "Restore it from the card or the backup."
    ),
    # manifests and bags
    "MANIFEST_MISSING": Entry(
        _E, "The folder has no ASC MHL history.", "If it had one, get it from the backup; else `twin manifest seal`."
    ),
    "MANIFEST_CHAIN_MISSING": Entry(
        _E, "A history has no chain file, so nothing vouches for its manifests.", "Restore it from the backup."
    ),
    "MANIFEST_GENERATION_MISSING": Entry(
        _E, "A generation of the history is gone.", "Restore the whole ascmhl folder from the backup; ask who had it."
    ),
    "MANIFEST_ALTERED": Entry(
        _E, "A manifest was changed after it was sealed.", "Restore it from the backup; trust no hash of it until then."
    ),
    "MANIFEST_UNLISTED": Entry(
        _E, "A manifest lies in the history that the chain does not list.", "Ingest or seal again; else take it out."
    ),
    "MANIFEST_INVALID": Entry(
        _E, "A manifest or a chain does not follow the format.", "Get it from its maker or the backup once more."
    ),
    "MANIFEST_HASH_REPLACED": Entry(
        _E,
        "A later generation gives a file a hash that the earlier ones do not bear out.",
        "Compare the file with the card or the backup; trust the first hash.",
    ),
    "FILE_RENAMED": Entry(
        _E, "A file lies under another name than its history records.", "Give it its name back, or seal the folder."
    ),
    "FILE_UNSEALED": Entry(
        _E, "A file lies in a sealed folder that its history does not record.", "Seal the folder, or take it out."
    ),
    "BAG_INVALID": Entry(_E, "A bag does not follow BagIt.", "Ask its maker for a correct one; do not repair it."),
    "BAG_UNUSUAL": Entry(_W, "A bag is valid, yet other tools may stumble over it.", "Have it made anew if you can."),
    # grid
    "GRID_FRAME_MISSING": Entry(
        _E, "A still of the grid cameras x lights x takes is missing.", "Reshoot this light and take."
    ),
    "GRID_FRAME_DUPLICATE": Entry(
        _E, "Two files claim the same place in the grid.", "Keep the right one and remove the other."
    ),
    "FRAME_IDENTICAL": Entry(
        _E, "Two stills of the grid are the same picture.", "One was stored twice: find or reshoot the lost one."
    ),
    "CAMERA_SETTINGS_DIFFER": Entry(
        _E,
        "A file has another size or setting than its camera has elsewhere.",
        "Set the camera back and reshoot these frames.",
    ),
    "CAMERA_SERIAL_DIFFERS": Entry(
        _W,
        "A picture was taken by a body of another serial number.",
        "Correct session.toml, or find out which body shot it: its lens needs its own calibration.",
    ),
    "CLOCK_SKEW": Entry(
        _W,
        "The clock of a camera differs from the others.",
        "Set the clocks of all cameras together; no file needs to be shot again.",
    ),
    # what files say beyond the picture
    "PRIVACY_GPS": Entry(
        _W, "Files say where they were taken.", "Switch the position off in the camera; hand out exports only."
    ),
    "PRIVACY_NAME": Entry(
        _W, "Files carry the name of a person or firm.", "Clear owner and author in the camera; hand out exports only."
    ),
    "PRIVACY_THUMBNAIL": Entry(
        _W,
        "Files carry a small picture that a later crop or retouch does not change.",
        "Hand out exports only, never the originals.",
    ),
    # pixels
    "NOISE_HIGH": Entry(
        _W,
        "A picture has more grain than its camera and light let expect.",
        "Lower the sensitivity, add light, then reshoot.",
    ),
    "EXPOSURE_CLIPPED": Entry(
        _W, "A large part of the picture is blown out.", "Lower the light or close the aperture, then reshoot."
    ),
    "EXPOSURE_OFF": Entry(
        _W, "A picture is much darker or lighter than its neighbours.", "Check light and shutter, then reshoot."
    ),
    "FOCUS_SOFT": Entry(
        _W, "A picture is softer than the others of its camera.", "Refocus this camera and reshoot the frame."
    ),
    "MOTION_BLUR": Entry(
        _W,
        "What moves in a clip is smeared: the shutter stayed open too long.",
        "Set the shutter to 1/250 s or shorter, add light to make up for it, then shoot the clip again.",
    ),
    "CLIP_FRAMES_DIFFER": Entry(
        _W, "The cameras of one clip hold different numbers of frames.", "Check for dropped frames; re-sync."
    ),
    # plan
    "COVERAGE_GAP": Entry(
        _W, "A view that the plan asks for has too few usable frames.", "Shoot what the list on top of the page names."
    ),
    # time
    "CAMERA_LATE": Entry(
        _W,
        "A camera of a clip began a frame or more before or after the others.",
        "Check its trigger and shoot again, or go on: its offset is in the report.",
    ),
    "SYNC_UNRESOLVED": Entry(
        _W,
        "Nothing tells when the cameras of a clip began.",
        "Fire a flash or clap while all record, then shoot again.",
    ),
    "SYNC_DRIFT": Entry(
        _W,
        "The clock of a camera runs apart from the others.",
        "Lock the cameras to one clock, or shoot shorter clips.",
    ),
    "SYNC_CONTRADICTED": Entry(
        _W,
        "A camera shows her at another moment than its written or flashed time says.",
        "Go on: a board waved in the clip solves it. Before the next, set its clock and fire a flash while all record.",
    ),
    "FRAME_DROPPED": Entry(
        _W, "Frames of a clip never reached the file.", "Use a faster card or a lower rate, then shoot it again."
    ),
    "FRAME_FROZEN": Entry(
        _W, "Frames of a clip are the one before once more.", "Check cable and recorder, then shoot it again."
    ),
    # what the pictures show
    "LIGHT_MISMATCH": Entry(
        _E, "A still shows another light than its name says.", "Reshoot this light, or correct the names of the two."
    ),
    "CAMERA_SWAPPED": Entry(
        _E,
        "Pictures lie under the name of another camera.",
        "Exchange the names, in [sources] or on the cameras; nothing need be shot again.",
    ),
    "CAMERA_MOVED": Entry(
        _W,
        "A camera does not stand where it stood for its empty plate.",
        "Fix it, then shoot its plate and the calibration board again before she goes on.",
    ),
    "PHOTO_MIRRORED": Entry(
        _E, "Pictures are mirrored left to right.", "Switch mirroring off in the camera or its program; export again."
    ),
    "SUBJECT_EXTRA": Entry(
        _W,
        "Somebody or something else is in the picture.",
        "Clear the set and reshoot this light or take; if it belongs there, name it in an [[ignore]].",
    ),
    "SUBJECT_MISSING": Entry(_E, "She is not in the picture.", "Reshoot this light with her on her mark."),
}
