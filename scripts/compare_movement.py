"""The half of `twin compare` that judges movement: is this how she walks?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capture.errors import EXIT_OK, ComparisonFailed
from scripts.options import page_of, refuse_given
from scripts.printing import Outcome

if TYPE_CHECKING:
    from capture.vault import SessionFolder

Movement = Annotated[bool, typer.Option("--movement", help="Judge how she moves, not how she looks.")]
Clip = Annotated[
    Path | None,
    typer.Option("--clip", metavar="FILE.bvh", help="Judge this file  [default: the movement rendered of the twin]"),
]
Clips = Annotated[
    str, typer.Option("--clips", metavar="CLIP,CLIP", help="Her takes to judge beside  [default: all of the action]")
]
CohortPath = Annotated[
    Path | None, typer.Option("--cohort", help="Fingerprints of the others  [default: simulated walkers of the house]")
]
Among = Annotated[
    str, typer.Option("--among", metavar="SESSION,SESSION", help="Other people's sessions, in the place of --cohort.")
]
DropFirst = Annotated[
    bool, typer.Option("--drop-first", help="Leave out the first frame of --clip, where exporters put a T.")
]
ONLY_MOVEMENT = ("clip", "clips", "cohort", "among", "drop_first")


@dataclass(frozen=True)
class Asked:
    """What the command line said of the comparison."""

    clip: Path | None
    clips: str
    cohort: Path | None
    among: str
    drop_first: bool


def compared(ctx: typer.Context, folder: SessionFolder, asked: Asked, *, twin: str, force: bool) -> Outcome:
    """Judge a movement. Raises ValueError for options that do not go with it."""
    refuse_given(ctx, ("thresholds",), "--movement; her own takes set the limits there")
    if asked.clip is None:
        refuse_given(ctx, ("drop_first",), "what was rendered; it is for --clip")
    if asked.among:
        refuse_given(ctx, ("cohort",), "--among; name the others once")

    from training.movement.compare import ARTEFACT, Against, compare_movement
    from training.movement.others import REFERENCE

    against = Against(listed(asked.clips), asked.cohort or REFERENCE, listed(asked.among))
    clip, drop_first = asked.clip, asked.drop_first
    qa, report = compare_movement(folder, twin, clip=clip, drop_first=drop_first, against=against, force=force)
    out = folder.derived(ARTEFACT) / twin
    code = EXIT_OK if qa.passed else ComparisonFailed.exit_code
    return Outcome("compare", qa.line, report, where=(page_of(out),), next_step=qa.advice, exit_code=code)


def listed(words: str) -> tuple[str, ...]:
    """The names of NAME,NAME."""
    return tuple(name.strip() for name in words.split(",") if name.strip())
