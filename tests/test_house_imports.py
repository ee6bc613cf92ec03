"""The direction of imports, read from the source, function bodies too: capture, calibration, training, scripts."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1]
ORDER = ("capture", "calibration", "training", "scripts")
HEAVY = {"torch", "peft", "accelerate", "diffusers", "transformers", "open3d"}
# What each room must never import, nowhere in its source.
BANNED = {"capture": HEAVY, "calibration": HEAVY - {"open3d"}}


@functools.cache
def imported(source: str) -> tuple[tuple[int, str], ...]:
    """Line and dotted name of every import of a file, wherever in the file it stands."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, "." * node.level + (node.module or "")))
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            found.append((node.lineno, _literal(node.args)))
    return tuple(found)


def _literal(arguments: list[ast.expr]) -> str:
    # A name computed at run time cannot be checked here, so it counts as a breach.
    first = arguments[0] if arguments else None
    return str(first.value) if isinstance(first, ast.Constant) else "(computed)"


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def breaches(house: Path) -> list[str]:
    """Every import of the house that runs against the direction, or that a room must not have."""
    found = []
    for level, room in enumerate(ORDER):
        forbidden = {*ORDER[level + 1 :], "tests", "(computed)", ""} | BANNED.get(room, set())
        for path in sorted((house / room).rglob("*.py")):
            found += [
                f"{path.relative_to(house).as_posix()}:{line} imports {name}"
                for line, name in imported(path.read_text(encoding="utf-8"))
                if name.split(".")[0] in forbidden
            ]
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the house in another place."""
    target = tmp_path_factory.mktemp("house")
    for room in ORDER:
        shutil.copytree(HOUSE / room, target / room, ignore=lambda _, names: [n for n in names if _no_source(n)])
    return target


def _no_source(name: str) -> bool:
    return name == "__pycache__" or ("." in name and not name.endswith(".py"))


def test_imports_run_one_way() -> None:
    assert breaches(HOUSE) == []


@pytest.mark.parametrize(
    ("room", "statement", "named"),
    [
        ("capture", "import calibration.rig", "calibration.rig"),
        ("capture", "def late() -> None:\n    import torch", "torch"),
        ("calibration", "def late() -> None:\n    from training.loop import train", "training.loop"),
        ("calibration", "import importlib\nimportlib.import_module('training')", "training"),
        ("calibration", "def late(name: str) -> None:\n    __import__(name)", r"\(computed\)"),
        ("training", "if True:\n    from scripts import cli", "scripts"),
        ("training", "class A:\n    import tests.conftest", "tests.conftest"),
        ("training", "from .recipe import Recipe", r"\.recipe"),
        ("scripts", "from tests import test_house_imports", "tests"),
    ],
)
def test_a_planted_import_is_caught(copy: Path, room: str, statement: str, named: str) -> None:
    assert breaches(copy) == []
    planted = copy / room / "planted.py"
    planted.write_text(statement + "\n")
    found = breaches(copy)
    planted.unlink()
    assert len(found) == 1
    assert re.search(rf"^{room}/planted\.py:\d+ imports {named}$", found[0])


def test_every_import_of_a_library_is_declared() -> None:
    declared = {_key(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in _requirements()}
    owners = importlib.metadata.packages_distributions()
    beside = {path.stem for path in (HOUSE / "tests").glob("*.py")}
    undeclared = set()
    for folder in (*ORDER, "tests"):
        for path in sorted((HOUSE / folder).rglob("*.py")):
            for _, name in imported(path.read_text(encoding="utf-8")):
                top = name.split(".")[0]
                if top in sys.stdlib_module_names or top in (*ORDER, "tests", *beside, "(computed)"):
                    continue
                if not {_key(d) for d in owners.get(top, [])} & declared and top != "google":
                    undeclared.add(f"{path.relative_to(HOUSE)} imports {top}")
    assert not undeclared, "declare it in pyproject.toml: " + "; ".join(sorted(undeclared))


def test_every_declared_library_is_pinned() -> None:
    pins = dict(line.split("==") for line in _pins())
    for line in _requirements():
        name = re.split(r"[^A-Za-z0-9._-]", line)[0]
        assert name == "likeness" or _key(name) in {_key(p) for p in pins}, f"{name} has no pin in constraints.txt"
    assert all(re.fullmatch(r"[0-9a-z.]+", version) for version in pins.values()), "a pin is a bare version"


def _key(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


def _requirements() -> list[str]:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    return [
        *project["dependencies"],
        *(line for group in project["optional-dependencies"].values() for line in group),
    ]


def _pins() -> list[str]:
    lines = (HOUSE / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
