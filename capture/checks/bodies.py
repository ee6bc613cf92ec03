"""Bodies: the serial number in a file is that of the camera under whose name it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from capture.checks.places import count_of, patterns
from capture.decode.maker_notes import same_serial
from capture.issues import Issue, issue

if TYPE_CHECKING:
    from capture.session import Shot
    from capture.validate import Context, Original


def check_bodies(context: Context) -> Iterator[Issue]:
    """One issue for each camera and foreign body. Files without a serial number say nothing."""
    expected, foreign = _expected(context), find_foreign(context)
    groups: dict[tuple[str, str], list[Original]] = {}
    for original in context.originals:
        if original.shot in foreign:
            groups.setdefault((original.shot.camera, original.exif.serial), []).append(original)
    for (camera, serial), odd in groups.items():
        owner = next((other for other, own in expected.items() if other != camera and same_serial(own, serial)), "")
        code = "CAMERA_SWAPPED" if owner else "CAMERA_SERIAL_DIFFERS"
        body = f"serial {serial} of camera {owner}" if owner else f"serial {serial}"
        peers = [o for o in context.originals if o.shot.camera == camera]
        for where, group in patterns(odd, peers):
            count = count_of(group)
            said = f"{body}: {count}" if count else body
            yield issue(code, where=where, expected=f"serial {expected[camera]}", found=said)


def find_foreign(context: Context) -> set[Shot]:
    """Shots whose file was written by another body than that of their camera."""
    expected = _expected(context)
    return {
        o.shot
        for o in context.originals
        if o.exif.serial and o.shot.camera in expected and not same_serial(o.exif.serial, expected[o.shot.camera])
    }


def _expected(context: Context) -> dict[str, str]:
    """Camera -> serial number: as session.toml gives it, else that of most of its files."""
    found: dict[str, str] = {}
    for camera in context.session.camera:
        seen = Counter(o.exif.serial for o in context.originals if o.shot.camera == camera.id and o.exif.serial)
        if camera.serial or seen:
            found[camera.id] = camera.serial or seen.most_common(1)[0][0]
    return found
