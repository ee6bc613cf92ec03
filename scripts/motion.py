"""`twin motion`: keypoints that a pose detector found in her clips, through the rig, to a skeleton in motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from capture.errors import EXIT_OK, CalibrationTooPoor
from scripts.options import DEFAULT_VAULT, Force, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome

KeypointsPath = Annotated[
    Path, typer.Option("--keypoints", exists=True, file_okay=False, help="Folder with CLIP/CAMERA/*.json, one a frame.")
]
Layout = Annotated[
    str, typer.Option("--layout", help="BODY_25, COCO_17 or HALPE_26  [default: by the number of points]")
]
Offsets = Annotated[
    list[str] | None, typer.Option("--offset", metavar="CAMERA=FRAMES", help="Frames by which a camera is late.")
]


def motion(
    ctx: typer.Context,
    session: SessionName,
    keypoints: KeypointsPath,
    layout: Layout = "",
    offset: Offsets = None,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Bring keypoints of her clips together in 3-D and fit a skeleton: one BVH a clip."""
    folder = find_session(vault, session)
    offsets = offsets_of(offset or ())

    from calibration.motion.step import ARTEFACT, Choices, capture_session
    from calibration.rig import load_calibration
    from capture.validate import load_validated

    rig = load_calibration(folder)
    choices = Choices(layout, offsets)
    _, report = capture_session(load_validated(folder), rig, keypoints, choices=choices, force=force)
    derived = folder.derived(ARTEFACT)
    made = sorted(path for path in derived.glob("*.bvh"))
    did = f"a skeleton in motion of {', '.join(path.stem for path in made)}" if made else "no clip could be fitted"
    code = EXIT_OK if report.ok else CalibrationTooPoor.exit_code
    printer_of(ctx).outcome(
        Outcome(
            "motion",
            did,
            report,
            where=(page_of(derived), *made),
            next_step="look at the page" if report.ok else "do what the page says, then run it again",
            exit_code=code,
        )
    )
    raise typer.Exit(code)


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
