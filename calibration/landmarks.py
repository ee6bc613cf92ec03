"""The birthmark map: where on her body each mark is, in millimetres, in every take that shows it.

Step one proposes candidates and writes a page and `marks.proposed.toml`; a person edits that file; step two
reads it back as `marks.toml` and places the confirmed marks. Nothing becomes a birthmark without a person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from calibration import mark_points
from calibration.birthmarks import F64, Birthmark, BirthmarkMap, Place, Sight, floats
from calibration.mark_mirror import MirrorCheck, check_mirrored
from calibration.mark_page import Card, Crop, write_page
from calibration.mark_points import Candidate, Sighting, View
from calibration.mark_sights import sights_of_take, with_sights
from calibration.mark_surface import MarkSurface, body_digest, load_surface
from calibration.mark_takes import link
from calibration.mark_views import see_take
from calibration.rig import RigCalibration
from capture import store
from capture.errors import IncompleteInput, InvalidSession
from capture.issues import Issue, JsonObject, JsonValue, Report, issue
from capture.marks import Blob, MarkEntry, MarkPhoto, MarksFile, read_marks, write_marks
from capture.take_masks import stills_of
from capture.toml_file import TomlError
from capture.validate import ValidatedSession
from capture.vault import SessionFolder

__all__ = ["Birthmark", "BirthmarkMap", "Place", "find_marks", "load_birthmarks"]

ARTEFACT = "marks"
MAX_PROPOSED = 60  # more than a person looks through; the weakest are left out
_PAGE_VIEWS = 4


def find_marks(
    validated: ValidatedSession, rig: RigCalibration, *, confirmed: Path | None = None, force: bool = False
) -> tuple[BirthmarkMap | None, Report]:
    """Propose marks (no map yet), or place the ones a person confirmed in `confirmed`; writes derived/marks/.

    Called again without `confirmed` once a map is there, it returns that map: a confirmation is never
    overwritten unless `force` is given. Raises IncompleteInput before calibration, InvalidSession when
    `confirmed` is unusable.
    """
    folder = validated.folder.derived(ARTEFACT)
    calibration = store.read(validated.folder.derived("calibration"), "calibration")
    inputs = {"ingest": validated.digest, "calibration": calibration.digest}
    if body := body_digest(validated.folder):
        inputs["body"] = body
    confirmed_inputs = (
        {**inputs, "confirmed": store.sha256_file(confirmed)} if confirmed and confirmed.is_file() else inputs
    )
    if not force:
        done = _done(folder, inputs, confirmed_inputs if confirmed else None)
        if done is not None:
            return done
    if confirmed is None:
        return None, _propose(validated, rig, inputs)
    return _place(validated, rig, _read_confirmed(confirmed), confirmed_inputs)


def load_birthmarks(folder: SessionFolder) -> BirthmarkMap:
    """The confirmed map of a session. Raises IncompleteInput when no marks were confirmed yet."""
    artefact = store.read(folder.derived(ARTEFACT), ARTEFACT)
    if artefact.result.get("stage") != "confirmed":
        raise IncompleteInput(
            f"marks of {folder.root.name} are proposed but not confirmed: look at {artefact.folder / 'page.html'}, "
            "edit marks.proposed.toml and run `twin marks` with --confirmed"
        )
    return BirthmarkMap.from_json(json.loads((artefact.folder / "map.json").read_text(encoding="utf-8")))


def _done(
    folder: Path, inputs: Mapping[str, str], confirmed: Mapping[str, str] | None
) -> tuple[BirthmarkMap | None, Report] | None:
    """What is on disk already, when it was made from the same inputs."""
    if not (folder / f"{ARTEFACT}.json").is_file():
        return None
    found = store.read(folder, ARTEFACT)
    is_map = found.result.get("stage") == "confirmed"
    if confirmed is None and is_map:  # whichever file was confirmed, the rest must be the same
        same = {k: v for k, v in found.inputs.items() if k != "confirmed"} == dict(inputs)
        wanted = found.inputs if same else inputs
    else:
        wanted = inputs if confirmed is None else confirmed
    if store.current(folder, ARTEFACT, inputs=wanted, settings=_settings()) is None:
        return None
    report = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
    report = Report(report.step, report.issues, {**report.facts, "skipped": True})
    if not is_map:
        return None, report
    return BirthmarkMap.from_json(json.loads((folder / "map.json").read_text(encoding="utf-8"))), report


def _settings() -> JsonObject:
    return {
        "max_spread_mm": mark_points.MAX_SPREAD_MM,
        "max_pixels": mark_points.MAX_PIXELS,
        "max_proposed": MAX_PROPOSED,
    }


def _read_confirmed(path: Path) -> MarksFile:
    try:
        return read_marks(path)
    except TomlError as err:
        found = tuple(issue("SESSION_FILE_INVALID", where=path.name, found=p) for p in err.problems)
        raise InvalidSession(str(err), Report(ARTEFACT, found)) from None


# ---- proposing


def _propose(validated: ValidatedSession, rig: RigCalibration, inputs: Mapping[str, str]) -> Report:
    folder = validated.folder.derived(ARTEFACT)
    store.reopen(folder, ARTEFACT)
    issues: list[Issue] = []
    pictures: dict[tuple[str, str], Path] = {}
    takes: dict[str, list[Candidate]] = {}
    blobs = 0
    for take in validated.session.take:
        views, trouble = see_take(validated, rig, take, with_proposals=True)
        issues += trouble
        pictures |= {(take.id, v.camera.id): Path(v.picture) for v in views}
        blobs += sum(len(v.blobs) for v in views)
        mirrored = [check for check in check_mirrored(views) if check.mirrored]
        issues += [_mirrored(take.id, check) for check in mirrored]
        views = [v for v in views if v.camera.id not in {check.camera for check in mirrored}]
        takes[take.id] = mark_points.group(views)
    linked = link(takes, {t.id: t.facing_deg for t in validated.session.take})
    shown = [(f"m{k:02d}", mark) for k, mark in enumerate(linked[:MAX_PROPOSED], start=1)]
    cards = [_card(name, name, mark, pictures) for name, mark in shown]
    write_marks(
        folder / "marks.proposed.toml",
        MarksFile(mark=tuple(_entry(n, m) for n, m in shown)),
        heading=_HEADING,
    )
    write_page(
        folder / "page.html",
        cards,
        title=f"{validated.session.session.id}: {len(shown)} proposals for birthmarks",
        instruction="Copy `marks.proposed.toml` to `marks.toml`, delete what is no mark, set `confirmed = "
        f"true` on the rest and run `twin marks {validated.session.session.id} --confirmed marks.toml`.",
        issues=[f"{i.where}: {i.reason} {i.remedy}" for i in issues],
    )
    facts: JsonObject = {
        "proposals_2d": blobs,
        "candidates": len(linked),
        "left_out": max(0, len(linked) - MAX_PROPOSED),
        "candidates_per_take": {t: len(c) for t, c in takes.items()},
        "in_several_takes": sum(len(m) > 1 for m in linked),
    }
    report = Report(ARTEFACT, tuple(issues), facts)
    positions: JsonValue = [
        {"id": name, "position": {t: floats(c.position) for t, c in mark.items()}} for name, mark in shown
    ]
    _finish(validated, inputs, report, {"stage": "proposed", "candidates": positions})
    return report


def _mirrored(take: str, check: MirrorCheck) -> Issue:
    found = f"{check.flipped} marks of the other cameras fit it flipped, {check.direct} as it is"
    return issue(
        "PHOTO_MIRRORED", where=f"stills/{take}/*/{check.camera}", expected="as the other cameras", found=found
    )


_HEADING = (
    "Proposals, strongest first; page.html shows each number.",
    "Delete the ones that are no marks, set confirmed = true on the others, give them a label if you like.",
    "kind is one of mole, birthmark, scar, freckles, tattoo, other.",
)


def _entry(name: str, mark: Mapping[str, Candidate]) -> MarkEntry:
    photos = tuple(
        MarkPhoto(take=take, camera=s.camera.id, u=max(s.blob.u, 0), v=max(s.blob.v, 0), radius_px=s.blob.radius_px)
        for take, candidate in mark.items()
        for s in candidate.sightings
    )
    return MarkEntry(id=name, photo=photos)


def _card(name: str, label: str, mark: Mapping[str, Candidate], pictures: Mapping[tuple[str, str], Path]) -> Card:
    seen = [(s.blob.radius_px * _facing(s, c), take, s) for take, c in mark.items() for s in c.sightings]
    seen.sort(key=lambda item: -item[0])
    crops = tuple(
        Crop(pictures[take, s.camera.id], s.blob.u, s.blob.v, s.blob.radius_px, f"{take} {s.camera.id}")
        for _, take, s in seen
        if (take, s.camera.id) in pictures
    )[:_PAGE_VIEWS]
    first = next(iter(mark.values()))
    views = sum(len(c.sightings) for c in mark.values())
    lines = (
        *([label] if label and label != name else []),
        f"{np.median([c.diameter_mm for c in mark.values()]):.0f} mm across",
        f"{first.position[2]:.2f} m above the floor",
        f"{views} views, {len(mark)} take{'s' if len(mark) > 1 else ''}",
        f"spread {max(c.spread_mm for c in mark.values()):.1f} mm",
    )
    return Card(name, lines, crops)


def _facing(s: Sighting, candidate: Candidate) -> float:
    away = s.camera.centre - candidate.position
    return float(away @ candidate.normal) / float(np.linalg.norm(away))


# ---- placing


def _place(
    validated: ValidatedSession, rig: RigCalibration, marks: MarksFile, inputs: Mapping[str, str]
) -> tuple[BirthmarkMap, Report]:
    folder = validated.folder.derived(ARTEFACT)
    store.reopen(folder, ARTEFACT)
    issues: list[Issue] = []
    wanted = [m for m in marks.mark if m.confirmed]
    known = {m.id: [p for p in m.photo if _check_photo(validated, rig, m, p, issues)] for m in wanted}
    placed: dict[str, dict[str, Candidate]] = {m.id: {} for m in wanted}
    pictures: dict[tuple[str, str], Path] = {}
    body = load_surface(validated.folder)
    sights: dict[str, tuple[list[Sight], list[F64]]] = {m.id: ([], []) for m in wanted}
    for take in validated.session.take:
        named = {m.id: [p for p in known[m.id] if p.take == take.id] for m in wanted}
        if not any(named.values()):
            continue
        views, trouble = see_take(validated, rig, take, with_proposals=False)
        issues += trouble
        pictures |= {(take.id, v.camera.id): Path(v.picture) for v in views}
        for mark in wanted:
            if named[mark.id]:
                candidate = place_mark(mark.id, take.id, _sightings(rig, named[mark.id]), views, issues)
                if candidate is not None:
                    meshed = body is not None and body.take == take.id
                    placed[mark.id][take.id] = body.raised(candidate) if body and meshed else candidate
        here = {m: (_at(c[take.id]), c[take.id].diameter_mm) for m, c in placed.items() if take.id in c}
        for name, (seen, colours) in sights_of_take(validated, rig, take, here, views).items():
            sights[name][0].extend(seen)
            sights[name][1].extend(colours)
    marks_placed = [_birthmark(m, placed[m.id]) for m in wanted if placed[m.id]]
    result = BirthmarkMap(tuple(with_sights(mark, *sights[mark.id]) for mark in marks_placed))
    store.write_json(folder / "map.json", result.to_json())
    write_marks(folder / "marks.toml", marks)
    write_page(
        folder / "page.html",
        [_card(m.id, m.label, placed[m.id], pictures) for m in wanted if placed[m.id]],
        title=f"{validated.session.session.id}: {len(result.marks)} birthmarks",
        instruction="Confirmed by a person and placed on her body.",
        issues=[f"{i.where}: {i.reason} {i.found}. {i.remedy}" for i in issues],
    )
    facts: JsonObject = {
        "confirmed": len(wanted),
        "placed": len(result.marks),
        "places": sum(len(m.places) for m in result.marks),
        "mesh_of": body.take if body is not None else "",
        "away_from_mesh_mm": _away_from_mesh(body, result),
        "spread_mm_median": float(np.median([m.spread_mm for m in result.marks])) if result.marks else None,
    }
    report = Report(ARTEFACT, tuple(issues), facts)
    _finish(validated, inputs, report, {"stage": "confirmed", "marks": [m.id for m in result.marks]})
    return result, report


def _check_photo(
    validated: ValidatedSession, rig: RigCalibration, mark: MarkEntry, photo: MarkPhoto, issues: list[Issue]
) -> bool:
    """True when the photograph is one of the session and its camera is placed; otherwise an issue says what
    is wrong.
    """
    where = f"mark {mark.id}: stills/{photo.take}/{photo.light or '*'}/{photo.camera}"
    take = next((t for t in validated.session.take if t.id == photo.take), None)
    wrong = ""
    if take is None:
        wrong = f"take {photo.take!r}; the session has {[t.id for t in validated.session.take]}"
    elif photo.camera not in validated.session.cameras_of(take):
        wrong = f"camera {photo.camera!r}; the take has {list(validated.session.cameras_of(take))}"
    elif photo.light and photo.light not in validated.session.lights_of(take):
        wrong = f"light {photo.light!r}; the take has {list(validated.session.lights_of(take))}"
    elif not stills_of(validated, take, photo.camera):
        wrong = f"no readable photograph of {photo.camera} in {photo.take}"
    elif photo.camera not in {c.id for c in rig.cameras}:
        wrong = f"camera {photo.camera!r}, which calibration could not place"
    elif photo.u > rig.camera(photo.camera).width - 1 or photo.v > rig.camera(photo.camera).height - 1:
        wrong = f"u, v = {photo.u:.0f}, {photo.v:.0f}, outside the picture"
    if wrong:
        issues.append(issue("MARK_PHOTO_UNKNOWN", where=where, found=wrong))
    return not wrong


def place_mark(
    mark: str, take: str, sightings: Sequence[Sighting], views: Sequence[View], issues: list[Issue]
) -> Candidate | None:
    """Triangulate one confirmed mark in one take; None, and an issue, when its views are too few or do not
    meet.

    No view is dropped: a person confirmed each of them, so that a person must decide which one is wrong.
    """
    where = f"mark {mark} in {take}"
    if len(sightings) < 2:
        found = ", ".join(s.camera.id for s in sightings) or "no view"
        issues.append(issue("MARK_NOT_TRIANGULATED", where=where, expected="2 views or more", found=found))
        return None
    try:
        point, away = mark_points.triangulate_sightings(sightings)
    except ValueError as err:
        issues.append(issue("MARK_NOT_TRIANGULATED", where=where, expected="views from two sides", found=str(err)))
        return None
    spread = 1000 * float(np.sqrt((away**2).mean()))
    if spread > mark_points.MAX_SPREAD_MM:
        worst = sightings[int(away.argmax())].camera.id
        found = f"{spread:.1f} mm, most in {worst} ({1000 * away.max():.1f} mm)"
        expected = f"{mark_points.MAX_SPREAD_MM:.0f} mm or less"
        issues.append(issue("MARK_SPREAD_HIGH", where=where, expected=expected, found=found))
        return None
    return mark_points.as_candidate(point, sightings, spread, views)


def _sightings(rig: RigCalibration, photos: Sequence[MarkPhoto]) -> list[Sighting]:
    """One sighting per camera; places in several lights of one camera are averaged."""
    out = []
    for name in dict.fromkeys(p.camera for p in photos):
        u, v, r = np.mean([(p.u, p.v, p.radius_px) for p in photos if p.camera == name], axis=0)
        out.append(Sighting(rig.camera(name), Blob(float(u), float(v), float(r), 0.0)))
    return out


def _birthmark(entry: MarkEntry, places: Mapping[str, Candidate]) -> Birthmark:
    return Birthmark(
        entry.id,
        entry.label,
        {take: _at(c) for take, c in places.items()},
        float(np.median([c.diameter_mm for c in places.values()])),
        max(c.spread_mm for c in places.values()),
        sum(len(c.sightings) for c in places.values()),
        entry.kind,
    )


def _away_from_mesh(body: MarkSurface | None, found: BirthmarkMap) -> float | None:
    places = [m.places[body.take].position for m in found.marks if body.take in m.places] if body else []
    return float(np.median(body.away_mm(places))) if body and places else None


def _at(candidate: Candidate) -> Place:
    return Place(candidate.position, candidate.normal, candidate.spread_mm)


def _finish(validated: ValidatedSession, inputs: Mapping[str, str], report: Report, result: JsonObject) -> None:
    folder = validated.folder.derived(ARTEFACT)
    store.write_json(folder / "report.json", report.to_json())
    consent = validated.session.session.consent
    store.finish(folder, ARTEFACT, consent=consent, inputs=inputs, settings=_settings(), result=result)
