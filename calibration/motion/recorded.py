"""`record_session`: takes of a mocap suit or of markers, which come as files, into derived/motion of a session.

A BVH brings its rotations along and is put upon the canonical skeleton with its own lengths. Tracks of joints go the
way of triangulated ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from calibration.motion.artefact import ARTEFACT, Making, Taken
from calibration.motion.contacts import find_contacts
from calibration.motion.fit import HELD, Fitted
from calibration.motion.gaps import MOST_SHARE
from calibration.motion.page import OF_RECORDINGS
from calibration.motion.skeleton import (
    BONES_MM,
    Built,
    Captured,
    Cleaning,
    build_skeleton,
    long_enough,
    skeleton_facts,
    skeleton_issues,
)
from calibration.motion.takes import Reading, find_takes, kind_of, read_take, taken_for_granted
from capture import consent, store
from capture.issues import Issue, JsonObject, Report, issue
from capture.motion.bvh import LEG_RANGE_M, BvhTake
from capture.motion.c3d import require_library
from capture.motion.canonical import CANONICAL, canonical_track, leg_length, map_names
from capture.motion.clip import JointTrack
from capture.motion.reading import MotionFileError
from capture.motion.skeletons import retarget
from capture.session import ShotKind, read_session
from capture.vault import SessionFolder

# Markers err by a millimetre where detectors err by ten, so that less is smoothed away: a heel's strike goes up to 10.
CUTOFF_HZ = 10.0
_METHOD = 1  # raise it when the same files give another clip
_ASTRAY_M = 0.2  # of a joint from its bone; further no body bends one, and the way she goes hangs on it
_LISTED = 12


def record_session(
    folder: SessionFolder,
    files: Path,
    *,
    reading: Reading | None = None,
    force: bool = False,
) -> tuple[dict[str, Captured], Report]:
    """Her movement in every [[clip]] that has a file CLIP.bvh, .c3d, .trc or .csv in a folder.

    Writes derived/motion as `capture_session` does. Needs session.toml and her consent, neither ingest nor a rig.
    Returns what was captured by clip, empty where all was done already and `force` is not given. Files that cannot be
    used are issues. Raises ConsentRefused before anything is written, InvalidSession, IncompleteInput without clips or
    without a file of any, ValueError for two files of one clip, and where C3D cannot be read for want of its library.
    """
    reading = reading or Reading()
    session = read_session(folder.root)
    head = session.session
    permit = consent.require(folder.vault, head.person, head.consent, act=consent.Act.INGEST)
    takes, unmatched = find_takes(files, session)
    reading.check(list(takes.values()))
    if any(kind_of(path) == "c3d" for path in takes.values()):
        require_library()
    inputs = {"session": store.sha256_file(folder.toml), "consent": permit.record_digest}
    inputs |= {path.name: store.sha256_file(path) for path in takes.values()}
    settings: JsonObject = {
        "method": _METHOD,
        "fps": reading.fps,
        "unit": reading.unit,
        "up": reading.up,
        "drop_first": reading.drop_first,
        "unmatched": [f"{i.code} {i.where} {i.found}" for i in unmatched],
    }
    making = Making(session, folder.derived(ARTEFACT), inputs, settings, OF_RECORDINGS)
    if not force and (done := making.done()) is not None:
        return {}, done
    gone = making.begin()
    clips = {name: making.keep(name, _taken(path, reading, name)) for name, path in takes.items()}
    report = making.finish(clips, gone=gone, more=unmatched)
    return {name: captured for name, (captured, _) in clips.items() if captured is not None}, report


def _taken(path: Path, reading: Reading, name: str) -> Taken:
    where = f"{ShotKind.CLIP.value}/{name}"
    try:
        take = read_take(path, reading)
        _check_bones(path, take)
    except MotionFileError as err:
        return None, _failed(issue("MOTION_FILE_UNREADABLE", where=where, found=str(err)))
    missing = _missing(take)
    if missing:
        return None, _failed(_without_joints(path, take, missing, where))
    built, cutoff_hz = _of_bvh(take) if isinstance(take, BvhTake) else _of_track(take)
    fitted = built.captured.fitted
    leg_m = leg_length(fitted.clip.track) if fitted else None
    if leg_m is not None and not LEG_RANGE_M[0] <= leg_m <= LEG_RANGE_M[1]:
        expected = f"legs of {LEG_RANGE_M[0]:g} to {LEG_RANGE_M[1]:g} m"
        return None, _failed(issue("MOTION_NO_BODY", where=where, expected=expected, found=f"{leg_m:.3g} m"))
    facts: JsonObject = {
        "file": path.name,
        **skeleton_facts(built),
        "seconds": round(len(built.captured.track) / built.captured.track.fps, 3),
        "leg_m": round(leg_m, 4) if leg_m is not None else None,
        "smoothed_hz": cutoff_hz,
        "rotations": "of the file" if isinstance(take, BvhTake) else "fitted",
        **taken_for_granted(take),
    }
    return built.captured, Report(ARTEFACT, tuple(_issues(built, take, where)), facts)


def _failed(why: Issue) -> Report:
    return Report(ARTEFACT, (why,))


def _check_bones(path: Path, take: BvhTake | JointTrack) -> None:
    if isinstance(take, BvhTake) and take.lengths_vary_m > _ASTRAY_M:
        found = f"a joint leaves its bone by {take.lengths_vary_m:.2f} m"
        raise MotionFileError(path, f"{found}; export it with the way she goes on the root, and bones of one length")


def _missing(take: BvhTake | JointTrack) -> tuple[str, ...]:
    """Canonical joints that it takes to make a clip, and that the file does not have."""
    if isinstance(take, BvhTake):
        return map_names(take.clip.skeleton.names).missing
    return tuple(name for name in map_names(take.names).missing if name not in HELD)


def _without_joints(path: Path, take: BvhTake | JointTrack, missing: tuple[str, ...], where: str) -> Issue:
    names = take.clip.skeleton.names if isinstance(take, BvhTake) else take.names
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    found = f"no {', '.join(missing)}; {path.name} has {', '.join(names[:_LISTED])}{more}"
    return issue("MOTION_JOINT_MISSING", where=where, expected=f"{len(CANONICAL)} joints by name", found=found)


def _of_track(track: JointTrack) -> tuple[Built, float | None]:
    """What was built, and up to which frequency; None where so low a rate holds nothing above it."""
    cutoff_hz = CUTOFF_HZ if MOST_SHARE * track.fps > CUTOFF_HZ else None
    return build_skeleton(track, Cleaning(cutoff_hz=cutoff_hz)), cutoff_hz


def _of_bvh(take: BvhTake) -> tuple[Built, None]:
    """The rotations of the file on her canonical skeleton; the program that made it has filled and smoothed."""
    track = canonical_track(take.clip)
    if not long_enough(len(track), track.fps):
        return Built(Captured(track, None, 0, None), (), {}), None
    clip = retarget(take.clip)
    off_mm = np.linalg.norm(clip.world[1] - track.places, axis=2) * 1e3
    mean = {name: float(off_mm[:, k].mean()) for k, name in enumerate(CANONICAL)}
    worst = {name: float(np.percentile(off_mm[:, k], 95)) for k, name in enumerate(CANONICAL)}
    return Built(Captured(track, Fitted(clip, mean, worst, ()), 0, find_contacts(clip.track)), (), {}), None


def _issues(built: Built, take: BvhTake | JointTrack, where: str) -> Iterator[Issue]:
    # Rigs differ in where pelvis and chest lie: what a BVH is off by tells of the rig, not of her bones.
    bvh = isinstance(take, BvhTake)
    yield from skeleton_issues(built, where, expected="known", bones_mm=math.inf if bvh else BONES_MM)
    if isinstance(take, BvhTake) and take.lengths_vary_m * 1e3 > BONES_MM:
        below, found = f"below {BONES_MM:g} mm", f"a joint leaves its bone by {take.lengths_vary_m * 1e3:.0f} mm"
        yield issue("MOTION_BONES_VARY", where=where, expected=below, found=found)
