"""Privacy: what the files say beyond the picture, and would say to everybody who gets an original."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original

_OF_HER = (ShotKind.STILL, ShotKind.CLIP)


def check_privacy(context: Context) -> Iterator[Issue]:
    """One issue of each kind for the session. Names are counted and not repeated: reports are mailed."""
    placed = [o for o in context.originals if o.exif.gps]
    if placed:
        yield _issue("PRIVACY_GPS", placed, "no position", "the position")
    named = [o for o in context.originals if o.exif.names]
    if named:
        fields = [f for f in ("owner", "artist", "copyright") if any(getattr(o.exif, f) for o in named)]
        yield _issue("PRIVACY_NAME", named, "no names", f"a name as {' and '.join(fields)}")
    small = [o for o in context.originals if o.exif.thumbnail and o.shot.kind in _OF_HER]
    if small:
        yield _issue("PRIVACY_THUMBNAIL", small, "no embedded picture", "an embedded picture of her")


def _issue(code: str, files: Sequence[Original], expected: str, what: str) -> Issue:
    cameras = list(dict.fromkeys(o.shot.camera for o in files))
    of = f"camera {cameras[0]}" if len(cameras) == 1 else f"{len(cameras)} cameras"
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    return issue(code, where=files[0].shot.stem, expected=expected, found=f"{what} in {count} of {of}")
