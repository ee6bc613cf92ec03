"""The step: directions, positions and strengths of a session's lights, into derived/lights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy.optimize import nnls

from calibration.colour.profile import read_srgb
from calibration.colour.reference import LUMINANCE
from calibration.lights.ball import Ball, Rim, find_rim, place_ball
from calibration.lights.highlight import Highlight, find_highlight
from calibration.lights.lamp import Lamp, angle_deg, declared, solve_lamp
from calibration.lights.page import render_page
from calibration.lights.shading import check_shading, write_normals
from capture import store
from capture.decode.picture import ImageError, Picture
from capture.issues import Issue, JsonObject, Report, issue
from capture.session import Light, Shot, ShotKind

if TYPE_CHECKING:
    from calibration.colour.correction import WhiteSeen
    from calibration.colour.step import Colours
    from calibration.rig import RigCalibration
    from capture.validate import Original, ValidatedSession
    from capture.vault import SessionFolder

ARTEFACT = "lights"
NORMALS = "normals"  # a folder of maps, one for each take and camera
_METHOD = 3  # raise it when the same pictures give other lights
_OFF_PLAN_DEG = 15.0  # angles in session.toml are estimated by eye
_MOVED_M = 0.01  # a ball farther from its common place was hung anew for that light
_LEAST_TILT = 0.3  # range of the cosines to a light that parts its beam from the ambient light


@dataclass(frozen=True, eq=False)
class _Look:
    """One picture of the ball."""

    original: Original
    rim: Rim


def calibrate_lights(
    validated: ValidatedSession, rig: RigCalibration, colours: Colours | None = None, *, force: bool = False
) -> tuple[tuple[Lamp, ...], Report]:
    """Measure the lights of a session from its ball pictures into derived/lights, and her normals under them.

    Directions come from the ball; colour, intensity and ambient light from what `calibrate_colour` saw of card or
    board. Lights that session.toml declares elsewhere are LIGHT_OFF_PLAN; a ball or still that was lit by another light
    than its name says is LIGHT_MISMATCH. Does nothing when the result is there already, unless `force`.
    """
    folder = validated.folder.derived(ARTEFACT)
    steps = ["calibration"] if colours is None else ["calibration", "colour"]
    inputs = {"ingest": validated.digest}
    inputs |= {step: store.read(validated.folder.derived(step), step).digest for step in steps}
    settings: JsonObject = {"method": _METHOD}
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        done = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
        return load_lights(validated.folder), Report(done.step, done.issues, {**done.facts, "skipped": True})
    store.reopen(folder, ARTEFACT)
    shutil.rmtree(folder / NORMALS, ignore_errors=True)
    lamps, report = measure(validated, rig, colours)
    surfaces = write_normals(validated, rig, lamps, folder / NORMALS)
    certain: JsonObject = {name: round(float(surface.certain.mean()), 3) for name, surface in surfaces.items()}
    report = Report(report.step, report.issues, {**report.facts, "normals_certain": certain})
    store.write_json(folder / "report.json", report.to_json())
    maps = sorted((folder / NORMALS).rglob("*.png"), key=lambda path: -surfaces[path.stem].certain.mean())
    store.write_atomic(folder / "report.html", render_page(lamps, rig.cameras, report, validated.session, maps))
    result: JsonObject = {"lamps": [lamp.to_json() for lamp in lamps]}
    consent = validated.session.session.consent
    store.finish(folder, ARTEFACT, consent=consent, inputs=inputs, settings=settings, result=result)
    return lamps, report


def load_lights(folder: SessionFolder) -> tuple[Lamp, ...]:
    """What `calibrate_lights` wrote. Raises IncompleteInput when it has not run or did not finish."""
    result = store.read(folder.derived(ARTEFACT), ARTEFACT).result
    return tuple(Lamp.from_json(row) for row in cast("list[JsonObject]", result["lamps"]))


def measure(
    validated: ValidatedSession, rig: RigCalibration, colours: Colours | None
) -> tuple[tuple[Lamp, ...], Report]:
    """The lights of a session and what is wrong with them; nothing is written."""
    issues: list[Issue] = []
    highlights, balls = _highlights(validated, rig, issues)
    session = validated.session
    lamps = []
    for light in session.light:
        seen = highlights.get(light.id, [])
        if not seen:
            if balls:  # without any ball that is what is said already
                issues.append(issue("LIGHT_NOT_SEEN", where=f"calibration/ball/{light.id}", found="no bright spot"))
            continue
        lamp, odd = solve_lamp(light.id, seen)
        lamps.append(_powered(lamp, light, colours))
        issues += _odd(lamp, odd, seen)
        issues += _against_plan(lamp, light, session.light)
    shaded, facts = check_shading(validated, rig, lamps)
    issues += shaded
    return tuple(lamps), Report("lights", tuple(issues), {**_facts(lamps, session.light, balls), "shading": facts})


def _highlights(
    validated: ValidatedSession, rig: RigCalibration, issues: list[Issue]
) -> tuple[dict[str, list[Highlight]], list[Ball]]:
    """The spots of each light, in every place of the ball; pictures are read twice rather than held."""
    ball = validated.session.calibration.ball
    known = {camera.id: camera for camera in rig.cameras}
    found: dict[str, list[Highlight]] = {}
    balls: list[Ball] = []
    if ball is None:
        return found, balls
    originals = [o for o in validated.of_kind(ShotKind.BALL) if o.shot.camera in known]
    plates = {name: _plate(validated, name) for name in sorted({o.shot.camera for o in originals})}
    for place in sorted({o.shot.group for o in originals}):
        there = [o for o in originals if o.shot.group == place]
        rims: dict[Shot, Rim | None] = {}
        for o in there:
            picture = _read(o, issues)
            camera = known[o.shot.camera]
            rims[o.shot] = None if picture is None else find_rim(picture, camera, plates[camera.id])
        placed = _placed([_Look(o, rim) for o in there if (rim := rims[o.shot]) is not None], ball.diameter_m)
        balls += list(placed.values())
        for original in there:
            shot = original.shot
            where = placed.get(shot.light, next(iter(placed.values()), None))
            picture = None if where is None else _read(original, [])
            seen = None if picture is None or where is None else find_highlight(picture, known[shot.camera], where)
            if seen is not None:
                found.setdefault(shot.light, []).append(seen)
            elif rims[shot] is None:
                # Other pictures place the ball too, so that a rim lost before paper of its own grey does no harm.
                issues.append(issue("BALL_NOT_FOUND", where=shot.stem, expected="a round rim", found="none"))
    return found, balls


def _plate(validated: ValidatedSession, camera: str) -> Picture | None:
    original = validated.find(Shot(ShotKind.PLATE, camera))
    return None if original is None else _read(original, [])


def _placed(looks: Sequence[_Look], diameter_m: float) -> dict[str, Ball]:
    """The ball under each light: one place for all, unless somebody hung it anew in between."""
    if not looks:
        return {}
    common, _ = place_ball([look.rim for look in looks], diameter_m)
    balls = {}
    for light in dict.fromkeys(look.original.shot.light for look in looks):
        alone, _ = place_ball([look.rim for look in looks if look.original.shot.light == light], diameter_m)
        moved = float(np.linalg.norm(alone.centre - common.centre))
        balls[light] = alone if moved > max(_MOVED_M, 4 * alone.sigma_m) else common
    return balls


def _read(original: Original, issues: list[Issue]) -> Picture | None:
    try:
        return read_srgb(original.path)
    except ImageError as err:
        issues.append(issue(err.code, where=original.shot.stem, found=err.detail))
        return None


def _powered(lamp: Lamp, light: Light, colours: Colours | None) -> Lamp:
    """The lamp with colour and strength, where white surfaces were seen under it at different tilts."""
    if colours is None:
        return lamp
    for by in ("chart", "board"):
        whites = [w for w in colours.whites if w.light == light.id and w.by == by]
        power = strength(lamp, whites)
        if power is not None:
            return lamp.with_power(colours.lights[light.id], *power, by)
    return lamp


def strength(lamp: Lamp, whites: Sequence[WhiteSeen]) -> tuple[float, float] | None:
    """Intensity and ambient light of a lamp: the level of white surfaces over the cosine to it (Lambert).

    None where there are fewer than three surfaces, or all are lit at about the same angle.
    """
    if len(whites) < 3:
        return None
    cosine = np.maximum(np.array([w.facing for w in whites]) @ lamp.direction, 0)
    if float(np.ptp(cosine)) < _LEAST_TILT:
        return None
    level = np.array([float(w.level @ LUMINANCE) for w in whites])
    (ambient, intensity), _ = nnls(np.stack([np.ones(len(cosine)), cosine], axis=1), level)
    return float(intensity), float(ambient)


def _odd(lamp: Lamp, odd: Sequence[Highlight], seen: Sequence[Highlight]) -> Iterator[Issue]:
    where = f"calibration/ball/{lamp.id}"
    for highlight in odd:
        gap = angle_deg(highlight.direction, lamp.direction)
        found = f"{highlight.camera}: {gap:.0f} degrees off"
        yield issue("LIGHT_DISAGREES", where=f"{where}/{highlight.camera}", expected="the same place", found=found)
    rivals = [h.camera for h in seen if h.rival]
    if len(rivals) * 2 > len(seen):
        found = f"a second spot of that size in {', '.join(rivals)}"
        yield issue("LIGHT_DISAGREES", where=where, expected="one bright spot", found=found)


def _against_plan(lamp: Lamp, light: Light, lights: Sequence[Light]) -> Iterator[Issue]:
    """Whether the light that the ball shows is the one that its file names."""
    own = angle_deg(lamp.direction, declared(light))
    if own < _OFF_PLAN_DEG:
        return
    where = f"calibration/ball/{light.id}"
    expected = f"azimuth {light.azimuth_deg:.0f}, elevation {light.elevation_deg:.0f} degrees"
    found = f"azimuth {lamp.azimuth_deg:.0f}, elevation {lamp.elevation_deg:.0f} degrees, {own:.0f} off"
    name, gap = which_light(lamp, lights)
    if name != light.id and gap < _OFF_PLAN_DEG:
        yield issue("LIGHT_MISMATCH", where=where, expected=light.id, found=f"{found}: that is {name}")
    else:
        yield issue("LIGHT_OFF_PLAN", where=where, expected=expected, found=found)


def which_light(lamp: Lamp, lights: Sequence[Light]) -> tuple[str, float]:
    """The declared light that a measured direction is nearest to, and how far from it in degrees."""
    gaps = {light.id: angle_deg(lamp.direction, declared(light)) for light in lights}
    name = min(gaps, key=lambda k: gaps[k])
    return name, gaps[name]


def _facts(lamps: Sequence[Lamp], lights: Sequence[Light], balls: Sequence[Ball]) -> JsonObject:
    plan: Mapping[str, Light] = {light.id: light for light in lights}
    facts: JsonObject = {
        lamp.id: {
            "azimuth_deg": round(lamp.azimuth_deg, 2),
            "elevation_deg": round(lamp.elevation_deg, 2),
            "sigma_deg": round(lamp.sigma_deg, 3),
            "off_plan_deg": round(angle_deg(lamp.direction, declared(plan[lamp.id])), 2),
            "cameras": len(lamp.cameras),
        }
        for lamp in lamps
    }
    worst = max((ball.sigma_m for ball in balls), default=None)
    return {"lamps": facts, "ball_sigma_mm": None if worst is None else round(1000 * worst, 3)}
