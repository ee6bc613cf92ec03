"""Issues: what is wrong with the data, said so that a technician knows what to do now.

The catalogue is the only place where a code gets its severity, reason and remedy; an unknown code is a programming
error. Checks yield issues, a `Report` collects them, and severity decides nothing until somebody asks `report.ok`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TypeAlias

REPORT_SCHEMA = 1

Scalar: TypeAlias = str | int | float | bool | None
JsonValue: TypeAlias = "Scalar | list[JsonValue] | dict[str, JsonValue]"
JsonObject: TypeAlias = dict[str, JsonValue]


class Severity(StrEnum):
    """How much an issue matters: an error blocks what depends on it, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue."""

    severity: Severity
    reason: str
    remedy: str


_E, _W = Severity.ERROR, Severity.WARNING

CATALOGUE: dict[str, Entry] = {
    # session.toml and consent.toml
    "SESSION_FILE_MISSING": Entry(_E, "The folder has no session.toml.", "Run `twin init` in it and fill the file in."),
    "SESSION_FILE_INVALID": Entry(
        _E, "session.toml does not follow the format.", "Correct the named key; SESSION_FORMAT.md lists them."
    ),
    # files
    "FILE_MISSING": Entry(
        _E, "A file that the session names is not there.", "Copy it from the card again, or reshoot it."
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
    "PATH_ESCAPES": Entry(
        _E, "A path leaves the folder it must stay in.", "Give a path inside the shoot's own folder."
    ),
    "COPY_FAILED": Entry(
        _E, "A file could not be written into the vault.", "Check space and rights of its disk; ingest again."
    ),
    "HASH_MISMATCH": Entry(
        _E, "A copied file differs from its source.", "Copy again; if it repeats, change the cable or the disk."
    ),
    "ORIGINAL_KEPT": Entry(
        _E,
        "The card has other bytes under a name that the vault holds; the vault kept its own.",
        "If it is a reshoot, call it <camera>~2 (then ~3 ...) and ingest again.",
    ),
    "ORIGINAL_CHANGED": Entry(
        _E, "An original differs from the digest taken at ingest.", "Restore it from the card or the backup."
    ),
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
        _E, "A picture does not have the size of its camera.", "Set the camera back and reshoot these frames."
    ),
    # pixels
    "EXPOSURE_CLIPPED": Entry(
        _W, "A large part of the picture is blown out.", "Lower the light or close the aperture, then reshoot."
    ),
    "EXPOSURE_OFF": Entry(
        _W, "A picture is much darker or lighter than its neighbours.", "Check light and shutter, then reshoot."
    ),
    "FOCUS_SOFT": Entry(
        _W, "A picture is softer than the others of its camera.", "Refocus this camera and reshoot the frame."
    ),
    "CLIP_FRAMES_DIFFER": Entry(
        _W, "The cameras of one clip hold different numbers of frames.", "Check for dropped frames; re-sync."
    ),
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
    # marks
    "MARK_NOT_TRIANGULATED": Entry(
        _W, "A mark was confirmed in fewer than two views.", "Confirm it in a second camera of the same take."
    ),
    "MARK_SPREAD_HIGH": Entry(
        _W, "The views of a mark do not meet in one place.", "Check that all its photographs show the same mark."
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


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong. Build it with `issue()`, which knows the catalogue."""

    code: str
    severity: Severity
    where: str
    expected: str
    found: str
    reason: str
    remedy: str


def issue(code: str, *, where: str, expected: str = "", found: str = "") -> Issue:
    """An issue of the catalogue at a place. Raises ValueError for a code that the catalogue does not hold."""
    entry = CATALOGUE.get(code)
    if entry is None:
        raise ValueError(f"issue code {code!r} is not in the catalogue; add it to capture/issues.py")
    return Issue(code, entry.severity, where, expected, found, entry.reason, entry.remedy)


@dataclass(frozen=True)
class Report:
    """Issues of one step, with the facts that the step measured (numbers a reader wants beside the verdicts)."""

    step: str
    issues: tuple[Issue, ...] = ()
    facts: JsonObject = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Issue, ...]:
        """Issues that block, in the order they were found."""
        return tuple(i for i in self.issues if i.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """Issues that do not block."""
        return tuple(i for i in self.issues if i.severity is Severity.WARNING)

    @property
    def ok(self) -> bool:
        """True when nothing blocks."""
        return not self.errors

    def with_issues(self, more: Iterable[Issue]) -> Report:
        """This report and further issues."""
        return Report(self.step, (*self.issues, *more), self.facts)

    def grouped(self) -> list[tuple[str, tuple[Issue, ...]]]:
        """Issues by code, errors first, the most frequent first: the order in which a page shows them."""
        by_code: dict[str, list[Issue]] = {}
        for item in self.issues:
            by_code.setdefault(item.code, []).append(item)
        order = sorted(by_code, key=lambda c: (CATALOGUE[c].severity is not Severity.ERROR, -len(by_code[c]), c))
        return [(code, tuple(by_code[code])) for code in order]

    def to_json(self) -> JsonObject:
        """The report as JSON values; `Report.from_json` reads it back."""
        return {
            "schema": REPORT_SCHEMA,
            "step": self.step,
            "ok": self.ok,
            "issues": [{k: str(v) for k, v in asdict(i).items()} for i in self.issues],
            "facts": self.facts,
        }

    @staticmethod
    def from_json(text: str) -> Report:
        """Read a report that `to_json` wrote. Raises ValueError for another schema."""
        data = json.loads(text)
        if data.get("schema") != REPORT_SCHEMA:
            raise ValueError(f"report schema is {data.get('schema')!r}, this code reads {REPORT_SCHEMA}")
        issues = tuple(Issue(**{**i, "severity": Severity(i["severity"])}) for i in data["issues"])
        return Report(data["step"], issues, data["facts"])
