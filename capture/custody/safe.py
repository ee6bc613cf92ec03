"""What is known of every file of the cards after a copy, and whether each card may be formatted.

`custody.json` says per file how often its source was read and, per disk, whether the copy was read back from the disk,
from memory, or only found unchanged in size and time. A card may be formatted when everything on it that is not litter
of an operating system stands, verified, on every disk that was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from capture.custody.cards import Contents, Load, shown
from capture.custody.items import Trace
from capture.custody.journal import Evidence
from capture.custody.offload import Offload
from capture.issues import Issue, JsonObject

FILE_NAME = "custody.json"
_SCHEMA = 1
_SOURCE = ("size only", "read once", "read twice")
_NOT_DECODED = frozenset({"FILE_UNREADABLE", "FILE_TRUNCATED", "FILE_DAMAGED", "FILE_FORMAT", "INTERNAL_ERROR",
                           "FILE_TOO_LARGE", "DECODER_STOPPED"})  # fmt: skip


@dataclass(frozen=True)
class CardVerdict:
    """Whether one card may be formatted."""

    card: str
    safe: bool
    because: str
    shots: int
    carried: int
    junk: int

    @property
    def line(self) -> str:
        """The one line for the technician."""
        return f"safe to format: {'yes' if self.safe else 'no'}, because {self.because}"


def judge_cards(load: Load, copies: Offload, disks: Sequence[str], issues: Iterable[Issue]) -> list[CardVerdict]:
    """One verdict for each card; `disks` are the labels that must hold every file, `issues` those of the report."""
    undecoded = [found.where for found in issues if found.code in _NOT_DECODED]
    return [_judge(contents, copies, disks, undecoded) for contents in load.contents]


def custody_json(load: Load, copies: Offload, disks: Sequence[str], verdicts: Iterable[CardVerdict]) -> JsonObject:
    """The content of custody.json."""
    folders = {contents.card.name: str(contents.card.folder) for contents in load.contents}
    litter = {contents.card.name: [shown(name) for name in contents.junk] for contents in load.contents}
    left = {contents.card.name: [shown(name) for name in contents.left] for contents in load.contents}
    return {
        "schema": _SCHEMA,
        "disks": list(disks),
        "cards": [
            {
                "card": verdict.card,
                "folder": folders[verdict.card],
                "safe_to_format": verdict.safe,
                "because": verdict.because,
                "system_files": list(litter[verdict.card]),
                "left": list(left[verdict.card]),
            }
            for verdict in verdicts
        ],
        "files": [_row(trace, disks) for trace in copies.traces],
        "of_earlier_cards": [_row(trace, disks) for trace in copies.earlier],
    }


def _row(trace: Trace, disks: Sequence[str]) -> JsonObject:
    custody = trace.custody
    known = trace.reads or (custody is not None)
    return {
        "card": trace.item.card,
        "name_on_card": trace.item.name,
        "logical": trace.logical if trace.places else "",
        "kind": "carried along" if trace.logical.startswith("card/") else "shot",
        "size": custody.size if custody else None,
        "sha256": custody.sha256 if custody else "",
        "xxh128": custody.xxh128 if custody else "",
        "source": _SOURCE[min(trace.reads, 2)] if known else "not read",
        "disks": {disk: str(trace.places[disk]) if disk in trace.places else "not copied" for disk in disks},
    }


def _judge(contents: Contents, copies: Offload, disks: Sequence[str], undecoded: Collection[str]) -> CardVerdict:
    card = contents.card.name
    traces = [trace for trace in copies.traces if trace.item.card == card]
    reasons = _reasons(contents, traces, disks, undecoded)
    return CardVerdict(
        card=card,
        safe=not reasons,
        because="; ".join(reasons) or _grounds(contents, traces, disks),
        shots=sum(not trace.logical.startswith("card/") for trace in traces),
        carried=sum(trace.logical.startswith("card/") for trace in traces),
        junk=len(contents.junk),
    )


def _reasons(
    contents: Contents, traces: Sequence[Trace], disks: Sequence[str], undecoded: Collection[str]
) -> list[str]:
    """Why the card must not be formatted."""
    if not contents.inventory.found:
        return ["nothing on the card belongs to this session: is it the right card?"]
    reasons = []
    for disk in disks:
        lost = [trace.item.name for trace in traces if disk not in trace.places]
        if lost:
            reasons.append(f"{_counted(len(lost))} not on {disk}, first {lost[0]}")
    if contents.left:
        reasons.append(f"{_counted(len(contents.left))} on the card only, first {shown(contents.left[0])}")
    here = {trace.logical: trace.item.name for trace in traces if trace.places}
    bad = [here[where] for where in undecoded if where in here]
    if bad:
        reasons.append(f"{_counted(len(bad))} not decodable in the copy, first {bad[0]}: read the card once more first")
    empty = [found.where for found in contents.inventory.issues if found.code == "FILE_EMPTY"]
    if empty:
        reasons.append(f"{_counted(len(empty))} without bytes, first {empty[0]}: try to recover it first")
    return reasons


def _grounds(contents: Contents, traces: Sequence[Trace], disks: Sequence[str]) -> str:
    """On what the yes rests: how many files, on which disks, and how each was compared."""
    levels = Counter(min(trace.places.values(), key=_strength) for trace in traces)
    carried = sum(trace.logical.startswith("card/") for trace in traces)
    words = {
        Evidence.DISK: "read back from the disk",
        Evidence.CACHE: "read back, from memory as far as can be seen",
        Evidence.SIZE: "unchanged in size and time since they were read back",
    }
    text = f"{_counted(len(traces))} (of these {carried} no shots) on {', '.join(disks)}"
    text += ": " + ", ".join(f"{levels[level]} {words[level]}" for level in Evidence if levels[level])
    if contents.inventory.passed_over:
        count = len(contents.inventory.passed_over)
        text += f"; {_counted(count)} that .likenessignore names not copied, first {contents.inventory.passed_over[0]}"
    if contents.junk:
        text += f"; {_counted(len(contents.junk))} of operating systems not copied, first {shown(contents.junk[0])}"
    return text


def _strength(evidence: Evidence) -> int:
    """The weaker, the less: the weakest copy of a file speaks for it."""
    return -list(Evidence).index(evidence)


def _counted(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"
