"""The background of the stills against the empty studio: exchanged cameras, mirrored pictures, a camera that moved.

Light changes smoothly over a backdrop and is no sign of a place; seams, stands and marks on the floor are. So smooth
light is taken out first, and a camera whose plate shows nothing else has no say: `plain_cameras` names them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.checks.subject import foreground, log_small
from capture.images import ImageError, Picture, read_image
from capture.issues import Issue, issue
from capture.session import Shot, ShotKind
from capture.shift import Shift, measure_shift

if TYPE_CHECKING:
    from capture.validate import Context, Original

F32: TypeAlias = NDArray[np.float32]
Bool: TypeAlias = NDArray[np.bool_]

_DETAIL = 0.012  # log light: a plate with less, smooth light taken out, shows no place; 8 bits alone leave 0.004
_AROUND = 4.0  # pixels of the small picture, standard deviation
_FREE = 0.2  # share of the picture that must be background
_ALIKE = 0.7  # correlation with the plate of the same place: 0.88 and more on real footage, others at most 0.45
_BETTER = 0.25  # by which another plate must beat the camera's own
_MOVED_PX = 0.6  # in the file; the measure is true within 0.1
_DOUBTFUL = 0.8  # agreement below which an earlier take is looked at closely, too
_MOVED_TILES = 5
_REFINED_PX = 2000  # long side at which the last word is spoken
_SPREAD = 0.35  # of the move: tiles that disagree more saw something else


def check_plates(context: Context) -> Iterator[Issue]:
    """Exchanged cameras first; what they explain is not said again as a mirrored picture or a move."""
    plates = {camera: view for camera, view in _plates(context).items() if view.detailed}
    stills = _stills(context, list(plates))
    swapped: set[str] = set()
    for pair, takes, (own, other) in find_swapped(plates, stills):
        swapped |= set(pair)
        found = (
            f"in {', '.join(takes)} each shows the other's plate: they agree by {other:.2f}, with their own {own:.2f}"
        )
        yield issue("CAMERA_SWAPPED", where=f"cameras {pair[0]} and {pair[1]}", expected="its own plate", found=found)
    for camera in plates:
        if camera not in swapped:
            mirrored = yield from _mirrored(context, camera, plates[camera], stills)
            yield from _moved(context, camera, plates[camera], mirrored)


def plain_cameras(context: Context) -> list[str]:
    """Cameras whose plate is so plain that nobody can tell from it whether they moved or changed places."""
    return [camera for camera, view in _plates(context).items() if not view.detailed]


@dataclass(frozen=True)
class View:
    """What a picture shows, small."""

    log: F32  # (h, w, 3) log light
    pixels: Picture  # (H, W, 3) the thumbnail

    @property
    def detailed(self) -> bool:
        """Whether there is anything but smooth light."""
        grey = _grey(self.log)
        return bool(_detail(grey, np.ones(grey.shape, dtype=bool)).std() > _DETAIL)

    @property
    def mirrored(self) -> View:
        """Left and right exchanged."""
        return View(np.ascontiguousarray(self.log[:, ::-1]), np.ascontiguousarray(self.pixels[:, ::-1]))


Stills: TypeAlias = dict[tuple[str, str], dict[str, View]]  # (camera, take) -> light -> view


def find_swapped(
    plates: Mapping[str, View], stills: Mapping[tuple[str, str], Mapping[str, View]]
) -> list[tuple[tuple[str, str], list[str], tuple[float, float]]]:
    """Pairs of cameras that show each other's plate: the pair, the takes, and their agreement with own and other."""
    # Nothing can beat a good agreement by enough, which spares most comparisons.
    doubtful = {
        place: own for place, views in stills.items() if (own := agreement(views, plates[place[0]])) < 1 - _BETTER
    }
    found = []
    for pair in combinations(plates, 2):
        takes, scores = [], []
        for take in dict.fromkeys(take for _, take in stills):
            places = [(camera, take) for camera in pair]
            if not all(place in doubtful for place in places):
                continue
            first, second = (stills[place] for place in places)
            own = max(doubtful[place] for place in places)
            other = min(agreement(first, plates[pair[1]]), agreement(second, plates[pair[0]]))
            if other > _ALIKE and other > own + _BETTER:
                takes.append(take)
                scores.append((own, other))
        if takes:
            found.append((pair, takes, cast("tuple[float, float]", tuple(np.median(scores, axis=0)))))
    return found


def agreement(views: Mapping[str, View], plate: View) -> float:
    """The best correlation, -1 to 1, of any of the pictures with a plate outside of whoever stands there; smooth light
    is taken out. 0 where too little of the background is to be seen. One good picture is enough to stop.
    """
    best = 0.0
    for view in views.values():
        best = max(best, _agreement(view, plate))
        if best >= 1 - _BETTER:
            break
    return best


def _agreement(view: View, plate: View) -> float:
    if view.log.shape != plate.log.shape:
        return 0.0
    free = free_background(view, plate)
    if free.mean() < _FREE:
        return 0.0
    seen, empty = (_detail(_grey(log), free)[free] for log in (view.log, plate.log))
    strength = float(seen.std() * empty.std())
    return float(((seen - seen.mean()) * (empty - empty.mean())).mean() / strength) if strength > 0 else 0.0


def free_background(view: View, plate: View) -> Bool:
    """Where both show the empty studio, (h, w)."""
    near = cv2.dilate(foreground(view.log, plate.log).astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(near == 0)


def _grey(log: F32) -> F32:
    return cast(F32, log.mean(axis=2))


def _detail(grey: F32, free: Bool) -> F32:
    """A picture (h, w) less its surroundings in the free places, and without extremes: 0 off the free places.

    A shadow on the floor has a strong border, which would otherwise outweigh everything else.
    """
    weight = free.astype(np.float32)
    near = cv2.GaussianBlur(grey * weight, (0, 0), _AROUND) / np.maximum(
        cv2.GaussianBlur(weight, (0, 0), _AROUND), 1e-3
    )
    detail = np.where(free, grey - near, 0)
    usual = 1.4826 * float(np.median(np.abs(detail[free]))) if free.any() else 0.0
    return np.clip(detail, -2 * usual, 2 * usual).astype(np.float32)


def _plates(context: Context) -> dict[str, View]:
    shots = [Shot(ShotKind.PLATE, camera.id) for camera in context.session.camera]
    return {shot.camera: view for shot in shots if (view := _view(context, shot)) is not None}


def _stills(context: Context, cameras: Sequence[str]) -> Stills:
    found: Stills = {}
    for shot in context.session.stills():
        view = _view(context, shot) if shot.camera in cameras else None
        if view is not None:
            found.setdefault((shot.camera, shot.group), {})[shot.light] = view
    return found


def _view(context: Context, shot: Shot) -> View | None:
    if shot not in context.thumbnails:
        return None
    pixels = context.thumbnails.picture(shot)
    return View(log_small(pixels), pixels)


def _mirrored(context: Context, camera: str, plate: View, stills: Stills) -> Generator[Issue, None, list[str]]:
    """Pictures that fit the plate only when left and right are exchanged; returns their takes."""
    takes = []
    for take in context.session.take:
        views = stills.get((camera, take.id), {})
        turned = {light: view for light, view in views.items() if is_mirrored(view, plate)}
        if not turned:
            continue
        takes.append(take.id)
        whole = len(turned) == len(views)
        for light in ("*",) if whole else turned:
            found = f"{len(turned)} of {len(views)} lights fit the plate only when mirrored"
            yield issue(
                "PHOTO_MIRRORED", where=f"stills/{take.id}/{light}/{camera}", expected="as the plate", found=found
            )
    return takes


def is_mirrored(view: View, plate: View) -> bool:
    """Whether a picture fits the plate clearly better with left and right exchanged."""
    everywhere = np.ones(plate.log.shape[:2], dtype=bool)
    if view.log.shape != plate.log.shape:
        return False
    seen, empty = (_detail(_grey(log), everywhere) for log in (view.log, plate.log))
    # A first look with whoever stands there spares the search for her in nearly all pictures.
    if float((seen[:, ::-1] * empty).sum()) <= float((seen * empty).sum()):
        return False
    turned = _agreement(view.mirrored, plate)
    return turned > _ALIKE and turned > _agreement(view, plate) + _BETTER


def _moved(context: Context, camera: str, plate: View, skip: Sequence[str]) -> Iterator[Issue]:
    """The takes of one camera from the last back: a pushed camera stays where it is, so one look is mostly enough."""
    originals = {o.shot: o for o in context.originals}
    empty = originals.get(Shot(ShotKind.PLATE, camera))
    takes = [t for t in context.session.take if t.id not in skip and camera in context.session.cameras_of(t)]
    chosen = [(take.id, c) for take in takes if (c := _clearest(context, originals, (camera, take.id), plate))]
    if empty is None or not chosen:
        return
    full = _Full(empty)
    moves: dict[str, Shift] = {}
    look_closer = True  # at the last take: a camera stays where it was pushed to
    for take, (original, view) in reversed(chosen):
        look_closer = look_closer or _agreement(view, plate) < _DOUBTFUL
        shift = full.move(original, free_background(view, plate)) if look_closer else None
        if shift is not None:
            moves[take] = shift
        look_closer = shift is not None
    if moves:
        first = next(take for take, _ in chosen if take in moves)
        shift = max((moves[take] for take in moves), key=lambda s: s.length)
        found = f"{shift.length:.1f} px ({shift.x:+.1f} right, {shift.y:+.1f} down) against the plate since {first}"
        also = [take for take, _ in chosen if take in moves and take != first]
        found += f", also in {', '.join(also)}" if also else ""
        expected = f"within {_MOVED_PX:g} px of the plate"
        yield issue("CAMERA_MOVED", where=f"stills/{first}/*/{camera}", expected=expected, found=found)


def _clearest(
    context: Context, originals: Mapping[Shot, Original], place: tuple[str, str], plate: View
) -> tuple[Original, View] | None:
    """The still of a camera and take whose light is most like the plate's."""
    best: tuple[float, Original, View] | None = None
    for light in context.session.lights_of(context.session.find_take(place[1])):
        original = originals.get(Shot(ShotKind.STILL, place[0], place[1], light))
        view = _view(context, original.shot) if original is not None else None
        if original is None or view is None or view.log.shape != plate.log.shape:
            continue
        difference = float(np.median(np.abs(view.log - plate.log)))
        if best is None or difference < best[0]:
            best = (difference, original, view)
    return None if best is None else best[1:]


class _Full:
    """The plate at full size, decoded once and only when a still is compared with it."""

    def __init__(self, plate: Original) -> None:
        self._original = plate
        self._plate: Picture | None = None

    def move(self, original: Original, free: Bool) -> Shift | None:
        """How far the camera moved, in pixels of the file, or None where it did not or the files cannot tell."""
        try:
            still = _reduced(read_image(original.path))
            if self._plate is None:
                self._plate = _reduced(read_image(self._original.path))
        except ImageError:
            return None  # it decoded a moment ago; check_files has the word on files
        if still.shape != self._plate.shape:
            return None
        shift = measure_shift(self._plate, still, _enlarged(free, still.shape[:2]))
        if shift is None:
            return None
        scale = original.width / still.shape[1]
        full = Shift(scale * shift.x, scale * shift.y, shift.tiles, scale * shift.spread)
        moved = full.tiles >= _MOVED_TILES and full.length > max(_MOVED_PX, full.spread / _SPREAD)
        return full if moved else None


def _reduced(picture: Picture) -> Picture:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    scale = min(1.0, _REFINED_PX / max(grey.shape))
    size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
    return cast(Picture, cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey)


def _enlarged(free: Bool, shape: tuple[int, ...]) -> Bool:
    return np.asarray(cv2.resize(free.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0)
