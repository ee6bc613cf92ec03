"""The `twin` command: one verb for every step from the card to the proof. `python -m scripts.cli` is the same.

Verbs import what they run only when they run, so that `twin --help` answers at once. Exit codes: 0 done, 2 wrong
usage, 10 invalid session, 11 calibration too poor, 12 consent refused, 13 comparison failed, 14 incomplete input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from capture.errors import LikenessError
from scripts.board import board
from scripts.body import body
from scripts.calibrate import calibrate
from scripts.compare import compare
from scripts.dataset import dataset
from scripts.demo import demo
from scripts.drift import drift
from scripts.ingest import ingest
from scripts.init import init
from scripts.manifest import manifest
from scripts.marks import marks
from scripts.motion import motion
from scripts.plan import plan
from scripts.printing import Printer
from scripts.render import render
from scripts.rig import rig
from scripts.train import train
from scripts.watch import watch

# The libraries of the base model talk at length about what is as it should be; their errors still come through.
LIBRARIES = {"DIFFUSERS_VERBOSITY": "error", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
GLOBAL_FLAGS = ("--json", "--quiet", "-q", "--traceback")


app = typer.Typer(
    name="twin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From a studio shoot to a licensed digital twin that keeps her birthmarks, with proof.",
    epilog="Order of work: init, watch, ingest, calibrate, marks, dataset, train, render, compare. `twin demo`: all.",
)


@app.callback()
def _globals(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, for machines.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but failures.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="On failure, show where in the code.")] = False,
) -> None:
    del traceback  # read by main, which meets every failure
    ctx.obj = Printer(machine=as_json, quiet=quiet)


VERBS = (init, board, watch, ingest, calibrate, drift, body, marks, motion, dataset, plan, train, render, compare, demo)
for verb in VERBS:
    app.command()(verb)
app.add_typer(manifest, name="manifest")
app.add_typer(rig, name="rig")


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The global flags and the rest of a command line: the flags are understood before and after the verb."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    words, literal = arguments[:at], arguments[at:]
    flags = [word for word in words if word in GLOBAL_FLAGS]
    return flags, [word for word in words if word not in GLOBAL_FLAGS] + list(literal)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit with its code. A failure raised on purpose is one line, never a traceback."""
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)
    flags, rest = split_flags(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=[*flags, *rest], prog_name="twin")
    except (LikenessError, ValueError, OSError) as err:
        if "--traceback" in flags:
            raise
        printer = Printer(machine="--json" in flags, quiet="-q" in flags or "--quiet" in flags)
        sys.exit(printer.failure(err))


if __name__ == "__main__":
    main()
