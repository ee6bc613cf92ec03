"""`export_clips`: the finished clips of a session in the formats of other programs, with a note on whose they are."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

from calibration.motion.artefact import ARTEFACT
from capture import VERSION, consent, store
from capture.errors import IncompleteInput
from capture.issues import JsonObject, Report
from capture.motion.bvh import read_bvh
from capture.motion.c3d import require_library, write_c3d
from capture.motion.canonical import canonical_track
from capture.motion.clip import JointTrack
from capture.motion.joint_csv import write_joint_csv
from capture.motion.trc import write_trc
from capture.session import read_session
from capture.vault import SessionFolder

NOTE = "consent.json"
"""The file beside the clips that says whose they are, under which consent, and what it allows."""
_STATEMENT = "Recorded movement of a person. What may be made of it, and until when, is what her consent allows."
_WRITERS: dict[str, Callable[[JointTrack, Path], None]] = {"trc": write_trc, "c3d": write_c3d, "csv": write_joint_csv}
KINDS = ("bvh", *_WRITERS)


def export_clips(
    session: SessionFolder, kind: str, to: Path, *, force: bool = False
) -> tuple[tuple[Path, ...], Report]:
    """Write every clip of derived/motion that has a skeleton into a folder as CLIP.<kind>, and the note.

    `kind` is one of KINDS; a BVH is copied as it is, the others hold her 18 joints. Files that were written here
    before are replaced, others only with `force`. Raises ConsentRefused where she does not allow that her recordings
    are held (act ingest), IncompleteInput for clips that are unfinished or were changed, ValueError for another
    kind, a folder in the vault, files that are not this function's, and where C3D cannot be written.
    """
    if kind not in KINDS:
        raise ValueError(f"format {kind!r} is none that clips are written in; choose one of {', '.join(KINDS)}")
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.INGEST)
    if to.resolve().is_relative_to(session.vault.root.resolve()):
        raise ValueError(f"folder {to} is in the vault, where nothing is changed from outside; name another")
    if kind == "c3d":
        require_library()
    clips = store.read(session.derived(ARTEFACT), ARTEFACT)
    if lost := store.changed(clips):
        raise IncompleteInput(f"clips of {head.id!r} changed since they were made, first {lost[0]}; run twin motion")
    finished = [clips.folder / name for name in clips.outputs if name.endswith(".bvh")]
    if not finished:
        raise IncompleteInput(
            f"session {head.id!r} has no clip with a skeleton; {clips.folder / 'report.html'} says why"
        )
    written = _note_of(to, head.id)
    taken = [path.stem for path in finished if not force and _others(to / f"{path.stem}.{kind}", written)]
    if taken:
        raise ValueError(f"file {taken[0]}.{kind} is in {to} already; name an empty folder, or replace it by --force")
    note: JsonObject = {
        "statement": _STATEMENT,
        "creator_tool": f"Likeness {VERSION}",
        "person": head.person,
        "session": head.id,
        "consent": permit.consent,
        "consent_record": permit.record_digest,
        **_allowed(session, permit),
    }
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to, prefix=".clips-") as apart:
        parts = [_write(source, Path(apart) / f"{source.stem}.{kind}") for source in finished]
        files: JsonObject = {part.name: {"sha256": store.sha256_file(part), ARTEFACT: clips.digest} for part in parts}
        # The note first, so that no clip is ever without it.
        store.write_json(to / NOTE, {**note, "files": {**written, **files}})
        made = tuple(part.replace(to / part.name) for part in parts)
    without = sorted(
        path[:-4] for path in clips.outputs if path.endswith(".npz") and f"{path[:-4]}.bvh" not in clips.outputs
    )
    facts: JsonObject = {"person": head.person, "consent": permit.consent, "clips": len(made)}
    facts |= {"without_skeleton": ", ".join(without)} if without else {}
    return made, Report("motion export", (), facts)


def _allowed(session: SessionFolder, permit: consent.Permit) -> JsonObject:
    """What she agreed to, for whoever is handed the folder; her pay is not for them."""
    record = consent.read_consent(session.vault.consent_file(permit.person, permit.consent))
    return {"scope": record.scope, "purpose": record.purpose, "valid_until": record.valid_until.isoformat()}


def _note_of(to: Path, session: str) -> JsonObject:
    """Files that were written into the folder before, as its note has them. ValueError for a note that is not ours."""
    path = to / NOTE
    if not path.exists():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        owner, files = said["session"], said["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is no note on exported clips; name another folder") from None
    if owner != session or not isinstance(files, dict):
        raise ValueError(f"folder {to} holds movement of session {owner!r}; name another folder")
    return cast(JsonObject, files)


def _others(path: Path, written: JsonObject) -> bool:
    """Whether a file is there that was not written here, or was changed since."""
    known = written.get(path.name)
    return path.exists() and not (isinstance(known, dict) and known.get("sha256") == store.sha256_file(path))


def _write(source: Path, path: Path) -> Path:
    kind = path.suffix[1:]
    if kind == "bvh":
        shutil.copyfile(source, path)
    else:
        _WRITERS[kind](canonical_track(read_bvh(source, unit="cm", up="y")), path)
    return path
