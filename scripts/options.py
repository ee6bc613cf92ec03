"""Arguments that several verbs share, and how a verb finds its session, twin and printer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.printing import Printer

if TYPE_CHECKING:
    from capture.vault import SessionFolder
    from training.recipe import Recipe

VaultPath = Annotated[
    Path,
    typer.Option("--vault", envvar="LIKENESS_VAULT", help="Folder that holds people, sessions and twins."),
]
Force = Annotated[bool, typer.Option("--force", help="Make it again, also when nothing has changed.")]
SessionName = Annotated[str, typer.Argument(metavar="SESSION", help="Id of an ingested session, or PERSON/SESSION.")]
RecipePath = Annotated[Path | None, typer.Option("--recipe", help="recipe.toml  [default: the recipe of the house]")]
BasePath = Annotated[
    Path | None, typer.Option("--base", help="Folder of a diffusers pipeline  [default: the embedded base]")
]
TwinName = Annotated[str, typer.Option("--twin", help="Name of the twin.")]
DEFAULT_VAULT = Path("vault")
DEFAULT_TWIN = "twin1"


def printer_of(ctx: typer.Context) -> Printer:
    """The printer that the global options chose."""
    printer = ctx.find_object(Printer)
    return printer if printer is not None else Printer()


def find_session(vault: Path, name: str) -> SessionFolder:
    """The folder of a session in a vault. Raises ValueError when the vault, or such a session, does not exist."""
    from capture.vault import Vault

    if not vault.is_dir():
        raise ValueError(f"vault {vault} does not exist; ingest a session first, or name it with --vault")
    person, slash, session = name.rpartition("/")
    if not slash:
        return Vault(vault).find_session(name)
    folder = Vault(vault).session(person, session)
    if not folder.root.is_dir():
        raise ValueError(f"session {name!r} is not in vault {vault}; give SESSION alone to see what it holds")
    return folder


def recipe_of(path: Path | None) -> Recipe:
    """The recipe in a file, or the recipe of the house. Raises TomlError, which names the key that is wrong."""
    from training.recipe import Recipe, read_recipe

    return read_recipe(path) if path else Recipe()


def person_of(folder: SessionFolder) -> str:
    """The id of the person whose session it is, by its place in the vault."""
    return folder.root.parents[1].name


def page_of(artefact: Path) -> Path:
    """What a person opens first in the folder of an artefact: its page, else the folder itself."""
    pages = (artefact / name for name in ("report.html", "page.html"))
    return next((page for page in pages if page.is_file()), artefact)


def refuse_given(ctx: typer.Context, options: Sequence[str], company: str) -> None:
    """ValueError when one of these parameters of the verb was typed; `company` is what it does not go with."""
    for name in options:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ValueError(f"--{name.replace('_', '-')} does not go with {company}")


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
