"""A named cause explains its symptoms: a technician who puts the cause right has nothing to do about them."""

from __future__ import annotations

from collections.abc import Iterable

from capture.issues import Issue
from capture.session import ShotKind

_SAME_AS = "the same as "


def without_symptoms(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """The issues, less those that a wrong light explains.

    A take under a wrong light is darker or lighter than the others under that light, and seen from them the others are
    the odd ones. Where the light of another shot of the take was on, and camera and subject held still, its pictures
    are those of that shot.
    """
    found = tuple(issues)
    places = {tuple(i.where.split("/")[1:3]) for i in found if i.code == "LIGHT_MISMATCH"}
    lights = {place[-1] for place in places}

    def explained(item: Issue) -> bool:
        own = _place(item.where)
        if item.code == "EXPOSURE_OFF":
            return own is not None and own[1] in lights
        if item.code == "FRAME_IDENTICAL" and item.found.startswith(_SAME_AS):
            other = _place(item.found.removeprefix(_SAME_AS))
            return own is not None and other is not None and own[0] == other[0] and bool({own, other} & places)
        return False

    return tuple(item for item in found if not explained(item))


def _place(where: str) -> tuple[str, str] | None:
    """Take and light of a still's place, or None."""
    parts = where.split("/")
    return (parts[1], parts[2]) if len(parts) == 4 and parts[0] == ShotKind.STILL.value else None
