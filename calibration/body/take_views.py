"""The views of one take from a session in the vault: pictures, masks and colours; and her bare skin in a view."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from calibration.body.hull import THREADS
from calibration.body.view import BodyView, make_view
from calibration.colour.correction import apply
from calibration.colour.profile import read_srgb
from calibration.colour.step import ARTEFACT as COLOUR
from calibration.colour.step import load_colours
from capture import store
from capture.decode.picture import ImageError, Picture
from capture.issues import Issue, issue
from capture.session import Shot, ShotKind, Take
from capture.take_masks import spread_lights, stills_of, take_masks

if TYPE_CHECKING:
    from calibration.rig import RigCalibration
    from capture.validate import ValidatedSession
    from capture.vault import SessionFolder

Correct: TypeAlias = Callable[[Shot, Picture], Picture]


@dataclass(frozen=True, eq=False)
class Look:
    """How the colours of a picture are put right before they are laid on her, and what stands for that on disk."""

    correct: Correct
    digest: str


def look_of(folder: SessionFolder) -> Look | None:
    """The session's own colours, with the light left as it was; None where they were not measured."""
    if not (folder.derived(COLOUR) / f"{COLOUR}.json").is_file():
        return None
    colours = load_colours(folder)
    if not colours.measured:
        return None

    def correct(shot: Shot, picture: Picture) -> Picture:
        return apply(picture, colours.of(shot.camera, shot.light), keep_light=True)

    return Look(correct, store.read(folder.derived(COLOUR), COLOUR).digest)


def take_views(
    validated: ValidatedSession, rig: RigCalibration, take: Take, *, look: Look | None, work_px: int
) -> tuple[list[BodyView], list[Issue]]:
    """A view for each camera of a take that is in the rig, has a plate, and in whose pictures she is found."""
    masks = take_masks(validated, take)
    placed = {camera.id: camera for camera in rig.cameras}
    issues = []
    for name in validated.session.cameras_of(take):
        if name not in placed:
            issues.append(
                issue("BODY_CAMERA_NOT_PLACED", where=f"camera {name}", expected="a place in the rig", found="none")
            )
        elif validated.find(Shot(ShotKind.PLATE, name)) is None:
            issues.append(issue("PLATE_MISSING", where=f"camera {name}", expected="a plate, for her outline"))
        elif name in masks and not masks[name].any():
            issues.append(issue("PERSON_NOT_FOUND", where=f"{take.id} camera {name}"))

    def view(name: str) -> BodyView | Issue:
        pictures = []
        for original in spread_lights(stills_of(validated, take, name)):
            try:
                picture = read_srgb(original.path)
            except ImageError as err:
                return issue(err.code, where=original.shot.stem, found=err.detail)
            pictures.append(picture if look is None else look.correct(original.shot, picture))
        camera = placed[name]
        sizes = {p.shape[:2] for p in (*pictures, masks[name])}
        if sizes != {(camera.height, camera.width)}:
            text = " and ".join(f"{w} x {h}" for h, w in sorted(sizes))
            wanted = f"{camera.width} x {camera.height} as calibrated"
            return issue("BODY_SIZE_DIFFERS", where=f"camera {name}", expected=wanted, found=text)
        return make_view(camera, pictures, masks[name], work_px=work_px)

    with ThreadPoolExecutor(THREADS) as pool:
        made = list(pool.map(view, [name for name, mask in masks.items() if name in placed and mask.any()]))
    issues += [m for m in made if isinstance(m, Issue)]
    return [m for m in made if isinstance(m, BodyView)], issues
