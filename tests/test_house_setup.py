"""The set-up script on machines that lack system libraries, played by small stand-ins on the PATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1]
OPENCV = ("libGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0")
OPEN3D = ("libEGL.so.1", "libusb-1.0.so.0")

# apt-get "installs" by making the linker know everything from then on.
MACHINE = {
    "ldconfig": 'cat "$MACHINE/known"; [ ! -e "$MACHINE/installed" ] || cat "$MACHINE/all"',
    "id": 'echo "$USER_ID"',
    "sudo": '[ "$SUDO" = free ] || exit 1; shift; exec "$@"',
    "apt-get": 'echo "$*" >>"$MACHINE/apt"; [ "$1" != install ] || touch "$MACHINE/installed"',
}


def set_up(folder: Path, *, known: tuple[str, ...], user: str, sudo: str = "asks") -> subprocess.CompletedProcess[str]:
    """Run the script on a machine whose linker knows some of the libraries."""
    for name, body in MACHINE.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    for name, libraries in (("known", known), ("all", OPENCV + OPEN3D)):
        (folder / name).write_text("".join(f"\t{lib} (libc6,x86-64) => /lib/{lib}\n" for lib in libraries))
    return subprocess.run(
        ["bash", "scripts/system_libraries.sh"],
        cwd=HOUSE,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "MACHINE": str(folder), "USER_ID": user, "SUDO": sudo},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_nothing_is_said_where_nothing_is_missing(tmp_path: Path) -> None:
    done = set_up(tmp_path, known=OPENCV + OPEN3D, user="0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "apt").exists()


@pytest.mark.parametrize(("user", "sudo"), [("0", "asks"), ("1000", "free")])
def test_missing_libraries_are_installed_where_that_is_allowed(tmp_path: Path, user: str, sudo: str) -> None:
    done = set_up(tmp_path, known=OPENCV[:1], user=user, sudo=sudo)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "apt").read_text().splitlines() == [
        "update",
        "install -y --no-install-recommends libgl1 libglib2.0-0 libegl1 libusb-1.0-0",
    ]


def test_else_one_line_to_copy_ends_the_set_up(tmp_path: Path) -> None:
    done = set_up(tmp_path, known=OPENCV[1:] + OPEN3D, user="1000")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "system libraries missing (libGL.so.1); run as root: apt-get update && apt-get install"
    )
    assert not (tmp_path / "apt").exists()


def test_what_only_open3d_needs_is_a_warning(tmp_path: Path) -> None:
    done = set_up(tmp_path, known=OPENCV, user="1000")
    assert done.returncode == 0
    assert "libEGL.so.1 libusb-1.0.so.0), only calibration/body needs them" in done.stderr
