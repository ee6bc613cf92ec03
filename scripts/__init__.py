"""The faces of the house. Importing this package proves that the rooms below it are this checkout's own.

Other projects ship top-level packages named `training` or `scripts` too. A foreign one found first would be run
silently in place of ours, so the command ends at once and names it.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1]
ROOMS = ("capture", "calibration", "training")


def intruders(house: Path = HOUSE) -> list[str]:
    """One line for every room that Python would import from elsewhere than `house`, or not find at all."""
    found = []
    for room in ROOMS:
        spec = find_spec(room)
        places = list(spec.submodule_search_locations or [str(spec.origin)]) if spec else []
        if [Path(p).resolve() for p in places] != [house / room]:
            found.append(f"package {room!r} is taken from {', '.join(places) or 'nowhere'}, not from {house}")
    return found


if _foreign := intruders():
    raise SystemExit(
        "; ".join(_foreign)
        + "; run from the root of the checkout, in its own environment, and uninstall the other project"
    )
