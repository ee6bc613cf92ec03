"""The background of the stills against the empty studio: exchanged cameras, mirrored pictures, a camera that moved.

A camera whose plate shows nothing but smooth light has no say: `plain_cameras` names them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from capture.checks.exchanged import Exchange, find_exchanged
from capture.checks.moved import moved_cameras
from capture.checks.views import ALIKE, BETTER, Stills, View, agreement, plates_of, stills_of
from capture.issues import Issue, issue

if TYPE_CHECKING:
    from capture.validate import Context


def check_plates(context: Context) -> Iterator[Issue]:
    """Exchanged cameras first; what they explain is not said again as a mirrored picture or a move."""
    plates = {camera: view for camera, view in plates_of(context).items() if view.detailed}
    stills = stills_of(context, plates)
    explained: dict[str, set[str]] = {camera: set() for camera in plates}
    for exchange in find_exchanged(plates, stills):
        for camera in exchange.cameras:
            explained[camera] |= set(exchange.takes)
        yield _swapped(exchange)
    for camera, plate in plates.items():
        explained[camera] |= yield from _mirrored(context, camera, plate, stills, explained[camera])
    yield from moved_cameras(context, plates, stills, explained)


def plain_cameras(context: Context) -> list[str]:
    """Cameras whose plate is so plain that nobody can tell from it whether they moved or changed places."""
    return [camera for camera, view in plates_of(context).items() if not view.detailed]


def _swapped(exchange: Exchange) -> Issue:
    names = sorted(exchange.cameras)
    where = f"cameras {', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else f"camera {names[0]}"
    shows = ", ".join(f"{camera} shows the plate of {place}" for camera, place in exchange.shows)
    found = (
        f"in {', '.join(exchange.takes)} {shows}: they agree by {exchange.other:.2f}, with their own {exchange.own:.2f}"
    )
    return issue("CAMERA_SWAPPED", where=where, expected="its own plate", found=found)


def _mirrored(
    context: Context, camera: str, plate: View, stills: Stills, skip: set[str]
) -> Generator[Issue, None, set[str]]:
    """Pictures that fit the plate only when left and right are exchanged; returns their takes."""
    takes = set()
    for take in context.session.take:
        views = {} if take.id in skip else stills.get((camera, take.id), {})
        turned = {light: view for light, view in views.items() if is_mirrored(view, plate)}
        if not turned:
            continue
        takes.add(take.id)
        whole = len(turned) == len(views)
        for light in ("*",) if whole else turned:
            found = f"{len(turned)} of {len(views)} lights fit the plate only when mirrored"
            yield issue(
                "PHOTO_MIRRORED", where=f"stills/{take.id}/{light}/{camera}", expected="as the plate", found=found
            )
    return takes


def is_mirrored(view: View, plate: View) -> bool:
    """Whether a picture fits the plate clearly better with left and right exchanged."""
    if view.log.shape != plate.log.shape:
        return False
    seen, empty = view.everywhere, plate.everywhere
    # A first look with whoever stands there spares the search for her in nearly all pictures.
    if float((seen[:, ::-1] * empty).sum()) <= float((seen * empty).sum()):
        return False
    turned = agreement(view.mirrored, plate)
    return turned > ALIKE and turned > agreement(view, plate) + BETTER
