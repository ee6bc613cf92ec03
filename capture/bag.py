"""An ingested session as a BagIt bag (version 1.0, RFC 8493): the form in which archives and courts take files.

The bag holds the originals with their sealed history, the description of the shoot and the journal of the copy. It is
written beside its place, checked in full from the disk, and only then gets its name.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from capture import VERSION, store
from capture.bag_check import check_bag, digests_of
from capture.consent import Act, require
from capture.custody.journal import journal_path, read_journal
from capture.issues import Issue, Report, issue
from capture.session import read_session
from capture.vault import SessionFolder

_ALGORITHMS = ("sha256", "sha512")


def export_bag(folder: SessionFolder, to: Path, *, when: dt.date, organisation: str = "") -> Report:
    """Write a session as a bag into the new folder `to`. `report.ok` says whether the bag is there.

    `when` is the day of the export, on which her consent must hold: the bag leaves the vault. Raises ConsentRefused,
    IncompleteInput for a session whose ingest is unfinished, and ValueError where `to` exists already.
    """
    if to.exists():
        raise ValueError(f"bag {to} exists already; name a folder that does not")
    store.read(folder.derived("ingest"), "ingest")
    head = read_session(folder.root).session
    require(folder.vault, head.person, head.consent, act=Act.INGEST, day=when)
    part = to.with_name(f".{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        issues = list(_fill(folder, part))
        info = {
            "Source-Organization": organisation,
            "External-Identifier": head.id,
            "Internal-Sender-Identifier": head.person,
            "Bagging-Date": when.isoformat(),
            "Bag-Software-Agent": f"likeness {VERSION}",
        }
        _describe(part, info)
        report = check_bag(part)
        report = Report("bag", (*issues, *report.issues), report.facts)
        if report.ok:
            part.rename(to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


def _payload(folder: SessionFolder) -> Iterator[Path]:
    """The files that go into the bag, in the order of their names."""
    yield from (path for path in (folder.toml, journal_path(folder)) if path.is_file())
    for here, below, names in os.walk(folder.originals):
        below.sort()
        yield from (Path(here) / name for name in sorted(names) if not name.endswith(".part"))


def _fill(folder: SessionFolder, part: Path) -> Iterator[Issue]:
    """Copy the payload and write its manifests. An original that is not what was ingested is an issue."""
    journal = read_journal(folder)
    listings: dict[str, list[str]] = {name: [] for name in _ALGORITHMS}
    for source in _payload(folder):
        place = source.relative_to(folder.root).as_posix()
        digests = _copy(source, part / "data" / place)
        known = journal.get(place.removeprefix("originals/"))
        if known is not None and known.sha256 != digests["sha256"]:
            yield issue("ORIGINAL_CHANGED", where=place, expected=known.sha256[:16], found=digests["sha256"][:16])
        for name in _ALGORITHMS:
            listings[name].append(f"{digests[name]}  {_escaped(f'data/{place}')}\n")
    for name, lines in listings.items():
        store.write_atomic(part / f"manifest-{name}.txt", "".join(lines))


def _copy(source: Path, target: Path) -> dict[str, str]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        digests = digests_of(source, _ALGORITHMS, copy_to=out)
        out.flush()
        os.fsync(out.fileno())
    return digests


def _escaped(path: str) -> str:
    """RFC 8493, 2.1.3: percent signs and line ends of a path are percent-encoded, nothing else."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def _describe(part: Path, info: dict[str, str]) -> None:
    """Write bagit.txt, bag-info.txt and, last, the manifests of these tag files."""
    files = [path for path in (part / "data").rglob("*") if path.is_file()]
    oxum = f"{sum(path.stat().st_size for path in files)}.{len(files)}"
    store.write_atomic(part / "bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    lines = {**info, "Payload-Oxum": oxum}
    text = "".join(f"{label}: {' '.join(value.split())}\n" for label, value in lines.items() if value)
    store.write_atomic(part / "bag-info.txt", text)
    names = ("bag-info.txt", "bagit.txt", *(f"manifest-{name}.txt" for name in _ALGORITHMS))
    for algorithm in _ALGORITHMS:
        digests = ((digests_of(part / name, {algorithm})[algorithm], name) for name in names)
        store.write_atomic(part / f"tagmanifest-{algorithm}.txt", "".join(f"{d}  {name}\n" for d, name in digests))
