"""The checks of ingest while the shoot runs: looks at a tether folder again and again and never writes into it.

A file counts when its size and time stood still over two looks and it decodes; each is decoded once. What is missing
counts for takes that have begun and no longer come in, or that were declared finished. The page and the thumbnails
lie in the vault, in derived/watch of the session.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

from capture.admission import ON_THE_CARD, Papers, admit_shoot
from capture.checks import CHECKS
from capture.coverage import Coverage, judge
from capture.decode_all import Found as Decoding
from capture.decode_all import decode_files
from capture.decode_worker import Refusal
from capture.errors import InvalidSession
from capture.ignore import FILE_NAME as IGNORE_FILE
from capture.ignore import read_file_rules
from capture.issues import Issue, Report, issue
from capture.layout import Found, Inventory, expected_shots, take_inventory
from capture.session import Shot, read_session
from capture.thumbnails import FOLDER as THUMBNAILS
from capture.thumbnails import Thumbnails
from capture.validate import Context, Original
from capture.vault import Vault
from capture.watch_groups import Group, Seen, State, group_of, groups_of

PATIENCE_S = 10.0  # a file that stood still for so long and does not decode is broken, not on its way
QUIET_S = 20.0  # a take of which nothing came for so long no longer comes in
CHECKS_SHARE = 0.25  # of the time, at most, that the checks may take while files land
_AT_ONCE = 256  # files that one look decodes, so that a full folder shows its first verdicts soon
_LATEST = 12  # pictures that the page shows

Signature: TypeAlias = tuple[int, int]  # bytes, time of the last change in nanoseconds


@dataclass(frozen=True)
class Waiting:
    """A file that is not counted yet."""

    name: str
    size: int
    why: str


@dataclass(frozen=True)
class Sight:
    """What one look at the folder saw."""

    at: float  # seconds since the epoch
    context: Context
    report: Report
    covered: Coverage
    groups: tuple[Group, ...]  # takes, clips and calibration, in the order of the session
    waiting: tuple[Waiting, ...]
    landed: tuple[str, ...]  # files that this look decoded
    latest: tuple[Shot, ...]  # newest first
    complete: bool  # everything that session.toml promises is there and decodes
    note: str = ""  # why the folder could not be looked at

    @property
    def busy(self) -> bool:
        """True while something may change with time alone."""
        return bool(self.waiting or self.note or any(group.state == "coming in" for group in self.groups))

    def changed_from(self, before: Sight) -> bool:
        """True when there is something new to show."""
        mine, its = (dataclasses.replace(s, at=0.0, context=before.context) for s in (self, before))
        return bool(self.landed) or mine != its


@dataclass(frozen=True)
class _Look:
    """The outcome of decoding one file."""

    name: str
    signature: Signature
    original: Original | None
    fault: Issue | None


@dataclass(frozen=True)
class _Judged:
    """What the checks said last, of what, when, and how many seconds they took."""

    context: Context
    pending: frozenset[Shot]
    report: Report
    covered: Coverage
    at: float
    took: float


class Watcher:
    """Looks at one folder. Consent is asked at every look, before a picture is opened."""

    def __init__(
        self,
        folder: Path,
        vault: Vault,
        *,
        papers: Papers = ON_THE_CARD,
        finished: Sequence[str] = (),
        quiet_s: float = QUIET_S,
        checks_share: float = CHECKS_SHARE,
    ) -> None:
        """Raises ValueError where the vault lies in the folder, InvalidSession and ConsentRefused as ingest does."""
        if vault.root.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"vault {vault.root} lies in the folder that is watched; name another one with --vault")
        self.folder = folder
        self._vault, self._admission, self._papers = vault, papers, papers.folder or folder
        self._finished, self._quiet_s = frozenset(finished), quiet_s
        self._checks_share = checks_share
        self._session = read_session(self._papers)
        unknown = self._finished - {take.id for take in self._session.take} - {clip.id for clip in self._session.clip}
        if unknown:
            raise ValueError(f"take {sorted(unknown)[0]!r} is not in session.toml; name a take or a clip of it")
        self._admit()
        head = self._session.session
        self.page_folder = vault.session(head.person, head.id).derived("watch")
        self._thumbnails = Thumbnails(self.page_folder / THUMBNAILS)
        self._thumbnails.clear()
        self._seen: dict[str, tuple[Signature, float]] = {}  # file -> what it was, since when it is so
        self._looks: dict[Shot, _Look] = {}
        self._landed_at: dict[Shot, float] = {}
        self._last: Sight | None = None
        self._judged: _Judged | None = None
        self._stale = False  # the checks were put off
        self._state: tuple[dict[str, Signature], tuple[int, ...]] = ({}, ())

    def look(self, now: float) -> Sight:
        """See what has changed, decode what has landed and run the checks. `now` is in seconds since the epoch."""
        try:
            self._admit()
            signatures = scan(self.folder)
            state = (signatures, self._papers_times())
            if self._last is not None and not self._last.busy and not self._stale and state == self._state:
                return replace(self._last, at=now, landed=(), note="")
            self._state = state
            trouble = self._reread()
            inventory = take_inventory(self.folder, self._session, rules=read_file_rules(self._papers))
            self._note_changes(signatures, now)
            landed = self._decode_new(inventory, signatures, now)
        except OSError as err:
            if self._last is None:
                raise
            return replace(self._last, at=now, landed=(), note=f"The folder cannot be read: {err.strerror or err}.")
        self._last = self._sight(inventory, landed, (now, trouble))
        return self._last

    def _papers_times(self) -> tuple[int, ...]:
        papers = (self._papers / name for name in ("session.toml", IGNORE_FILE))
        return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in papers)

    def _admit(self) -> None:
        admit_shoot(self._papers, self._vault, self._session, self._admission)

    def _reread(self) -> tuple[Issue, ...]:
        """A take may be added while the shoot runs; a session.toml that is half edited leaves the last one standing."""
        try:
            session = read_session(self._papers)
        except InvalidSession as err:
            return err.report.issues
        was, now = self._session.session, session.session
        if (was.person, was.id) != (now.person, now.id):
            raise ValueError("session.toml names another session now; end this watch and begin another")
        self._session = session
        return ()

    def _note_changes(self, signatures: dict[str, Signature], now: float) -> None:
        first = not self._seen
        for name, signature in signatures.items():
            known = self._seen.get(name)
            if known is None or known[0] != signature:
                # What lay there before the watch began has stood still since its own time.
                since = signature[1] / 1e9
                self._seen[name] = (signature, since if first and now - since >= PATIENCE_S else now)
        for name in [name for name in self._seen if name not in signatures]:
            del self._seen[name]

    def _decode_new(self, inventory: Inventory, signatures: dict[str, Signature], now: float) -> tuple[str, ...]:
        used = latest_of(inventory)
        for shot in [shot for shot in self._looks if shot not in used]:
            del self._looks[shot]
        new: list[tuple[Found, Signature]] = []
        for shot, item in used.items():
            known, signature = self._looks.get(shot), signatures.get(item.name)
            if signature is None or not self._stands(item.name, now):
                continue
            if known is None or (known.name, known.signature) != (item.name, signature):
                new.append((item, signature))
        new = new[:_AT_ONCE]
        landed = []
        for (item, signature), found in zip(new, decode_files([item.path for item, _ in new]), strict=True):
            look = _look(item, signature, found)
            self._looks[item.shot] = look
            if look.original is not None and not isinstance(found, Refusal):
                self._thumbnails.put(item.shot, cast(bytes, found["thumbnail"]))
                self._landed_at[item.shot] = now
                landed.append(item.name)
        return tuple(landed)

    def _stands(self, name: str, now: float) -> bool:
        """True when an earlier look saw the file as it is now, or it is older than any copy that still runs."""
        return now - self._seen[name][1] > 0

    def _sight(self, inventory: Inventory, landed: tuple[str, ...], look: tuple[float, tuple[Issue, ...]]) -> Sight:
        now, trouble = look
        used = latest_of(inventory)
        waiting, faults = self._waiting(inventory, used, now)
        looks = [self._looks[shot] for shot in used if shot in self._looks]
        originals = tuple(known.original for known in looks if known.original is not None)
        on_its_way = {w.name for w in waiting}
        states = self._states(used, on_its_way, now)
        over = {name for name, state in states.items() if state == "over"} | self._finished
        missing = tuple(shot for shot in inventory.missing if group_of(shot) in over)
        context = Context(self._session, originals, missing, (*trouble, *faults), self._thumbnails)
        there = {o.shot for o in originals}
        pending = {s for s in expected_shots(self._session) if s not in there and group_of(s) not in over}
        pending |= {shot for shot, item in used.items() if item.name in on_its_way}
        report, covered = self._judge(context, frozenset(pending), now)
        lacking = [*inventory.missing, *(shot for shot in used if shot not in there)]
        groups = groups_of(self._session, there, lacking, states, Seen.of(report, covered))
        newest = sorted(there, key=lambda shot: self._landed_at.get(shot, 0.0), reverse=True)[:_LATEST]
        complete = not lacking and not waiting and there >= set(expected_shots(self._session))
        return Sight(now, context, report, covered, groups, tuple(waiting), landed, tuple(newest), complete)

    def _waiting(self, inventory: Inventory, used: dict[Shot, Found], now: float) -> tuple[list[Waiting], list[Issue]]:
        """Files that are not counted yet, and the faults of those that had their time."""
        waiting, faults = [], []
        for trouble in inventory.issues:
            signature, since = self._seen.get(trouble.where, ((0, 0), 0.0))
            if trouble.code == "FILE_EMPTY" and now - since < PATIENCE_S:  # the tether program may just have opened it
                waiting.append(Waiting(trouble.where, 0, "it has no bytes yet"))
            else:
                faults.append(trouble)
        for shot, item in used.items():
            known = self._looks.get(shot)
            signature, since = self._seen.get(item.name, ((0, 0), now))
            if known is None or (known.name, known.signature) != (item.name, signature):
                waiting.append(Waiting(item.name, signature[0], "it is still being written, or its turn comes next"))
            elif known.fault is not None and now - since < PATIENCE_S:
                waiting.append(Waiting(item.name, signature[0], f"it does not decode yet: {known.fault.found}"))
            elif known.fault is not None:
                faults.append(known.fault)
        return waiting, faults

    def _states(self, used: dict[Shot, Found], waiting: set[str], now: float) -> dict[str, State]:
        """Groups that have begun: coming in while files land, over when none came for a while."""
        newest: dict[str, float] = {}
        for shot, item in used.items():
            since = now if item.name in waiting else self._seen[item.name][1]
            newest[group_of(shot)] = max(newest.get(group_of(shot), 0.0), since)
        return {
            name: "over" if now - at >= self._quiet_s or name in self._finished else "coming in"
            for name, at in newest.items()
        }

    def _judge(self, context: Context, pending: frozenset[Shot], now: float) -> tuple[Report, Coverage]:
        """Run the checks, but while files land only so often that they leave time to decode."""
        last = self._judged
        if last is not None and (last.context, last.pending) == (context, pending):
            return last.report, last.covered
        if last is not None and pending and now - last.at < last.took / self._checks_share:
            self._stale = True
            return last.report, last.covered
        self._stale = False
        began = time.monotonic()
        issues, covered = judge(context, CHECKS, pending=pending)
        report = Report("watch", issues, {"coverage": covered.to_json()})
        self._judged = _Judged(context, pending, report, covered, at=now, took=time.monotonic() - began)
        return report, covered


def watch(
    watcher: Watcher,
    *,
    every_s: float = 1.0,
    once: bool = False,
    until_complete: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Sight]:
    """Sights, one after each look: for ever, until all is there, or once, which takes two looks to see what stands."""
    if once:
        watcher.look(clock())
        sleep(every_s)
        yield watcher.look(clock())
        return
    while True:
        sight = watcher.look(clock())
        yield sight
        if until_complete and sight.complete:
            return
        sleep(every_s)


def scan(folder: Path) -> dict[str, Signature]:
    """Size and time of every file below a folder, by its path in it; hidden ones are passed over. Raises OSError."""
    found: dict[str, Signature] = {}
    folders = [""]
    while folders:
        inner = folders.pop()
        with os.scandir(folder / inner) as entries:
            for entry in entries:
                name = f"{inner}{entry.name}"
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{name}/")
                    continue
                try:
                    status = entry.stat()
                except FileNotFoundError:  # renamed since it was listed, or a link to nothing
                    continue
                found[name] = (status.st_size, status.st_mtime_ns)
    return found


def latest_of(inventory: Inventory) -> dict[Shot, Found]:
    """The file of each shot: of its reshoots the last."""
    latest: dict[Shot, Found] = {}
    for item in inventory.found:
        known = latest.get(item.shot)
        if known is None or item.reshoot > known.reshoot:
            latest[item.shot] = item
    return latest


def _look(item: Found, signature: Signature, found: Decoding) -> _Look:
    if isinstance(found, Refusal):
        return _Look(item.name, signature, None, issue(found.code, where=item.name, found=found.found))
    values = {name: value for name, value in found.items() if name != "thumbnail"}
    # The digests of the bytes are made when the file is copied, not here; the other names and types are the decoder's.
    original = Original(
        shot=item.shot, path=item.path, name_on_card=item.name, size=signature[0], sha256="",
        **values,  # type: ignore[arg-type]
    )  # fmt: skip
    return _Look(item.name, signature, original, None)
