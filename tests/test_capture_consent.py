"""The gate: every way in which she did not agree, and the one in which she did."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from conftest import CONSENT

from capture.consent import Act, admit, read_consent, require, require_record
from capture.errors import ConsentRefused
from capture.vault import Vault

DAY = dt.date(2026, 1, 31)


def ask(tmp_path: Path, text: str, act: Act = Act.TRAIN, day: dt.date = DAY) -> str:
    """The refusal, or '' when the act is allowed."""
    path = tmp_path / "consent.toml"
    path.write_text(text)
    try:
        require_record(path, "p001", "c001", act=act, day=day)
    except ConsentRefused as err:
        return str(err)
    return ""


def test_a_complete_record_allows_and_gives_a_permit(tmp_path: Path) -> None:
    path = tmp_path / "consent.toml"
    path.write_text(CONSENT)
    for act in Act:
        permit = require_record(path, "p001", "c001", act=act, day=DAY)
        assert (permit.consent, permit.person, permit.act, permit.day) == ("c001", "p001", act, DAY)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("adult = true", "adult = false", "adulthood is not confirmed"),
        ("separate_document = true", "separate_document = false", "separate from the representation agreement"),
        ("valid_until = 2099-12-31", "valid_until = 2026-01-30", "it ended on 2026-01-30"),
        ("valid_from = 2020-01-01", "valid_from = 2026-02-01", "it begins on 2026-02-01"),
        ("valid_until = 2099-12-31", "valid_until = 2019-12-31", "it ends before it begins"),
        ("signed_on = 2020-01-01", "signed_on = 2026-02-01", "after the day of use"),
        ("signed_on", "withdrawn_on = 2026-01-31\nsigned_on", "withdrawn on 2026-01-31"),
        (', "train"', "", "does not allow 'train' (allowed: ingest, dataset, render)"),
        ('id = "c001"', 'id = "c002"', "its id is 'c002'"),
        ('person = "p001"', 'person = "p002"', "it is of person 'p002'"),
    ],
)
def test_each_reason_refuses(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in CONSENT
    assert says in ask(tmp_path, CONSENT.replace(old, new, 1))


@pytest.mark.parametrize("line", [line for line in CONSENT.splitlines() if line])
def test_no_field_may_be_left_out_or_empty(tmp_path: Path, line: str) -> None:
    key = line.split(" =")[0]
    assert f"'{key}' is missing" in ask(tmp_path, CONSENT.replace(line + "\n", ""))
    if '"' in line and "[" not in line:
        assert f"'{key}'" in ask(tmp_path, CONSENT.replace(line, f'{key} = "  "'))


def test_the_last_day_counts_and_the_day_of_withdrawal_does_not(tmp_path: Path) -> None:
    text = CONSENT.replace("2099-12-31", "2026-01-31")
    assert ask(tmp_path, text) == ""
    assert "it ended" in ask(tmp_path, text, day=DAY + dt.timedelta(1))
    withdrawn = CONSENT + "withdrawn_on = 2026-01-31\n"
    assert ask(tmp_path, withdrawn, day=DAY - dt.timedelta(1)) == ""
    assert "withdrawn" in ask(tmp_path, withdrawn)


def test_no_record_means_no(tmp_path: Path) -> None:
    with pytest.raises(ConsentRefused, match="is missing"):
        read_consent(tmp_path / "consent.toml")
    with pytest.raises(ConsentRefused, match="is missing"):
        require(Vault(tmp_path), "p001", "c001", act=Act.RENDER)
    assert "did you mean 'adult'" in ask(tmp_path, CONSENT + "adults = true\n")


def test_a_record_in_the_vault_is_never_replaced(tmp_path: Path) -> None:
    vault, source = Vault(tmp_path / "vault"), tmp_path / "consent.toml"
    source.write_text(CONSENT)
    admit(vault, source, "p001", "c001")
    admit(vault, source, "p001", "c001")
    assert require(vault, "p001", "c001", act=Act.RENDER, day=DAY).act is Act.RENDER
    source.write_text(CONSENT.replace("900", "90"))
    with pytest.raises(ConsentRefused, match="a changed agreement needs a new id"):
        admit(vault, source, "p001", "c001")
    assert "900" in vault.consent_file("p001", "c001").read_text()
