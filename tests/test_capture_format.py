"""SESSION_FORMAT.md has the fields of every model, in their order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import capture.session as records
from capture.consent import Consent
from capture.toml_file import Record

DOCUMENT = Path(records.__file__).with_name("SESSION_FORMAT.md").read_text(encoding="utf-8")
MODELS: list[type[Record]] = [
    records.Session,
    records.Head,
    records.Crew,
    records.Camera,
    records.Light,
    records.Take,
    records.Clip,
    records.Plan,
    records.Ignore,
    records.Calibration,
    records.Board,
    records.Chart,
    records.Ball,
    Consent,
]


def documented(document: str, model: str) -> list[str]:
    """Keys of the table under the heading that ends in `(model)`."""
    heading = "### Top level" if model == "Session" else f"({model})"
    section = document.split(heading + "\n", 1)[1].split("\n#", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.M)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_document_and_model_agree(model: type[Record]) -> None:
    assert documented(DOCUMENT, model.__name__) == list(model.model_fields)


def test_a_field_missing_from_the_document_is_noticed() -> None:
    broken = DOCUMENT.replace("| `square_m` |", "| square |")
    assert documented(broken, "Board") != list(records.Board.model_fields)


def test_required_fields_are_marked() -> None:
    for model in MODELS:
        for name, field in model.model_fields.items():
            row = re.search(rf"^\| `{name}` \| [^|]+ \| ([^|]+) \|", _section(model.__name__), flags=re.M)
            assert row, f"{model.__name__}.{name} has no row"
            assert (row.group(1) == "yes") == field.is_required(), f"{model.__name__}.{name}"


def _section(model: str) -> str:
    heading = "### Top level" if model == "Session" else f"({model})"
    return DOCUMENT.split(heading + "\n", 1)[1].split("\n#", 1)[0]


def test_every_record_model_is_documented() -> None:
    found = {v for v in vars(records).values() if isinstance(v, type) and issubclass(v, Record) and v is not Record}
    assert found == {*MODELS} - {Consent}
