"""What a rig is worth on board shots that it was never fitted to: lenses, places and time offsets stay as they are.

Only the boards are placed anew, so that the figure is independent of the calibration; its own held-out figure is the
measure. A camera that fails spoils the boards of the others, so the one without which they pass is named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from calibration.detect import Corners, Detections, detect_frames, detect_session
from calibration.judge import Judgement, judge
from calibration.rig import ARTEFACT, RigCalibration
from calibration.start import Clock
from calibration.target import Target
from capture.issues import Issue, JsonObject, Report, issue
from capture.session import Shot, ShotKind
from capture.validate import ValidatedSession
from capture.video import read_frames

if TYPE_CHECKING:
    from capture.session import Clip
    from capture.validate import Original

LEAST_CORNERS = 60  # of a camera, below which it is not judged
_MORE = 1.5  # of the held-out figure; two blocks of one good session differ by less
_FLOOR_PX = 0.3  # corners of a print are found no better everywhere in a picture
_FRAMES = 100  # of a board clip


@dataclass(frozen=True)
class Verification:
    """The independent figures of a rig."""

    rms_px: Mapping[str, float]  # per camera, nothing dropped
    limit_px: Mapping[str, float]  # per camera
    rig_rms_px: float
    distance_rmse_mm: float  # triangulated corners against the print; NaN where no shot has two cameras
    shots: int
    failed: tuple[str, ...]  # cameras

    @property
    def ok(self) -> bool:
        """True when every camera is within its limit."""
        return not self.failed

    def to_json(self) -> JsonObject:
        """The figures under plain keys."""
        return {
            "ok": self.ok,
            "rig_rms_px": self.rig_rms_px,
            "distance_rmse_mm": None if math.isnan(self.distance_rmse_mm) else self.distance_rmse_mm,
            "shots": self.shots,
            "cameras": {n: {"rms_px": v, "limit_px": self.limit_px[n]} for n, v in self.rms_px.items()},
            "failed": list(self.failed),
        }


def verify_rig(
    rig: RigCalibration,
    detections: Detections,
    target: Target,
    *,
    held_out_px: Mapping[str, float] | None = None,
    time_s: Mapping[str, float] | None = None,
) -> tuple[Verification, Report]:
    """Judge a rig on views that were not in its fit.

    Args:
        held_out_px: what calibration measured on shots held out, by camera; its own RMS where it has none.
        time_s: seconds of each frame of a clip; empty where the board stood still.

    Raises ValueError when no shot was seen by two cameras of the rig.
    """
    clock = Clock(time_s=dict(time_s or {}), offset_s=dict(rig.offset_s))
    limits = {
        c.id: max(_FLOOR_PX, _MORE * (held_out_px or {}).get(c.id, rig.rms_px.get(c.id, _FLOOR_PX)))
        for c in rig.cameras
    }
    verdict = judge(rig.cameras, detections, target, clock=clock)
    over = _over(verdict, limits)
    failed = _blamed(rig, detections, target, (clock, limits)) if over else ()
    found = Verification(
        verdict.rms_px,
        {n: limits[n] for n in verdict.rms_px},
        verdict.rig_rms_px,
        verdict.distance_rmse_mm,
        verdict.shots,
        failed or over,
    )
    issues = tuple(_failed(found, name) for name in found.failed)
    return found, Report("verify", issues, found.to_json())


def verify_session(
    validated: ValidatedSession, rig: RigCalibration, target: Target
) -> tuple[Verification, Report] | None:
    """Judge the rig of a session on what it keeps for that: `[calibration] verify`, or else its clips with the board.

    None where the session keeps nothing, or no shot of it was seen by two cameras.
    """
    detections, time_s = _kept_views(validated, target)
    shots = [s for views in detections.values() for s in views]
    if all(shots.count(s) < 2 for s in set(shots)):
        return None
    return verify_rig(rig, detections, target, held_out_px=held_out_of(validated), time_s=time_s)


def held_out_of(validated: ValidatedSession) -> dict[str, float]:
    """Camera -> pixels that calibration measured on shots held out; empty where it could hold none out."""
    path = validated.folder.derived(ARTEFACT) / "report.json"
    if not path.is_file():
        return {}
    facts = Report.from_json(path.read_text(encoding="utf-8")).facts
    cameras = cast("dict[str, JsonObject]", facts.get("cameras", {}))
    found = {name: own.get("held_out_rms_px") for name, own in cameras.items()}
    return {name: float(v) for name, v in found.items() if isinstance(v, float)}


def _kept_views(validated: ValidatedSession, target: Target) -> tuple[dict[str, dict[str, Corners]], dict[str, float]]:
    kept = validated.session.calibration.verify
    clips = [c for c in validated.session.clip if c.board and (c.id in kept or not kept)]
    cache = validated.folder.derived(ARTEFACT) / "detections.json"
    shots = detect_session(validated, target, cache=cache if cache.is_file() else None) if kept else {}
    found = {name: {s: c for s, c in views.items() if s in kept} for name, views in shots.items()}
    time_s: dict[str, float] = {}
    for clip in clips:
        for original in _members(validated, clip):
            every = -(-original.frames // _FRAMES)
            for frame, corners in detect_frames(read_frames(original.path, every=every), target).items():
                shot = f"{clip.id}-{frame}"
                found.setdefault(original.shot.camera, {})[shot] = corners
                time_s[shot] = int(frame) / original.fps
    # One path cannot go through two clips: each frame is then judged by itself.
    return found, time_s if len(clips) == 1 else {}


def _members(validated: ValidatedSession, clip: Clip) -> list[Original]:
    shots = (Shot(ShotKind.CLIP, name, clip.id) for name in validated.session.cameras_of(clip))
    return [o for shot in shots if (o := validated.find(shot)) is not None and o.fps > 0]


def _over(verdict: Judgement, limits: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(
        n for n, rms in verdict.rms_px.items() if rms > limits[n] and verdict.corners[n] >= LEAST_CORNERS
    )  # fmt: skip


def _blamed(
    rig: RigCalibration, detections: Detections, target: Target, how: tuple[Clock, Mapping[str, float]]
) -> tuple[str, ...]:
    """The camera without which all others pass, the best such; empty where there is none."""
    clock, limits = how
    passing: dict[str, float] = {}
    for out in rig.cameras:
        rest = [c for c in rig.cameras if c.id != out.id]
        try:
            verdict = judge(rest, detections, target, clock=clock)
        except ValueError:
            continue  # the others share no shot
        if not _over(verdict, limits):
            passing[out.id] = verdict.rig_rms_px
    return (min(passing, key=lambda n: passing[n]),) if passing else ()


def _failed(found: Verification, name: str) -> Issue:
    rms, limit = found.rms_px.get(name, found.rig_rms_px), found.limit_px.get(name, _FLOOR_PX)
    return issue(
        "VERIFICATION_FAILED",
        where=f"camera {name}",
        expected=f"at most {limit:.2f} px on shots that were not in the fit",
        found=f"{rms:.2f} px over {found.shots} shots, distances off by {found.distance_rmse_mm:.2f} mm",
    )
