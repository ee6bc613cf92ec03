"""The half of `twin render` that draws movement: a clip that was given, or one that her twin makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import DEFAULT_TWIN, numbers, refuse_given
from scripts.printing import Outcome, counted

if TYPE_CHECKING:
    from capture.vault import SessionFolder
    from training.movement.generate import Wish

USUAL_S = 6.0

What = Annotated[
    str,
    typer.Option(
        "--movement",
        metavar="CLIP.bvh|ACTION",
        help="Draw a movement instead: a clip that is given, or an action such as walk, which the twin then makes.",
    ),
]
DropFirst = Annotated[
    bool, typer.Option("--drop-first", help="Leave out the first frame of CLIP.bvh, where exporters put a T.")
]
Seconds = Annotated[
    float | None, typer.Option("--seconds", help="Length  [default: what --path and --speed tell, else 6]")
]
Speed = Annotated[float | None, typer.Option("--speed", help="Metres per second  [default: hers, or what fits --path]")]
Way = Annotated[str, typer.Option("--path", metavar='"X,Y X,Y ..."', help="Way on the floor, metres.")]
Loop = Annotated[bool, typer.Option("--loop", help="Let the end lead into the beginning.")]
Begin = Annotated[str, typer.Option("--begin", metavar="CLIP", help="Go on from the last frames of this clip of hers.")]
End = Annotated[str, typer.Option("--end", metavar="CLIP", help="End with the first frames of this clip of hers.")]
PlantFeet = Annotated[bool, typer.Option("--plant-feet", help="Shift her afterwards so that standing feet stay put.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Another number, another take.")]

ONLY_GENERATED = ("seconds", "speed", "path", "loop", "begin", "end", "plant_feet", "seed")
ONLY_MOVEMENT = ("drop_first", *ONLY_GENERATED)
ONLY_PICTURES = ("recipe", "view", "take", "light")


@dataclass(frozen=True)
class Asked:
    """What the command line said of a movement."""

    what: str
    drop_first: bool
    seconds: float | None
    speed_m_s: float | None
    path: str
    begin: str
    end: str
    loop: bool
    plant_feet: bool
    seed: int

    @property
    def given(self) -> bool:
        """Whether it is a file. ValueError for what is neither a file that can be read nor a word."""
        if Path(self.what).suffix.lower() == ".bvh":
            return True
        if Path(self.what).suffix or "/" in self.what:
            raise ValueError(
                f"movement {self.what!r} is neither a file that ends in .bvh nor an action; export it as BVH, or give "
                "a word such as walk"
            )
        return False


def moved(
    ctx: typer.Context, folder: SessionFolder, asked: Asked, *, twin: str, base: Path | None, force: bool
) -> Outcome:
    """Draw the movement that is asked for. Raises ValueError for options that do not go with it."""
    refuse_given(ctx, ONLY_PICTURES, "--movement; it is for pictures")
    if asked.given:
        refuse_given(ctx, ("base", *ONLY_GENERATED), "a clip that is given; it is for an action that the twin makes")
        return _given(folder, asked, twin, force=force)
    refuse_given(ctx, ("drop_first",), "an action; it is for a clip that is given")
    return _generated(folder, asked, twin, base=base, force=force)


def _given(folder: SessionFolder, asked: Asked, twin: str, *, force: bool) -> Outcome:
    """Draw a file of movement: nothing of the twin moved her."""
    from capture.motion.bvh import read_bvh
    from training.movement.rendering.produce import Origin, render_movement, set_of

    clip = read_bvh(Path(asked.what), drop_first=asked.drop_first)
    made, report = render_movement(folder, clip, name=set_of(twin), origin=Origin(), force=force)
    return Outcome(
        "render",
        f"{counted(made.frames, 'frame')} of movement at {made.fps:g} per second, labelled as generated",
        report,
        where=(*reversed(made.films), made.folder),
    )


def _generated(folder: SessionFolder, asked: Asked, twin: str, *, base: Path | None, force: bool) -> Outcome:
    from training.movement.base import EMBEDDED
    from training.movement.learn import load_movement_twin
    from training.movement.rendering.generated import render_generated

    load_movement_twin(folder, twin)  # whoever has no adapter is told so before anything else is read
    made, report = render_generated(folder, twin, _wish(folder, asked), base=base or EMBEDDED, force=force)
    chosen = "" if twin == DEFAULT_TWIN else f" --twin {twin}"
    return Outcome(
        "render",
        f"{counted(made.frames, 'frame')} of {asked.what} at {made.fps:g} per second as twin {twin} moves, labelled as "
        "generated",
        report,
        where=(*reversed(made.films), made.folder),
        next_step=f"twin compare {folder.root.name} --movement{chosen}",
    )


def _wish(folder: SessionFolder, asked: Asked) -> Wish:
    import numpy as np

    from training.movement.generate import Wish
    from training.movement.rendering.generated import clip_of_hers
    from training.movement.sampling import Sampling

    points = [numbers("--path", point, 2) for point in asked.path.split()]
    return Wish(
        asked.what,
        USUAL_S if asked.seconds is None and not points else asked.seconds,
        asked.speed_m_s,
        np.array(points) if points else None,
        begins=clip_of_hers(folder, asked.begin) if asked.begin else None,
        ends=clip_of_hers(folder, asked.end) if asked.end else None,
        loop=asked.loop,
        plant_feet=asked.plant_feet,
        sampling=Sampling(seed=asked.seed),
    )
