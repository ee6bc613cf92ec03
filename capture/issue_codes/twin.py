"""Codes of marks, data set, training and comparison."""

from __future__ import annotations

from capture.issue_codes.entry import Entry, Severity

_E, _W = Severity.ERROR, Severity.WARNING

TWIN: dict[str, Entry] = {
    # marks
    "MARK_NOT_TRIANGULATED": Entry(
        _W, "A mark was confirmed in fewer than two views.", "Confirm it in a second camera of the same take."
    ),
    "MARK_SPREAD_HIGH": Entry(
        _W, "The views of a mark do not meet in one place.", "Check that all its photographs show the same mark."
    ),
    "MARK_CHANGED": Entry(
        _W, "A mark is not as it was in the earlier session.", "Look at both; she may want a doctor to look at it too."
    ),
    "MARKS_MIRRORED": Entry(
        _E, "The marks of two sessions agree only in a mirror.", "One was flipped: export it again without a flip."
    ),
    "MARKS_DISAGREE": Entry(
        _E, "The marks of two sessions do not agree.", "Check whose sessions they are, and what was confirmed."
    ),
    "MARK_PHOTO_UNKNOWN": Entry(
        _E, "marks.toml names a photograph that the session does not have.", "Correct its take, light and camera."
    ),
    # data set
    "FRAME_NOT_USED": Entry(_W, "A frame is left out of the data set.", "Read the reason; reshoot if it matters."),
    "PERSON_NOT_FOUND": Entry(
        _W, "No person stands out from the empty plate.", "Check that plate and frame are of the same camera."
    ),
    "PLATE_MISSING": Entry(
        _W, "A camera has no empty plate.", "Shoot the empty studio; until then the mask is only estimated."
    ),
    "MARK_HARDLY_LEARNED": Entry(
        _W, "The pictures to learn from show too little of a mark.", "Shoot what the line says, then: twin ingest."
    ),
    "MARK_NEVER_OBSERVABLE": Entry(
        _W, "A mark is too small in every crop to be learned.", "Add a closer framing or a higher resolution."
    ),
    # comparison
    "MARKS_LOST": Entry(
        _E, "Fewer observable marks survive than agreed.", "Train longer, or with a higher mark weight."
    ),
    "COLOUR_OFF": Entry(
        _E, "Her colour differs from the photographs by more than agreed.", "Check light matching, train longer."
    ),
    "NOTHING_TO_COMPARE": Entry(
        _E, "No render has a photograph of a near view and light.", "Render the views that were held out."
    ),
    "INTERNAL_ERROR": Entry(_E, "A check failed to run.", "Report it with this text; the other checks did run."),
}
