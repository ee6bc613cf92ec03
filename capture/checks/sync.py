"""Time: cameras of one clip that began early or late, that nothing places, whose clocks drift, or whose times lie."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from capture.issues import Issue, JsonObject, issue
from capture.session import ShotKind
from capture.sync.contradict import Contradiction, contradictions
from capture.sync.evidence import Method, Stream
from capture.sync.offsets import CameraOffset, ClipOffsets, time_offsets
from capture.sync.stamps import FILE_NAME

if TYPE_CHECKING:
    from capture.validate import Context, Original

# Cameras that fire together come out within 0.08 frames (36 views of simulated walks); free-running ones lie anywhere
# within half a frame, which calibration solves for. From here on one frame index is no longer one moment.
_LATE_FRAMES = 0.75
_OVER_RESIDUAL = 2.0  # short clips of few cameras err by half a frame, and their lags then disagree by as much
_DRIFT_FRAMES = 0.5  # over the length of the clip
_LEAST_S = 1.0  # shorter recordings tell no time, and lose nothing by it
_MEANS = {  # what a contradiction comes from, where the motion lies (before, after) the time that the method tells
    Method.STAMPS: ("its pictures are older than their stamps: camera or cable held them back before they were stamped",
                    "its pictures are newer than their stamps: the other cameras held theirs back, or it stamps late"),
    Method.TIMECODE: ("its timecode is ahead of the others': it was set by another clock, or it counts at another rate",
                      "its timecode is behind the others': it was set by another clock, or it counts at another rate"),
    Method.FLASH: ("the jump of light that places it is later than the one of the others, or another one",
                   "the jump of light that places it is earlier than the one of the others, or another one"),
}  # fmt: skip


def check_sync(context: Context) -> Iterator[Issue]:
    """Cameras late by a frame or more, those that no method places, clocks that drift by half a frame, and times that
    what the cameras show contradicts."""
    for place, members in _clips(context).items():
        offsets = _offsets(members)
        stems = {o.shot.camera: o.shot.stem for o in members}
        for remark in offsets.remarks:
            yield issue("SYNC_UNRESOLVED", where=place, expected="a table of times that can be read", found=remark)
        if len(offsets.unresolved) == len(members):
            found = "no camera can be told from the others: too little common motion, sound or light, and no timecode"
            yield issue("SYNC_UNRESOLVED", where=place, expected="a time offset of each camera", found=found)
        else:
            for camera in offsets.unresolved:
                found = "nothing that it recorded places it among the other cameras"
                yield issue("SYNC_UNRESOLVED", where=stems[camera], expected="a time offset", found=found)
        for original in members:
            own = offsets.find(original.shot.camera)
            if own is not None:
                yield from _late(original, own, offsets)
                yield from _drifting(original, own)
        for contradiction in contradictions(_streams(members), offsets):
            yield _contradicted(next(o for o in members if o.shot.camera == contradiction.camera), contradiction)


def sync_facts(context: Context) -> JsonObject:
    """Place of each clip -> offsets of its cameras, for the report."""
    return {place: _offsets(members).to_json() for place, members in _clips(context).items()}


def _clips(context: Context) -> dict[str, tuple[Original, ...]]:
    """Recordings of several cameras by their place. One that `[sources]` uses twice is judged once."""
    groups: dict[str, list[Original]] = {}
    for original in context.originals:
        shot = original.shot
        moving = shot.kind is ShotKind.CLIP or (shot.kind is ShotKind.BOARD and not shot.group)
        if moving and original.fps > 0 and original.frames >= _LEAST_S * original.fps:
            groups.setdefault(shot.stem.rpartition("/")[0], []).append(original)
    seen: set[frozenset[str]] = set()
    found = {}
    for place, members in groups.items():
        files = frozenset(o.sha256 or o.shot.stem for o in members)  # none has a digest while it is on its card
        if len(members) > 1 and files not in seen:
            seen.add(files)
            found[place] = tuple(members)
    return found


def _offsets(members: tuple[Original, ...]) -> ClipOffsets:
    return _solved(_streams(members), tuple(o.sha256 for o in members), _table_of_times(members[0]))


def _streams(members: tuple[Original, ...]) -> tuple[Stream, ...]:
    return tuple(
        Stream(
            camera=o.shot.camera,
            path=o.path,
            frames=o.frames,
            fps=o.fps,
            name_on_card=o.name_on_card,
            timecode=o.timecode,
            steps=o.motion,
        )
        for o in members
    )


def _table_of_times(original: Original) -> Path | None:
    """The recorder's table beside the clip; on a card it may lie where `[sources]` found the clip."""
    originals = original.path.parents[original.shot.stem.count("/")]
    cards = sorted(path for path in (originals / "card").glob("*") if path.is_dir())
    beside = PurePosixPath(original.name_on_card).parent
    tables = [original.path.parent / FILE_NAME, *(card / beside / FILE_NAME for card in cards)]
    return next((path for path in tables if path.is_file()), None)


@lru_cache(maxsize=64)
def _solved(streams: tuple[Stream, ...], digests: tuple[str, ...], stamps: Path | None) -> ClipOffsets:
    """Once for the issues and once for the facts would be twice; `digests` keep two files of one path apart."""
    return time_offsets(streams, stamps=stamps)


def _late(original: Original, own: CameraOffset, offsets: ClipOffsets) -> Iterator[Issue]:
    if abs(own.frames) < _LATE_FRAMES or abs(own.seconds) < _OVER_RESIDUAL * own.residual_s:
        return
    word = "late" if own.frames > 0 else "early"
    again = ""
    if offsets.repeats_s:
        again = f"; her motion repeats after {offsets.repeats_s * original.fps:.0f} frames, it may be that much more"
    found = f"{abs(own.frames):.1f} frames ({abs(own.seconds) * 1000:.0f} ms) {word} by {own.method.value}{again}"
    yield issue("CAMERA_LATE", where=original.shot.stem, expected="begun in the same frame as the others", found=found)


def _drifting(original: Original, own: CameraOffset) -> Iterator[Issue]:
    length = original.frames / original.fps
    if own.drift_ppm is None or abs(own.drift_ppm) * 1e-6 * original.frames < _DRIFT_FRAMES:
        return
    word = "slow" if own.drift_ppm > 0 else "fast"
    apart = abs(own.drift_ppm) * 1e-3 * length
    found = f"clock {abs(own.drift_ppm):.0f} ppm {word}, {apart:.0f} ms over the {length:.0f} s of the clip"
    expected = f"within {_DRIFT_FRAMES:g} frames over the clip"
    yield issue("SYNC_DRIFT", where=original.shot.stem, expected=expected, found=found)


def _contradicted(original: Original, found: Contradiction) -> Issue:
    """Both figures in frames of this camera, and what such a difference comes from."""
    rate = original.fps
    told, seen = found.told_s * rate, found.seen_s * rate
    figures = (
        f"{_begun(told)} by {found.method.value} (residual {found.told_residual_s * rate:.1f}), "
        f"{_begun(seen)} by motion (residual {found.seen_residual_s * rate:.1f})"
    )
    means = _MEANS[found.method][seen > told]
    expected = f"the same offset by {found.method.value} and by motion"
    return issue("SYNC_CONTRADICTED", where=original.shot.stem, expected=expected, found=f"{figures}; {means}")


def _begun(frames: float) -> str:
    return f"{abs(frames):.1f} frames {'late' if frames > 0 else 'early'}" if abs(frames) >= 0.05 else "0.0 frames"
