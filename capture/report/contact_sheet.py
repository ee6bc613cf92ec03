"""Contact sheets by camera and light, small enough to be mailed: of a large session a sample, and all in trouble."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

import cv2
from markupsafe import Markup

from capture.images import Picture, encode_jpeg
from capture.issues import Issue, Report, Severity
from capture.layout import place_of
from capture.report import picture
from capture.session import Session, Shot, ShotKind, Take
from capture.thumbnails import Thumbnails
from capture.validate import Context

PICTURE_BYTES = 9_000_000  # of JPEG on one page, which are 12 MB of text
_SMALL_PX, _SMALL_QUALITY = 112, 62  # longer side of a small picture, about 3 kB each
_PAGE_WIDTH = 1080  # CSS pixels for the cells of one row of the grid
_CELL = (84, 180)  # narrowest and widest cell
_OPEN = 12  # takes that are shown unfolded; of more, only those in trouble
_SHORT = {
    "EXPOSURE_CLIPPED": "clipped",
    "EXPOSURE_OFF": "exposure",
    "FOCUS_SOFT": "soft",
    "FRAME_IDENTICAL": "identical",
    "CAMERA_SETTINGS_DIFFER": "settings",
    "CLIP_FRAMES_DIFFER": "frame count",
    "GRID_FRAME_MISSING": "missing",
    "FILE_MISSING": "missing",
    "FILE_TRUNCATED": "truncated",
    "FILE_DAMAGED": "damaged",
    "FILE_UNREADABLE": "unreadable",
    "FILE_FORMAT": "other format",
    "FILE_EMPTY": "empty",
    "GRID_FRAME_DUPLICATE": "two files",
    "ORIGINAL_CHANGED": "changed",
    "HASH_MISMATCH": "copy differs",
    "PLATE_MISSING": "missing",
    "LIGHT_MISMATCH": "other light",
    "CAMERA_SWAPPED": "other camera",
    "CAMERA_MOVED": "moved",
    "CAMERA_LATE": "late",
    "SYNC_CONTRADICTED": "other time",
    "MOTION_BLUR": "motion blur",
    "CAMERA_SERIAL_DIFFERS": "other body",
    "PHOTO_MIRRORED": "mirrored",
    "SUBJECT_EXTRA": "second person",
    "SUBJECT_MISSING": "nobody",
    "NOISE_HIGH": "noise",
    "CLOCK_SKEW": "clock",
    "FRAME_DROPPED": "dropped frames",
    "FRAME_FROZEN": "frozen frames",
    "PRIVACY_GPS": "place in tags",
    "PRIVACY_NAME": "name in tags",
    "PRIVACY_THUMBNAIL": "face in tags",
}
_STRIPS = {
    ShotKind.CLIP: "Clips",
    ShotKind.BOARD: "Calibration board",
    ShotKind.CHART: "Colour chart",
    ShotKind.BALL: "Mirror ball",
    ShotKind.PLATE: "Empty plates",
}


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet, or what stands in its place."""

    stem: str
    label: str
    state: str  # "", "warning", "error", "none" for a shot without a picture, "plain" for one that is left out
    note: str
    image: Markup | str
    aspect: float  # width / height of the camera


class Pictures:
    """The pictures that the page can carry: as they are, or smaller, or those in trouble and an even sample."""

    def __init__(self, thumbnails: Thumbnails, shots: Sequence[Shot], troubled: Set[Shot], budget: int) -> None:
        self._thumbnails = thumbnails
        there = [shot for shot in shots if shot in thumbnails]
        self.total = len(there)
        self._small = sum(len(thumbnails.jpeg(shot)) for shot in there) > budget
        self._chosen = set(there)
        if self._small:
            tried = there[:: max(1, len(there) // 24)]
            mean = sum(len(self._jpeg(shot)) for shot in tried) / len(tried)
            self._chosen = _sample(there, troubled, max(1, int(budget / mean)))

    @property
    def note(self) -> str:
        """What the reader must know of the choice; empty where every picture is there."""
        if not self._small:
            return ""
        if len(self._chosen) == self.total:
            return "So that the page can be mailed, its pictures are small; the originals are in the vault."
        shown = f"{len(self._chosen)} of {self.total} pictures are shown"
        return f"{shown}: those with an issue and an even sample of the others, small. ✓ stands for one left out."

    def html(self, shot: Shot) -> Markup | None:
        """The picture of a shot; None where the page leaves it out or there is none."""
        return picture(self._jpeg(shot), alt=shot.stem) if shot in self._chosen else None

    def _jpeg(self, shot: Shot) -> bytes:
        if not self._small:
            return self._thumbnails.jpeg(shot)
        image = self._thumbnails.picture(shot)
        scale = min(1.0, _SMALL_PX / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        return encode_jpeg(cast(Picture, cv2.resize(image, size, interpolation=cv2.INTER_AREA)), _SMALL_QUALITY)


class Sheet:
    """Cells by shot: its picture, and the worst issue that names it."""

    def __init__(self, context: Context, report: Report, *, budget: int = PICTURE_BYTES) -> None:
        self._session = context.session
        self._context = context
        self._aspect = {c.id: c.width / c.height for c in context.session.camera}
        self._worst = Worst(report.issues)
        shots = [o.shot for o in context.originals]
        troubled = {shot for shot in shots if shot.stem in self._worst}
        self._pictures = Pictures(context.thumbnails, shots, troubled, budget)

    @property
    def note(self) -> str:
        """See Pictures.note."""
        return self._pictures.note

    def takes(self) -> list[dict[str, object]]:
        """The grid of each take: cameras downwards, lights across, folded where there are many takes."""
        session = self._session
        many = len(session.take) > _OPEN
        return [self._take(session, take, folded=many) for take in session.take]

    def strips(self) -> list[dict[str, object]]:
        """Clips, calibration and plates, a row of each kind."""
        strips: list[dict[str, object]] = []
        for kind, name in _STRIPS.items():
            shots = [o.shot for o in self._context.originals if o.shot.kind is kind]
            shots += [shot for shot in self._context.missing if shot.kind is kind]
            cells = [self.cell(shot, shot.stem.removeprefix(f"{kind.value}/")) for shot in shots]
            if cells:
                strips.append({"name": name, "cells": cells})
        return strips

    def cell(self, shot: Shot, label: str) -> Cell:
        """The cell of one shot."""
        trouble = self._worst.get(shot.stem)
        aspect = self._aspect.get(shot.camera, 1.0)
        note = _SHORT.get(trouble.code, trouble.code.lower().replace("_", " ")) if trouble else ""
        image = self._pictures.html(shot)
        if image is not None:
            return Cell(shot.stem, label, trouble.severity.value if trouble else "", note, image, aspect)
        if shot in self._context.thumbnails:
            return Cell(shot.stem, label, f"plain {trouble.severity.value if trouble else ''}", note or "✓", "", aspect)
        return Cell(shot.stem, label, "none", (note or "missing").upper(), "", aspect)

    def _take(self, session: Session, take: Take, *, folded: bool) -> dict[str, object]:
        cameras, lights = session.cameras_of(take), session.lights_of(take)
        rows = [
            {"name": camera, "cells": [self.cell(Shot(ShotKind.STILL, camera, take.id, x), camera) for x in lights]}
            for camera in cameras
        ]
        stems = [f"{ShotKind.STILL.value}/{take.id}/{light}/{camera}" for light in lights for camera in cameras]
        trouble = sum(stem in self._worst for stem in stems)
        return {
            "id": take.id,
            "about": ", ".join(part for part in (take.pose, take.outfit, take.backdrop) if part),
            "cell": max(_CELL[0], min(_CELL[1], _PAGE_WIDTH // max(1, len(lights)))),
            "columns": lights,
            "rows": rows,
            "folded": folded,
            "open": not folded or trouble > 0,
            "trouble": trouble,
        }


class Worst:
    """The worst issue of each place, ignored ones left out; an issue names a file, a folder or a pattern of places."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self._exact: dict[str, Issue] = {}
        self._patterns: list[tuple[str, Issue]] = []
        counted = [item for item in issues if item.severity is not Severity.IGNORED]
        for item in sorted(counted, key=lambda i: i.severity is not Severity.ERROR):
            place = place_of(item.where)
            self._exact.setdefault(item.where, item)
            self._exact.setdefault(place, item)
            if "*" in place:
                self._patterns.append((place, item))

    def get(self, stem: str) -> Issue | None:
        """The worst issue that names the place `stem`, or None; an error before a warning."""
        parts = stem.split("/")
        folders = ("/".join(parts[:n]) for n in range(len(parts), 1, -1))
        found = [self._exact[name] for name in folders if name in self._exact]
        found += [item for pattern, item in self._patterns if fnmatchcase(stem, pattern)]
        return min(found, key=lambda i: i.severity is not Severity.ERROR, default=None)

    def __contains__(self, stem: str) -> bool:
        return self.get(stem) is not None


def _sample(shots: Sequence[Shot], troubled: Set[Shot], room: int) -> set[Shot]:
    """Those in trouble, then every so many of the others; where even the first do not fit, a sample of them."""
    bad = [shot for shot in shots if shot in troubled]
    chosen = set(_even(bad, room))
    return chosen | set(_even([shot for shot in shots if shot not in troubled], room - len(chosen)))


def _even(shots: Sequence[Shot], room: int) -> Sequence[Shot]:
    if len(shots) <= room:
        return shots
    return [shots[n * len(shots) // room] for n in range(room)] if room > 0 else []
