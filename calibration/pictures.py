"""The picture of each camera that an export names, as formats that go by pictures need one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import ValidatedSession


def pictures_of(validated: ValidatedSession, folder: Path) -> dict[str, str]:
    """Camera -> its first still, else plate, else board picture, relative to the folder that the export lies in."""
    pictures: dict[str, str] = {}
    for kind in (ShotKind.STILL, ShotKind.PLATE, ShotKind.BOARD):
        for original in validated.of_kind(kind):
            if original.frames == 1:
                path = Path(os.path.relpath(original.path, folder)).as_posix()
                pictures.setdefault(original.shot.camera, path)
    return pictures
