"""The verified copy: every file of the cards into originals/ of the vault and of further disks, and never twice.

What is read, written or passed over follows from the journal of each disk: a file whose size and time are those of its
last verification is not read again. Trouble with one file, card or disk becomes an issue, and the rest goes on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from capture.custody.blocks import Part, new_block
from capture.custody.items import VAULT, Item, Trace, numbered
from capture.custody.journal import Custody, Evidence, Sighting, journal_path, read_journal
from capture.custody.place import Outcome, Place, Standing
from capture.custody.transfer import Copier, Read, read_back
from capture.issues import Issue, issue
from capture.vault import SessionFolder

__all__ = ["Custody", "Evidence", "Item", "Offload", "Trace", "journal_path", "offload", "read_journal"]
_IN_FLIGHT = 3  # files of one disk that may wait for their reading back


@dataclass(frozen=True)
class Offload:
    """Outcome of a copy: what the vault holds now, what is known of each file, and what went wrong."""

    held: dict[str, Custody]  # logical path -> its record; read back in this run, or unchanged since it was
    issues: tuple[Issue, ...]
    copied: int  # files written into the vault in this run
    traces: tuple[Trace, ...]  # of the files of the cards
    earlier: tuple[Trace, ...]  # of the files that earlier cards brought
    wrote: bool  # anything was written anywhere


def offload(
    items: Iterable[Item],
    folder: SessionFolder,
    *,
    also: Mapping[str, SessionFolder] | None = None,
    cards: Mapping[str, Path] | None = None,
    verify: bool = False,
) -> Offload:
    """Copy each file that a disk does not hold yet, and verify it; with `verify` read all of them again.

    `also` are further disks by label, `cards` the folder of each card, by which a pulled card is told from a bad file.
    Raises ValueError while another process copies the same session.
    """
    with ExitStack() as stack:
        issues: list[Issue] = []
        places = []
        for label, disk in {VAULT: folder, **(also or {})}.items():
            try:
                places.append(stack.enter_context(Place(label, disk)))
            except OSError as err:
                issues.append(issue("COPY_FAILED", where=label, found=f"cannot be written to: {err.strerror}"))
        copier = stack.enter_context(Copier(len(places)))
        run = _Run(places, copier, dict(cards or {}), verify)
        for item in items:
            run.take(item)
        run.settle_all()
        run.earlier_cards()
        run.settle_all()
        issues += [*run.issues, *run.verdicts()]
    return Offload(
        held=run.held(),
        issues=tuple(issues),
        copied=sum(place.written for place in places if place.label == VAULT),
        traces=tuple(run.traces),
        earlier=tuple(run.earlier),
        wrote=any(place.journal.appended for place in places),
    )


class _Run:
    """One pass over the files of the cards."""

    def __init__(self, places: Sequence[Place], copier: Copier, cards: Mapping[str, Path], verify: bool) -> None:
        self.places, self.copier, self.cards, self.verify = places, copier, cards, verify
        self.issues: list[Issue] = []
        self.traces: list[Trace] = []
        self.earlier: list[Trace] = []
        self._brought: dict[str, str] = {}  # logical path -> card, of this run
        self._gone: dict[str, list[str]] = {}  # card -> names that were not read
        self._pending: deque[tuple[Future[Outcome], Place, Trace]] = deque()
        self._block = memoryview(new_block())

    def take(self, item: Item) -> None:
        """Bring one file of a card to every disk."""
        trace = Trace(item, item.logical)
        self.traces.append(trace)
        if item.card in self._gone:
            self._gone[item.card].append(item.name)
            return
        try:
            if item.spare:
                self._take_shot(trace)
            else:
                self._take_carried(trace)
        except OSError as err:
            if self._is_gone(item.card):
                self._gone[item.card] = [item.name]
            else:
                self.issues.append(issue("READ_FAILED", where=item.name, found=err.strerror or str(err)))

    def settle_all(self) -> None:
        """Wait until every part has become an original or an issue."""
        while self._pending:
            self._settle_one()

    def earlier_cards(self) -> None:
        """What the vault holds and no card brought: it must still be there, and on the other disks too."""
        vault = next((place for place in self.places if place.label == VAULT), None)
        held = {trace.logical for trace in self.traces if VAULT in trace.places}
        said = {found.where for found in self.issues if found.code == "ORIGINAL_CHANGED"}
        for logical, record in list(vault.journal.records.items()) if vault else ():
            if vault is None or logical in held or logical in said:
                continue
            trace = Trace(Item(logical, vault.target(logical), record.card, record.name_on_card), logical)
            if vault.standing(logical) is Standing.LOST:
                self.issues.append(issue("ORIGINAL_CHANGED", where=logical, found="is gone, and no card brought it"))
                continue
            try:
                same = self._hold(trace, logical, vault.journal.latest.get(logical), again=False)
            except OSError as err:
                self.issues.append(issue("ORIGINAL_CHANGED", where=logical, found=f"cannot be read: {err.strerror}"))
                continue
            if not same:
                self.issues.append(issue("ORIGINAL_CHANGED", where=logical, found="other bytes than its journal says"))
            self.earlier.append(trace)

    def verdicts(self) -> Iterator[Issue]:
        """One issue for each card that was pulled and each disk that gave up."""
        for card, names in self._gone.items():
            files = "1 file was" if len(names) == 1 else f"{len(names)} files were"
            yield issue("CARD_GONE", where=card, found=f"{files} not read, first {names[0]}")
        yield from (said for place in self.places for said in place.finish())

    def held(self) -> dict[str, Custody]:
        """Records of what the vault holds."""
        traces = [t for t in (*self.traces, *self.earlier) if VAULT in t.places]
        records = next((place.journal.records for place in self.places if place.label == VAULT), {})
        return {trace.logical: records[trace.logical] for trace in traces}

    def _take_shot(self, trace: Trace) -> None:
        """A shot goes to its own place; where another card of this run has other bytes for it, it is carried along."""
        item = trace.item
        spare = replace(item, logical=item.spare, spare="")
        was_spared = self._was_spared(spare, self._record(item.logical))
        if not was_spared and self._hold(trace, item.logical, self._seen(item, item.logical), again=self.verify):
            self._brought.setdefault(item.logical, item.card)
        elif was_spared or self._brought.get(item.logical, item.card) != item.card:
            place = item.logical.rpartition(".")[0]
            found = f"{item.name} of {item.card} differs from the one of another card, which was taken"
            self.issues.append(issue("GRID_FRAME_DUPLICATE", where=place, expected="one picture", found=found))
            trace.item = spare
            self._take_carried(trace)
        else:
            kept = self._record(item.logical)
            expected = kept.sha256[:16] if kept else "the file that is there"
            text = f"other bytes on {item.card} as {item.name}" if item.card else f"other bytes as {item.name}"
            self.issues.append(issue("ORIGINAL_KEPT", where=item.logical, expected=expected, found=text))

    def _was_spared(self, spare: Item, first: Custody | None) -> bool:
        """True when an earlier run has stored this very file beside the one that has its place, for other bytes."""
        logical = self._seen_among(spare) if first is not None else None
        record = self._record(logical) if logical is not None else None
        return record is not None and first is not None and record.sha256 != first.sha256

    def _take_carried(self, trace: Trace) -> None:
        """A file that is no shot; other bytes under a name that is taken get a number, so that none are lost."""
        seen_as = self._seen_among(trace.item)
        if seen_as is not None and self._hold(trace, seen_as, self._seen(trace.item, seen_as), again=self.verify):
            return
        for logical in numbered(trace.item.logical):
            if self._hold(trace, logical, self._seen(trace.item, logical), again=self.verify):
                return

    def _hold(self, trace: Trace, logical: str, seen: Sighting | None, *, again: bool) -> bool:
        """Make every disk hold the file at a place; False where bytes other than the file's lie there already.

        `seen` is the verification that stands when the source is unchanged, `again` reads the source all the same.
        Raises OSError for trouble with the source.
        """
        while any(waiting.logical == logical for _, _, waiting in self._pending):
            self._settle_one()
        trace.logical = logical
        standings = {place: place.standing(logical) for place in self.places}
        levels = self._levels(standings, logical)
        absent = [p for p, s in standings.items() if s in (Standing.NEW, Standing.LOST)]
        writable = [p for p in absent if p.closed is None]
        for place in absent:
            if place.closed is not None:
                place.refused.append(logical)
        ready = Standing.FOUND not in standings.values() and not writable
        if ready and ((seen is not None and not again) or not levels):
            for place, level in levels.items():
                if seen is not None and level is not Evidence.SIZE:
                    self._say(place.note(seen, level))
            trace.custody = seen.custody if seen else None
            trace.places = {place.label: level for place, level in levels.items()}
            return True
        return self._read(trace, standings, levels, writable)

    def _levels(self, standings: Mapping[Place, Standing], logical: str) -> dict[Place, Evidence]:
        """Disks on which the file stands as its journal says, with the evidence for it."""
        levels: dict[Place, Evidence] = {}
        for place, standing in standings.items():
            if standing is Standing.STALE or (standing is Standing.KEPT and self.verify):
                level = place.check(logical)
                if isinstance(level, Issue):
                    self.issues.append(level)
                else:
                    levels[place] = level
            elif standing is Standing.KEPT:
                levels[place] = Evidence.SIZE
        return levels

    def _read(
        self,
        trace: Trace,
        standings: Mapping[Place, Standing],
        levels: dict[Place, Evidence],
        writable: Sequence[Place],
    ) -> bool:
        """Read the source, compare it with what stands, and write it where it is lacking."""
        item, logical = trace.item, trace.logical
        parts = self._open_parts(logical, writable)
        placed = False
        try:
            read = self.copier.copy(item.path, list(parts.values()))
            if not self._is_steady(trace, read):
                return True
            known = self._record(logical)
            if known is not None and known.sha256 != read.digests.sha256:
                return False
            for place in (p for p, s in standings.items() if s is Standing.FOUND):
                level = place.compare(logical, read.digests.xxh128)
                if level is None:
                    return False
                levels[place] = level
            placed = True
        finally:
            for part in () if placed else parts.values():
                part.discard()
        digests = read.digests
        custody = Custody(logical, item.name, digests.size, digests.sha256, digests.xxh128, item.card)
        line = Sighting(custody, read.mtime_ns, 0, Evidence.CACHE, trace.reads, "")
        trace.custody = custody
        for place, level in levels.items():
            latest = place.journal.latest.get(logical)
            self._say(place.note(line, latest.evidence if level is Evidence.SIZE and latest else level))
            trace.places[place.label] = level
        for place, part in parts.items():
            self._pending.append((place.settle(part, line), place, trace))
        while len(self._pending) > _IN_FLIGHT * len(self.places):
            self._settle_one()
        return True

    def _open_parts(self, logical: str, places: Iterable[Place]) -> dict[Place, Part]:
        parts: dict[Place, Part] = {}
        for place in places:
            part = place.new_part(logical)
            if isinstance(part, Part):
                parts[place] = part
            else:
                self._say(part)
        return parts

    def _say(self, trouble: Issue | None) -> None:
        if trouble is not None:
            self.issues.append(trouble)

    def _is_steady(self, trace: Trace, read: Read) -> bool:
        """The source did not change while it was read and, where all is to be read again, reads the same twice."""
        item = trace.item
        trace.reads = 1
        if not read.steady:
            self.issues.append(issue("SOURCE_CHANGED", where=item.name, found="grew or was written to meanwhile"))
            return False
        if self.verify:
            again, _ = read_back(item.path, self._block)
            trace.reads = 2
            if again != read.digests.xxh128:
                text = f"{again[:16]} at the second reading of {item.name}"
                self.issues.append(
                    issue("HASH_MISMATCH", where=item.logical, expected=read.digests.xxh128[:16], found=text)
                )
                return False
        return True

    def _settle_one(self) -> None:
        future, place, trace = self._pending.popleft()
        outcome = future.result()
        if isinstance(outcome, Evidence):
            trace.places[place.label] = outcome
        else:
            self._say(outcome)

    def _seen(self, item: Item, logical: str) -> Sighting | None:
        """The last verification of a place against this file, if the file is as it was then. Raises OSError."""
        held = item.path.stat()
        for place in self.places:
            seen = place.journal.seen(item.card, item.name, logical)
            if seen is not None and (seen.custody.size, seen.source_mtime_ns) == (held.st_size, held.st_mtime_ns):
                return seen
        return None

    def _seen_among(self, item: Item) -> str | None:
        """The place under which a carried file, unchanged since, was stored: its own or one with a number."""
        for logical in numbered(item.logical):
            if self._seen(item, logical) is not None:
                return logical
            if self._record(logical) is None:
                return None
        return None

    def _record(self, logical: str) -> Custody | None:
        return next((p.journal.records[logical] for p in self.places if logical in p.journal.records), None)

    def _is_gone(self, card: str) -> bool:
        """True when a card that was there can no longer be listed, or is an empty mount point."""
        root = self.cards.get(card)
        if root is None:
            return False
        try:
            return not os.listdir(root)
        except OSError:
            return True
