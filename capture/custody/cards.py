"""What lies on the cards of a shoot: shots, everything else that is carried along, and where each is to be kept.

A card may be formatted when nothing on it would be lost, so every file counts and not only the pictures. What is no
shot goes verbatim under `card/<card>/<path>`; the litter of operating systems stays, and is named.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from capture.custody.items import Item, numbered
from capture.errors import InvalidSession
from capture.ignore import FileRules
from capture.issues import Issue, Report, issue
from capture.layout import Inventory, take_inventory
from capture.session import Session, Shot
from capture.store import inside, sha256_file

# Written by systems and file managers, never by a camera.
_JUNK_FOLDERS = frozenset({
    ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", ".DocumentRevisions-V100",
    "System Volume Information", "$RECYCLE.BIN", "lost+found",
})  # fmt: skip
_JUNK_FILES = frozenset({".DS_Store", ".apdisk", ".localized", "Thumbs.db", "desktop.ini", ".metadata_never_index"})


@dataclass(frozen=True)
class Card:
    """A folder that files come from, under a name that no other card of the run has."""

    name: str
    folder: Path  # resolved


@dataclass(frozen=True)
class Contents:
    """What lies on one card; names are paths on it."""

    card: Card
    inventory: Inventory
    carried: tuple[str, ...]  # no shots, and kept
    junk: tuple[str, ...]  # litter of operating systems
    left: tuple[str, ...]  # cannot be kept, or belongs to no session of hers


@dataclass(frozen=True)
class Load:
    """What lies on all cards of a run."""

    contents: tuple[Contents, ...]
    items: tuple[Item, ...]  # shots first
    missing: tuple[Shot, ...]
    issues: tuple[Issue, ...]


def name_cards(folders: Sequence[Path]) -> tuple[Card, ...]:
    """The cards with names of their own: those of their folders, with a number where two are alike.

    Raises ValueError for what is no folder, for one that is given twice, and for one that lies in another.
    """
    cards: list[Card] = []
    for folder in folders:
        base = folder.resolve()
        if not base.is_dir():
            raise ValueError(f"card {folder} is not a folder; put the card in, or correct its name")
        for other in cards:
            if base.is_relative_to(other.folder) or other.folder.is_relative_to(base):
                raise ValueError(f"card {folder} is, or lies in, card {other.folder}; give each card once")
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in base.name).strip(".-")
        taken = {card.name.casefold() for card in cards}
        name = next(n for n in _names(plain[:60] or "card") if n.casefold() not in taken)
        cards.append(Card(name, base))
    return tuple(cards)


def find_papers(cards: Sequence[Card]) -> Path:
    """The card with session.toml. Raises InvalidSession where two cards describe the shoot differently."""
    described = [card for card in cards if (card.folder / "session.toml").is_file()]
    for card in described[1:]:
        if not is_copy(card.folder / "session.toml", described[0].folder / "session.toml"):
            text = f"those of cards {described[0].name} and {card.name} differ"
            found = issue("SESSION_FILE_INVALID", where="session.toml", found=text)
            raise InvalidSession(f"session.toml: {text}; take one of them off", Report("session", (found,)))
    return (described or list(cards))[0].folder


def is_copy(path: Path, other: Path) -> bool:
    """True when both are files with the same bytes."""
    return path.is_file() and other.is_file() and sha256_file(path) == sha256_file(other)


def take_load(
    cards: Sequence[Card], session: Session, *, skip: Collection[Path] = (), rules: FileRules | None = None
) -> Load:
    """Find the files of all cards. `skip` are folders and files on them that are no part of the shoot."""
    resolved = frozenset(path.resolve() for path in skip)
    issues: list[Issue] = []
    contents: list[Contents] = []
    for card in cards:
        inventory = take_inventory(card.folder, session, skip=resolved, rules=rules)
        found = _contents(card, inventory, resolved, rules, issues)
        contents.append(found)
        issues += [_on_card(item, card, cards) for item in inventory.issues]
    missing = [shot for shot in contents[0].inventory.missing if all(shot in c.inventory.missing for c in contents)]
    items = _apart([*_shots(contents), *_carried(contents)], issues)
    return Load(tuple(contents), tuple(items), tuple(missing), tuple(dict.fromkeys(issues)))


def shown(name: str) -> str:
    """A name of a card as text that can be written down: bytes that are no text, and control codes, as %XX."""
    if name.isprintable():
        return name
    raw = os.fsencode(name).decode("utf-8", "surrogateescape")
    return "".join(
        f"%{ord(c) & 0xFF:02X}" if "\udc80" <= c <= "\udcff" or unicodedata.category(c) == "Cc" else c for c in raw
    )


def _contents(
    card: Card, inventory: Inventory, skip: Collection[Path], rules: FileRules | None, issues: list[Issue]
) -> Contents:
    shots = {item.name for item in inventory.found}
    named = {item.where for item in inventory.issues}
    carried: list[str] = []
    junk: list[str] = []
    left: list[str] = []
    for name in _everything(card.folder, skip):
        if name in shots or name in inventory.passed_over:
            continue
        if _is_junk(name):
            junk.append(name)
        elif rules is not None and rules.rule_for(name):
            continue
        elif (trouble := _why_not(card, name)) is not None:
            path = card.folder / name
            if name not in named and not (path.is_symlink() and path.is_dir()):
                issues.append(trouble)
            left.append(name)
        elif (card.folder / name).is_dir():
            continue
        elif inventory.found:
            carried.append(name)
        else:
            left.append(name)
    return Contents(card, inventory, tuple(carried), tuple(junk), tuple(left))


def _everything(base: Path, skip: Collection[Path]) -> Iterator[str]:
    """Paths on the card: files, links to folders, folders that cannot be read; litter as whole folders."""
    refused: list[str] = []
    skipped = {os.fspath(path) for path in skip}
    cut = len(os.fspath(base).rstrip("/")) + 1
    for folder, folders, files in os.walk(base, onerror=lambda err: refused.append(str(err.filename))):
        here = folder.rstrip("/") + "/"
        kept = [name for name in sorted(folders) if here + name not in skipped]
        yield from ((here + n)[cut:] for n in kept if _is_junk_folder(n) or os.path.islink(here + n))
        folders[:] = [name for name in kept if not _is_junk_folder(name)]
        yield from ((here + name)[cut:] for name in sorted(files) if here + name not in skipped)
    yield from (path[cut:] for path in refused)


def _is_junk(name: str) -> bool:
    parts = name.split("/")
    return parts[-1].startswith("._") or parts[-1] in _JUNK_FILES or any(map(_is_junk_folder, parts))


def _is_junk_folder(name: str) -> bool:
    return name in _JUNK_FOLDERS or name.startswith(".Trash-")


def _why_not(card: Card, name: str) -> Issue | None:
    """Why a file cannot be kept, or None; a link to a folder of the card needs no keeping."""
    try:
        real = inside(card.folder, name)
    except (ValueError, OSError, RuntimeError):  # RuntimeError: a link that leads to itself
        return issue("PATH_ESCAPES", where=shown(name), found="leads outside the card")
    if not real.exists():
        return issue("FILE_MISSING", where=shown(name), found="a link to a file that is not there")
    if real.is_dir() and (card.folder / name).is_symlink():
        return None
    if real.is_dir():
        return issue("READ_FAILED", where=shown(name), found="the folder cannot be listed")
    return None if real.is_file() else issue("FILE_UNEXPECTED", where=shown(name), found="not a regular file")


def _shots(contents: Iterable[Contents]) -> Iterator[Item]:
    for content in contents:
        for shot in content.inventory.found:
            yield Item(shot.logical, shot.path, content.card.name, shot.name, _place(content.card, shot.name))


def _carried(contents: Iterable[Contents]) -> Iterator[Item]:
    for content in contents:
        card = content.card
        for name in content.carried:
            yield Item(_place(card, name), inside(card.folder, name), card.name, shown(name))


def _place(card: Card, name: str) -> str:
    return f"card/{card.name}/{shown(name)}"


def _apart(items: Iterable[Item], issues: list[Issue]) -> list[Item]:
    """The items, with places of their own where a disk might hold two to be the same."""
    taken: dict[str, Item] = {}
    apart = []
    for item in items:
        first = taken.get(_key(item.logical))
        if first is not None and first.logical != item.logical:
            issues.append(_collision(first, item))
            free = next(place for place in numbered(item.spare or item.logical) if _key(place) not in taken)
            item = replace(item, logical=free, spare="")
        taken.setdefault(_key(item.logical), item)
        apart.append(item)
    return apart


def _key(logical: str) -> str:
    """What is left of a name on a disk that takes capital letters, and ways to write an accent, to be the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", logical).casefold())


def _collision(first: Item, second: Item) -> Issue:
    same = unicodedata.normalize("NFC", first.logical) == unicodedata.normalize("NFC", second.logical)
    code = "NAME_NORMALISATION_COLLISION" if same else "NAME_CASE_COLLISION"
    escaped = [ascii(item.name)[1:-1] if same else item.name for item in (first, second)]
    return issue(code, where=second.name, expected="names that differ", found=f"{escaped[0]} and {escaped[1]}")


def _on_card(found: Issue, card: Card, cards: Sequence[Card]) -> Issue:
    """An issue of one card, which it names where there are several."""
    plain = replace(found, where=shown(found.where))
    if len(cards) == 1 or found.where.startswith("session.toml"):
        return plain
    return replace(plain, found=", ".join(part for part in (found.found, f"on card {card.name}") if part))


def _names(plain: str) -> Iterator[str]:
    yield plain
    number = 2
    while True:
        yield f"{plain}-{number}"
        number += 1
