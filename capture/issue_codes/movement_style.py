"""Codes of the way she moves: clips that cannot be judged, a twin that moves unlike her, and what no body could do."""

from __future__ import annotations

from capture.issue_codes.entry import Entry, Severity

_E, _W = Severity.ERROR, Severity.WARNING

MOVEMENT_STYLE: dict[str, Entry] = {
    # clips that cannot be judged
    "MOTION_TOO_SHORT": Entry(
        _E, "A clip is too short to show how somebody walks.", "Record or generate at least two strides, better six."
    ),
    "MOTION_NO_STRIDE": Entry(
        _E, "No steady walk was found in a clip.", "Cut the clip to the walk; standing and turning are not judged."
    ),
    "MOTION_JOINT_MISSING": Entry(
        _E,
        "A clip lacks joints that the movement is read from.",
        "Name them in the file, or export joints instead of markers (the solved skeleton, best as BVH).",
    ),
    "MOTION_GAP": Entry(
        _E, "A joint was not seen for too long.", "Fill the gap in the capture program, or cut the clip around it."
    ),
    "MOTION_NO_BODY": Entry(
        _E,
        "The joints of a clip are of no person's size.",
        "Give the unit of the file; check that its joints move apart.",
    ),
    "MOTION_MIRRORED": Entry(
        _E, "She walks backwards: left and right are exchanged.", "Exchange left and right in the joint map, or unflip."
    ),
    # clips that cannot be learned from
    "MOTION_NO_ACTION": Entry(
        _W, "A clip is left out: nobody said what she does in it.", "Write its action into its [[clip]], such as walk."
    ),
    "MOTION_UNREADABLE": Entry(
        _W, "A clip is left out: its movement cannot be read.", "Make the file again, or export it from its program."
    ),
    # the score
    "GALLERY_THIN": Entry(
        _W, "A person has fewer takes of an action than the score needs.", "Record at least five takes of the action."
    ),
    "MOTION_NOT_HER": Entry(
        _E, "A movement is not hers.", "Train longer, with more of her takes, or at a higher weight of the adapter."
    ),
    "MOTION_TOO_GENERIC": Entry(
        _E, "A movement is nearer to the mean walker than to her.", "Raise the adapter's weight, or train longer."
    ),
    "TRAIT_OFF": Entry(
        _W,
        "A trait of her movement is off by more than she varies herself.",
        "Look at it in the animation beside hers.",
    ),
    # what no body could do
    "FOOT_SKATING": Entry(
        _W, "Feet slide while they stand on the floor.", "Train with more weight on contacts, or lock the feet after."
    ),
    "FOOT_IN_FLOOR": Entry(_W, "Feet go through the floor.", "Raise the root, or lock the feet to the floor after."),
    "MOTION_JERKY": Entry(
        _W,
        "The movement is jerkier than her takes.",
        "Generate with more steps, or train longer; do not smooth over it.",
    ),
    "JOINT_BEYOND_LIMIT": Entry(
        _E, "A joint bends as no joint can.", "Do not use the clip; check the joint map, then train longer."
    ),
}
