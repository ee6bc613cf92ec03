"""`twin manifest`: seal a folder in its ASC MHL history, verify it, and write or check BagIt bags."""

from __future__ import annotations

import datetime as dt
import platform
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from capture.errors import EXIT_OK, InvalidSession
from capture.issues import Report, issue
from scripts.options import DEFAULT_VAULT, SessionName, VaultPath, find_session, printer_of
from scripts.printing import Outcome, counted

manifest = typer.Typer(no_args_is_help=True, help="Sealed histories (ASC MHL) and bags (BagIt) of what was shot.")


class HashFormat(StrEnum):
    """Formats that ASC MHL allows."""

    C4 = "c4"
    MD5 = "md5"
    SHA1 = "sha1"
    XXH128 = "xxh128"
    XXH3 = "xxh3"
    XXH64 = "xxh64"


Folder = Annotated[Path, typer.Argument(help="Folder with, or for, an ascmhl folder.")]


@manifest.command()
def seal(
    ctx: typer.Context,
    folder: Folder,
    formats: Annotated[list[HashFormat] | None, typer.Option("--hash", help="Format  [default: xxh128]")] = None,
    author: Annotated[str, typer.Option(help="Who seals.")] = "",
    role: Annotated[str, typer.Option(help="What the author does on the shoot.")] = "",
    restate: Annotated[
        bool, typer.Option("--restate", help="Add a generation also when every file is as before.")
    ] = False,
) -> None:
    """Hash every file of a folder and add a generation to its history."""
    from capture import VERSION
    from capture.mhl.hashes import hash_file
    from capture.mhl.manifest import Author, Creator
    from capture.mhl.seal import Mode, Record
    from capture.mhl.seal import seal as run
    from capture.mhl.verify import sealable

    _must_be_folder(folder)
    names = [str(name) for name in formats or [HashFormat.XXH128]]
    authors = (Author(author or "-", role),) if author or role else ()
    creator = Creator(platform.node() or "unknown", "likeness", VERSION, authors)
    found = sealable(folder)
    records = [Record(path, (folder / path).stat().st_size, hash_file(folder / path, names)) for path in found.files]
    when, mode = dt.datetime.now(dt.UTC), Mode.RESTATE if restate else Mode.NEWS
    result = run(folder, records, when=when, creator=creator, process="in-place", mode=mode)
    left = tuple(issue("FILE_UNREADABLE", where=path, found=trouble) for path, trouble in found.broken)
    report = Report("manifest", (*result.issues, *left), {"skipped": not result.written and not result.issues})
    did = f"{counted(len(records), 'file')}, {'newest generation' if result.path else 'no generation'}"
    _say(ctx, "manifest seal", f"{did} {result.path.name if result.path else ''}".strip(), report, result.path)


@manifest.command()
def verify(
    ctx: typer.Context,
    folder: Folder,
    newest: Annotated[str, typer.Option(help="C4 of the newest manifest, where it is known from elsewhere.")] = "",
) -> None:
    """Compare every file of a folder, and the history itself, with what was sealed."""
    from capture.mhl.verify import State
    from capture.mhl.verify import verify as run

    _must_be_folder(folder)
    checked, report = run(folder, newest=newest)
    whole = sum(item.state is State.VERIFIED for item in checked)
    _say(ctx, "manifest verify", f"{whole} of {counted(len(checked), 'file')} as sealed", report, None)


@manifest.command()
def bag(
    ctx: typer.Context,
    session: SessionName,
    to: Annotated[Path, typer.Argument(help="Folder to make.")],
    vault: VaultPath = DEFAULT_VAULT,
    organisation: Annotated[str, typer.Option(help="Who sends it.")] = "",
) -> None:
    """Write an ingested session as a BagIt bag."""
    from capture.bag import export_bag

    report = export_bag(
        find_session(vault, session), to, when=dt.datetime.now(dt.UTC).date(), organisation=organisation
    )
    did = f"session {session} as a bag" if report.ok else f"no bag was made of session {session}"
    _say(ctx, "manifest bag", did, report, to if report.ok else None)


@manifest.command("check-bag")
def check_bag(ctx: typer.Context, folder: Annotated[Path, typer.Argument(help="Folder of the bag.")]) -> None:
    """Check a BagIt bag in full."""
    from capture.bag_check import check_bag as run

    _must_be_folder(folder)
    report = run(folder)
    _say(ctx, "manifest check-bag", "a valid bag" if report.ok else "not a valid bag", report, None)


def _must_be_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"folder {folder} does not exist; name the folder that holds the files")


def _say(ctx: typer.Context, verb: str, did: str, report: Report, where: Path | None) -> None:
    code = EXIT_OK if report.ok else InvalidSession.exit_code
    places = (where,) if where is not None else ()
    printer_of(ctx).outcome(Outcome(verb, did, report, where=places, exit_code=code))
    raise typer.Exit(code)
