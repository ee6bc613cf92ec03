"""A record as TOML text, for the small files that the stage writes as a person would."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from capture.toml_file import Record


def toml_text(record: Record) -> str:
    """The record's fields that differ from their defaults; reading the text gives an equal record."""
    return "\n".join(_table((), record.model_dump(exclude_defaults=True))).strip() + "\n"


def _table(path: tuple[str, ...], values: Mapping[str, object]) -> list[str]:
    lines, tables = [], []
    for key, value in values.items():
        if isinstance(value, Mapping):
            tables += ["", f"[{_dotted((*path, key))}]", *_table((*path, key), value)]
        elif _is_tables(value):
            assert isinstance(value, Sequence)
            for item in value:
                tables += ["", f"[[{_dotted((*path, key))}]]", *_table((*path, key), item)]
        elif value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    return lines + tables


def _is_tables(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], Mapping)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(_key(part) for part in path)


def _key(key: str) -> str:
    plain = key.replace("_", "a").replace("-", "a").isalnum() and key.isascii()
    return key if plain else json.dumps(key, ensure_ascii=False)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)
