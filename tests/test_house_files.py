"""The house as files: sizes, the README's tree, nothing of one machine in them, every shipped TOML readable."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1]
ROOMS = ("capture", "calibration", "training", "scripts")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 100
# Written so that the patterns do not find themselves.
OF_ONE_MACHINE = re.compile(
    r"pythonh[o]sted|[p]ypi\.org|registry\.np[m]js|deb\.deb[i]an|(?<![\w.])/(?:t[m]p|w[o]rk|h[o]me|r[o]ot)/|--extra-in[d]ex"
)


def tracked() -> list[Path]:
    """Files under version control, and new ones that are not ignored; paths relative to the house."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in sorted(set(listed.split("\0"))) if name and (HOUSE / name).is_file()]


def text_of(path: Path) -> str:
    """The text of a file, or nothing when it is not text."""
    try:
        return (HOUSE / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def tree(readme: str) -> dict[str, bool]:
    """The README's tree: path -> True when the line stands for a whole folder, because nothing is listed below it.

    The tree is the fenced block that opens with "text tree". A line is names, two spaces or more, a description; two
    spaces of indentation lead into the folder above, whose name ends with "/".
    """
    block = re.search(r"^```text tree\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block, "README.md has no block that opens with ```text tree"
    above: list[str] = []
    found: dict[str, bool] = {}
    for line in filter(str.strip, block[1].splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r"\s{2,}", line.strip())[0].split()
        del above[depth:]
        if above:
            found["".join(above)] = False
        for name in names:
            found["".join(above) + name] = name.endswith("/")
        above.append(names[-1])
    return found


def untold(listed: dict[str, bool], files: list[Path]) -> list[str]:
    """Files that the tree neither lists nor covers by a folder."""
    folders = tuple(name for name, whole in listed.items() if whole)
    return [f.as_posix() for f in files if f.as_posix() not in listed and not f.as_posix().startswith(folders)]


def test_the_tree_of_the_readme_is_the_tree_of_the_house() -> None:
    listed = tree((HOUSE / "README.md").read_text())
    gone = [name for name in listed if not (HOUSE / name).exists()]
    assert not gone, f"the README's tree lists what is not there: {gone}"
    packages = [f for f in tracked() if f.parts[0] in ROOMS and f.name != "__init__.py"]
    assert packages
    assert not untold(listed, packages)


def test_the_tree_test_sees_a_missing_line() -> None:
    listed = tree(
        "x\n```text tree\ncapture/      who\n  a.py b.py   two files\n  stage/      all of it\nMakefile\n```\n"
    )
    files = [
        Path(p) for p in ("capture/a.py", "capture/b.py", "capture/c.py", "capture/stage/body.py", "training/a.py")
    ]
    assert untold(listed, files) == ["capture/c.py", "training/a.py"]


def test_files_are_short() -> None:
    lines = {f.as_posix(): len(text_of(f).splitlines()) for f in tracked() if f.suffix == ".py"}
    assert lines
    assert {name: n for name, n in lines.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    long = [
        f"{f}:{node.lineno} {node.name} has {(node.end_lineno or 0) - node.lineno + 1} lines"
        for f in tracked()
        if f.suffix == ".py"
        for node in ast.walk(ast.parse(text_of(f)))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert not long


def test_nothing_of_one_machine_is_in_the_files() -> None:
    found = [
        f"{f}:{number}"
        for f in tracked()
        for number, line in enumerate(text_of(f).splitlines(), 1)
        if OF_ONE_MACHINE.search(line)
    ]
    assert not found


@pytest.mark.parametrize("text", ["see /t" + "mp/x", "p" + "ypi.org", "'/ho" + "me/ana/shoot'", "cd /wo" + "rk/main"])
def test_the_machine_test_sees_a_path(text: str) -> None:
    assert OF_ONE_MACHINE.search(text)


@pytest.mark.parametrize("text", ["shared/work/x", "tmp_path / 'a'", "a homework/", "the root/ of it"])
def test_the_machine_test_lets_words_pass(text: str) -> None:
    assert not OF_ONE_MACHINE.search(text)


def test_every_shipped_toml_parses() -> None:
    files = [f for f in tracked() if f.suffix == ".toml"]
    assert Path("pyproject.toml") in files
    for path in files:
        tomllib.loads(text_of(path))
