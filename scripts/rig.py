"""`twin rig`: take the calibrated rig to other programs, or a rig of theirs into a session."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer

from capture.issues import JsonValue, Report
from scripts.options import DEFAULT_VAULT, Force, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome, counted

rig = typer.Typer(no_args_is_help=True, help="The rig in other programs' formats, out and in.")


class Unit(StrEnum):
    """Units of length that a file may be in without saying so."""

    M = "m"
    CM = "cm"
    MM = "mm"


class Up(StrEnum):
    """Axes of a file's world that may point up."""

    Z = "z"
    Y = "y"
    MINUS_Y = "-y"


_METRES = {Unit.M: 1.0, Unit.CM: 1e-2, Unit.MM: 1e-3}
FormatName = Annotated[str, typer.Option("--format", help="Name of the format; `twin rig formats` lists them.")]


@rig.command()
def formats(ctx: typer.Context) -> None:
    """List the formats, and what each cannot hold."""
    from calibration.formats.registry import FORMATS

    printer = printer_of(ctx)
    for known in FORMATS:
        ways = " and ".join(word for word, there in (("read", known.read), ("written", known.write)) if there)
        limits = [f"refuses {known.refuses}"] if known.refuses and known.write else []
        limits += [f"leaves out {known.drops}"] if known.drops else []
        sentence = f"{known.name:12} {known.title}, {ways}" + "".join(f"; {limit}" for limit in limits)
        fields: dict[str, JsonValue] = {
            "name": known.name,
            "title": known.title,
            "files": list(known.files),
            "reads": known.read is not None,
            "writes": known.write is not None,
            "refuses": known.refuses,
            "leaves_out": known.drops,
        }
        printer.event("format", sentence, fields)


@rig.command("export")
def export_rig(
    ctx: typer.Context,
    session: SessionName,
    format_name: FormatName,
    out: Annotated[Path, typer.Option("--out", help="Folder to write into; it is made.")],
    vault: VaultPath = DEFAULT_VAULT,
) -> None:
    """Write the calibrated cameras of a session in another program's format."""
    folder = find_session(vault, session)

    from calibration.formats.registry import format_named, write_rig
    from calibration.formats.rig_file import RigToWrite
    from calibration.pictures import pictures_of
    from calibration.rig import load_calibration
    from capture.validate import load_validated

    known = format_named(format_name)
    found = load_calibration(folder)
    pictures = pictures_of(load_validated(folder), out.resolve())
    blank = [camera.id for camera in found.cameras if camera.id not in pictures]
    pictures |= {name: f"images/{name}.png" for name in blank}
    notes = list(write_rig(RigToWrite(found.cameras, pictures, found.rms_px, found.offset_s), format_name, out))
    if blank and format_name == "nerfstudio":
        notes.append(f"cameras {', '.join(blank)} have no still; put their pictures at images/<camera>.png")
    report = Report("rig export", (), {"format": known.title, "notes": cast("list[JsonValue]", notes)})
    did = f"{counted(len(found.cameras), 'camera')} written as {known.title}"
    _say(ctx, "rig export", did, report, tuple(out / name for name in known.files if (out / name).is_file()))


@rig.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File, or folder of files, of another program.")],
    session: SessionName,
    format_name: FormatName,
    camera: Annotated[
        list[str] | None, typer.Option("--camera", metavar="THEIRS=OURS", help="Camera that has another name there.")
    ] = None,
    unit: Annotated[Unit, typer.Option(help="Unit of length, where the format fixes none.")] = Unit.M,
    up: Annotated[Up, typer.Option(help="Axis of its world that points up, where the format fixes none.")] = Up.Z,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Take over a rig that another program calibrated, and measure it on the session's board."""
    folder = find_session(vault, session)

    from calibration.formats.rig_file import UpAxis
    from calibration.imported import RigSource, import_rig
    from capture.validate import load_validated

    source = RigSource(file, format_name, _METRES[unit], cast("UpAxis", up.value), _renamed(camera or []))
    found, report = import_rig(load_validated(folder), source, force=force)
    worst = f", worst {max(found.rms_px.values()):.2f} px on the board of this session" if found.rms_px else ""
    did = f"{counted(len(found.cameras), 'camera')} of {file.name}{worst}"
    _say(ctx, "rig import", did, report, (page_of(folder.derived("calibration")),), next_step=f"twin marks {session}")


def _renamed(pairs: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in pairs:
        theirs, equals, ours = pair.partition("=")
        if not (theirs and equals and ours):
            raise ValueError(f"--camera {pair!r} must be the name in the file, an equals sign, and the session's name")
        names[theirs] = ours
    return names


def _say(
    ctx: typer.Context, verb: str, did: str, report: Report, where: tuple[Path, ...], *, next_step: str = ""
) -> None:
    printer = printer_of(ctx)
    printer.outcome(Outcome(verb, did, report, where=where, next_step=next_step))
    notes = report.facts.get("notes")
    for note in notes if isinstance(notes, list) and not printer.machine else []:
        printer.say(f"  note: {note}")
