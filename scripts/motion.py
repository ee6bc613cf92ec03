"""`twin motion`: her clips as skeletons in motion, from keypoints or recorded files, and out to other programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.errors import EXIT_OK, CalibrationTooPoor
from scripts.motion_files import bring, write
from scripts.options import DEFAULT_VAULT, Force, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome

if TYPE_CHECKING:
    from calibration.motion.step import Choices
    from capture.vault import SessionFolder


class Format(StrEnum):
    """Formats that clips are written in."""

    BVH = "bvh"
    C3D = "c3d"
    TRC = "trc"
    CSV = "csv"


KeypointsPath = Annotated[
    Path | None,
    typer.Option("--keypoints", exists=True, file_okay=False, help="Folder with CLIP/CAMERA/*.json, one a frame."),
]
RecordedPath = Annotated[
    Path | None,
    typer.Option("--recorded", exists=True, file_okay=False, help="Folder with CLIP.bvh, CLIP.c3d, CLIP.trc or .csv."),
]
WriteAs = Annotated[
    Format | None, typer.Option("--write-as", help="Write her finished clips in this format into --to instead.")
]
To = Annotated[Path | None, typer.Option("--to", file_okay=False, help="Folder for --write-as; it is made.")]
Layout = Annotated[
    str, typer.Option("--layout", help="BODY_25, COCO_17 or HALPE_26  [default: by the number of points]")
]
Offsets = Annotated[
    list[str] | None, typer.Option("--offset", metavar="CAMERA=FRAMES", help="Frames by which a camera is late.")
]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames a second of recorded CSV that has no times.")]
Unit = Annotated[str, typer.Option("--unit", help="m, cm, mm, in, ft or CMU of recorded BVH and CSV  [CSV: m]")]
Up = Annotated[str, typer.Option("--up", help="Axis of the recorded files that points up, such as y  [CSV: z]")]
DropFirst = Annotated[
    bool, typer.Option("--drop-first", help="Leave out the first frame of recorded files, where exporters put a T.")
]
_GO_WITH = {  # what each option needs beside it
    "--layout": "--keypoints",
    "--offset": "--keypoints",
    "--fps": "--recorded",
    "--unit": "--recorded",
    "--up": "--recorded",
    "--drop-first": "--recorded",
    "--to": "--write-as",
}


def motion(
    ctx: typer.Context,
    session: SessionName,
    keypoints: KeypointsPath = None,
    recorded: RecordedPath = None,
    write_as: WriteAs = None,
    to: To = None,
    layout: Layout = "",
    offset: Offsets = None,
    fps: Fps = None,
    unit: Unit = "",
    up: Up = "",
    drop_first: DropFirst = False,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Fit a skeleton to her clips, by keypoints or by recorded files: one BVH a clip. Or write the clips out."""
    folder = find_session(vault, session)
    check_ways(
        {"--keypoints": keypoints is not None, "--recorded": recorded is not None, "--write-as": write_as is not None},
        {"--layout": bool(layout), "--offset": bool(offset), "--fps": fps is not None, "--unit": bool(unit)}
        | {"--up": bool(up), "--drop-first": drop_first, "--to": to is not None},
    )
    if keypoints:
        from calibration.motion.step import Choices

        outcome = _capture(folder, keypoints, Choices(layout, offsets_of(offset or ())), force=force)
    elif recorded:
        from calibration.motion.takes import Reading

        outcome = bring(folder, recorded, Reading(fps, unit, up, drop_first), force=force)
    else:
        if write_as is None or to is None:
            raise ValueError("--write-as needs --to FOLDER; name where the clips shall lie")
        outcome = write(folder, write_as.value, to, force=force)
    printer_of(ctx).outcome(outcome)
    raise typer.Exit(outcome.exit_code)


def _capture(folder: SessionFolder, keypoints: Path, choices: Choices, *, force: bool) -> Outcome:
    from calibration.motion.artefact import ARTEFACT
    from calibration.motion.step import capture_session
    from calibration.rig import load_calibration
    from capture.validate import load_validated

    rig = load_calibration(folder)
    _, report = capture_session(load_validated(folder), rig, keypoints, choices=choices, force=force)
    derived = folder.derived(ARTEFACT)
    made = sorted(path for path in derived.glob("*.bvh"))
    did = f"a skeleton in motion of {', '.join(path.stem for path in made)}" if made else "no clip could be fitted"
    return Outcome(
        "motion",
        did,
        report,
        where=(page_of(derived), *made),
        next_step="look at the page" if report.ok else "do what the page says, then run it again",
        exit_code=EXIT_OK if report.ok else CalibrationTooPoor.exit_code,
    )


def check_ways(ways: Mapping[str, bool], options: Mapping[str, bool]) -> None:
    """ValueError unless one way is chosen, and no option of another."""
    chosen = [way for way, given in ways.items() if given]
    if not chosen:
        raise ValueError("her movement comes from --keypoints FOLDER or --recorded FOLDER; name one, or --write-as")
    if len(chosen) > 1:
        raise ValueError(f"{' and '.join(chosen)} exclude each other; run them one after another")
    for option, given in options.items():
        if given and _GO_WITH[option] != chosen[0]:
            raise ValueError(f"{option} goes with {_GO_WITH[option]}, not with {chosen[0]}; leave it out")


def offsets_of(words: Sequence[str]) -> dict[str, float]:
    """Camera -> frames of words CAMERA=FRAMES. Raises ValueError for what is none."""
    found: dict[str, float] = {}
    for word in words:
        camera, _, frames = word.rpartition("=")
        try:
            late = float(frames)
        except ValueError:
            late = math.nan
        if not camera or not math.isfinite(late):
            raise ValueError(f"offset {word!r} is not CAMERA=FRAMES; write for example --offset cam02=2.4")
        found[camera] = late
    return found
