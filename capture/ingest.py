"""From a card to a session in the vault: consent, verified copy, a strict decode of every frame, and the checks.

The order is fixed: nothing is copied before the consent is accepted, nothing that was stored is changed, and the
manifest ingest.json is written last.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from capture import store
from capture.checks import CHECKS
from capture.consent import Act, Permit, admit, require, require_record
from capture.errors import ConsentRefused
from capture.images import ImageError
from capture.issues import Issue, JsonObject, JsonValue, Report, issue
from capture.layout import Inventory, expected_shots, shot_at, split_reshoot, take_inventory
from capture.measure import FRAMES_MEASURED, decode
from capture.offload import Custody, Offload, offload
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
    run_checks,
)
from capture.vault import SessionFolder, Vault
from capture.video import VideoError


def ingest(
    source: Path,
    vault: Vault,
    *,
    described_by: Path | None = None,
    consent: Path | None = None,
    day: dt.date | None = None,
    force: bool = False,
) -> tuple[ValidatedSession, Report]:
    """Bring a shoot into the vault and look at every frame of it.

    `source` holds the files; session.toml and consent.toml lie there too, or in the folder `described_by` where the
    card must not be written to. `consent` is her record (default: that consent.toml, else the one in the vault);
    `day` is the day on which the consent must hold, today by default. A second run of an
    unchanged shoot verifies, writes nothing and says so in `report.facts["skipped"]`.

    Raises InvalidSession for an unusable session.toml and ConsentRefused before anything is copied. Missing, broken
    and odd files are issues of the report, and the rest goes on.
    """
    papers = described_by or source
    session = read_session(papers)
    permit = _admit(papers, vault, session, consent, day)
    folder = vault.session(session.session.person, session.session.id)
    inventory = take_inventory(source, session, skip=vault.root)
    copies = offload(inventory.found, folder)
    shots = _shots(session, inventory, copies)
    missing = tuple(shot for shot in inventory.missing if shot not in shots)
    faults = (*inventory.issues, *copies.issues)
    custody: JsonValue = [[s.stem, cast(JsonObject, asdict(c))] for s, c in shots.items()]
    troubles: JsonValue = [[i.code, i.where, i.found] for i in faults]
    inputs = {
        "session": store.sha256_file(papers / "session.toml"),
        "consent": permit.record_digest,
        "files": store.sha256_text(json.dumps([custody, troubles, [s.stem for s in missing]], sort_keys=True)),
    }
    settings: JsonObject = {"frames_measured": FRAMES_MEASURED}
    artefact_folder = folder.derived(ARTEFACT)
    if not force and store.current(artefact_folder, ARTEFACT, inputs=inputs, settings=settings):
        done = load_validated(folder)
        facts: JsonObject = {**done.report.facts, "skipped": True}
        return done, Report(done.report.step, done.report.issues, facts)
    store.reopen(artefact_folder, ARTEFACT)
    thumbnails = Thumbnails(artefact_folder / THUMBNAILS)
    looked = _decode_all(folder, shots, thumbnails)
    context = Context(session, looked.originals, missing, (*faults, *looked.issues), thumbnails)
    report = Report("ingest", run_checks(context, CHECKS), _facts(looked, inventory, copies))
    store.write_atomic(folder.toml, (papers / "session.toml").read_bytes())
    store.write_json(artefact_folder / "report.json", report.to_json())
    write_session_page(artefact_folder / "report.html", context, report)
    result: JsonObject = {
        "session": session.session.id,
        "files": [original_to_json(folder, o) for o in looked.originals],
        "custody": custody,
    }
    store.finish(artefact_folder, ARTEFACT, consent=permit.consent, inputs=inputs, settings=settings, result=result)
    return load_validated(folder), report


def _admit(source: Path, vault: Vault, session: Session, consent: Path | None, day: dt.date | None) -> Permit:
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


def _shots(session: Session, inventory: Inventory, copies: Offload) -> dict[Shot, Custody]:
    """The held file of each shot: of its reshoots the last, whether this card brought it or an earlier one."""
    ranked = []
    on_card = {item.logical for item in inventory.found}
    for logical, record in copies.held.items():
        stem, reshoot = split_reshoot(logical.rpartition(".")[0])
        shot = shot_at(session, stem)
        if shot is not None:
            ranked.append((reshoot, logical in on_card, shot, record))
    ranked.sort(key=lambda entry: entry[:2])
    latest = {shot: record for _, _, shot, record in ranked}
    order = {shot: place for place, shot in enumerate(expected_shots(session))}
    return dict(sorted(latest.items(), key=lambda entry: (order.get(entry[0], len(order)), entry[0].stem)))


@dataclass(frozen=True)
class _Looked:
    originals: tuple[Original, ...]
    issues: tuple[Issue, ...]


def _decode_all(folder: SessionFolder, shots: dict[Shot, Custody], thumbnails: Thumbnails) -> _Looked:
    originals, issues = [], []
    thumbnails.clear()
    for shot, record in shots.items():
        path = folder.originals / record.logical
        try:
            decoded = decode(path)
        except (ImageError, VideoError) as err:
            issues.append(issue(err.code, where=record.logical, found=err.detail))
            continue
        except Exception as err:  # one file that a decoder stumbles over must not stop the others
            found = f"{type(err).__name__}: {err}"
            issues.append(issue("INTERNAL_ERROR", where=record.logical, found=found))
            continue
        thumbnails.put(shot, decoded.thumbnail)
        originals.append(
            Original(
                shot=shot,
                path=path,
                name_on_card=record.name_on_card,
                size=record.size,
                sha256=record.sha256,
                width=decoded.width,
                height=decoded.height,
                frames=decoded.frames,
                fps=decoded.fps,
                xxh128=record.xxh128,
                pixels=decoded.pixels,
                numbers=decoded.numbers,
            )
        )
    return _Looked(tuple(originals), tuple(issues))


def _facts(looked: _Looked, inventory: Inventory, copies: Offload) -> JsonObject:
    originals = looked.originals
    reasons = _reasons_not_to_format(inventory, copies)
    if looked.issues:
        bad = f"{len(looked.issues)} copies do not decode, first {looked.issues[0].where}"
        reasons.append(f"{bad}: read the card once more first")
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
        "safe_to_format": not reasons,
        "safe_because": "; ".join(reasons) or "every picture and video on the card was copied and read back",
    }


def _reasons_not_to_format(inventory: Inventory, copies: Offload) -> list[str]:
    """Why the card must not be formatted: something on it is not in the vault."""
    lost = [item.name for item in inventory.found if item.logical not in copies.held]
    reasons = [] if inventory.found else ["nothing on the card belongs to this session: is it the right card?"]
    if lost:
        reasons.append(f"{len(lost)} files were not copied, first {lost[0]}")
    if inventory.left:
        reasons.append(f"{len(inventory.left)} files are on the card only, first {inventory.left[0]}")
    changed = [i.where for i in copies.issues if i.code in ("ORIGINAL_CHANGED", "ORIGINAL_KEPT")]
    if changed:
        reasons.append(f"{len(changed)} originals of the vault differ from card or digest, first {changed[0]}")
    return reasons
