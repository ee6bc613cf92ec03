"""How a benchmark's figures are kept: small JSON with the machine, the versions and the command that made them."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path

from capture.issues import JsonObject
from capture.store import write_json


def record(path: Path, *, command: str, packages: Iterable[str], figures: JsonObject, machine: str = "") -> None:
    """Write `figures` with what they depend on; `machine` is this processor's name unless given."""
    versions: JsonObject = {name: _version(name) for name in packages}
    versions["python"] = platform.python_version()
    write_json(path, {"machine": machine or processor(), "versions": versions, "command": command, **figures})


def processor() -> str:
    """The processor's model as Linux names it, else as Python does."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
