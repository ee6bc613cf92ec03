"""TOML files that people write, read through pydantic models: every error names file, key, value and what to do."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound="Record")


class Record(BaseModel):
    """Base of the records that people write: unknown keys are refused and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TomlError(ValueError):
    """A file that cannot be read as its model; `problems` holds one line for each thing that is wrong."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__(f"{path.name}: " + "; ".join(problems))
        self.path = path
        self.problems = problems


def read_toml(path: Path, model: type[Model]) -> Model:
    """Read a file as a model. Raises TomlError, with the nearest known key beside each unknown one."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TomlError(path, [f"file {path} is missing; create it"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as err:
        raise TomlError(path, [f"not readable as TOML: {err}; correct that line"]) from None
    try:
        return model.model_validate(data)
    except ValidationError as err:
        raise TomlError(path, _problems(err, model)) from None


def _problems(err: ValidationError, model: type[BaseModel]) -> list[str]:
    lines = []
    for item in err.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(file)"
        if item["type"] == "extra_forbidden":
            known = _keys_at(model, item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(sorted(known))}"
            lines.append(f"unknown key {key!r}: {hint}")
        elif item["type"] == "missing":
            lines.append(f"key {key!r} is missing; add it")
        else:
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"key {key!r} = {_shown(item['input'])}: {message}")
    return lines


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Field names of the nested model that a pydantic error location points into."""
    here = model
    for part in location:
        if isinstance(part, int) or part not in here.model_fields:
            continue  # an index of a list or a key of a table
        inner = _model_inside(here.model_fields[part].annotation)
        if inner is None:
            return []
        here = inner
    return [info.alias or name for name, info in here.model_fields.items()]


def _model_inside(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_inside(inner)
        if found is not None:
            return found
    return None
