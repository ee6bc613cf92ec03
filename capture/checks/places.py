"""Naming many files of one camera in few words: a pattern of places that holds exactly those files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.session import Shot
    from capture.validate import Original


def patterns(odd: Sequence[Original], peers: Iterable[Original]) -> list[tuple[str, list[Original]]]:
    """The odd files of one camera by place: one pattern where one fits them all and no peer, else by take or file."""
    all_stems = [o.shot.stem for o in peers]
    whole = _fitting(odd, all_stems)
    if whole:
        return [(whole, list(odd))]
    groups: dict[str, list[Original]] = {}
    for original in odd:
        groups.setdefault(f"{original.shot.kind.value}/{original.shot.group}", []).append(original)
    found: list[tuple[str, list[Original]]] = []
    for group in groups.values():
        pattern = _fitting(group, all_stems)
        found += [(pattern, group)] if pattern else [(o.shot.stem, [o]) for o in group]
    return found


def count_of(files: Sequence[Original]) -> str:
    """`3 files, such as stills/take1/key/cam1`, or nothing for a single one, which its place names."""
    return f"{len(files)} files, first {files[0].shot.stem}" if len(files) > 1 else ""


def _fitting(odd: Sequence[Original], stems: Sequence[str]) -> str:
    names = {o.shot.stem for o in odd}
    if len(names) == 1:
        return next(iter(names))
    first = odd[0].shot
    if any((o.shot.kind, o.shot.camera) != (first.kind, first.camera) for o in odd):
        return ""
    for pattern in _candidates(first):
        if {stem for stem in stems if fnmatchcase(stem, pattern)} == names:
            return pattern
    return ""


def _candidates(shot: Shot) -> list[str]:
    if shot.kind is ShotKind.STILL:
        take, light = shot.group, shot.light
        return [f"stills/{a}/{b}/{shot.camera}" for a, b in ((take, "*"), ("*", light), ("*", "*"))]
    return [f"{shot.kind.value}/*/{shot.camera}"]
