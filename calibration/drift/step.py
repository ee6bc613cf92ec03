"""`check_drift`: later footage of a session against its calibration, without a board, into derived/drift."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from calibration.camera import Camera
from calibration.drift.explain import LEAST_LAG_FRAMES, LEAST_TURN_PX, explain
from calibration.drift.features import scale_of
from calibration.drift.footage import Recording, read_recordings
from calibration.drift.page import render_page
from calibration.drift.verdicts import Reading, facts_of, issues_of, read, steady
from calibration.rig import RigCalibration
from calibration.target import target_of
from calibration.verification import Verification, verify_session
from capture import store
from capture.ignore import apply_rules
from capture.issues import Issue, JsonObject, JsonValue, Report, issue

if TYPE_CHECKING:
    from capture.validate import ValidatedSession

ARTEFACT = "drift"
_METHOD = 2  # raise it when the same footage gives other figures
_NOISE_PX = 0.5  # of a point in the picture in which it was found


@dataclass(frozen=True, eq=False)
class Drift:
    """What was found, recording by recording."""

    readings: tuple[Reading, ...]
    verification: Verification | None = None  # None where the session keeps no board shots for that


def check_drift(
    validated: ValidatedSession, rig: RigCalibration, *, force: bool = False
) -> tuple[Drift | None, Report]:
    """Compare takes and clips with the calibration; verify it on board shots kept for that, where there are any.

    Writes derived/drift: drift.json, report.json and report.html. Nothing is raised for cameras that drifted: the
    report has the issues. The first value is None where all was done already and `force` is not given. Raises
    IncompleteInput before calibration.
    """
    folder = validated.folder.derived(ARTEFACT)
    calibration = store.read(validated.folder.derived("calibration"), "calibration")
    inputs = {"ingest": validated.digest, "calibration": calibration.digest}
    settings: JsonObject = {"method": _METHOD, "least_turn_px": LEAST_TURN_PX, "least_lag_frames": LEAST_LAG_FRAMES}
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        done = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
        return None, Report(done.step, done.issues, {**done.facts, "skipped": True})
    store.reopen(folder, ARTEFACT)
    drift, issues = _measure(validated, rig)
    facts = _facts(drift, rig)
    report = Report(ARTEFACT, apply_rules(validated.session, issues), facts)
    store.write_json(folder / "report.json", report.to_json())
    page = render_page(report, drift.readings, rig.cameras, validated.session.session.id)
    store.write_atomic(folder / "report.html", page)
    store.finish(
        folder,
        ARTEFACT,
        consent=validated.session.session.consent,
        inputs=inputs,
        settings=settings,
        result={
            "ok": report.ok,
            "codes": [f"{i.code} {i.where}" for i in report.issues],
            "recordings": facts["recordings"],
            "verification": facts["verification"],
        },
    )
    return drift, report


def read_drift(recording: Recording, cameras: tuple[Camera, ...], *, noise_px: float) -> Reading:
    """Both witnesses on one recording; cameras that saw nothing of it are asked nothing."""
    present = [c for c in cameras if any(c.id in moment for moment in recording.moments)]
    explained = explain(
        recording.moments, present, noise_px=noise_px, every=recording.every, steady=steady(recording)
    )  # fmt: skip
    return read(recording, explained)


def _measure(validated: ValidatedSession, rig: RigCalibration) -> tuple[Drift, tuple[Issue, ...]]:
    issues: list[Issue] = []
    readings = []
    noise = noise_px(rig)
    for recording in read_recordings(validated, rig):
        if isinstance(recording, Issue):
            issues.append(recording)
        elif len({c for moment in recording.moments for c in moment}) > 1:
            readings.append(read_drift(recording, rig.cameras, noise_px=noise))
    if not readings:
        found = "neither takes nor clips of two cameras"
        issues.append(issue("DRIFT_NOT_MEASURED", where="session", expected="footage of her", found=found))
    else:
        issues += issues_of(readings, rig.cameras)
    board = validated.session.calibration.board
    verified = verify_session(validated, rig, target_of(board)) if board else None
    if verified is not None:
        issues += verified[1].issues
    return Drift(tuple(readings), verified[0] if verified else None), tuple(issues)


def noise_px(rig: RigCalibration) -> float:
    """What points are off by in a rig that holds: where they are found, and what calibration leaves."""
    found = _NOISE_PX / min(scale_of((c.height, c.width)) for c in rig.cameras)
    return found if math.isnan(rig.rig_rms_px) else max(found, rig.rig_rms_px)


def _facts(drift: Drift, rig: RigCalibration) -> JsonObject:
    recordings: JsonObject = {
        r.recording.place: {
            "moments": len(r.recording.moments),
            "every": r.recording.every,
            "cameras": {c.id: facts_of(r, c) for c in rig.cameras if c.id in r.explained.tracks},
        }
        for r in drift.readings
    }
    return {
        "noise_px": noise_px(rig),
        "recordings": recordings,
        "series": cast(JsonValue, [_series(r) for r in drift.readings]),
        "verification": drift.verification.to_json() if drift.verification else None,
    }


def _series(reading: Reading) -> JsonObject:
    """Residuals moment by moment, as the page draws them."""

    def listed(values: np.ndarray) -> list[JsonValue]:
        return [None if not math.isfinite(v) else round(float(v), 3) for v in values]

    cameras: JsonObject = {
        name: {
            "shift_px": listed(np.hypot(*shift.T)),
            "background_px": listed(np.hypot(*reading.recording.background[name].T)),
            "lag_frames": listed(reading.explained.lag[name]),
        }
        for name, shift in reading.explained.shift_px.items()
    }
    return {"place": reading.recording.place, "moments": list(reading.recording.names), "cameras": cameras}
