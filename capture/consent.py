"""What she agreed to, and the gate that every step passes: no valid record, no act.

The record holds the four things the New York Fashion Workers Act asks for (scope, purpose, rate of pay, duration) and
denies by default. `require` is called where the harm would happen, inside the functions that copy, train and render,
and returns a `Permit` that those functions carry on; the command line makes no check of its own.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from capture.errors import ConsentRefused
from capture.store import sha256_file, write_atomic
from capture.toml_file import Record, TomlError, read_toml
from capture.vault import Vault


class Act(StrEnum):
    """What is about to be done with her likeness."""

    INGEST = "ingest"
    DATASET = "dataset"
    TRAIN = "train"
    RENDER = "render"


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Consent(Record):
    """The record of one agreement (`consent.toml`). Every field must be filled in; there are no defaults that allow."""

    id: Text
    person: Text
    scope: Text = Field(description="what may be made, in words she can check")
    purpose: Text = Field(description="what it is made for")
    rate_of_pay: Text = Field(description="what she is paid, and for what")
    valid_from: dt.date
    valid_until: dt.date = Field(description="last day of validity")
    acts: tuple[Act, ...] = Field(description="the steps she allows; a step not named is refused")
    separate_document: bool = Field(description="signed apart from the representation agreement")
    adult: bool = Field(description="her age was checked; minors are refused")
    signed_on: dt.date
    withdrawn_on: dt.date | None = None
    private_marks: tuple[Text, ...] = Field(
        default=(), description="ids of her marks that no twin may learn: they are painted over before training"
    )


@dataclass(frozen=True)
class Permit:
    """Proof that one act was allowed on one day; made only by `require`."""

    consent: str
    person: str
    act: Act
    day: dt.date
    record_digest: str  # SHA-256 of the consent file that was read
    private_marks: tuple[str, ...] = ()  # ids of her marks that may not be learned


def refusals(consent: Consent, act: Act, day: dt.date) -> list[str]:
    """Every reason why the act is not allowed on that day, in the order a person would check them."""
    checks = (
        (consent.adult, "her adulthood is not confirmed"),
        (consent.separate_document, "it is not a document separate from the representation agreement"),
        (consent.valid_from <= consent.valid_until, "it ends before it begins"),
        (consent.signed_on <= day, f"it is signed on {consent.signed_on}, after the day of use"),
        (consent.valid_from <= day, f"it begins on {consent.valid_from}"),
        (day <= consent.valid_until, f"it ended on {consent.valid_until}"),
        (consent.withdrawn_on is None or consent.withdrawn_on > day, f"withdrawn on {consent.withdrawn_on}"),
        (act in consent.acts, f"it does not allow '{act}' (allowed: {', '.join(consent.acts) or 'nothing'})"),
    )
    return [reason for passed, reason in checks if not passed]


def read_consent(path: Path) -> Consent:
    """Read a consent record. Raises ConsentRefused when it is missing or incomplete: no record means no."""
    try:
        return read_toml(path, Consent)
    except TomlError as err:
        raise ConsentRefused(f"consent refused: {err}") from None


def require(vault: Vault, person: str, consent_id: str, *, act: Act, day: dt.date | None = None) -> Permit:
    """Allow one act on one person's likeness, or raise ConsentRefused with every reason.

    `day` is today (UTC) unless a test or an audit asks about another day.
    """
    path = vault.consent_file(person, consent_id)
    return require_record(path, person, consent_id, act=act, day=day)


def require_record(path: Path, person: str, consent_id: str, *, act: Act, day: dt.date | None = None) -> Permit:
    """The same gate on a record that is not in the vault yet, as ingest meets it."""
    when = day or dt.datetime.now(dt.UTC).date()
    consent = read_consent(path)
    reasons = refusals(consent, act, when)
    if consent.person != person:
        reasons.insert(0, f"it is of person {consent.person!r}, not {person!r}")
    if consent.id != consent_id:
        reasons.insert(0, f"its id is {consent.id!r}, the session names {consent_id!r}")
    if reasons:
        raise ConsentRefused(f"consent {consent_id!r} refuses '{act}' on {when}: {'; '.join(reasons)}")
    return Permit(consent.id, person, act, when, sha256_file(path), consent.private_marks)


def admit(vault: Vault, source: Path, person: str, consent_id: str) -> None:
    """Bring a consent record into the vault. Raises ConsentRefused when another one of that id is there already."""
    target = vault.consent_file(person, consent_id)
    if target.is_file():
        if sha256_file(target) != sha256_file(source):
            raise ConsentRefused(
                f"consent {consent_id!r} in the vault differs from {source.name}; a changed agreement needs a new id"
            )
        return
    write_atomic(target, source.read_bytes())
