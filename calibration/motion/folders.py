"""Where the keypoints of a clip lie: a folder a camera, named as the camera, with one JSON a frame."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from calibration.motion.keypoints import People, numbered, read_folder
from capture.issues import Issue, issue
from capture.store import sha256_file

_ENDS = ("_json", "-json", "_keypoints", "_pose")  # Pose2Sim and rtmlib write cam01_json
_BETWEEN = ("", "pose", "keypoints")


def clip_folder(root: Path, clip: str, *, alone: bool) -> Path | None:
    """The folder that holds the camera folders of a clip, or None: ROOT/CLIP, or ROOT where it is the only clip."""
    starts = [root / clip, *([root] if alone else [])]
    return next((f for start in starts for b in _BETWEEN if _cameras(f := start / b)), None)


def read_clip(
    folder: Path, cameras: Sequence[str], *, layout: str = "", where: str = "clip"
) -> tuple[dict[str, People], list[Issue]]:
    """Keypoints by camera, and issues for cameras whose files cannot be read.

    All cameras count their frames from one number: the smallest of all, or 0 where that is below 2. A folder that no
    camera is named like keeps its own name, so that whoever knows the rig can say so.
    """
    files, issues = {}, []
    for name, path in _cameras(folder).items():
        camera = next((c for c in cameras if name in (c, *(c + end for end in _ENDS))), name)
        try:
            files[camera] = (path, numbered(path))
        except ValueError as err:
            issues.append(_unreadable(f"{where}/{camera}", err))
    first = min((min(numbers) for _, numbers in files.values()), default=0)
    found = {}
    for camera, (path, _) in files.items():
        try:
            found[camera] = read_folder(path, layout=layout, first=first if first > 1 else 0)
        except ValueError as err:
            issues.append(_unreadable(f"{where}/{camera}", err))
    return found, issues


def of_one_layout(found: dict[str, People], *, where: str = "clip") -> tuple[dict[str, People], list[Issue]]:
    """The cameras with the layout that most of them have, and an issue for each of the others."""
    if not found:
        return found, []
    layouts = [own.names for own in found.values()]
    usual = max(layouts, key=layouts.count)
    issues = [
        issue(
            "MOTION_KEYPOINTS_UNREADABLE",
            where=f"{where}/{name}",
            expected=f"{len(usual)} points, as the others",
            found=f"{len(own.names)} points",
        )
        for name, own in found.items()
        if own.names != usual
    ]
    return {name: own for name, own in found.items() if own.names == usual}, issues


def digest_of(folder: Path) -> str:
    """SHA-256 over names and content of all keypoint files below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.json")):
        total.update(f"{path.relative_to(folder).as_posix()}\0{sha256_file(path)}\n".encode())
    return total.hexdigest()


def _unreadable(where: str, err: ValueError) -> Issue:
    return issue("MOTION_KEYPOINTS_UNREADABLE", where=where, found=str(err))


def _cameras(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {f.name: f for f in sorted(folder.iterdir()) if f.is_dir() and next(f.glob("*.json"), None) is not None}
