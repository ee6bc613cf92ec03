"""What a still shows of the empty studio, small: its likeness to a plate wherever nobody stands.

Light changes smoothly over a backdrop and is no sign of a place; seams, stands and marks on the floor are. So smooth
light is taken out first, and a plate that shows nothing else has no say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.checks.foreground import foreground, log_small
from capture.images import Picture
from capture.session import Shot, ShotKind

if TYPE_CHECKING:
    from capture.validate import Context

F32: TypeAlias = NDArray[np.float32]
Bool: TypeAlias = NDArray[np.bool_]

ALIKE = 0.7  # correlation with the plate of the same place: 0.88 and more on real footage, others at most 0.45
BETTER = 0.25  # by which one explanation of a picture must beat another
_DETAIL = 0.012  # log light: a plate with less, smooth light taken out, shows no place; 8 bits alone leave 0.004
_AROUND = 4.0  # pixels of the small picture, standard deviation
_FREE = 0.2  # share of the picture that must be background
_UNLIKE = 0.45  # agreement of a plate with pictures of other places, at most


@dataclass(frozen=True)
class View:
    """What a picture shows, small."""

    log: F32  # (h, w, 3) log light
    pixels: Picture  # (H, W, 3) the thumbnail

    @property
    def detailed(self) -> bool:
        """Whether there is anything but smooth light."""
        return bool(self.everywhere.std() > _DETAIL)

    @property
    def everywhere(self) -> F32:
        """(h, w) detail, whoever stands there."""
        return detail(self.log, np.ones(self.log.shape[:2], dtype=bool))

    @property
    def mirrored(self) -> View:
        """Left and right exchanged."""
        return View(np.ascontiguousarray(self.log[:, ::-1]), np.ascontiguousarray(self.pixels[:, ::-1]))


Stills: TypeAlias = Mapping[tuple[str, str], Mapping[str, View]]  # (camera, take) -> light -> view


def view_of(context: Context, shot: Shot) -> View | None:
    """The thumbnail of a shot, or None where it did not decode."""
    if shot not in context.thumbnails:
        return None
    pixels = context.thumbnails.picture(shot)
    return View(log_small(pixels), pixels)


def plates_of(context: Context) -> dict[str, View]:
    """The plates that decode, by camera."""
    shots = [Shot(ShotKind.PLATE, camera.id) for camera in context.session.camera]
    return {shot.camera: view for shot in shots if (view := view_of(context, shot)) is not None}


def stills_of(context: Context, cameras: Iterable[str]) -> dict[tuple[str, str], dict[str, View]]:
    """The stills of some cameras that decode, by camera and take, then by light."""
    wanted = set(cameras)
    found: dict[tuple[str, str], dict[str, View]] = {}
    for shot in context.session.stills():
        view = view_of(context, shot) if shot.camera in wanted else None
        if view is not None:
            found.setdefault((shot.camera, shot.group), {})[shot.light] = view
    return found


def best_agreement(views: Iterable[View], plate: View) -> float:
    """The best `agreement` of any of the pictures, at least 0. One good picture is enough to stop."""
    best = 0.0
    for view in views:
        best = max(best, agreement(view, plate))
        if best >= 1 - BETTER:
            break
    return best


def agreement(view: View, plate: View) -> float:
    """Correlation, -1 to 1, of a picture with a plate outside of whoever stands there; smooth light is taken out.

    0 where too little of the background is to be seen, and for pictures of two sizes.
    """
    if view.log.shape != plate.log.shape:
        return 0.0
    free = free_background(view, plate)
    if free.mean() < _FREE:
        return 0.0
    seen, empty = (detail(log, free)[free] for log in (view.log, plate.log))
    strength = float(seen.std() * empty.std())
    return float(((seen - seen.mean()) * (empty - empty.mean())).mean() / strength) if strength > 0 else 0.0


def contradicts(views: Iterable[View], plate: View) -> bool:
    """Whether the pictures show another place than a plate does; False where they show too little to tell."""
    telling = [v for v in views if v.log.shape == plate.log.shape and free_background(v, plate).mean() >= _FREE]
    return bool(plate.detailed and telling and best_agreement(telling, plate) < _UNLIKE)


def free_background(view: View, plate: View) -> Bool:
    """Where both show the empty studio, (h, w)."""
    near = cv2.dilate(foreground(view.log, plate.log).astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(near == 0)


def detail(log: F32, free: Bool) -> F32:
    """Log light (h, w, 3) as grey, less its surroundings in the free places and without extremes: 0 off those.

    A shadow on the floor has a strong border, which would otherwise outweigh everything else.
    """
    grey = cast(F32, log.mean(axis=2))
    weight = free.astype(np.float32)
    near = cv2.GaussianBlur(grey * weight, (0, 0), _AROUND) / np.maximum(
        cv2.GaussianBlur(weight, (0, 0), _AROUND), 1e-3
    )
    rest = np.where(free, grey - near, 0)
    usual = 1.4826 * float(np.median(np.abs(rest[free]))) if free.any() else 0.0
    return np.clip(rest, -2 * usual, 2 * usual).astype(np.float32)
