"""`twin render`: render the twin in given views and lights, or in those that were held out of training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import (
    DEFAULT_TWIN,
    DEFAULT_VAULT,
    BasePath,
    Force,
    RecipePath,
    SessionName,
    TwinName,
    VaultPath,
    find_session,
    printer_of,
    recipe_of,
)
from scripts.printing import Outcome, counted

if TYPE_CHECKING:
    from capture.vault import SessionFolder

USUAL_DISTANCE_M = 2.5


def render(
    ctx: typer.Context,
    session: SessionName,
    twin: TwinName = DEFAULT_TWIN,
    base: BasePath = None,
    recipe: RecipePath = None,
    view: Annotated[
        list[str] | None,
        typer.Option(help="AZIMUTH,ELEVATION[,METRES] relative to her; may be repeated  [default: the held-out views]"),
    ] = None,
    take: Annotated[str, typer.Option(help="The take whose pose and outfit --view shows.  [default: the first]")] = "",
    light: Annotated[str, typer.Option(help="AZIMUTH,ELEVATION of the light of --view, relative to her.")] = "30,35",
    movement: Annotated[
        Path | None,
        typer.Option(metavar="CLIP.bvh", help="Draw this movement instead: films, and frames that pose a video base."),
    ] = None,
    drop_first: Annotated[
        bool, typer.Option("--drop-first", help="Leave out the first frame of --movement, where exporters put a T.")
    ] = False,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Render the twin in given views and lights, or in the held-out ones; or a movement of hers."""
    folder = find_session(vault, session)
    if movement:
        if view:
            raise ValueError("--view and --movement exclude each other; render pictures and movement one after another")
        printer_of(ctx).outcome(_moved(folder, movement, twin, drop_first=drop_first, force=force))
        return
    chosen = recipe_of(recipe).render

    from training.bases import EMBEDDED
    from training.dataset.conditions import Lighting, View
    from training.render import held_out, posed
    from training.render import render as run

    # The set of held-out views bears the twin's name, so that `compare` finds it.
    name, requests = twin, held_out(folder) if not view else []
    if view:
        from_azimuth, from_elevation = numbers("--light", light, 2)
        lighting = Lighting(from_azimuth, from_elevation, (1.0, 1.0, 1.0), intensity=0.7, ambient=0.2)
        places = [[*numbers("--view", text, 2, 3), USUAL_DISTANCE_M][:3] for text in view]
        views = [View(azimuth, elevation, metres) for azimuth, elevation, metres in places]
        name, requests = f"{twin}-views", [posed(folder, one, lighting, take=take) for one in views]
    made, report = run(folder, requests, name=name, base=base or EMBEDDED, twin=twin, recipe=chosen, force=force)
    printer_of(ctx).outcome(
        Outcome(
            "render",
            f"{counted(len(made.files), 'picture')} of twin {twin}, each labelled as generated",
            report,
            where=(made.folder,),
            next_step="" if view else f"twin compare {session} --twin {twin}",
        )
    )


def _moved(folder: SessionFolder, path: Path, twin: str, *, drop_first: bool, force: bool) -> Outcome:
    """Draw a file of movement that was given: nothing of the twin moved her."""
    from capture.motion.bvh import read_bvh
    from training.movement.rendering.produce import Origin, render_movement

    clip = read_bvh(path, drop_first=drop_first)
    made, report = render_movement(folder, clip, name=f"{twin}-movement", origin=Origin(), force=force)
    return Outcome(
        "render",
        f"{counted(made.frames, 'frame')} of movement at {made.fps:g} per second, labelled as generated",
        report,
        where=(*reversed(made.films), made.folder),
    )


def numbers(option: str, text: str, *counts: int) -> list[float]:
    """The numbers of a comma-separated option. Raises ValueError when they are not as many as it takes."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in counts or not all(math.isfinite(v) for v in values):
        wanted = " or ".join(str(c) for c in counts)
        raise ValueError(f"{option} takes {wanted} numbers with commas between them, got {text!r}")
    return values
