"""Settings: every picture of a camera was taken alike, with the profile of the session, by the body it belongs to.

What most files have is what is expected. Exposure is compared among the stills of a camera; lens and focal length
among all its pictures, because the calibration must hold for her too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from capture.checks.bodies import find_foreign
from capture.checks.places import count_of, patterns
from capture.issues import Issue, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from capture.validate import Context, Original

_FPS_TOLERANCE = 0.005  # relative; 29.97 and 30 differ by 0.001, 24 and 25 by 0.04
_SAME = 0.04  # relative; the finest steps of cameras are thirds of a stop: 12 % in aperture, 26 % in time
_EXPOSED = (ShotKind.STILL,)
_COLOURED = (ShotKind.STILL, ShotKind.CHART)
_PICTURES = (ShotKind.STILL, ShotKind.PLATE, ShotKind.CHART, ShotKind.BALL, ShotKind.BOARD)
_Value: TypeAlias = "str | float"


@dataclass(frozen=True)
class _Setting:
    name: str
    kinds: tuple[ShotKind, ...]
    value: Callable[[Original], _Value]  # empty or 0 where the file does not say
    shown: Callable[[_Value], str]


_SETTINGS = (
    _Setting("lens", _PICTURES, lambda o: o.exif.lens, str),
    _Setting("focal length", _PICTURES, lambda o: o.exif.focal_mm, lambda v: f"{v:g} mm"),
    _Setting("ISO", _EXPOSED, lambda o: o.exif.iso, lambda v: f"ISO {v:g}"),
    _Setting("shutter", _EXPOSED, lambda o: o.exif.shutter_s, lambda v: _shutter(v)),
    _Setting("aperture", _EXPOSED, lambda o: o.exif.aperture, lambda v: f"f/{v:g}"),
    _Setting("white balance", _COLOURED, lambda o: o.exif.white_balance, str),
)


def check_settings(context: Context) -> Iterator[Issue]:
    """Size against session.toml, settings within a camera, profile within the session, clips among their cameras."""
    yield from _sizes(context)
    foreign = find_foreign(context)
    own = [o for o in context.originals if o.shot not in foreign]  # another body's settings are no news beside that
    for camera in context.session.camera:
        files = [o for o in own if o.shot.camera == camera.id]
        for setting in _SETTINGS:
            yield from _within(files, setting)
    yield from _profiles(own)
    for clip in context.session.clip:
        members = [o for o in context.originals if o.shot.kind is ShotKind.CLIP and o.shot.group == clip.id]
        yield from _clip(members)
    yield from _clip([o for o in context.originals if o.shot.kind is ShotKind.BOARD and not o.shot.group])


def _sizes(context: Context) -> Iterator[Issue]:
    for camera in context.session.camera:
        files = [o for o in context.originals if o.shot.camera == camera.id]
        odd: dict[tuple[int, int], list[Original]] = {}
        for original in files:
            if (original.width, original.height) != (camera.width, camera.height):
                odd.setdefault((original.width, original.height), []).append(original)
        for (width, height), group in odd.items():
            turned = ", the camera was turned" if (height, width) == (camera.width, camera.height) else ""
            found, expected = f"{width} x {height}{turned}", f"{camera.width} x {camera.height} of camera {camera.id}"
            yield from _differ(group, files, expected, found)


def _within(files: Sequence[Original], setting: _Setting) -> Iterator[Issue]:
    told = [(o, setting.value(o)) for o in files if o.shot.kind in setting.kinds and setting.value(o)]
    if not told:
        return
    usual = Counter(value for _, value in told).most_common(1)[0][0]
    odd: dict[_Value, list[Original]] = {}
    for original, value in told:
        if not _alike(value, usual):
            odd.setdefault(value, []).append(original)
    for value, group in odd.items():
        expected = f"{setting.name} {setting.shown(usual)} as in most files of the camera"
        yield from _differ(group, files, expected, setting.shown(value))


def _profiles(files: Sequence[Original]) -> Iterator[Issue]:
    """The colour profile, else the colour space, of developed pictures; raw files have none yet."""
    pictures = [o for o in files if o.codec in ("jpeg", "png", "tiff", "heif") and o.shot.kind in _COLOURED]
    usual = _most_common([_profile(o) for o in pictures])
    odd: dict[tuple[str, str], list[Original]] = {}
    for original in pictures:
        if _profile(original) != usual:
            odd.setdefault((original.shot.camera, _profile_name(original)), []).append(original)
    if not odd:
        return
    name = next(_profile_name(o) for o in pictures if _profile(o) == usual)
    for (camera, found), group in odd.items():
        peers = [o for o in pictures if o.shot.camera == camera]
        yield from _differ(group, peers, f"colour profile {name} as in most files of the session", found)


def _differ(odd: Sequence[Original], peers: Sequence[Original], expected: str, found: str) -> Iterator[Issue]:
    for where, group in patterns(odd, peers):
        count = count_of(group)
        said = f"{found}: {count}" if count else found
        yield issue("CAMERA_SETTINGS_DIFFER", where=where, expected=expected, found=said)


def _clip(members: Sequence[Original]) -> Iterator[Issue]:
    if len(members) < 2:
        return
    usual = Counter(o.frames for o in members).most_common(1)[0][0]
    rate = Counter(o.fps for o in members).most_common(1)[0][0]
    codec = _most_common([o.codec for o in members])
    for o in members:
        if o.frames != usual:
            expected = f"{usual} frames as the others"
            yield issue("CLIP_FRAMES_DIFFER", where=o.shot.stem, expected=expected, found=f"{o.frames} frames")
        if abs(o.fps - rate) > _FPS_TOLERANCE * rate:
            expected = f"{rate:g} frames per second as the others"
            yield issue("CAMERA_SETTINGS_DIFFER", where=o.shot.stem, expected=expected, found=f"{o.fps:g}")
        if o.codec != codec:
            expected = f"codec {codec} as the others"
            yield issue("CAMERA_SETTINGS_DIFFER", where=o.shot.stem, expected=expected, found=o.codec)


def _most_common(values: Sequence[Hashable]) -> Hashable:
    return Counter(values).most_common(1)[0][0] if values else None


def _alike(one: _Value, other: _Value) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) <= _SAME * max(one, other)


def _profile(original: Original) -> tuple[str, str]:
    return (original.exif.icc, "") if original.exif.icc else ("", original.exif.colour_space)


def _profile_name(original: Original) -> str:
    exif = original.exif
    return exif.icc_name or exif.icc or exif.colour_space or "none"


def _shutter(value: _Value) -> str:
    seconds = float(value)
    return f"{seconds:g} s" if seconds >= 0.3 else f"1/{1 / seconds:.0f} s"
