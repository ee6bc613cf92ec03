"""From a card to a session in the vault: consent, verified copy, a strict decode of every frame, and the checks.

The order is fixed: nothing is copied before the consent is accepted, nothing that was stored is changed, and the
manifest ingest.json is written last.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from capture import store
from capture.checks import CHECKS
from capture.checks.plates import plain_cameras
from capture.checks.scale import pixels_per_mm
from capture.checks.sync import sync_facts
from capture.consent import Act, Permit, admit, require, require_record
from capture.coverage import judge
from capture.custody.cards import Card, find_papers, is_copy, name_cards, take_load
from capture.custody.items import VAULT
from capture.custody.offload import Custody, Offload, offload
from capture.custody.safe import FILE_NAME as CUSTODY
from capture.custody.safe import CardVerdict, custody_json, judge_cards
from capture.decode_all import Looked, decode_all
from capture.errors import ConsentRefused
from capture.ignore import read_file_rules, rules_used
from capture.issues import JsonObject, JsonValue, Report
from capture.layout import expected_shots, shot_at, split_reshoot
from capture.measure import FRAMES_MEASURED
from capture.mhl.originals import seal_originals
from capture.report.session_page import write_session_page
from capture.session import Session, Shot, read_session
from capture.thumbnails import FOLDER as THUMBNAILS
from capture.thumbnails import Thumbnails
from capture.validate import (
    ARTEFACT,
    Context,
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
    described_by: Path | None = None,
    consent: Path | None = None,
    day: dt.date | None = None,
    force: bool = False,
    copying: Copying = TO_THE_VAULT,
) -> tuple[ValidatedSession, Report]:
    """Bring a shoot into the vault and look at every frame of it.

    `source` is the card or the cards; session.toml and consent.toml lie on one of them, or in the folder
    `described_by` where the cards must not be written to. `consent` is her record (default: that consent.toml, else
    the one in the vault); `day` is the day on which the consent must hold, today by default. A second run of an
    unchanged shoot reads nothing, writes nothing and says so in `report.facts["skipped"]`. `report.facts["cards"]`
    says of each card whether it may be formatted.

    Raises InvalidSession for an unusable session.toml and ConsentRefused before anything is copied, ValueError for a
    card or a further folder that is not there. Missing, broken and odd files are issues of the report, and the rest
    goes on.
    """
    cards = name_cards([source] if isinstance(source, Path) else source)
    papers = described_by or find_papers(cards)
    session = read_session(papers)
    if consent is None and described_by is None:
        consent = next((c.folder / "consent.toml" for c in cards if (c.folder / "consent.toml").is_file()), None)
    also = _further_disks(copying.also, session, (*(card.folder for card in cards), vault.root.resolve()))
    permit = admit_shoot(papers, vault, session, consent, day)
    folder = vault.session(session.session.person, session.session.id)
    stored = _stored_papers(cards, papers, consent)
    load = take_load(cards, session, skip=(vault.root, *copying.also, *stored), rules=read_file_rules(papers))
    folders = {card.name: card.folder for card in cards}
    copies = offload(load.items, folder, also=also, cards=folders, verify=copying.verify)
    disks = (VAULT, *also)
    shots = _shots(session, {item.logical for item in load.items}, copies)
    missing = tuple(shot for shot in load.missing if shot not in shots)
    when = dt.datetime.now(dt.UTC)
    seals = [seal_originals(disk, label, copies, when=when) for label, disk in {VAULT: folder, **also}.items()]
    faults = (*load.issues, *copies.issues, *(trouble for seal in seals for trouble in seal.issues))
    custody: JsonValue = [[s.stem, cast(JsonObject, asdict(c))] for s, c in shots.items()]
    troubles: JsonValue = [[i.code, i.where, i.found] for i in faults]
    inputs = {
        "session": store.sha256_file(papers / "session.toml"),
        "consent": permit.record_digest,
        "files": store.sha256_text(json.dumps([custody, troubles, [s.stem for s in missing]], sort_keys=True)),
    }
    settings: JsonObject = {"frames_measured": FRAMES_MEASURED}
    artefact_folder = folder.derived(ARTEFACT)
    wrote = copies.wrote or any(seal.written for seal in seals)
    if not force and not wrote and store.current(artefact_folder, ARTEFACT, inputs=inputs, settings=settings):
        done = load_validated(folder)
        verdicts = judge_cards(load, copies, disks, done.report.issues)
        facts: JsonObject = {**done.report.facts, **_facts_of_cards(verdicts), "skipped": True}
        return done, Report(done.report.step, done.report.issues, facts)
    store.reopen(artefact_folder, ARTEFACT)
    thumbnails = Thumbnails(artefact_folder / THUMBNAILS)
    looked = decode_all(folder, shots, thumbnails)
    context = Context(session, looked.originals, missing, (*faults, *looked.issues), thumbnails)
    issues, covered = judge(context, CHECKS)
    found: JsonObject = {
        "coverage": covered.to_json(),
        "ignore_rules": rules_used(session, issues),
        "sync": sync_facts(context),
        "pixels_per_mm": cast(JsonObject, pixels_per_mm(context)),
        "cameras_with_plain_plates": cast("list[JsonValue]", plain_cameras(context)),
    }
    verdicts = judge_cards(load, copies, disks, issues)
    report = Report("ingest", issues, {**_facts(looked, copies), **_facts_of_cards(verdicts), **found})
    store.write_atomic(folder.toml, (papers / "session.toml").read_bytes())
    store.write_json(artefact_folder / "report.json", report.to_json())
    store.write_json(artefact_folder / CUSTODY, custody_json(load, copies, disks, verdicts))
    write_session_page(artefact_folder / "report.html", context, report, covered)
    result: JsonObject = {
        "session": session.session.id,
        "files": [original_to_json(folder, o) for o in looked.originals],
        "custody": custody,
        "sealed": seals[0].c4,  # newest manifest of originals/ascmhl: a history that was cut short shows by it
    }
    store.finish(artefact_folder, ARTEFACT, consent=permit.consent, inputs=inputs, settings=settings, result=result)
    return load_validated(folder), report


def admit_shoot(source: Path, vault: Vault, session: Session, consent: Path | None, day: dt.date | None) -> Permit:
    """The gate. The record in the vault is asked too, because a withdrawal is written there."""
    person, consent_id = session.session.person, session.session.consent
    stored = vault.consent_file(person, consent_id)
    brought = consent or source / "consent.toml"
    if consent is not None or brought.is_file():
        permit = require_record(brought, person, consent_id, act=Act.INGEST, day=day)
        if stored.is_file():
            permit = require(vault, person, consent_id, act=Act.INGEST, day=day)
        admit(vault, brought, person, consent_id)
        return permit
    if not stored.is_file():
        raise ConsentRefused(
            f"consent {consent_id!r} is neither in {source} as consent.toml nor in the vault; "
            "fill in the record that `twin init` writes"
        )
    return require(vault, person, consent_id, act=Act.INGEST, day=day)


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
