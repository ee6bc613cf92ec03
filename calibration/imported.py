"""A rig that somebody else calibrated, taken over as the session's own: `import_rig` writes derived/calibration.

The numbers are another program's, so they are measured before they are believed: where the session has board shots, the
imported cameras are held as given and judged on them by the judge that judges ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.camera import Camera
from calibration.detect import detect_session
from calibration.diagnosis.exchange import exchange_issues, exchanged_cameras
from calibration.diagnosis.lens import lens_issues
from calibration.diagnosis.scale import rig_scale_issues
from calibration.findings import alike_issues
from calibration.formats.caliscope import to_toml
from calibration.formats.registry import format_named, read_rig
from calibration.formats.rig_file import Hints, UpAxis
from calibration.judge import Judgement, judge
from calibration.page import Shown, outline_of, render_page
from calibration.rig import ARTEFACT, IMPORTED, RigCalibration, load_calibration
from calibration.solve import RMS_LIMIT_PX
from calibration.target import target_of
from capture import store
from capture.errors import CalibrationTooPoor
from capture.issues import Issue, JsonObject, Report, Severity, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import ValidatedSession

_METHOD = 1  # raise it when the same file gives another rig


@dataclass(frozen=True)
class RigSource:
    """The outside file, and what it does not say about itself."""

    path: Path
    format: str  # a name of `calibration.formats.registry`
    unit_m: float = 1.0
    up: UpAxis = "z"
    names: Mapping[str, str] = field(default_factory=dict)  # camera in the file -> camera of the session


def import_rig(validated: ValidatedSession, source: RigSource, *, force: bool = False) -> tuple[RigCalibration, Report]:
    """Take a rig over into derived/calibration, marked as imported.

    Raises ValueError for a file that cannot be read, and where a calibration stands that was not imported, unless
    `force`. Raises CalibrationTooPoor, with the report, for a rig that lacks a camera of the session, was made for
    other sizes, has two cameras in one place, or misses the session's board by more than 2.5 px. Does nothing when the
    result is there already, unless `force`.
    """
    folder = validated.folder.derived(ARTEFACT)
    found = read_rig(source.path, source.format, _hints(validated, source))
    cameras = tuple(replace(c, id=source.names.get(c.id, c.id)) for c in found.cameras)
    inputs = {"ingest": validated.digest, "rig": _digest(cameras)}
    settings = _settings(source)
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        done = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
        return load_calibration(validated.folder), Report(done.step, done.issues, {**done.facts, "skipped": True})
    if not force:
        _refuse_to_replace(folder)
    ours = {camera.id for camera in validated.session.camera}
    kept = tuple(sorted((c for c in cameras if c.id in ours), key=lambda c: _place(validated, c)))
    misfit = tuple(_fit(validated, cameras))
    # a rig that does not fit has no number worth telling
    fits = not any(i.severity is Severity.ERROR for i in misfit)
    verdict, causes = _measured(validated, kept, folder) if fits else (None, ())
    issues = (*misfit, *causes, *(_worth(verdict) if fits else ()))
    report = Report("import", issues, _facts(source, kept, found.notes, verdict))
    if not report.ok:
        first = report.errors[0]
        raise CalibrationTooPoor(
            f"imported rig cannot be used: {first.where}: {first.reason} Found {first.found}; {first.remedy}", report
        )
    rig = RigCalibration(
        kept,
        verdict.rms_px if verdict else {},
        verdict.rig_rms_px if verdict else math.nan,
        verdict.boards if verdict else {},
        f"imported from {source.format} file {source.path.name}",
    )
    _write(folder, validated, rig, report)
    result: JsonObject = {
        "source": IMPORTED,
        "format": source.format,
        "rig_rms_px": None if verdict is None else rig.rig_rms_px,
        "cameras": [c.id for c in kept],
        "world": rig.world,
    }
    consent = validated.session.session.consent
    store.finish(folder, ARTEFACT, consent=consent, inputs=inputs, settings=settings, result=result)
    return rig, report


def _settings(source: RigSource) -> JsonObject:
    return {
        "source": IMPORTED,
        "format": source.format,
        "unit_m": source.unit_m,
        "up": source.up,
        "names": dict(source.names),
        "limit_px": RMS_LIMIT_PX,
        "method": _METHOD,
    }


def _hints(validated: ValidatedSession, source: RigSource) -> Hints:
    """Sizes by the names of the file, as the session has them by its own."""
    theirs = {ours: name for name, ours in source.names.items()}
    sizes = {theirs.get(c.id, c.id): (c.width, c.height) for c in validated.session.camera}
    return Hints(sizes, source.unit_m, source.up)


def _digest(cameras: tuple[Camera, ...]) -> str:
    return store.sha256_text(json.dumps([camera.to_json() for camera in cameras]))


def _refuse_to_replace(folder: Path) -> None:
    if not (folder / f"{ARTEFACT}.json").is_file():
        return
    if store.read(folder, ARTEFACT).result.get("source") != IMPORTED:
        raise ValueError("session has a calibration of its own, made from its board; add --force to replace it")


def _place(validated: ValidatedSession, camera: Camera) -> int:
    return [c.id for c in validated.session.camera].index(camera.id)


def _fit(validated: ValidatedSession, cameras: tuple[Camera, ...]) -> Iterator[Issue]:
    """What of the rig does not fit the session."""
    theirs = {camera.id: camera for camera in cameras}
    for known in validated.session.camera:
        camera = theirs.get(known.id)
        if camera is None:
            found = f"{', '.join(list(theirs)[:10])}{' ...' if len(theirs) > 10 else ''}"
            yield issue("RIG_CAMERA_MISSING", where=f"camera {known.id}", expected=known.id, found=found)
        elif (camera.width, camera.height) != (known.width, known.height):
            yield issue(
                "RIG_SIZE_DIFFERS",
                where=f"camera {known.id}",
                expected=f"{known.width} x {known.height} pixels",
                found=f"{camera.width} x {camera.height}",
            )
    ours = {known.id for known in validated.session.camera}
    for name in theirs:
        if name not in ours:
            yield issue("RIG_CAMERA_UNKNOWN", where=f"camera {name}", found="no camera of this name in session.toml")
    kept = [c for c in cameras if c.id in ours]
    yield from alike_issues(kept)
    yield from lens_issues(kept)


def _measured(
    validated: ValidatedSession, cameras: tuple[Camera, ...], folder: Path
) -> tuple[Judgement | None, tuple[Issue, ...]]:
    """The rig judged on the session's board, and why it misses; None where no board is seen by two cameras."""
    board = validated.session.calibration.board
    if board is None or not validated.of_kind(ShotKind.BOARD) or len(cameras) < 2:
        return None, ()
    target = target_of(board)
    folder.mkdir(parents=True, exist_ok=True)
    detections = detect_session(validated, target, cache=folder / "detections.json")
    names = [camera.id for camera in cameras]
    shots = [shot for name in names for shot in detections.get(name, {})]
    if len(set(shots)) == len(shots):
        return None, ()
    verdict = judge(cameras, detections, target)
    if max(verdict.rms_px.values()) <= RMS_LIMIT_PX:
        return verdict, ()
    exchanges = exchange_issues(exchanged_cameras(cameras, detections, target))
    return verdict, (*rig_scale_issues(cameras, detections, target, verdict), *exchanges)


def _worth(verdict: Judgement | None) -> Iterator[Issue]:
    if verdict is None:
        yield issue("RIG_NOT_MEASURED", where="the whole rig", found="no board shot that two cameras share")
        return
    named = {f"camera {name}": rms for name, rms in verdict.rms_px.items()}
    for where, rms in {**named, "the whole rig": verdict.rig_rms_px}.items():
        if rms > RMS_LIMIT_PX:
            yield issue(
                "REPROJECTION_HIGH",
                where=where,
                expected=f"at most {RMS_LIMIT_PX} px",
                found=f"{rms:.2f} px on the board of this session, with the rig as imported",
            )


def _facts(
    source: RigSource, cameras: tuple[Camera, ...], notes: tuple[str, ...], verdict: Judgement | None
) -> JsonObject:
    facts: JsonObject = {
        "source": IMPORTED,
        "format": format_named(source.format).title,
        "file": source.path.name,
        "placed": len(cameras),
        "notes": list(notes),
    }
    if verdict is not None:
        facts |= {"board_rms_px": verdict.rig_rms_px, "board_shots": verdict.shots}
        if math.isfinite(verdict.distance_rmse_mm):
            facts["board_distance_rmse_mm"] = verdict.distance_rmse_mm
    return facts


def _write(folder: Path, validated: ValidatedSession, rig: RigCalibration, report: Report) -> None:
    store.reopen(folder, ARTEFACT)
    (folder / "transforms.json").unlink(missing_ok=True)  # of an earlier calibration: it may hold another rig
    store.write_json(folder / "rig.json", {**rig.to_json(), "source": IMPORTED})
    store.write_atomic(folder / "rig.toml", to_toml(rig.cameras, rig.rms_px))
    store.write_json(folder / "report.json", report.to_json())
    board = validated.session.calibration.board
    outline = outline_of(target_of(board)) if board and rig.boards else np.zeros((0, 3))
    store.write_atomic(
        folder / "report.html",
        render_page(report, Shown(rig.cameras, rig.boards, outline), validated.session.session.id),
    )
