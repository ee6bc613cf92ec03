"""Files of movement for `twin motion`: takes of other systems into a session, and her clips out of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from capture.errors import EXIT_OK, InvalidSession
from scripts.options import page_of
from scripts.printing import Outcome, counted

if TYPE_CHECKING:
    from calibration.motion.takes import Reading
    from capture.vault import SessionFolder


def bring(folder: SessionFolder, files: Path, reading: Reading, *, force: bool) -> Outcome:
    """Read the take of every clip into derived/motion."""
    from calibration.motion.artefact import ARTEFACT
    from calibration.motion.recorded import record_session

    _, report = record_session(folder, files, reading=reading, force=force)
    derived = folder.derived(ARTEFACT)
    made = sorted(derived.glob("*.bvh"))
    names = ", ".join(path.stem for path in made)
    return Outcome(
        "motion",
        f"{counted(len(made), 'recorded clip')} on her skeleton: {names}" if made else "no file could be used",
        report,
        where=(page_of(derived), *made),
        next_step=f"look at the page, then twin train {folder.root.name} --movement"
        if report.ok
        else "do what the page says, then run it again",
        exit_code=EXIT_OK if report.ok else InvalidSession.exit_code,
    )


def write(folder: SessionFolder, kind: str, to: Path, *, force: bool) -> Outcome:
    """Write her finished clips for other programs."""
    from calibration.motion.export import NOTE, export_clips

    made, report = export_clips(folder, kind, to, force=force)
    return Outcome(
        "motion",
        f"{counted(len(made), 'clip')} written as {kind.upper()}, with a note on whose they are",
        report,
        where=(*made, to / NOTE),
        next_step=f"hand {NOTE} on with the clips",
    )
