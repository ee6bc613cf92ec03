"""`capture_session`: keypoints of the clips of a session through its rig, into derived/motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from calibration.motion.artefact import ARTEFACT, Making, Taken
from calibration.motion.capture import Settings, capture_motion
from calibration.motion.folders import clip_folder, digest_of, of_one_layout, read_clip
from calibration.motion.page import OF_KEYPOINTS
from calibration.motion.skeleton import Captured
from calibration.rig import RigCalibration
from capture import consent, store
from capture.errors import IncompleteInput
from capture.issues import JsonObject, Report
from capture.session import Clip, ShotKind

if TYPE_CHECKING:
    from capture.validate import ValidatedSession

_METHOD = 1  # raise it when the same keypoints give another clip
_OFFSET_FRAMES = 0.5  # synchronisation by motion errs by less; what is smaller may be nothing


@dataclass(frozen=True)
class Choices:
    """What a person may say about the keypoints."""

    layout: str = ""  # name of a detector's order of points; empty: by their number
    offsets: Mapping[str, float] = field(default_factory=dict)  # camera -> frames late, instead of the measured one


def capture_session(
    validated: ValidatedSession,
    rig: RigCalibration,
    keypoints: Path,
    *,
    choices: Choices | None = None,
    force: bool = False,
) -> tuple[dict[str, Captured], Report]:
    """Her movement in every clip that has keypoints in the folder.

    Writes derived/motion: of each clip CLIP.bvh (where a skeleton could be fitted) and CLIP.npz (track and contacts),
    report.json, report.html, and motion.json. Returns what was captured by clip, empty where all was done already and
    `force` is not given. Time offsets are those that ingest measured, unless given. Raises ConsentRefused before
    anything is written, IncompleteInput without clips or without keypoints of any, ValueError for an offset of a camera
    that the rig does not have.
    """
    choices = choices or Choices()
    for name in choices.offsets:
        rig.camera(name)
    head = validated.session.session
    permit = consent.require(validated.folder.vault, head.person, head.consent, act=consent.Act.INGEST)
    sources = _sources(validated, keypoints)
    calibration = store.read(validated.folder.derived("calibration"), "calibration")
    inputs = {
        "ingest": validated.digest,
        "calibration": calibration.digest,
        "keypoints": digest_of(keypoints),
        "consent": permit.record_digest,
    }
    settings: JsonObject = {"method": _METHOD, "layout": choices.layout, "offsets": dict(choices.offsets)}
    folder = validated.folder.derived(ARTEFACT)
    making = Making(validated.session, folder, inputs, settings, OF_KEYPOINTS)
    if not force and (done := making.done()) is not None:
        return {}, done
    gone = making.begin()
    clips = {name: making.keep(name, _captured(validated, rig, source, choices)) for name, source in sources.items()}
    report = making.finish(clips, gone=gone)
    return {name: captured for name, (captured, _) in clips.items() if captured is not None}, report


def _sources(validated: ValidatedSession, keypoints: Path) -> dict[str, tuple[Clip, Path]]:
    filmed = {o.shot.group for o in validated.of_kind(ShotKind.CLIP)}
    clips = [clip for clip in validated.session.clip if not clip.board and clip.id in filmed]
    if not clips:
        raise IncompleteInput("session has no clip of her in motion; record one as [[clip]] and ingest it")
    found = {clip.id: (clip, clip_folder(keypoints, clip.id, alone=len(clips) == 1)) for clip in clips}
    sources = {name: (clip, source) for name, (clip, source) in found.items() if source is not None}
    if not sources:
        wanted = f"{clips[0].id}/CAMERA/*.json"
        raise IncompleteInput(f"folder {keypoints} has keypoints of no clip; put them there as {wanted}, one a frame")
    return sources


def _captured(validated: ValidatedSession, rig: RigCalibration, source: tuple[Clip, Path], choices: Choices) -> Taken:
    clip, folder = source
    place = f"{ShotKind.CLIP.value}/{clip.id}"
    cameras = [camera for camera in rig.cameras if camera.id in validated.session.cameras_of(clip)]
    rates = [o.fps for o in validated.of_kind(ShotKind.CLIP) if o.shot.group == clip.id and o.fps > 0]
    people, unread = read_clip(folder, [camera.id for camera in rig.cameras], layout=choices.layout, where=place)
    people, others = of_one_layout(people, where=place)
    offsets = {**_measured_offsets(validated, place), **choices.offsets}
    settings = Settings(float(np.median(rates)), {name: late for name, late in offsets.items() if name in people})
    captured, report = capture_motion(cameras, people, settings, where=place)
    named = {i.where for i in (*unread, *others)}
    rest = [i for i in report.issues if i.code != "MOTION_CAMERA_WITHOUT_KEYPOINTS" or i.where not in named]
    facts: JsonObject = {**report.facts, "offset_frames": dict(settings.offsets)} if report.facts else {}
    return captured, Report(report.step, (*unread, *others, *rest), facts)


def _measured_offsets(validated: ValidatedSession, place: str) -> dict[str, float]:
    """Frames by which ingest found each camera of a clip to show later moments, where that is more than its error."""
    clips = cast("dict[str, JsonObject]", validated.report.facts.get("sync") or {})
    cameras = cast("dict[str, JsonObject]", clips.get(place, {}).get("cameras") or {})
    frames = {name: float(str(own["offset_frames"])) for name, own in cameras.items()}
    return {name: late for name, late in frames.items() if abs(late) >= _OFFSET_FRAMES}
