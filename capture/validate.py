"""The only maker of ValidatedSession: runs every check on what ingest found and reads the result back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from capture import store
from capture.errors import IncompleteInput
from capture.exif import Exif, exif_from_json, exif_to_json
from capture.issues import Issue, JsonObject, Report, issue
from capture.measured import Numbers
from capture.session import Session, Shot, ShotKind, read_session
from capture.thumbnails import Thumbnails

if TYPE_CHECKING:
    from capture.smear import Row
    from capture.sync.motion import Step
    from capture.vault import SessionFolder

ARTEFACT = "ingest"


@dataclass(frozen=True)
class Original:
    """One file of the session that was copied into the vault and decodes to its end."""

    shot: Shot
    path: Path
    name_on_card: str  # path inside the folder it came from
    size: int  # bytes
    sha256: str
    width: int  # pixels, upright
    height: int
    frames: int  # 1 for a picture
    fps: float  # 0 for a picture
    xxh128: str = ""
    pixels: str = ""  # digest of the decoded first frame at half size
    numbers: tuple[Numbers, ...] = ()  # of a picture one, of a video those of evenly spread frames
    codec: str = ""  # `jpeg`, `tiff`, `h264`, ...
    seconds: float = 0.0  # first frame to the end of the last; 0 for a picture
    timecode: str = ""  # of the first frame, `hh:mm:ss:ff`, where the camera wrote one
    gaps: tuple[tuple[int, int], ...] = ()  # (frame before which the time stamps jump, frames missing there)
    frozen: tuple[tuple[int, int], ...] = ()  # (first, last) frame of each run of the same picture
    exif: Exif = Exif()
    # Of a video that was just decoded; the manifest keeps neither.
    motion: tuple[Step, ...] = ()  # from each frame to the next
    smear: tuple[Row, ...] = ()  # how sharp edges are, by how fast they move


@dataclass(frozen=True)
class Context:
    """What a check may look at."""

    session: Session
    originals: tuple[Original, ...]
    missing: tuple[Shot, ...]  # promised by session.toml, and no file is there
    faults: tuple[Issue, ...]  # found while files were located, copied and decoded
    thumbnails: Thumbnails  # of every shot that decodes


Check: TypeAlias = Callable[[Context], Iterable[Issue]]


@dataclass(frozen=True)
class ValidatedSession:
    """A session whose files are in the vault and were all looked at. Made only in this module."""

    session: Session
    folder: SessionFolder
    originals: tuple[Original, ...]  # only those that decode
    report: Report
    digest: str  # SHA-256 of ingest.json

    def find(self, shot: Shot) -> Original | None:
        """The file of one shot, or None where it is missing or does not decode."""
        return next((o for o in self.originals if o.shot == shot), None)

    def of_kind(self, kind: ShotKind) -> tuple[Original, ...]:
        """All files of one kind, in the order of their names."""
        return tuple(o for o in self.originals if o.shot.kind is kind)


def run_checks(context: Context, checks: Iterable[Check]) -> tuple[Issue, ...]:
    """All issues of all checks. A check that raises becomes an INTERNAL_ERROR issue and the others go on."""
    found: list[Issue] = []
    for check in checks:
        try:
            found.extend(check(context))
        except Exception as err:  # whatever a check stumbles over, the others must still be heard
            name = getattr(check, "__name__", "check")
            found.append(issue("INTERNAL_ERROR", where=f"check {name}", found=f"{type(err).__name__}: {err}"))
    return tuple(found)


def load_validated(folder: SessionFolder) -> ValidatedSession:
    """Read what ingest wrote. Raises IncompleteInput when it is unfinished or was changed since."""
    artefact = store.read(folder.derived(ARTEFACT), ARTEFACT)
    session = read_session(folder.root)
    if store.sha256_file(folder.toml) != artefact.inputs["session"]:
        raise IncompleteInput(f"{folder.toml} was changed after ingest; ingest the session again")
    files = cast("list[JsonObject]", artefact.result["files"])
    originals = tuple(original_from_json(folder, item) for item in files)
    lost = [o for o in originals if not o.path.is_file() or o.path.stat().st_size != o.size]
    if lost:
        raise IncompleteInput(
            f"{len(lost)} originals of {folder.root.name} are gone or of another size, first {lost[0].path}; "
            "restore them from the card or the backup"
        )
    report = Report.from_json((artefact.folder / "report.json").read_text(encoding="utf-8"))
    return ValidatedSession(session, folder, originals, report, artefact.digest)


def original_to_json(folder: SessionFolder, original: Original) -> JsonObject:
    """One line of the manifest in ingest.json."""
    shot = original.shot
    return {
        "logical": original.path.relative_to(folder.originals).as_posix(),
        "shot": {"kind": shot.kind.value, "camera": shot.camera, "group": shot.group, "light": shot.light},
        **{name: getattr(original, name) for name in _PLAIN},
        **{name: [list(run) for run in getattr(original, name)] for name in _RUNS},
        "exif": exif_to_json(original.exif),
        "numbers": [cast(JsonObject, dataclasses.asdict(n)) for n in original.numbers],
    }


def original_from_json(folder: SessionFolder, item: JsonObject) -> Original:
    """The inverse of `original_to_json`."""
    shot = cast("Mapping[str, str]", item["shot"])
    numbers = cast("list[dict[str, float]]", item["numbers"])
    plain: dict[str, object] = {name: item[name] for name in _PLAIN}
    for name in _RUNS:
        plain[name] = tuple((first, last) for first, last in cast("list[list[int]]", item[name]))
    return Original(
        shot=Shot(ShotKind(shot["kind"]), shot["camera"], shot["group"], shot["light"]),
        path=folder.originals / str(item["logical"]),
        numbers=tuple(Numbers(int(n["frame"]), *(n[name] for name in _MEASURED)) for n in numbers),
        exif=exif_from_json(cast(JsonObject, item["exif"])),
        **plain,  # type: ignore[arg-type]  # the names and types are those that original_to_json wrote
    )


_PLAIN = ("name_on_card", "size", "sha256", "width", "height", "frames", "fps", "xxh128", "pixels", "codec",
          "seconds", "timecode")  # fmt: skip
_RUNS = ("gaps", "frozen")
_MEASURED = tuple(field.name for field in dataclasses.fields(Numbers) if field.name != "frame")
