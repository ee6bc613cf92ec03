"""Files of cards on their way into originals/: where each is to lie, and what happened to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from capture.custody.journal import Custody, Evidence

VAULT = "vault"  # label of the first disk


@dataclass(frozen=True)
class Item:
    """A file of a card and its place among the originals."""

    logical: str
    path: Path
    card: str
    name: str  # path on the card
    spare: str = ""  # of a shot: its place where other bytes have the first


@dataclass
class Trace:
    """What happened to one file: how its source was read, and how well each disk is known to hold it."""

    item: Item
    logical: str
    custody: Custody | None = None
    reads: int = 0  # times that the source was read in this run; 0: unchanged since it was, or could not be
    places: dict[str, Evidence] = field(default_factory=dict)  # disk -> evidence; without an entry: not held


def numbered(logical: str) -> Iterator[str]:
    """A place, then the same with a number: `notes.txt`, `notes~2.txt`, ..."""
    path = PurePosixPath(logical)
    yield logical
    for number in itertools.count(2):
        yield str(path.with_name(f"{path.stem}~{number}{path.suffix}"))
