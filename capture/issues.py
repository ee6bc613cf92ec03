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

REPORT_SCHEMA = 2  # written down in report/report.schema.json

Scalar: TypeAlias = str | int | float | bool | None
JsonValue: TypeAlias = "Scalar | list[JsonValue] | dict[str, JsonValue]"
JsonObject: TypeAlias = dict[str, JsonValue]


class Severity(StrEnum):
    """How much an issue matters: an error blocks what depends on it, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    IGNORED = "ignored"  # set aside by a rule of the shoot: listed with the reason, and counted nowhere


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
        _W, "Somebody or something else is in the picture under one light.", "Clear the set and reshoot this light."
    ),
    "SUBJECT_MISSING": Entry(_E, "She is not in the picture.", "Reshoot this light with her on her mark."),
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
    rule: str = ""  # the rule of the shoot that gave it another severity than the catalogue, and its reason


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
    def ignored(self) -> tuple[Issue, ...]:
        """Issues that a rule of the shoot set aside."""
        return tuple(i for i in self.issues if i.severity is Severity.IGNORED)

    @property
    def ok(self) -> bool:
        """True when nothing blocks."""
        return not self.errors

    def with_issues(self, more: Iterable[Issue]) -> Report:
        """This report and further issues."""
        return Report(self.step, (*self.issues, *more), self.facts)

    def grouped(self) -> list[tuple[str, tuple[Issue, ...]]]:
        """Issues by code, errors first, the most frequent first: the order in which a page shows them.

        Ignored ones come last. A code whose severity a rule changed in places has a group of each severity.
        """
        groups: dict[tuple[str, Severity], list[Issue]] = {}
        for item in self.issues:
            groups.setdefault((item.code, item.severity), []).append(item)
        weight = list(Severity)
        order = sorted(groups, key=lambda key: (weight.index(key[1]), -len(groups[key]), key[0]))
        return [(code, tuple(groups[code, severity])) for code, severity in order]

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
        """Read a report that `to_json` wrote, of schema 1 too. Raises ValueError for another schema."""
        data = json.loads(text)
        if data.get("schema") not in (1, REPORT_SCHEMA):  # 1 had no rules and nothing ignored
            raise ValueError(f"report schema is {data.get('schema')!r}, this code reads {REPORT_SCHEMA}")
        issues = tuple(Issue(**{**i, "severity": Severity(i["severity"])}) for i in data["issues"])
        return Report(data["step"], issues, data["facts"])
