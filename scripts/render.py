"""`twin render`: render the twin in given views and lights, or in those that were held out of training."""

from __future__ import annotations

from typing import Annotated

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
    numbers,
    printer_of,
    recipe_of,
    refuse_given,
)
from scripts.printing import Outcome, counted
from scripts.render_movement import (
    ONLY_MOVEMENT,
    Asked,
    Begin,
    DropFirst,
    End,
    Loop,
    PlantFeet,
    Seconds,
    Seed,
    Speed,
    Way,
    What,
    moved,
)

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
    movement: What = "",
    drop_first: DropFirst = False,
    seconds: Seconds = None,
    speed: Speed = None,
    path: Way = "",
    begin: Begin = "",
    end: End = "",
    loop: Loop = False,
    plant_feet: PlantFeet = False,
    seed: Seed = 0,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Render the twin in given views and lights, or in the held-out ones; or a movement, hers or one that is given."""
    folder = find_session(vault, session)
    if movement:
        asked = Asked(movement, drop_first, seconds, speed, path, begin, end, loop, plant_feet, seed)
        printer_of(ctx).outcome(moved(ctx, folder, asked, twin=twin, base=base, force=force))
        return
    refuse_given(ctx, ONLY_MOVEMENT, "pictures; it is for --movement")
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
