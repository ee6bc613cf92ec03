"""`twin board`: the calibration board as a sheet to print in true size."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from capture.issues import Report
from scripts.options import printer_of
from scripts.printing import Outcome


class BoardKind(StrEnum):
    """Kinds of `[calibration.board]`."""

    CHARUCO = "charuco"
    CHESSBOARD = "chessboard"
    APRILGRID = "aprilgrid"


_POOLS = {BoardKind.CHARUCO: "DICT_4X4_250", BoardKind.CHESSBOARD: "", BoardKind.APRILGRID: "DICT_APRILTAG_36h11"}


def board(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it: a name that ends in .pdf or .svg.")],
    session: Annotated[
        Path | None, typer.Option(help="session.toml, or its folder: the board that it describes.")
    ] = None,
    kind: Annotated[BoardKind, typer.Option(help="What is printed.")] = BoardKind.CHARUCO,
    columns: Annotated[int, typer.Option(help="Squares, inner corners (chessboard) or tags (aprilgrid) across.")] = 14,
    rows: Annotated[int, typer.Option(help="The same downwards.")] = 10,
    square_mm: Annotated[float, typer.Option(help="Side of a square, or from tag to tag.")] = 80.0,
    marker_mm: Annotated[float, typer.Option(help="Side of a marker or tag; 0: three quarters of a square.")] = 0.0,
    dictionary: Annotated[str, typer.Option(help="Markers  [default: DICT_4X4_250, DICT_APRILTAG_36h11]")] = "",
    first_marker: Annotated[int, typer.Option(min=0, help="Number of its first marker, to tell boards apart.")] = 0,
    inverted: Annotated[bool, typer.Option("--inverted", help="White and black exchanged.")] = False,
    paper: Annotated[str, typer.Option(help="A4 to A0  [default: a page of the board's own size]")] = "",
) -> None:
    """Write a calibration board to print at 100 %, and the lines of session.toml that describe it."""
    from calibration.boards.sheet import lay_out, to_pdf, to_svg
    from calibration.target import target_of
    from capture.session import Board, read_session
    from capture.store import write_atomic

    if out.suffix.lower() not in (".pdf", ".svg"):
        raise ValueError(f"file {out} ends in {out.suffix or 'nothing'}; give a name that ends in .pdf or .svg")
    if session is not None:
        described = read_session(session.parent if session.is_file() else session).calibration.board
        if described is None:
            raise ValueError(f"session.toml in {session} describes no board; fill in [calibration.board]")
        made = described
    else:
        marker = marker_mm or (0.0 if kind is BoardKind.CHESSBOARD else 0.75 * square_mm)
        pool = dictionary or _POOLS[kind]
        made = Board.model_validate({
            "kind": str(kind), "columns": columns, "rows": rows, "dictionary": pool, "inverted": inverted,
            "square_m": square_mm / 1000, "marker_m": marker / 1000, "first_marker": first_marker,
        })  # fmt: skip
    target = target_of(made)
    sheet = lay_out(made, paper)
    write_atomic(out, to_pdf(sheet) if out.suffix.lower() == ".pdf" else to_svg(sheet))
    told = made.model_dump(exclude_defaults=True, exclude={"origin"})
    lines = [f"{key} = {json.dumps(value)}" for key, value in told.items()]  # these are TOML as well
    printer = printer_of(ctx)
    printer.outcome(
        Outcome(
            "board",
            f"{made.kind} of {len(target.points)} corners on {sheet.width:.0f} x {sheet.height:.0f} mm",
            Report("board", ()),
            where=(out,),
            next_step="print at 100 %, measure the bar of 100 mm and a square, and glue it to something flat",
        )
    )
    for line in () if printer.machine else ("[calibration.board]", *lines):
        printer.say(line)
