"""The step: her body of one take, into derived/body; `reconstruct_body` writes body.json last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from calibration.body.atlas import bake, decimated, lay_out, write_obj
from calibration.body.build import Body, Built, Settings, build
from calibration.body.draw import four_sides
from calibration.body.page import write_body_page
from calibration.body.ply import read_ply, write_ply
from calibration.body.register import Registration, register
from calibration.body.scans import read_scan
from calibration.body.shape import measure_height, measure_symmetry
from calibration.body.take_views import Look, take_views
from calibration.body.texture import layers
from capture import store
from capture.errors import InvalidSession
from capture.images import encode_jpeg
from capture.issues import Issue, JsonObject, JsonValue, Report, issue

if TYPE_CHECKING:
    from calibration.rig import RigCalibration
    from capture.session import Take
    from capture.validate import ValidatedSession
    from capture.vault import SessionFolder

ARTEFACT = "body"
_METHOD = 1  # raise it when the same pictures give another body
_FLOOR_WORLD = "board in shot"  # how a rig says that its world stands on the floor


def reconstruct_body(
    validated: ValidatedSession,
    rig: RigCalibration,
    *,
    settings: Settings | None = None,
    look: Look | None = None,
    scans: Sequence[Path] = (),
    force: bool = False,
) -> tuple[Body, Report]:
    """Reconstruct her body of one take into derived/body: mesh.ply, mesh.obj with its picture, report and pages.

    Scans are laid onto the mesh; one that cannot be is an error of the report and is left out. Raises InvalidSession,
    with the report, which is on disk by then, when no body can be made. Does nothing when the result is there
    already, unless `force`.
    """
    chosen = settings or Settings()
    take = _take(validated, chosen.take)
    folder = validated.folder.derived(ARTEFACT)
    inputs = {
        "ingest": validated.digest,
        "calibration": store.read(validated.folder.derived("calibration"), "calibration").digest,
        **({"colour": look.digest} if look else {}),
        **{f"scan {path.name}": store.sha256_file(path) for path in scans if path.is_file()},
    }
    fixed: JsonObject = {**chosen.to_json(), "take": take.id, "method": _METHOD}
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=fixed):
        done = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
        return load_body(validated.folder), Report(done.step, done.issues, {**done.facts, "skipped": True})
    store.reopen(folder, ARTEFACT)
    _take_away(folder)
    views, issues = take_views(validated, rig, take, look=look, work_px=chosen.work_px)
    built, more = build(views, chosen)
    issues += more
    title = f"{validated.session.session.id}: body of {take.id}"
    if built is None:
        report = Report(ARTEFACT, tuple(issues), {"take": take.id})
        store.write_json(folder / "report.json", report.to_json())
        write_body_page(folder / "report.html", title, report, None)
        raise InvalidSession(_no_body(report, folder), report)
    floor = rig.world.startswith(_FLOOR_WORLD)
    facts, more = _facts(built, take, floor=floor)
    laid = _scans(folder, built.body, scans)
    issues += more + [found for found in laid if isinstance(found, Issue)]
    registered: list[JsonValue] = [r.to_json() for r in laid if isinstance(r, Registration)]
    report = Report(ARTEFACT, tuple(issues), {**facts, "scans": registered})
    _write(folder, built, chosen)
    store.write_json(folder / "report.json", report.to_json())
    sides = four_sides(built.body.mesh, built.body.colours, facing_deg=take.facing_deg)
    for name, image in zip(("colours", "clay"), sides, strict=True):
        store.write_atomic(folder / f"{name}.jpg", encode_jpeg(image, 90))
    write_body_page(folder / "report.html", title, report, sides)
    consent = validated.session.session.consent
    store.finish(folder, ARTEFACT, consent=consent, inputs=inputs, settings=fixed, result=report.facts)
    return built.body, report


def load_body(folder: SessionFolder) -> Body:
    """The body that `reconstruct_body` wrote. Raises IncompleteInput when it has not run or did not finish."""
    artefact = store.read(folder.derived(ARTEFACT), ARTEFACT)
    return Body(*read_ply(artefact.folder / "mesh.ply"))


def _take(validated: ValidatedSession, name: str) -> Take:
    takes = validated.session.take
    if not takes:
        found = issue("BODY_CAMERAS_FEW", where="session.toml", expected="a take", found="none")
        raise InvalidSession("session has no take; her body needs one held pose", Report(ARTEFACT, (found,)))
    for take in takes:
        if take.id == name or not name:
            return take
    raise ValueError(f"take {name!r} is not in the session; it has {[t.id for t in takes]}")


def _facts(built: Built, take: Take, *, floor: bool) -> tuple[JsonObject, list[Issue]]:
    """The numbers of the report, and what they say about her soles."""
    mesh = built.body.mesh
    height = measure_height(mesh, floor=floor)
    symmetry = measure_symmetry(mesh, facing_deg=take.facing_deg)
    used = {view.id for view in built.used}
    cameras: JsonObject = {}
    for outline in built.outlines:
        cameras[outline.camera] = {"used": outline.camera in used, **outline.to_json()}
    for a in built.agreements:
        row = cast(JsonObject, cameras.setdefault(a.camera, {"used": True}))
        row |= {"depth_mm": _finite(a.mean_mm), "depth_median_mm": _finite(a.median_mm), "agreeing": _finite(a.share)}
    facts: JsonObject = {
        "take": take.id,
        "height_m": height.metres,
        "height_down_to": height.down_to,
        "crown": [float(v) for v in height.crown],
        "symmetry_point": [float(v) for v in symmetry.point],
        "symmetry_normal": [float(v) for v in symmetry.normal],
        "symmetry_miss_mm": symmetry.miss_mm,
        "measured_by_two": built.measured_by_two,
        "seen_by_two": built.seen_by_two,
        "disagreement_mm": _finite(built.disagreement_mm),
        "agreeing": _finite(built.agreeing),
        "watertight": mesh.watertight,
        "vertices": len(mesh.vertices),
        "area_m2": float(mesh.areas.sum()),
        "cameras": cameras,
    }
    if height.down_to == "sole":
        return facts, []
    told = "to the floor" if height.down_to == "floor" else "to where the mesh ends"
    found = f"lowest place at z = {float(mesh.vertices[:, 2].min()):.2f} m; her height is counted {told}"
    return facts, [
        issue("BODY_SOLE_NOT_SEEN", where="session", expected="a mesh that stands on the floor", found=found)
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _scans(folder: Path, body: Body, scans: Sequence[Path]) -> list[Registration | Issue]:
    """Each scan as points of the world in scans/, or the issue that it is."""
    found: list[Registration | Issue] = []
    for path in scans:
        scan, trouble = read_scan(path)
        if scan is None:
            found += [trouble] if trouble else []
            continue
        registration, trouble = register(scan, body.mesh)
        if registration is None:
            found += [trouble] if trouble else []
            continue
        target = folder / "scans" / f"{store.safe_name(path.stem)}.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(target, points=registration.apply(scan.points).astype(np.float32))
        found.append(registration)
    return found


def _write(folder: Path, built: Built, settings: Settings) -> None:
    body = built.body
    write_ply(folder / "mesh.ply", body.mesh, colours=body.colours, cameras=body.cameras)
    if settings.atlas:
        plain = decimated(body.mesh)
        layout = lay_out(len(plain.faces))
        picture = bake(plain, layout, layers(built.used, body.surface), body.surface)
        write_obj(folder, "mesh", plain, layout, picture)


def _take_away(folder: Path) -> None:
    """A body of an earlier run must not be mistaken for one of these pictures."""
    names = ("mesh.ply", "mesh.obj", "mesh.mtl", "mesh.png", "colours.jpg", "clay.jpg")
    for path in (*(folder / name for name in names), *folder.glob("scans/*.npz")):
        path.unlink(missing_ok=True)


def _no_body(report: Report, folder: Path) -> str:
    last = report.errors[-1]  # the one that ended it
    return (
        f"body cannot be made: {last.where}: {last.reason} Found {last.found}; {last.remedy} "
        f"Read {folder / 'report.html'}"
    )
