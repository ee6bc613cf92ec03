"""From a card to a session in the vault: consent, verified copy, a strict decode of every frame, and the checks.

The order is fixed: nothing is copied before the consent is accepted, nothing that was stored is changed, and the
manifest ingest.json is written last.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from capture import store
from capture.admission import ON_THE_CARD, Papers, admit_shoot
from capture.checks import CHECKS
from capture.checks.plates import plain_cameras
from capture.checks.scale import pixels_per_mm
from capture.checks.sync import sync_facts
from capture.coverage import judge
from capture.custody.cards import Card, Load, find_papers, is_copy, name_cards, take_load
from capture.custody.items import VAULT
from capture.custody.offload import Custody, Offload, offload
from capture.custody.safe import FILE_NAME as CUSTODY
from capture.custody.safe import CardVerdict, custody_json, judge_cards
from capture.decode_all import Looked, decode_all
from capture.ignore import read_file_rules, rules_used
from capture.issues import Issue, JsonObject, JsonValue, Report
from capture.layout import expected_shots, shot_at, split_reshoot
from capture.measure import FRAMES_MEASURED
from capture.mhl.originals import seal_originals
from capture.mhl.seal import Seal
from capture.report.session_page import write_session_page
from capture.session import Session, Shot, read_session
from capture.thumbnails import FOLDER as THUMBNAILS
from capture.thumbnails import Thumbnails
from capture.validate import (
    ARTEFACT,
    Context,
    Original,
    ValidatedSession,
    load_validated,
    original_to_json,
)
from capture.vault import SessionFolder, Vault


@dataclass(frozen=True)
class Copying:
    """How the files are copied."""

    also: tuple[Path, ...] = ()  # further folders that each get <person>/<session>/originals
    verify: bool = False  # read card and copies again, also where size and time are unchanged


TO_THE_VAULT = Copying()


def ingest(
    source: Path | Sequence[Path],
    vault: Vault,
    *,
    papers: Papers = ON_THE_CARD,
    copying: Copying = TO_THE_VAULT,
    force: bool = False,
) -> tuple[ValidatedSession, Report]:
    """Bring a shoot into the vault and look at every frame of it.

    `source` is the card or the cards; session.toml and consent.toml lie on one of them, or where `papers` says. A
    second run of an unchanged shoot reads nothing, writes nothing and says so in `report.facts["skipped"]`.
    `report.facts["cards"]` says of each card whether it may be formatted.

    Raises InvalidSession for an unusable session.toml and ConsentRefused before anything is copied, ValueError for a
    card or a further folder that is not there. Missing, broken and odd files are issues of the report, and the rest
    goes on.
    """
    cards = name_cards([source] if isinstance(source, Path) else source)
    described = papers.folder or find_papers(cards)
    session = read_session(described)
    if papers.consent is None and papers.folder is None:
        beside = (card.folder / "consent.toml" for card in cards)
        papers = replace(papers, consent=next((path for path in beside if path.is_file()), None))
    also = _further_disks(copying.also, session, (*(card.folder for card in cards), vault.root.resolve()))
    permit = admit_shoot(described, vault, session, papers)
    folder = vault.session(session.session.person, session.session.id)
    stored = _stored_papers(cards, described, papers.consent)
    load = take_load(cards, session, skip=(vault.root, *copying.also, *stored), rules=read_file_rules(described))
    brought = _bring(load, folder, also, session, verify=copying.verify)
    inputs = {
        "session": store.sha256_file(described / "session.toml"),
        "consent": permit.record_digest,
        "files": brought.digest,
    }
    settings: JsonObject = {"frames_measured": FRAMES_MEASURED}
    artefact_folder = folder.derived(ARTEFACT)
    if not force and not brought.wrote and store.current(artefact_folder, ARTEFACT, inputs=inputs, settings=settings):
        done = load_validated(folder)
        verdicts = brought.judge(done.report.issues)
        facts: JsonObject = {**done.report.facts, **_facts_of_cards(verdicts), "skipped": True}
        return done, Report(done.report.step, done.report.issues, facts)
    store.reopen(artefact_folder, ARTEFACT)
    originals, report = _look(session, brought, artefact_folder)
    store.write_atomic(folder.toml, (described / "session.toml").read_bytes())
    result: JsonObject = {
        "session": session.session.id,
        "files": [original_to_json(folder, o) for o in originals],
        "custody": brought.custody,
        "sealed": brought.seals[0].c4,  # newest manifest of originals/ascmhl: a history cut short shows by it
    }
    store.finish(artefact_folder, ARTEFACT, consent=permit.consent, inputs=inputs, settings=settings, result=result)
    return load_validated(folder), report


@dataclass(frozen=True)
class _Brought:
    """What the disks hold after the copy, and what went wrong on the way."""

    load: Load
    copies: Offload
    folder: SessionFolder
    disks: tuple[str, ...]
    shots: Mapping[Shot, Custody]
    seals: tuple[Seal, ...]  # of originals/ on each disk

    @property
    def missing(self) -> tuple[Shot, ...]:
        return tuple(shot for shot in self.load.missing if shot not in self.shots)

    @property
    def faults(self) -> tuple[Issue, ...]:
        sealing = (trouble for seal in self.seals for trouble in seal.issues)
        return (*self.load.issues, *self.copies.issues, *sealing)

    @property
    def wrote(self) -> bool:
        return self.copies.wrote or any(seal.written for seal in self.seals)

    @property
    def custody(self) -> list[JsonValue]:
        return [[shot.stem, cast(JsonObject, asdict(record))] for shot, record in self.shots.items()]

    @property
    def digest(self) -> str:
        """Stands for the files, for those that are missing and for all trouble with them."""
        troubles: JsonValue = [[i.code, i.where, i.found] for i in self.faults]
        missing: JsonValue = [shot.stem for shot in self.missing]
        return store.sha256_text(json.dumps([self.custody, troubles, missing], sort_keys=True))

    def judge(self, issues: Sequence[Issue]) -> list[CardVerdict]:
        """Whether each card may be formatted."""
        return list(judge_cards(self.load, self.copies, self.disks, issues))


def _bring(
    load: Load, folder: SessionFolder, also: Mapping[str, SessionFolder], session: Session, *, verify: bool
) -> _Brought:
    """Copy what lies on the cards, and seal the originals on every disk."""
    cards = {content.card.name: content.card.folder for content in load.contents}
    copies = offload(load.items, folder, also=also, cards=cards, verify=verify)
    when = dt.datetime.now(dt.UTC)
    seals = [seal_originals(disk, label, copies, when=when) for label, disk in {VAULT: folder, **also}.items()]
    shots = _shots(session, {item.logical for item in load.items}, copies)
    return _Brought(load, copies, folder, (VAULT, *also), shots, tuple(seals))


def _look(session: Session, brought: _Brought, artefact: Path) -> tuple[tuple[Original, ...], Report]:
    """Decode every file, run the checks and write the report in its three forms into the folder of the artefact."""
    thumbnails = Thumbnails(artefact / THUMBNAILS)
    looked = decode_all(brought.folder, brought.shots, thumbnails)
    context = Context(session, looked.originals, brought.missing, (*brought.faults, *looked.issues), thumbnails)
    issues, covered = judge(context, CHECKS)
    found: JsonObject = {
        "coverage": covered.to_json(),
        "ignore_rules": rules_used(session, issues),
        "sync": sync_facts(context),
        "pixels_per_mm": cast(JsonObject, pixels_per_mm(context)),
        "cameras_with_plain_plates": cast("list[JsonValue]", plain_cameras(context)),
    }
    verdicts = brought.judge(issues)
    report = Report("ingest", issues, {**_facts(looked, brought.copies), **_facts_of_cards(verdicts), **found})
    store.write_json(artefact / "report.json", report.to_json())
    store.write_json(artefact / CUSTODY, custody_json(brought.load, brought.copies, brought.disks, verdicts))
    write_session_page(artefact / "report.html", context, report, covered)
    return looked.originals, report


def _further_disks(folders: Sequence[Path], session: Session, others: Sequence[Path]) -> dict[str, SessionFolder]:
    """The session on further disks, by what each is called. Raises ValueError for a folder that cannot be one."""
    disks: dict[str, SessionFolder] = {}
    taken = list(others)
    for folder in folders:
        base = folder.resolve()
        if not base.is_dir():
            raise ValueError(f"folder {folder} to copy to does not exist; plug its disk in, or make the folder")
        if any(base == other or base.is_relative_to(other) for other in taken):
            raise ValueError(f"folder {folder} to copy to lies in a card or the vault; name one on a disk of its own")
        taken.append(base)
        disks[str(folder)] = SessionFolder(base / session.session.person / session.session.id)
    return disks


def _stored_papers(cards: Sequence[Card], papers: Path, consent: Path | None) -> list[Path]:
    """Papers on the cards that the vault keeps in their own places, so that they are not carried along."""
    used = (papers / "session.toml", consent or papers / "consent.toml")
    on_cards = [card.folder / path.name for card in cards for path in used]
    return [path for path in on_cards if any(is_copy(path, kept) for kept in used)]


def _shots(session: Session, on_card: set[str], copies: Offload) -> dict[Shot, Custody]:
    """The held file of each shot: of its reshoots the last, whether this card brought it or an earlier one."""
    ranked = []
    for logical, record in copies.held.items():
        stem, reshoot = split_reshoot(logical.rpartition(".")[0])
        shot = shot_at(session, stem)
        if shot is not None:
            ranked.append((reshoot, logical in on_card, shot, record))
    ranked.sort(key=lambda entry: entry[:2])
    latest = {shot: record for _, _, shot, record in ranked}
    order = {shot: place for place, shot in enumerate(expected_shots(session))}
    return dict(sorted(latest.items(), key=lambda entry: (order.get(entry[0], len(order)), entry[0].stem)))


def _facts(looked: Looked, copies: Offload) -> JsonObject:
    originals = looked.originals
    by_kind: dict[str, int] = {}
    for original in originals:
        by_kind[original.shot.kind.value] = by_kind.get(original.shot.kind.value, 0) + 1
    return {
        "files": len(originals),
        "by_kind": cast(JsonObject, by_kind),
        "bytes": sum(o.size for o in originals),
        "frames": sum(o.frames for o in originals),
        "megapixels": round(sum(o.width * o.height * o.frames for o in originals) / 1e6, 1),
        "copied": copies.copied,
        "already_there": len(copies.held) - copies.copied,
    }


def _facts_of_cards(verdicts: Sequence[CardVerdict]) -> JsonObject:
    """Whether the cards of this run may be formatted: each, and all."""
    one = len(verdicts) == 1
    return {
        "safe_to_format": all(verdict.safe for verdict in verdicts),
        "safe_because": "; ".join(v.because if one else f"{v.card}: {v.because}" for v in verdicts),
        "cards": [cast(JsonObject, {**asdict(verdict), "line": verdict.line}) for verdict in verdicts],
    }
