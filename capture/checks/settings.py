"""Settings: each picture has the size of its camera, and the cameras of one clip agree in rate and length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original

_FPS_TOLERANCE = 0.005  # relative; 29.97 and 30 differ by 0.001, 24 and 25 by 0.04


def check_settings(context: Context) -> Iterator[Issue]:
    """Size against session.toml; frame rate and number of frames against the other cameras of the clip."""
    for original in context.originals:
        yield from _size(context, original)
    for clip in context.session.clip:
        members = [o for o in context.originals if o.shot.kind is ShotKind.CLIP and o.shot.group == clip.id]
        yield from _clip(members)
    yield from _clip([o for o in context.originals if o.shot.kind is ShotKind.BOARD and not o.shot.group])


def _size(context: Context, original: Original) -> Iterator[Issue]:
    camera = context.session.find_camera(original.shot.camera)
    if (original.width, original.height) == (camera.width, camera.height):
        return
    turned = (original.height, original.width) == (camera.width, camera.height)
    found = f"{original.width} x {original.height}" + (", the camera was turned" if turned else "")
    expected = f"{camera.width} x {camera.height} of camera {camera.id}"
    yield issue("CAMERA_SETTINGS_DIFFER", where=original.shot.stem, expected=expected, found=found)


def _clip(members: list[Original]) -> Iterator[Issue]:
    if len(members) < 2:
        return
    usual = Counter(o.frames for o in members).most_common(1)[0][0]
    rate = Counter(o.fps for o in members).most_common(1)[0][0]
    for o in members:
        if o.frames != usual:
            expected = f"{usual} frames as the others"
            yield issue("CLIP_FRAMES_DIFFER", where=o.shot.stem, expected=expected, found=f"{o.frames} frames")
        if abs(o.fps - rate) > _FPS_TOLERANCE * rate:
            expected = f"{rate:g} frames per second as the others"
            yield issue("CAMERA_SETTINGS_DIFFER", where=o.shot.stem, expected=expected, found=f"{o.fps:g}")
