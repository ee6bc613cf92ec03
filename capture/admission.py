"""The gate of a shoot: the papers that describe it, and whether her consent lets it in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from capture.consent import Act, Permit, admit, require, require_record
from capture.errors import ConsentRefused
from capture.session import Session
from capture.vault import Vault


@dataclass(frozen=True)
class Papers:
    """Where the papers of a shoot lie, where that is not on the card, and the day that counts."""

    folder: Path | None = None  # of session.toml and consent.toml; for cards that must not be written to
    consent: Path | None = None  # her record; by default the consent.toml beside session.toml, else the vault's
    day: dt.date | None = None  # on which the consent must hold; today by default


ON_THE_CARD = Papers()


def admit_shoot(source: Path, vault: Vault, session: Session, papers: Papers) -> Permit:
    """Ask whether the shoot described in `source` may be taken in, and keep her record in the vault.

    The record in the vault is asked too, because a withdrawal is written there. Raises ConsentRefused.
    """
    person, consent_id = session.session.person, session.session.consent
    stored = vault.consent_file(person, consent_id)
    brought = papers.consent or source / "consent.toml"
    if papers.consent is not None or brought.is_file():
        permit = require_record(brought, person, consent_id, act=Act.INGEST, day=papers.day)
        if stored.is_file():
            permit = require(vault, person, consent_id, act=Act.INGEST, day=papers.day)
        admit(vault, brought, person, consent_id)
        return permit
    if not stored.is_file():
        raise ConsentRefused(
            f"consent {consent_id!r} is neither in {source} as consent.toml nor in the vault; "
            "fill in the record that `twin init` writes"
        )
    return require(vault, person, consent_id, act=Act.INGEST, day=papers.day)
