"""From the takes and clips of a session to moments: what each camera saw of her and of the studio behind her."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from calibration.drift.background import Backdrop
from calibration.drift.features import Moment, Seen, look
from calibration.pose import Floats
from calibration.rig import RigCalibration
from capture.images import ImageError, Picture, read_image
from capture.issues import Issue, issue
from capture.session import Clip, Shot, ShotKind
from capture.take_masks import spread_lights, stills_of
from capture.validate import Original, ValidatedSession
from capture.video import VideoError, decode_frames

_MOST = 60  # moments of a clip
_LEAST_FRAMES = 8
_SAME_RATE = 1e-3
_THREADS = 2
PLATE, FIRST_PICTURE = "its plate", "its first picture"  # what a background is compared with
Glimpse = tuple[Seen, Floats]  # the points of a picture, and the shift (2,) of its background


@dataclass(frozen=True, eq=False)
class Recording:
    """A clip, or all takes."""

    place: str
    moments: tuple[Moment, ...]
    names: tuple[str, ...]  # of the moments
    background: Mapping[str, Floats]  # camera -> (M, 2) pixels of the file; NaN where it does not tell
    against: Mapping[str, str]  # camera -> what its background is compared with
    every: int = 1  # frames from one moment to the next
    fps: float = 0.0


def read_recordings(validated: ValidatedSession, rig: RigCalibration) -> Iterator[Recording | Issue]:
    """The takes of the session, then each clip without a board; issues for what cannot be compared."""
    plates = {c.id: _plate(validated, c.id) for c in rig.cameras}
    yield from _stills(validated, rig, plates)
    for clip in validated.session.clip:
        members = {
            name: original
            for name in validated.session.cameras_of(clip)
            if name in plates and (original := validated.find(Shot(ShotKind.CLIP, name, clip.id)))
        }
        if len(members) > 1 and not clip.board:
            yield _clip(clip, members, rig, plates)


def _plate(validated: ValidatedSession, camera: str) -> Backdrop | None:
    plate = validated.find(Shot(ShotKind.PLATE, camera))
    try:
        return Backdrop(read_image(plate.path)) if plate else None
    except ImageError:
        return None  # ingest has the word on files


def _stills(
    validated: ValidatedSession, rig: RigCalibration, plates: Mapping[str, Backdrop | None]
) -> Iterator[Recording | Issue]:
    glimpses: dict[tuple[str, str], dict[str, Glimpse]] = {}
    against: dict[str, str] = {}
    for camera in rig.cameras:
        first = plates[camera.id]
        against[camera.id] = PLATE if first else FIRST_PICTURE
        for take in validated.session.take:
            if camera.id not in validated.session.cameras_of(take):
                continue
            for original in spread_lights(stills_of(validated, take, camera.id)):
                try:
                    picture = read_image(original.path)
                except ImageError as err:
                    yield issue(err.code, where=original.shot.stem, found=err.detail)
                    continue
                first = first or Backdrop(picture)
                glimpses.setdefault((take.id, original.shot.light), {})[camera.id] = (
                    look(picture),
                    first.shift(picture),
                )
    order = [(t.id, x) for t in validated.session.take for x in validated.session.lights_of(t) if (t.id, x) in glimpses]
    if order:
        listed = [glimpses[key] for key in order]
        yield _recording("stills", [take for take, _ in order], listed, against)


def _recording(
    place: str, names: Sequence[str], glimpses: Sequence[Mapping[str, Glimpse]], against: Mapping[str, str]
) -> Recording:
    nothing = np.full(2, np.nan)
    background = {c: np.array([g[c][1] if c in g else nothing for g in glimpses]) for c in against}
    moments = tuple({c: seen for c, (seen, _) in g.items()} for g in glimpses)
    return Recording(place, moments, tuple(names), background, against)


def _clip(
    clip: Clip, members: Mapping[str, Original], rig: RigCalibration, plates: Mapping[str, Backdrop | None]
) -> Recording | Issue:
    place = f"clips/{clip.id}"
    rates = {name: original.fps for name, original in members.items()}
    fps, frames = float(np.median(list(rates.values()))), min(o.frames for o in members.values())
    if frames < _LEAST_FRAMES or any(abs(rate / fps - 1) > _SAME_RATE for rate in rates.values()):
        found = f"{frames} frames at " + ", ".join(f"{rate:g} ({name})" for name, rate in rates.items())
        expected = f"at least {_LEAST_FRAMES} frames, at one rate"
        return issue("DRIFT_NOT_MEASURED", where=place, expected=expected, found=found)
    every = -(-(frames - 2) // _MOST)
    chosen = range(1, frames - 1, every)

    def watch(name: str) -> list[Glimpse]:
        ahead = rig.offset_s.get(name, 0.0) * fps
        return [(_in_time(seen, ahead), shift) for seen, shift in _watch(members[name], chosen, plates[name])]

    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            watched = dict(zip(members, pool.map(watch, members), strict=True))
    except VideoError as err:
        return issue(err.code, where=place, found=err.detail)
    glimpses = [{name: own[k] for name, own in watched.items()} for k in range(len(chosen))]
    against = {name: PLATE if plates[name] else FIRST_PICTURE for name in members}
    read = _recording(place, [f"frame {k}" for k in chosen], glimpses, against)
    return replace(read, every=every, fps=fps)


def _watch(original: Original, chosen: range, plate: Backdrop | None) -> Iterator[Glimpse]:
    """Points and background of the chosen frames; each needs the frame before and the one after."""
    last: list[Picture] = []
    backdrop = plate
    for frame in decode_frames(original.path):
        if not any(k in chosen for k in (frame.index - 1, frame.index, frame.index + 1)):
            continue
        last = [*last, frame.picture()][-3:]
        if frame.index - 1 in chosen:
            before, here, after = last
            backdrop = backdrop or Backdrop(here)
            yield look(here, neighbours=(before, after)), backdrop.shift(here)


def _in_time(seen: Seen, ahead: float) -> Seen:
    """The points where they were when the clock of the rig struck: calibration knows by how much a camera is late."""
    if not ahead:
        return seen
    uv = seen.uv - ahead * seen.velocity
    good = np.isfinite(uv).all(axis=1)
    return Seen(uv[good], seen.velocity[good], seen.descriptor[good])
