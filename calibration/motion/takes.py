"""Files of movement that another system recorded: which is of which clip, and each read as far as it says itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from capture.errors import IncompleteInput
from capture.issues import Issue, JsonObject, issue
from capture.motion.bvh import BvhTake, take_bvh
from capture.motion.c3d import read_c3d
from capture.motion.clip import JointTrack
from capture.motion.joint_csv import read_joint_csv
from capture.motion.reading import MotionFileError
from capture.motion.trc import read_trc
from capture.motion.units import metres_of
from capture.motion.upright import world_from_file
from capture.session import Clip, Session

FORMATS = ("bvh", "c3d", "trc", "csv")
_TOLD_UNIT, _TOLD_RATE = ("bvh", "csv"), ("csv",)  # formats that can be told what they do not say
_LISTED = 6


@dataclass(frozen=True)
class Reading:
    """What a person may say about the files; empty for what they say themselves. ValueError for what cannot be."""

    fps: float | None = None  # of CSV without times
    unit: str = ""  # of BVH and CSV; CSV is in metres by default, a BVH tells by the length of the legs
    up: str = ""  # axis; CSV is z up by default, the others tell by names
    drop_first: bool = False  # the first frame, where exporters put a T pose

    def __post_init__(self) -> None:
        if self.unit:
            metres_of(self.unit)
        if self.up:
            world_from_file(self.up)
        if self.fps is not None and not self.fps > 0:
            raise ValueError(f"frame rate is not positive: {self.fps:g}; give --fps as frames a second")

    def check(self, paths: Sequence[Path]) -> None:
        """ValueError where something is said that none of the files can be told."""
        kinds = {kind_of(path) for path in paths}
        for option, said, told in (("--unit", self.unit, _TOLD_UNIT), ("--fps", self.fps, _TOLD_RATE)):
            if said and not kinds & set(told):
                of = " and ".join(kind.upper() for kind in told)
                raise ValueError(f"{option} is for {of} files, found {', '.join(sorted(kinds))}; leave it out")


def kind_of(path: Path) -> str:
    """The format of a file by the end of its name, in small letters."""
    return path.suffix[1:].lower()


def find_takes(folder: Path, session: Session) -> tuple[dict[str, Path], tuple[Issue, ...]]:
    """The file of each clip of her, in the order of session.toml; issues for files and clips that nothing belongs to.

    Raises ValueError for two files of one clip, IncompleteInput where the session has no clip or no clip has a file.
    """
    clips = [clip for clip in session.clip if not clip.board]
    if not clips:
        raise IncompleteInput("session has no clip of her in motion; describe each take as a [[clip]] in session.toml")
    lying = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    files = [path for path in lying if kind_of(path) in FORMATS]
    found: dict[str, Path] = {}
    for clip in clips:
        own = [path for path in files if path.stem == clip.id]
        if len(own) > 1:
            names = " and ".join(path.name for path in own)
            raise ValueError(f"clip {clip.id!r} has {len(own)} files, {names}; leave the one that counts in {folder}")
        if own:
            found[clip.id] = own[0]
    if not found:
        names = _listed([_named(path) for path in files]) or "none"
        wanted = ", ".join(f"{clips[0].id}.{kind}" for kind in FORMATS)
        raise IncompleteInput(f"folder {folder} has a file of no clip (found {names}); name them as {wanted}")
    return found, (*_without_file(clips, found, lying), *_without_clip(session, found, files))


def read_take(path: Path, reading: Reading) -> BvhTake | JointTrack:
    """One file in world metres, z up. Raises MotionFileError for whatever is wrong with it."""
    kind, up = kind_of(path), reading.up or None
    if kind == "bvh":
        return take_bvh(path, unit=reading.unit or None, up=up, drop_first=reading.drop_first)
    if kind == "csv":
        track = read_joint_csv(path, fps=reading.fps, unit=reading.unit or "m", up=reading.up or "z")
    else:
        track = (read_c3d if kind == "c3d" else read_trc)(path, up=up)
    if not reading.drop_first:
        return track
    if len(track) < 2:
        raise MotionFileError(path, "it holds no frames beyond the one left out; record or export it again")
    return JointTrack(track.names, track.places[1:], track.fps)


def taken_for_granted(take: BvhTake | JointTrack) -> JsonObject:
    """What was found about a file that does not say it itself."""
    if isinstance(take, JointTrack):
        return {}
    return {
        "unit": take.unit,
        "up": take.up,
        "lengths_vary_mm": round(take.lengths_vary_m * 1e3, 2),
        "numbers_cut_off": take.trimmed_numbers,
        "offset_added": take.offset_added,
    }


def _without_file(clips: Sequence[Clip], found: Mapping[str, Path], lying: Sequence[Path]) -> Iterator[Issue]:
    for clip in clips:
        if clip.id not in found:
            others = _listed([_named(path) for path in lying if path.stem == clip.id]) or "none"
            expected = f"{clip.id}.{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}"
            yield issue("MOTION_CLIP_WITHOUT_FILE", where=f"clips/{clip.id}", expected=expected, found=others)


def _without_clip(session: Session, found: Mapping[str, Path], files: Sequence[Path]) -> Iterator[Issue]:
    boards = {clip.id for clip in session.clip if clip.board}
    known = f"one of {_listed([clip.id for clip in session.clip if not clip.board])}"
    for path in files:
        if path not in found.values():
            said = "a clip of the board" if path.stem in boards else _named(path).rpartition(".")[0]
            yield issue("MOTION_FILE_WITHOUT_CLIP", where=_named(path), expected=known, found=said)


def _named(path: Path) -> str:
    """The name of a file as text: archives of other systems leave names that are none."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
