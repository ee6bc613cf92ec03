"""Her own shading as a check of the lights: each still is asked which light lit it, by normals from the other stills.

The normals of a still come from the stills under the other lights of the same take and camera, so that a picture never
vouches for itself. Cameras vote, because one that sees her from behind can hardly tell the lights before her apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.colour.profile import read_srgb
from calibration.colour.reference import LUMINANCE
from calibration.lights.lamp import Lamp
from calibration.lights.normals import Surface, fit_normals, lighting_of, rank_lights
from calibration.pose import Floats
from capture.decode.picture import ImageError, Picture
from capture.images import write_png
from capture.issues import Issue, JsonObject, issue
from capture.session import Shot, ShotKind
from capture.stage.tone import decode_table
from capture.take_masks import take_masks

if TYPE_CHECKING:
    from pathlib import Path

    from calibration.rig import RigCalibration
    from capture.session import Session, Take
    from capture.validate import ValidatedSession

_LEAST_LIGHTS = 4  # three give the normals, the fourth is asked
_CAMERAS = 5  # that are asked, evenly around her
_PIXELS = 1200  # of a camera; more of them say the same
_ROUNDS = 12  # enough to tell lights apart
_SIDE = 384  # pixels of a map of normals, and of what is read for the check
_CLIPPED = 250
_LEAST_SHARE = 0.3  # of her pixels that must have a certain normal before a camera may vote
# Misfit of the best other light over that of the declared one, median of the cameras. On the stage wrong lights leave
# at most 0.05 and right ones 1.01 and more (four clean shoots of two takes, 4 to 8 lights; three with a wrong light).
_WRONG = 0.6


Named: TypeAlias = tuple[str, float]  # another light, and the share of the misfit that is left with its name
Powers: TypeAlias = dict[str, tuple[Floats, float, float]]  # direction, intensity, ambient


@dataclass(frozen=True, eq=False)
class Stills:
    """The stills of one take and camera under the measured lights, at the pixels that show her."""

    names: tuple[str, ...]
    light: Floats  # (L, N) linear luminance
    usable: NDArray[np.bool_]  # (L, N) not clipped
    mask: NDArray[np.bool_]  # (H, W) with N pixels
    view: Floats  # (3,) unit vector from her to the camera


def check_shading(
    validated: ValidatedSession, rig: RigCalibration, lamps: Sequence[Lamp]
) -> tuple[list[Issue], JsonObject]:
    """LIGHT_MISMATCH for each light of a take whose stills were lit by another one, and the misfits of the right ones.

    Takes under fewer than four measured lights are not asked.
    """
    issues: list[Issue] = []
    facts: JsonObject = {}
    powers = powers_of(lamps, validated.session)
    for take in validated.session.take:
        names = [x for x in validated.session.lights_of(take) if x in powers]
        if len(names) < _LEAST_LIGHTS:
            continue
        stacks = _stacks(validated, rig, take, powers)
        first = {name: _best(_votes(stacks, name, set(), powers)) for name in names}
        told: JsonObject = {name: round(best[1], 3) for name, best in first.items() if best}
        suspects = sorted((n for n, best in first.items() if best and best[1] < _WRONG), key=lambda n: _share(first[n]))
        for name, (other, share) in _confirmed(stacks, suspects, first, powers).items():
            found = f"shaded as by {other} ({share:.0%} of the misfit is left with that name)"
            issues.append(issue("LIGHT_MISMATCH", where=f"stills/{take.id}/{name}", expected=name, found=found))
        facts[take.id] = told
    return issues, facts


def powers_of(lamps: Sequence[Lamp], session: Session) -> Powers:
    """Direction, intensity and ambient light of each lamp; strength as session.toml declares it where none was seen."""
    powers = {}
    for lamp in lamps:
        light = session.find_light(lamp.id)
        if lamp.intensity is not None and lamp.ambient is not None:
            powers[lamp.id] = (lamp.direction, lamp.intensity, lamp.ambient)
        else:
            share = float(np.array(light.colour) @ LUMINANCE)
            powers[lamp.id] = (lamp.direction, light.intensity * share, light.ambient * share)
    return powers


def write_normals(
    validated: ValidatedSession, rig: RigCalibration, lamps: Sequence[Lamp], folder: Path
) -> dict[str, Surface]:
    """Maps of world normals of the first take under three measured lights or more, one PNG for each camera.

    A pixel holds 127.5 (n + 1) of x, y and z as red, green and blue; black is not her, or not certain. Returns what was
    fitted, by camera.
    """
    powers = powers_of(lamps, validated.session)
    lit = [t for t in validated.session.take if sum(x in powers for x in validated.session.lights_of(t)) >= 3]
    found: dict[str, Surface] = {}
    for take in lit[:1]:
        masks = take_masks(validated, take)
        for camera in rig.cameras:
            stills = read_stills(validated, take, camera, masks.get(camera.id), tuple(powers))
            if stills is None or len(stills.names) < 3:
                continue
            lighting = lighting_of([powers[name] for name in stills.names])
            surface = fit_normals(stills.light, stills.usable, lighting, stills.view)
            drawn = np.zeros((*stills.mask.shape, 3), dtype=np.uint8)
            drawn[stills.mask] = np.where(surface.certain[:, None], 127.5 * (surface.normals + 1), 0)[:, ::-1].round()
            write_png(folder / take.id / f"{camera.id}.png", drawn)
            found[camera.id] = surface
    return found


def read_stills(
    validated: ValidatedSession, take: Take, camera: Camera, mask: NDArray[np.bool_] | None, lights: Sequence[str]
) -> Stills | None:
    """The stills of a take and camera at small size; None where she cannot be told from the background."""
    if mask is None or not mask.any():
        return None
    scale = min(1.0, _SIDE / max(mask.shape))
    size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
    cover = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    inner = np.asarray(cover > 0.99)
    if not inner.any():
        return None
    names, rows, usable = [], [], []
    for name in validated.session.lights_of(take):
        original = validated.find(Shot(ShotKind.STILL, camera.id, take.id, name)) if name in lights else None
        if original is None:
            continue
        try:
            picture = read_srgb(original.path)
        except ImageError:
            continue  # its issue is in the report of ingest
        if picture.shape[:2] != mask.shape:
            continue
        light, clear = _reduced(picture, size)
        names.append(name)
        rows.append(light[inner])
        usable.append(clear[inner])
    if not names:
        return None
    view = _toward(camera)
    return Stills(tuple(names), np.array(rows), np.array(usable), inner, view)


def _reduced(picture: Picture, size: tuple[int, int]) -> tuple[Floats, NDArray[np.bool_]]:
    """Linear luminance (h, w) of a picture at a small size, and where nothing in it is clipped."""
    linear = decode_table()[picture[..., ::-1]] @ LUMINANCE.astype(np.float32)
    small = cv2.resize(linear, size, interpolation=cv2.INTER_AREA)
    clipped = cv2.resize((picture >= _CLIPPED).any(axis=2).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float64), np.asarray(clipped < 0.01)


def _toward(camera: Camera) -> Floats:
    """Unit vector (3,) against the line of sight of the camera."""
    return np.asarray(-camera.world_from_camera.rotation[:, 2])


def _stacks(validated: ValidatedSession, rig: RigCalibration, take: Take, powers: Powers) -> list[tuple[Stills, int]]:
    """The stills of some cameras around her, each with the step between the pixels that are asked."""
    masks = take_masks(validated, take)
    cameras = [c for c in rig.cameras if c.id in masks]
    found = []
    for camera in cameras[:: max(1, -(-len(cameras) // _CAMERAS))]:
        stills = read_stills(validated, take, camera, masks[camera.id], tuple(powers))
        if stills is not None:
            found.append((stills, max(1, stills.light.shape[1] // _PIXELS)))
    return found


def _votes(
    stacks: Sequence[tuple[Stills, int]], name: str, without: set[str], powers: Powers
) -> dict[str, list[float]]:
    """For each other light its misfit over that of the declared one, by camera; some lights vouch for nothing."""
    votes: dict[str, list[float]] = {}
    for stills, every in stacks:
        others = [k for k, n in enumerate(stills.names) if n != name and n not in without]
        if name not in stills.names or len(others) < 3:
            continue
        light, usable, k = stills.light[:, ::every], stills.usable[:, ::every], stills.names.index(name)
        lighting = lighting_of([powers[stills.names[j]] for j in others])
        surface = fit_normals(light[others], usable[others], lighting, stills.view, rounds=_ROUNDS)
        if surface.certain.mean() < _LEAST_SHARE:
            continue
        misfits = rank_lights(light[k], usable[k], surface, {n: powers[n] for n in stills.names})
        own = misfits.pop(name, None)
        for other, misfit in misfits.items() if own is not None else ():
            votes.setdefault(other, []).append(misfit / max(own or 0.0, 1e-6))
    return votes


def _confirmed(
    stacks: Sequence[tuple[Stills, int]], suspects: Sequence[str], first: Mapping[str, Named | None], powers: Powers
) -> dict[str, Named]:
    """The suspects that stay so when the light they were taken for vouches for nothing.

    A picture under two names accuses both. Where too few lights are left to tell which, the likelier one is named.
    """
    wrong: dict[str, Named] = {}
    open_cases: dict[str, Named] = {}
    for name in suspects:
        accused = first[name]
        partner = accused[0] if accused else ""
        again = _best(_votes(stacks, name, {*wrong, partner}, powers)) or _best(
            _votes(stacks, name, set(wrong), powers)
        )
        if again and again[1] < _WRONG:
            wrong[name] = again
        elif again:
            open_cases[name] = again
    if open_cases and not wrong:
        name = min(open_cases, key=lambda n: open_cases[n][1])
        wrong[name] = first[name] or open_cases[name]
    return wrong


def _best(votes: dict[str, list[float]]) -> Named | None:
    """The other light that the cameras find most likely, and the median share of the misfit that it leaves."""
    if not votes:
        return None
    shares = {name: float(np.median(ratios)) for name, ratios in votes.items()}
    name = min(shares, key=lambda k: shares[k])
    return name, shares[name]


def _share(best: Named | None) -> float:
    return np.inf if best is None else best[1]
