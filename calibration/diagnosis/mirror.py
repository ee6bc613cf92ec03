"""A board seen the wrong way round: a camera or program that mirrors pictures, or a print made from the back.

A flat board mirrored in a picture is a board seen from behind, through the print. No camera can do that, so a camera
for which most views come out so has mirrored pictures. Coded boards are not even found then, until the picture is
turned round; chessboards are, because nothing on them tells left from right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np

from calibration.detect import make_finder
from calibration.intrinsics import MAX_VIEWS, MIN_VIEWS, IntrinsicsFacts
from calibration.target import Target
from capture.images import read_image
from capture.issues import Issue, issue
from capture.validate import Original

_LOOKED_AT = 4  # pictures of a camera that saw no board


def mirror_issues(lenses: Mapping[str, IntrinsicsFacts]) -> Iterator[Issue]:
    """Cameras for which most views show the board from behind."""
    views = {name: min(facts.views, MAX_VIEWS) for name, facts in lenses.items()}
    behind = {name: lenses[name].from_behind for name in lenses if 2 * lenses[name].from_behind > views[name]}
    said = {f"camera {n}": f"{behind[n]} of {views[n]} views show it as if from behind" for n in behind}
    if len(behind) == len(lenses) > 1:
        said = {"every camera": f"{sum(behind.values())} of {sum(views.values())} views show it as if from behind"}
    for where, found in said.items():
        yield issue("BOARD_MIRRORED", where=where, expected="the printed side, left on the left", found=found)


def mirrored_pictures(originals: Sequence[Original], target: Target) -> Iterator[Issue]:
    """The pictures of one camera in which no board was found, looked at in a mirror."""
    finder = make_finder(target)
    stills = [o for o in originals if o.frames == 1]
    picked = [stills[int(i)] for i in np.linspace(0, len(stills) - 1, min(len(stills), _LOOKED_AT))] if stills else []
    hits = [o for o in picked if finder(np.ascontiguousarray(cv2.flip(read_image(o.path), 1), dtype=np.uint8))]
    if hits:
        yield issue(
            "BOARD_MIRRORED",
            where=f"camera {hits[0].shot.camera}",
            expected=f"the board in {MIN_VIEWS} pictures or more",
            found=f"it is in {len(hits)} of {len(picked)} pictures once they are mirrored, and in none as they are",
        )
