"""What the board pictures say before anything is solved: sizes, mirrored pictures, and what ingest knows of names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from calibration.detect import Detections
from calibration.diagnosis.lens import corner_issues, size_issues
from calibration.diagnosis.mirror import mirrored_pictures
from calibration.intrinsics import MIN_VIEWS
from calibration.target import Target
from capture.issues import Issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import ValidatedSession


def picture_issues(validated: ValidatedSession, detections: Detections, target: Target) -> Iterator[Issue]:
    """Issues of the board files themselves; a camera that saw no board is looked at in a mirror as well."""
    boards = validated.of_kind(ShotKind.BOARD)
    declared = {camera.id: (camera.width, camera.height) for camera in validated.session.camera}
    found: dict[str, dict[tuple[int, int], int]] = {}
    for original in boards:
        sizes = found.setdefault(original.shot.camera, {})
        size = (original.width, original.height)
        sizes[size] = sizes.get(size, 0) + 1
    yield from size_issues(found, declared)
    yield from corner_issues(detections, sizes_of(validated))
    for name, views in detections.items():
        if len(views) < MIN_VIEWS:
            yield from mirrored_pictures([o for o in boards if o.shot.camera == name], target)
    # the plates of the empty studio know cameras by their place, which corners of a board cannot
    yield from (item for item in validated.report.issues if item.code == "CAMERA_SWAPPED")


def sizes_of(validated: ValidatedSession) -> dict[str, tuple[int, int]]:
    """Camera -> (width, height) of most of its board files."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    for original in validated.of_kind(ShotKind.BOARD):
        sizes.setdefault(original.shot.camera, []).append((original.width, original.height))
    return {name: max(dict.fromkeys(listed), key=listed.count) for name, listed in sizes.items()}
