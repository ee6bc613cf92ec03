"""`twin init`: write the two files that a shoot needs before its first frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capture.issues import Report
from scripts.options import printer_of
from scripts.printing import Outcome


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of the shoot; made when missing.")],
) -> None:
    """Write a session.toml and a consent.toml to fill in."""
    from capture.init import init_session

    written = init_session(folder)
    names = ", ".join(path.name for path in written)
    printer_of(ctx).outcome(
        Outcome(
            "init",
            f"wrote {names}" if written else "nothing to write, the files are there",
            Report("init"),
            where=tuple(written),
            next_step=f"fill them in, copy the cards into {folder}, then: twin ingest {folder}",
        )
    )
