"""The calibrated rig and the step that makes it: `calibrate` reads a session's board shots, writes derived/calibration.

It writes rig.json (read back by `load_calibration`), transforms.json for nerfstudio, rig.toml for Caliscope and what
follows it, report.json and a page for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from calibration.birthmarks import BirthmarkMap
from calibration.camera import Camera
from calibration.cross_check import cross_check, cross_issues, require_colmap
from calibration.detect import Detections, detect_session, file_shot
from calibration.diagnosis.before import picture_issues, sizes_of
from calibration.diagnosis.exchange import exchanged_since, since_issues
from calibration.fitting import Fitted
from calibration.formats.caliscope import to_toml
from calibration.formats.nerfstudio import to_transforms
from calibration.page import Shown, first_cause, outline_of, render_page
from calibration.pictures import pictures_of
from calibration.pose import Floats, Pose
from calibration.solve import RMS_LIMIT_PX, Solution, Task, solve_rig
from calibration.target import Target, target_of
from capture import store
from capture.errors import CalibrationTooPoor, IncompleteInput
from capture.ignore import apply_rules
from capture.issues import JsonObject, JsonValue, Report, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Original, ValidatedSession
    from capture.vault import SessionFolder

ARTEFACT = "calibration"
IMPORTED = "imported"  # settings["source"] of a rig that another program made
RIG_SCHEMA = 2  # 1 had neither time offsets nor sigmas, and is still read
_METHOD = 2  # raise it when the same corners give another rig
# what lag leaves of a moving board is no outlier: with 1 px the solve would fit the quick cameras alone
_HUBER_STILL_PX, _HUBER_MOVING_PX = 1.0, 3.0


@dataclass(frozen=True, eq=False)
class RigCalibration:
    """All cameras of a session in one world."""

    cameras: tuple[Camera, ...]  # in the order of session.toml
    rms_px: Mapping[str, float]  # per camera, one rigid board per shot, no corner left out
    rig_rms_px: float  # NaN, in the file null, for a rig of another program that was not measured
    boards: Mapping[str, Pose]  # shot -> world_from_board
    world: str  # what the world frame was taken from
    # camera -> seconds by which it sees later than the first that has none here; empty where nothing moved
    offset_s: Mapping[str, float] = field(default_factory=dict)
    # camera -> fx fy cx cy k1 ... position_mm rotation_deg subject_px subject_mm offset_s, one standard deviation each
    sigma: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def camera(self, name: str) -> Camera:
        """The camera of that id. Raises ValueError when the rig has none."""
        for camera in self.cameras:
            if camera.id == name:
                return camera
        raise ValueError(f"camera {name!r} is not in the rig; it has {[c.id for c in self.cameras]}")

    def to_json(self) -> JsonObject:
        """The content of rig.json."""
        boards: JsonObject = {
            shot: [[float(v) for v in row] for row in pose.matrix] for shot, pose in self.boards.items()
        }
        return {
            "schema": RIG_SCHEMA,
            "world": self.world,
            "rig_rms_px": None if math.isnan(self.rig_rms_px) else self.rig_rms_px,
            "rms_px": dict(self.rms_px),
            "cameras": [camera.to_json() for camera in self.cameras],
            "boards": boards,
            "offset_s": dict(self.offset_s),
            "sigma": {name: dict(values) for name, values in self.sigma.items()},
        }

    @staticmethod
    def from_json(data: Mapping[str, JsonValue]) -> RigCalibration:
        """Read what `to_json` wrote. Raises ValueError for another schema."""
        if data.get("schema") not in range(1, RIG_SCHEMA + 1):
            raise ValueError(
                f"rig.json has schema {data.get('schema')!r}, this code reads 1 to {RIG_SCHEMA}; calibrate again"
            )
        cameras = cast("list[JsonObject]", data["cameras"])
        boards = cast("dict[str, list[list[float]]]", data["boards"])
        rms = data["rig_rms_px"]
        return RigCalibration(
            tuple(Camera.from_json(c) for c in cameras),
            cast("dict[str, float]", data["rms_px"]),
            math.nan if rms is None else float(str(rms)),
            {shot: Pose.from_matrix(rows) for shot, rows in boards.items()},
            str(data["world"]),
            cast("dict[str, float]", data.get("offset_s", {})),
            cast("dict[str, dict[str, float]]", data.get("sigma", {})),
        )


def calibrate(
    validated: ValidatedSession, *, force: bool = False, synchronous: Collection[str] = (), cross: bool = False
) -> tuple[RigCalibration, Report]:
    """Calibrate the rig of a session from its board shots into derived/calibration.

    Where the board was filmed in motion every camera gets a time offset of its own, except those that session.toml or
    `synchronous` names, which are known to be triggered together. With `cross` the rig is solved by COLMAP as well, and
    the report says by how much the two differ.

    Raises CalibrationTooPoor, with the report, which is on disk by then, when a camera cannot be placed or its RMS
    with nothing left out is above 2.5 px, and for every other error of the report. Raises ValueError where an imported
    rig stands, unless `force`, and for `cross` without pycolmap. Does nothing when the result is there already, unless
    `force`.
    """
    if cross:
        require_colmap()
    folder = validated.folder.derived(ARTEFACT)
    target = _target(validated)
    origin = validated.session.calibration.board.origin if validated.session.calibration.board else ""
    together = frozenset((*synchronous, *validated.session.calibration.synchronous))
    kept = frozenset(validated.session.calibration.verify)
    inputs = {"ingest": validated.digest}
    settings: JsonObject = {
        "board": target.settings,
        "origin": origin,
        "limit_px": RMS_LIMIT_PX,
        "method": _METHOD,
        "synchronous": [*sorted(together)],
        "verify": [*sorted(kept)],
    }
    crossed: JsonObject = {**settings, "cross_check": True}
    known = [crossed] if cross else [settings, crossed]
    settings = crossed if cross else settings
    if not force and any(store.current(folder, ARTEFACT, inputs=inputs, settings=s) for s in known):
        done = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
        return load_calibration(validated.folder), Report(done.step, done.issues, {**done.facts, "skipped": True})
    earlier = _earlier(validated, force=force)
    store.reopen(folder, ARTEFACT)
    found = detect_session(validated, target, cache=folder / "detections.json")
    # these judge the rig later, and would flatter it if they were in the fit
    detections = {name: {s: c for s, c in views.items() if file_shot(s) not in kept} for name, views in found.items()}
    boards = tuple(o for o in validated.of_kind(ShotKind.BOARD) if o.shot.group not in kept)
    moving = any(o.frames > 1 for o in boards)
    task = Task(
        detections,
        sizes_of(validated),
        target,
        origin,
        _HUBER_MOVING_PX if moving else _HUBER_STILL_PX,
        times_of(boards, detections),
        together,
    )
    solution, report = solve_rig(task)
    report = _judged(validated, task, report, solution, earlier)
    transforms, notes = transforms_of(validated, solution)
    report = Report(report.step, report.issues, {**report.facts, "notes": notes})
    if cross and solution is not None and solution.fitted is not None:
        report = _crossed(validated, report, solution.fitted)
    _write_report(folder, validated, report, solution)
    if solution is None or not report.ok:
        _take_away(folder)
        raise CalibrationTooPoor(_too_poor(report, folder), report)
    verdict = solution.verdict
    rig = RigCalibration(
        solution.cameras,
        verdict.rms_px,
        verdict.rig_rms_px,
        solution.boards,
        solution.world,
        cast("dict[str, float]", solution.facts["offsets_s"]),
        _sigma(solution),
    )
    store.write_json(folder / "rig.json", rig.to_json())
    if transforms is None:
        (folder / "transforms.json").unlink(missing_ok=True)
    else:
        store.write_json(folder / "transforms.json", transforms)
    store.write_atomic(folder / "rig.toml", to_toml(rig.cameras, rig.rms_px))
    store.finish(
        folder,
        ARTEFACT,
        consent=validated.session.session.consent,
        inputs=inputs,
        settings=settings,
        result={"rig_rms_px": rig.rig_rms_px, "cameras": [c.id for c in rig.cameras], "world": rig.world},
    )
    return rig, report


def load_calibration(folder: SessionFolder) -> RigCalibration:
    """The rig that `calibrate` wrote. Raises IncompleteInput when it has not run or did not finish."""
    artefact = store.read(folder.derived(ARTEFACT), ARTEFACT)
    return RigCalibration.from_json(json.loads((artefact.folder / "rig.json").read_text(encoding="utf-8")))


def times_of(boards: Iterable[Original], detections: Detections) -> dict[str, float]:
    """Seconds from the first frame of every frame of the board videos; one frame index is one moment of all."""
    listed = list(boards)
    stills = {o.shot.group for o in listed if o.frames == 1}
    return {
        shot: int(shot) / o.fps
        for o in listed
        if o.frames > 1 and o.fps > 0
        for shot in detections.get(o.shot.camera, {})
        if shot.isdigit() and shot not in stills
    }


def _target(validated: ValidatedSession) -> Target:
    board = validated.session.calibration.board
    if board is None:
        found = issue("BOARD_NOT_FOUND", where="session.toml", expected="[calibration.board]", found="none")
        report = Report("calibrate", (found,))
        raise CalibrationTooPoor("calibration needs a board, session.toml has no [calibration.board]; add it", report)
    try:
        return target_of(board, validated.session.calibration.extra_boards)
    except ValueError as err:
        found = issue("SESSION_FILE_INVALID", where="session.toml [calibration.board]", found=str(err))
        raise CalibrationTooPoor(str(err), Report("calibrate", (found,))) from err


def _earlier(validated: ValidatedSession, *, force: bool) -> tuple[Camera, ...]:
    """The cameras of the rig that is there. Raises ValueError for an imported one that would be lost."""
    folder = validated.folder.derived(ARTEFACT)
    if not (folder / f"{ARTEFACT}.json").is_file():
        return ()
    if not force and store.read(folder, ARTEFACT).settings.get("source") == IMPORTED:
        raise ValueError("session has a rig imported from another program; add --force to replace it by its own board")
    try:
        return load_calibration(validated.folder).cameras
    except (IncompleteInput, OSError, ValueError):  # unfinished or changed by hand: nothing to compare with
        return ()


def _judged(
    validated: ValidatedSession, task: Task, report: Report, solution: Solution | None, earlier: tuple[Camera, ...]
) -> Report:
    """The report with what the pictures and an earlier rig say, under the rules of the shoot."""
    before = [*picture_issues(validated, task.detections, task.target)]
    mirrored = {i.where for i in before if i.code == "BOARD_MIRRORED"}
    solved = [i for i in report.issues if i.code != "BOARD_NOT_FOUND" or i.where not in mirrored]
    since = since_issues(exchanged_since(solution.cameras, earlier)) if solution else ()
    return Report(report.step, apply_rules(validated.session, (*before, *since, *solved)), report.facts)


def _crossed(validated: ValidatedSession, report: Report, fitted: Fitted) -> Report:
    """The report with what COLMAP makes of the same corners."""
    found = cross_check(fitted)
    facts: JsonObject = {"cross_check": found if isinstance(found, str) else found.to_json()}
    said = f"COLMAP was not asked: {found}" if isinstance(found, str) else found.line
    facts["notes"] = [*cast("list[JsonValue]", report.facts["notes"]), f"{said}."]
    issues = apply_rules(validated.session, (*report.issues, *cross_issues(found)))
    return Report(report.step, issues, {**report.facts, **facts})


def transforms_of(validated: ValidatedSession, solution: Solution | None) -> tuple[JsonObject | None, list[JsonValue]]:
    """The content of transforms.json, or why nerfstudio cannot have one."""
    if solution is None:
        return None, []
    try:
        return to_transforms(solution.cameras, pictures_of(validated, validated.folder.derived(ARTEFACT))), []
    except ValueError as err:
        return None, [f"transforms.json for nerfstudio was not written: {err}"]


def _write_report(folder: Path, validated: ValidatedSession, report: Report, solution: Solution | None) -> None:
    clean = Report(report.step, report.issues, cast(JsonObject, _finite(report.facts)))
    store.write_json(folder / "report.json", clean.to_json())
    shown = None
    if solution is not None:
        shown = Shown(
            solution.cameras,
            solution.boards,
            outline_of(_target(validated)),
            solution.misses,
            _marks(validated.folder),
            floor=solution.world.startswith("board"),
        )
    store.write_atomic(folder / "report.html", render_page(clean, shown, validated.session.session.id))


def _marks(folder: SessionFolder) -> dict[str, Floats]:
    """Confirmed marks, each where its first take has it, of a map that is finished; none before there is one."""
    try:
        artefact = store.read(folder.derived("marks"), "marks")
        if artefact.result.get("stage") != "confirmed":
            return {}
        found = BirthmarkMap.from_json(json.loads((artefact.folder / "map.json").read_text(encoding="utf-8")))
    except (IncompleteInput, OSError, ValueError, KeyError):
        return {}
    return {mark.label or mark.id: next(iter(mark.places.values())).position for mark in found.marks if mark.places}


def _sigma(solution: Solution) -> dict[str, dict[str, float]]:
    """The sigmas of every camera that the views determine."""
    cameras = cast("dict[str, JsonObject]", solution.facts["cameras"])
    listed = {name: cast("JsonObject", facts["sigma"] or {}) for name, facts in cameras.items()}
    return {
        name: {k: float(v) for k, v in values.items() if isinstance(v, float) and math.isfinite(v)}
        for name, values in listed.items()
    }


def _finite(value: JsonValue) -> JsonValue:
    """JSON has no NaN: a number that could not be measured is null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _take_away(folder: Path) -> None:
    """A rig of an earlier run must not be mistaken for one of these pictures."""
    for name in ("rig.json", "transforms.json", "rig.toml"):
        (folder / name).unlink(missing_ok=True)


def _too_poor(report: Report, folder: Path) -> str:
    first = first_cause(report) or report.errors[0]
    more = f" and {len(report.errors) - 1} more" if len(report.errors) > 1 else ""
    return (
        f"calibration is too poor: {first.where}: {first.reason} Found {first.found}{more}; {first.remedy} "
        f"Read {folder / 'report.html'}"
    )
