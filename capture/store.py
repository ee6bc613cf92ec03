"""Artefacts on disk: folders whose `<name>.json` is written last, atomically, with the digests of their inputs.

One mechanism serves provenance, skip-if-done, "which shots made this?" and revocation. A folder without its json is
unfinished and is never read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from capture import VERSION
from capture.errors import IncompleteInput
from capture.issues import JsonObject, JsonValue

ARTEFACT_SCHEMA = 1
_BLOCK = 1 << 20


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, as hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, also when the process dies in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as stream:
        stream.write(data.encode() if isinstance(data, str) else data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def write_json(path: Path, value: JsonValue) -> None:
    """Write JSON atomically, keys in their given order, readable by people. NaN is refused (ValueError)."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def inside(root: Path, relative: str) -> Path:
    """The path `root/relative`, refused with ValueError when it would leave `root`, through links included."""
    # Text, not Path: this is asked of every file of a shoot, and takes a fifth of the time.
    base = os.path.realpath(root)
    path = os.path.realpath(os.path.join(base, relative))
    if path != base and not path.startswith(base.rstrip(os.sep) + os.sep):
        raise ValueError(f"path {relative!r} leaves {root.name!r}; give a path inside that folder")
    return Path(path)


def safe_name(name: str) -> str:
    """The name itself when it can be one folder's name on any system, else ValueError."""
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    if not name or name[0] in ".-" or set(name) - allowed or len(name) > 80:
        raise ValueError(
            f"name {name!r} is not usable as a folder name; use letters, digits, '.', '_' and '-', 80 at most"
        )
    return name


@dataclass(frozen=True)
class Artefact:
    """A finished artefact: what `<name>.json` says."""

    folder: Path
    name: str
    consent: str
    inputs: Mapping[str, str]  # label -> SHA-256 of what was read
    settings: JsonObject  # what else decides the result
    outputs: Mapping[str, str]  # path inside the folder -> SHA-256
    result: JsonObject  # the step's own content

    @property
    def digest(self) -> str:
        """SHA-256 of the json, which through `outputs` stands for the whole folder."""
        return sha256_file(self.folder / f"{self.name}.json")


def finish(
    folder: Path,
    name: str,
    *,
    consent: str,
    inputs: Mapping[str, str],
    settings: JsonObject,
    result: JsonObject,
) -> Artefact:
    """Declare a folder complete: digest every file in it and write `<name>.json` last."""
    manifest = folder / f"{name}.json"
    outputs = {
        p.relative_to(folder).as_posix(): sha256_file(p)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p != manifest and not p.name.endswith(".part")
    }
    content: JsonObject = {
        "schema": ARTEFACT_SCHEMA,
        "name": name,
        "code_version": VERSION,
        "consent": consent,
        "inputs": dict(inputs),
        "settings": settings,
        "outputs": cast(JsonObject, outputs),
        "result": result,
    }
    write_json(manifest, content)
    return read(folder, name)


def read(folder: Path, name: str) -> Artefact:
    """Read a finished artefact. Raises IncompleteInput when its json is missing or of another schema."""
    manifest = folder / f"{name}.json"
    if not manifest.is_file():
        raise IncompleteInput(f"{name} is not there or not finished: {manifest} is missing; run the step before")
    data = json.loads(manifest.read_text())
    if data.get("schema") != ARTEFACT_SCHEMA or data.get("name") != name:
        raise IncompleteInput(
            f"{manifest} is {data.get('name')!r} of schema {data.get('schema')!r}, "
            f"expected {name!r} of schema {ARTEFACT_SCHEMA}; make it again with --force"
        )
    fields = (data["consent"], data["inputs"], data["settings"], data["outputs"], data["result"])
    return Artefact(folder, name, *fields)


def current(folder: Path, name: str, *, inputs: Mapping[str, str], settings: JsonObject) -> Artefact | None:
    """The finished artefact when it was made by this code from these inputs and settings and is still whole."""
    manifest = folder / f"{name}.json"
    if not manifest.is_file():
        return None
    if json.loads(manifest.read_text()).get("code_version") != VERSION:
        return None
    found = read(folder, name)
    same = dict(found.inputs) == dict(inputs) and found.settings == json.loads(json.dumps(settings))
    return found if same and not changed(found) else None


def changed(artefact: Artefact) -> list[str]:
    """Paths of the artefact that are gone or no longer have the digest written when it was finished."""
    return [
        relative
        for relative, digest in artefact.outputs.items()
        if not (artefact.folder / relative).is_file() or sha256_file(artefact.folder / relative) != digest
    ]


def reopen(folder: Path, name: str) -> None:
    """Mark a folder as unfinished before its files are changed, so that a crash leaves nothing half-true."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").unlink(missing_ok=True)
