"""Where each shot of a session lies on a card: by the layout of folders, or by `[sources]` of session.toml.

Every file ends in exactly one place: it is a shot, or an issue says why it is none.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from capture import images, video
from capture.decode import raw
from capture.issues import Issue, issue
from capture.session import Session, Shot, ShotKind
from capture.store import inside, safe_name

if TYPE_CHECKING:
    from capture.ignore import FileRules

LAYOUT_FOLDERS = ("stills", "clips", "calibration", "plates")
_MEDIA = (*images.EXTENSIONS, *video.EXTENSIONS)
# Kinds a studio is likely to bring along; named as an unread kind where a shot is expected, and never ignored.
_OTHER_MEDIA = (".r3d", ".braw", ".mxf", ".ari", ".crm", ".gif", ".webp", ".psd", ".eip")
_NOT_MEDIA = ("session.toml", "consent.toml", "marks.toml", "timestamps.csv", "Thumbs.db")


@dataclass(frozen=True)
class Found:
    """A shot and its file on the card."""

    shot: Shot
    path: Path  # resolved, inside the source
    name: str  # path relative to the source, as on the card
    reshoot: int = 1  # 2 for a file called <camera>~2, which replaces the first, ...

    @property
    def logical(self) -> str:
        """The path that the file gets under originals/: the shot's place and the file's own extension."""
        again = f"~{self.reshoot}" if self.reshoot > 1 else ""
        return self.shot.stem + again + _suffix(self.name)


@dataclass(frozen=True)
class Inventory:
    """What lies on a card."""

    found: tuple[Found, ...]
    missing: tuple[Shot, ...]
    issues: tuple[Issue, ...]
    left: tuple[str, ...]  # media files of the card that are no shot of this session
    passed_over: tuple[str, ...] = ()  # files that .likenessignore names; an issue of its own says so of each


def shot_at(session: Session, stem: str) -> Shot | None:
    """The shot whose logical path without extension is `stem`, or None where the session has no such place."""
    parts = PurePosixPath(stem).parts
    if not parts or any(not _is_name(part) for part in parts):
        return None
    head, rest = ("/".join(parts[:2]), parts[2:]) if parts[0] == "calibration" else (parts[0], parts[1:])
    if head not in {kind.value for kind in ShotKind} or not rest:
        return None
    kind, camera = ShotKind(head), rest[-1]
    shot = _shot_of_kind(kind, camera, rest[:-1])
    if shot is None or camera not in {c.id for c in session.camera}:
        return None
    if kind is ShotKind.STILL:
        take = next((t for t in session.take if t.id == shot.group), None)
        if take is None or shot.light not in session.lights_of(take):
            return None
        return shot if camera in session.cameras_of(take) else None
    if kind is ShotKind.CLIP:
        clip = next((c for c in session.clip if c.id == shot.group), None)
        return shot if clip is not None and camera in session.cameras_of(clip) else None
    known_light = not shot.light or shot.light in {light.id for light in session.light}
    return shot if known_light and _declared(session, kind) else None


def split_reshoot(stem: str) -> tuple[str, int]:
    """A path without extension and the number of its reshoot: `.../cam01~2` is the second, without a mark it is 1."""
    plain, mark, number = stem.rpartition("~")
    if mark and number.isascii() and number.isdigit() and 2 <= int(number) < 1000:
        return plain, int(number)
    return stem, 1


def expected_shots(session: Session) -> list[Shot]:
    """Every shot that the session promises one by one: the grid of stills, the clips and the plates."""
    plates = [Shot(ShotKind.PLATE, camera.id) for camera in session.camera] if session.calibration.plates else []
    return [*session.stills(), *session.clips(), *plates]


def place_of(where: str) -> str:
    """The place in the session that a file name or an issue's place belongs to: no extension, no reshoot's number."""
    suffix = PurePosixPath(where).suffix
    plain = where[: -len(suffix)] if suffix.lower() in (*_MEDIA, *_OTHER_MEDIA) else where
    return split_reshoot(plain)[0]


def take_inventory(
    source: Path, session: Session, *, skip: Collection[Path] = (), rules: FileRules | None = None
) -> Inventory:
    """Find the file of each shot under `source`; `skip` are paths in it, resolved, that are no part of the card.

    Files that `rules` name are passed over, but for those that `[sources]` gives to a shot.
    """
    base = source.resolve()
    passed_over: list[str] = []
    issues: list[Issue] = []
    left: list[str] = []
    order = {shot: place for place, shot in enumerate(expected_shots(session))}
    promised = {shot.stem: shot for shot in order}
    claims = _listed(base, session, issues)
    listed = {name for entries in claims.values() for name, _ in entries}
    for name in _walk(base, skip, issues):
        stem, reshoot = split_reshoot(_without_suffix(name))
        shot = promised.get(stem) or shot_at(session, stem)
        if name in listed:
            continue
        rule = rules.rule_for(name) if rules is not None else ""
        if rule:
            if shot is not None or _is_stray(name):
                passed_over.append(name)
                issues.append(issue("FILE_IGNORED", where=name, found=rule))
        elif shot is not None:
            claims.setdefault(shot, []).append((name, reshoot))
        elif _is_stray(name):
            left.append(name)
            issues.append(issue("FILE_UNEXPECTED", where=name))
    folder = _Folder(base)
    found = [item for shot, entries in claims.items() for item in _settle(folder, shot, entries, issues, left)]
    found.sort(key=lambda item: (order.get(item.shot, len(order)), item.logical))
    missing = [*(s for s in order if s not in claims), *_missing_calibration(session, set(claims))]
    return Inventory(tuple(found), tuple(missing), tuple(issues), tuple(left), tuple(passed_over))


def _listed(base: Path, session: Session, issues: list[Issue]) -> dict[Shot, list[tuple[str, int]]]:
    """Files that `[sources]` gives to a shot, where they exist, with the number of the reshoot."""
    claims: dict[Shot, list[tuple[str, int]]] = {}
    for logical, name in session.sources.items():
        stem, reshoot = split_reshoot(logical)
        shot = shot_at(session, stem)
        if shot is None:
            stem, reshoot = split_reshoot(_without_suffix(logical))
            shot = shot_at(session, stem)
        if not (base / name).exists() and PurePosixPath(name).parts[0] == base.name:
            name = PurePosixPath(name).relative_to(base.name).as_posix()  # of several cards, that one's file
        path = base / name
        if shot is None:
            where = f"session.toml, sources {logical!r}"
            issues.append(issue("SESSION_FILE_INVALID", where=where, found="no place of this session"))
        elif path.exists() or path.is_symlink():
            claims.setdefault(shot, []).append((PurePosixPath(name).as_posix(), reshoot))
    return claims


class _Folder:
    """A folder of files that may not lead out of it. The way to each sub-folder is resolved once: it costs the most."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._real: dict[str, str] = {}

    def find(self, name: str) -> tuple[str, os.stat_result]:
        """The resolved path of a file and what it is. ValueError where it leads outside, OSError where it is not."""
        parent, _, last = name.rpartition("/")
        if parent not in self._real:
            self._real[parent] = str(inside(self._base, parent))
        path = f"{self._real[parent]}/{last}"
        facts = os.lstat(path)
        if not stat.S_ISLNK(facts.st_mode):
            return path, facts
        path = str(inside(self._base, name))
        return path, os.stat(path)


def _settle(
    folder: _Folder, shot: Shot, entries: list[tuple[str, int]], issues: list[Issue], left: list[str]
) -> list[Found]:
    """The files of a shot among those that claim its place, one of each reshoot; the others are named and left."""
    fitting = [name for name, _ in entries if _suffix(name) in _kinds(shot)]
    # The raw file of a shot that came as a picture too is its companion and no second shot.
    developed = {reshoot for name, reshoot in entries if name in fitting and not _is_raw(name)}
    fitting = [name for name, reshoot in entries if name in fitting and not (_is_raw(name) and reshoot in developed)]
    accepted: dict[int, Found] = {}
    for name, reshoot in entries:
        if fitting and name not in fitting:  # a raw file or a sidecar beside the picture
            real: Path | Issue = issue("FILE_UNEXPECTED", where=name, found=f"beside {fitting[0]}")
        else:
            real = _usable(folder, shot, name)
        if not isinstance(real, Issue) and reshoot in accepted:
            first = accepted[reshoot].name
            text = f"{first} and {name}; {first} was taken"
            real = issue("GRID_FRAME_DUPLICATE", where=shot.stem, expected="one file", found=text)
        if isinstance(real, Issue):
            issues.append(real)
            left.append(name)
        else:
            accepted[reshoot] = Found(shot, real, name, reshoot)
    return [accepted[reshoot] for reshoot in sorted(accepted)]


def _is_raw(name: str) -> bool:
    return _suffix(name) in raw.EXTENSIONS


def _suffix(name: str) -> str:
    """The extension in small letters with its dot, or nothing."""
    return os.path.splitext(name)[1].lower().rstrip(".")


def _is_name(part: str) -> bool:
    try:
        return bool(safe_name(part))
    except ValueError:
        return False


def _shot_of_kind(kind: ShotKind, camera: str, groups: tuple[str, ...]) -> Shot | None:
    """A shot from the folders between its kind and its camera, or None where their number is wrong."""
    match kind, groups:
        case ShotKind.STILL, (take, light):
            return Shot(kind, camera, take, light)
        case ((ShotKind.CLIP | ShotKind.BOARD), (group,)):
            return Shot(kind, camera, group)
        case ((ShotKind.CHART | ShotKind.BALL), (light,)):
            return Shot(kind, camera, light=light)
        case ShotKind.BALL, (place, light):
            return Shot(kind, camera, place, light)
        case ((ShotKind.BOARD | ShotKind.PLATE), ()):
            return Shot(kind, camera)
        case _:
            return None


def _declared(session: Session, kind: ShotKind) -> bool:
    calibration = session.calibration
    objects = {
        ShotKind.BOARD: calibration.board is not None,
        ShotKind.CHART: calibration.chart is not None,
        ShotKind.BALL: calibration.ball is not None,
        ShotKind.PLATE: calibration.plates,
    }
    return objects.get(kind, True)


def _missing_calibration(session: Session, settled: set[Shot]) -> Iterator[Shot]:
    """Board: something of each camera, unless a clip shows it. Chart and ball: one picture of each light."""
    board_clips = {c for clip in session.clip if clip.board for c in session.cameras_of(clip)}
    have_board = {shot.camera for shot in settled if shot.kind is ShotKind.BOARD} | board_clips
    if session.calibration.board is not None:
        yield from (Shot(ShotKind.BOARD, c.id) for c in session.camera if c.id not in have_board)
    for kind in (ShotKind.CHART, ShotKind.BALL):
        lit = {shot.light for shot in settled if shot.kind is kind}
        if _declared(session, kind):
            yield from (Shot(kind, "", light=light.id) for light in session.light if light.id not in lit)


def _walk(base: Path, skip: Collection[Path], issues: list[Issue]) -> Iterator[str]:
    """Paths in `base` of files and links, in the order of names; hidden ones and `skip` are passed over."""
    # Text, not Path: a large session is planned in a fifth of the time.
    skipped = {os.fspath(path) for path in skip}
    cut = len(os.fspath(base).rstrip("/")) + 1

    def unreadable(err: OSError) -> None:
        where = Path(str(err.filename)).relative_to(base).as_posix()
        issues.append(issue("FILE_UNREADABLE", where=where, found=f"folder: {err.strerror}"))

    for folder, folders, files in os.walk(base, onerror=unreadable):
        here = folder.rstrip("/") + "/"
        issues += [_linked_folder(base, Path(here + name)) for name in sorted(folders) if os.path.islink(here + name)]
        folders[:] = sorted(n for n in folders if not n.startswith(".") and here + n not in skipped)
        yield from ((here + n)[cut:] for n in sorted(files) if not n.startswith(".") and here + n not in skipped)


def _linked_folder(base: Path, path: Path) -> Issue:
    name = path.relative_to(base).as_posix()
    if path.resolve().is_relative_to(base):
        return issue("FILE_UNEXPECTED", where=name, found="a link to a folder; links to folders are not followed")
    return issue("PATH_ESCAPES", where=name, found="a link to a folder outside the shoot")


def _is_stray(name: str) -> bool:
    in_layout = name.split("/", 1)[0] in LAYOUT_FOLDERS and "/" in name
    return name.rpartition("/")[2] not in _NOT_MEDIA and (in_layout or _suffix(name) in (*_MEDIA, *_OTHER_MEDIA))


def _without_suffix(name: str) -> str:
    """A path without its extension; the dot of a name such as `cam.1` is kept when no extension follows."""
    suffix = _suffix(name)
    known = (*_MEDIA, *_OTHER_MEDIA)
    return name[: -len(suffix)] if suffix in known or (suffix and len(suffix) <= 5) else name


def _usable(folder: _Folder, shot: Shot, name: str) -> Path | Issue:
    """The resolved path of a file, or why it cannot be the shot that its place makes it."""
    try:
        real, facts = folder.find(name)
    except (ValueError, RuntimeError):  # RuntimeError: a link that leads to itself
        return issue("PATH_ESCAPES", where=name, found="leads outside the shoot")
    except OSError as err:
        if err.errno == errno.ELOOP:
            return issue("PATH_ESCAPES", where=name, found="leads outside the shoot")
        return issue("FILE_MISSING", where=name, expected=shot.stem, found="a link to a file that is not there")
    if not stat.S_ISREG(facts.st_mode):
        return issue("FILE_UNREADABLE", where=name, found="not a regular file")
    kinds = _kinds(shot)
    suffix = _suffix(name)
    if suffix not in kinds:
        return issue("FILE_FORMAT", where=name, expected=", ".join(kinds), found=suffix or "no extension")
    if facts.st_size == 0:
        return issue("FILE_EMPTY", where=name, found="0 bytes")
    return Path(real)


def _kinds(shot: Shot) -> tuple[str, ...]:
    if shot.kind is ShotKind.CLIP or (shot.kind is ShotKind.BOARD and not shot.group):
        return video.EXTENSIONS
    return images.EXTENSIONS
